//! `cargo xtask screenshots`: the README's pictures, made by the browser tests.

use std::fs;

use crate::{
    Outcome, Verb,
    args::Args,
    project,
    stages::{self, BROWSER, PICTURES},
};

/// Which of the tests' pictures the README shows.
const CHOSEN: [&str; 4] =
    ["api-keys-wide-light", "created-wide-light", "licensing-online-wide-light", "licensing-online-narrow-dark"];

pub(crate) const VERB: Verb = Verb {
    name: "screenshots",
    summary: "make docs/screenshots anew, from the platform example in Chromium",
    help: "cargo xtask screenshots\n\nRuns the browser tests, which take pictures of every page, wide and narrow, light and dark, into\nthe work folder; and puts those that the README shows into docs/screenshots.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    Args::new(arguments).end()?;
    stages::run(&[&BROWSER])?;
    let (from, to) = (project::work(PICTURES), project::root().join("docs/screenshots"));
    fs::create_dir_all(&to)?;
    for name in CHOSEN {
        fs::copy(from.join(format!("{name}.png")), to.join(format!("{name}.png")))?;
    }
    println!("every picture is in {}", from.display());
    Ok(())
}

//! `cargo xtask size`: how big the shared library is, and what it shows.

use std::fs;

use super::install;
use crate::{Outcome, Verb, args::Args, project, run, symbols};

/// The most that the stripped library, with its SQLite and its TLS, may take: 6.5 MB.
const MOST_BYTES: u64 = 6_500_000;

pub(crate) const VERB: Verb = Verb {
    name: "size",
    summary: "the size of the stripped shared library, and its symbols",
    help: "cargo xtask size\n\nFails when the library is over 6.5 MB stripped, or exports anything that does not begin with `inspire_`.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    Args::new(arguments).end()?;
    println!("{}", measure()?);
    let library = install::staged()?.join("lib/libinspire_auth.so");
    for name in symbols::exported(&library)? {
        println!("{name}");
    }
    Ok(())
}

/// The size in words; a failure when it is too much, or when a foreign symbol is exported.
pub(crate) fn measure() -> Outcome<String> {
    let library = install::staged()?.join("lib/libinspire_auth.so");
    let stripped = project::fresh("size")?.join("libinspire_auth.so");
    run::output(run::command("strip").arg("-o").arg(&stripped).arg(&library))?;
    let bytes = fs::metadata(&stripped)?.len();
    if let Some(foreign) = symbols::exported(&library)?.iter().find(|name| !name.starts_with("inspire_")) {
        return Err(format!("the library exports `{foreign}`").into());
    }
    if bytes > MOST_BYTES {
        return Err(format!("the stripped library takes {bytes} bytes; at most {MOST_BYTES} are allowed").into());
    }
    Ok(format!("{bytes} bytes stripped, of at most {MOST_BYTES}"))
}

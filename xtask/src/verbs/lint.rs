//! `cargo xtask lint`: everything that reads the source and runs nothing.

use crate::{Outcome, Verb, args::Args, stages};

pub(crate) const VERB: Verb = Verb {
    name: "lint",
    summary: "formatting, clippy, documentation, generated files",
    help: "cargo xtask lint\n\nThe first stages of `cargo xtask test`: fmt, clippy, doc, header, errors, vectors.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    Args::new(arguments).end()?;
    stages::run(&stages::ALL.iter().filter(|stage| stage.lint).collect::<Vec<_>>())
}

//! `cargo xtask soak`: the sweeps that take too long for every run.

use crate::{Outcome, Verb, args::Args, run};

/// What the tests look at to take the long way.
const SWITCH: &str = "INSPIRE_SOAK";

pub(crate) const VERB: Verb = Verb {
    name: "soak",
    summary: "the sweeps that take too long for every run",
    help: "cargo xtask soak\n\nFlips every single bit of every genuine license file (some ten minutes); the ordinary run flips every bit of\n`enc` and `sig` in all of them, and of the whole of the smallest one.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    Args::new(arguments).end()?;
    run::say("flipping every bit of every genuine license file");
    let tests = ["test", "--release", "-p", "inspire-auth-core", "--test", "license_vectors", "flipped"];
    run::visibly(run::cargo().args(tests).env(SWITCH, "1"))
}

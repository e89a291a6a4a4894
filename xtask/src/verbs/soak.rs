//! `cargo xtask soak`: the sweeps that take too long for every run.

use crate::{Failure, Outcome, Verb, args::Args, node, run};

/// What the tests look at to take the long way.
const SWITCH: &str = "INSPIRE_SOAK";

pub(crate) const VERB: Verb = Verb {
    name: "soak",
    summary: "the sweeps that take too long for every run",
    help: "cargo xtask soak [files | workers ...]\n\n  files     every single bit of every genuine license file is flipped (some ten minutes); the ordinary run flips\n            every bit of `enc` and `sig` in all of them, and of the whole of the smallest one\n  workers   a thousand workers of Node are terminated during authentication (some two minutes); the ordinary run\n            terminates sixty",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut names = Args::new(arguments).rest()?;
    if names.is_empty() {
        names = ["workers", "files"].map(str::to_owned).to_vec();
    }
    for name in names {
        match name.as_str() {
            "files" => files()?,
            "workers" => workers()?,
            unknown => return Err(Failure::Usage(format!("There is no sweep `{unknown}`."))),
        }
    }
    Ok(())
}

fn files() -> Outcome {
    run::say("flipping every bit of every genuine license file");
    let tests = ["test", "--release", "-p", "inspire-auth-core", "--test", "license_vectors", "flipped"];
    run::visibly(run::cargo().args(tests).env(SWITCH, "1"))
}

fn workers() -> Outcome {
    let folder = node::built()?;
    run::say("terminating a thousand workers during authentication");
    run::visibly(run::command("node").args(["--test", "test/terminate.test.js"]).env(SWITCH, "1").current_dir(folder))
}

//! `cargo xtask tools`: what takes long to build, built once a machine.

use crate::{Outcome, Verb, args::Args, need, run, run::say};

pub(crate) const VERB: Verb = Verb {
    name: "tools",
    summary: "build cargo-c and cargo-nextest, once a machine",
    help: "cargo xtask tools\n\ncargo-c goes into ${XDG_CACHE_HOME:-~/.cache}/inspire-auth/tools (8 to 10 minutes on two cores); `capi` and\n`test` use it from there, and build it when it is missing. cargo-nextest goes where cargo installs; without it\n`test` uses `cargo test`.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    Args::new(arguments).end()?;
    let program = need::cargo_c()?;
    say(&format!("cargo-c {} is {}", need::CARGO_C, program.display()));
    if need::has_nextest() {
        say("cargo-nextest is here");
        return Ok(());
    }
    say(&format!("building cargo-nextest {}", need::NEXTEST));
    let mut install = run::cargo();
    install.args(["install", "cargo-nextest", "--locked", "--quiet", "--version", need::NEXTEST]);
    run::visibly(install.current_dir("/"))
}

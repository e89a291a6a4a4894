//! `cargo xtask soak`: the sweeps that take too long for every run.

mod mutants;

use std::process::Command;

use super::driver::{Checks, Language, compile};
use crate::{Failure, Outcome, Verb, args::Args, need, node, project, python, run};

/// What the tests look at to take the long way.
const SWITCH: &str = "INSPIRE_SOAK";

pub(crate) const VERB: Verb = Verb {
    name: "soak",
    summary: "the sweeps that take too long for every run",
    help: "cargo xtask soak [--minutes N] [--afresh] [NAME ...]\n\n  revocation  readers of four processes against a writer that is killed at random points\n  kills       a committing process is killed; no acknowledged write may be lost\n  processes   64 processes with four threads each on one store\n  power       what was not synced is lost, or reordered: no revoked key may come back\n  faults      every call of the file system fails once, and for ever\n  fork        200 forks of every kind\n  herd        floods of cold keys, wrong secrets and guesses\n  denials     the times of five refusals can't be told apart\n  latency     how soon another machine obeys a revocation, on PostgreSQL\n  disconnects connections to PostgreSQL are lost in every way\n  commits     overlapping commits on PostgreSQL\n  nodes       four gateways on one PostgreSQL for ten minutes\n  credits     four gateways spend one allocation, and are killed\n  mutants     changed lines of the deciding code that no test notices\n  files       every single bit of every genuine license file is flipped (some ten minutes)\n  workers     a thousand workers of Node are terminated during authentication (some two minutes)\n\nA sweep goes in slices of ten minutes (--minutes), says where it stands, and goes on there the next time; --afresh\nbegins anew. Without a name: all. The figures are in docs/reliability.md; the ordinary run has a short form of each.",
    run,
};

/// Those of the soak program.
const SWEEPS: [&str; 13] = [
    "revocation",
    "kills",
    "processes",
    "power",
    "faults",
    "fork",
    "herd",
    "denials",
    "latency",
    "disconnects",
    "commits",
    "nodes",
    "credits",
];

fn run(arguments: Vec<String>) -> Outcome {
    let mut arguments = Args::new(arguments);
    let minutes = arguments.value("--minutes")?.unwrap_or_else(|| "10".to_owned());
    let afresh = arguments.flag("--afresh");
    let mut names = arguments.rest()?;
    if names.is_empty() {
        names = SWEEPS.iter().chain(&["workers", "files", "mutants"]).map(|name| (*name).to_owned()).collect();
    }
    for name in names {
        match name.as_str() {
            "files" => files()?,
            "workers" => workers()?,
            "mutants" => mutants::run(&minutes, afresh)?,
            known if SWEEPS.contains(&known) => sweep(known, &minutes, afresh)?,
            unknown => return Err(Failure::Usage(format!("There is no sweep `{unknown}`."))),
        }
    }
    Ok(())
}

fn sweep(name: &str, minutes: &str, afresh: bool) -> Outcome {
    let mut command = run::cargo();
    command.args(["run", "--quiet", "--release", "-p", "inspire-auth-soak", "--", "--minutes", minutes, name]);
    if afresh {
        command.arg("--afresh");
    }
    if ["latency", "disconnects", "commits", "nodes", "credits", "fork"].contains(&name) {
        need::all(&[need::Tool::Postgres])?;
    }
    if name == "fork" {
        fork_in_other_languages(&mut command)?;
    }
    run::visibly(command.env("INSPIRE_SOAK_STATE", project::work("soak")))
}

/// Says where the parts of the fork matrix are that are not Rust's.
fn fork_in_other_languages(command: &mut Command) -> Outcome {
    let source = project::root().join("tests/c/fork_matrix.c");
    let program = compile(Language::C, &[source], "-std=c11", Checks::None, "c-fork_matrix-c11")?;
    command.env("INSPIRE_SOAK_C_FORK", program);
    command.env("INSPIRE_SOAK_PYTHON", python::installed()?).env("INSPIRE_SOAK_ROOT", project::root());
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

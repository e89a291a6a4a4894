//! `cargo xtask bench`: figures, each with what a user would otherwise pick beside it in the same run.

use std::path::Path;

use crate::{Failure, Outcome, Verb, args::Args, node, project, python, run, run::say};

pub(crate) const VERB: Verb = Verb {
    name: "bench",
    summary: "measure: warm checks by language, and how late an event loop gets",
    help: "cargo xtask bench [core | bindings | loops ...]\n\n  core      a warm check in Rust, and the primitives it may be made of\n  bindings  a warm check in Python and in Node, beside an empty call and a hand-rolled SHA-256 look-up\n  loops     how late a timer of asyncio and of Node gets while eight keys are seen for the first time\n\nBuilds in release. Figures of a busy machine are worth little: compare within one run.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut names = Args::new(arguments).rest()?;
    if names.is_empty() {
        names = ["core", "bindings", "loops"].map(str::to_owned).to_vec();
    }
    for name in names {
        match name.as_str() {
            "core" => core()?,
            "bindings" => scripts("warm")?,
            "loops" => scripts("loop_lateness")?,
            unknown => return Err(Failure::Usage(format!("There is no benchmark `{unknown}`."))),
        }
    }
    Ok(())
}

fn core() -> Outcome {
    for name in ["prf", "warm", "page"] {
        run::visibly(run::cargo().args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "inspire-auth-bench",
            "--",
            name,
        ]))?;
    }
    Ok(())
}

/// The script of this name of either binding.
fn scripts(name: &str) -> Outcome {
    say("building the Python wheel and the Node addon in release (some minutes the first time)");
    let (python, node) = (python::installed()?, node::built()?);
    let script =
        |folder: &str, extension: &str| project::root().join(folder).join("bench").join(name).with_extension(extension);
    println!("\nPython");
    run::visibly(run::command(python).arg(script(python::FOLDER, "py")))?;
    println!("\nNode");
    run::visibly(run::command(Path::new("node")).arg(script(node::FOLDER, "mjs")).current_dir(node))
}

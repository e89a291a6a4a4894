//! `cargo xtask test`: everything that must hold before a change is merged.

use crate::{Failure, Outcome, Verb, args::Args, stages};

pub(crate) const VERB: Verb = Verb {
    name: "test",
    summary: "run every test; this is what CI runs",
    help: "cargo xtask test [--list] [STAGE ...]\n\n  --list    show the stages\n  STAGE     run only these, in the usual order\n\n\
        The last line is `N passed, N failed, N skipped`. A stage that can't run counts as failed.",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let list = args.flag("--list");
    let names = args.rest()?;
    if let Some(unknown) = names.iter().find(|name| !stages::ALL.iter().any(|stage| stage.name == name.as_str())) {
        return Err(Failure::Usage(format!("There is no stage `{unknown}`; `cargo xtask test --list` shows them.")));
    }
    let chosen: Vec<_> =
        stages::ALL.iter().filter(|stage| names.is_empty() || names.iter().any(|name| name == stage.name)).collect();
    if list {
        for stage in chosen {
            println!("{:<14} {}", stage.name, stage.about);
        }
        return Ok(());
    }
    stages::run(&chosen)
}

//! The command line tool, for tests that run a licensing server.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{Failure, Outcome, project, run};

/// What names the tool to a test.
const VARIABLE: &str = "INSPIRE_AUTH_CLI";

/// Builds the tool, and says where it is to what `command` runs.
pub(crate) fn told(command: &mut Command) -> Outcome<&mut Command> {
    Ok(command.env(VARIABLE, built()?))
}

/// The tool, built once a run.
pub(crate) fn built() -> Outcome<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let output = run::output(run::cargo().args(["build", "--quiet", "--package", "inspire-auth-cli"]));
        output.map(|_| project::target().join("debug/inspire-auth")).map_err(|failure| failure.to_string())
    });
    built.as_deref().map_err(|message| Failure::Failed(message.clone()))
}

//! The command line tool, for tests that run a licensing server.

use std::{path::PathBuf, process::Command};

use crate::{Outcome, project, run};

/// What names the tool to a test.
const VARIABLE: &str = "INSPIRE_AUTH_CLI";

/// Builds the tool, and says where it is to what `command` runs.
pub(crate) fn told(command: &mut Command) -> Outcome<&mut Command> {
    Ok(command.env(VARIABLE, built()?))
}

fn built() -> Outcome<PathBuf> {
    run::output(run::cargo().args(["build", "--quiet", "--package", "inspire-auth-cli"]))?;
    Ok(project::target().join("debug").join("inspire-auth"))
}

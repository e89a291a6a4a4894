//! The program `inspire-auth`, for tests that need a licensing server.

use std::path::PathBuf;

use crate::{Outcome, project, run};

/// Builds it as it is now, and returns where it is.
pub(crate) fn built() -> Outcome<PathBuf> {
    run::output(run::cargo().args(["build", "--quiet", "--package", "inspire-auth-cli"]))?;
    Ok(project::target().join("debug").join(format!("inspire-auth{}", std::env::consts::EXE_SUFFIX)))
}

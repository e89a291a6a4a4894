//! The platform example: pages for administrators, on the Node package as it is now.

use std::path::PathBuf;

use crate::{Outcome, node, project, run};

/// The folder of the example, from the root.
const FOLDER: &str = "examples/platform";

/// Builds the Node package and the pages; returns the example's folder.
pub(crate) fn built() -> Outcome<PathBuf> {
    node::built()?;
    let folder = project::root().join(FOLDER);
    node::install(&folder)?;
    run::output(node::npm(&folder).args(["run", "--silent", "build"]))?;
    Ok(folder)
}

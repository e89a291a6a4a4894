//! The platform example, in a browser.

use super::{Report, bindings};
use crate::{
    Outcome,
    need::{self, Tool},
    node, platform, project,
};

/// Where the tests put pictures of every page, below the work folder.
pub(crate) const PICTURES: &str = "screenshots";

pub(super) fn browser() -> Outcome<Report> {
    need::all(&[Tool::Chromium])?;
    let folder = platform::built()?;
    let mut tests = node::tests(&folder)?;
    tests.env("PLATFORM_SCREENSHOTS", project::fresh(PICTURES)?);
    let mut report = Report::default();
    bindings::tap(&mut report, &mut tests)?;
    Ok(report)
}

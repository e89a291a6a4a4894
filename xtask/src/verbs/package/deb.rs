use crate::{Outcome, stages::Report};
pub(super) fn package() -> Outcome<Report> { Ok(Report::one()) }

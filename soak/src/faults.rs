//! To come.

use crate::{Outcome, Sweep, progress::Run};

/// To come.
pub const SWEEP: Sweep = Sweep { name: "faults", about: "to come", run };

fn run(_run: &mut Run) -> Outcome {
    Err("to come".into())
}

//! Readers of four processes against a writer that is killed: revoked means revoked, and a death is decided one way.

use std::time::Duration;

use crate::{
    Outcome, Sweep,
    progress::Run,
    stage::{Readers, Stage},
};

/// No check that starts after an acknowledgement decides by the old record, whoever dies when.
pub const SWEEP: Sweep = Sweep {
    name: "revocation",
    about: "readers of four processes against a writer that is killed at random points",
    run,
};

fn run(run: &mut Run) -> Outcome {
    run.goal("checks", 1_000_000_000);
    run.goal("kills", 5_000);
    run.goal("restarts", 100);
    let readers = Readers { processes: 4, threads: 2, rest: 0, write: false };
    let mut stage = Stage::set(run, readers)?;
    // A change then meets readers that decide from memory alone, as well as ones that follow the change before.
    stage.let_writers_rest(Duration::from_millis(12));
    let acknowledged = stage.acknowledged();
    while run.goes_on() {
        stage.life(run)?;
        stage.count(run);
    }
    run.add("changes acknowledged", stage.acknowledged() - acknowledged);
    // None, or the sweep would have ended with an error; said, because it is what this is about.
    run.at_least("stale", 0);
    run.at_least("differing", 0);
    stage.strike()
}

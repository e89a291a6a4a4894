//! A committing process is killed: what was acknowledged is there, what was revoked stays revoked, nothing is half done.
//!
//! A SIGKILL shows what a dying *process* leaves; what a dying machine leaves is for the sweep `power`.

use crate::{
    Outcome, Sweep,
    progress::Run,
    stage::{Readers, Stage},
};

/// No acknowledged write is lost, and no death damages the store.
pub const SWEEP: Sweep =
    Sweep { name: "kills", about: "a committing process is killed; no acknowledged write may be lost", run };

fn run(run: &mut Run) -> Outcome {
    run.goal("kills", 5_000);
    // Nobody else has the store open: what the dead leave behind is for the next process to recover.
    let mut stage = Stage::set(run, Readers { processes: 0, threads: 0, rest: 0, write: false })?;
    let acknowledged = stage.acknowledged();
    while run.goes_on() {
        stage.life(run)?;
        stage.count(run);
    }
    run.add("changes acknowledged", stage.acknowledged() - acknowledged);
    // None, or the sweep would have ended with an error; said, because it is what this is about.
    run.at_least("lost", 0);
    run.at_least("damaged", 0);
    stage.strike()
}

//! Many processes on one store: one write a second by any of them, checks by all.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{
    Outcome, Sweep,
    children::wait_for,
    progress::Run,
    stage::{Readers, Stage},
};

/// Nothing but a retried `BUSY` or `STORE_LOCKED`, with the time that a write takes.
pub const SWEEP: Sweep = Sweep { name: "processes", about: "64 processes with four threads each on one store", run };

/// Processes of the long form; a short one says how many.
const PROCESSES: usize = 64;
const SHORT: usize = 8;
const THREADS: usize = 4;
/// 256 threads that rest so many times as long as they check take one core, on any machine and however long a check
/// takes: there is something left for the writes, whose time is measured.
const REST: u32 = 256;

fn run(run: &mut Run) -> Outcome {
    run.goal("seconds", 600);
    let processes = if run.is_brief() { SHORT } else { PROCESSES };
    let mut stage = Stage::set(run, Readers { processes, threads: THREADS, rest: REST, write: true })?;
    let mut rng = Rng::new();
    let mut due = Instant::now();
    while run.goes_on() {
        // One write, by any process, and not before the last one was a second ago.
        let acknowledged = stage.acknowledged();
        let begun = Instant::now();
        stage.board.turn.0.store(rng.u64(1..=processes as u64), Ordering::Release);
        wait_for("a process makes its change", || {
            stage.check_readers()?;
            Ok(stage.board.turn.0.load(Ordering::Acquire) == 0)
        })?;
        if stage.acknowledged() != acknowledged + 1 {
            return Err("a process took its turn and changed nothing".into());
        }
        run.add("writes", 1);
        run.sample("write us", stage.board.took.0.load(Ordering::Relaxed) / 1_000);
        stage.count(run);
        due += Duration::from_secs(1);
        while Instant::now() < due {
            stage.check_readers()?;
            thread::sleep(Duration::from_millis(20));
        }
        run.add("seconds", begun.elapsed().as_secs().max(1));
    }
    run.at_least("errors", 0);
    stage.strike()
}

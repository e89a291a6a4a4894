//! The sweeps with processes that die, for a moment each: real processes, real kills, a real disk.

use std::time::Duration;

use inspire_auth_soak::{SWEEPS, progress::Run};

/// Runs a sweep until the goals are reached. The time is a bound for a machine that hangs, no measure.
fn sweep(name: &str, goals: &[(&str, u64)]) -> Run {
    let mut run = Run::brief(name, Duration::from_secs(600)).played_by(env!("CARGO_BIN_EXE_inspire-auth-soak"));
    for (what, figure) in goals {
        run = run.until(what, *figure);
    }
    let sweep = SWEEPS.iter().find(|sweep| sweep.name == name);
    let outcome = sweep.map(|sweep| (sweep.run)(&mut run).map_err(|error| error.to_string()));
    assert_eq!(outcome, Some(Ok(())), "{}", run.standing());
    assert!(run.is_reached(), "{}", run.standing());
    run
}

#[test]
fn revoked_means_revoked_whoever_dies() {
    let goals = [("kills", 20), ("checks", 10_000), ("unacknowledged, done", 3), ("unacknowledged, not done", 3)];
    let run = sweep("revocation", &goals);
    // Both answers were given, often: neither a store that refuses everything passes, nor one that grants everything.
    assert!(run.count("granted") > 1_000 && run.count("checks") - run.count("granted") > 100, "{}", run.standing());
}

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    sweep("kills", &[("kills", 30), ("unacknowledged, done", 3), ("unacknowledged, not done", 3)]);
}

#[test]
fn many_processes_share_one_store() {
    // One write a second: how many fall into three of them is not for a test to say.
    let run = sweep("processes", &[("seconds", 3), ("checks", 10_000), ("writes", 3)]);
    assert!(run.count("granted") > 0, "{}", run.standing());
}

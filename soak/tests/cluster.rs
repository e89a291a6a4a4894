//! The sweeps of several machines on one PostgreSQL, each for a moment.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use inspire_auth_soak::{cluster, nodes, progress::Run, spending};

/// More than any of these takes.
const SLICE: Duration = Duration::from_secs(120);

#[test]
fn a_revocation_is_obeyed_elsewhere() {
    let mut run =
        Run::brief("latency", SLICE).until("revocations", 20).played_by(env!("CARGO_BIN_EXE_inspire-auth-soak"));
    (cluster::LATENCY.run)(&mut run).unwrap();
    assert!(run.is_reached(), "{}", run.standing());
}

#[test]
fn no_revocation_is_missed_when_connections_are_lost() {
    let mut run = Run::brief("disconnects", SLICE).until("disconnects", 15);
    (cluster::DISCONNECTS.run)(&mut run).unwrap();
    assert!(run.is_reached(), "{}", run.standing());
}

#[test]
fn no_commit_is_missed() {
    let mut run = Run::brief("commits", SLICE).until("commits", 2_000);
    (cluster::COMMITS.run)(&mut run).unwrap();
    assert!(run.is_reached(), "{}", run.standing());
}

#[test]
fn four_gateways_give_no_wrong_answer() {
    let mut run = Run::brief("nodes", SLICE).until("writes", 60).played_by(env!("CARGO_BIN_EXE_inspire-auth-soak"));
    (nodes::SWEEP.run)(&mut run).unwrap();
    assert!(run.is_reached() && run.count("wrong answers") == 0, "{}", run.standing());
}

#[test]
fn no_credit_is_spent_twice() {
    let mut run = Run::brief("credits", SLICE).until("rounds", 1).played_by(env!("CARGO_BIN_EXE_inspire-auth-soak"));
    (spending::SWEEP.run)(&mut run).unwrap();
    assert!(run.is_reached(), "{}", run.standing());
}

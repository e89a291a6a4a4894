//! A short form of the sweep `faults`: each kind of failure is a test, and so a process, of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and says how far it came"
)]

use inspire_auth_soak::{
    faults::{BEFORE, BRIEF, Reached, Series, Template, fail_at},
    vfs::{Files, Kind},
};

/// Fails call `from`, then the one `step` after it, and so on, each in a run of its own, until a run does not reach it.
fn calls_fail(files: Files, kind: Kind, for_ever: bool, (from, step): (u64, u64), at_least: u64) {
    let before = Template::after(&BEFORE).unwrap();
    let mut at = from;
    while fail_at(Series { kind, files, for_ever }, at, &before, &BRIEF).unwrap() != Reached::End {
        at += step;
    }
    println!("{at} is not reached");
    assert!(at > at_least, "only {at} calls: the failures do not reach the library");
}

#[test]
fn every_odd_call_fails_once() {
    calls_fail(Files::Authority, Kind::Io, false, (1, 2), 100);
}

#[test]
fn every_even_call_fails_once() {
    calls_fail(Files::Authority, Kind::Io, false, (2, 2), 100);
}

#[test]
fn every_odd_call_fails_for_ever() {
    calls_fail(Files::Authority, Kind::Io, true, (1, 2), 100);
}

#[test]
fn every_even_call_fails_for_ever() {
    calls_fail(Files::Authority, Kind::Io, true, (2, 2), 100);
}

#[test]
fn the_disk_is_full_once() {
    calls_fail(Files::Authority, Kind::Full, false, (1, 1), 20);
}

#[test]
fn the_disk_is_full_for_ever() {
    calls_fail(Files::Authority, Kind::Full, true, (1, 1), 20);
}

#[test]
fn every_call_on_the_activity_file_fails_for_ever() {
    calls_fail(Files::Activity, Kind::Io, true, (1, 1), 20);
}

//! A short form of the sweep `faults`: each kind of failure is a test, and so a process, of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and says how far it came"
)]

use inspire_auth_soak::{
    faults::{BEFORE, BRIEF, COPIES, Reached, Series, Step, Template, fail_at},
    vfs::{Call, Files, Kind},
};

/// Fails call `from`, then the one `step` after it, and so on, each in a run of its own, until a run does not reach it.
fn calls_fail(series: Series, script: &[Step], (from, step): (u64, u64), at_least: u64) {
    let before = Template::after(&BEFORE).unwrap();
    let mut at = from;
    while fail_at(series, at, &before, script).unwrap() != Reached::End {
        at += step;
    }
    println!("{at} is not reached");
    assert!(at > at_least, "only {at} calls: the failures do not reach the library");
}

fn series(files: Files, kind: Kind, for_ever: bool) -> Series {
    Series { kind, files, only: None, for_ever }
}

#[test]
fn every_odd_call_fails_once() {
    calls_fail(series(Files::Authority, Kind::Io, false), &BRIEF, (1, 2), 100);
}

#[test]
fn every_even_call_fails_once() {
    calls_fail(series(Files::Authority, Kind::Io, false), &BRIEF, (2, 2), 100);
}

#[test]
fn every_odd_call_fails_for_ever() {
    calls_fail(series(Files::Authority, Kind::Io, true), &BRIEF, (1, 2), 100);
}

#[test]
fn every_even_call_fails_for_ever() {
    calls_fail(series(Files::Authority, Kind::Io, true), &BRIEF, (2, 2), 100);
}

#[test]
fn the_disk_is_full_once() {
    calls_fail(series(Files::Authority, Kind::Full, false), &BRIEF, (1, 1), 20);
}

#[test]
fn the_disk_is_full_for_ever() {
    calls_fail(series(Files::Authority, Kind::Full, true), &BRIEF, (1, 1), 20);
}

#[test]
fn every_call_on_the_activity_file_fails_for_ever() {
    calls_fail(series(Files::Activity, Kind::Io, true), &BRIEF, (1, 1), 20);
}

/// An operator answers damage with an old copy, so nothing else may be called that.
#[test]
fn what_can_not_be_read_is_not_called_damaged() {
    for (call, at_least) in [(Call::FileSize, 5), (Call::Read, 30)] {
        let series = Series { only: Some(call), ..series(Files::Authority, Kind::Io, false) };
        calls_fail(series, &COPIES, (1, 1), at_least);
    }
}

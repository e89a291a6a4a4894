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

/// Fails every call, one run after the other, until a run does not reach it.
fn every_call_fails(files: Files, kind: Kind, for_ever: bool, at_least: u64) {
    let before = Template::after(&BEFORE).unwrap();
    let mut at = 1;
    while fail_at(Series { kind, files, for_ever }, at, &before, &BRIEF).unwrap() != Reached::End {
        at += 1;
    }
    println!("{} calls", at - 1);
    assert!(at > at_least, "only {at} calls: the failures do not reach the library");
}

#[test]
fn every_call_fails_once() {
    every_call_fails(Files::Authority, Kind::Io, false, 100);
}

#[test]
fn every_call_fails_for_ever() {
    every_call_fails(Files::Authority, Kind::Io, true, 100);
}

#[test]
fn the_disk_is_full_once() {
    every_call_fails(Files::Authority, Kind::Full, false, 20);
}

#[test]
fn the_disk_is_full_for_ever() {
    every_call_fails(Files::Authority, Kind::Full, true, 20);
}

#[test]
fn every_call_on_the_activity_file_fails_for_ever() {
    every_call_fails(Files::Activity, Kind::Io, true, 20);
}

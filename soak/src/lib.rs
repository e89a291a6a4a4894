//! The long sweeps: what a test of a second can't show, run until a stated figure is reached.
//!
//! Each sweep is a function from a [`Goal`](progress::Run) to an outcome. `cargo xtask soak NAME` runs the long form,
//! in slices of ten minutes that go on where the last one stopped; the crate's own tests run each for a moment, so that
//! `cargo xtask test` notices when one breaks.
#![allow(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a tool for developers, not a library"
)]

mod board;
mod children;
pub mod cluster;
pub mod denials;
mod doom;
pub mod faults;
pub mod fork;
pub mod herd;
mod inquest;
mod keys;
pub mod kills;
pub mod nodes;
pub mod oracle;
pub mod power;
pub mod processes;
pub mod progress;
mod reader;
pub mod revocation;
pub mod spending;
mod stage;
pub mod times;
pub mod vfs;
mod witness;
mod words;
mod writer;

pub use children::end_slices_on_interrupt;
use progress::Run;

/// A sweep: what is typed, what it shows, its goal, and how to run it.
pub struct Sweep {
    /// What is typed.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// Goes on until the goal is reached or the slice is over.
    pub run: fn(&mut Run) -> Outcome,
}

/// What a sweep comes to: an error is a failure of the library, told so that a person can repeat it.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Every sweep, by name.
pub const SWEEPS: &[Sweep] = &[
    revocation::SWEEP,
    kills::SWEEP,
    processes::SWEEP,
    power::SWEEP,
    faults::SWEEP,
    fork::SWEEP,
    herd::SWEEP,
    denials::SWEEP,
    cluster::LATENCY,
    cluster::DISCONNECTS,
    cluster::COMMITS,
    nodes::SWEEP,
    spending::SWEEP,
];

/// What a copy of the program does as one of a sweep's processes: `--as=ROLE ARGUMENT...`.
///
/// # Errors
/// What went wrong, for the sweep that started it.
pub fn play(role: &str, arguments: &[String]) -> Outcome {
    match role {
        "fork" => fork::matrix::play(arguments),
        "gateway" => nodes::play(arguments),
        "node" => cluster::play(arguments),
        "reader" => reader::play(arguments),
        "spender" => spending::play(arguments),
        "witness" => witness::play(arguments),
        "writer" => writer::play(arguments),
        _ => Err(format!("there is no part {role}").into()),
    }
}

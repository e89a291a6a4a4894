//! The few things libinspire_auth needs that are unsafe or differ by operating system: clocks, fork, files, machine id.

pub mod clock;
pub mod fork;

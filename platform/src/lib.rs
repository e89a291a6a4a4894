//! The few things libinspire_auth needs that are unsafe or differ by operating system: clocks, fork, files, memory,
//! machine id, the slow hash.
//!
//! Everything here is small, says what it promises, and has a safe signature: the crates above it forbid `unsafe`.

pub mod append;
pub mod argon2;
pub mod clock;
pub mod fork;
pub mod fs;
pub mod machine;
pub mod memory;
// Its protocol alone runs under the model checker, whose atomics can't lie in a mapped file.
#[cfg(not(loom))]
pub mod page;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod turn;
pub mod unshared;
pub mod words;

//! Licensing.

pub mod keys;

//! Locks that shrug off a panic.
//!
//! The standard library's locks, and not a faster crate's: they have no process-wide table of waiters, which a fork could
//! catch half-changed. What they guard here is whole at every moment, so a panic elsewhere is no reason to stop.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever happened to who held it before.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Calling the core: with the interpreter's lock, where that is quick, or without it.
//!
//! A panic of the core becomes `INTERNAL` here, and nowhere else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use inspire_auth_core::{Code, Error, InspireAuth, Result};
use pyo3::prelude::*;

use crate::{errors::raise, gate};

/// What the core answers, or `INTERNAL` when it panics.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(Error::new(Code::Internal)))
}

/// Runs `body` with the interpreter's lock kept: for what takes less time than letting it go.
pub(crate) fn kept<T>(py: Python<'_>, body: impl FnOnce() -> Result<T>) -> PyResult<T> {
    caught(body).map_err(|error| raise(py, &error))
}

/// Runs `body` with the interpreter's lock let go: for what hashes, reads the disk, or waits.
pub(crate) fn released<T: Send>(py: Python<'_>, body: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let (outcome, _passage) = py.detach(|| (caught(body), gate::reattach()));
    outcome.map_err(|error| raise(py, &error))
}

/// Runs a query that reads nothing but memory unless the store has changed: then it runs without the lock.
pub(crate) fn query<T: Send>(
    py: Python<'_>,
    auth: &InspireAuth,
    body: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    if auth.is_fresh().unwrap_or(false) { kept(py, body) } else { released(py, body) }
}

//! Backups of an SQLite store.

use inspire_auth_core::store::{RestoreOptions, SqliteStore};
use pyo3::prelude::*;

use crate::{arguments::path, boundary::released, records};

/// Copies a store to a new file, while it is in use. The copy holds hashes and the license key: it needs the same care
/// as the store.
///
/// Args:
///     store: the path of the store.
///     to: the path of the copy, which must not exist.
///
/// Raises:
///     ArgumentError: there is something at `to`.
///     StoreError: the store can't be read, or the copy not be written.
///
/// Example:
///     >>> backup_store("service.db", "service-2026-11-22.db")
#[pyfunction]
pub(crate) fn backup_store(py: Python<'_>, store: &Bound<'_, PyAny>, to: &Bound<'_, PyAny>) -> PyResult<()> {
    let (store, to) = (path(store)?, path(to)?);
    released(py, || SqliteStore::open(store)?.backup(&to))
}

/// Brings a backup back into a store: it revives nothing that was revoked since, and what nothing is known of comes
/// back disabled.
///
/// Args:
///     store: the path of the store.
///     backup: the path of the backup.
///     accept_revived: lets keys that the live store has no history of come back as they were: for a new machine, when
///         the operator knows that none of them was revoked since.
///
/// Returns:
///     What was done: a `RestoreReport`.
///
/// Raises:
///     StoreError: the backup is damaged or not one, or the store can't be written. Nothing is changed then.
///     ArgumentError: the backup is the store's own file.
///
/// Example:
///     >>> restore_store("service.db", "service-2026-11-22.db")
#[pyfunction]
#[pyo3(signature = (store, backup, *, accept_revived = false))]
pub(crate) fn restore_store<'py>(
    py: Python<'py>,
    store: &Bound<'py, PyAny>,
    backup: &Bound<'py, PyAny>,
    accept_revived: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (store, backup) = (path(store)?, path(backup)?);
    let options = RestoreOptions { accept_revived };
    let report = released(py, || SqliteStore::open(store)?.restore(&backup, options))?;
    records::restored(py, &report)
}

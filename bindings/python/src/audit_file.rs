//! Verifying the chain of an audit file.

use inspire_auth_core::audit;
use pyo3::{prelude::*, types::PyTuple};

use crate::{arguments::path, boundary::released, records};

/// Checks the chain of an audit file (`AuditFile.chain`), and of the files that it was renamed to, oldest first. Needs no
/// handle, and may run while others write.
///
/// Args:
///     path: the file.
///     head: the `head` of an earlier verification, which must still be there: only so does anybody notice that the
///         newest lines were cut off. None is not asked for.
///
/// Returns:
///     What was read: a `VerifiedAudit`.
///
/// Raises:
///     ConflictError: something was changed, removed or inserted; the detail says in which file and line.
///     ArgumentError: the file has no chain, or `head` is no SHA-256 in hexadecimal.
///     AuditUnavailableError: it can't be read.
///
/// Example:
///     >>> verify_audit("/var/log/service/audit.jsonl").lines
///     1204
#[pyfunction]
#[pyo3(signature = (path, *, head = None))]
pub(crate) fn verify_audit<'py>(
    py: Python<'py>,
    path: &Bound<'py, PyAny>,
    head: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let path = self::path(path)?;
    let found = released(py, || match head {
        Some(head) => audit::verify_with_head(&path, head),
        None => audit::verify(&path),
    })?;
    let files = PyTuple::new(py, found.files)?;
    let (beginning, unchained, torn) = (found.from_the_beginning, found.unchained, found.torn);
    records::make(py, "VerifiedAudit", (found.lines, files, &found.head, beginning, unchained, torn, found.first_torn))
}

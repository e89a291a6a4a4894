//! The core's errors as Python's exceptions; the classes are in `_errors.py`.

use inspire_auth_core::{Code, Error, TABLE};
use pyo3::{prelude::*, sync::PyOnceLock};

use crate::gate;

/// The exception for an error of the core.
#[cold]
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let _passage = gate::run_python(py);
    let made = MAKE
        .import(py, "inspire_auth._errors", "error")
        .and_then(|make| make.call1((error.code().name(), error.detail())));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// An argument that can't be used.
#[cold]
pub(crate) fn invalid(py: Python<'_>, detail: impl Into<std::borrow::Cow<'static, str>>) -> PyErr {
    raise(py, &Error::with(Code::InvalidArgument, detail))
}

type Row = (u32, &'static str, &'static str, &'static str, &'static str, bool, Option<u16>, bool);

/// The table of errors: the fields of each `ErrorEntry`, by number.
#[pyfunction]
pub(crate) fn error_table() -> Vec<Row> {
    TABLE
        .iter()
        .map(|e| (e.number, e.name, e.message, e.admin, e.developer, e.retry, e.http, e.proof.is_none()))
        .collect()
}

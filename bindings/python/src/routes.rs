//! Route tables.

use inspire_auth_core::{
    Code, Error,
    routes::{Explanation, Routes as Core, Rule},
};
use pyo3::{
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyDict, PyIterator, PyList, PyString, PyTuple},
};

use crate::{
    boundary::kept,
    errors::{invalid, raise},
    gate, records,
    requirement::Requirement,
};

/// A table that says what guards each path and method of a service. Immutable: any handle and any number of threads use
/// one. `Routes.parse` makes one; iteration gives its rules, as `RouteRule`.
///
/// The longest prefix of whole segments decides, and denies every method that it does not list; a path outside the
/// table is denied. Paths are compared as they were received, and never rewritten: one that could be read in two ways
/// (`//`, `..`, `%2F`, `%61` for `a`, `;`, ...) is refused with `PATH_NOT_CANONICAL`.
///
/// Example:
///     >>> routes = Routes.parse(Path("routes.json").read_bytes())
///     >>> caller = auth.authenticate(headers, "secure", routes=routes, method="GET", path="/data/resources?all")
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct Routes {
    pub(crate) core: Core,
}

#[pymethods]
impl Routes {
    /// Compiles a table.
    ///
    /// Args:
    ///     table: JSON, as str or bytes, or the same as a dict: `{"routes": [{"prefix": "/data", "methods": ["GET"],
    ///         "require": {"any": ["Authenticated/Ops"]}, "entitlement": "MFA"}]}`. `methods` lists at least one, and
    ///         `["*"]` is every one that no other rule of the prefix lists; `require` has `any` or `all`, and an empty
    ///         list denies everyone; `entitlement` may be left out. A prefix has no trailing slash. With
    ///         `"ignore_case": true` ASCII letters of either case are the same, for services whose own router has it
    ///         so; with `"ignore_suffix": true` `/users.json` is what `/users` is, as in Django REST Framework.
    ///
    /// Raises:
    ///     ArgumentError: it can't be read; the detail says which route, and what is wrong. `INVALID_LEVEL`.
    ///
    /// Example:
    ///     >>> rule = {"prefix": "/", "methods": ["GET"], "require": {"any": ["Authenticated"]}}
    ///     >>> len(Routes.parse({"routes": [rule]}))
    ///     1
    #[staticmethod]
    fn parse(table: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = table.py();
        let written;
        let text = if let Ok(text) = table.cast::<PyString>() {
            text.to_str().map_err(|_| invalid(py, "the table is no UTF-8"))?
        } else if let Ok(bytes) = table.cast::<PyBytes>() {
            std::str::from_utf8(bytes.as_bytes()).map_err(|_| invalid(py, "the table is no UTF-8"))?
        } else if table.is_instance_of::<PyDict>() {
            written = dumps(table)?;
            &written
        } else {
            return Err(pyo3::exceptions::PyTypeError::new_err("a table is str, bytes or dict"));
        };
        Ok(Self { core: kept(py, || Core::parse(text))? })
    }

    /// Whether paths are compared without regard to ASCII case.
    #[getter]
    fn ignores_case(&self) -> bool {
        self.core.ignores_case()
    }

    /// Whether what follows a dot in a segment of a path is left out of account.
    #[getter]
    fn ignores_suffix(&self) -> bool {
        self.core.ignores_suffix()
    }

    fn __len__(&self) -> usize {
        self.core.rules().len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let rules: Vec<_> = self.core.rules().map(|each| rule(py, each)).collect::<PyResult<_>>()?;
        PyList::new(py, rules)?.try_iter()
    }

    fn __repr__(&self) -> String {
        format!("<Routes, {} rules>", self.core.rules().len())
    }
}

/// A dict as JSON.
fn dumps(table: &Bound<'_, PyAny>) -> PyResult<String> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = table.py();
    let _passage = gate::run_python(py);
    let written = DUMPS.import(py, "json", "dumps")?.call1((table,));
    // What is no JSON (or turns in a circle) is no table. What a class of the host's raises goes through.
    written
        .map_err(|error| {
            let is_ours = error.is_instance_of::<pyo3::exceptions::PyTypeError>(py)
                || error.is_instance_of::<pyo3::exceptions::PyValueError>(py)
                || error.is_instance_of::<pyo3::exceptions::PyRecursionError>(py);
            if is_ours { invalid(py, "the table is no JSON") } else { error }
        })?
        .extract()
}

fn rule<'py>(py: Python<'py>, rule: &Rule) -> PyResult<Bound<'py, PyAny>> {
    let methods: Vec<&str> = rule.methods().collect();
    let require = Bound::new(py, Requirement::of(rule.requirement()))?;
    records::make(py, "RouteRule", (rule.prefix(), PyTuple::new(py, methods)?, require, rule.entitlement()))
}

/// An explanation; its rule is the table's own.
pub(crate) fn explanation<'py>(py: Python<'py>, routes: &Core, found: &Explanation) -> PyResult<Bound<'py, PyAny>> {
    let rule = match &found.rule {
        None => None,
        Some((prefix, methods)) => {
            let is_it = |rule: &&Rule| rule.prefix() == prefix && rule.methods().eq(methods.iter().map(String::as_str));
            let named = routes.rules().find(is_it).ok_or_else(|| raise(py, &Error::new(Code::Internal)))?;
            Some(self::rule(py, named)?)
        }
    };
    let missing = PyTuple::new(py, &found.missing)?;
    records::make(py, "Explanation", (found.code.name(), rule, missing, &found.reason))
}

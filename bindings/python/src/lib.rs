//! The native half of the Python package `inspire_auth`.
#![forbid(unsafe_code)]

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _inspire_auth {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", inspire_auth_core::VERSION)
    }
}

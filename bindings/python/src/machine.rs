//! Which machine this is.

use inspire_auth_core::license::machine;
use pyo3::{prelude::*, types::PyList};

use crate::{boundary::released, records};

/// This machine, as a machine file names it. Needs no handle.
///
/// Args:
///     machine_id: its fingerprint, when the host knows better; None: from the operating system and the product id.
///     product: the product id: two products see two fingerprints.
///
/// Raises:
///     LicenseError: `FINGERPRINT_UNAVAILABLE`: nothing is given, and the operating system has no readable machine id.
///
/// Example:
///     >>> inspire_auth.machine_identity(product="gateway").fingerprint
///     '9c1f...'
#[pyfunction]
#[pyo3(signature = (machine_id = None, product = None))]
pub(crate) fn machine_identity<'py>(
    py: Python<'py>,
    machine_id: Option<&str>,
    product: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let identity = released(py, || machine::fingerprint(machine_id, product))?;
    records::machine(py, &identity)
}

/// What is looked at for a fingerprint: for people who wonder why it changed, or is not there. Needs no handle.
///
/// Args:
///     machine_id: as for `machine_identity`.
///     product: as for `machine_identity`.
///
/// Returns:
///     `MachinePart` records: what, and what was found; never the machine id itself.
///
/// Example:
///     >>> for part in explain_machine(product="gateway"):
///     ...     print(part.name, part.found)
#[pyfunction]
#[pyo3(signature = (machine_id = None, product = None))]
pub(crate) fn explain_machine<'py>(
    py: Python<'py>,
    machine_id: Option<&str>,
    product: Option<&str>,
) -> PyResult<Bound<'py, PyList>> {
    let parts = released(py, || Ok(machine::explain(machine_id, product)))?;
    records::list(py, &parts, records::part)
}

//! Reading a license file without installing it.

use inspire_auth_core::license::{self, InspectOptions};
use pyo3::prelude::*;

use crate::{arguments::contents, boundary::released, options::TrustedKey, records};

/// Reads a license or machine file, and reports everything that is wrong with it. Installs nothing, needs no handle,
/// assumes no machine, and never raises for a bad file.
///
/// Args:
///     file: the contents of the file.
///     trusted_keys: keys whose signatures are believed. With none, no file verifies.
///     license_key: decrypts the file, and must be the one in it. None: not judged.
///     machine_id: a machine's fingerprint: decrypts a machine file, and must be the one in it. None: not judged; never
///         that of this machine unless it is given.
///     product: the product id that the license must be for. None: not judged.
///     now: Unix seconds; None or 0 is the system's clock.
///     offline: whether the file must be fit for an offline installation.
///
/// Raises:
///     ArgumentError: a trusted key can't be read (`INVALID_ARGUMENT`), or is not sound (`WEAK_TRUSTED_KEY`).
///
/// Example:
///     >>> found = inspire_auth.inspect(open("plant3.lic").read(), trusted_keys=[TrustedKey("vendor", "9c1f...")])
///     >>> found.failures
///     ('LICENSE_EXPIRED',)
#[pyfunction]
#[pyo3(
    signature = (
        file, *, trusted_keys = vec![], license_key = None, machine_id = None, product = None, now = None,
        offline = false
    ),
    text_signature = "(file, *, trusted_keys=(), license_key=None, machine_id=None, product=None, now=None, \
        offline=False)"
)]
#[allow(clippy::too_many_arguments)]
pub(crate) fn inspect<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyAny>,
    trusted_keys: Vec<TrustedKey>,
    license_key: Option<&str>,
    machine_id: Option<&str>,
    product: Option<&str>,
    now: Option<i64>,
    offline: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (file, trusted_keys) = (contents(file)?, TrustedKey::read_all(py, &trusted_keys)?);
    let options = InspectOptions { trusted_keys: &trusted_keys, license_key, machine_id, product, now, offline };
    let found = released(py, || Ok(license::inspect(&file, &options)))?;
    records::inspection(py, &found)
}

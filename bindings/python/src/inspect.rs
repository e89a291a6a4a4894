//! Reading a license file, or a signed license key, without installing anything.

use inspire_auth_core::license::{self, InspectOptions, SignedKey};
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

/// Reads a license key that is signed itself (`key/DATASET.SIGNATURE`, Keygen's `ED25519_SIGN`), and verifies it before its
/// dataset is looked at. Such a key shows that a vendor made it, and says what was so then; it activates nothing by itself.
///
/// Args:
///     license_key: the license key.
///     trusted_keys: keys whose signatures are believed. With none, no key verifies.
///     now: Unix seconds; None or 0 is the system's clock. Judges which trusted keys are in force.
///
/// Raises:
///     LicenseError: `LICENSE_MALFORMED`: it is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM`: its signature has another
///         length than Ed25519's; `LICENSE_SIGNATURE_INVALID`: no trusted key has signed it.
///     ArgumentError: a trusted key can't be read (`INVALID_ARGUMENT`), or is not sound (`WEAK_TRUSTED_KEY`).
///
/// Example:
///     >>> signed = inspire_auth.inspect_license_key("key/eyJ...", trusted_keys=[TrustedKey("vendor", "9c1f...")])
///     >>> signed.license, signed.expires_at
///     ('f3d657de-2b50-4adf-867b-ef03dc86a3fe', 1634256000)
#[pyfunction]
#[pyo3(
    signature = (license_key, *, trusted_keys = vec![], now = None),
    text_signature = "(license_key, *, trusted_keys=(), now=None)"
)]
pub(crate) fn inspect_license_key<'py>(
    py: Python<'py>,
    license_key: &str,
    trusted_keys: Vec<TrustedKey>,
    now: Option<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    let trusted_keys = TrustedKey::read_all(py, &trusted_keys)?;
    let signed = released(py, || SignedKey::read(license_key, &trusted_keys, now))?;
    records::signed_license_key(py, &signed)
}

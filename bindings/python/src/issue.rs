//! The vendor's side: signing license and machine files.

use inspire_auth_core::license::{
    Kind,
    issue::{self, LicenseDescription},
};
use pyo3::{prelude::*, sync::PyOnceLock, types::PyString};

use crate::{
    arguments::word,
    boundary::{kept, released},
    gate,
};

const KINDS: &[(&str, Kind)] = &[("machine", Kind::Machine), ("license", Kind::License)];

/// An issuer's Ed25519 signing key: the secret behind license files. Wiped when it is dropped; `repr` shows the public
/// half only, and it can't be pickled.
///
/// Example:
///     >>> key = SigningKey.generate()
///     >>> file = sign(key, {"id": "l1", "key": "ABCD-EFGH", "fingerprint": "9c1f..."})
#[pyclass(frozen, module = "inspire_auth.issue")]
pub(crate) struct SigningKey {
    core: issue::SigningKey,
}

#[pymethods]
impl SigningKey {
    /// A new key, from the operating system's randomness.
    ///
    /// Raises:
    ///     InternalError: the operating system refuses randomness.
    ///
    /// Example:
    ///     >>> Path("vendor.key").write_text(SigningKey.generate().to_pem())
    #[staticmethod]
    fn generate(py: Python<'_>) -> PyResult<Self> {
        Ok(Self { core: kept(py, issue::SigningKey::generate)? })
    }

    /// Reads what a key file holds.
    ///
    /// Args:
    ///     text: PEM PKCS#8, as `to_pem` and `openssl genpkey -algorithm ed25519` write it, or the seed as 64
    ///         hexadecimal digits. White space around either is ignored.
    ///
    /// Raises:
    ///     ArgumentError: it is neither. The text is not shown.
    ///
    /// Example:
    ///     >>> signer = SigningKey.from_seed_file(Path("vendor.key").read_text())
    #[staticmethod]
    fn from_seed_file(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { core: kept(py, || issue::SigningKey::from_seed_file(text))? })
    }

    /// The secret, as PEM PKCS#8 with a final newline: to be kept in a file that only the issuer can read.
    ///
    /// Example:
    ///     >>> SigningKey.generate().to_pem()
    ///     '-----BEGIN PRIVATE KEY-----...'
    fn to_pem<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.core.to_pem())
    }

    /// The public half, as 64 hexadecimal digits: what products trust (see `TrustedKey`).
    #[getter]
    fn public_key(&self) -> String {
        self.core.public().to_hex()
    }

    fn __repr__(&self) -> String {
        format!("<SigningKey, public {}>", self.public_key())
    }
}

/// Signs a license or machine file.
///
/// Args:
///     key: the signing key.
///     description: the license, as a mapping or as the text of a JSON object: `id` and `key`, and where they are
///         needed `name`, `expiry` and `issued` (RFC 3339), `status`, `suspended`, `product`, `policy`, `limits`,
///         `metadata`, `entitlements`, `fingerprint`, `ttl` (seconds). A member that is not known is refused.
///     kind: `"machine"` for a file that is good on one machine (`fingerprint` names it), `"license"` for one that is
///         good on any.
///     encrypted: whether the contents are hidden from whoever does not have the license key (and, for a machine file,
///         the fingerprint).
///     now: Unix seconds; None or 0 is the system's clock. The time of issue, unless the description names one.
///
/// Returns:
///     The text of the file.
///
/// Raises:
///     ArgumentError: the description can't make such a file.
///
/// Example:
///     >>> file = sign(key, {"id": "l1", "key": "ABCD-EFGH", "entitlements": ["MFA", "OFFLINE_LICENSING"],
///     ...                   "fingerprint": machine_identity().fingerprint}, encrypted=True)
#[pyfunction]
#[pyo3(signature = (key, description, *, kind = "machine", encrypted = false, now = None))]
pub(crate) fn sign(
    py: Python<'_>,
    key: &Bound<'_, SigningKey>,
    description: &Bound<'_, PyAny>,
    kind: &str,
    encrypted: bool,
    now: Option<i64>,
) -> PyResult<String> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = match description.cast::<PyString>() {
        Ok(text) => text.clone(),
        Err(_) => {
            let _passage = gate::run_python(py);
            let members = pyo3::types::PyDict::new(py);
            members.update(description.cast()?)?;
            DUMPS.import(py, "json", "dumps")?.call1((members,))?.cast_into()?
        }
    };
    let (kind, text) = (word(py, "kind", kind, KINDS)?, text.to_str()?);
    let key = &key.get().core;
    released(py, || issue::sign(key, &LicenseDescription::parse(text.as_bytes())?, kind, encrypted, now))
}

//! The license.

use inspire_auth_core::license::CATALOGUE;
use pyo3::{
    prelude::*,
    types::{PyDict, PyIterator, PyList, PyString},
};

use crate::{
    arguments::{By, contents},
    auth::InspireAuth,
    records,
};

/// Code and feature of each entitlement that is known by name, in the order in which people see them.
pub(crate) fn catalogue(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let dict = PyDict::new(py);
    for (code, feature) in CATALOGUE {
        dict.set_item(code, feature)?;
    }
    py.import("types")?.getattr("MappingProxyType")?.call1((dict,))
}

/// The license of a handle. Every query sees each change, by any process, that returned before it. A `now` is in Unix
/// seconds; None or 0 is the system's clock.
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct License {
    auth: Py<InspireAuth>,
}

impl License {
    pub(crate) fn new(auth: Py<InspireAuth>) -> Self {
        Self { auth }
    }
}

#[pymethods]
impl License {
    /// What is installed, and whether it is good.
    ///
    /// Args:
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.status().state
    ///     'active'
    #[pyo3(signature = (now = None))]
    fn status<'py>(&self, py: Python<'py>, now: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let status = self.auth.get().ask(py, |core| core.license().status(now))?;
        records::status(py, &status)
    }

    /// What is granted, as a live view: `in` asks at that moment, iteration gives the granted codes in byte order.
    ///
    /// Example:
    ///     >>> if "VIDEO_WALL_SYNC" in auth.license.entitlements:
    ///     ...     start_video_walls()
    #[getter]
    fn entitlements(&self, py: Python<'_>) -> Entitlements {
        Entitlements { auth: self.auth.clone_ref(py) }
    }

    /// The catalogue of ten, then what else is granted.
    ///
    /// Args:
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> [each.code for each in auth.license.list_entitlements() if each.granted]
    ///     ['VIDEO_WALL_SYNC', 'MFA']
    #[pyo3(signature = (now = None))]
    fn list_entitlements<'py>(&self, py: Python<'py>, now: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let table = self.auth.get().ask(py, |core| core.license().entitlements(now))?;
        records::list(py, &table, records::entitlement)
    }

    /// Whether an entitlement is granted. Without an active license nothing is.
    ///
    /// Args:
    ///     code: its code, in any case.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.has_entitlement("MFA")
    ///     True
    #[pyo3(signature = (code, now = None))]
    fn has_entitlement(&self, py: Python<'_>, code: &str, now: Option<i64>) -> PyResult<bool> {
        self.auth.get().ask(py, |core| core.license().has_entitlement(code, now))
    }

    /// As `has_entitlement`, for a gate: returns when it is granted, and raises why not otherwise.
    ///
    /// Args:
    ///     code: its code, in any case.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     NotEntitledError: the license is active without it.
    ///     UnlicensedError: there is no license.
    ///     LicenseError: the license's first failure.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.check_entitlement("SSO_SAML")
    ///     Traceback (most recent call last):
    ///     inspire_auth.NotEntitledError: the license does not include this feature
    #[pyo3(signature = (code, now = None))]
    fn check_entitlement(&self, py: Python<'_>, code: &str, now: Option<i64>) -> PyResult<()> {
        self.auth.get().ask(py, |core| core.license().check_entitlement(code, now))
    }

    /// A limit by name.
    ///
    /// Args:
    ///     name: such as `MAX_DISPLAYS`, in any case.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     -1 for unlimited; 0 when the license is not active, or does not name the limit.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.limit("MAX_DISPLAYS")
    ///     25
    #[pyo3(signature = (name, now = None))]
    fn limit(&self, py: Python<'_>, name: &str, now: Option<i64>) -> PyResult<i64> {
        self.auth.get().ask(py, |core| core.license().limit(name, now))
    }

    /// Whether so many of something are within their limit: returns when they are, and raises otherwise.
    ///
    /// Args:
    ///     name: such as `MAX_DISPLAYS`, in any case.
    ///     in_use: how many, the new one included; not negative.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     LimitExceededError: they are not; the detail names the reason when the license is not active.
    ///     ArgumentError: a negative number.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.check_limit("MAX_DISPLAYS", len(displays) + 1)
    #[pyo3(signature = (name, in_use, now = None))]
    fn check_limit(&self, py: Python<'_>, name: &str, in_use: i64, now: Option<i64>) -> PyResult<()> {
        self.auth.get().ask(py, |core| core.license().check_limit(name, in_use, now))
    }

    /// Installs a file with its license key, for offline use, in the place of what is installed. A failure changes
    /// nothing.
    ///
    /// Args:
    ///     license_key: the license key that belongs to the file.
    ///     file: the contents of the license or machine file.
    ///     force: installs a file that is older than the installed one of the same license; never one that was
    ///         deactivated.
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     LicenseError: the first check that fails; the detail lists all.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.activate_offline("ABCD-EFGH", Path("site.lic").read_bytes(), actor=SYSTEM).state
    ///     'active'
    #[pyo3(signature = (license_key, file, *, force = false, actor, now = None))]
    fn activate_offline<'py>(
        &self,
        py: Python<'py>,
        license_key: &str,
        file: &Bound<'py, PyAny>,
        force: bool,
        actor: By,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let file = contents(file)?;
        let status = self
            .auth
            .get()
            .change(py, |core| core.license().activate_offline(license_key, &file, force, &actor.caller(now)))?;
        records::status(py, &status)
    }

    /// Asks the licensing server again: only for a license that was activated online.
    ///
    /// Args:
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     UnlicensedError: there is none.
    ///     LicenseError: `NOT_AVAILABLE_OFFLINE`: it was installed from a file.
    ///     ArgumentError: `UNSUPPORTED_OPTION`: this build does not speak to a server.
    ///     PermissionDeniedError: the actor may not.
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> auth.license.revalidate(actor=SYSTEM)
    #[pyo3(signature = (*, actor, now = None))]
    fn revalidate<'py>(&self, py: Python<'py>, actor: By, now: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let status = self.auth.get().change(py, |core| core.license().revalidate(&actor.caller(now)))?;
        records::status(py, &status)
    }

    /// Takes the license out, and buries its file: it can't be installed here again, only a newer one.
    ///
    /// Args:
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     UnlicensedError: there is none.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.deactivate(actor=SYSTEM).state
    ///     'unlicensed'
    #[pyo3(signature = (*, actor, now = None))]
    fn deactivate<'py>(&self, py: Python<'py>, actor: By, now: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let status =
            self.auth.get().change(py, |core| core.license().deactivate(&actor.caller(now)).map(|done| done.status))?;
        records::status(py, &status)
    }

    /// This machine, as the options of the handle identify it.
    ///
    /// Raises:
    ///     LicenseError: `FINGERPRINT_UNAVAILABLE`.
    ///
    /// Example:
    ///     >>> auth.license.machine().fingerprint  # what a vendor makes a machine file for
    fn machine<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let machine = self.auth.get().change(py, |core| core.license().machine())?;
        records::machine(py, &machine)
    }
}

/// What the license grants, as a live view: each question is answered as things stand then.
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct Entitlements {
    auth: Py<InspireAuth>,
}

impl Entitlements {
    fn granted(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.auth.get().ask(py, |core| core.license().status(None))?.entitlements)
    }
}

#[pymethods]
impl Entitlements {
    fn __contains__(&self, py: Python<'_>, code: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(code) = code.cast::<PyString>() else { return Ok(false) };
        let code = code.to_str()?;
        self.auth.get().ask(py, |core| core.license().has_entitlement(code, None))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.granted(py)?)?.try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.granted(py)?.len())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Entitlements {:?}>", self.granted(py)?))
    }
}

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
    server::{self, Cancel},
};

/// Code and feature of each entitlement that is known by name, in the order in which people see them.
pub(crate) fn catalogue(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let dict = PyDict::new(py);
    for (code, feature) in CATALOGUE {
        dict.set_item(code, feature)?;
    }
    py.import("types")?.getattr("MappingProxyType")?.call1((dict,))
}

/// A `Tenant`.
#[derive(FromPyObject)]
struct Tenant {
    name: String,
    limit: i64,
}

impl Tenant {
    fn as_core(&self) -> inspire_auth_core::license::Tenant<'_> {
        inspire_auth_core::license::Tenant { name: &self.name, limit: self.limit }
    }
}

/// The limit that holds for a tenant: what `Tenant.effective` asks.
#[pyfunction]
pub(crate) fn effective_limit(limit: i64, license_limit: i64) -> i64 {
    inspire_auth_core::license::Tenant { name: "", limit }.effective(license_limit)
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

    /// Runs an errand at the licensing server, without the interpreter's lock.
    fn online<T: Send>(
        &self,
        py: Python<'_>,
        errand: impl FnOnce(inspire_auth_core::license::License<'_>) -> inspire_auth_core::Result<T> + Send,
    ) -> PyResult<T> {
        let outcome = self.auth.get().change(py, |core| errand(core.license()));
        server::interruption().map_or(outcome, Err)
    }
}

/// Whether an entitlement is granted: from memory as a rule, with the interpreter's lock kept.
#[inline]
fn grants(auth: &InspireAuth, py: Python<'_>, code: &str, now: Option<i64>) -> PyResult<bool> {
    match auth.warm.ask(|core| core.license().has_entitlement_warm(code, now)) {
        Some(answer) => Ok(answer),
        None => auth.ask(py, |core| core.license().has_entitlement(code, now)),
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
        grants(self.auth.get(), py, code, now)
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
        let auth = self.auth.get();
        match auth.warm.ask(|core| core.license().limit_warm(name, now)) {
            Some(limit) => Ok(limit),
            None => auth.ask(py, |core| core.license().limit(name, now)),
        }
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

    /// Activates this installation: registers this machine for the license at the licensing server, and installs the machine
    /// file that it issues, in the place of what is installed. A failure changes nothing, but for a refusal that the server
    /// has signed of the license that is installed. Waits for the network; an event loop awaits `activate_online_async`.
    ///
    /// Args:
    ///     license_key: the license key.
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     cancel: ends the call from another thread.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     LicenseError: what the server refuses with, or the first check that the issued file fails.
    ///     LicensingServerError: the server was not reached, or did not answer as it should.
    ///     ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
    ///     OperationCancelledError: it was cancelled.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.activate_online("ABCD-EFGH", actor=SYSTEM).mode
    ///     'online'
    #[pyo3(signature = (license_key, *, actor, cancel = None, now = None))]
    fn activate_online<'py>(
        &self,
        py: Python<'py>,
        license_key: &str,
        actor: By,
        cancel: Option<&Bound<'py, Cancel>>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cancel = server::cancel(cancel);
        let status =
            self.online(py, |license| license.activate_online_unless(&cancel, license_key, &actor.caller(now)))?;
        records::status(py, &status)
    }

    /// Asks the licensing server again, and installs the fresh machine file that it issues: only for a license that was
    /// activated online. A failure changes nothing but `LicenseStatus.last_attempt`; a refusal that the server has signed
    /// acts at once. Waits for the network; an event loop awaits `revalidate_async`.
    ///
    /// Args:
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     cancel: ends the call from another thread.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     UnlicensedError: there is none.
    ///     LicenseError: `NOT_AVAILABLE_OFFLINE`: it was installed from a file; `NOT_ACTIVATED`: somebody has taken this
    ///         machine off the license; what else the server refuses with.
    ///     LicensingServerError: the server was not reached, or did not answer as it should.
    ///     ConflictError: the license was taken out, or changed for another, meanwhile.
    ///     ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
    ///     OperationCancelledError: it was cancelled.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be read or written.
    ///
    /// Example:
    ///     >>> auth.license.revalidate(actor=SYSTEM).lease_expires_at
    #[pyo3(signature = (*, actor, cancel = None, now = None))]
    fn revalidate<'py>(
        &self,
        py: Python<'py>,
        actor: By,
        cancel: Option<&Bound<'py, Cancel>>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cancel = server::cancel(cancel);
        let status = self.online(py, |license| license.revalidate_unless(&cancel, &actor.caller(now)))?;
        records::status(py, &status)
    }

    /// Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
    /// changes nothing.
    ///
    /// Args:
    ///     file: the contents of the license or machine file.
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The status afterwards.
    ///
    /// Raises:
    ///     UnlicensedError: there is none.
    ///     ConflictError: the file is of another license.
    ///     LicenseError: the first check that fails; the detail lists all.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.refresh(Path("site-2028.lic").read_bytes(), actor=SYSTEM).state
    ///     'active'
    #[pyo3(signature = (file, *, actor, now = None))]
    fn refresh<'py>(
        &self,
        py: Python<'py>,
        file: &Bound<'py, PyAny>,
        actor: By,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let file = contents(file)?;
        let status = self.auth.get().change(py, |core| core.license().refresh(&file, &actor.caller(now)))?;
        records::status(py, &status)
    }

    /// A request for a machine file, for the vendor: this machine's fingerprint, the product, a nonce, and the public key of
    /// this installation, which signs it. Nothing is sent anywhere.
    ///
    /// Args:
    ///     license_key: the license key, to be sent along; None leaves it out.
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     LicenseError: `FINGERPRINT_UNAVAILABLE`.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> Path("site.req").write_text(auth.license.request("ABCD-EFGH", actor=SYSTEM))
    #[pyo3(signature = (license_key = None, *, actor, now = None))]
    fn request(&self, py: Python<'_>, license_key: Option<&str>, actor: By, now: Option<i64>) -> PyResult<String> {
        self.auth.get().change(py, |core| core.license().request(license_key, &actor.caller(now)))
    }

    /// The license key as it was entered, for an administrator who has to see it: `status().key` is masked. Who saw it is
    /// recorded (`license.key_revealed`).
    ///
    /// Args:
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     LicenseError: `UNLICENSED`.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> auth.license.reveal_key(actor=SYSTEM)
    ///     'ABCD-EFGH'
    #[pyo3(signature = (*, actor, now = None))]
    fn reveal_key(&self, py: Python<'_>, actor: By, now: Option<i64>) -> PyResult<String> {
        self.auth.get().change(py, |core| core.license().reveal_key(&actor.caller(now))).map(|key| key.to_string())
    }

    /// Takes the license out, and buries its file: it can't be installed here again, only a newer one. What was activated
    /// online is then released at the licensing server; should that fail, it stays noted, and can be tried again. An event
    /// loop awaits `deactivate_async`.
    ///
    /// Args:
    ///     local_only: says nothing to the licensing server, now or later.
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     cancel: ends the wait for the server from another thread: the license is out, and its release may be pending.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     What it came to: a `Deactivation`.
    ///
    /// Raises:
    ///     UnlicensedError: there is none.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.deactivate(actor=SYSTEM).status.state
    ///     'unlicensed'
    #[pyo3(signature = (*, local_only = false, actor, cancel = None, now = None))]
    fn deactivate<'py>(
        &self,
        py: Python<'py>,
        local_only: bool,
        actor: By,
        cancel: Option<&Bound<'py, Cancel>>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cancel = server::cancel(cancel);
        let done = self.online(py, |license| {
            let caller = actor.caller(now);
            if local_only { license.deactivate_locally(&caller) } else { license.deactivate_unless(&cancel, &caller) }
        })?;
        records::deactivation(py, &done)
    }

    /// Tries again to release the machines that are still to be released at the licensing server.
    ///
    /// Args:
    ///     actor: `SYSTEM`, or a `Principal` that satisfies `admin_requirement`.
    ///     cancel: ends the call from another thread.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     How many were.
    ///
    /// Raises:
    ///     LicensingServerError: what the first that could not be released failed with.
    ///     ConflictError: the server does not confirm it.
    ///     ArgumentError: `UNSUPPORTED_OPTION`: the handle was opened without a server.
    ///     OperationCancelledError: it was cancelled.
    ///     PermissionDeniedError: the actor may not.
    ///     StoreError: the store can't be read or written.
    ///
    /// Example:
    ///     >>> auth.license.release_pending(actor=SYSTEM)
    ///     1
    #[pyo3(signature = (*, actor, cancel = None, now = None))]
    fn release_pending(
        &self,
        py: Python<'_>,
        actor: By,
        cancel: Option<&Bound<'_, Cancel>>,
        now: Option<i64>,
    ) -> PyResult<usize> {
        let cancel = server::cancel(cancel);
        self.online(py, |license| license.release_pending(&cancel, &actor.caller(now)))
    }

    /// Does what is due at the licensing server, as the system: refreshes a lease of which two thirds are over, and releases
    /// what is still to be released. When that fails, it is due again after a minute, then at distances that double up to
    /// six hours.
    ///
    /// Args:
    ///     cancel: ends the call from another thread.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     When there will be something to do, and what failed: a `LicenseTick`.
    ///
    /// Raises:
    ///     StoreError: the store can't be read or written.
    ///
    /// Example:
    ///     >>> auth.license.tick().next
    #[pyo3(signature = (*, cancel = None, now = None))]
    fn tick<'py>(
        &self,
        py: Python<'py>,
        cancel: Option<&Bound<'py, Cancel>>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let cancel = server::cancel(cancel);
        let tick = self.online(py, |license| license.tick(&cancel, now))?;
        records::make(py, "LicenseTick", (tick.next, tick.problem.map(|problem| problem.code().name())))
    }

    /// Consumes credits (`AI_CREDITS_MONTHLY`), if so many are left: of the tenant, and of the whole installation.
    ///
    /// Args:
    ///     amount: how many, at least 1.
    ///     operation: your own name of what they are for, 1 to 255 bytes: it is kept this month and the next, and whoever
    ///         asks again with it gets the same answer and consumes nothing.
    ///     tenant: whose; None is the whole installation's.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     What is left: a `CreditBalance`.
    ///
    /// Raises:
    ///     LimitExceededError: fewer are left, or the license is not active.
    ///     ConflictError: the operation was for another amount or tenant, or was refunded.
    ///     ArgumentError: an amount below 1, or a name that is too short or long.
    ///     StoreError: it is not known whether they were consumed; the same call says.
    ///
    /// Example:
    ///     >>> auth.license.consume(10, "image-4711").left
    ///     90
    #[pyo3(signature = (amount, operation, *, tenant = None, now = None))]
    fn consume<'py>(
        &self,
        py: Python<'py>,
        amount: i64,
        operation: &str,
        tenant: Option<Tenant>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let balance = self.auth.get().change(py, |core| {
            core.license().consume(amount, operation, tenant.as_ref().map(Tenant::as_core).as_ref(), now)
        })?;
        records::balance(py, &balance)
    }

    /// Gives back what an operation consumed, once: again, it changes nothing.
    ///
    /// Args:
    ///     operation: the operation that consumed them.
    ///     tenant: whose; None is the whole installation's.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     What is left: a `CreditBalance`.
    ///
    /// Raises:
    ///     NotFoundError: the operation is not known (any more).
    ///     ConflictError: it was for another tenant.
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.license.refund("image-4711").left
    ///     100
    #[pyo3(signature = (operation, *, tenant = None, now = None))]
    fn refund<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        tenant: Option<Tenant>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let balance = self
            .auth
            .get()
            .change(py, |core| core.license().refund(operation, tenant.as_ref().map(Tenant::as_core).as_ref(), now))?;
        records::balance(py, &balance)
    }

    /// What is left of this month's credits.
    ///
    /// Args:
    ///     tenant: whose; None is the whole installation's.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> auth.license.balance().left
    ///     100
    #[pyo3(signature = (*, tenant = None, now = None))]
    fn balance<'py>(&self, py: Python<'py>, tenant: Option<Tenant>, now: Option<i64>) -> PyResult<Bound<'py, PyAny>> {
        let balance = self
            .auth
            .get()
            .change(py, |core| core.license().balance(tenant.as_ref().map(Tenant::as_core).as_ref(), now))?;
        records::balance(py, &balance)
    }

    /// Whether so many of something are within a tenant's limit, and those of all tenants within the license's: returns when
    /// they are, and raises otherwise.
    ///
    /// Args:
    ///     name: such as `MAX_DISPLAYS`, in any case.
    ///     tenant: whose.
    ///     in_use: how many the tenant would have, the new one included; not negative.
    ///     in_use_by_all: how many the whole installation would have; not negative.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     LimitExceededError: they are not; the detail names the reason when the license is not active.
    ///     ArgumentError: a negative number.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.license.check_tenant_limit("MAX_DISPLAYS", Tenant("north", 10), in_use=4, in_use_by_all=19)
    #[pyo3(signature = (name, tenant, *, in_use, in_use_by_all, now = None))]
    fn check_tenant_limit(
        &self,
        py: Python<'_>,
        name: &str,
        tenant: Tenant,
        in_use: i64,
        in_use_by_all: i64,
        now: Option<i64>,
    ) -> PyResult<()> {
        self.auth
            .get()
            .ask(py, |core| core.license().check_tenant_limit(name, &tenant.as_core(), in_use, in_use_by_all, now))
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
        grants(self.auth.get(), py, code.to_str()?, None)
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

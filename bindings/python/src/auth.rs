//! The handle.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};
use inspire_auth_core::{Code, InspireAuth as Core, TABLE, keys::Attempt};
use pyo3::{
    PyTraverseError, PyVisit,
    prelude::*,
    types::{PyList, PyString, PyType},
};

use crate::{
    arguments::{Way, count, seconds},
    audit::Audit,
    boundary::{query, released},
    decide::{self, Asked, Memory, decide_slowly},
    errors::{invalid, raise},
    headers::Extra,
    keys::Keys,
    license::License,
    options::{self, AuditFile, HashParameters, Pepper, TrustedKey},
    principal::Principal,
    records, requirement,
    routes::{self, Routes},
    server::{Carrier, Server},
    ticket::Ticket,
    warm::{Decision, Warm},
};

/// API keys and licensing on one store: the handle that everything hangs off. Any number of threads, and of asyncio
/// tasks, use one at once; a forked process goes on using its parent's. `InspireAuth.open` makes one.
///
/// Example:
///     >>> auth = InspireAuth.open("service.db")
///     >>> operators = Requirement("any(Authenticated/Ops/Write)")
///     >>> caller = auth.authenticate(request_headers, channel="secure", require=operators)
///     >>> caller.name
///     'reporting'
#[pyclass(frozen, weakref, module = "inspire_auth")]
pub(crate) struct InspireAuth {
    core: ArcSwapOption<Core>,
    pub(crate) extra: Extra,
    pub(crate) warm: Warm,
    pub(crate) audit: Arc<Audit>,
    transport: Option<Arc<Carrier>>,
}

impl InspireAuth {
    /// The core, as long as the handle is open.
    #[inline]
    pub(crate) fn open_core(&self, py: Python<'_>) -> PyResult<Guard<Option<Arc<Core>>>> {
        let core = self.core.load();
        if core.is_none() {
            return Err(closed(py));
        }
        Ok(core)
    }

    /// The same, to be used while the interpreter's lock is let go.
    pub(crate) fn core(&self, py: Python<'_>) -> PyResult<Arc<Core>> {
        self.core.load_full().ok_or_else(|| closed(py))
    }

    /// What the warm checks hold. While one runs, on another thread, it is waited for, but not for ever: a forked child may
    /// have inherited it so.
    fn let_go(&self) -> Option<Core> {
        let mut tries = (0..1_000_000).map(|_| {
            std::hint::spin_loop();
            self.warm.close()
        });
        tries.find_map(|outcome| outcome.ok()).flatten()
    }

    /// Runs `body` without the interpreter's lock, and hands over what it had audited.
    pub(crate) fn change<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&Core) -> inspire_auth_core::Result<T> + Send,
    ) -> PyResult<T> {
        let core = self.core(py)?;
        let outcome = released(py, || body(&core));
        self.audit.tell(py);
        outcome
    }

    /// Asks something that is answered from memory unless the store has changed.
    pub(crate) fn ask<T: Send>(
        &self,
        py: Python<'_>,
        body: impl FnOnce(&Core) -> inspire_auth_core::Result<T> + Send,
    ) -> PyResult<T> {
        let core = self.core(py)?;
        query(py, &core, || body(&core))
    }

    /// The object for a decision, after its audit events have been handed over.
    #[inline]
    pub(crate) fn answer<'py>(&self, py: Python<'py>, decision: Decision<'py>) -> PyResult<Bound<'py, Principal>> {
        self.audit.tell(py);
        match decision {
            Decision::Known(principal) => Ok(principal),
            Decision::Granted(principal) => self.warm.object(py, &principal),
            Decision::Refused(error) => Err(raise(py, &error)),
        }
    }
}

#[cold]
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    invalid(py, "the handle is closed")
}

#[pymethods]
impl InspireAuth {
    /// Opens the store, and reads every key into memory. Starts no thread, opens no socket, reads no environment
    /// variable; but with a `server` it reads those that name a proxy, and `Server.auto_refresh` starts a thread.
    ///
    /// Args:
    ///     store: `":memory:"`; the path of an SQLite file, which is made if it is not there, with mode 0600; or the
    ///         URL of a PostgreSQL database, `"postgresql://..."`.
    ///     realm: the realm in challenges: 1 to 200 printable ASCII characters without `"` and `\`.
    ///     extra_headers: header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`.
    ///     mode: `"default"`: every grant counts; `"ignition"`: grants under `Authenticated/Roles` and `SecurityZones`
    ///         are ignored, as Ignition does.
    ///     local_is_secure: whether the channel `"local"` satisfies a key's `require_secure`.
    ///     hash: Argon2id parameters for new hashes; None is 19456 KiB, 2 passes, 1 lane.
    ///     scheme: how generated keys are hashed: `"argon2"`, or `"hmac-sha256"`, which needs a pepper.
    ///     max_hash_memory: bytes that all hashing of this handle may take together; at least one hash's.
    ///     peppers: secrets mixed into hashes: the first is current, the others are retired and only read.
    ///     write_requirement: what an actor needs to change keys; None: no principal may, only `SYSTEM`.
    ///     admin_requirement: what an actor needs to change the license; None: no principal may, only `SYSTEM`.
    ///     memo_chosen: whether human-chosen imported secrets are remembered in memory after their first success.
    ///     chosen_failures_per_minute: wrong secrets a minute, for each human-chosen imported key, before it answers
    ///         `BUSY`.
    ///     trusted_keys: public keys whose signatures on license files are believed.
    ///     product: the product id that the license must be for; None: any.
    ///     machine_id: this machine's fingerprint, when the host knows better; None: from the operating system.
    ///     allow_unbound: whether a license file, which names no machine, may be installed.
    ///     max_lease: how long a file may be used after it was issued, when its license does not hold
    ///         `OFFLINE_LICENSING`: seconds, or a `timedelta`. The default is 30 days.
    ///     enforcement: what a gate does when the license does not allow something: `"strict"` refuses, `"warn"` grants
    ///         with a `warning` on the principal, `"report-only"` grants with an audit event.
    ///     payment_required: whether license refusals answer HTTP 402 instead of 403.
    ///     audit: called with each audit event, besides the store: on a thread that is calling the handle, after what
    ///         it did there is decided; the calls of one thread come in order. It may call the handle. What it raises
    ///         goes to `sys.unraisablehook`, and changes nothing.
    ///     audit_file: an `AuditFile` that every change and every denial is written to as well, one JSON object a line.
    ///     server: the licensing `Server`; None: licenses are installed from files, and nothing ever connects anywhere.
    ///
    /// Raises:
    ///     ArgumentError: an option is out of range.
    ///     StoreError: the store can't be opened.
    ///
    /// Example:
    ///     >>> with InspireAuth.open("service.db", write_requirement="Authenticated/Admin") as auth:
    ///     ...     auth.keys.create("reporting", levels=["Authenticated/Ops"], actor=SYSTEM)
    #[classmethod]
    #[pyo3(
        signature = (
            store = None, *, realm = "inspire", extra_headers = vec![], mode = "default", local_is_secure = false,
            hash = None, scheme = "argon2", max_hash_memory = None, peppers = vec![], write_requirement = None,
            admin_requirement = None, memo_chosen = false, chosen_failures_per_minute = None, trusted_keys = vec![],
            product = None, machine_id = None, allow_unbound = false, max_lease = None, enforcement = "strict",
            payment_required = false, audit = None, audit_file = None, server = None
        ),
        text_signature = "(store=':memory:', *, realm='inspire', extra_headers=(), mode='default', \
            local_is_secure=False, hash=None, scheme='argon2', max_hash_memory=67108864, peppers=(), \
            write_requirement=None, admin_requirement=None, memo_chosen=False, chosen_failures_per_minute=10, \
            trusted_keys=(), product=None, machine_id=None, allow_unbound=False, max_lease=2592000, \
            enforcement='strict', payment_required=False, audit=None, audit_file=None, server=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn open(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        store: Option<&Bound<'_, PyAny>>,
        realm: &str,
        extra_headers: Vec<String>,
        mode: &str,
        local_is_secure: bool,
        hash: Option<HashParameters>,
        scheme: &str,
        max_hash_memory: Option<&Bound<'_, PyAny>>,
        peppers: Vec<Pepper<'_>>,
        write_requirement: Option<&Bound<'_, PyAny>>,
        admin_requirement: Option<&Bound<'_, PyAny>>,
        memo_chosen: bool,
        chosen_failures_per_minute: Option<&Bound<'_, PyAny>>,
        trusted_keys: Vec<TrustedKey>,
        product: Option<String>,
        machine_id: Option<String>,
        allow_unbound: bool,
        max_lease: Option<&Bound<'_, PyAny>>,
        enforcement: &str,
        payment_required: bool,
        audit: Option<Bound<'_, PyAny>>,
        audit_file: Option<AuditFile<'_>>,
        server: Option<Server<'_>>,
    ) -> PyResult<Self> {
        let mut options = match store {
            Some(store) => options::store(store)?,
            None => inspire_auth_core::Options::new(inspire_auth_core::StoreLocation::Memory),
        };
        options::words(py, &mut options, (mode, scheme, enforcement))?;
        realm.clone_into(&mut options.realm);
        options.extra_headers.clone_from(&extra_headers);
        options.local_is_secure = local_is_secure;
        if let Some(hash) = hash {
            options.hash = hash.read(py)?;
        }
        if let Some(bytes) = max_hash_memory {
            options.max_hash_memory = count(bytes, "max_hash_memory")?;
        }
        options.peppers = peppers.iter().map(Pepper::read).collect();
        options.write_requirement = requirement::spec(py, write_requirement)?;
        options.admin_requirement = requirement::spec(py, admin_requirement)?;
        options.memo_chosen = memo_chosen;
        if let Some(failures) = chosen_failures_per_minute {
            let failures = count(failures, "chosen_failures_per_minute")?;
            options.chosen_failures_per_minute = u32::try_from(failures).unwrap_or(u32::MAX);
        }
        options.trusted_keys = TrustedKey::read_all(py, &trusted_keys)?;
        options.product = product;
        options.machine_id = machine_id;
        options.allow_unbound = allow_unbound;
        if let Some(lease) = max_lease {
            options.max_lease = options::lease(seconds(lease)?);
        }
        options.payment_required = payment_required;
        if let Some(audit) = &audit
            && !audit.is_callable()
        {
            return Err(pyo3::exceptions::PyTypeError::new_err("audit is a callable or None"));
        }
        options.audit_file = audit_file.map(|file| file.read(py)).transpose()?;
        let (server, transport) = match server {
            Some(server) => server.read(py).map(|(server, transport)| (Some(server), transport))?,
            None => (None, None),
        };
        options.server = server;
        let audit = Arc::new(Audit::new(audit.map(Bound::unbind)));
        options.audit = audit.sink();
        let core = released(py, || Core::open(options))?;
        let warm = Warm::new(core.clone());
        let core = ArcSwapOption::from_pointee(core);
        Ok(Self { core, extra: Extra::new(extra_headers), warm, audit, transport })
    }

    /// Decides one request: returns who is calling, or raises. There is no falsy answer.
    ///
    /// A key that has been seen before, or a wrong one, is decided in well under a microsecond, with the GIL kept. A
    /// key that is seen for the first time takes a slow hash (Argon2, some 20 ms), and blocks this thread with the GIL
    /// let go; an event loop awaits `authenticate_async` instead.
    ///
    /// Args:
    ///     headers: all (name, value) pairs of the request, str or bytes, as received (a list or tuple is fastest;
    ///         ASGI's `scope["headers"]` as it is), or a mapping, or, as str or bytes, the value of the one
    ///         `Authorization` header. Only the headers that carry credentials are looked at; a repeated one is
    ///         refused.
    ///     channel: how the request came, as the host knows it (never from a header that anybody can send): `"plain"`,
    ///         `"secure"` for TLS that ended here or at a trusted proxy, `"local"` for loopback or a Unix socket.
    ///     require: what the caller must hold: a `Requirement`, or its text, which is compiled once and then found by
    ///         its text (a `Requirement` saves that search); None is any valid key.
    ///     entitlement: an entitlement that the license must hold as well.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///     routes: a table that says what is required, instead of `require` and `entitlement`; with `method` and
    ///         `path`.
    ///     method: the request's method, such as `"GET"`.
    ///     path: the path of the request target, as it was received: percent-encoded, str or bytes; what follows the
    ///         first `?` is not looked at. It must be what the application's own router goes by: see `Routes`.
    ///
    /// Raises:
    ///     PathNotCanonicalError: the path could be read in two ways. Before the credential is read.
    ///     RouteDeniedError: the table has nothing for this path and method. Before the credential is read.
    ///     AuthenticationError: `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`, `INVALID_CREDENTIAL`.
    ///     PermissionDeniedError: `SECURE_CHANNEL_REQUIRED`, `INSUFFICIENT_LEVEL`.
    ///     LicenseError: why the license does not allow `entitlement`.
    ///     BusyError: too many keys are being checked for the first time.
    ///     StoreError: the store can't be read, or believed.
    ///     ArgumentError: the channel or the requirement can't be read, or both a table and a requirement are given, or
    ///         the handle is closed.
    ///
    /// Example:
    ///     >>> auth.authenticate([("Authorization", "Bearer reporting:isk_...")], channel="secure").name
    ///     'reporting'
    #[pyo3(
        signature = (
            headers, channel = Way::PLAIN, require = None, *, entitlement = None, now = None, routes = None,
            method = None, path = None
        ),
        text_signature = "($self, headers, channel='plain', require=None, *, entitlement=None, now=None, \
            routes=None, method=None, path=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn authenticate<'py>(
        &self,
        headers: &Bound<'py, PyAny>,
        channel: Way,
        require: Option<&Bound<'py, PyAny>>,
        entitlement: Option<&str>,
        now: Option<i64>,
        routes: Option<&Bound<'py, Routes>>,
        method: Option<&Bound<'py, PyString>>,
        path: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Principal>> {
        let py = headers.py();
        let asked = Asked { channel: channel.0, require, entitlement, now, routes, method, path };
        let terms = self.terms(py, &asked)?;
        let lines = match self.decide_warm(py, headers, &terms)? {
            Memory::Decided(decision) => return self.answer(py, decision),
            Memory::Unknown(lines) => lines,
        };
        let core = self.core(py)?;
        let decision = decide_slowly(py, &lines, &terms, move |request| core.authenticate(request))?;
        self.answer(py, decision.into())
    }

    /// Decides at once, or begins to: a `Principal`, or a `Ticket` to be awaited. For `authenticate_async`.
    #[pyo3(signature = (headers, channel, require, entitlement, now, routes = None, method = None, path = None))]
    #[allow(clippy::too_many_arguments)]
    fn _attempt<'py>(
        slf: &Bound<'py, Self>,
        headers: &Bound<'py, PyAny>,
        channel: Way,
        require: Option<&Bound<'py, PyAny>>,
        entitlement: Option<&str>,
        now: Option<i64>,
        routes: Option<&Bound<'py, Routes>>,
        method: Option<&Bound<'py, PyString>>,
        path: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let asked = Asked { channel: channel.0, require, entitlement, now, routes, method, path };
        let terms = this.terms(py, &asked)?;
        let lines = match this.decide_warm(py, headers, &terms)? {
            Memory::Decided(decision) => return this.answer(py, decision).map(Bound::into_any),
            Memory::Unknown(lines) => lines,
        };
        let core = this.core(py)?;
        let attempt = decide_slowly(py, &lines, &terms, move |request| Ok(core.authenticate_no_wait(request)))?;
        match attempt {
            Ok(Attempt::Done(decision)) => this.answer(py, decision.into()).map(Bound::into_any),
            Ok(Attempt::Pending(ticket)) => Ok(Bound::new(py, Ticket::new(ticket, slf.clone().unbind()))?.into_any()),
            Err(error) => Err(raise(py, &error)),
        }
    }

    /// What a principal's key holds now: `Authenticated` and the grants in force, byte-sorted, without their ancestors.
    ///
    /// Args:
    ///     principal: who.
    ///
    /// Returns:
    ///     The levels; none when it is anonymous.
    ///
    /// Raises:
    ///     AuthenticationError: `INVALID_CREDENTIAL`: the key is gone.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.principal_levels(caller)
    ///     ['Authenticated', 'Authenticated/Ops/Write']
    fn principal_levels(&self, py: Python<'_>, principal: &Bound<'_, Principal>) -> PyResult<Vec<String>> {
        let principal = principal.get().core;
        self.ask(py, |core| core.principal_levels(&principal))
    }

    /// Judges a principal again, as it stands now: for connections that live longer than a request. Returns if it may,
    /// and raises if not.
    ///
    /// Args:
    ///     principal: who.
    ///     require: as for `authenticate`; None is any valid key.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     InspireAuthError: what a new request with the same credential would get.
    ///
    /// Example:
    ///     >>> auth.recheck(caller, operators)  # before each message of a websocket, say
    #[pyo3(signature = (principal, require = None, now = None))]
    fn recheck(
        &self,
        py: Python<'_>,
        principal: &Bound<'_, Principal>,
        require: Option<&Bound<'_, PyAny>>,
        now: Option<i64>,
    ) -> PyResult<()> {
        let (principal, requirement) = (principal.get().core, requirement::read(py, require)?);
        let outcome = self.ask(py, |core| core.recheck(&principal, &requirement, now));
        self.audit.tell(py);
        outcome
    }

    /// The levels for want of which a principal fails a requirement.
    ///
    /// Args:
    ///     principal: who.
    ///     require: as for `authenticate`; None is any valid key.
    ///
    /// Returns:
    ///     The missing levels; none when the requirement is satisfied.
    ///
    /// Raises:
    ///     AuthenticationError: `INVALID_CREDENTIAL`: the key is gone.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.explain(caller, Requirement("all(Authenticated/Ops, Authenticated/Admin)"))
    ///     ['Authenticated/Admin']
    #[pyo3(signature = (principal, require = None))]
    fn explain(
        &self,
        py: Python<'_>,
        principal: &Bound<'_, Principal>,
        require: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<String>> {
        let (principal, requirement) = (principal.get().core, requirement::read(py, require)?);
        self.ask(py, |core| core.explain(&principal, &requirement))
    }

    /// What a request would get, and why: a dry run, which is noted nowhere.
    ///
    /// Args:
    ///     routes: the table.
    ///     key: the name of the key that the request would carry, with its right secret; None is a request without one.
    ///     method: its method, such as `"GET"`.
    ///     path: its path, as for `authenticate`.
    ///     channel: how it would come.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     NotFoundError: there is no such key.
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.would_allow(routes, "reporting", "DELETE", "/data/api/v1/resources", channel="secure").code
    ///     'ROUTE_DENIED'
    #[pyo3(
        signature = (routes, key, method, path, *, channel = Way::PLAIN, now = None),
        text_signature = "($self, routes, key, method, path, *, channel='plain', now=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn would_allow<'py>(
        &self,
        py: Python<'py>,
        routes: &Bound<'py, Routes>,
        key: Option<&str>,
        method: &Bound<'py, PyString>,
        path: &Bound<'py, PyAny>,
        channel: Way,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let channel = channel.0;
        let (routes, method, path) = (&routes.get().core, decide::method(method), decide::path(path)?);
        let found = self.ask(py, |core| core.would_allow(routes, key, method, path, channel, now))?;
        routes::explanation(py, routes, &found)
    }

    /// What a further request of a principal, over the same channel, would get, and why: noted nowhere.
    ///
    /// Args:
    ///     routes: the table.
    ///     principal: who.
    ///     method: the request's method, such as `"GET"`.
    ///     path: its path, as for `authenticate`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> auth.explain_route(routes, caller, "POST", "/data/api/v1/sync").missing
    ///     ('Authenticated/Ops/Write',)
    #[pyo3(signature = (routes, principal, method, path, *, now = None))]
    fn explain_route<'py>(
        &self,
        py: Python<'py>,
        routes: &Bound<'py, Routes>,
        principal: &Bound<'py, Principal>,
        method: &Bound<'py, PyString>,
        path: &Bound<'py, PyAny>,
        now: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (routes, method, path) = (&routes.get().core, decide::method(method), decide::path(path)?);
        let principal = principal.get().core;
        let found = self.ask(py, |core| core.explain_route(routes, &principal, method, path, now))?;
        routes::explanation(py, routes, &found)
    }

    /// The API keys: creating, changing, listing, deleting.
    #[getter]
    fn keys(slf: &Bound<'_, Self>) -> Keys {
        Keys::new(slf.clone().unbind())
    }

    /// The license: what this installation is licensed for.
    #[getter]
    fn license(slf: &Bound<'_, Self>) -> License {
        License::new(slf.clone().unbind())
    }

    /// How a host answers a request that got this code.
    ///
    /// Args:
    ///     error: an `InspireAuthError`, or its `code`.
    ///
    /// Raises:
    ///     ArgumentError: there is no such code.
    ///
    /// Example:
    ///     >>> auth.http("NO_CREDENTIAL")
    ///     HttpAnswer(status=401, challenge='Bearer realm="inspire"', retry_after=None)
    fn http<'py>(&self, error: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = error.py();
        let name = match error.cast::<PyString>() {
            Ok(name) => name.clone(),
            Err(_) => error.getattr(pyo3::intern!(py, "code"))?.cast_into()?,
        };
        let core = self.open_core(py)?;
        let code = code_of(name.to_str()?).ok_or_else(|| invalid(py, "there is no such code"))?;
        match core.as_ref() {
            Some(core) => records::http(py, core.http(code)),
            None => Err(closed(py)),
        }
    }

    /// The names of all headers that may carry a credential: a host that forwards requests strips every one of them.
    ///
    /// Returns:
    ///     `Authorization`, `X-Ignition-API-Token`, then `extra_headers`.
    ///
    /// Example:
    ///     >>> auth.credential_headers()
    ///     ['Authorization', 'X-Ignition-API-Token']
    fn credential_headers(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.core(py)?.credential_headers().map(str::to_owned).collect())
    }

    /// The newest audit events, newest first.
    ///
    /// Args:
    ///     limit: at most so many.
    ///
    /// Raises:
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> [event.event for event in auth.audit(2)]
    ///     ['key.refused', 'key.created']
    #[pyo3(name = "audit", signature = (limit = None), text_signature = "($self, limit=100)")]
    fn audit_log<'py>(&self, py: Python<'py>, limit: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        let limit = limit.map_or(Ok(100), |limit| count(limit, "limit"))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let events = self.change(py, |core| core.audit(limit))?;
        records::list(py, &events, records::event)
    }

    /// Counters and gauges of this handle in this process, as OpenMetrics 1.0 text, for a service to answer at
    /// `/metrics` with the content type `application/openmetrics-text; version=1.0.0; charset=utf-8`. They hold no key's
    /// name, no secret and no license key. Who may read them is for the service to say.
    ///
    /// Raises:
    ///     ArgumentError: the handle is closed.
    ///
    /// Example:
    ///     >>> auth.metrics_text().endswith("# EOF\n")
    ///     True
    fn metrics_text(&self, py: Python<'_>) -> PyResult<String> {
        self.change(py, |core| Ok(core.metrics_text()))
    }

    /// The store's generation: it rises with every change of a key or of the license, by any process.
    ///
    /// Raises:
    ///     StoreError: the store can't be read, or believed.
    ///
    /// Example:
    ///     >>> before = auth.generation()
    ///     >>> auth.keys.delete("reporting", actor=SYSTEM)
    ///     >>> auth.generation() > before
    ///     True
    fn generation(&self, py: Python<'_>) -> PyResult<u64> {
        self.change(py, |core| core.store().generation())
    }

    /// Writes what was noted on the side (last use, audit) to the store now. It is written from time to time anyway,
    /// and when the handle is closed.
    ///
    /// Raises:
    ///     AuditUnavailableError: the audit file can't be written.
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.flush()  # before a backup, say
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, Core::flush)
    }

    /// Accepts what the store holds now as its history, after `STORE_HISTORY_CHANGED`: in every process. For an
    /// operator who meant the change.
    ///
    /// Raises:
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be read or written.
    ///
    /// Example:
    ///     >>> auth.adopt_store()  # an operator has said that the store was replaced on purpose
    fn adopt_store(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, Core::adopt_store)
    }

    /// Closes the handle: writes what was noted on the side, and closes the store when the last call on another thread
    /// is done. Afterwards every call raises `ArgumentError`; closing again does nothing.
    ///
    /// Example:
    ///     >>> auth.close()  # or: with InspireAuth.open("service.db") as auth: ...
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(core) = self.core.swap(None) {
            let warm = self.let_go();
            // What can't be written can't be helped: closing never fails.
            released(py, move || {
                let _ = core.flush();
                drop((warm, core));
                Ok(())
            })?;
            self.audit.tell(py);
            self.audit.forget();
        }
        Ok(())
    }

    /// The handle itself: `with InspireAuth.open(...) as auth:` closes it at the end.
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core(slf.py())?;
        Ok(slf)
    }

    /// Closes the handle.
    fn __exit__(
        &self,
        py: Python<'_>,
        _type: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> &'static str {
        if self.core.load().is_some() { "<InspireAuth>" } else { "<InspireAuth, closed>" }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.audit.traverse(&visit)?;
        self.transport.as_ref().map_or(Ok(()), |transport| transport.traverse(&visit))
    }

    fn __clear__(&self) {
        self.audit.forget();
        if let Some(transport) = &self.transport {
            transport.forget();
        }
    }
}

impl Drop for InspireAuth {
    fn drop(&mut self) {
        let Some(core) = self.core.swap(None) else { return };
        // The last one writes what was noted, and waits for the pool's threads: not with the interpreter's lock.
        let mut core = Some((self.let_go(), core));
        let _ = Python::try_attach(|py| {
            let core = core.take();
            let _ = released(py, move || {
                drop(core);
                Ok(())
            });
        });
    }
}

/// The code of this name.
fn code_of(name: &str) -> Option<Code> {
    TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.code)
}

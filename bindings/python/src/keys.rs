//! Managing keys.

use inspire_auth_core::{
    keys::{Import, ImportFormat, KeyUpdate, ListFilter, NewKey},
    store::Strength,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyDict, PyList, PyString},
};

use crate::{
    arguments::{By, Moment, count, seconds, word},
    auth::InspireAuth,
    records,
};

const FORMATS: &[(&str, ImportFormat)] = &[("phc", ImportFormat::Phc), ("ignition", ImportFormat::Ignition)];
const STRENGTHS: &[(&str, Strength)] = &[("chosen", Strength::Chosen), ("random", Strength::Random)];

/// An `ImportedKey`.
#[derive(FromPyObject)]
struct ImportedKey<'py> {
    name: String,
    hash: String,
    format: Bound<'py, PyString>,
    strength: Bound<'py, PyString>,
    description: String,
    levels: Vec<String>,
    require_secure: bool,
    enabled: bool,
    expires_at: Option<Moment>,
}

impl ImportedKey<'_> {
    fn read(self, py: Python<'_>, at: usize) -> PyResult<Import> {
        let (flags, member) = ((self.require_secure, self.enabled), |name| format!("imports[{at}].{name}"));
        Ok(Import {
            key: new_key(&self.name, &self.description, self.levels, flags, self.expires_at),
            format: word(py, &member("format"), self.format.to_str()?, FORMATS)?,
            hash: self.hash,
            strength: word(py, &member("strength"), self.strength.to_str()?, STRENGTHS)?,
        })
    }
}

/// The API keys of a handle.
///
/// Every change names its `actor`: `SYSTEM`, or a `Principal`, which is judged again inside the write transaction (it
/// needs `write_requirement`, and to hold every level itself that it hands out or takes over). Every change is seen by
/// the next check of every process. A `revision` that is given must still be the key's. A `now` is in Unix seconds;
/// None or 0 is the system's clock.
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct Keys {
    auth: Py<InspireAuth>,
}

impl Keys {
    pub(crate) fn new(auth: Py<InspireAuth>) -> Self {
        Self { auth }
    }
}

fn revision(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    given.map(|given| count(given, "revision")).transpose()
}

type Object<'py> = PyResult<Bound<'py, PyAny>>;

#[pymethods]
impl Keys {
    /// Makes a key. Its secret is in the answer, and nowhere else, ever again.
    ///
    /// Args:
    ///     name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    ///     description: free text, at most 4096 bytes in UTF-8, without NUL.
    ///     levels: granted security levels, at most 1024, such as `Authenticated/Ops/Write`.
    ///     require_secure: whether the key may only be used over a secure channel.
    ///     enabled: whether the key may be used at all.
    ///     expires_at: Unix seconds above 0, or a `datetime` with a time zone, from which the key is expired; None is
    ///         never.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`.
    ///     NameTakenError: a key of this name exists.
    ///     PermissionDeniedError: the actor may not.
    ///     BusyError: too much is being hashed.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> created = auth.keys.create("reporting", levels=["Authenticated/Ops"], actor=SYSTEM)
    ///     >>> created.credential
    ///     'reporting:isk_...'
    #[pyo3(
        signature = (
            name, *, description = "", levels = vec![], require_secure = true, enabled = true, expires_at = None,
            actor, now = None
        ),
        text_signature = "($self, name, *, description='', levels=(), require_secure=True, enabled=True, \
            expires_at=None, actor, now=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn create<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        description: &str,
        levels: Vec<String>,
        require_secure: bool,
        enabled: bool,
        expires_at: Option<Moment>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let key = new_key(name, description, levels, (require_secure, enabled), expires_at);
        let created = self.auth.get().change(py, |core| core.keys().create(&key, &actor.caller(now)))?;
        records::created(py, &created)
    }

    /// Adds a key whose secret was made elsewhere; only its hash is known.
    ///
    /// Args:
    ///     name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    ///     format: what `hash` is: `"phc"` for a PHC string of Argon2id, Argon2i or Argon2d, `"ignition"` for the token
    ///         hash of an Ignition token file.
    ///     hash: the hash.
    ///     strength: how strong the secret is said to be: `"random"`, from at least 128 random bits, or `"chosen"` by a
    ///         person, which is not remembered in memory and has a budget of failures.
    ///     description: free text, at most 4096 bytes in UTF-8, without NUL.
    ///     levels: granted security levels, at most 1024.
    ///     require_secure: whether the key may only be used over a secure channel.
    ///     enabled: whether the key may be used at all.
    ///     expires_at: Unix seconds above 0, or a `datetime` with a time zone, from which the key is expired; None is
    ///         never.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     ArgumentError: as `create`, and `INVALID_HASH`.
    ///     InspireAuthError: as `create`.
    ///
    /// Example:
    ///     >>> auth.keys.import_("old", format="phc", hash="$argon2id$v=19$m=19456,t=2,p=1$...", actor=SYSTEM).origin
    ///     'imported'
    #[pyo3(
        signature = (
            name, *, format = "phc", hash, strength = "chosen", description = "", levels = vec![],
            require_secure = true, enabled = true, expires_at = None, actor, now = None
        ),
        text_signature = "($self, name, *, format='phc', hash, strength='chosen', description='', levels=(), \
            require_secure=True, enabled=True, expires_at=None, actor, now=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn import_<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        format: &str,
        hash: String,
        strength: &str,
        description: &str,
        levels: Vec<String>,
        require_secure: bool,
        enabled: bool,
        expires_at: Option<Moment>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let import = Import {
            key: new_key(name, description, levels, (require_secure, enabled), expires_at),
            format: word(py, "format", format, FORMATS)?,
            hash,
            strength: word(py, "strength", strength, STRENGTHS)?,
        };
        let record = self.auth.get().change(py, |core| core.keys().import(&import, &actor.caller(now)))?;
        records::key(py, &record)
    }

    /// Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none.
    ///
    /// Args:
    ///     imports: the keys and their hashes. None of them is no error: nothing is written.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     How many keys.
    ///
    /// Raises:
    ///     ArgumentError: as `import_`, of the first that can't be added: the message says which one that is, counted
    ///         from 0, and its name.
    ///     NameTakenError: a key of this name exists, or two of these have it.
    ///     InspireAuthError: as `import_`.
    ///
    /// Example:
    ///     >>> auth.keys.import_all([ImportedKey(name=name, hash=hash) for name, hash in rows], actor=SYSTEM)
    ///     100000
    #[pyo3(signature = (imports, *, actor, now = None))]
    fn import_all(&self, py: Python<'_>, imports: Vec<Bound<'_, PyAny>>, actor: By, now: Option<i64>) -> PyResult<u64> {
        let read = |(at, import): (usize, &Bound<'_, PyAny>)| {
            let is_none = |_| PyTypeError::new_err(format!("imports[{at}] is no ImportedKey"));
            import.extract::<ImportedKey<'_>>().map_err(is_none)?.read(py, at)
        };
        let imports = imports.iter().enumerate().map(read).collect::<PyResult<Vec<_>>>()?;
        self.auth.get().change(py, |core| core.keys().import_all(&imports, &actor.caller(now)))
    }

    /// One key.
    ///
    /// Args:
    ///     name: its name; case counts.
    ///
    /// Raises:
    ///     NotFoundError: there is no such key.
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> auth.keys.get("reporting").levels
    ///     ('Authenticated/Ops',)
    fn get<'py>(&self, py: Python<'py>, name: &str) -> Object<'py> {
        let record = self.auth.get().change(py, |core| core.keys().get(name))?;
        records::key(py, &record)
    }

    /// Keys, sorted by name in byte order.
    ///
    /// Args:
    ///     after: only names after this one: the last of the page before.
    ///     limit: at most so many; None is all.
    ///     level: only keys whose grants satisfy this level.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_LEVEL`.
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> [record.name for record in auth.keys.list(level="Authenticated/Ops", limit=100)]
    ///     ['reporting']
    #[pyo3(signature = (*, after = None, limit = None, level = None))]
    fn list<'py>(
        &self,
        py: Python<'py>,
        after: Option<String>,
        limit: Option<&Bound<'py, PyAny>>,
        level: Option<String>,
    ) -> PyResult<Bound<'py, PyList>> {
        let limit = limit.map(|limit| count(limit, "limit")).transpose()?;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let filter = ListFilter { after, limit, level };
        let found = self.auth.get().change(py, |core| core.keys().list(&filter))?;
        records::keys(py, &found)
    }

    /// All keys, as records: what can be kept elsewhere without keeping a secret.
    ///
    /// Raises:
    ///     StoreError: the store can't be read.
    ///
    /// Example:
    ///     >>> json.dumps([dataclasses.asdict(record) for record in auth.keys.export()])
    fn export<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = self.auth.get().change(py, |core| core.keys().export())?;
        records::keys(py, &found)
    }

    /// Changes a key that still has this revision. What is not given stays as it is.
    ///
    /// Args:
    ///     name: its name.
    ///     revision: the revision of the record that the change was decided on.
    ///     description: free text, at most 4096 bytes in UTF-8, without NUL.
    ///     levels: granted security levels, at most 1024: all of them, not only new ones.
    ///     require_secure: whether the key may only be used over a secure channel.
    ///     enabled: whether the key may be used at all.
    ///     expires_at: Unix seconds above 0, or a `datetime` with a time zone; None clears it.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The record after the change.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_LEVEL`, `INVALID_ARGUMENT`.
    ///     NotFoundError: there is no such key.
    ///     ConflictError: the key has another revision.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> record = auth.keys.get("reporting")
    ///     >>> auth.keys.update(record.name, record.revision, expires_at=None, actor=SYSTEM)
    #[pyo3(
        signature = (name, revision, *, actor, now = None, **changes),
        text_signature = "($self, name, revision, *, description=..., levels=..., require_secure=..., \
            enabled=..., expires_at=..., actor, now=None)"
    )]
    fn update<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        revision: &Bound<'py, PyAny>,
        actor: By,
        now: Option<i64>,
        changes: Option<&Bound<'py, PyDict>>,
    ) -> Object<'py> {
        let revision = count(revision, "revision")?;
        let mut update = KeyUpdate::default();
        for (member, value) in changes.into_iter().flatten() {
            match member.extract::<&str>()? {
                "description" => update.description = Some(value.extract()?),
                "levels" => update.levels = Some(value.extract()?),
                "require_secure" => update.require_secure = Some(value.extract()?),
                "enabled" => update.enabled = Some(value.extract()?),
                "expires_at" => {
                    update.expires_at = Some(value.extract::<Option<Moment>>()?.map(|Moment(seconds)| seconds));
                }
                other => {
                    let text = format!("update() got an unexpected keyword argument '{other}'");
                    return Err(pyo3::exceptions::PyTypeError::new_err(text));
                }
            }
        }
        let record =
            self.auth.get().change(py, |core| core.keys().update(name, revision, &update, &actor.caller(now)))?;
        records::key(py, &record)
    }

    /// Gives a key another name. Its secret and identity stay; the old name is unknown from then on.
    ///
    /// Args:
    ///     name: its name.
    ///     new_name: the new one: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    ///     revision: the revision that the key must still have; None is any.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The record after the change.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_NAME`.
    ///     NameTakenError: a key of the new name exists.
    ///     NotFoundError: there is no such key.
    ///     ConflictError: the key has another revision.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.keys.rename("reporting", "reports", actor=SYSTEM).name
    ///     'reports'
    #[pyo3(signature = (name, new_name, *, revision = None, actor, now = None))]
    fn rename<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        new_name: &str,
        revision: Option<&Bound<'py, PyAny>>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let revision = self::revision(revision)?;
        let record =
            self.auth.get().change(py, |core| core.keys().rename(name, new_name, revision, &actor.caller(now)))?;
        records::key(py, &record)
    }

    /// Enables or disables a key. A disabled one is refused from then on.
    ///
    /// Args:
    ///     name: its name.
    ///     enabled: whether it may be used.
    ///     revision: the revision that the key must still have; None is any.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     The record after the change.
    ///
    /// Raises:
    ///     NotFoundError: there is no such key.
    ///     ConflictError: the key has another revision.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.keys.set_enabled("reporting", False, actor=SYSTEM).enabled
    ///     False
    #[pyo3(signature = (name, enabled, *, revision = None, actor, now = None))]
    fn set_enabled<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        enabled: bool,
        revision: Option<&Bound<'py, PyAny>>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let revision = self::revision(revision)?;
        let record =
            self.auth.get().change(py, |core| core.keys().set_enabled(name, enabled, revision, &actor.caller(now)))?;
        records::key(py, &record)
    }

    /// Makes a key with all the settings of another, a new name and a new secret.
    ///
    /// Args:
    ///     name: the name of the original.
    ///     new_name: the new one: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    ///     revision: the revision that the original must still have; None is any.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     InspireAuthError: as `create`, and `NOT_FOUND`, `CONFLICT`.
    ///
    /// Example:
    ///     >>> auth.keys.duplicate("reporting", "reporting-2", actor=SYSTEM).credential
    ///     'reporting-2:isk_...'
    #[pyo3(signature = (name, new_name, *, revision = None, actor, now = None))]
    fn duplicate<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        new_name: &str,
        revision: Option<&Bound<'py, PyAny>>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let revision = self::revision(revision)?;
        let created =
            self.auth.get().change(py, |core| core.keys().duplicate(name, new_name, revision, &actor.caller(now)))?;
        records::created(py, &created)
    }

    /// Gives a key a new secret. The old one is refused from then on, or, with an overlap, from the overlap's end on,
    /// so that clients can be given the new one meanwhile; secrets older than that one end now.
    ///
    /// Args:
    ///     name: its name.
    ///     overlap: how long the old secret stays good: seconds, or a `timedelta`; at most a year (31,536,000 seconds),
    ///         and never beyond the key's own expiry. 0 is not at all. Until when it is, `record.overlap_ends_at` says.
    ///     revision: the revision that the key must still have; None is any.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     ArgumentError: an overlap of more than a year.
    ///     NotFoundError: there is no such key.
    ///     ConflictError: the key has another revision.
    ///     PermissionDeniedError: the actor may not.
    ///     BusyError: too much is being hashed.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.keys.rotate("reporting", overlap=timedelta(hours=24), actor=SYSTEM).credential
    ///     'reporting:isk_...'
    #[pyo3(
        signature = (name, *, overlap = None, revision = None, actor, now = None),
        text_signature = "($self, name, *, overlap=0, revision=None, actor, now=None)"
    )]
    fn rotate<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        overlap: Option<&Bound<'py, PyAny>>,
        revision: Option<&Bound<'py, PyAny>>,
        actor: By,
        now: Option<i64>,
    ) -> Object<'py> {
        let overlap = overlap.map_or(Ok(0), seconds)?;
        let revision = self::revision(revision)?;
        let created =
            self.auth.get().change(py, |core| core.keys().rotate(name, overlap, revision, &actor.caller(now)))?;
        records::created(py, &created)
    }

    /// Deletes a key: revokes it at once, and can't be undone.
    ///
    /// Args:
    ///     name: its name.
    ///     revision: the revision that the key must still have; None is any.
    ///     actor: `SYSTEM` or a `Principal`.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Raises:
    ///     NotFoundError: there is no such key.
    ///     ConflictError: the key has another revision.
    ///     PermissionDeniedError: the actor may not.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.keys.delete("reporting", actor=caller)
    #[pyo3(signature = (name, *, revision = None, actor, now = None))]
    fn delete(
        &self,
        py: Python<'_>,
        name: &str,
        revision: Option<&Bound<'_, PyAny>>,
        actor: By,
        now: Option<i64>,
    ) -> PyResult<()> {
        let revision = self::revision(revision)?;
        self.auth.get().change(py, |core| core.keys().delete(name, revision, &actor.caller(now)))
    }

    /// Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or
    /// after a look at the store.
    ///
    /// Args:
    ///     actor: `SYSTEM`: only the host itself may vouch for every key.
    ///     now: Unix seconds; None or 0 is the system's clock.
    ///
    /// Returns:
    ///     How many keys.
    ///
    /// Raises:
    ///     ArgumentError: there is no pepper.
    ///     PermissionDeniedError: the actor is not `SYSTEM`.
    ///     AuditUnavailableError: the audit file can't be written (only with `deny_mutations`).
    ///     StoreError: the store can't be written.
    ///
    /// Example:
    ///     >>> auth.keys.seal_all(actor=SYSTEM)
    #[pyo3(signature = (*, actor, now = None))]
    fn seal_all(&self, py: Python<'_>, actor: By, now: Option<i64>) -> PyResult<u64> {
        self.auth.get().change(py, |core| core.keys().seal_all(&actor.caller(now)))
    }
}

fn new_key(
    name: &str,
    description: &str,
    levels: Vec<String>,
    (require_secure, enabled): (bool, bool),
    expires_at: Option<Moment>,
) -> NewKey {
    NewKey {
        name: name.to_owned(),
        description: description.to_owned(),
        levels,
        require_secure,
        enabled,
        expires_at: expires_at.map(|Moment(seconds)| seconds),
    }
}

//! Managing API keys.

use std::rc::Rc;

use inspire_auth_core::{
    Result,
    keys::{Created, Import, ImportFormat, KeyRecord as CoreRecord, KeyUpdate, ListFilter, NewKey as CoreNewKey},
    store::Strength,
};
use napi::{Env, ValueType, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{invalid, member, object, read, read_or_default, text},
    boundary::{run, start},
    by::By,
    handle::{Handle, number},
};

/// What a new key is to be.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// Unique: 1 to 64 characters of `[A-Za-z0-9._-]`, a letter or digit first.
    pub name: String,
    /// Free text, at most 4096 bytes of UTF-8, without NUL. Default empty.
    pub description: Option<String>,
    /// Granted security levels, at most 1024, such as `Authenticated/Ops/Write`. Default none: the key is
    /// `Authenticated`, and no more.
    pub levels: Option<Vec<String>>,
    /// Whether the key may only be used over a secure channel. Default true.
    pub require_secure: Option<bool>,
    /// Whether the key may be used at all. Default true.
    pub enabled: Option<bool>,
    /// Unix seconds (above 0) from which the key is expired. Not given, or `null`: never.
    #[napi(ts_type = "number | null")]
    pub expires_at: Option<i64>,
}

impl From<NewKey> for CoreNewKey {
    fn from(given: NewKey) -> Self {
        let default = Self::named(given.name);
        Self {
            description: given.description.unwrap_or(default.description),
            levels: given.levels.unwrap_or(default.levels),
            require_secure: given.require_secure.unwrap_or(default.require_secure),
            enabled: given.enabled.unwrap_or(default.enabled),
            expires_at: given.expires_at,
            name: default.name,
        }
    }
}

/// A key whose secret was made elsewhere; only its hash is known.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportedKey {
    /// As in {@link NewKey}; so are the others up to `expiresAt`.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Granted security levels.
    pub levels: Option<Vec<String>>,
    /// Whether the key may only be used over a secure channel. Default true.
    pub require_secure: Option<bool>,
    /// Whether the key may be used at all. Default true.
    pub enabled: Option<bool>,
    /// Unix seconds from which the key is expired.
    #[napi(ts_type = "number | null")]
    pub expires_at: Option<i64>,
    /// What `hash` is: a PHC string of Argon2id, Argon2i or Argon2d, or the token hash of an Ignition token file.
    #[napi(ts_type = "'phc' | 'ignition'")]
    pub format: String,
    /// The hash.
    pub hash: String,
    /// How strong the secret is said to be: `random` (at least 128 bits), or `chosen` (default), which is not
    /// remembered in memory and has a budget of failures.
    #[napi(ts_type = "'random' | 'chosen'")]
    pub strength: Option<String>,
}

impl ImportedKey {
    /// The core's; `what` names it in the error.
    fn import(self, what: &str) -> Result<Import> {
        let Self { name, description, levels, require_secure, enabled, expires_at, format, hash, strength } = self;
        let key = NewKey { name, description, levels, require_secure, enabled, expires_at };
        let format = match format.as_str() {
            "phc" => ImportFormat::Phc,
            "ignition" => ImportFormat::Ignition,
            _ => return Err(invalid(format!("{what}.format is neither phc nor ignition"))),
        };
        let strength = Strength::parse(strength.as_deref().unwrap_or(Strength::Chosen.as_str()))
            .ok_or_else(|| invalid(format!("{what}.strength is neither random nor chosen")))?;
        Ok(Import { key: key.into(), format, hash, strength })
    }
}

/// What is to change; what is not given stays.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyChanges {
    /// Free text.
    pub description: Option<String>,
    /// Granted security levels: all of them.
    pub levels: Option<Vec<String>>,
    /// Whether the key may only be used over a secure channel.
    pub require_secure: Option<bool>,
    /// Whether the key may be used at all.
    pub enabled: Option<bool>,
    /// Unix seconds from which the key is expired; `null` is never.
    #[napi(ts_type = "number | null")]
    pub expires_at: Option<i64>,
}

impl KeyChanges {
    fn read(env: &Env, value: Unknown<'_>) -> Result<KeyUpdate> {
        let given: Self = read(env, value, "changes")?;
        // `null` clears, `undefined` keeps: serde can't tell them apart.
        let cleared = matches!(member(&object(env, &value, "changes")?, "expiresAt")?.get_type(), Ok(ValueType::Null));
        Ok(KeyUpdate {
            description: given.description,
            levels: given.levels,
            require_secure: given.require_secure,
            enabled: given.enabled,
            expires_at: if cleared { Some(None) } else { given.expires_at.map(Some) },
        })
    }
}

/// Which keys to list.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFilter {
    /// Only names after this one, in byte order: the last of the page before.
    pub after: Option<String>,
    /// At most so many. Not given: all.
    pub limit: Option<u32>,
    /// Only keys whose grants satisfy this level.
    pub level: Option<String>,
}

/// A key, as it is shown: no secret, no hash.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct KeyRecord {
    /// Random identity, a UUID; a rename keeps it.
    pub id: String,
    /// `basic-token`.
    #[napi(js_name = "type")]
    pub kind: String,
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Granted security levels, sorted by bytes, without repeats.
    pub levels: Vec<String>,
    /// Whether the key may only be used over a secure channel.
    pub require_secure: bool,
    /// Whether the key may be used at all.
    pub enabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Unix seconds from which the key is expired; `null` is never.
    pub expires_at: Option<i64>,
    /// Unix seconds of the last use that was noted (at most once a minute); `null` when there was none.
    pub last_used_at: Option<i64>,
    /// Begins at 1; each change of the key adds one.
    pub revision: f64,
    /// Whether the newest secret was made here.
    #[napi(ts_type = "'generated' | 'imported'")]
    pub origin: &'static str,
    /// Unix seconds from which the secret before the newest is refused, while a rotation overlaps; `null` when there is
    /// only one.
    pub overlap_ends_at: Option<i64>,
}

impl From<CoreRecord> for KeyRecord {
    fn from(record: CoreRecord) -> Self {
        Self {
            id: record.id.to_string(),
            kind: record.kind,
            name: record.name,
            description: record.description,
            levels: record.levels,
            require_secure: record.require_secure,
            enabled: record.enabled,
            created_at: record.created_at,
            updated_at: record.updated_at,
            expires_at: record.expires_at,
            last_used_at: record.last_used_at,
            revision: number(record.revision),
            origin: record.origin.as_str(),
            overlap_ends_at: record.overlap_ends_at,
        }
    }
}

/// A new secret, and the key that it belongs to. This is the only time that it is seen: JavaScript can't wipe it, so let
/// the object go soon, and never log it.
#[napi(object, object_from_js = false)]
pub struct CreatedKey {
    /// The key as it is shown.
    pub record: KeyRecord,
    /// The secret, `isk_...`.
    pub key: String,
    /// Levels that were granted but are ignored in this mode (see {@link OpenOptions.mode}).
    pub ignored_levels: Vec<String>,
    /// `<name>:<key>`, as it stands after `Authorization: Bearer` or in `X-Ignition-API-Token`.
    pub credential: String,
    /// `<name>~<key>`, for middleboxes that allow only RFC 6750's alphabet after `Bearer`.
    pub rfc6750_credential: String,
}

impl From<Created> for CreatedKey {
    fn from(created: Created) -> Self {
        Self {
            credential: created.credential().as_str().to_owned(),
            rfc6750_credential: created.rfc6750_credential().as_str().to_owned(),
            key: created.key.as_str().to_owned(),
            ignored_levels: created.ignored_levels,
            record: created.record.into(),
        }
    }
}

/// The API keys of a handle. Each change is one transaction, and is obeyed by the next check in every process.
///
/// What changes something is there twice: with a promise, worked on beside the event loop, and as `...Sync`, which
/// blocks it: about 20 ms where a secret is hashed, and up to 5 s while another process holds the store's write lock.
#[napi]
pub struct Keys {
    handle: Rc<Handle>,
}

impl Keys {
    pub(crate) fn new(handle: &Rc<Handle>) -> Self {
        Self { handle: Rc::clone(handle) }
    }

    fn creating(&self, env: &Env, key: Unknown<'_>, by: Unknown<'_>) -> Result<work!(CreatedKey)> {
        let (core, key) = (self.handle.core()?, CoreNewKey::from(read::<NewKey>(env, key, "key")?));
        let by = By::read_unrevised(env, &by, &[])?;
        Ok(move || core.keys().create(&key, &by.caller()).map(CreatedKey::from))
    }

    fn importing(&self, env: &Env, key: Unknown<'_>, by: Unknown<'_>) -> Result<work!(KeyRecord)> {
        let (core, import) = (self.handle.core()?, read::<ImportedKey>(env, key, "key")?.import("key")?);
        let by = By::read_unrevised(env, &by, &[])?;
        Ok(move || core.keys().import(&import, &by.caller()).map(KeyRecord::from))
    }

    fn importing_all(&self, env: &Env, keys: Unknown<'_>, by: Unknown<'_>) -> Result<work!(f64)> {
        let (core, keys) = (self.handle.core()?, read::<Vec<ImportedKey>>(env, keys, "keys")?);
        let import = |(at, key): (usize, ImportedKey)| key.import(&format!("keys[{at}]"));
        let imports = keys.into_iter().enumerate().map(import).collect::<Result<Vec<_>>>()?;
        let by = By::read_unrevised(env, &by, &[])?;
        Ok(move || core.keys().import_all(&imports, &by.caller()).map(number))
    }

    fn updating(
        &self,
        env: &Env,
        name: Unknown<'_>,
        revision: Unknown<'_>,
        changes: Unknown<'_>,
        by: Unknown<'_>,
    ) -> Result<work!(KeyRecord)> {
        let (core, name) = (self.handle.core()?, text(env, name, "name")?);
        let (revision, changes) = (read::<u64>(env, revision, "revision")?, KeyChanges::read(env, changes)?);
        let by = By::read_unrevised(env, &by, &[])?;
        Ok(move || core.keys().update(&name, revision, &changes, &by.caller()).map(KeyRecord::from))
    }

    fn renaming(
        &self,
        env: &Env,
        name: Unknown<'_>,
        new_name: Unknown<'_>,
        by: Unknown<'_>,
    ) -> Result<work!(KeyRecord)> {
        let (core, name, new_name) = (self.handle.core()?, text(env, name, "name")?, text(env, new_name, "newName")?);
        let by = By::read(env, &by, &[])?;
        Ok(move || core.keys().rename(&name, &new_name, by.revision, &by.caller()).map(KeyRecord::from))
    }

    fn enabling(
        &self,
        env: &Env,
        name: Unknown<'_>,
        enabled: Unknown<'_>,
        by: Unknown<'_>,
    ) -> Result<work!(KeyRecord)> {
        let (core, name) = (self.handle.core()?, text(env, name, "name")?);
        let (enabled, by) = (read::<bool>(env, enabled, "enabled")?, By::read(env, &by, &[])?);
        Ok(move || core.keys().set_enabled(&name, enabled, by.revision, &by.caller()).map(KeyRecord::from))
    }

    fn duplicating(
        &self,
        env: &Env,
        name: Unknown<'_>,
        new_name: Unknown<'_>,
        by: Unknown<'_>,
    ) -> Result<work!(CreatedKey)> {
        let (core, name, new_name) = (self.handle.core()?, text(env, name, "name")?, text(env, new_name, "newName")?);
        let by = By::read(env, &by, &[])?;
        Ok(move || core.keys().duplicate(&name, &new_name, by.revision, &by.caller()).map(CreatedKey::from))
    }

    fn rotating(&self, env: &Env, name: Unknown<'_>, by: Unknown<'_>) -> Result<work!(CreatedKey)> {
        let (core, name) = (self.handle.core()?, text(env, name, "name")?);
        let (read_by, object) = (By::read(env, &by, &["overlap"])?, object(env, &by, "by")?);
        let overlap = read::<Option<u64>>(env, member(&object, "overlap")?, "by.overlap")?.unwrap_or(0);
        Ok(move || core.keys().rotate(&name, overlap, read_by.revision, &read_by.caller()).map(CreatedKey::from))
    }

    fn deleting(&self, env: &Env, name: Unknown<'_>, by: Unknown<'_>) -> Result<work!(())> {
        let (core, name, by) = (self.handle.core()?, text(env, name, "name")?, By::read(env, &by, &[])?);
        Ok(move || core.keys().delete(&name, by.revision, &by.caller()))
    }

    fn sealing(&self, env: &Env, by: Unknown<'_>) -> Result<work!(f64)> {
        let (core, by) = (self.handle.core()?, By::read_unrevised(env, &by, &[])?);
        Ok(move || core.keys().seal_all(&by.caller()).map(number))
    }
}

#[napi]
impl Keys {
    /// Makes a key. Its secret is in the answer, and nowhere else, ever again.
    ///
    /// @throws InspireAuthError `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NAME_TAKEN`,
    /// `BUSY`, a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// const { key } = await auth.keys.create({ name: 'reporting', levels: ['Authenticated/Ops/Read'] }, { actor: SYSTEM });
    #[napi(ts_args_type = "key: NewKey, by: By", ts_return_type = "Promise<CreatedKey>")]
    pub fn create<'e>(&self, env: &'e Env, key: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.creating(env, key, by))
    }

    /// {@link Keys.create}, blocking for about 20 ms.
    ///
    /// @throws InspireAuthError as {@link Keys.create}
    #[napi(ts_args_type = "key: NewKey, by: By")]
    pub fn create_sync(&self, env: &Env, key: Unknown<'_>, by: Unknown<'_>) -> napi::Result<CreatedKey> {
        run(env, || self.creating(env, key, by)?())
    }

    /// Adds a key whose secret was made elsewhere.
    ///
    /// @throws InspireAuthError as {@link Keys.create}, and `INVALID_HASH`
    /// @example
    /// await auth.keys.import({ name: 'legacy', format: 'phc', hash: '$argon2id$v=19$...' }, { actor: SYSTEM });
    #[napi(ts_args_type = "key: ImportedKey, by: By", ts_return_type = "Promise<KeyRecord>")]
    pub fn import<'e>(&self, env: &'e Env, key: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.importing(env, key, by))
    }

    /// {@link Keys.import}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.import}
    #[napi(ts_args_type = "key: ImportedKey, by: By")]
    pub fn import_sync(&self, env: &Env, key: Unknown<'_>, by: Unknown<'_>) -> napi::Result<KeyRecord> {
        run(env, || self.importing(env, key, by)?())
    }

    /// Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none. Gives the number of
    /// keys; for none, nothing is written.
    ///
    /// @throws InspireAuthError as {@link Keys.import}, of the first that can't be added: the message says which one that
    /// is, counted from 0, and its name. `NAME_TAKEN` also when two of them have one name
    /// @example
    /// const rows = await legacy.all('SELECT name, hash FROM users');
    /// await auth.keys.importAll(rows.map(({ name, hash }) => ({ name, format: 'phc', hash })), { actor: SYSTEM });
    #[napi(ts_args_type = "keys: readonly ImportedKey[], by: By", ts_return_type = "Promise<number>")]
    pub fn import_all<'e>(&self, env: &'e Env, keys: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.importing_all(env, keys, by))
    }

    /// {@link Keys.importAll}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.importAll}
    #[napi(ts_args_type = "keys: readonly ImportedKey[], by: By")]
    pub fn import_all_sync(&self, env: &Env, keys: Unknown<'_>, by: Unknown<'_>) -> napi::Result<f64> {
        run(env, || self.importing_all(env, keys, by)?())
    }

    /// One key.
    ///
    /// @throws InspireAuthError `NOT_FOUND`, a `STORE_*` code
    /// @example
    /// const { revision } = auth.keys.get('reporting');
    #[napi(ts_args_type = "name: string")]
    pub fn get(&self, env: &Env, name: Unknown<'_>) -> napi::Result<KeyRecord> {
        run(env, || self.handle.core()?.keys().get(&text(env, name, "name")?).map(KeyRecord::from))
    }

    /// Keys, sorted by name in byte order.
    ///
    /// @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`, a `STORE_*` code
    /// @example
    /// const page = auth.keys.list({ after: last, limit: 100 });
    #[napi(ts_args_type = "filter?: KeyFilter | null")]
    pub fn list(&self, env: &Env, filter: Unknown<'_>) -> napi::Result<Vec<KeyRecord>> {
        run(env, || {
            let KeyFilter { after, limit, level } = read_or_default(env, filter, "filter")?;
            let filter = ListFilter { after, limit: limit.map(|limit| limit as usize), level };
            Ok(self.handle.core()?.keys().list(&filter)?.into_iter().map(KeyRecord::from).collect())
        })
    }

    /// All keys, as records: what can be kept elsewhere without keeping a secret.
    ///
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// await writeFile('keys.json', JSON.stringify(auth.keys.export()));
    #[napi]
    pub fn export(&self, env: &Env) -> napi::Result<Vec<KeyRecord>> {
        run(env, || Ok(self.handle.core()?.keys().export()?.into_iter().map(KeyRecord::from).collect()))
    }

    /// Changes a key that still has this revision.
    ///
    /// @param revision {@link KeyRecord.revision} as it was read; the change is refused when it has moved on
    /// @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a
    /// `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// const { revision } = auth.keys.get('reporting');
    /// await auth.keys.update('reporting', revision, { levels: ['Authenticated/Ops/Write'] }, { actor: caller });
    #[napi(
        ts_args_type = "name: string, revision: number, changes: KeyChanges, by: By",
        ts_return_type = "Promise<KeyRecord>"
    )]
    pub fn update<'e>(
        &self,
        env: &'e Env,
        name: Unknown<'e>,
        revision: Unknown<'e>,
        changes: Unknown<'e>,
        by: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.updating(env, name, revision, changes, by))
    }

    /// {@link Keys.update}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.update}
    #[napi(ts_args_type = "name: string, revision: number, changes: KeyChanges, by: By")]
    pub fn update_sync(
        &self,
        env: &Env,
        name: Unknown<'_>,
        revision: Unknown<'_>,
        changes: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<KeyRecord> {
        run(env, || self.updating(env, name, revision, changes, by)?())
    }

    /// Gives a key another name. Its secret and identity stay; the old name is unknown from then on.
    ///
    /// @throws InspireAuthError `INVALID_NAME`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `NAME_TAKEN`, a `STORE_*`
    /// code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// await auth.keys.rename('reporting', 'reports', { actor: SYSTEM });
    #[napi(ts_args_type = "name: string, newName: string, by: ByRevised", ts_return_type = "Promise<KeyRecord>")]
    pub fn rename<'e>(
        &self,
        env: &'e Env,
        name: Unknown<'e>,
        new_name: Unknown<'e>,
        by: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.renaming(env, name, new_name, by))
    }

    /// {@link Keys.rename}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.rename}
    #[napi(ts_args_type = "name: string, newName: string, by: ByRevised")]
    pub fn rename_sync(
        &self,
        env: &Env,
        name: Unknown<'_>,
        new_name: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<KeyRecord> {
        run(env, || self.renaming(env, name, new_name, by)?())
    }

    /// Enables or disables a key.
    ///
    /// @throws InspireAuthError `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a `STORE_*` code,
    /// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// await auth.keys.setEnabled('reporting', false, { actor: SYSTEM });
    #[napi(ts_args_type = "name: string, enabled: boolean, by: ByRevised", ts_return_type = "Promise<KeyRecord>")]
    pub fn set_enabled<'e>(
        &self,
        env: &'e Env,
        name: Unknown<'e>,
        enabled: Unknown<'e>,
        by: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.enabling(env, name, enabled, by))
    }

    /// {@link Keys.setEnabled}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.setEnabled}
    #[napi(ts_args_type = "name: string, enabled: boolean, by: ByRevised")]
    pub fn set_enabled_sync(
        &self,
        env: &Env,
        name: Unknown<'_>,
        enabled: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<KeyRecord> {
        run(env, || self.enabling(env, name, enabled, by)?())
    }

    /// Makes a key with all the settings of another, a new name and a new secret.
    ///
    /// @throws InspireAuthError as {@link Keys.create}, and `NOT_FOUND`, `CONFLICT`
    /// @example
    /// const { key } = await auth.keys.duplicate('reporting', 'reporting-2', { actor: SYSTEM });
    #[napi(ts_args_type = "name: string, newName: string, by: ByRevised", ts_return_type = "Promise<CreatedKey>")]
    pub fn duplicate<'e>(
        &self,
        env: &'e Env,
        name: Unknown<'e>,
        new_name: Unknown<'e>,
        by: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.duplicating(env, name, new_name, by))
    }

    /// {@link Keys.duplicate}, blocking for about 20 ms.
    ///
    /// @throws InspireAuthError as {@link Keys.duplicate}
    #[napi(ts_args_type = "name: string, newName: string, by: ByRevised")]
    pub fn duplicate_sync(
        &self,
        env: &Env,
        name: Unknown<'_>,
        new_name: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<CreatedKey> {
        run(env, || self.duplicating(env, name, new_name, by)?())
    }

    /// Gives a key a new secret. The old one is refused from then on, or, with an overlap, from its end on, so that
    /// clients can be given the new one meanwhile; secrets older than that one end now.
    ///
    /// @param by `overlap` is how long the old secret stays good, in seconds: at most a year (31536000), and never beyond
    /// the key's own expiry. Not given, or 0, it is not at all. {@link KeyRecord.overlapEndsAt} says until when it is
    /// @throws InspireAuthError `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `BUSY`, a `STORE_*`
    /// code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// const { key } = await auth.keys.rotate('reporting', { actor: SYSTEM, overlap: 24 * 3600 });
    #[napi(ts_args_type = "name: string, by: ByRevised & { overlap?: number }", ts_return_type = "Promise<CreatedKey>")]
    pub fn rotate<'e>(&self, env: &'e Env, name: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.rotating(env, name, by))
    }

    /// {@link Keys.rotate}, blocking for about 20 ms.
    ///
    /// @throws InspireAuthError as {@link Keys.rotate}
    #[napi(ts_args_type = "name: string, by: ByRevised & { overlap?: number }")]
    pub fn rotate_sync(&self, env: &Env, name: Unknown<'_>, by: Unknown<'_>) -> napi::Result<CreatedKey> {
        run(env, || self.rotating(env, name, by)?())
    }

    /// Deletes a key: revokes it at once, and can't be undone.
    ///
    /// @throws InspireAuthError `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, a `STORE_*` code,
    /// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// await auth.keys.delete('reporting', { actor: SYSTEM });
    #[napi(ts_args_type = "name: string, by: ByRevised", ts_return_type = "Promise<void>")]
    pub fn delete<'e>(&self, env: &'e Env, name: Unknown<'e>, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.deleting(env, name, by))
    }

    /// {@link Keys.delete}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.delete}
    #[napi(ts_args_type = "name: string, by: ByRevised")]
    pub fn delete_sync(&self, env: &Env, name: Unknown<'_>, by: Unknown<'_>) -> napi::Result<()> {
        run(env, || self.deleting(env, name, by)?())
    }

    /// Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or
    /// after a look at the store. Gives the number of keys.
    ///
    /// @throws InspireAuthError `PERMISSION_DENIED` for anyone but `SYSTEM`, `INVALID_ARGUMENT` without a pepper, a
    /// `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// await auth.keys.sealAll({ actor: SYSTEM });
    #[napi(ts_args_type = "by: By", ts_return_type = "Promise<number>")]
    pub fn seal_all<'e>(&self, env: &'e Env, by: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.sealing(env, by))
    }

    /// {@link Keys.sealAll}, blocking.
    ///
    /// @throws InspireAuthError as {@link Keys.sealAll}
    #[napi(ts_args_type = "by: By")]
    pub fn seal_all_sync(&self, env: &Env, by: Unknown<'_>) -> napi::Result<f64> {
        run(env, || self.sealing(env, by)?())
    }
}

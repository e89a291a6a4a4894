//! Managing keys: every change is one write transaction, judged and made on the same state.

use inspire_auth_platform::memory::Spare;
use zeroize::Zeroizing;

use super::{
    actor::{Authority, Caller, Need},
    generate,
    hash::Hashed,
    levels::{is_ignored, validate},
    record::{Created, KeyRecord, newest},
    spec::{KeyUpdate, ListFilter, NewKey, check_description, check_expiry, check_levels, check_name},
};
use crate::{
    audit::{Change, Mutation},
    auth::Inner,
    clock,
    error::{Code, Error, Result},
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, Origin, Strength, Transaction},
};

/// The only key type there is.
const BASIC_TOKEN: &str = "basic-token";

/// The longest overlap of a rotation, in seconds: a year.
pub const MAX_OVERLAP: i64 = 31_536_000;

/// The API keys of a handle.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    pub(crate) inner: &'a Inner,
}

impl Keys<'_> {
    /// Makes a key. Its secret is in the answer, and nowhere else, ever again.
    ///
    /// # Errors
    /// `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NAME_TAKEN`, `BUSY`, `STORE_*`.
    pub fn create(&self, key: &NewKey, caller: &Caller<'_>) -> Result<Created> {
        let key = key.checked()?;
        let mutation = mutation("key.created", &key.name, caller);
        self.inner.permit(&mutation)?;
        let (secret, hashed) = self.new_secret()?;
        let now = clock::resolve(caller.now);
        let record = self.write(&mutation, &mut |change| {
            change.authority.require_all(&key.levels)?;
            let row = new_row(&key, now)?;
            let credential = self.generated(row.id, &secret, &hashed, now)?;
            self.insert(change.tx, row, credential)
        })?;
        Ok(self.created(record, secret))
    }

    /// One key.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORE_*`.
    pub fn get(&self, name: &str) -> Result<KeyRecord> {
        self.inner.refresh()?;
        let mut found = None;
        self.inner.store.read(&mut |reader| {
            found = reader.key_by_name(name)?;
            Ok(())
        })?;
        self.record(found.ok_or(Error::new(Code::NotFound))?)
    }

    /// Keys, sorted by name in byte order.
    ///
    /// # Errors
    /// `INVALID_LEVEL`, `STORE_*`.
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<KeyRecord>> {
        const PAGE: usize = 1000;
        if let Some(level) = &filter.level {
            validate(level)?;
        }
        self.inner.refresh()?;
        let wanted = filter.limit.unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        self.inner.store.read(&mut |reader| {
            let mut after = filter.after.clone();
            while rows.len() < wanted {
                let room = wanted.saturating_sub(rows.len());
                // A filter may pass over most of a page; without one, no row is read that is not shown.
                let most = if filter.level.is_some() { PAGE } else { room.min(PAGE) };
                let page = reader.keys_after(after.as_deref(), most)?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.name.clone());
                rows.extend(page.into_iter().filter(|row| self.matches(row, filter)).take(room));
            }
            Ok(())
        })?;
        rows.into_iter().map(|row| self.record(row)).collect()
    }

    /// All keys, as records: what can be kept elsewhere without keeping a secret.
    ///
    /// # Errors
    /// `STORE_*`.
    pub fn export(&self) -> Result<Vec<KeyRecord>> {
        self.list(&ListFilter::default())
    }

    /// Changes a key that still has this revision.
    ///
    /// # Errors
    /// `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `STORE_*`.
    pub fn update(&self, name: &str, revision: u64, update: &KeyUpdate, caller: &Caller<'_>) -> Result<KeyRecord> {
        let levels = update.levels.as_deref().map(check_levels).transpose()?;
        if let Some(description) = &update.description {
            check_description(description)?;
        }
        check_expiry(update.expires_at.flatten())?;
        self.change(&mutation("key.updated", name, caller), Some(revision), &mut |change, row| {
            let before = row.key.clone();
            let key = &mut row.key;
            if let Some(description) = &update.description {
                key.description.clone_from(description);
            }
            if let Some(levels) = &levels {
                key.levels.clone_from(levels);
            }
            key.require_secure = update.require_secure.unwrap_or(key.require_secure);
            key.enabled = update.enabled.unwrap_or(key.enabled);
            if let Some(expires_at) = update.expires_at {
                key.expires_at = expires_at;
            }
            let authority_changes = key.levels != before.levels
                || key.require_secure != before.require_secure
                || key.expires_at != before.expires_at
                || (key.enabled && !before.enabled);
            if authority_changes {
                change.authority.require_all(&before.levels)?;
                change.authority.require_all(&key.levels)?;
            }
            Ok(())
        })
    }

    /// Gives a key another name. Its secret and identity stay; the old name is unknown from then on.
    ///
    /// # Errors
    /// `INVALID_NAME`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `NAME_TAKEN`, `STORE_*`.
    pub fn rename(&self, name: &str, new_name: &str, revision: Option<u64>, caller: &Caller<'_>) -> Result<KeyRecord> {
        check_name(new_name)?;
        self.change(&mutation("key.renamed", name, caller), revision, &mut |change, row| {
            change.event.detail = format!("now {new_name}");
            new_name.clone_into(&mut row.key.name);
            Ok(())
        })
    }

    /// Enables or disables a key.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `STORE_*`.
    pub fn set_enabled(
        &self,
        name: &str,
        enabled: bool,
        revision: Option<u64>,
        caller: &Caller<'_>,
    ) -> Result<KeyRecord> {
        let event = if enabled { "key.enabled" } else { "key.disabled" };
        self.change(&mutation(event, name, caller), revision, &mut |change, row| {
            if enabled {
                change.authority.require_all(&row.key.levels)?;
            }
            row.key.enabled = enabled;
            Ok(())
        })
    }

    /// Makes a key with all the settings of another, a new name and a new secret.
    ///
    /// # Errors
    /// As [`Keys::create`], and `NOT_FOUND`, `CONFLICT`.
    pub fn duplicate(&self, name: &str, new_name: &str, revision: Option<u64>, caller: &Caller<'_>) -> Result<Created> {
        check_name(new_name)?;
        let mutation = mutation("key.duplicated", new_name, caller);
        self.inner.permit(&mutation)?;
        let (secret, hashed) = self.new_secret()?;
        let now = clock::resolve(caller.now);
        let record = self.write(&mutation, &mut |change| {
            let original = find(change.tx, name, revision)?;
            change.event.detail = format!("of {name}");
            change.authority.require_all(&original.key.levels)?;
            // A copy would be sealed, and with it what somebody without the pepper wrote into the original.
            if !self.inner.compiler.sealer.is_sealed(&original.key, &original.credentials) {
                return Err(Error::with(Code::PermissionDenied, "the original is not sealed by a configured pepper"));
            }
            let settings = NewKey {
                name: new_name.to_owned(),
                description: original.key.description,
                levels: original.key.levels,
                require_secure: original.key.require_secure,
                enabled: original.key.enabled,
                expires_at: original.key.expires_at,
            };
            let row = new_row(&settings, now)?;
            let credential = self.generated(row.id, &secret, &hashed, now)?;
            self.insert(change.tx, row, credential)
        })?;
        Ok(self.created(record, secret))
    }

    /// Gives a key a new secret. The old one goes on being right for `overlap_seconds` (0 to [`MAX_OVERLAP`]), but never
    /// beyond its own end or the key's; with 0 it is refused from then on. Only the newest of the old ones overlaps: a
    /// key has at most two secrets, and [`Keys::delete`] or a disabled key refuses both.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a longer overlap, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `BUSY`, `STORE_*`.
    pub fn rotate(
        &self,
        name: &str,
        overlap_seconds: u64,
        revision: Option<u64>,
        caller: &Caller<'_>,
    ) -> Result<Created> {
        let overlap = i64::try_from(overlap_seconds).ok().filter(|seconds| *seconds <= MAX_OVERLAP);
        let overlap =
            overlap.ok_or(Error::with(Code::InvalidArgument, "an overlap is at most 31536000 seconds, a year"))?;
        let mutation = mutation("key.rotated", name, caller);
        self.inner.permit(&mutation)?;
        let (secret, hashed) = self.new_secret()?;
        let now = clock::resolve(caller.now);
        let record = self.change(&mutation, revision, &mut |change, row| {
            change.authority.require_all(&row.key.levels)?;
            "the secret before is refused from now on".clone_into(&mut change.event.detail);
            let end = now.saturating_add(overlap).min(row.key.expires_at.unwrap_or(i64::MAX));
            let newest = newest(&row.credentials).map(|credential| credential.id);
            for mut old in std::mem::take(&mut row.credentials) {
                let end = end.min(old.not_after.unwrap_or(i64::MAX));
                if Some(old.id) == newest && now < end {
                    old.not_after = Some(end);
                    change.event.detail = format!("the secret before is good until {end}");
                    change.tx.update_credential(&old)?;
                    row.credentials.push(old);
                } else {
                    change.tx.delete_credential(old.id)?;
                }
            }
            let credential = self.generated(row.key.id, &secret, &hashed, now)?;
            change.tx.insert_credential(&credential)?;
            row.credentials.push(credential);
            Ok(())
        })?;
        Ok(self.created(record, secret))
    }

    /// Deletes a key: revokes it at once, and can't be undone.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `STORE_*`.
    pub fn delete(&self, name: &str, revision: Option<u64>, caller: &Caller<'_>) -> Result<()> {
        self.inner.refresh()?;
        self.inner.mutate(&mutation("key.deleted", name, caller), &mut |change| {
            let row = find(change.tx, name, revision)?;
            change.tx.delete_key(row.key.id)
        })
    }

    /// Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or
    /// after a look at the store. Returns how many.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for anyone but `System`, `INVALID_ARGUMENT` without a pepper, `STORE_*`.
    pub fn seal_all(&self, caller: &Caller<'_>) -> Result<u64> {
        if self.inner.hasher.current_pepper().is_none() {
            return Err(Error::with(Code::InvalidArgument, "there is no pepper to seal with"));
        }
        self.inner.refresh()?;
        self.inner.mutate(&mutation("store.sealed", "", caller), &mut |change| {
            if !matches!(change.authority, Authority::System) {
                return Err(Error::with(Code::PermissionDenied, "only the host itself may vouch for every key"));
            }
            let mut count = 0_u64;
            let mut after: Option<String> = None;
            loop {
                let page = change.tx.keys_after(after.as_deref(), 1000)?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.name.clone());
                for mut row in page {
                    self.inner.compiler.sealer.seal(&mut row.key, &row.credentials);
                    change.tx.update_key(&row.key)?;
                    count = count.saturating_add(1);
                }
            }
            change.event.detail = format!("{count} keys");
            Ok(count)
        })
    }

    fn matches(&self, row: &KeyWithCredentials, filter: &ListFilter) -> bool {
        filter.level.as_ref().is_none_or(|level| {
            super::levels::LevelSet::of_key(&row.key.levels, self.inner.config.mode).satisfies_path(level)
        })
    }

    fn record(&self, row: KeyWithCredentials) -> Result<KeyRecord> {
        // Activity is a courtesy: a store that can't tell must not hide the key.
        let stored = self.inner.store.last_used(row.key.id).unwrap_or(None);
        let noted = self.inner.index.last_used(row.key.id);
        let last_used = stored.max(noted.filter(|at| *at != i64::MIN));
        Ok(KeyRecord::of(row, last_used))
    }

    /// A fresh secret and its hash, made on the pool, within the memory ceiling.
    fn new_secret(&self) -> Result<(Zeroizing<String>, Hashed)> {
        let secret = generate::generate()?;
        let scheme = self.inner.hasher.scheme_for_generated();
        let cost = self.inner.hasher.cost_of_new(scheme);
        let hasher = std::sync::Arc::clone(&self.inner.hasher);
        let hashed = if cost == 0 {
            hasher.hash(scheme, secret.as_bytes(), &mut Spare::default())?
        } else {
            let secret = secret.clone();
            self.inner.pool.get().run(cost, move |spare| hasher.hash(scheme, secret.as_bytes(), spare))?
        };
        Ok((secret, hashed))
    }

    fn generated(&self, key_id: Id, secret: &str, hashed: &Hashed, now: i64) -> Result<CredentialRow> {
        Ok(CredentialRow {
            id: Id::random()?,
            key_id,
            scheme: hashed.scheme,
            hash: hashed.hash.clone(),
            tag: Some(self.inner.tagger.tag(secret.as_bytes())),
            tag_key_id: Some(self.inner.tagger.id()),
            pepper_id: hashed.pepper_id.clone(),
            origin: Origin::Generated,
            strength: Strength::Random,
            not_after: None,
            created_at: now,
        })
    }

    pub(super) fn insert(
        &self,
        tx: &mut dyn Transaction,
        mut key: KeyRow,
        credential: CredentialRow,
    ) -> Result<KeyWithCredentials> {
        let credentials = vec![credential];
        self.inner.compiler.sealer.seal(&mut key, &credentials);
        tx.insert_key(&key)?;
        for credential in &credentials {
            tx.insert_credential(credential)?;
        }
        Ok(KeyWithCredentials { key, credentials })
    }

    /// One write transaction that ends with a key.
    pub(super) fn write(
        &self,
        mutation: &Mutation<'_>,
        body: &mut dyn FnMut(&mut Change<'_>) -> Result<KeyWithCredentials>,
    ) -> Result<KeyRecord> {
        self.inner.refresh()?;
        self.record(self.inner.mutate(mutation, body)?)
    }

    /// One change of one key: authorized, found, checked, changed, sealed.
    fn change(
        &self,
        mutation: &Mutation<'_>,
        revision: Option<u64>,
        body: &mut dyn FnMut(&mut Change<'_>, &mut KeyWithCredentials) -> Result<()>,
    ) -> Result<KeyRecord> {
        let now = clock::resolve(mutation.caller.now);
        self.write(mutation, &mut |change| {
            let mut row = find(change.tx, mutation.subject, revision)?;
            // What nobody with the pepper has written must not be sealed by a change of something else.
            let sealed = self.inner.compiler.sealer.is_sealed(&row.key, &row.credentials);
            body(change, &mut row)?;
            row.key.revision = row.key.revision.saturating_add(1);
            row.key.updated_at = now;
            if sealed {
                self.inner.compiler.sealer.seal(&mut row.key, &row.credentials);
            }
            change.tx.update_key(&row.key)?;
            Ok(row)
        })
    }

    fn created(&self, record: KeyRecord, key: Zeroizing<String>) -> Created {
        let mode = self.inner.config.mode;
        let ignored_levels = record.levels.iter().filter(|level| is_ignored(mode, level)).cloned().collect();
        Created { record, key, ignored_levels }
    }
}

/// A change of the key `name`.
pub(super) const fn mutation<'a>(event: &'static str, name: &'a str, caller: &'a Caller<'a>) -> Mutation<'a> {
    Mutation { event, subject: name, need: Need::Write, caller }
}

/// The key of this name, if it still has the expected revision.
fn find(tx: &dyn Transaction, name: &str, revision: Option<u64>) -> Result<KeyWithCredentials> {
    let row = tx.key_by_name(name)?.ok_or(Error::new(Code::NotFound))?;
    match revision {
        Some(expected) if expected != row.key.revision => Err(Error::new(Code::Conflict)),
        _ => Ok(row),
    }
}

pub(super) fn new_row(key: &NewKey, now: i64) -> Result<KeyRow> {
    Ok(KeyRow {
        id: Id::random()?,
        kind: BASIC_TOKEN.to_owned(),
        name: key.name.clone(),
        description: key.description.clone(),
        levels: key.levels.clone(),
        require_secure: key.require_secure,
        enabled: key.enabled,
        created_at: now,
        updated_at: now,
        expires_at: key.expires_at,
        revision: 1,
        seal: None,
        seal_key_id: None,
    })
}

//! Keys whose secrets were made elsewhere: one, or many at once.

use std::collections::{HashMap, HashSet};

use super::{
    actor::{Caller, Need},
    credential::is_name,
    hash::{Hashed, Hasher},
    manage::{Keys, mutation, new_row},
    record::KeyRecord,
    spec::{Import, ImportFormat, NewKey},
};
use crate::{
    audit::{Mutation, screened},
    clock,
    error::{Code, Error, Result},
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, Origin, Strength, Transaction},
};

impl Keys<'_> {
    /// Adds a key whose secret was made elsewhere.
    ///
    /// # Errors
    /// As [`Keys::create`], and `INVALID_HASH`.
    pub fn import(&self, import: &Import, caller: &Caller<'_>) -> Result<KeyRecord> {
        let checked = self.checked(import)?;
        let (now, ids) = (clock::resolve(caller.now), [Id::random()?, Id::random()?]);
        self.write(&mutation("key.imported", &checked.key.name, caller), &mut |change| {
            change.authority.require_all(&checked.key.levels)?;
            checked.strength.as_str().clone_into(&mut change.event.detail);
            self.insert_imported(change.tx, &checked, ids, now)
        })
    }

    /// Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none. Returns how many; an
    /// empty list is 0, and nothing is written for it.
    ///
    /// The audit log has one event of them all. What is wrong with the list itself is found before the store is asked.
    ///
    /// # Errors
    /// As [`Keys::import`], of the first that can't be added: the detail says which one that is, counted from 0, and its
    /// name. `NAME_TAKEN` also when two of them have one name.
    pub fn import_all(&self, imports: &[Import], caller: &Caller<'_>) -> Result<u64> {
        let mutation = Mutation { event: "keys.imported", subject: "", need: Need::Write, caller };
        self.inner.permit(&mutation)?;
        if imports.is_empty() {
            return Ok(0);
        }
        let checked = self.all_checked(imports)?;
        let (keys, credentials) = (ordered_ids(checked.len())?, ordered_ids(checked.len())?);
        let now = clock::resolve(caller.now);
        self.inner.mutate(&mutation, &mut |change| {
            let mut judged = HashSet::new();
            for (at, (import, ids)) in checked.iter().zip(keys.iter().zip(&credentials)).enumerate() {
                let which = |error| of_import(error, at, &import.key.name);
                if judged.insert(import.key.levels.as_slice()) {
                    change.authority.require_all(&import.key.levels).map_err(which)?;
                }
                self.insert_imported(change.tx, import, [*ids.0, *ids.1], now).map_err(|error| match error.code() {
                    Code::NameTaken => which(error),
                    // The store's own trouble is nobody's fault.
                    _ => error,
                })?;
            }
            change.event.detail = format!("{} keys", checked.len());
            Ok(())
        })?;
        Ok(checked.len() as u64)
    }

    fn all_checked(&self, imports: &[Import]) -> Result<Vec<Checked>> {
        let mut names = HashMap::with_capacity(imports.len());
        let mut all = Vec::with_capacity(imports.len());
        for (at, import) in imports.iter().enumerate() {
            let name = import.key.name.as_str();
            let checked = self.checked(import).and_then(|checked| match names.insert(name, at) {
                None => Ok(checked),
                Some(first) => Err(Error::with(Code::NameTaken, format!("import {first} has it too"))),
            });
            all.push(checked.map_err(|error| of_import(error, at, name))?);
        }
        Ok(all)
    }

    fn checked(&self, import: &Import) -> Result<Checked> {
        let key = import.key.checked()?;
        let hashed = match import.format {
            ImportFormat::Phc => self.inner.hasher.import_phc(&import.hash)?,
            ImportFormat::Ignition => Hasher::import_ignition(&import.hash)?,
        };
        Ok(Checked { key, hashed, strength: import.strength })
    }

    fn insert_imported(
        &self,
        tx: &mut dyn Transaction,
        import: &Checked,
        [key, credential]: [Id; 2],
        now: i64,
    ) -> Result<KeyWithCredentials> {
        let row = KeyRow { id: key, ..new_row(&import.key, now)? };
        let credential = CredentialRow {
            id: credential,
            key_id: key,
            scheme: import.hashed.scheme,
            hash: import.hashed.hash.clone(),
            tag: None,
            tag_key_id: None,
            pepper_id: None,
            origin: Origin::Imported,
            strength: import.strength,
            not_after: None,
            created_at: now,
        };
        self.insert(tx, row, credential)
    }
}

/// So many new identities, in order: a database that gets them so adds them side by side, and not to a page here and a
/// page there, of which there are more than it keeps in memory.
fn ordered_ids(count: usize) -> Result<Vec<Id>> {
    let mut ids = (0..count).map(|_| Id::random()).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    Ok(ids)
}

/// An import with every value within its bounds.
struct Checked {
    key: NewKey,
    hashed: Hashed,
    strength: Strength,
}

/// An error about one of many imports. What is no name may be anything, even a secret: it is not repeated.
fn of_import(error: Error, at: usize, name: &str) -> Error {
    let name = if is_name(name.as_bytes()) { format!(" ({})", screened(name)) } else { String::new() };
    error.of_item(at, &format!("import {at}{name}"))
}

//! From a stored row to what a check needs of it.

use std::sync::Arc;

use super::{
    aside::Aside,
    record::{Mark, Record, flag},
};
use crate::{
    keys::{hash::Hasher, levels::LevelSet, mac::ProcessMac, seal::Sealer},
    options::LevelMode,
    store::{CredentialRow, KeyWithCredentials, Origin, Scheme, Strength},
};

/// What turns rows into records.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) mac: ProcessMac,
    pub(crate) mode: LevelMode,
    pub(crate) sealer: Sealer,
    pub(crate) hasher: Arc<Hasher>,
}

/// The credentials of a key that count. A key has one, or two while a rotation overlaps; more was not written by us,
/// and each costs every check of the key's name.
pub(super) fn newest(credentials: &[CredentialRow]) -> &[CredentialRow] {
    const MOST: usize = 8;
    credentials.last_chunk::<MOST>().map_or(credentials, |newest| newest)
}

impl Compiler {
    pub(super) fn level_set(&self, levels: &[String]) -> LevelSet {
        LevelSet::of_key(levels, self.mode)
    }

    pub(crate) fn mark(&self, hash: &str) -> Mark {
        Mark::of(self.mac.digest(hash.as_bytes()))
    }

    /// What is said of the key alone, by a record of a credential that nobody has.
    pub(super) fn key(&self, row: &KeyWithCredentials, levels: u32, set: &LevelSet) -> Record {
        let KeyWithCredentials { key, credentials } = row;
        let (first_levels, more_levels) = set.first_word();
        let flags = when(key.enabled, flag::ENABLED)
            | when(key.require_secure, flag::REQUIRE_SECURE)
            | when(!self.sealer.is_sealed(key, credentials), flag::UNSEALED)
            | when(more_levels, flag::MORE_LEVELS);
        Record {
            id: key.id,
            revision: key.revision,
            flags: flags | flag::CREDENTIAL_ENDS,
            end: i64::MIN,
            first_levels,
            levels,
            ..Record::NONE
        }
    }

    /// What is said of one credential, beside what is said of its key. `expires_at` is the key's.
    pub(super) fn credential(
        &self,
        key: &Record,
        expires_at: Option<i64>,
        row: &CredentialRow,
        tag_key: u32,
    ) -> Record {
        let tag = row.tag.filter(|_| row.tag_key_id == Some(tag_key));
        // Whichever comes first. A credential that ends with its key, or after it, has no end of its own.
        let expires_at = expires_at.unwrap_or(i64::MAX);
        let not_after = row.not_after.unwrap_or(i64::MAX);
        let flags = when(tag.is_some(), flag::TAGGED)
            | when(row.origin == Origin::Imported && row.strength == Strength::Chosen, flag::CHOSEN)
            | when(row.scheme == Scheme::HmacSha256, flag::HMAC)
            | when(not_after < expires_at, flag::CREDENTIAL_ENDS);
        Record {
            credential: row.id,
            flags: key.flags & !flag::CREDENTIAL_ENDS | flags,
            end: expires_at.min(not_after),
            mark: self.mark(&row.hash),
            tag: tag.unwrap_or(0),
            cost_kib: self.hasher.cost_at_a_glance(row).div_ceil(1024).try_into().unwrap_or(u32::MAX),
            ..*key
        }
    }
}

const fn when(is_so: bool, flag: u8) -> u8 {
    if is_so { flag } else { 0 }
}

/// What was learnt about a key's credentials, to be kept where it still holds.
pub(super) struct Learnt<'a> {
    pub(super) before: &'a [Record],
    pub(super) aside: &'a Aside,
}

impl Learnt<'_> {
    /// A memo says what the right secret of one hash is: it stays where the hash did, or is the one that this process made of
    /// the same secret. The last use is the key's. Everything else is judged anew.
    pub(super) fn keep(&self, record: &mut Record) {
        if let Some(last) = self.before.iter().map(|before| before.last_used).max() {
            record.last_used = last;
        }
        let Some(before) = self.before.iter().find(|before| before.credential == record.credential) else { return };
        if before.mark == record.mark || self.aside.renews(record.credential, record.mark) {
            record.memo = before.memo;
        }
    }
}

//! What a host is shown of a key.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    id::Id,
    store::{CredentialRow, KeyWithCredentials, Origin},
};

/// A key, as it is shown: no secret, no hash, no tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRecord {
    /// Random identity; a rename keeps it.
    pub id: Id,
    /// `basic-token`.
    pub kind: String,
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Granted security levels, byte-sorted, without repeats.
    pub levels: Vec<String>,
    /// Whether the key may only be used over a secure channel.
    pub require_secure: bool,
    /// Whether the key may be used at all.
    pub enabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Unix seconds from which the key is expired; `None` is never.
    pub expires_at: Option<i64>,
    /// Unix seconds of the last use that was noted (at most once a minute).
    pub last_used_at: Option<i64>,
    /// Begins at 1; each authoritative change adds one.
    pub revision: u64,
    /// Whether the newest secret was made here.
    pub origin: Origin,
    /// Unix seconds from which the secret before the newest is refused; `None` when there is only one. Stays as a past
    /// moment until the next rotation.
    pub overlap_ends_at: Option<i64>,
}

impl KeyRecord {
    pub(crate) fn of(row: KeyWithCredentials, last_used_at: Option<i64>) -> Self {
        let KeyWithCredentials { key, credentials } = row;
        let newest = newest(&credentials);
        let before = credentials.iter().filter(|credential| newest.is_some_and(|newest| newest.id != credential.id));
        Self {
            id: key.id,
            kind: key.kind,
            name: key.name,
            description: key.description,
            levels: key.levels,
            require_secure: key.require_secure,
            enabled: key.enabled,
            created_at: key.created_at,
            updated_at: key.updated_at,
            expires_at: key.expires_at,
            last_used_at,
            revision: key.revision,
            overlap_ends_at: before.filter_map(|credential| credential.not_after).max(),
            origin: newest.map_or(Origin::Generated, |credential| credential.origin),
        }
    }
}

/// The newest of a key's credentials: the one that lasts longest, since a rotation gives every other one an end. Two of
/// one second can't be told apart by their age, and a host's clock may have been set back in between.
pub(crate) fn newest(credentials: &[CredentialRow]) -> Option<&CredentialRow> {
    credentials.iter().max_by_key(|credential| (credential.not_after.unwrap_or(i64::MAX), credential.created_at))
}

/// A new key, with its secret: the only time it is seen.
pub struct Created {
    /// The record.
    pub record: KeyRecord,
    /// The key, `isk_...`.
    pub key: Zeroizing<String>,
    /// Levels that were granted but are ignored in this mode (see `LevelMode::Ignition`).
    pub ignored_levels: Vec<String>,
}

impl Created {
    /// `<name>:<key>`, as it stands after `Authorization: Bearer` or in `X-Ignition-API-Token`.
    #[must_use]
    pub fn credential(&self) -> Zeroizing<String> {
        self.joined(':')
    }

    /// `<name>~<key>`, for middleboxes that allow only RFC 6750's alphabet after `Bearer`.
    #[must_use]
    pub fn rfc6750_credential(&self) -> Zeroizing<String> {
        self.joined('~')
    }

    fn joined(&self, separator: char) -> Zeroizing<String> {
        let length = self.record.name.len().saturating_add(self.key.len()).saturating_add(1);
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(&self.record.name);
        text.push(separator);
        text.push_str(&self.key);
        text
    }
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("record", &self.record).finish_non_exhaustive()
    }
}

//! Where keys and license state are kept, and how a process learns that another one changed them.
//!
//! A store keeps *authoritative* data (keys, credentials, the installed license) under one **generation**, a number
//! that only rises, and *activity* (last use, audit) apart from it: activity never moves the generation.
//!
//! Freshness is part of the contract: [`Store::generation`] must observe every commit, by any process, that returned
//! before the call began. That one promise is what makes a revocation immediate.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod copy;
mod ledger;
mod memory;
#[cfg(test)]
pub(crate) mod passes_on;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use copy::{Copied, Movable, copy};
pub use ledger::{Ledger, OperationRow, SeenRow};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{LicenseScope, OnExpired, PostgresOptions, PostgresStore};
pub use rows::{
    AuditEvent, CredentialRow, KeyRow, KeyWithCredentials, LicenseEvent, LicenseRow, Origin, ReleaseRow, Scheme,
    Strength, TagKey,
};
#[cfg(feature = "sqlite")]
pub use sqlite::{LicenseRestored, RestoreOptions, RestoreReport, SqliteOptions, SqliteStore};

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

use crate::{error::Result, id::Id};

/// A place for keys, license state and activity, shared by any number of threads and (unless in memory) processes.
///
/// The closures given to [`Store::load`], [`Store::read`] and [`Store::write`] may ask for the generation, the changes
/// and the tag key, but must not begin another load, read, write or adoption, and must not fork: they hold the store's
/// connection.
pub trait Store: Send + Sync + fmt::Debug {
    /// The newest committed generation; sees every commit, of any process, that returned before this call began. (On
    /// SQLite that is: every commit made through this library. A foreign writer's is seen within a second.)
    ///
    /// This is asked on every check, so it must be cheap (nanoseconds on SQLite) and allocate nothing when nothing has
    /// changed.
    ///
    /// # Errors
    /// `STORE_HISTORY_CHANGED` when what is there now does not continue what this handle has seen, until an adoption;
    /// `STORE_STALE` when freshness can't be shown; another `STORE_*` code by cause.
    fn generation(&self) -> Result<u64>;

    /// As [`Store::generation`], but never waits: `None` when that could only be told by waiting, for a lock or the
    /// disk. For callers that hold something which others wait for, such as an interpreter's lock.
    ///
    /// A store whose `generation` may wait answers `None` then; by default it is taken for one that never does.
    ///
    /// # Errors
    /// As [`Store::generation`].
    fn generation_now(&self) -> Result<Option<u64>> {
        self.generation().map(Some)
    }

    /// Whether something was committed that this handle has not read yet, where that is known without asking. Then
    /// [`Store::changes_since`] alone tells what [`Store::generation`] and it would tell together. By default never known.
    fn has_news(&self) -> bool {
        false
    }

    /// Reads every key in one read transaction, and returns the generation they were read at.
    ///
    /// What a check needs of a key has to be there; its description and the times of its making and changing may be left out. A
    /// key may come more than once: the last time counts.
    ///
    /// # Errors
    /// A `STORE_*` code by cause, or what `each` returned.
    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64>;

    /// What changed after generation `since`, read in one read transaction.
    ///
    /// # Errors
    /// A `STORE_*` code by cause.
    fn changes_since(&self, since: u64) -> Result<Changes>;

    /// Runs `body` in one read transaction on the newest committed state.
    ///
    /// # Errors
    /// A `STORE_*` code by cause, or what `body` returned.
    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()>;

    /// Runs `body` in one write transaction, alone among all writers of all processes, and commits it durably.
    ///
    /// Returns the generation after it. When `body` fails, or the commit does, nothing is changed. A `body` that
    /// writes nothing moves no generation. `body` runs exactly once.
    ///
    /// # Errors
    /// A `STORE_*` code by cause, or what `body` returned.
    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64>;

    /// Runs `body` on the book of consumptions in one write transaction, alone among all writers of all processes, and
    /// commits it durably. It moves no generation. When `body` fails, or the commit does, nothing is changed.
    ///
    /// # Errors
    /// A `STORE_*` code by cause, or what `body` returned.
    fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()>;

    /// Waits until the generation differs from `seen` or `timeout` has passed, and returns the generation.
    ///
    /// # Errors
    /// As [`Store::generation`].
    fn wait_for_change(&self, seen: u64, timeout: Duration) -> Result<u64>;

    /// The secret under which the tags of generated keys are made in this store, and its id. Made with the store, and
    /// never changed but by a restore into a store that has no tags yet.
    ///
    /// # Errors
    /// A `STORE_*` code by cause.
    fn tag_key(&self) -> Result<TagKey>;

    /// Accepts what the store holds now as its history, after `STORE_HISTORY_CHANGED`: in every process.
    ///
    /// # Errors
    /// A `STORE_*` code by cause.
    fn adopt(&self) -> Result<()>;

    /// Notes when keys were last used (Unix seconds; the larger of the old and the new time stays).
    ///
    /// # Errors
    /// A `STORE_*` code by cause. No check ever fails because of it.
    fn note_used(&self, batch: &[(Id, i64)]) -> Result<()>;

    /// When a key was last used, as far as it has been noted.
    ///
    /// # Errors
    /// A `STORE_*` code by cause.
    fn last_used(&self, key: Id) -> Result<Option<i64>>;

    /// Appends audit events.
    ///
    /// # Errors
    /// A `STORE_*` code by cause. No check ever fails because of it.
    fn append_audit(&self, events: &[AuditEvent]) -> Result<()>;

    /// The newest audit events, newest first, at most `limit`.
    ///
    /// # Errors
    /// A `STORE_*` code by cause.
    fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>>;

    /// Whether [`Store::generation`] is answered from a page in memory that all processes share, without asking the
    /// store; `None` for a store that has no such page.
    fn page_in_use(&self) -> Option<bool> {
        None
    }

    /// How it is followed; `None` for a store that is asked at each check.
    fn following(&self) -> Option<Following> {
        None
    }
}

/// How a store is followed whose changes are heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Following {
    /// How long ago it was last shown that nothing newer is there.
    pub unheard_for: Duration,
    /// The longest such time for which checks go by what is known.
    pub max_staleness: Duration,
    /// Whether they do so after it, too.
    pub allows_known: bool,
    /// How often what is known is compared with what is there, also where no change was heard of.
    pub reconcile_every: Duration,
}

/// What changed since a generation.
#[derive(Debug)]
pub struct Changes {
    /// The generation that these changes lead to.
    pub generation: u64,
    /// Which keys are to be read anew.
    pub keys: KeyChanges,
    /// Whether the license state changed (or may have).
    pub license: bool,
}

/// Which keys changed.
#[derive(Debug)]
pub enum KeyChanges {
    /// Too much, or too long ago, to tell: everything is to be loaded again (see [`Store::load`]).
    Everything,
    /// Exactly these: the key as it is now, or `None` when it is gone.
    Only(Vec<(Id, Option<KeyWithCredentials>)>),
}

/// Reads inside one transaction: everything it returns belongs to one generation.
pub trait Reader {
    /// The generation of this transaction.
    ///
    /// # Errors
    /// A `STORE_*` code by cause; so for every method of this trait.
    fn generation(&self) -> Result<u64>;
    /// The key of this name.
    #[allow(missing_docs, clippy::missing_errors_doc)]
    fn key_by_name(&self, name: &str) -> Result<Option<KeyWithCredentials>>;
    /// The key of this identity.
    #[allow(clippy::missing_errors_doc)]
    fn key_by_id(&self, id: Id) -> Result<Option<KeyWithCredentials>>;
    /// At most `limit` keys whose names follow `after`, in byte order.
    #[allow(clippy::missing_errors_doc)]
    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeyWithCredentials>>;
    /// One credential.
    #[allow(clippy::missing_errors_doc)]
    fn credential(&self, id: Id) -> Result<Option<CredentialRow>>;
    /// The installed license.
    #[allow(clippy::missing_errors_doc)]
    fn license(&self) -> Result<Option<LicenseRow>>;
    /// The newest signed time (Unix seconds) accepted under each trusted key id.
    #[allow(clippy::missing_errors_doc)]
    fn license_marks(&self) -> Result<Vec<(String, i64)>>;
    /// The `issued` time (Unix seconds) up to which files of this license are buried by a deactivation.
    #[allow(clippy::missing_errors_doc)]
    fn license_burial(&self, license_id: &str) -> Result<Option<i64>>;
    /// The machines that are still to be released, oldest first.
    #[allow(clippy::missing_errors_doc)]
    fn releases(&self) -> Result<Vec<ReleaseRow>>;
    /// The seed of this installation's own signing key (RFC 8032, section 5.1.5).
    #[allow(clippy::missing_errors_doc)]
    fn installation_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>>;
}

/// Writes inside one write transaction.
pub trait Transaction: Reader {
    /// Adds a key. Its name and id must be new (`NAME_TAKEN` otherwise).
    #[allow(clippy::missing_errors_doc)]
    fn insert_key(&mut self, key: &KeyRow) -> Result<()>;
    /// Replaces the key with this id (`NOT_FOUND`, `NAME_TAKEN`).
    #[allow(clippy::missing_errors_doc)]
    fn update_key(&mut self, key: &KeyRow) -> Result<()>;
    /// Removes a key with its credentials (`NOT_FOUND`), leaving a tombstone in the change log.
    #[allow(clippy::missing_errors_doc)]
    fn delete_key(&mut self, id: Id) -> Result<()>;
    /// Adds a credential to a key that exists.
    #[allow(clippy::missing_errors_doc)]
    fn insert_credential(&mut self, credential: &CredentialRow) -> Result<()>;
    /// Replaces the credential with this id (`NOT_FOUND`).
    #[allow(clippy::missing_errors_doc)]
    fn update_credential(&mut self, credential: &CredentialRow) -> Result<()>;
    /// Removes a credential (`NOT_FOUND`).
    #[allow(clippy::missing_errors_doc)]
    fn delete_credential(&mut self, id: Id) -> Result<()>;
    /// Installs, replaces or (with `None`) removes the license.
    #[allow(clippy::missing_errors_doc)]
    fn set_license(&mut self, license: Option<&LicenseRow>) -> Result<()>;
    /// Raises the signed time of a trusted key id; a smaller one changes nothing.
    #[allow(clippy::missing_errors_doc)]
    fn raise_license_mark(&mut self, key_id: &str, issued: i64) -> Result<()>;
    /// Buries the files of a license up to an `issued` time; a smaller one changes nothing.
    #[allow(clippy::missing_errors_doc)]
    fn bury_license(&mut self, license_id: &str, issued: i64) -> Result<()>;
    /// Notes a machine to be released, in the place of a former note of it.
    #[allow(clippy::missing_errors_doc)]
    fn put_release(&mut self, release: &ReleaseRow) -> Result<()>;
    /// Removes the note of a machine, if there is one.
    #[allow(clippy::missing_errors_doc)]
    fn drop_release(&mut self, machine: &str) -> Result<()>;
    /// Sets the seed of this installation's signing key.
    #[allow(clippy::missing_errors_doc)]
    fn set_installation_key(&mut self, seed: &[u8; 32]) -> Result<()>;
}

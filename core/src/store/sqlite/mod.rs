//! The embedded store: one SQLite file that any number of processes on the machine share.
//!
//! | module | its one idea |
//! |---|---|
//! | `open` | which files are opened, and which are refused |
//! | `schema` | the tables, and the triggers that log every change |
//! | `connections` | one connection a purpose, and what a fork does to them |
//! | `page` | the revocation page: which one counts, and how one takes another's place |
//! | `freshness` | is what this handle knows still so, and is it still the same history |
//! | `rows`, `read`, `write` | rows in and out, in one transaction |
//! | `changes` | the change log |
//! | `ledger` | the book of consumptions |
//! | `activity` | last use and audit, in a file of their own |
//! | `backup`, `restore` | copies out, and back in through SQLite |
//! | `whole` | all of it, to be copied into a store of any kind |
//! | `faults` | SQLite's errors by cause |
//!
//! **Several handles in one process** may share a file. Each has connections, a page mapping and a history of its own;
//! the first that finds the file *replaced* closes the connections of all of them, and each judges at its next check.

mod activity;
mod backup;
mod changes;
mod connections;
mod faults;
mod freshness;
mod ledger;
mod open;
mod page;
mod read;
mod restore;
mod rows;
mod schema;
mod whole;
mod write;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use self::{
    connections::{Connections, Manner},
    freshness::History,
    page::Pages,
    write::Session,
};
use super::{AuditEvent, Changes, KeyWithCredentials, Ledger, Reader, Store, TagKey, Transaction};
use crate::{error::Result, id::Id};

pub use self::{
    open::SqliteOptions,
    restore::{LicenseRestored, RestoreOptions, RestoreReport},
};

/// How often [`Store::wait_for_change`] asks.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A store in an SQLite file. Cheap to clone; any number of threads use it at once.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

/// What the clones of a handle share.
struct Shared {
    /// Absolute, without symbolic links.
    path: PathBuf,
    manner: Manner,
    connections: Connections,
    history: ArcSwap<History>,
    /// The newest generation that this handle has read from the database, or written.
    verified: AtomicU64,
    pages: Pages,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store at `path`, and makes it (mode 0600) when nothing is there.
    ///
    /// A symbolic link to a store is followed, once: the handle stays with the file that it led to.
    ///
    /// # Errors
    /// `STORE_NETWORK_FILESYSTEM`, `STORE_VERSION`, `STORE_CORRUPT` (also for a file that is not a store of this
    /// library, which is not touched), `STORE_READ_ONLY`, `STORE_FULL`, `STORE_LOCKED`, `STORE_UNAVAILABLE`;
    /// `STORE_STALE` in a child made by a raw `clone` of a process that has this file open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// The file that is open: absolute, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}

impl Store for SqliteStore {
    fn generation(&self) -> Result<u64> {
        self.shared.generation()
    }

    fn generation_now(&self) -> Result<Option<u64>> {
        self.shared.generation_now()
    }

    fn has_news(&self) -> bool {
        self.shared.has_news()
    }

    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
        self.shared.read(|mark, connection| {
            read::every_key_for_checks(connection, each)?;
            Ok(u64::try_from(mark.generation).unwrap_or(0))
        })
    }

    fn changes_since(&self, since: u64) -> Result<Changes> {
        self.shared.read_at_once(|mark, connection| changes::since(connection, mark.generation, since))
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        self.shared.read(|_, connection| body(&Session::new(connection)))
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        self.shared.write(|connection| body(&mut Session::new(connection)))
    }

    fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()> {
        self.shared.account(|connection| body(&mut ledger::Book { connection }))
    }

    fn wait_for_change(&self, seen: u64, timeout: Duration) -> Result<u64> {
        let begun = Instant::now();
        loop {
            let generation = self.generation()?;
            let left = timeout.saturating_sub(begun.elapsed());
            if generation != seen || left.is_zero() {
                return Ok(generation);
            }
            std::thread::sleep(left.min(ASK_EVERY));
        }
    }

    fn tag_key(&self) -> Result<TagKey> {
        self.shared.read_at_once(|_, connection| freshness::read_tag_key(connection))
    }

    fn adopt(&self) -> Result<()> {
        self.shared.adopt()
    }

    fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        self.shared.note_used(batch)
    }

    fn last_used(&self, key: Id) -> Result<Option<i64>> {
        self.shared.last_used(key)
    }

    fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        self.shared.append_audit(events)
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        self.shared.audit(limit)
    }

    /// Whether checks are answered from the revocation page (`<path>.gen`): two loads from memory. Where it can't be
    /// made or mapped, or was deleted, each asks the database instead (microseconds) until a page is there again.
    fn page_in_use(&self) -> Option<bool> {
        Some(self.shared.pages.current().is_some())
    }
}

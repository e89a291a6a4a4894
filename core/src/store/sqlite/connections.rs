//! Connections: how each is opened, which purposes have one, and what becomes of them when the process forks.
//!
//! Each purpose has a *lane*: a connection behind its own lock, opened at first use. Before a fork every lane is
//! closed and held shut; after it the parent's lanes open again, and the child begins with lanes of its own (it
//! never touches the inherited ones, whose locks may be held by threads that did not survive). A connection that
//! crossed a fork would poison the child: SQLite keeps a table of locked files for the whole process, so that the
//! child's own connections would believe in locks that only the parent has.

use std::{
    any::Any,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use inspire_auth_platform::{
    fork::{self, ForkAware, Lineage},
    fs::{self, FileIdentity},
};
use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::faults::{from_io, from_sqlite_at};
use crate::error::{Code, Error, Result};

/// Earlier versions can corrupt a database in WAL mode that several processes write (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: i32 = 3_051_003;

/// An open connection, and what the file was when it was opened.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// By `stat` at the opening or, later, at the last look.
    pub(super) file: FileIdentity,
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// How long to wait for another's write lock.
    pub(super) busy_timeout: Duration,
    /// The largest the database may become, in pages of 4096 bytes.
    pub(super) max_pages: Option<u32>,
    /// `FULL` for what must survive a power cut, else `NORMAL`.
    pub(super) synchronous: &'static str,
}

impl Link {
    /// Opens the existing database at `path` (which must be absolute and free of symbolic links) for reading and
    /// writing. Writes nothing.
    pub(super) fn open(path: &Path, manner: Manner) -> Result<Self> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::with(Code::StoreUnavailable, "this build's SQLite is older than 3.51.3"));
        }
        let before = fs::identity(path).map_err(from_io)?;
        claim(&before)?;
        // No CREATE: a file that vanished must not come back empty. No MUTEX: the lane's lock is the mutex.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let at = |error| from_sqlite_at(&error, path);
        let connection = Connection::open_with_flags(path, flags).map_err(at)?;
        configure(&connection, manner).map_err(at)?;
        // SQLite falls back to reading only where it may not write: a WAL reader can't do its part then.
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(at)? {
            return Err(Error::new(Code::StoreReadOnly));
        }
        let file = fs::identity(path).map_err(from_io)?;
        if !file.same_file(&before) {
            return Err(Error::with(Code::StoreUnavailable, "the file was replaced while it was opened"));
        }
        Ok(Self { connection, file })
    }

    /// Switches the database to WAL, which stays. Needs the file for itself for a moment, in which SQLite does not
    /// wait by itself.
    pub(super) fn use_wal(&self, path: &Path, manner: Manner) -> Result<()> {
        let until = std::time::Instant::now().checked_add(manner.busy_timeout);
        loop {
            let mode = self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
            match mode {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(_) => return Err(Error::with(Code::StoreUnavailable, "the file system does not support WAL")),
                Err(error) => {
                    let error = from_sqlite_at(&error, path);
                    if error.code() != Code::StoreLocked || until.is_none_or(|at| std::time::Instant::now() >= at) {
                        return Err(error);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

/// Which files this process, or one that it is a raw clone of, has had open.
static OPENED: ArcSwapOption<Vec<(Lineage, FileIdentity)>> = ArcSwapOption::const_empty();

/// Notes that this process opens a file. Refuses in a raw clone of a process that had it open: the clone inherited
/// SQLite's belief in locks that only its parent has, so that acknowledged commits of a connection there could be lost.
fn claim(file: &FileIdentity) -> Result<()> {
    let lineage = Lineage::current();
    let opened = OPENED.load();
    let others = opened.iter().flat_map(|list| list.iter());
    let mut mine = false;
    for (whose, _) in others.filter(|(_, other)| other.same_file(file)) {
        if *whose != lineage {
            return Err(Error::with(Code::StoreStale, "a process that this one is a raw clone of has the file open"));
        }
        mine = true;
    }
    if !mine {
        OPENED.rcu(|opened| {
            let mut list = opened.as_deref().cloned().unwrap_or_default();
            list.push((lineage, *file));
            Some(Arc::new(list))
        });
    }
    Ok(())
}

fn configure(connection: &Connection, manner: Manner) -> rusqlite::Result<()> {
    connection.busy_timeout(manner.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Closing must be quick and write nothing: it happens in the middle of a fork. The store's own end does it
    // properly (see `Lanes::close`).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true)?;
    // A plan never depends on what is bound: else some statements are compiled anew at each use, which takes longer than to
    // run them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Extension loading is off unless it is switched on, and the function to switch it on is not compiled in.
    connection.pragma_update(None, "synchronous", manner.synchronous)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    if cfg!(target_os = "macos") {
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    if let Some(pages) = manner.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// A value behind a lock that can be held shut across a fork.
#[derive(Debug, Default)]
pub(super) struct Lane<T> {
    state: Mutex<Held<T>>,
    opened: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Held<T> {
    shut: bool,
    pub(super) value: T,
}

impl<T> Lane<T> {
    /// Waits for the lane.
    // The standard mutex on purpose: it has no table shared by all locks of the process, which a fork could catch
    // half-way. A panic while it was held left at worst an open transaction, which its guard has rolled back.
    pub(super) fn lock(&self) -> MutexGuard<'_, Held<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.shut {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// The lane if nobody holds it now.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, Held<T>>> {
        match self.state.try_lock() {
            Ok(state) if !state.shut => Some(state),
            Err(TryLockError::Poisoned(poisoned)) if !poisoned.get_ref().shut => Some(poisoned.into_inner()),
            _ => None,
        }
    }

    /// Waits for the lane, lets `close` act on it, and holds it shut until [`Lane::reopen`].
    fn shut(&self, close: impl FnOnce(&mut T)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        close(&mut state.value);
        state.shut = true;
    }

    fn reopen(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).shut = false;
        self.opened.notify_all();
    }
}

/// What one process has open. When several are taken at once: in the order in which they stand here.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    epoch: u32,
    /// Asked on every check.
    pub(super) freshness: Lane<super::freshness::Fresh>,
    /// Lists, loads and looks up: never in the way of a check.
    pub(super) reader: Lane<Option<Link>>,
    pub(super) writer: Lane<Option<Link>>,
    /// Backups, which take long. Open only meanwhile.
    pub(super) backup: Lane<Option<Link>>,
    /// The activity file, to be written: that may wait for another process.
    pub(super) activity: Lane<Option<Link>>,
    /// The activity file, to be read: that waits for nobody.
    pub(super) activity_reader: Lane<Option<Link>>,
    /// The activity file that one of the two opened last. Changed under [`Connections::opening_activity`] alone.
    activity_home: Mutex<Option<FileIdentity>>,
}

impl Lanes {
    fn shut(&self) {
        self.freshness.shut(super::freshness::Fresh::close);
        for lane in [&self.reader, &self.writer, &self.backup, &self.activity, &self.activity_reader] {
            lane.shut(|link| *link = None);
        }
    }

    fn reopen(&self) {
        self.freshness.reopen();
        for lane in [&self.reader, &self.writer, &self.backup, &self.activity, &self.activity_reader] {
            lane.reopen();
        }
    }

    /// Closes what the activity lanes have open, unless it is `file`. `mine` is a lane that the caller holds, and has
    /// closed itself. `false` when the other is in use at this moment.
    fn close_former_activity(&self, file: &FileIdentity, mine: Option<&Lane<Option<Link>>>) -> bool {
        let mut home = self.activity_home.lock().unwrap_or_else(PoisonError::into_inner);
        if home.as_ref().is_none_or(|home| home.same_file(file)) {
            // A lane that is busy is busy with this file.
            return true;
        }
        for lane in [&self.activity, &self.activity_reader] {
            if mine.is_some_and(|mine| std::ptr::eq(mine, lane)) {
                continue;
            }
            let Some(mut lane) = lane.try_lock() else { return false };
            if lane.value.as_ref().is_some_and(|link| !link.file.same_file(file)) {
                lane.value = None;
            }
        }
        *home = None;
        true
    }

    /// The orderly end: the last one out writes the log back into the database, as SQLite does by default.
    fn close(&self) {
        self.freshness.lock().value.close();
        self.reader.lock().value = None;
        self.backup.lock().value = None;
        self.activity_reader.lock().value = None;
        for lane in [&self.writer, &self.activity] {
            if let Some(link) = lane.lock().value.take() {
                let _ = link.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
            }
        }
    }
}

/// The lanes of whichever process asks. They end with it.
#[derive(Debug)]
pub(super) struct Connections(Arc<Slot>);

/// Where the lanes are: what is asked before a fork. It outlives their closing, so that a fork always finds what is open.
#[derive(Debug)]
struct Slot {
    lanes: ArcSwap<Lanes>,
    lineage: Lineage,
    /// When everything was found in order last (see `freshness`), by the monotonic clock in milliseconds; 0 for never
    /// in this process with these connections: it does not survive a fork on either side.
    polled: AtomicU64,
    path: PathBuf,
    /// The file that connections are open to, or about to be: what others may know while a lane is in use.
    opened: ArcSwapOption<FileIdentity>,
}

/// Held by whoever opens an activity file, so that no two of this process open different ones at once. Its holder holds
/// a lane too, which a fork waits for: no child finds it taken.
static OPENING_ACTIVITY: Mutex<()> = Mutex::new(());

/// Everybody's connections, of all handles of the process.
static EVERYBODY: ArcSwapOption<Vec<Weak<Slot>>> = ArcSwapOption::const_empty();

impl Connections {
    /// Nothing of the database at `path` is open yet, and everything that will be is closed before each fork.
    pub(super) fn new(path: &Path) -> Self {
        let lineage = Lineage::current();
        let lanes = Lanes { epoch: fork::epoch(), ..Lanes::default() };
        let slot = Arc::new(Slot {
            lanes: ArcSwap::from_pointee(lanes),
            lineage,
            polled: AtomicU64::new(0),
            path: path.to_owned(),
            opened: ArcSwapOption::empty(),
        });
        EVERYBODY.rcu(|everybody| {
            let living = everybody.iter().flat_map(|list| list.iter()).filter(|other| other.strong_count() > 0);
            Some(Arc::new(living.cloned().chain([Arc::downgrade(&slot)]).collect::<Vec<_>>()))
        });
        let aware: Arc<dyn ForkAware> = slot.clone();
        fork::register(Arc::downgrade(&aware));
        Self(slot)
    }

    /// When everything was found in order last, by the monotonic clock in milliseconds; 0 for never. Three loads.
    ///
    /// # Errors
    /// `STORE_STALE` in a child made by a raw `clone`.
    #[inline]
    pub(super) fn polled(&self) -> Result<u64> {
        if self.0.lineage.inherited_by_clone() {
            return Err(cloned());
        }
        Ok(self.0.polled.load(Ordering::Acquire))
    }

    /// Notes when everything was found in order last. To be called with the freshness lane held, which a fork waits
    /// for.
    pub(super) fn set_polled(&self, at: u64) {
        self.0.set_polled(at);
    }

    /// Notes which file is about to be opened.
    pub(super) fn note_opening(&self, file: FileIdentity) {
        self.0.opened.store(Some(Arc::new(file)));
    }

    /// Closes what the other handles of this process have open at the same path, unless it is `file`, which is there
    /// now; those handles poll before their next check. SQLite would truncate the `-shm` of connections to a former file
    /// under their feet once the new one is opened. `false` when one of them is in use at this moment.
    pub(super) fn close_siblings(&self, file: &FileIdentity) -> bool {
        let everybody = EVERYBODY.load_full();
        let siblings = everybody.iter().flat_map(|list| list.iter()).filter_map(Weak::upgrade);
        let mut closed = true;
        for sibling in siblings.filter(|other| other.path == self.0.path && !Arc::ptr_eq(other, &self.0)) {
            let lanes = sibling.lanes.load_full();
            if sibling.lineage.inherited_by_clone() || lanes.epoch != fork::epoch() {
                continue; // It has nothing open in this process.
            }
            // What is in use on the same file stays.
            let may_be_busy = sibling.opened.load().as_ref().is_none_or(|opened| opened.same_file(file));
            if let Some(mut fresh) = lanes.freshness.try_lock() {
                if fresh.value.file().is_some_and(|open| !open.same_file(file)) {
                    fresh.value.close();
                    sibling.set_polled(0);
                }
            } else {
                closed &= may_be_busy;
            }
            for lane in [&lanes.reader, &lanes.writer, &lanes.backup] {
                match lane.try_lock() {
                    Some(mut lane) if lane.value.as_ref().is_some_and(|link| !link.file.same_file(file)) => {
                        lane.value = None;
                    }
                    Some(_) => {}
                    None => closed &= may_be_busy,
                }
            }
        }
        closed
    }

    /// Runs `open`, which opens the activity file, of which `file` tells which one it is, for the lane `mine` of `lanes`, which is held and has nothing
    /// open, once no lane of this process has a former file of that name open: SQLite would truncate its `-shm` under
    /// its feet. `None` when one of them is in use at this moment.
    pub(super) fn opening_activity<T>(
        &self,
        lanes: &Lanes,
        mine: &Lane<Option<Link>>,
        file: impl FnOnce() -> Result<FileIdentity>,
        open: impl FnOnce() -> Result<T>,
    ) -> Result<Option<T>> {
        let _alone = OPENING_ACTIVITY.lock().unwrap_or_else(PoisonError::into_inner);
        let file = file()?;
        let everybody = EVERYBODY.load_full();
        let siblings = everybody.iter().flat_map(|list| list.iter()).filter_map(Weak::upgrade);
        let mut closed = lanes.close_former_activity(&file, Some(mine));
        for sibling in siblings.filter(|other| other.path == self.0.path && !Arc::ptr_eq(other, &self.0)) {
            let theirs = sibling.lanes.load_full();
            if !sibling.lineage.inherited_by_clone() && theirs.epoch == fork::epoch() {
                closed &= theirs.close_former_activity(&file, None);
            }
        }
        if !closed {
            return Ok(None);
        }
        // Before it is open: what is noted here and is not open costs nothing but a look.
        *lanes.activity_home.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        open().map(Some)
    }

    /// This process's lanes: new ones when it is a child that has not asked before.
    ///
    /// # Errors
    /// `STORE_STALE` in a child made by a raw `clone`.
    pub(super) fn lanes(&self) -> Result<arc_swap::Guard<Arc<Lanes>>> {
        let Slot { lanes, lineage, .. } = &*self.0;
        if lineage.inherited_by_clone() {
            return Err(cloned());
        }
        let present = lanes.load();
        let epoch = fork::epoch();
        if present.epoch == epoch {
            return Ok(present);
        }
        let fresh = Arc::new(Lanes { epoch, ..Lanes::default() });
        let previous = lanes.compare_and_swap(&present, fresh);
        if Arc::ptr_eq(&previous, &present) {
            // Abandoned, not dropped: its locks may be held by threads of the parent.
            std::mem::forget(Arc::clone(&present));
        }
        drop((present, previous));
        Ok(lanes.load())
    }
}

#[cold]
fn cloned() -> Error {
    Error::with(Code::StoreStale, "this process is a raw clone of the one that opened the store")
}

impl Slot {
    fn set_polled(&self, at: u64) {
        self.polled.store(at, Ordering::Release);
    }
}

impl ForkAware for Slot {
    /// Closes every connection and holds the lanes shut until what is returned is dropped.
    fn before_fork(&self) -> Box<dyn Any> {
        let lanes = self.lanes.load_full();
        // Lanes of a parent have nothing open, and their locks may never be free again.
        if self.lineage.inherited_by_clone() || lanes.epoch != fork::epoch() {
            return Box::new(());
        }
        lanes.shut();
        self.set_polled(0);
        Box::new(Shut(lanes))
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        let lanes = self.0.lanes.load_full();
        if self.0.lineage.inherited_by_clone() || lanes.epoch != fork::epoch() {
            // Not this process's to close: closing would drop locks, and remove files that the parent uses.
            std::mem::forget(lanes);
            return;
        }
        // A fork in the middle of this would give the child a connection that is half closed.
        let _no_fork = fork::hold_off();
        lanes.close();
    }
}

/// Lanes held shut; dropping it lets others on again.
struct Shut(Arc<Lanes>);

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.reopen();
    }
}

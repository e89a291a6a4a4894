//! An SQLite VFS for tests: it stands between the library and the operating system's files, fails when it is told to,
//! and writes down what a power cut could forget.
//!
//! | module | its one idea |
//! |---|---|
//! | `shim` | SQLite's C interface: every call passes through, and asks the control block first (the only `unsafe`) |
//! | `control` | which call fails, and what is being recorded |
//! | `disk` | what a disk may hold after a power cut: everything synced, and any part of the rest |
//!
//! Once [installed](install) it is the default VFS of the whole process, so that the library opens its files through it
//! without knowing. There is one control block: whoever uses it holds [`exclusive`] meanwhile, since tests of one
//! process may run side by side (`cargo nextest` gives each a process of its own).

mod control;
pub mod disk;
mod shim;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use control::{Call, Files, Kind, Plan};
use disk::Event;
pub use shim::install;

/// Waits until nobody else in this process fails or records calls.
pub fn exclusive() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls fail as planned as long as this lives.
#[derive(Debug)]
pub struct Armed(());

impl Armed {
    /// Begins to count calls, and to fail them.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        control::lock().arm(plan);
        Self(())
    }

    /// How many calls failed so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        control::lock().failed()
    }

    /// The first call that failed, and on which file.
    #[must_use]
    pub fn first(&self) -> Option<(Call, String)> {
        control::lock().first()
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        control::lock().disarm();
    }
}

/// What is done to the files of one folder is written down as long as this lives.
#[derive(Debug)]
pub struct Recorder(());

impl Recorder {
    /// Begins. No file of the folder may be open by then. `page` is the name of a file there that is written through
    /// memory, past the VFS: its content is looked at after each call.
    #[must_use]
    pub fn new(folder: &Path, page: &str) -> Self {
        control::lock().record(folder, page);
        Self(())
    }

    /// Notes that something was acknowledged: a power cut from here on may not take it back.
    pub fn acknowledge(&self, what: u32) {
        control::lock().note(Event::Acknowledged(what));
    }

    /// Ends, and returns what was done.
    #[must_use]
    pub fn events(self) -> Vec<Event> {
        control::lock().take_events()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(control::lock().take_events());
    }
}

/// Every `PRAGMA synchronous` of the process becomes this one as long as this lives: to show that a sweep notices.
#[derive(Debug)]
pub struct Weaker(());

impl Weaker {
    /// `level` is SQLite's number: 0 is OFF, 1 is NORMAL.
    #[must_use]
    pub fn new(level: u8) -> Self {
        control::lock().weaken(Some(level));
        Self(())
    }
}

impl Drop for Weaker {
    fn drop(&mut self) {
        control::lock().weaken(None);
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ErrorCode};

    use super::*;
    use fastrand::Rng;

    fn connect(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n)")?;
        Ok(connection)
    }

    #[test]
    fn the_planned_call_fails_once_or_for_ever_and_others_do_not() {
        let _turn = exclusive();
        install();
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("db")).unwrap();
        let insert = || connection.execute("INSERT INTO t VALUES (1)", []).map_err(|error| error.sqlite_error_code());
        let full = Plan { kind: Kind::Full, files: Files::Authority, only: None, at: 2, for_ever: false };

        let armed = Armed::new(full);
        assert_eq!(insert(), Err(Some(ErrorCode::DiskFull)));
        assert_eq!((armed.failed(), armed.first()), (1, Some((Call::Write, "db-wal".to_owned()))));
        assert_eq!(insert(), Ok(1), "only once");
        drop(armed);

        let armed = Armed::new(Plan { for_ever: true, ..full });
        for _ in 0..2 {
            assert_eq!(insert(), Err(Some(ErrorCode::DiskFull)));
        }
        assert!(armed.failed() >= 2);
        drop(armed);

        let armed = Armed::new(Plan { files: Files::Activity, ..full });
        assert_eq!((insert(), armed.failed()), (Ok(1), 0), "another file's");
        drop(armed);
        let armed = Armed::new(Plan { kind: Kind::Io, only: Some(Call::Sync), at: 1, ..full });
        assert!(insert().is_err());
        assert_eq!(armed.first(), Some((Call::Sync, "db-wal".to_owned())), "the writes before it did not count");
        drop(armed);
        assert_eq!(insert(), Ok(1), "it is over");
    }

    #[test]
    fn a_recording_rebuilds_what_was_written() {
        let _turn = exclusive();
        install();
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().canonicalize().unwrap();
        let recorder = Recorder::new(&place, "page");
        let connection = connect(&place.join("db")).unwrap();
        connection.execute("INSERT INTO t VALUES (7)", []).unwrap();
        let files = |name: &str| std::fs::read(place.join(name)).unwrap();
        let (db, wal) = (files("db"), files("db-wal"));
        // The files were read behind SQLite's back, so this connection must not write any more.
        let events = recorder.events();
        drop(connection);
        let mut disk = disk::Disk::default();
        events.iter().for_each(|event| disk.apply(event));
        // With FULL, nothing is unsynced after a commit.
        for unsynced in disk::Unsynced::ALL {
            let image = disk.after_power_cut(unsynced, disk::Page::Newest, "page", &mut Rng::with_seed(1));
            assert_eq!((&image.files["db"], &image.files["db-wal"]), (&db, &wal), "{unsynced:?}");
        }
    }

    #[test]
    fn synchronous_is_weakened_where_it_is_set() {
        let _turn = exclusive();
        install();
        let folder = tempfile::tempdir().unwrap();
        let level = |name| {
            let connection = connect(&folder.path().join(name)).unwrap();
            connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(level("a"), 2);
        let weaker = Weaker::new(1);
        assert_eq!(level("b"), 1);
        drop(weaker);
        assert_eq!(level("c"), 2);
    }
}

//! How a writer's life ends; and the ends that only the writer itself can time.
//!
//! A kill from outside hardly ever hits the moment between SQLite's commit and the library's return from it, and it is
//! exactly this moment that separates a store which warns its readers before the commit from one that tells them after.
//! SQLite's own hooks, on every connection to the store, hit it always. The library is not touched.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
};

use rusqlite::ffi;

use crate::Outcome;

/// What a sweep's store is called.
pub const STORE: &str = "soak.db";

/// How a writer's life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// By somebody else's SIGKILL.
    Killed,
    /// By its own, before this commit, counted from 1: SQLite is about to write it.
    BeforeCommit(i64),
    /// By its own, behind this commit: SQLite has made it visible, and the library's call has not returned.
    AfterCommit(i64),
    /// In good order, after so many changes.
    Retired(i64),
}

impl Fate {
    /// For the command line.
    #[must_use]
    pub fn to_words(self) -> [String; 2] {
        let (word, number) = match self {
            Self::Killed => ("killed", 0),
            Self::BeforeCommit(number) => ("before", number),
            Self::AfterCommit(number) => ("after", number),
            Self::Retired(number) => ("retired", number),
        };
        [word.to_owned(), number.to_string()]
    }

    /// What [`Fate::to_words`] wrote.
    #[must_use]
    pub fn of(word: &str, number: i64) -> Option<Self> {
        match word {
            "killed" => Some(Self::Killed),
            "before" => Some(Self::BeforeCommit(number)),
            "after" => Some(Self::AfterCommit(number)),
            "retired" => Some(Self::Retired(number)),
            _ => None,
        }
    }
}

/// Commits to the store up to the fatal one; 0: none is fatal.
static COMMITS: AtomicI64 = AtomicI64::new(0);
static IS_AFTER: AtomicBool = AtomicBool::new(false);

/// Arranges for a death inside a commit, on every connection to the store that is opened from here on.
///
/// # Errors
/// When SQLite refuses.
pub fn arrange(fate: Fate) -> Outcome {
    if !matches!(fate, Fate::BeforeCommit(_) | Fate::AfterCommit(_)) {
        return Ok(());
    }
    // SAFETY: `attend` has the signature that SQLite calls automatic extensions with, and lives as long as the process.
    match unsafe { ffi::sqlite3_auto_extension(Some(attend)) } {
        ffi::SQLITE_OK => Ok(()),
        code => Err(format!("SQLite takes no extension: {code}").into()),
    }
}

/// Begins to count commits.
pub fn begin(fate: Fate) {
    let (Fate::BeforeCommit(number) | Fate::AfterCommit(number)) = fate else { return };
    IS_AFTER.store(matches!(fate, Fate::AfterCommit(_)), Ordering::SeqCst);
    COMMITS.store(number, Ordering::SeqCst);
}

/// Watches a connection that was just opened, if it is to the store.
unsafe extern "C" fn attend(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite calls this with an open connection; the name it answers lives as long as that.
    let name = unsafe { ffi::sqlite3_db_filename(connection, c"main".as_ptr()) };
    if name.is_null() {
        return ffi::SQLITE_OK;
    }
    // SAFETY: not null, and ended by NUL.
    if unsafe { CStr::from_ptr(name) }.to_bytes().ends_with(STORE.as_bytes()) {
        // SAFETY: the connection is open; the hook gets it as its argument, and is gone with it.
        unsafe { ffi::sqlite3_commit_hook(connection, Some(about_to_commit), connection.cast()) };
    }
    ffi::SQLITE_OK
}

/// SQLite is about to commit.
unsafe extern "C" fn about_to_commit(connection: *mut c_void) -> c_int {
    if COMMITS.fetch_sub(1, Ordering::SeqCst) == 1 {
        if !IS_AFTER.load(Ordering::SeqCst) {
            die();
        }
        // SAFETY: the connection of this very call. (A hook on every connection from the start would replace SQLite's
        // own, which checkpoints; and SQLite sets that one after it runs extensions.)
        unsafe { ffi::sqlite3_wal_hook(connection.cast(), Some(committed), std::ptr::null_mut()) };
    }
    0
}

/// SQLite has committed: every other process sees it.
unsafe extern "C" fn committed(
    _argument: *mut c_void,
    _connection: *mut ffi::sqlite3,
    _database: *const c_char,
    _frames: c_int,
) -> c_int {
    die()
}

fn die() -> ! {
    loop {
        // SAFETY: it ends this process, which is the point.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

//! What the store tests share: rows that differ where it matters, and ways to run things beside this process.
#![allow(dead_code, reason = "each test file uses its own part")]

#[cfg(feature = "postgres")]
pub mod postgres;

use std::path::{Path, PathBuf};

use inspire_auth_core::{
    Code, Id,
    store::{
        CredentialRow, KeyRow, KeyWithCredentials, LicenseEvent, LicenseRow, Origin, Scheme, SqliteStore, Store,
        Strength, Transaction,
    },
};

pub fn key(name: &str) -> KeyRow {
    KeyRow {
        id: Id::random().unwrap(),
        kind: "basic-token".into(),
        name: name.into(),
        description: format!("about {name}, \"quoted\" and ünïcode"),
        levels: vec!["Authenticated/Ops".into(), "Authenticated/Roles/It's".into()],
        require_secure: true,
        enabled: true,
        created_at: 1_700_000_000,
        updated_at: 1_700_000_001,
        expires_at: Some(1_900_000_000),
        revision: 1,
        seal: Some(vec![1, 2, 3]),
        seal_key_id: Some("p1".into()),
    }
}

pub fn credential(key: &KeyRow, created_at: i64) -> CredentialRow {
    CredentialRow {
        id: Id::random().unwrap(),
        key_id: key.id,
        scheme: Scheme::Argon2,
        hash: "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into(),
        tag: Some(u32::MAX),
        tag_key_id: Some(7),
        pepper_id: None,
        origin: Origin::Generated,
        strength: Strength::Random,
        not_after: None,
        created_at,
    }
}

pub fn license() -> LicenseRow {
    LicenseRow {
        file: vec![0, 255, 10, 13],
        license_key: "AAAA-BBBB".into(),
        mode: "offline".into(),
        installed_at: 5,
        validated_at: 6,
        refusal: Some(LicenseEvent { code: Code::LicenseSuspended, at: 7 }),
        attempt: Some(LicenseEvent { code: Code::NetworkTimeout, at: 8 }),
    }
}

/// Adds a key with one credential.
pub fn add(store: &dyn Store, name: &str) -> (KeyRow, u64) {
    let row = key(name);
    let generation = store
        .write(&mut |tx| {
            tx.insert_key(&row)?;
            tx.insert_credential(&credential(&row, 1))
        })
        .unwrap();
    (row, generation)
}

pub fn write(store: &dyn Store, mut body: impl FnMut(&mut dyn Transaction)) -> u64 {
    store
        .write(&mut |tx| {
            body(tx);
            Ok(())
        })
        .unwrap()
}

pub fn by_name(store: &dyn Store, name: &str) -> Option<KeyWithCredentials> {
    let mut found = None;
    store
        .read(&mut |reader| {
            found = reader.key_by_name(name)?;
            Ok(())
        })
        .unwrap();
    found
}

/// Every key, by name.
pub fn dump(store: &dyn Store) -> Vec<KeyWithCredentials> {
    let mut keys = Vec::new();
    store
        .read(&mut |reader| {
            keys = reader.keys_after(None, usize::MAX)?;
            Ok(())
        })
        .unwrap();
    keys
}

pub fn names(store: &dyn Store) -> Vec<String> {
    dump(store).into_iter().map(|key| key.key.name).collect()
}

pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    pub fn db(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }
    pub fn page(&self) -> PathBuf {
        self.folder.path().join("store.db.gen")
    }
    pub fn open(&self) -> SqliteStore {
        SqliteStore::open(self.db()).unwrap()
    }
}

/// A connection that knows nothing of this library, as the `sqlite3` shell has.
///
/// It uses the same copy of SQLite as the store (one process must never have two on one file).
pub fn foreign(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection
}

/// Runs `body` in a forked child, which ends with it; whether it returned true there.
#[allow(unsafe_code, reason = "what a fork does to the store can't be shown without one")]
pub fn in_child(body: impl FnOnce() -> bool) -> bool {
    wait(fork(body))
}

/// Forks; the child runs `body` and ends with it.
#[allow(unsafe_code, reason = "what a fork does to the store can't be shown without one")]
pub fn fork(body: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the C library makes its own locks usable in the child, and `body` uses only what the store promises to
    // work there.
    match unsafe { libc::fork() } {
        0 => end(body),
        pid => {
            assert!(pid > 0);
            pid
        }
    }
}

/// Clones without the C library: no fork handler runs.
#[allow(unsafe_code, reason = "there is no other way to a child whose fork handlers did not run")]
pub fn raw_clone(body: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: with no flags but the exit signal this is `fork` without its handlers; no other thread of the process is
    // at work at this moment (the caller sees to that), so none holds an allocator lock that the child would wait for.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } {
        0 => end(body),
        pid => {
            assert!(pid > 0);
            libc::pid_t::try_from(pid).unwrap()
        }
    }
}

#[allow(unsafe_code, reason = "the test harness's exit handlers must not run in a child")]
fn end(body: impl FnOnce() -> bool) -> ! {
    let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
    // SAFETY: ends the child at once.
    unsafe { libc::_exit(i32::from(!good)) }
}

#[allow(unsafe_code, reason = "std can only wait for what it spawned")]
#[allow(clippy::print_stderr, reason = "why a child ended is known here only")]
pub fn wait(pid: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: `pid` is a child of this process that was not waited for, and `status` is valid for writing.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    let is_good = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
    if !is_good {
        eprintln!("child {pid} ended with wait status {status:#x}");
    }
    is_good
}

//! What goes wrong with files and disks, and what the store says then.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::Duration,
};

use inspire_auth_core::{
    Code, Error, Result,
    store::{SqliteOptions, SqliteStore, Store},
};
use store_support::{Folder, add, dump, foreign, in_child, key, names};

fn refused(result: Result<SqliteStore>) -> Code {
    result.map(drop).map_err(|error: Error| error.code()).unwrap_err()
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = Folder::new();
    // Not a database; and one that is somebody else's. Both stay as they are, byte for byte.
    let theirs = folder.path().join("theirs.db");
    foreign(&theirs).execute_batch("CREATE TABLE keys (name); INSERT INTO keys VALUES ('mine')").unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, and longer than the hundred bytes of its header ".repeat(10)).unwrap();
    for path in [theirs, text] {
        let before = std::fs::read(&path).unwrap();
        assert_eq!(refused(SqliteStore::open(&path)), Code::StoreCorrupt);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    // A store whose pages were overwritten: the header alone is right.
    let store = folder.open();
    for n in 0..100 {
        add(&store, &format!("key-{n}"));
    }
    drop(store);
    let mut bytes = std::fs::read(folder.db()).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xa5;
    }
    std::fs::write(folder.db(), bytes).unwrap();
    assert_eq!(refused(SqliteStore::open(folder.db())), Code::StoreCorrupt);
}

#[test]
fn a_held_write_lock_is_reported() {
    let folder = Folder::new();
    let mut options = SqliteOptions::default();
    options.busy_timeout = Duration::from_millis(50);
    let store = SqliteStore::open_with(folder.db(), options).unwrap();
    let (_, generation) = add(&store, "a");
    let other = foreign(&folder.db());
    other.execute_batch("BEGIN IMMEDIATE; UPDATE keys SET enabled = 0").unwrap();
    let mut ran = false;
    let refused = store.write(&mut |tx| {
        ran = true;
        tx.insert_key(&key("b"))
    });
    assert_eq!(refused.unwrap_err().code(), Code::StoreLocked);
    assert!(!ran);
    // A check never waits for a writer.
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(names(&store), ["a"]);
    other.execute_batch("ROLLBACK").unwrap();
    add(&store, "b");
}

/// In a child that gives up root, to whom nothing is read-only.
#[allow(unsafe_code, reason = "root has to be given up, in a process of its own")]
fn as_nobody(body: impl FnOnce() -> bool) -> bool {
    in_child(|| {
        // SAFETY: these change only what this child may do.
        let dropped = unsafe {
            libc::geteuid() != 0
                || (libc::setgroups(0, std::ptr::null()) == 0
                    && libc::setresgid(65_534, 65_534, 65_534) == 0
                    && libc::setresuid(65_534, 65_534, 65_534) == 0)
        };
        dropped && body()
    })
}

#[test]
fn a_read_only_folder_is_reported() {
    let folder = Folder::new();
    drop(folder.open());
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        std::os::unix::fs::chown(folder.db(), Some(65_534), Some(65_534)).unwrap();
    }
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let says = |code: Code| as_nobody(|| refused(SqliteStore::open(folder.db())) == code);

    // The file may be written, its folder may not: SQLite can't make its -wal.
    mode(folder.path(), 0o555);
    assert!(says(Code::StoreReadOnly));
    // Nor can a new store be made.
    assert!(as_nobody(|| refused(SqliteStore::open(folder.path().join("new.db"))) == Code::StoreReadOnly));
    // The folder may be written, the file may only be read, or not even that.
    mode(folder.path(), 0o777);
    mode(&folder.db(), 0o444);
    assert!(says(Code::StoreReadOnly));
    mode(&folder.db(), 0o000);
    assert!(!as_nobody(|| SqliteStore::open(folder.db()).is_ok()));
    // And with permission, the very same child succeeds.
    mode(&folder.db(), 0o600);
    assert!(as_nobody(|| SqliteStore::open(folder.db()).is_ok()));
    mode(folder.path(), 0o700);
}

#[test]
fn a_full_disk_is_reported_and_changes_nothing() {
    let folder = Folder::new();
    let mut options = SqliteOptions::default();
    options.max_pages = Some(60);
    let store = SqliteStore::open_with(folder.db(), options).unwrap();
    let (_, mut generation) = add(&store, "first");
    let mut before = dump(&store);
    let mut n = 0;
    let full = loop {
        let mut large = key(&format!("key-{n}"));
        large.description = "x".repeat(3000);
        match store.write(&mut |tx| {
            tx.insert_key(&key(&format!("small-{n}")))?;
            tx.insert_key(&large)
        }) {
            Ok(now) => generation = now,
            Err(error) => break error,
        }
        before = dump(&store);
        n += 1;
        assert!(n < 1000, "a bound that never bites");
    };
    assert_eq!(full.code(), Code::StoreFull);
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(dump(&store), before, "the small key of the same transaction is not there either");
    // A body that does not care that its statement failed commits nothing.
    let ignored = store.write(&mut |tx| {
        tx.insert_key(&key("other"))?;
        let mut large = key("large");
        large.description = "x".repeat(300_000);
        let _ = tx.insert_key(&large);
        Ok(())
    });
    if ignored.is_ok() {
        assert!(names(&store).contains(&"other".to_owned()), "success means what it says");
    } else {
        assert_eq!(dump(&store), before);
    }
    // Room again: it goes on.
    drop(store);
    add(&folder.open(), "after");
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = Folder::new();
    let store = folder.open();
    add(&store, "a");
    drop(store);
    foreign(&folder.db()).execute_batch("PRAGMA user_version = 2").unwrap();
    assert_eq!(refused(SqliteStore::open(folder.db())), Code::StoreVersion);
    foreign(&folder.db()).execute_batch("PRAGMA user_version = 0").unwrap();
    assert_eq!(refused(SqliteStore::open(folder.db())), Code::StoreCorrupt);
    foreign(&folder.db()).execute_batch("PRAGMA user_version = 1").unwrap();
    assert_eq!(names(&folder.open()), ["a"]);
}

#[test]
fn what_is_no_file_is_unavailable() {
    let folder = Folder::new();
    assert_eq!(refused(SqliteStore::open(folder.path())), Code::StoreUnavailable);
    assert_eq!(refused(SqliteStore::open(folder.path().join("no/such/folder.db"))), Code::StoreUnavailable);
    assert_eq!(refused(SqliteStore::open("")), Code::StoreUnavailable);
}

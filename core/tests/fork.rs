//! What a fork does to an open store: nothing that either side would notice.
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
    os::unix::fs::MetadataExt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code,
    store::{MemoryStore, SqliteOptions, SqliteStore, Store},
};
use store_support::{Folder, add, by_name, foreign, fork, in_child, names, raw_clone, wait, write};

/// Forks concern the whole process, so under `cargo test`, which runs the tests of a file as threads of one process,
/// these take turns. (nextest gives each a process of its own.)
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The descriptors of this process that lead to a store's files.
fn open_files(folder: &Folder) -> usize {
    let inodes: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .map(|meta| (meta.dev(), meta.ino()))
        .collect();
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::metadata(entry.unwrap().path()).ok())
        .filter(|meta| inodes.contains(&(meta.dev(), meta.ino())))
        .count()
}

#[test]
fn nothing_of_the_store_is_open_in_a_child_until_it_asks() {
    let _turn = alone();
    let folder = Folder::new();
    let store = folder.open();
    let (row, generation) = add(&store, "a");
    store.generation().unwrap();
    store.note_used(&[(row.id, 1)]).unwrap();
    assert_eq!(names(&store), ["a"]);
    assert!(open_files(&folder) >= 6, "every lane is open");
    assert!(in_child(|| {
        let closed = open_files(&folder) == 0;
        closed && store.generation().unwrap() == generation && open_files(&folder) > 0
    }));
    assert_eq!(store.generation().unwrap(), generation);
}

#[test]
fn parent_and_child_go_on_and_see_each_others_commits() {
    let _turn = alone();
    let folder = Folder::new();
    let store = folder.open();
    add(&store, "before");
    let child = fork(|| {
        add(&store, "child");
        // Until the parent's answer arrives.
        let begun = Instant::now();
        while by_name(&store, "parent").is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A grandchild is no different.
        in_child(|| by_name(&store, "parent").is_some() && add(&store, "grandchild").1 > 0)
    });
    let begun = Instant::now();
    while by_name(&store, "child").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    add(&store, "parent");
    assert!(wait(child));
    assert_eq!(names(&store), ["before", "child", "grandchild", "parent"]);
}

/// Forks fall into writes, checks and lists of other threads; nothing hangs, is lost or damaged.
#[test]
fn forks_in_the_middle_of_everything_lose_nothing() {
    let _turn = alone();
    let folder = Folder::new();
    // Three threads that write without a pause leave the others little room for the lock: on a busy machine somebody
    // waits longer than the usual five seconds.
    let mut options = SqliteOptions::default();
    options.busy_timeout = Duration::from_secs(120);
    let store = SqliteStore::open_with(folder.db(), options).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let (store, stop) = (store.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut written = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("parent-{thread}-{n}");
                    let (row, generation) = add(&store, &name);
                    assert!(store.generation().unwrap() >= generation);
                    assert!(by_name(&store, &name).is_some());
                    store.note_used(&[(row.id, 1)]).unwrap();
                    written.push(name);
                }
                written
            })
        })
        .collect();
    let mut expected = Vec::new();
    for round in 0..8 {
        let children: Vec<_> = (0..2)
            .map(|child| {
                let name = format!("child-{round}-{child}");
                expected.push(name.clone());
                let store = store.clone();
                fork(move || {
                    let (_, generation) = add(&store, &name);
                    store.generation().unwrap() >= generation && by_name(&store, &name).is_some()
                })
            })
            .collect();
        for child in children {
            assert!(wait(child));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        expected.extend(thread.join().unwrap());
    }
    expected.sort();
    assert_eq!(names(&store), expected, "every acknowledged write of every process");
    drop(store);
    let sound: String = foreign(&folder.db()).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn a_child_notices_a_rollback_that_its_parent_would_have() {
    let _turn = alone();
    let folder = Folder::new();
    let store = folder.open();
    let (row, _) = add(&store, "a");
    let backup = folder.path().join("backup.db");
    store.backup(&backup).unwrap();
    write(&store, |tx| tx.delete_key(row.id).unwrap());
    assert!(in_child(|| {
        std::fs::rename(&backup, folder.db()).unwrap();
        store.generation().unwrap_err().code() == Code::StoreHistoryChanged
    }));
}

#[test]
fn a_raw_clone_answers_stale() {
    let _turn = alone();
    let folder = Folder::new();
    let elsewhere = Folder::new();
    let store = folder.open();
    let (row, generation) = add(&store, "a");
    let last = folder.open();
    let open_before = open_files(&folder);
    let child = raw_clone({
        let (store, folder, elsewhere) = (&store, &folder, &elsewhere);
        move || {
            let stale = |code: Result<(), inspire_auth_core::Error>| code.unwrap_err().code() == Code::StoreStale;
            let refused = stale(store.generation().map(drop))
                && stale(store.load(&mut |_| Ok(())).map(drop))
                && stale(store.read(&mut |_| Ok(())))
                && stale(store.write(&mut |tx| tx.delete_key(row.id)).map(drop))
                && stale(store.changes_since(0).map(drop))
                && stale(store.note_used(&[(row.id, 5)]))
                && stale(store.adopt());
            // Another file is its own to open; this one is poisoned by what it inherited, even for a new handle.
            let own = SqliteStore::open(elsewhere.db()).unwrap();
            let fine = add(&own, "own").1 == own.generation().unwrap();
            let poisoned = SqliteStore::open(folder.db()).unwrap_err().code() == Code::StoreStale;
            let still = stale(store.generation().map(drop));
            // The end of an inherited handle closes nothing.
            drop(last);
            refused && fine && poisoned && still && open_files(folder) == open_before
        }
    });
    assert!(wait(child));
    assert_eq!(store.generation().unwrap(), generation);
    add(&store, "b");
    assert_eq!(names(&elsewhere.open()), ["own"]);
}

#[test]
fn the_memory_store_is_each_process_its_own() {
    let _turn = alone();
    let store = MemoryStore::new().unwrap();
    let (row, generation) = add(&store, "a");
    store.note_used(&[(row.id, 3)]).unwrap();
    assert!(in_child(|| {
        add(&store, "child");
        names(&store) == ["a", "child"] && store.last_used(row.id).unwrap() == Some(3)
    }));
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(names(&store), ["a"]);
}

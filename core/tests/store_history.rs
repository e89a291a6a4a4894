//! Databases that are replaced, rolled back or taken away under a running process.
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
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Result,
    store::{KeyChanges, SqliteStore, Store},
};
use store_support::{Folder, add, by_name, foreign, in_child, key, names, write};

/// Asks until the answer is `code`, for the two seconds within which it must be; meanwhile only `allowed` may be said.
fn becomes(store: &dyn Store, code: Code, mut meanwhile: impl FnMut()) {
    let begun = Instant::now();
    loop {
        match store.generation() {
            Err(error) if error.code() == code => return,
            Err(error) => panic!("{error:?}"),
            Ok(_) => meanwhile(),
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "not noticed within two seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn refuses_everything(store: &dyn Store) {
    let code = |result: Result<()>| result.map_err(|error| error.code());
    let refused = Err(Code::StoreHistoryChanged);
    assert_eq!(code(store.generation().map(drop)), refused);
    assert_eq!(code(store.load(&mut |_| Ok(())).map(drop)), refused);
    assert_eq!(code(store.changes_since(1).map(drop)), refused);
    assert_eq!(code(store.read(&mut |_| Ok(()))), refused);
    assert_eq!(code(store.write(&mut |tx| tx.insert_key(&key("new"))).map(drop)), refused);
}

/// A bare copy, as an administrator makes one of a store that nobody uses.
fn copy(folder: &Folder, to: &Path) {
    std::fs::copy(folder.db(), to).unwrap();
}

#[test]
fn a_replaced_database_is_noticed_and_revives_nothing() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let store = folder.open();
    let (revoked, _) = add(&store, "revoked");
    store.backup(&backup).unwrap();
    write(&store, |tx| tx.delete_key(revoked.id).unwrap());
    let bystander = folder.open();
    for handle in [&store, &bystander] {
        handle.generation().unwrap();
    }

    // The older copy takes the place of the live file.
    std::fs::rename(&backup, folder.db()).unwrap();
    // A write is refused at once: it would go to a file that has no name any more.
    assert_eq!(store.write(&mut |tx| tx.insert_key(&key("new"))).unwrap_err().code(), Code::StoreHistoryChanged);
    for handle in [&store, &bystander] {
        becomes(handle, Code::StoreHistoryChanged, || {
            // As long as a check has not noticed, the former file answers, or a list is refused already.
            let listed = handle.load(&mut |key| {
                assert_ne!(key.key.name, "revoked");
                Ok(())
            });
            assert!(listed.is_ok() || listed.is_err_and(|error| error.code() == Code::StoreHistoryChanged));
        });
        refuses_everything(handle);
        // It stays so: time is no operator.
        std::thread::sleep(Duration::from_millis(1000));
        refuses_everything(handle);
    }

    // An operator says that it was meant: in another process, as the command line does.
    let path = folder.db();
    drop(bystander);
    assert!(in_child(|| SqliteStore::open(&path).unwrap().adopt().is_ok()));
    let begun = Instant::now();
    while store.generation().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(2), "the adoption was not noticed");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(store.changes_since(3).unwrap().keys, KeyChanges::Everything));
    add(&store, "goes on");
    assert!(names(&folder.open()).contains(&"goes on".to_owned()));
}

/// As the sqlite3 shell's `.restore` does it: through SQLite, the file stays.
#[test]
fn a_database_rolled_back_through_sqlite_is_noticed_within_the_second() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let store = folder.open();
    let (revoked, _) = add(&store, "revoked");
    store.backup(&backup).unwrap();
    write(&store, |tx| tx.delete_key(revoked.id).unwrap());
    let early = folder.open();
    for handle in [&store, &early] {
        handle.generation().unwrap();
    }
    roll_back(&folder, &backup);
    for handle in [&store, &early] {
        becomes(handle, Code::StoreHistoryChanged, || ());
        refuses_everything(handle);
    }
    // Who begins now has the page's word for it.
    refuses_everything(&folder.open());
    // With the page gone as well it has nothing to compare with.
    std::fs::remove_file(folder.page()).unwrap();
    let other = folder.open();
    assert_eq!(names(&other), ["revoked"]);

    // Writes of others on the wrong history make it no better, however many: generations alone prove nothing.
    for n in 0..10 {
        add(&other, &format!("later-{n}"));
    }
    assert!(other.generation().unwrap() > 5);
    refuses_everything(&store);

    // The handle itself can adopt; the others see it at their next check.
    store.adopt().unwrap();
    assert!(by_name(&store, "revoked").is_some(), "an operator has said so");
    let generation = store.generation().unwrap();
    for handle in [&early, &other] {
        assert_eq!(handle.generation().unwrap(), generation);
        assert!(matches!(handle.changes_since(4).unwrap().keys, KeyChanges::Everything));
    }
}

/// Writes a backup's pages into the live database within a transaction of its own, as the backup API does.
fn roll_back(folder: &Folder, backup: &Path) {
    let live = foreign(&folder.db());
    live.execute("ATTACH ?1 AS old", [backup.to_str().unwrap()]).unwrap();
    let tables = ["keys", "credentials", "license", "license_marks", "license_burials", "tag_keys", "changes", "meta"];
    let mut sql = String::from("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;");
    // `meta` and `changes` last: what the triggers wrote meanwhile goes too, and nothing but the old state is left.
    for table in tables {
        sql.push_str(&format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM old.{table};"));
    }
    sql.push_str("DELETE FROM main.changes; INSERT INTO main.changes SELECT * FROM old.changes; COMMIT;");
    // The triggers on keys would refuse nothing; they only write what is replaced last.
    live.execute_batch(&sql).unwrap();
}

#[test]
fn an_adoption_counts_once_even_when_an_adopted_history_is_rolled_back() {
    let folder = Folder::new();
    let backup = folder.path().join("sunday.db");
    let store = folder.open();
    add(&store, "a");
    store.backup(&backup).unwrap();
    add(&store, "b");
    roll_back(&folder, &backup);
    store.adopt().unwrap();
    let (_, monday) = add(&store, "c");
    let adopted = folder.path().join("monday.db");
    store.backup(&adopted).unwrap();
    add(&store, "d");

    // Back to a history that has an adoption, which is not news to this handle.
    roll_back(&folder, &adopted);
    refuses_everything(&store);
    // Back to before any adoption; adopted by another handle, whose history never was that far.
    roll_back(&folder, &backup);
    refuses_everything(&store);
    folder.open().adopt().unwrap();
    assert!(store.generation().unwrap() > monday);
    assert_eq!(names(&store), ["a"]);
}

#[test]
fn what_this_handle_wrote_itself_counts_as_known_at_once() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let store = folder.open();
    let (row, _) = add(&store, "a");
    store.backup(&backup).unwrap();
    // No check between the write and the rollback.
    write(&store, |tx| tx.delete_key(row.id).unwrap());
    roll_back(&folder, &backup);
    refuses_everything(&store);
}

/// Nothing that this handle knows is missing in what was put back, but the page knows better.
#[test]
fn a_handle_that_slept_refuses_what_was_rolled_back_to_what_it_knows() {
    let folder = Folder::new();
    let backup = folder.path().join("backup.db");
    let store = folder.open();
    let (revoked, known) = add(&store, "revoked");
    store.backup(&backup).unwrap();
    let sleeper = folder.open();
    assert_eq!(sleeper.generation().unwrap(), known);
    write(&store, |tx| tx.delete_key(revoked.id).unwrap());
    roll_back(&folder, &backup);
    refuses_everything(&sleeper);
}

/// How often this process has the file open that is at `path` now.
#[cfg(target_os = "linux")]
fn descriptors_of(path: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links.filter(|link| std::fs::read_link(link.as_ref().unwrap().path()).is_ok_and(|to| to == path)).count()
}

/// Runs `body` while another thread is in the middle of a read, which ends well when `body` is done.
#[cfg(target_os = "linux")]
fn while_it_is_read(store: &SqliteStore, body: impl FnOnce()) {
    std::thread::scope(|scope| {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let read = store.read(&mut |_| {
                begun.send(()).unwrap();
                let _ = gate.recv();
                Ok(())
            });
            assert!(read.is_ok());
        });
        has_begun.recv().unwrap();
        body();
        drop(release);
    });
}

/// SQLite truncates the `-shm` of a former file under whoever still reads it, once the new one is opened.
#[cfg(target_os = "linux")]
#[test]
fn a_new_file_is_not_opened_while_the_former_one_is_read() {
    let folder = Folder::new();
    let other = folder.path().join("other.db");
    folder.open().backup(&other).unwrap();
    let store = folder.open();
    // No check yet: nothing but the reader's own connection knows the former file.
    while_it_is_read(&store, || {
        std::fs::rename(&other, folder.db()).unwrap();
        for _ in 0..3 {
            assert_eq!(store.generation().unwrap_err().code(), Code::StoreHistoryChanged);
        }
        assert_eq!(SqliteStore::open(folder.db()).unwrap_err().code(), Code::StoreLocked);
        assert_eq!(descriptors_of(&folder.db()), 0);
    });
    refuses_everything(&store);
    SqliteStore::open(folder.db()).unwrap().generation().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn an_adoption_waits_for_who_reads_a_former_file_and_for_nobody_else() {
    let folder = Folder::new();
    let other = folder.path().join("other.db");
    let (store, reading) = (folder.open(), folder.open());
    store.backup(&other).unwrap();
    while_it_is_read(&reading, || {
        store.adopt().unwrap();
        std::fs::rename(&other, folder.db()).unwrap();
        assert_eq!(store.adopt().unwrap_err().code(), Code::StoreLocked);
        assert_eq!(descriptors_of(&folder.db()), 0);
    });
    store.adopt().unwrap();
    assert_eq!(store.generation().unwrap(), reading.generation().unwrap());
}

#[test]
fn a_store_that_vanishes_is_unavailable_and_may_come_back() {
    let folder = Folder::new();
    let aside = folder.path().join("aside.db");
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    std::fs::rename(folder.db(), &aside).unwrap();
    assert_eq!(store.write(&mut |tx| tx.insert_key(&key("b"))).unwrap_err().code(), Code::StoreUnavailable);
    becomes(&store, Code::StoreUnavailable, || ());
    assert_eq!(store.generation().unwrap_err().code(), Code::StoreUnavailable);
    assert!(!folder.db().exists(), "nothing new is made in its place");
    std::fs::rename(&aside, folder.db()).unwrap();
    assert_eq!(store.generation().unwrap(), generation);
    add(&store, "b");
}

#[test]
fn another_store_in_its_place_is_another_history() {
    let folder = Folder::new();
    let other = Folder::new();
    drop(other.open());
    let store = folder.open();
    add(&store, "a");
    let elsewhere = other.open();
    for n in 0..20 {
        add(&elsewhere, &format!("k{n}"));
    }
    drop(elsewhere);
    store.generation().unwrap();
    let arriving = folder.path().join("arriving.db");
    copy(&other, &arriving);
    std::fs::rename(&arriving, folder.db()).unwrap();
    becomes(&store, Code::StoreHistoryChanged, || ());
    refuses_everything(&store);
}

/// A file copied over the live one keeps its identity; only its size and time tell.
#[test]
fn a_file_overwritten_in_place_is_noticed() {
    let folder = Folder::new();
    let early = folder.path().join("early.db");
    let store = folder.open();
    add(&store, "a");
    store.backup(&early).unwrap();
    add(&store, "b");
    // Nothing is left in the -wal, so that the file itself is what is read.
    foreign(&folder.db()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    std::thread::sleep(Duration::from_millis(950));
    store.generation().unwrap();
    assert_eq!(names(&store), ["a", "b"]);
    // By another process: closing the file here would drop the locks of this process's connections. And not by a
    // forked one, since a fork closes all connections.
    let copied = Command::new("cp").args([&early, &folder.db()]).status().unwrap();
    assert!(copied.success());
    // A list does not come from pages that were read before.
    assert_eq!(store.load(&mut |_| Ok(())).unwrap_err().code(), Code::StoreHistoryChanged);
    let begun = Instant::now();
    while store.generation().is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(2), "not noticed within two seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
    refuses_everything(&store);
}

/// A writer may wait seconds for the lock; what happens to the file meanwhile counts.
#[test]
fn a_file_replaced_while_a_writer_waits_for_the_lock_is_not_written() {
    let folder = Folder::new();
    let aside = folder.path().join("aside.db");
    let store = folder.open();
    let (_, generation) = add(&store, "a");
    let holder = foreign(&folder.db());
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (waiting, waits) = std::sync::mpsc::channel();
    let writer = {
        let store = store.clone();
        std::thread::spawn(move || {
            waiting.send(()).unwrap();
            store.write(&mut |tx| tx.insert_key(&key("lost"))).map_err(|error| error.code())
        })
    };
    waits.recv().unwrap();
    // Long enough for the writer to be at the lock; were it not there yet, it would be refused a little earlier.
    std::thread::sleep(Duration::from_millis(100));
    std::fs::rename(folder.db(), &aside).unwrap();
    std::fs::copy(&aside, folder.db()).unwrap();
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.join().unwrap(), Err(Code::StoreHistoryChanged));
    drop(holder);
    std::fs::rename(&aside, folder.db()).unwrap();
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(names(&store), ["a"]);
}

//! Backups, and restores that never widen.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use std::path::PathBuf;

use inspire_auth_core::{
    Code,
    store::{KeyChanges, LicenseRestored, OperationRow, ReleaseRow, RestoreOptions, RestoreReport, SqliteStore, Store},
};
use store_support::{Folder, add, by_name, credential, dump, foreign, license, names, write};

const CAREFUL: RestoreOptions = RestoreOptions { accept_revived: false };
const ACCEPT: RestoreOptions = RestoreOptions { accept_revived: true };

fn backup(store: &SqliteStore, folder: &Folder, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    store.backup(&path).unwrap();
    path
}

#[test]
fn a_backup_is_whole_and_overwrites_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    add(&store, "a");
    let copy = backup(&store, &folder, "copy.db");
    assert_eq!(store.backup(&copy).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(store.backup(&folder.db()).unwrap_err().code(), Code::InvalidArgument);
    let missing = folder.path().join("no/such/copy.db");
    assert!(store.backup(&missing).is_err());
    add(&store, "b");
    // It is a store itself, as of its moment.
    let opened = SqliteStore::open(&copy).unwrap();
    assert_eq!(names(&opened), ["a"]);
    assert_eq!(opened.tag_key().unwrap().id, store.tag_key().unwrap().id);
}

/// Every row of the module's table at once.
#[test]
fn a_restore_keeps_the_live_stores_word_wherever_it_has_one() {
    let folder = Folder::new();
    let store = folder.open();
    let (mut changed, _) = add(&store, "changed");
    let (untouched, _) = add(&store, "untouched");
    let (deleted, _) = add(&store, "deleted");
    let (renamed_away, _) = add(&store, "wanted");
    let copy = backup(&store, &folder, "copy.db");

    changed.enabled = false;
    changed.levels.clear();
    changed.revision = 2;
    let mut renamed = renamed_away.clone();
    renamed.name = "renamed".into();
    renamed.revision = 2;
    write(&store, |tx| {
        tx.update_key(&changed).unwrap();
        tx.delete_key(deleted.id).unwrap();
        tx.update_key(&renamed).unwrap();
    });
    add(&store, "only here");
    let watcher = folder.open();
    let before = watcher.generation().unwrap();

    let report = store.restore(&copy, ACCEPT).unwrap();
    assert_eq!(
        report,
        RestoreReport {
            kept: 3,
            stayed_deleted: 1,
            deleted: vec!["only here".into()],
            generation: report.generation,
            ..RestoreReport::default()
        }
    );
    let found = |name| by_name(&store, name).map(|found| found.key);
    assert_eq!(found("changed"), Some(changed));
    assert_eq!(found("untouched"), Some(untouched));
    assert_eq!(found("renamed"), Some(renamed));
    assert_eq!(names(&store), ["changed", "renamed", "untouched"]);
    // Others go on: a restore is a commit like any other.
    assert_eq!(watcher.generation().unwrap(), report.generation);
    assert!(matches!(watcher.changes_since(before).unwrap().keys, KeyChanges::Only(keys) if keys.len() == 1));
    // A second time there is nothing left to do.
    let again = store.restore(&copy, ACCEPT).unwrap();
    assert_eq!((again.kept, again.stayed_deleted, again.generation), (3, 1, report.generation));
}

#[test]
fn without_history_keys_come_back_disabled_unless_accepted() {
    let old = Folder::new();
    let store = old.open();
    let (a, _) = add(&store, "a");
    let (gone, _) = add(&store, "gone");
    let earlier = backup(&store, &old, "earlier.db");
    write(&store, |tx| tx.delete_key(gone.id).unwrap());
    let copy = backup(&store, &old, "copy.db");

    let careful = Folder::new();
    let new = careful.open();
    let report = new.restore(&copy, CAREFUL).unwrap();
    assert_eq!((report.disabled, report.revived, report.kept), (1, 0, 0));
    let found = by_name(&new, "a").unwrap();
    assert!(!found.key.enabled && found.key.seal.is_none());
    assert_eq!(found.key.revision, a.revision + 1);
    assert_eq!(found.credentials.len(), 1);
    // Restoring again, even accepting, revives nothing: by now the store has a word of its own on this key.
    assert_eq!(new.restore(&copy, ACCEPT).unwrap().kept, 1);
    assert!(!by_name(&new, "a").unwrap().key.enabled);

    let accepting = Folder::new();
    let new = accepting.open();
    let report = new.restore(&copy, ACCEPT).unwrap();
    assert_eq!((report.disabled, report.revived), (0, 1));
    assert_eq!(dump(&new), dump(&store));
    assert_eq!(new.tag_key().unwrap().secret, store.tag_key().unwrap().secret, "tags go on filtering");
    // The old store's tombstones came along: an older backup revives nothing either.
    let report = new.restore(&earlier, ACCEPT).unwrap();
    assert_eq!((report.kept, report.stayed_deleted), (1, 1));
    assert_eq!(names(&new), ["a"]);
}

#[test]
fn a_live_store_that_is_itself_older_takes_the_backups_newer_keys_disabled() {
    let folder = Folder::new();
    let store = folder.open();
    let (mut row, _) = add(&store, "a");
    let old_credential = by_name(&store, "a").unwrap().credentials.remove(0);
    let early = backup(&store, &folder, "early.db");
    let rotated = credential(&row, 9);
    row.revision = 5;
    write(&store, |tx| {
        tx.update_key(&row).unwrap();
        tx.delete_credential(old_credential.id).unwrap();
        tx.insert_credential(&rotated).unwrap();
    });
    let late = backup(&store, &folder, "late.db");
    let live = SqliteStore::open(&early).unwrap();
    let report = live.restore(&late, CAREFUL).unwrap();
    assert_eq!((report.updated, report.disabled), (1, 1));
    let found = by_name(&live, "a").unwrap();
    assert_eq!(found.credentials, [rotated], "the credential that was rotated out stays out");
    assert!(!found.key.enabled && found.key.revision == 6);
}

#[test]
fn a_name_that_was_given_away_is_not_taken_back() {
    let folder = Folder::new();
    let store = folder.open();
    let copy_of = |store: &SqliteStore, name| backup(store, &folder, name);
    let (first, _) = add(&store, "first");
    let (second, _) = add(&store, "second");
    let copy = copy_of(&store, "copy.db");
    // `second` takes the name of `first`, which a foreign writer removed without a trace in the log.
    let shell = foreign(&folder.db());
    shell.execute("DELETE FROM keys WHERE id = ?1", [first.id.to_bytes()]).unwrap();
    shell.execute("DELETE FROM changes WHERE item = ?1", [first.id.to_bytes()]).unwrap();
    let mut renamed = second;
    renamed.name = "first".into();
    renamed.revision = 2;
    write(&store, |tx| tx.update_key(&renamed).unwrap());
    let report = store.restore(&copy, ACCEPT).unwrap();
    assert_eq!((report.kept, report.name_taken), (1, 1));
    assert_eq!(names(&store), ["first"]);
}

#[test]
fn license_times_only_rise_and_a_deactivated_license_stays_away() {
    let folder = Folder::new();
    let store = folder.open();
    write(&store, |tx| {
        tx.set_license(Some(&license())).unwrap();
        tx.raise_license_mark("k", 10).unwrap();
        tx.bury_license("former", 4).unwrap();
    });
    let copy = backup(&store, &folder, "copy.db");
    write(&store, |tx| {
        tx.set_license(None).unwrap();
        tx.raise_license_mark("k", 20).unwrap();
        tx.bury_license("this", 5).unwrap();
    });
    for options in [CAREFUL, ACCEPT] {
        assert_eq!(store.restore(&copy, options).unwrap().license, LicenseRestored::LeftOut);
    }
    let fresh = Folder::new();
    let new = fresh.open();
    let check = |store: &SqliteStore, mark, this| {
        store
            .read(&mut |reader| {
                assert_eq!(reader.license_marks()?, [("k".to_owned(), mark)]);
                assert_eq!(reader.license_burial("former")?, Some(4));
                assert_eq!(reader.license_burial("this")?, this);
                Ok(())
            })
            .unwrap();
    };
    check(&store, 20, Some(5));
    assert_eq!(new.restore(&copy, CAREFUL).unwrap().license, LicenseRestored::Restored);
    check(&new, 10, None);
    assert_eq!(new.restore(&copy, CAREFUL).unwrap().license, LicenseRestored::Kept);
}

#[test]
fn what_was_consumed_stays_consumed_and_a_release_stays_pending() {
    let folder = Folder::new();
    let store = folder.open();
    let release = ReleaseRow {
        machine: "m".into(),
        license: "l".into(),
        license_key: "KEY".into(),
        fingerprint: "fp".into(),
        since: 1,
        attempted: None,
    };
    let operation =
        |id: &str, amount| OperationRow { id: id.into(), tenant: String::new(), period: 7, amount, is_refunded: false };
    let consume = |store: &SqliteStore, id: &str, amount, used| {
        store
            .account(&mut |book| {
                book.put_operation(&operation(id, amount))?;
                book.set_used("", 7, used)
            })
            .unwrap();
    };
    write(&store, |tx| {
        tx.put_release(&release).unwrap();
        tx.set_installation_key(&[9; 32]).unwrap();
    });
    consume(&store, "one", 60, 60);
    let copy = backup(&store, &folder, "copy.db");
    let check = |store: &SqliteStore, used, one| {
        store.restore(&copy, CAREFUL).unwrap();
        store
            .account(&mut |book| {
                assert_eq!(book.used("", 7)?, used);
                assert_eq!(book.operation("one")?, Some(operation("one", one)));
                Ok(())
            })
            .unwrap();
        store
            .read(&mut |reader| {
                assert_eq!(reader.releases()?.iter().map(|row| row.machine.clone()).collect::<Vec<_>>(), ["m"]);
                assert_eq!(reader.installation_key()?.map(|seed| *seed), Some([9; 32]));
                Ok(())
            })
            .unwrap();
    };
    // More was consumed since; nothing was, on a new machine; something else was there.
    consume(&store, "two", 30, 90);
    check(&store, 90, 60);
    let fresh = Folder::new();
    let new = fresh.open();
    check(&new, 60, 60);
    let fresh = Folder::new();
    let other = fresh.open();
    consume(&other, "one", 10, 10);
    check(&other, 60, 10);
}

#[test]
fn what_is_no_sound_backup_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    for n in 0..60 {
        add(&store, &format!("key-{n}"));
    }
    let copy = backup(&store, &folder, "copy.db");
    let (before, generation) = (dump(&store), store.generation().unwrap());
    let refused = |path: &PathBuf| store.restore(path, ACCEPT).unwrap_err().code();

    assert_eq!(refused(&folder.db()), Code::InvalidArgument, "itself");
    let missing = folder.path().join("missing.db");
    assert_eq!(refused(&missing), Code::StoreUnavailable);
    assert!(!missing.exists());
    let empty = folder.path().join("empty.db");
    std::fs::write(&empty, b"").unwrap();
    assert_eq!(refused(&empty), Code::StoreCorrupt);
    let other = folder.path().join("other.db");
    foreign(&other).execute_batch("CREATE TABLE t (x)").unwrap();
    assert_eq!(refused(&other), Code::StoreCorrupt);
    let newer = backup(&store, &folder, "newer.db");
    foreign(&newer).execute_batch("PRAGMA user_version = 9").unwrap();
    assert_eq!(refused(&newer), Code::StoreVersion);
    let damaged = folder.path().join("damaged #?%.db");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 64].fill(0xa5);
    std::fs::write(&damaged, bytes).unwrap();
    assert_eq!(refused(&damaged), Code::StoreCorrupt);
    let bare = folder.path().join("bare.db");
    std::fs::copy(&copy, &bare).unwrap();
    std::fs::write(folder.path().join("bare.db-wal"), b"something").unwrap();
    assert_eq!(refused(&bare), Code::InvalidArgument);

    assert_eq!((dump(&store), store.generation().unwrap()), (before, generation));
    // The backup is read without being touched, in whatever folder it is, whatever its name.
    let odd = folder.path().join("a b#c?d%e.db");
    std::fs::copy(&copy, &odd).unwrap();
    assert_eq!(store.restore(&odd, CAREFUL).unwrap().kept, 60);
    assert!(!folder.path().join("a b#c?d%e.db-shm").exists());
}

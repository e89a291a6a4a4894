//! The store's contract, shown on every kind of store, and that the kinds can't be told apart by it.
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
    sync::Arc,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Id,
    store::{AuditEvent, Changes, KeyChanges, KeyRow, MemoryStore, OperationRow, ReleaseRow, Store},
};
use proptest::prelude::*;
use store_support::{Folder, add, by_name, credential, dump, key, license, names, write};

/// Each of these runs on each kind of store.
macro_rules! contract {
    ($($name:ident,)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(std::sync::Arc::new(super::MemoryStore::new().unwrap())); })*
        }
        mod sqlite {
            $(#[test] fn $name() {
                let folder = super::Folder::new();
                super::$name(std::sync::Arc::new(folder.open()));
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $name() {
                let database = crate::store_support::postgres::Database::new();
                super::$name(std::sync::Arc::new(database.open()));
            })*
        }
    };
}

contract! {
    a_commit_is_seen_by_the_very_next_call,
    changes_name_exactly_what_changed,
    a_failed_transaction_changes_nothing,
    a_transaction_that_writes_nothing_moves_no_generation,
    names_and_ids_are_unique,
    credentials_come_oldest_first_and_go_with_their_key,
    license_state_is_kept_and_its_times_only_rise,
    releases_and_the_installation_key_are_kept_and_change_the_license,
    the_book_is_kept_apart_from_the_generation,
    pages_follow_byte_order,
    a_read_sees_one_generation,
    a_generation_that_was_seen_can_be_read,
    activity_moves_no_generation,
    waiting_ends_with_the_change_or_the_time,
    the_tag_key_never_changes,
    adopting_what_is_there_keeps_it,
    many_threads_lose_nothing,
}

fn only(changes: Changes) -> (Vec<(Id, Option<String>)>, bool) {
    let KeyChanges::Only(keys) = changes.keys else { panic!("{changes:?}") };
    (keys.into_iter().map(|(id, key)| (id, key.map(|key| key.key.name))).collect(), changes.license)
}

fn a_commit_is_seen_by_the_very_next_call(store: Arc<dyn Store>) {
    let before = store.generation().unwrap();
    assert!(names(&*store).is_empty());
    let (row, generation) = add(&*store, "first");
    assert!(generation > before);
    assert_eq!(store.generation().unwrap(), generation);
    let found = by_name(&*store, "first").unwrap();
    assert_eq!(found.key, row, "every column comes back as it went in");
    assert_eq!(found.credentials.len(), 1);
    assert_eq!(by_name(&*store, "First"), None, "names are compared byte for byte");
    assert_eq!(store.load(&mut |_| Ok(())).unwrap(), generation);
}

fn releases_and_the_installation_key_are_kept_and_change_the_license(store: Arc<dyn Store>) {
    let release = |machine: &str, since, attempted| ReleaseRow {
        machine: machine.into(),
        license: "l1".into(),
        license_key: "KEY".into(),
        fingerprint: "fp".into(),
        since,
        attempted,
    };
    let kept = || {
        let mut kept = Vec::new();
        store
            .read(&mut |reader| {
                kept = reader.releases()?;
                Ok(())
            })
            .unwrap();
        kept
    };
    let (first, second) = (release("m2", 1, None), release("m1", 2, Some(3)));
    let before = write(&*store, |tx| tx.put_release(&second).unwrap());
    write(&*store, |tx| tx.put_release(&first).unwrap());
    assert_eq!(kept(), [first.clone(), second.clone()], "oldest first");
    assert!(store.changes_since(before).unwrap().license);
    let tried = release("m1", 2, Some(9));
    write(&*store, |tx| tx.put_release(&tried).unwrap());
    assert_eq!(kept(), [first, tried.clone()]);
    write(&*store, |tx| tx.drop_release("m2").unwrap());
    let after = write(&*store, |tx| tx.drop_release("nobody").unwrap());
    assert_eq!((kept(), store.generation().unwrap()), (vec![tried], after));

    let key = || {
        let mut key = None;
        store
            .read(&mut |reader| {
                key = reader.installation_key()?.map(|seed| *seed);
                Ok(())
            })
            .unwrap();
        key
    };
    assert_eq!(key(), None);
    for seed in [[1; 32], [2; 32]] {
        write(&*store, |tx| tx.set_installation_key(&seed).unwrap());
        assert_eq!(key(), Some(seed));
    }
}

fn the_book_is_kept_apart_from_the_generation(store: Arc<dyn Store>) {
    let before = store.generation().unwrap();
    let operation =
        |amount, is_refunded| OperationRow { id: "o".into(), tenant: "t".into(), period: 7, amount, is_refunded };
    store
        .account(&mut |book| {
            assert_eq!((book.last_period(9)?, book.used("t", 7)?, book.operation("o")?), (None, 0, None));
            book.set_used("t", 7, 3)?;
            book.set_used("", 9, 5)?;
            book.set_used("t", 7, 4)?;
            book.put_operation(&operation(3, false))?;
            book.put_operation(&operation(4, true))
        })
        .unwrap();
    let failed = store.account(&mut |book| {
        book.set_used("t", 7, 100)?;
        Err(Code::Conflict.into())
    });
    assert_eq!(failed.unwrap_err().code(), Code::Conflict);
    store
        .account(&mut |book| {
            assert_eq!((book.used("t", 7)?, book.used("", 9)?, book.used("", 7)?), (4, 5, 0));
            assert_eq!([6, 7, 8, 9].map(|most| book.last_period(most).unwrap()), [None, Some(7), Some(7), Some(9)]);
            assert_eq!(book.operation("o")?, Some(operation(4, true)));
            book.forget_operations_before(7)?;
            assert!(book.operation("o")?.is_some());
            book.forget_operations_before(8)?;
            assert_eq!((book.operation("o")?, book.used("t", 7)?), (None, 4));
            Ok(())
        })
        .unwrap();
    assert_eq!(store.generation().unwrap(), before);
}

fn changes_name_exactly_what_changed(store: Arc<dyn Store>) {
    let (a, _) = add(&*store, "a");
    let (b, start) = add(&*store, "b");
    assert_eq!(only(store.changes_since(start).unwrap()), (vec![], false));

    let mut renamed = b.clone();
    renamed.name = "b2".into();
    write(&*store, |tx| tx.update_key(&renamed).unwrap());
    let middle = write(&*store, |tx| tx.insert_credential(&credential(&b, 9)).unwrap());
    let end = write(&*store, |tx| tx.delete_key(a.id).unwrap());

    let changes = store.changes_since(start).unwrap();
    assert_eq!(changes.generation, end);
    let mut expected = vec![(a.id, None), (b.id, Some("b2".to_owned()))];
    expected.sort();
    assert_eq!(only(changes), (expected, false));
    assert_eq!(only(store.changes_since(middle).unwrap()), (vec![(a.id, None)], false), "a tombstone");

    write(&*store, |tx| tx.raise_license_mark("k", 5).unwrap());
    assert_eq!(only(store.changes_since(end).unwrap()), (vec![], true));
    // A generation that never was can't be continued.
    assert!(matches!(store.changes_since(0).unwrap().keys, KeyChanges::Everything));
    assert!(matches!(store.changes_since(u64::MAX).unwrap().keys, KeyChanges::Everything));
}

fn a_failed_transaction_changes_nothing(store: Arc<dyn Store>) {
    let (kept, generation) = add(&*store, "kept");
    let before = dump(&*store);
    let mut runs = 0;
    let failed = store.write(&mut |tx| {
        runs += 1;
        tx.insert_key(&key("new"))?;
        tx.delete_key(kept.id)?;
        tx.set_license(Some(&license()))?;
        tx.raise_license_mark("k", 1)?;
        assert!(tx.key_by_name("new")?.is_some(), "a transaction sees its own writes");
        Err(Code::Conflict.into())
    });
    let failed = failed.unwrap_err();
    assert_eq!(failed.code(), Code::Conflict, "{failed:?}");
    assert_eq!(runs, 1);
    assert_eq!(store.generation().unwrap(), generation);
    assert_eq!(dump(&*store), before);
    store
        .read(&mut |reader| {
            assert!(reader.license()?.is_none() && reader.license_marks()?.is_empty());
            Ok(())
        })
        .unwrap();
    // A panic is no commit either, and the store goes on.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.write(&mut |tx| {
            tx.delete_key(kept.id)?;
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(dump(&*store), before);
    assert!(add(&*store, "after").1 > generation);
}

fn a_transaction_that_writes_nothing_moves_no_generation(store: Arc<dyn Store>) {
    let (_, generation) = add(&*store, "a");
    write(&*store, |tx| tx.raise_license_mark("k", 5).unwrap());
    let generation = generation.max(store.generation().unwrap());
    assert_eq!(write(&*store, |tx| drop(tx.key_by_name("a").unwrap())), generation);
    // Nor does a time that is not higher, or the removal of a license that is not there.
    assert_eq!(write(&*store, |tx| tx.raise_license_mark("k", 4).unwrap()), generation);
    assert_eq!(write(&*store, |tx| tx.set_license(None).unwrap()), generation);
    assert_eq!(store.generation().unwrap(), generation);
}

fn names_and_ids_are_unique(store: Arc<dyn Store>) {
    let (a, _) = add(&*store, "a");
    let (b, _) = add(&*store, "b");
    write(&*store, |tx| {
        assert_eq!(tx.insert_key(&key("a")).unwrap_err().code(), Code::NameTaken);
        let mut same_id = key("c");
        same_id.id = a.id;
        assert_eq!(tx.insert_key(&same_id).unwrap_err().code(), Code::NameTaken);
        let mut renamed = b.clone();
        renamed.name = "a".into();
        assert_eq!(tx.update_key(&renamed).unwrap_err().code(), Code::NameTaken);
        let missing = key("missing");
        assert_eq!(tx.update_key(&missing).unwrap_err().code(), Code::NotFound);
        assert_eq!(tx.delete_key(missing.id).unwrap_err().code(), Code::NotFound);
        let orphan = credential(&missing, 1);
        assert_eq!(tx.insert_credential(&orphan).unwrap_err().code(), Code::NotFound);
        assert_eq!(tx.update_credential(&orphan).unwrap_err().code(), Code::NotFound);
        assert_eq!(tx.delete_credential(orphan.id).unwrap_err().code(), Code::NotFound);
        let twice = credential(&b, 5);
        tx.insert_credential(&twice).unwrap();
        assert_eq!(tx.insert_credential(&twice).unwrap_err().code(), Code::Conflict);
        // A refused statement takes nothing of the transaction with it; and names are case-sensitive.
        tx.insert_key(&key("A")).unwrap();
    });
    assert_eq!(names(&*store), ["A", "a", "b"]);
    // A name is free again once its key is gone or renamed.
    write(&*store, |tx| {
        tx.delete_key(a.id).unwrap();
        tx.insert_key(&key("a")).unwrap();
    });
}

fn credentials_come_oldest_first_and_go_with_their_key(store: Arc<dyn Store>) {
    let row = key("a");
    let (mut old, new) = (credential(&row, 1), credential(&row, 2));
    write(&*store, |tx| {
        tx.insert_key(&row).unwrap();
        tx.insert_credential(&new).unwrap();
        tx.insert_credential(&old).unwrap();
    });
    assert_eq!(by_name(&*store, "a").unwrap().credentials, [old.clone(), new.clone()]);
    old.hash = "$argon2id$renewed".into();
    old.not_after = Some(77);
    old.tag = None;
    write(&*store, |tx| tx.update_credential(&old).unwrap());
    store
        .read(&mut |reader| {
            assert_eq!(reader.credential(old.id)?, Some(old.clone()));
            assert_eq!(reader.key_by_id(row.id)?.unwrap().credentials, [old.clone(), new.clone()]);
            Ok(())
        })
        .unwrap();
    write(&*store, |tx| tx.delete_credential(new.id).unwrap());
    assert_eq!(by_name(&*store, "a").unwrap().credentials, [old.clone()]);
    write(&*store, |tx| tx.delete_key(row.id).unwrap());
    store
        .read(&mut |reader| {
            assert_eq!(reader.credential(old.id)?, None);
            assert_eq!(reader.key_by_id(row.id)?, None);
            Ok(())
        })
        .unwrap();
}

fn license_state_is_kept_and_its_times_only_rise(store: Arc<dyn Store>) {
    write(&*store, |tx| {
        tx.set_license(Some(&license())).unwrap();
        tx.raise_license_mark("key-2", 20).unwrap();
        tx.raise_license_mark("key-1", 10).unwrap();
        tx.bury_license("lic", 30).unwrap();
    });
    write(&*store, |tx| {
        tx.raise_license_mark("key-1", 9).unwrap();
        tx.raise_license_mark("key-2", 21).unwrap();
        tx.bury_license("lic", 29).unwrap();
    });
    store
        .read(&mut |reader| {
            assert_eq!(reader.license()?, Some(license()));
            assert_eq!(reader.license_marks()?, [("key-1".to_owned(), 10), ("key-2".to_owned(), 21)]);
            assert_eq!(reader.license_burial("lic")?, Some(30));
            assert_eq!(reader.license_burial("other")?, None);
            Ok(())
        })
        .unwrap();
    let mut other = license();
    other.mode = "online".into();
    write(&*store, |tx| tx.set_license(Some(&other)).unwrap());
    let mut found = None;
    let mut read = || {
        store
            .read(&mut |reader| {
                found = reader.license()?;
                Ok(())
            })
            .unwrap();
        found.clone()
    };
    assert_eq!(read(), Some(other));
    write(&*store, |tx| tx.set_license(None).unwrap());
    assert_eq!(read(), None);
}

fn pages_follow_byte_order(store: Arc<dyn Store>) {
    for name in ["b", "a", "B", "a.b", "a-b", "aa", "Z", "z", "0"] {
        add(&*store, name);
    }
    let mut expected = vec!["0", "B", "Z", "a", "a-b", "a.b", "aa", "b", "z"];
    let mut after: Option<String> = None;
    store
        .read(&mut |reader| {
            loop {
                let page = reader.keys_after(after.as_deref(), 2)?;
                for key in &page {
                    assert_eq!(key.key.name, expected.remove(0));
                    assert_eq!(key.credentials.len(), 1);
                }
                match page.last() {
                    Some(last) => after = Some(last.key.name.clone()),
                    None => return Ok(()),
                }
            }
        })
        .unwrap();
    assert!(expected.is_empty());
}

fn a_read_sees_one_generation(store: Arc<dyn Store>) {
    let (row, generation) = add(&*store, "a");
    store
        .read(&mut |reader| {
            let other = Arc::clone(&store);
            std::thread::spawn(move || write(&*other, |tx| tx.delete_key(row.id).unwrap())).join().unwrap();
            // Others see it at once; this transaction goes on with what it began with.
            assert!(store.generation()? > generation);
            assert_eq!(reader.generation()?, generation);
            assert!(reader.key_by_name("a")?.is_some());
            Ok(())
        })
        .unwrap();
    assert!(by_name(&*store, "a").is_none());
}

/// Whoever asks for the generation and then reads must find what it promised, also in the middle of a commit.
fn a_generation_that_was_seen_can_be_read(store: Arc<dyn Store>) {
    let (row, first) = add(&*store, "a");
    let writer = {
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            for revision in 0..500 {
                let row = KeyRow { revision, ..row.clone() };
                let generation = write(&*store, |tx| tx.update_key(&row).unwrap());
                assert!(store.generation().unwrap() >= generation);
            }
        })
    };
    let mut seen = first;
    while !writer.is_finished() {
        let now = store.generation().unwrap();
        let changes = store.changes_since(seen).unwrap();
        assert!(changes.generation >= now && now >= seen, "{} {now} {seen}", changes.generation);
        seen = now;
    }
    writer.join().unwrap();
}

fn activity_moves_no_generation(store: Arc<dyn Store>) {
    let (row, generation) = add(&*store, "a");
    assert_eq!(store.last_used(row.id).unwrap(), None);
    store.note_used(&[(row.id, 50), (Id::NIL, 1)]).unwrap();
    store.note_used(&[(row.id, 40)]).unwrap();
    assert_eq!(store.last_used(row.id).unwrap(), Some(50), "the larger time stays");
    assert!(store.audit(5).unwrap().is_empty());
    let event = |n: i64| AuditEvent {
        at: n,
        event: "key.created".into(),
        actor: "system".into(),
        subject: "a".into(),
        detail: format!("{n}"),
        code: if n == 2 { Code::InvalidCredential } else { Code::Ok },
    };
    store.append_audit(&[event(1), event(2)]).unwrap();
    store.append_audit(&[event(3)]).unwrap();
    assert_eq!(store.audit(2).unwrap(), [event(3), event(2)], "newest first");
    assert_eq!(store.audit(10).unwrap().len(), 3);
    assert_eq!(store.generation().unwrap(), generation);
}

fn waiting_ends_with_the_change_or_the_time(store: Arc<dyn Store>) {
    let seen = store.generation().unwrap();
    let begun = Instant::now();
    assert_eq!(store.wait_for_change(seen, Duration::from_millis(50)).unwrap(), seen);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let other = Arc::clone(&store);
    let waiter = std::thread::spawn(move || other.wait_for_change(seen, Duration::from_secs(60)).unwrap());
    let (_, generation) = add(&*store, "a");
    assert!(waiter.join().unwrap() > seen);
    assert_eq!(store.wait_for_change(seen, Duration::from_secs(60)).unwrap(), generation, "what was is known at once");
}

fn the_tag_key_never_changes(store: Arc<dyn Store>) {
    let first = store.tag_key().unwrap();
    add(&*store, "a");
    let second = store.tag_key().unwrap();
    assert_eq!((first.id, &first.secret), (second.id, &second.secret));
    assert_ne!(*first.secret, [0; 16]);
    assert!(!format!("{first:?}").contains("secret"), "the secret is not in Debug");
}

fn adopting_what_is_there_keeps_it(store: Arc<dyn Store>) {
    let (_, generation) = add(&*store, "a");
    store.adopt().unwrap();
    assert!(store.generation().unwrap() >= generation);
    assert_eq!(names(&*store), ["a"]);
    let (_, after) = add(&*store, "b");
    assert_eq!(store.generation().unwrap(), after);
}

fn many_threads_lose_nothing(store: Arc<dyn Store>) {
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                for n in 0..8 {
                    let name = format!("{thread}-{n}");
                    let (row, generation) = add(&*store, &name);
                    assert!(store.generation().unwrap() >= generation);
                    assert_eq!(by_name(&*store, &name).unwrap().key, row);
                    if n % 2 == 0 {
                        write(&*store, |tx| tx.delete_key(row.id).unwrap());
                        assert!(by_name(&*store, &name).is_none());
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(names(&*store).len(), 16);
}

/// One step of a random history, on a handful of names and ids so that they collide.
#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u8),
    Rename(u8, u8),
    Delete(u8),
    Credential(u8, u8),
    DropCredential(u8),
    Mark(u8, i64),
    Fail(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0_u8..4;
    prop_oneof![
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Insert(a, b)),
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Rename(a, b)),
        n.clone().prop_map(Step::Delete),
        (n.clone(), n.clone()).prop_map(|(a, b)| Step::Credential(a, b)),
        n.clone().prop_map(Step::DropCredential),
        (n.clone(), 0_i64..4).prop_map(|(a, b)| Step::Mark(a, b)),
        n.prop_map(Step::Fail),
    ]
}

fn id(kind: u8, n: u8) -> Id {
    let mut bytes = [0_u8; 16];
    (bytes[0], bytes[15]) = (kind, n.wrapping_add(1));
    Id::from_bytes(bytes)
}

fn apply(store: &dyn Store, step: &Step) -> Result<bool, Code> {
    let before = store.generation().unwrap();
    let row = |n: u8, name: u8| {
        let mut row = key(&format!("name-{name}"));
        row.id = id(1, n);
        row
    };
    let done = store.write(&mut |tx| match step {
        Step::Insert(n, name) => tx.insert_key(&row(*n, *name)),
        Step::Rename(n, name) => tx.update_key(&row(*n, *name)),
        Step::Delete(n) => tx.delete_key(id(1, *n)),
        Step::Credential(n, c) => {
            let mut credential = credential(&row(*n, 0), i64::from(*c));
            credential.id = id(2, *c);
            tx.insert_credential(&credential)
        }
        Step::DropCredential(c) => tx.delete_credential(id(2, *c)),
        Step::Mark(n, at) => tx.raise_license_mark(&format!("k{n}"), *at),
        Step::Fail(n) => {
            tx.delete_key(id(1, *n))?;
            Err(Code::Conflict.into())
        }
    });
    done.map(|generation| generation != before).map_err(|error| error.code())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done, both kinds of store answer the same, hold the same, and name the same changes.
    #[test]
    fn memory_and_sqlite_cannot_be_told_apart(steps in prop::collection::vec(step(), 1..24)) {
        let folder = Folder::new();
        let (memory, sqlite) = (MemoryStore::new().unwrap(), folder.open());
        let mut base = (memory.generation().unwrap(), sqlite.generation().unwrap());
        for (at, step) in steps.iter().enumerate() {
            prop_assert_eq!(apply(&memory, step), apply(&sqlite, step), "{:?}", step);
            if at % 5 == 0 {
                let (m, s) = (memory.changes_since(base.0).unwrap(), sqlite.changes_since(base.1).unwrap());
                base = (m.generation, s.generation);
                prop_assert_eq!(only(m), only(s));
            }
        }
        prop_assert_eq!(dump(&memory), dump(&sqlite));
    }
}

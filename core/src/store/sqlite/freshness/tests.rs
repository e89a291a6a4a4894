//! What a check believes, waits for and knows afterwards, from the inside.

use std::{sync::mpsc, thread, time::Duration};

use super::*;
use crate::store::{SqliteStore, Store};

fn store() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("store.db")).unwrap();
    store.generation().unwrap();
    (folder, store)
}

/// Whether a check that begins when the last poll is `age` old answers while another thread has the lane.
fn answers_beside_the_lane(store: &SqliteStore, age: u64, patience: Duration) -> bool {
    let shared = &store.shared;
    let lanes = shared.connections.lanes().unwrap();
    thread::scope(|scope| {
        let lane = lanes.freshness.lock();
        shared.connections.set_polled(monotonic_millis().saturating_sub(age).max(1));
        let (answer, answered) = mpsc::channel();
        scope.spawn(move || answer.send(store.generation().unwrap()));
        let in_time = answered.recv_timeout(patience).is_ok();
        drop(lane);
        in_time
    })
}

#[test]
fn a_check_takes_no_lock_and_waits_for_no_poll_but_one_that_is_overdue() {
    let (_folder, store) = store();
    assert!(store.page_in_use() == Some(true));
    // On a busy machine the second may be over before the check begins.
    let answers = |age| (0..50).any(|_| answers_beside_the_lane(&store, age, Duration::from_secs(2)));
    assert!(answers(0), "nothing is due");
    assert!(answers(POLL_EVERY_MS), "one thread polls, and the others go on");
    for age in [POLL_WITHIN_MS, POLL_BOUND_MS, 60_000] {
        assert!(!answers_beside_the_lane(&store, age, Duration::from_millis(100)), "{age}");
    }
}

#[test]
fn a_poll_that_is_due_is_made_before_it_is_overdue() {
    let (_folder, store) = store();
    let connections = &store.shared.connections;
    let last = monotonic_millis().saturating_sub(POLL_EVERY_MS + 1).max(1);
    connections.set_polled(last);
    store.generation().unwrap();
    assert!(connections.polled().unwrap() > last);
}

/// A page that tells of what the connection can't see has the files looked at, due or not.
#[test]
fn a_replacement_that_another_process_adopted_is_no_refusal() {
    replaced_and_adopted(
        "store::sqlite::freshness::tests::a_replacement_that_another_process_adopted_is_no_refusal",
        |store| store.generation().unwrap(),
    );
}

#[test]
fn nor_is_it_one_to_who_lists_before_any_check() {
    replaced_and_adopted("store::sqlite::freshness::tests::nor_is_it_one_to_who_lists_before_any_check", |store| {
        store.load(&mut |_| Ok(())).unwrap()
    });
}

#[test]
fn nor_is_it_one_to_who_reads_what_changed() {
    replaced_and_adopted("store::sqlite::freshness::tests::nor_is_it_one_to_who_reads_what_changed", |store| {
        store.changes_since(0).unwrap().generation
    });
}

/// Replaces the file under a handle that has just looked at it, has it adopted by another process, which runs this
/// very `test`, and asks `first` for the generation.
fn replaced_and_adopted(test: &str, first: impl Fn(&SqliteStore) -> u64) {
    const DATABASE: &str = "INSPIRE_TEST_ADOPTER";
    if let Some(path) = std::env::var_os(DATABASE) {
        SqliteStore::open(path).unwrap().adopt().unwrap();
        return;
    }
    let (folder, store) = store();
    let (database, backup) = (folder.path().join("store.db"), folder.path().join("backup.db"));
    store.backup(&backup).unwrap();
    let known = store.generation().unwrap();
    std::fs::rename(&backup, &database).unwrap();
    for beside in ["store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(beside));
    }
    let adopter = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(DATABASE, &database)
        .output()
        .unwrap();
    assert!(adopter.status.success());

    let shared = &store.shared;
    shared.connections.lanes().unwrap().freshness.lock().value.looked_at = Some(monotonic_millis());
    assert!(first(&store) > known);
}

/// What the page knows to be committed is read at once; what is only announced, or long ago, is asked for.
#[test]
fn news_are_read_without_being_asked_for() {
    let (folder, store) = store();
    let writer = SqliteStore::open(folder.path().join("store.db")).unwrap();
    let change = |name: &str| {
        writer.write(&mut |tx| tx.raise_license_mark(name, 1)).unwrap();
        writer.generation().unwrap()
    };
    let before = store.generation().unwrap();
    assert!(!store.has_news());
    let committed = change("one");
    // A busy machine may have let the poll grow old.
    store.shared.connections.set_polled(monotonic_millis());
    assert!(store.has_news() && store.generation_now().unwrap().is_none());
    assert_eq!(store.changes_since(before).unwrap().generation, committed);
    store.shared.connections.set_polled(monotonic_millis());
    assert!(!store.has_news());
    assert_eq!(store.generation_now().unwrap(), Some(committed));

    store.shared.pages.current().unwrap().counters().repair(committed);
    let announced = store.shared.pages.current().unwrap().counters().commit(committed + 1, || Err::<(), ()>(()));
    assert!(announced.is_err() && !store.has_news() && store.generation_now().unwrap().is_none());
    assert_eq!(store.generation().unwrap(), committed);
    change("two");
    store.shared.connections.set_polled(0);
    assert!(!store.has_news(), "nobody has looked at the page for a while");
}

/// A bound value never has a statement compiled anew, which takes longer than to run it.
#[test]
fn statements_are_compiled_once() {
    let (_folder, store) = store();
    let compiled_again = store.shared.read_at_once(|_, connection| {
        let sql = crate::store::sqlite::read::credentials_of_key();
        (0..5_u8).for_each(|n| assert!(!connection.prepare_cached(&sql).unwrap().exists([[n; 16]]).unwrap()));
        Ok(connection.prepare_cached(&sql).unwrap().get_status(rusqlite::StatementStatus::RePrepare))
    });
    assert_eq!(compiled_again.unwrap(), 0);
}

#[test]
fn what_a_check_found_is_known_from_then_on() {
    let (folder, store) = store();
    let other = Connection::open(folder.path().join("store.db")).unwrap();
    let before = store.shared.history.load_full();
    other.execute_batch("UPDATE tag_keys SET secret = zeroblob(length(secret))").unwrap();
    store.shared.connections.set_polled(0);
    let generation = store.generation().unwrap();
    let now = store.shared.history.load_full();
    assert!(now.mark.generation > before.mark.generation);
    assert_eq!(u64::try_from(now.mark.generation), Ok(generation));
    assert!(store.tag_key().unwrap().secret.iter().all(|byte| *byte == 0));
}

#[test]
fn what_can_not_be_read_is_no_other_history() {
    let (folder, store) = store();
    let other = Connection::open(folder.path().join("store.db")).unwrap();
    other.execute_batch("ALTER TABLE meta RENAME TO elsewhere").unwrap();
    let shared = &store.shared;
    shared.connections.set_polled(0);
    let code = store.generation().unwrap_err().code();
    assert!(code != Code::StoreHistoryChanged && code.name().starts_with("STORE_"), "{code:?}");
}

#[test]
fn a_look_at_a_file_that_is_still_there_waits_for_no_other_lane() {
    let (_folder, store) = store();
    let shared = &store.shared;
    let lanes = shared.connections.lanes().unwrap();
    let _busy = (lanes.reader.lock(), lanes.writer.lock(), lanes.backup.lock());
    for link_too in [false, true] {
        let mut lane = lanes.freshness.lock();
        lane.value.looked_at = None;
        if link_too {
            lane.value.close();
        }
        drop(lane);
        shared.connections.set_polled(0);
        assert_eq!(store.generation().unwrap(), 1);
    }
}

#[test]
fn what_may_not_wait_answers_or_says_that_it_would() {
    let (_folder, store) = store();
    let shared = &store.shared;
    let lanes = shared.connections.lanes().unwrap();
    let _lane = lanes.freshness.lock();
    let ask = |age| {
        shared.connections.set_polled(monotonic_millis().saturating_sub(age).max(1));
        store.generation_now().unwrap()
    };
    assert!((0..50).any(|_| ask(0) == Some(1)));
    for age in [POLL_EVERY_MS, POLL_WITHIN_MS, 60_000] {
        assert_eq!(ask(age), None);
    }
    shared.connections.set_polled(0);
    assert_eq!(store.generation_now().unwrap(), None);
}

/// What the log says of a handle that knows generation 5 under token 5.
fn verdict(log: &[(i64, u8, &str)], same_store: bool, same_file: bool) -> Verdict {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE changes (generation INTEGER, token BLOB, kind TEXT)").unwrap();
    for &(generation, token, kind) in log {
        connection.execute("INSERT INTO changes VALUES (?1, ?2, ?3)", (generation, [token; 16], kind)).unwrap();
    }
    let store = |same| if same { [0; 16] } else { [1; 16] };
    let known = Mark { store: store(true), generation: 5, token: [5; 16] };
    let (generation, token, _) = *log.last().unwrap();
    let now = Mark { store: store(same_store), generation, token: [token; 16] };
    compare(&known, now, same_file, &connection).unwrap()
}

#[test]
fn a_database_continues_what_is_known_by_its_log() {
    let key = "key";
    let of_this_store = |log: &[(i64, u8, &str)]| verdict(log, true, true);
    assert_eq!(of_this_store(&[(4, 4, key), (5, 5, key)]), Verdict::Continues);
    assert_eq!(of_this_store(&[(4, 4, key), (5, 5, key), (6, 6, key)]), Verdict::Continues);
    // Trimmed: the log begins after what is known, but for adoptions, which stay.
    assert_eq!(of_this_store(&[(2, 2, "adoption"), (6, 6, key), (7, 7, key)]), Verdict::Continues);
    // Another commit of that number, none of it, and less.
    assert_eq!(of_this_store(&[(4, 4, key), (5, 9, key)]), Verdict::Another);
    assert_eq!(of_this_store(&[(5, 9, key), (6, 6, key)]), Verdict::Another);
    assert_eq!(of_this_store(&[(4, 4, key), (6, 6, key)]), Verdict::Another);
    assert_eq!(of_this_store(&[(3, 3, key), (4, 4, key)]), Verdict::Another);
    // Of another store or file even the same log is another history.
    for (same_store, same_file) in [(false, true), (true, false), (false, false)] {
        assert_eq!(verdict(&[(4, 4, key), (5, 5, key)], same_store, same_file), Verdict::Another);
        assert_eq!(verdict(&[(6, 6, key), (7, 7, key)], same_store, same_file), Verdict::Another);
        assert_eq!(verdict(&[(5, 9, key), (6, 6, "adoption")], same_store, same_file), Verdict::Adopted);
    }
    // An adoption is above what came before it, and that alone.
    assert_eq!(of_this_store(&[(5, 9, key), (6, 6, "adoption")]), Verdict::Adopted);
    assert_eq!(of_this_store(&[(4, 4, key), (5, 9, "adoption")]), Verdict::Another);
}

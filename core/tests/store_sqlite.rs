//! What only the SQLite store promises: several handles and processes on one file, foreign writers, files, crashes.
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
    io::{BufRead, BufReader},
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::{Command, Stdio},
};

use inspire_auth_core::{
    Id,
    store::{KeyChanges, Scheme, SqliteStore, Store},
};
use rusqlite::params;
use store_support::{Folder, add, by_name, credential, dump, foreign, key, names, write};

/// T40: what one handle revokes, the other's very next check knows.
#[test]
fn two_handles_see_each_others_commits_at_once() {
    let folder = Folder::new();
    let (a, b) = (folder.open(), folder.open());
    for n in 0..50 {
        let (row, generation) = add(&a, &format!("key-{n}"));
        assert_eq!(b.generation().unwrap(), generation);
        let generation = write(&b, |tx| tx.delete_key(row.id).unwrap());
        assert_eq!(a.generation().unwrap(), generation);
        assert!(by_name(&a, &row.name).is_none());
    }
}

/// T36, T40: the same between processes. The other process is this test binary, run again as a writer.
#[test]
fn two_processes_see_each_others_commits_at_once() {
    if let Some(store) = std::env::var_os(WRITE_TO) {
        return write_until_killed(store);
    }
    let folder = Folder::new();
    let store = folder.open();
    let mut seen = store.generation().unwrap();
    let mut writer = child("two_processes_see_each_others_commits_at_once", &folder);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    while acknowledged < 40 {
        let Some(generation) = acknowledgement(&lines.next().unwrap().unwrap()) else { continue };
        // Its commit returned before it wrote the line, so this call must see it (or a later one).
        let now = store.generation().unwrap();
        assert!(now >= generation, "{now} {generation}");
        if now > seen {
            let changes = store.changes_since(seen).unwrap();
            assert!(matches!(&changes.keys, KeyChanges::Only(keys) if !keys.is_empty()));
            seen = changes.generation;
        }
        acknowledged += 1;
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
}

/// T36: a writer that is killed at any moment loses nothing that it was told is written, and damages nothing.
#[test]
fn a_killed_writer_loses_no_acknowledged_write() {
    if let Some(store) = std::env::var_os(WRITE_TO) {
        return write_until_killed(store);
    }
    let folder = Folder::new();
    let mut acknowledged = 0;
    for round in 0_u64..12 {
        let mut writer = child("a_killed_writer_loses_no_acknowledged_write", &folder);
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // A varying number of commits, so that the kill falls into varying moments of the next one.
        let mut left = 1 + round % 4;
        let mut last = 0;
        while left > 0 {
            if let Some(generation) = acknowledgement(&lines.next().unwrap().unwrap()) {
                last = generation;
                left -= 1;
            }
        }
        std::thread::sleep(std::time::Duration::from_micros(round * 700));
        writer.kill().unwrap();
        writer.wait().unwrap();
        last = lines.map_while(Result::ok).filter_map(|line| acknowledgement(&line)).last().unwrap_or(last);

        let store = folder.open();
        assert!(store.generation().unwrap() >= last, "round {round}");
        acknowledged = last;
        drop(store);
        let sound: String = foreign(&folder.db()).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
    // Each commit added one key and its credential, whole or not at all.
    let keys = dump(&folder.open());
    assert!(keys.iter().all(|key| key.credentials.len() == 1));
    assert!(!keys.is_empty() && acknowledged > 0);
}

/// Makes a test the writer of the store that it names.
const WRITE_TO: &str = "INSPIRE_TEST_WRITE_TO";

fn child(test: &str, folder: &Folder) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WRITE_TO, folder.db())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn acknowledgement(line: &str) -> Option<u64> {
    // The harness may have written something before it on the same line.
    line.split_once("committed ")?.1.trim().parse().ok()
}

/// What the other process does: it is this very test, told by [`WRITE_TO`] to be the writer.
#[allow(clippy::print_stdout, reason = "its output is how it tells the first process")]
fn write_until_killed(path: std::ffi::OsString) {
    let store = SqliteStore::open(path).unwrap();
    for _ in 0..10_000 {
        let name = format!("k{}", Id::random().unwrap());
        let (_, generation) = add(&store, &name);
        println!("committed {generation}");
    }
}

#[test]
fn a_foreign_writer_is_logged_like_our_own() {
    let folder = Folder::new();
    let store = folder.open();
    let (a, _) = add(&store, "a");
    let (b, _) = add(&store, "b");
    let (c, mut since) = add(&store, "c");
    let shell = foreign(&folder.db());
    // As the sqlite3 shell has it: nothing switched on that is off by default there.
    shell.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF").unwrap();

    let mut expect = |sql: &str, ids: &[Id], license: bool| {
        shell.execute_batch(sql).unwrap();
        // Who reads the log sees it at once.
        let changes = store.changes_since(since).unwrap();
        let now = changes.generation;
        assert!(now > since, "{sql}");
        let KeyChanges::Only(keys) = changes.keys else { panic!("{sql}") };
        let mut expected = ids.to_vec();
        expected.sort();
        assert_eq!(keys.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), expected, "{sql}");
        assert_eq!(changes.license, license, "{sql}");
        since = now;
    };
    expect("UPDATE keys SET enabled = 0 WHERE name = 'a'", &[a.id], false);
    expect("UPDATE credentials SET hash = 'x'", &[a.id, b.id, c.id], false);
    expect("DELETE FROM credentials WHERE key_id = (SELECT id FROM keys WHERE name = 'b')", &[b.id], false);
    // The key that is replaced goes without a delete trigger, and must be in the log all the same.
    let other = Id::from_bytes([9; 16]);
    expect(
        "INSERT OR REPLACE INTO keys SELECT x'09090909090909090909090909090909', kind, name, description, levels, \
         require_secure, enabled, created_at, updated_at, expires_at, revision, seal, seal_key_id FROM keys \
         WHERE name = 'b'",
        &[b.id, other],
        false,
    );
    expect("UPDATE OR REPLACE keys SET name = 'c' WHERE name = 'b'", &[c.id, other], false);
    expect("DELETE FROM keys WHERE name = 'a'", &[a.id], false);
    expect("INSERT INTO license VALUES (1, x'00', 'k', 'offline', 1, 2, NULL, NULL, NULL, NULL)", &[], true);
    expect("UPDATE license SET refusal = 'LICENSE_SUSPENDED', refused_at = 3", &[], true);
    expect("UPDATE license_marks SET issued = 1; INSERT INTO license_marks VALUES ('k', 1)", &[], true);
    expect("INSERT INTO license_burials VALUES ('l', 1); DELETE FROM license", &[], true);
    assert_eq!(names(&store), ["c"]);
    assert_eq!(dump(&store)[0].key.id, other);
    // A check sees it within the second.
    let before = store.generation().unwrap();
    shell.execute_batch("DELETE FROM keys").unwrap();
    assert!(store.wait_for_change(before, std::time::Duration::from_secs(2)).unwrap() > before);
}

/// One damaged row must neither lock the others out, nor open anything.
#[test]
fn a_row_damaged_by_a_foreign_writer_is_refused_and_harms_nobody_else() {
    let folder = Folder::new();
    let store = folder.open();
    let (healthy, _) = add(&store, "healthy");
    let shell = foreign(&folder.db());
    shell.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF").unwrap();
    for (at, damage) in [
        "levels = 'not json'",
        "levels = '[1]'",
        "levels = x'ff'",
        "levels = '{}'",
        "enabled = 'yes'",
        "enabled = 2",
        "require_secure = 'x'",
        "expires_at = 'never'",
        "kind = x'ff'",
        "description = CAST(x'ff' AS TEXT)",
        "revision = -1",
        "created_at = 'x'",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("damaged-{at}");
        add(&store, &name);
        shell.execute(&format!("UPDATE keys SET {damage} WHERE name = ?1"), [&name]).unwrap();
        let found = by_name(&store, &name).unwrap().key;
        assert!(!found.enabled && found.levels.is_empty() && found.require_secure, "{damage}");
    }
    for (at, damage) in [
        "scheme = 'argon3'",
        "scheme = x'00'",
        "hash = x'ff'",
        "tag = -1",
        "tag = 4294967296",
        "tag = 'x'",
        "tag_key_id = 'x'",
        "pepper_id = x'ff'",
        "origin = 'x'",
        "strength = 'x'",
        "not_after = 'x'",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("credential-{at}");
        let (row, _) = add(&store, &name);
        let sql = format!("UPDATE credentials SET {damage} WHERE key_id = ?1");
        shell.execute(&sql, [row.id.to_bytes()]).unwrap();
        let found = by_name(&store, &name).unwrap();
        assert_eq!(found.credentials[0].scheme, Scheme::Unknown, "{damage}");
    }
    // Damaged seals do not fit; they are not missing.
    let (_, before) = add(&store, "seal");
    shell.execute_batch("UPDATE keys SET seal = 'text', seal_key_id = x'ff' WHERE name = 'seal'").unwrap();
    assert_eq!(by_name(&store, "seal").unwrap().key.seal, Some(vec![]));
    // Rows nobody can present are left out.
    for (name, sql) in [
        ("gone-1", "UPDATE keys SET id = 'short' WHERE name = ?1"),
        ("gone-2", "UPDATE keys SET name = x'ff' WHERE name = ?1"),
    ] {
        add(&store, name);
        shell.execute(sql, [name]).unwrap();
        assert!(by_name(&store, name).is_none(), "{sql}");
    }
    shell.execute_batch("UPDATE keys SET id = zeroblob(16) WHERE name = 'damaged-0'").unwrap();
    shell.execute_batch("INSERT INTO changes VALUES (9000000, x'00', 'of the future', 'x')").unwrap();
    assert!(matches!(store.changes_since(before).unwrap().keys, KeyChanges::Everything));
    let all = dump(&store);
    assert!(all.iter().any(|found| found.key == healthy && found.credentials[0].scheme == Scheme::Argon2));
    assert!(all.iter().all(|found| !found.key.name.starts_with("gone")));
}

/// T36: whatever the umask, nobody else can read what the library makes.
#[test]
fn every_file_has_mode_0600_or_that_of_the_database() {
    let folder = Folder::new();
    let store = folder.open();
    let (row, _) = add(&store, "a");
    store.note_used(&[(row.id, 1)]).unwrap();
    let modes = || {
        let mut modes: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                (entry.file_name().into_string().unwrap(), meta.permissions().mode() & 0o777, meta.uid())
            })
            .collect();
        modes.sort();
        modes
    };
    let made = modes();
    let files: Vec<_> = made.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        files,
        [
            "store.db",
            "store.db-shm",
            "store.db-wal",
            "store.db.activity",
            "store.db.activity-shm",
            "store.db.activity-wal",
            "store.db.gen"
        ]
    );
    assert!(made.iter().all(|(_, mode, _)| *mode == 0o600), "{made:?}");

    // The orderly end leaves the three files alone. What is made beside a database of another mode and owner (which only
    // root can show) has those.
    drop(store);
    assert_eq!(modes().len(), 3);
    std::fs::remove_file(folder.path().join("store.db.activity")).unwrap();
    std::fs::set_permissions(folder.db(), PermissionsExt::from_mode(0o640)).unwrap();
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let owner = if root { 12345 } else { std::fs::metadata(folder.db()).unwrap().uid() };
    std::os::unix::fs::chown(folder.db(), Some(owner), None).unwrap();
    let store = folder.open();
    add(&store, "b");
    store.note_used(&[(row.id, 1)]).unwrap();
    store.backup(&folder.path().join("copy.db")).unwrap();
    let made = modes();
    assert_eq!(made.len(), 8);
    assert!(made.iter().all(|(_, mode, uid)| (*mode, *uid) == (0o640, owner)), "{made:?}");
}

/// T36: a link to a store leads to it; a link to nothing makes nothing.
#[test]
fn symbolic_links_are_followed_once_and_never_created_through() {
    let folder = Folder::new();
    add(&folder.open(), "a");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.db(), &link).unwrap();
    let (direct, linked) = (folder.open(), SqliteStore::open(&link).unwrap());
    assert_eq!(direct.path(), linked.path());
    let (_, generation) = add(&linked, "b");
    assert_eq!(direct.generation().unwrap(), generation);
    // Swinging the link moves no running handle.
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
    assert_eq!(names(&linked), ["a", "b"]);
    assert!(SqliteStore::open(&link).is_err());
    assert!(!folder.path().join("elsewhere").exists());
    // Two names of one file would have a log each.
    std::fs::hard_link(folder.db(), folder.path().join("second.db")).unwrap();
    assert!(SqliteStore::open(folder.path().join("second.db")).is_err());
}

#[test]
fn many_handles_can_be_the_first() {
    let folder = Folder::new();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let path = folder.db();
            std::thread::spawn(move || {
                let store = SqliteStore::open(path).unwrap();
                add(&store, &format!("k{n}"));
                store.tag_key().unwrap().secret.to_vec()
            })
        })
        .collect();
    let secrets: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]), "one store, one tag key");
    assert_eq!(names(&folder.open()).len(), 8);
}

#[test]
fn what_a_store_needs_is_switched_on() {
    let folder = Folder::new();
    let store = folder.open();
    let (row, _) = add(&store, "a");
    let pragma = |sql| foreign(&folder.db()).query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(pragma("PRAGMA application_id"), 0x696E_7370);
    assert_eq!(pragma("PRAGMA user_version"), 1);
    let mode: String = foreign(&folder.db()).query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    // A hash that was deleted is gone from the file, not only unlinked in it.
    let mut marked = credential(&row, 2);
    marked.hash = "find-me-if-you-can".into();
    write(&store, |tx| tx.insert_credential(&marked).unwrap());
    write(&store, |tx| tx.delete_credential(marked.id).unwrap());
    drop(store);
    let bytes = std::fs::read(folder.db()).unwrap();
    assert!(!bytes.windows(marked.hash.len()).any(|window| window == marked.hash.as_bytes()));
}

/// The log does not grow for ever; who slept longer than it reaches loads everything.
#[test]
fn the_log_is_trimmed_and_a_late_reader_reloads() {
    let folder = Folder::new();
    let (store, late) = (folder.open(), folder.open());
    let (_, since) = add(&store, "a");
    assert_eq!(late.generation().unwrap(), since);
    // What 150,000 changes would leave, in one statement.
    foreign(&folder.db())
        .execute_batch(
            "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
             INSERT INTO changes SELECT generation + i, randomblob(16), 'key', zeroblob(16) FROM n, meta;
             UPDATE meta SET (generation, token) =
                 (SELECT generation, token FROM changes ORDER BY generation DESC LIMIT 1); COMMIT",
        )
        .unwrap();
    for n in 0..1100 {
        write(&store, |tx| tx.raise_license_mark("k", n).unwrap());
        if n == 0 {
            // Adoptions stay in the log, which says nothing about how far back it goes.
            store.adopt().unwrap();
        }
    }
    let rows: i64 = foreign(&folder.db()).query_row("SELECT count(*) FROM changes", [], |row| row.get(0)).unwrap();
    assert!((100_000..=101_100).contains(&rows), "{rows}");
    assert!(late.generation().unwrap() > since);
    assert!(matches!(late.changes_since(since).unwrap().keys, KeyChanges::Everything));
    assert_eq!(names(&late), ["a"]);
}

#[test]
fn activity_that_is_missing_or_damaged_stands_in_nobodys_way() {
    let folder = Folder::new();
    let activity = folder.path().join("store.db.activity");
    std::fs::write(&activity, b"this is no database at all, and long enough to say so".repeat(20)).unwrap();
    let store = folder.open();
    let (row, generation) = add(&store, "a");
    assert!(store.note_used(&[(row.id, 1)]).is_err());
    assert!(store.audit(1).is_err());
    assert_eq!(store.generation().unwrap(), generation);
    assert!(by_name(&store, "a").is_some());
    // Gone, it is made anew; and again when it goes while it is open.
    for at in 1..3 {
        for file in ["store.db.activity", "store.db.activity-wal", "store.db.activity-shm"] {
            let _ = std::fs::remove_file(folder.path().join(file));
        }
        store.note_used(&[(row.id, at)]).unwrap();
        assert_eq!(store.last_used(row.id).unwrap(), Some(at));
    }
    // Somebody else's database is left as it is.
    drop(store);
    std::fs::remove_file(&activity).unwrap();
    foreign(&activity).execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let store = folder.open();
    assert!(store.note_used(&[(row.id, 1)]).is_err());
    assert_eq!(foreign(&activity).query_row("SELECT x FROM theirs", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

/// Hashes and tags in a failed statement are not in the error.
#[test]
fn errors_hold_no_data() {
    let folder = Folder::new();
    let store = folder.open();
    let (row, _) = add(&store, "a");
    foreign(&folder.db())
        .execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON credentials BEGIN SELECT RAISE(ABORT, 'the-secret-hash'); END",
            params![],
        )
        .unwrap();
    let mut secret = credential(&row, 1);
    secret.hash = "the-secret-hash".into();
    let error = store.write(&mut |tx| tx.insert_credential(&secret)).unwrap_err();
    let mut text = format!("{error} {error:?}");
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(&format!("{error} {error:?}"));
        source = error.source();
    }
    assert!(!text.contains("the-secret-hash"), "{text}");
    assert!(!format!("{:?}", key("x")).is_empty());
}

//! Last use and audit, in a file of their own beside the database.
//!
//! They are written often and matter little, so they must neither move the generation, nor wait for the disk, nor
//! stand in the way of a check when their file is missing or damaged.

use std::path::PathBuf;

use inspire_auth_platform::fs;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Shared,
    connections::{Link, Manner},
    faults::{Fault, from_io, from_sqlite_at},
    rows,
};
use crate::{
    error::{Code, Error, Result},
    id::Id,
    store::AuditEvent,
};

/// `application_id` of an activity file: "insa".
const APPLICATION_ID: i32 = 0x696E_7361;
const VERSION: i32 = 1;
/// How many audit events are kept.
const AUDIT_KEPT: i64 = 1_000_000;

const SCHEMA: &str = "
CREATE TABLE last_used (key_id BLOB NOT NULL PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    code INTEGER NOT NULL
);
";

impl Shared {
    fn activity_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".activity");
        path.into()
    }

    /// Runs `body` in one transaction of the activity file, which is made when it is not there.
    fn activity<T>(
        &self,
        behavior: TransactionBehavior,
        body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let lanes = self.connections.lanes()?;
        // In WAL mode a reader waits for no writer; behind one connection it would wait for the writer's turn.
        let mine = match behavior {
            TransactionBehavior::Deferred => &lanes.activity_reader,
            _ => &lanes.activity,
        };
        let mut lane = mine.lock();
        let path = self.activity_path();
        let manner = Manner { synchronous: "NORMAL", max_pages: None, ..self.manner };
        if let Some(link) = &lane.value
            && !fs::identity(&path).is_ok_and(|file| file.same_file(&link.file))
        {
            lane.value = None;
        }
        let link = match &mut lane.value {
            Some(link) => link,
            none => {
                let file = || {
                    match fs::create_private(&path, Some(&self.path)) {
                        Ok(()) => {}
                        Err(_) if path.exists() => {}
                        Err(error) => return Err(from_io(error)),
                    }
                    fs::identity(&path).map_err(from_io)
                };
                let open = || {
                    let link = Link::open(&path, manner)?;
                    prepare(&link)?;
                    link.use_wal(&path, manner)?;
                    Ok(link)
                };
                match self.connections.opening_activity(&lanes, mine, file, open)? {
                    Some(link) => none.insert(link),
                    None => return Err(Error::with(Code::StoreLocked, "the former activity file is in use")),
                }
            }
        };
        (|| {
            let transaction = Transaction::new_unchecked(&link.connection, behavior)?;
            let done = body(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })()
        .map_err(|error| from_sqlite_at(&error, &path))
    }

    /// See `Store::note_used`.
    pub(super) fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.activity(TransactionBehavior::Immediate, |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO last_used (key_id, at) VALUES (?1, ?2) \
                 ON CONFLICT (key_id) DO UPDATE SET at = max(at, excluded.at)",
            )?;
            batch.iter().try_for_each(|(key, at)| insert.execute(params![key.to_bytes(), at]).map(drop))
        })
    }

    /// See `Store::last_used`.
    pub(super) fn last_used(&self, key: Id) -> Result<Option<i64>> {
        self.activity(TransactionBehavior::Deferred, |transaction| {
            transaction
                .prepare_cached("SELECT at FROM last_used WHERE key_id = ?1")?
                .query_row([key.to_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// When each key was last used, by id.
    pub(super) fn last_uses(&self) -> Result<Vec<(Id, i64)>> {
        let found = self.activity(TransactionBehavior::Deferred, |transaction| {
            transaction
                .prepare_cached("SELECT key_id, at FROM last_used ORDER BY key_id")?
                .query_map([], |row| Ok(rows::id(row.get_ref(0)?).zip(row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// See `Store::append_audit`.
    pub(super) fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        self.activity(TransactionBehavior::Immediate, |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO audit (at, event, actor, subject, detail, code) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for event in events {
                insert.execute(params![
                    event.at,
                    event.event,
                    event.actor,
                    event.subject,
                    event.detail,
                    event.code.number()
                ])?;
            }
            transaction
                .prepare_cached("DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - ?1")?
                .execute([AUDIT_KEPT])
                .map(drop)
        })
    }

    /// See `Store::audit`.
    pub(super) fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        let limit = rows::signed(u64::try_from(limit).unwrap_or(u64::MAX));
        self.activity(TransactionBehavior::Deferred, |transaction| {
            transaction
                .prepare_cached("SELECT at, event, actor, subject, detail, code FROM audit ORDER BY seq DESC LIMIT ?1")?
                .query_map([limit], |row| {
                    Ok(AuditEvent {
                        at: row.get(0)?,
                        event: row.get(1)?,
                        actor: row.get(2)?,
                        subject: row.get(3)?,
                        detail: row.get(4)?,
                        code: Code::from_number(row.get(5)?).unwrap_or(Code::Internal),
                    })
                })?
                .collect()
        })
    }
}

/// Makes the tables of a new activity file; refuses a file that is something else.
fn prepare(link: &Link) -> Result<()> {
    let connection = &link.connection;
    let marks = |connection: &rusqlite::Connection| -> rusqlite::Result<(i64, i64, i64)> {
        let number = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_master")?,
        ))
    };
    match marks(connection).fault()? {
        (application, version, _) if application == i64::from(APPLICATION_ID) => {
            return if version == i64::from(VERSION) { Ok(()) } else { Err(Code::StoreVersion.into()) };
        }
        (0, 0, 0) => {}
        _ => return Err(Error::with(Code::StoreCorrupt, "the activity file is not one of this library")),
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).fault()?;
    if marks(&transaction).fault()?.2 == 0 {
        transaction.execute_batch(SCHEMA).fault()?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).fault()?;
        transaction.pragma_update(None, "user_version", VERSION).fault()?;
    }
    transaction.commit().fault()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, Store};

    #[test]
    fn no_two_lanes_of_a_process_have_different_activity_files_open() {
        let folder = tempfile::tempdir().unwrap();
        let open = || SqliteStore::open(folder.path().join("store.db")).unwrap();
        let (store, sibling) = (open(), open());
        let key = Id::random().unwrap();
        for each in [&store, &sibling] {
            each.note_used(&[(key, 1)]).unwrap();
            assert_eq!(each.last_used(key).unwrap(), Some(1));
        }
        let shm = || std::fs::metadata(folder.path().join("store.db.activity-shm")).unwrap().len();
        assert!(shm() > 0);
        let replace = || std::fs::remove_file(store.shared.activity_path()).unwrap();
        for busy in [&store, &sibling] {
            replace();
            {
                let lanes = busy.shared.connections.lanes().unwrap();
                let reader = lanes.activity_reader.lock();
                assert!(reader.value.is_some());
                assert_eq!(store.note_used(&[(key, 2)]).unwrap_err().code(), Code::StoreLocked);
                assert!(shm() > 0, "nothing is cut under who is at work");
            }
            store.note_used(&[(key, 3)]).unwrap();
            for closed in [&store, &sibling] {
                let lanes = closed.shared.connections.lanes().unwrap();
                assert!(lanes.activity_reader.lock().value.is_none(), "closed before the new file was opened");
                assert_eq!(closed.last_used(key).unwrap(), Some(3));
            }
        }
        // What is busy with the file that is there is in nobody's way.
        let late = open();
        let lanes = store.shared.connections.lanes().unwrap();
        let _busy = (lanes.activity.lock(), lanes.activity_reader.lock());
        late.note_used(&[(key, 4)]).unwrap();
        assert_eq!(late.last_used(key).unwrap(), Some(4));
    }
}

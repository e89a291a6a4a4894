//! Last use and audit: written in batches, never told to anybody, and no reason for a check to fail.

use tokio_postgres::{Row, types::Type};

use super::{Shared, faults::Fault, rows::signed};
use crate::{
    error::{Code, Result},
    id::Id,
    store::AuditEvent,
};

/// How many audit events are kept.
const AUDIT_KEPT: i64 = 1_000_000;

impl Shared {
    /// Runs a statement that needs no other one beside it.
    fn alone(&self, sql: &str, parameters: &[super::link::Parameter<'_>]) -> Result<Vec<Row>> {
        let (desk, engine) = self.at_work()?;
        let mut lane = desk.writer.lock();
        let open = self.begin(&mut lane, &engine, &self.main, &self.note_begins)?;
        let done = self.session(&open).query(sql, parameters);
        open.end(done)
    }

    /// See `Store::note_used`.
    pub(super) fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        // In one order whoever writes: no two batches wait for each other.
        let mut sorted = std::collections::BTreeMap::new();
        for (key, at) in batch {
            let noted = sorted.entry(*key).or_insert(*at);
            *noted = (*noted).max(*at);
        }
        let keys: Vec<_> = sorted.keys().map(|key| key.to_bytes().to_vec()).collect();
        let times: Vec<_> = sorted.values().copied().collect();
        let sql = "INSERT INTO last_used AS l (key_id, at) SELECT * FROM unnest($1, $2) \
                   ON CONFLICT (key_id) DO UPDATE SET at = excluded.at WHERE l.at < excluded.at";
        self.alone(sql, &[(&keys, Type::BYTEA_ARRAY), (&times, Type::INT8_ARRAY)]).map(drop)
    }

    /// See `Store::last_used`.
    pub(super) fn last_used(&self, key: Id) -> Result<Option<i64>> {
        let id = key.to_bytes();
        self.read(
            |desk| &desk.reader,
            |open| {
                let sql = "SELECT at FROM last_used WHERE key_id = $1";
                let found = self.session(open).query(sql, &[(&&id[..], Type::BYTEA)])?;
                found.first().map(|row| row.try_get(0).fault()).transpose()
            },
        )
    }

    /// When each key was last used, by id.
    pub(super) fn last_uses(&self) -> Result<Vec<(Id, i64)>> {
        self.read(
            |desk| &desk.reader,
            |open| {
                let found = self.session(open).query("SELECT key_id, at FROM last_used ORDER BY key_id", &[])?;
                let read = |row: &Row| super::rows::id(row.try_get(0).ok()?).zip(row.try_get(1).ok());
                Ok(found.iter().filter_map(read).collect())
            },
        )
    }

    /// See `Store::append_audit`.
    pub(super) fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        // No text here has a NUL character; an event that had one is worth more than it.
        let texts = |of: fn(&AuditEvent) -> &String| -> Vec<String> {
            events.iter().map(|event| of(event).replace('\0', "\u{fffd}")).collect()
        };
        let times: Vec<_> = events.iter().map(|event| event.at).collect();
        let codes: Vec<_> = events.iter().map(|event| i64::from(event.code.number())).collect();
        let sql = "INSERT INTO audit (at, event, actor, subject, detail, code) \
                   SELECT e.at, e.event, e.actor, e.subject, e.detail, e.code \
                   FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY \
                   AS e (at, event, actor, subject, detail, code, place) ORDER BY e.place";
        self.alone(
            sql,
            &[
                (&times, Type::INT8_ARRAY),
                (&texts(|event| &event.event), Type::TEXT_ARRAY),
                (&texts(|event| &event.actor), Type::TEXT_ARRAY),
                (&texts(|event| &event.subject), Type::TEXT_ARRAY),
                (&texts(|event| &event.detail), Type::TEXT_ARRAY),
                (&codes, Type::INT8_ARRAY),
            ],
        )?;
        let sql = "DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM audit) - $1";
        self.alone(sql, &[(&AUDIT_KEPT, Type::INT8)]).map(drop)
    }

    /// See `Store::audit`.
    pub(super) fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        let limit = signed(u64::try_from(limit).unwrap_or(u64::MAX));
        self.read(
            |desk| &desk.reader,
            |open| {
                let sql = "SELECT at, event, actor, subject, detail, code FROM audit ORDER BY seq DESC LIMIT $1";
                let read = |row: &Row| {
                    let code = row.try_get::<_, i64>(5).fault()?;
                    Ok(AuditEvent {
                        at: row.try_get(0).fault()?,
                        event: row.try_get(1).fault()?,
                        actor: row.try_get(2).fault()?,
                        subject: row.try_get(3).fault()?,
                        detail: row.try_get(4).fault()?,
                        code: u32::try_from(code).ok().and_then(Code::from_number).unwrap_or(Code::Internal),
                    })
                };
                self.session(open).query(sql, &[(&limit, Type::INT8)])?.iter().map(read).collect()
            },
        )
    }
}

//! All of it, to be copied.
//!
//! Of the licenses, the one that this handle goes by: all machines' or this machine's own.

use tokio_postgres::{Row, types::Type};
use zeroize::Zeroizing;

use super::{
    PostgresStore,
    faults::Fault,
    ledger::{self, Book, OPERATION},
    rows,
};
use crate::{
    error::Result,
    id::Id,
    store::{
        OperationRow, TagKey,
        copy::{Contents, Fill, PeriodRow, Read, Whole},
    },
};

impl Whole for Book<'_> {
    fn is_unused(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM meta WHERE generation = 1 AND NOT EXISTS (SELECT 1 FROM credit_periods)";
        Ok(!self.session.query(sql, &[])?.is_empty())
    }

    fn tag_key(&self) -> Result<TagKey> {
        let found = self.session.query("SELECT id, secret FROM tag_keys ORDER BY id LIMIT 1", &[])?;
        rows::tag_key(&found).ok_or_else(rows::no_tag_key)
    }

    fn set_tag_key(&mut self, key: &TagKey) -> Result<()> {
        let (id, secret) = (i64::from(key.id), Zeroizing::new(key.secret.to_vec()));
        let sql = "UPDATE tag_keys SET id = $1, secret = $2";
        self.session.query(sql, &[(&id, Type::INT8), (&*secret, Type::BYTEA)]).map(drop)
    }

    fn burials(&self) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT license_id, issued FROM license_burials WHERE scope = $1 ORDER BY license_id COLLATE \"C\"";
        let found = self.session.query(sql, &[(&self.session.scope, Type::TEXT)])?;
        found.iter().map(|row| Ok((row.try_get(0).fault()?, row.try_get(1).fault()?))).collect()
    }

    fn periods(&self) -> Result<Vec<PeriodRow>> {
        let sql = "SELECT tenant, period, used FROM credit_periods ORDER BY tenant COLLATE \"C\", period";
        let read = |row: &Row| {
            Ok(PeriodRow {
                tenant: row.try_get(0).fault()?,
                period: row.try_get(1).fault()?,
                used: row.try_get(2).fault()?,
            })
        };
        self.session.query(sql, &[])?.iter().map(read).collect()
    }

    fn operations(&self) -> Result<Vec<OperationRow>> {
        let sql = format!("SELECT {OPERATION} FROM credit_operations ORDER BY id COLLATE \"C\"");
        self.session.query(&sql, &[])?.iter().map(ledger::operation).collect()
    }
}

impl Contents for PostgresStore {
    fn read_whole(&self, body: &mut Read<'_>) -> Result<()> {
        let shared = &self.shared;
        shared.read(|desk| &desk.reader, |open| body(&shared.session(open), &shared.book(open)))
    }

    fn fill(&self, body: &mut Fill<'_>) -> Result<()> {
        let shared = &self.shared;
        shared.write(|open| body(&mut shared.session(open), &mut shared.book(open))).map(drop)
    }

    fn last_uses(&self) -> Result<Vec<(Id, i64)>> {
        self.shared.last_uses()
    }
}

//! All of it, to be copied.

use rusqlite::{Params, Row, params};

use super::{
    SqliteStore,
    faults::Fault,
    freshness::{read_mark, read_tag_key},
    ledger::{self, Book, OPERATION},
    write::Session,
};
use crate::{
    error::Result,
    id::Id,
    store::{
        OperationRow, TagKey,
        copy::{Contents, Fill, PeriodRow, Read, Whole},
    },
};

impl Book<'_> {
    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        let found = statement.query_map(parameters, read).fault()?;
        found.collect::<rusqlite::Result<_>>().fault()
    }
}

impl Whole for Book<'_> {
    fn is_unused(&self) -> Result<bool> {
        let consumed = self.all("SELECT 1 FROM credit_periods LIMIT 1", [], |_| Ok(()))?;
        Ok(read_mark(self.connection)?.generation == 1 && consumed.is_empty())
    }

    fn tag_key(&self) -> Result<TagKey> {
        read_tag_key(self.connection)
    }

    fn set_tag_key(&mut self, key: &TagKey) -> Result<()> {
        set_tag_key(self.connection, key)
    }

    fn burials(&self) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT license_id, issued FROM license_burials ORDER BY license_id";
        self.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn periods(&self) -> Result<Vec<PeriodRow>> {
        let sql = "SELECT tenant, period, used FROM credit_periods ORDER BY tenant, period";
        self.all(sql, [], |row| Ok(PeriodRow { tenant: row.get(0)?, period: row.get(1)?, used: row.get(2)? }))
    }

    fn operations(&self) -> Result<Vec<OperationRow>> {
        self.all(&format!("SELECT {OPERATION} FROM credit_operations ORDER BY id"), [], ledger::operation)
    }
}

/// Has the store's tags made under another key from now on.
pub(super) fn set_tag_key(connection: &rusqlite::Connection, key: &TagKey) -> Result<()> {
    let parameters = params![key.id, &key.secret[..]];
    connection.execute("UPDATE tag_keys SET id = ?1, secret = ?2", parameters).fault().map(drop)
}

impl Contents for SqliteStore {
    fn read_whole(&self, body: &mut Read<'_>) -> Result<()> {
        self.shared.read(|_, connection| body(&Session::new(connection), &Book { connection }))
    }

    fn fill(&self, body: &mut Fill<'_>) -> Result<()> {
        self.shared.write(|connection| body(&mut Session::new(connection), &mut Book { connection })).map(drop)
    }

    fn last_uses(&self) -> Result<Vec<(Id, i64)>> {
        self.shared.last_uses()
    }
}

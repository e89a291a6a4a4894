//! The book of consumptions.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{faults::Fault, write::Session};
use crate::{
    error::Result,
    store::{Ledger, OperationRow, Reader, SeenRow},
};

/// One transaction's view of the book.
pub(super) struct Book<'a> {
    pub(super) connection: &'a Connection,
}

/// The columns of a consumption, as [`operation`] reads them.
pub(super) const OPERATION: &str = "id, tenant, period, amount, refunded";

/// A row of them.
pub(super) fn operation(row: &Row<'_>) -> rusqlite::Result<OperationRow> {
    Ok(OperationRow {
        id: row.get(0)?,
        tenant: row.get(1)?,
        period: row.get(2)?,
        amount: row.get(3)?,
        is_refunded: row.get(4)?,
    })
}

impl Ledger for Book<'_> {
    fn last_period(&self, at_most: i64) -> Result<Option<i64>> {
        let sql = "SELECT max(period) FROM credit_periods WHERE period <= ?1";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        statement.query_row([at_most], |row| row.get(0)).fault()
    }

    fn used(&self, tenant: &str, period: i64) -> Result<i64> {
        let sql = "SELECT used FROM credit_periods WHERE tenant = ?1 AND period = ?2";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        Ok(statement.query_row(params![tenant, period], |row| row.get(0)).optional().fault()?.unwrap_or(0))
    }

    fn set_used(&mut self, tenant: &str, period: i64, used: i64) -> Result<()> {
        let sql = "INSERT INTO credit_periods (tenant, period, used) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (tenant, period) DO UPDATE SET used = ?3";
        self.connection.prepare_cached(sql).fault()?.execute(params![tenant, period, used]).fault()?;
        Ok(())
    }

    fn operation(&self, id: &str) -> Result<Option<OperationRow>> {
        let sql = format!("SELECT {OPERATION} FROM credit_operations WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql).fault()?;
        statement.query_row([id], operation).optional().fault()
    }

    fn put_operation(&mut self, operation: &OperationRow) -> Result<()> {
        let OperationRow { id, tenant, period, amount, is_refunded } = operation;
        let sql = "INSERT INTO credit_operations (id, tenant, period, amount, refunded) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (id) DO UPDATE SET tenant = ?2, period = ?3, amount = ?4, refunded = ?5";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        statement.execute(params![id, tenant, period, amount, is_refunded]).fault()?;
        Ok(())
    }

    fn forget_operations_before(&mut self, period: i64) -> Result<()> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM credit_operations WHERE period < ?1").fault()?;
        statement.execute([period]).fault()?;
        Ok(())
    }

    fn seen(&self) -> Result<Option<SeenRow>> {
        let sql = "SELECT at, boot, anchor, uptime FROM clock_seen";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        let found = statement.query_row([], |row| {
            Ok(SeenRow { at: row.get(0)?, boot: row.get(1)?, anchor: row.get(2)?, uptime: row.get(3)? })
        });
        found.optional().fault()
    }

    fn set_seen(&mut self, seen: &SeenRow) -> Result<()> {
        let SeenRow { at, boot, anchor, uptime } = seen;
        let sql = "INSERT INTO clock_seen (id, at, boot, anchor, uptime) VALUES (1, ?1, ?2, ?3, ?4) \
                   ON CONFLICT (id) DO UPDATE SET at = ?1, boot = ?2, anchor = ?3, uptime = ?4";
        self.connection.prepare_cached(sql).fault()?.execute(params![at, boot, anchor, uptime]).fault()?;
        Ok(())
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        Session::new(self.connection).license_marks()
    }
}

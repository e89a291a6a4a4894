//! The book of consumptions, one for all machines.

use tokio_postgres::{Row, types::Type};

use super::{faults::Fault, link::Parameter, session::Session};
use crate::{
    error::Result,
    store::{Ledger, OperationRow, Reader, SeenRow},
};

/// One transaction's view of the book.
pub(super) struct Book<'a> {
    pub(super) session: Session<'a>,
    /// Whose clock is meant: what one machine's shows says nothing of another's. Nothing is noted of one that is not known.
    pub(super) machine: Option<&'a str>,
}

/// The columns of a consumption, in the order of [`operation`].
pub(super) const OPERATION: &str = "id, tenant, period, amount, refunded";

pub(super) fn operation(row: &Row) -> Result<OperationRow> {
    Ok(OperationRow {
        id: row.try_get(0).fault()?,
        tenant: row.try_get(1).fault()?,
        period: row.try_get(2).fault()?,
        amount: row.try_get(3).fault()?,
        is_refunded: row.try_get(4).fault()?,
    })
}

impl Ledger for Book<'_> {
    fn last_period(&self, at_most: i64) -> Result<Option<i64>> {
        let sql = "SELECT max(period) FROM credit_periods WHERE period <= $1";
        let found = self.session.query(sql, &[(&at_most, Type::INT8)])?;
        Ok(found.first().map(|row| row.try_get(0).fault()).transpose()?.flatten())
    }

    fn used(&self, tenant: &str, period: i64) -> Result<i64> {
        let sql = "SELECT used FROM credit_periods WHERE tenant = $1 AND period = $2";
        let found = self.session.query(sql, &[(&tenant, Type::TEXT), (&period, Type::INT8)])?;
        Ok(found.first().map(|row| row.try_get(0).fault()).transpose()?.unwrap_or(0))
    }

    fn set_used(&mut self, tenant: &str, period: i64, used: i64) -> Result<()> {
        let sql = "INSERT INTO credit_periods (tenant, period, used) VALUES ($1, $2, $3) \
                   ON CONFLICT (tenant, period) DO UPDATE SET used = $3";
        let parameters: [Parameter<'_>; 3] = [(&tenant, Type::TEXT), (&period, Type::INT8), (&used, Type::INT8)];
        self.session.query(sql, &parameters).map(drop)
    }

    fn operation(&self, id: &str) -> Result<Option<OperationRow>> {
        let sql = format!("SELECT {OPERATION} FROM credit_operations WHERE id = $1");
        self.session.query(&sql, &[(&id, Type::TEXT)])?.first().map(self::operation).transpose()
    }

    fn put_operation(&mut self, operation: &OperationRow) -> Result<()> {
        let sql = "INSERT INTO credit_operations (id, tenant, period, amount, refunded) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET tenant = $2, period = $3, amount = $4, refunded = $5";
        let parameters: [Parameter<'_>; 5] = [
            (&operation.id, Type::TEXT),
            (&operation.tenant, Type::TEXT),
            (&operation.period, Type::INT8),
            (&operation.amount, Type::INT8),
            (&operation.is_refunded, Type::BOOL),
        ];
        self.session.query(sql, &parameters).map(drop)
    }

    fn forget_operations_before(&mut self, period: i64) -> Result<()> {
        self.session.query("DELETE FROM credit_operations WHERE period < $1", &[(&period, Type::INT8)]).map(drop)
    }

    fn seen(&self) -> Result<Option<SeenRow>> {
        let Some(machine) = self.machine else { return Ok(None) };
        let sql = "SELECT at, boot, anchor, uptime FROM clock_seen WHERE machine = $1";
        let found = self.session.query(sql, &[(&machine, Type::TEXT)])?;
        let read = |row: &Row| {
            Ok(SeenRow {
                at: row.try_get(0).fault()?,
                boot: row.try_get(1).fault()?,
                anchor: row.try_get(2).fault()?,
                uptime: row.try_get(3).fault()?,
            })
        };
        found.first().map(read).transpose()
    }

    fn set_seen(&mut self, seen: &SeenRow) -> Result<()> {
        let Some(machine) = self.machine else { return Ok(()) };
        let sql = "INSERT INTO clock_seen (machine, at, boot, anchor, uptime) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (machine) DO UPDATE SET at = $2, boot = $3, anchor = $4, uptime = $5";
        let parameters: [Parameter<'_>; 5] = [
            (&machine, Type::TEXT),
            (&seen.at, Type::INT8),
            (&seen.boot, Type::TEXT),
            (&seen.anchor, Type::INT8),
            (&seen.uptime, Type::INT8),
        ];
        self.session.query(sql, &parameters).map(drop)
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        self.session.license_marks()
    }
}

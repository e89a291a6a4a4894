//! The book of consumptions.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    store::{Ledger, OperationRow, SeenRow},
};

/// What has been consumed.
#[derive(Debug, Default, Clone)]
pub(super) struct Book {
    used: BTreeMap<(String, i64), i64>,
    operations: BTreeMap<String, OperationRow>,
    seen: Option<SeenRow>,
}

/// A book being written.
pub(super) struct Entries {
    pub(super) book: Book,
    pub(super) marks: Vec<(String, i64)>,
}

impl Ledger for Entries {
    fn last_period(&self, at_most: i64) -> Result<Option<i64>> {
        Ok(self.book.used.keys().map(|(_, period)| *period).filter(|period| *period <= at_most).max())
    }

    fn used(&self, tenant: &str, period: i64) -> Result<i64> {
        Ok(self.book.used.get(&(tenant.to_owned(), period)).copied().unwrap_or(0))
    }

    fn set_used(&mut self, tenant: &str, period: i64, used: i64) -> Result<()> {
        self.book.used.insert((tenant.to_owned(), period), used);
        Ok(())
    }

    fn operation(&self, id: &str) -> Result<Option<OperationRow>> {
        Ok(self.book.operations.get(id).cloned())
    }

    fn put_operation(&mut self, operation: &OperationRow) -> Result<()> {
        self.book.operations.insert(operation.id.clone(), operation.clone());
        Ok(())
    }

    fn forget_operations_before(&mut self, period: i64) -> Result<()> {
        self.book.operations.retain(|_, operation| operation.period >= period);
        Ok(())
    }

    fn seen(&self) -> Result<Option<SeenRow>> {
        Ok(self.book.seen.clone())
    }

    fn set_seen(&mut self, seen: &SeenRow) -> Result<()> {
        self.book.seen = Some(seen.clone());
        Ok(())
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        Ok(self.marks.clone())
    }
}

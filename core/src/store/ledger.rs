//! The book of what has been consumed, and of the time that was seen: kept beside the keys, and apart from their generation,
//! which no entry moves.

use crate::error::Result;

/// One consumption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    /// The host's own name of it, unique as long as it is kept.
    pub id: String,
    /// The tenant that it was for; empty where there are none.
    pub tenant: String,
    /// The month: 12 times the year, plus 0 for January.
    pub period: i64,
    /// How many.
    pub amount: i64,
    /// Whether they were given back.
    pub is_refunded: bool,
}

/// The newest time that was seen here, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// Unix seconds.
    pub at: i64,
    /// The boot in which `anchor` was seen; empty where the system does not tell.
    pub boot: String,
    /// The first time that was seen in that boot, Unix seconds.
    pub anchor: i64,
    /// Seconds since that boot, then.
    pub uptime: i64,
}

/// Reads and writes the book inside one write transaction, alone among all writers of all processes.
pub trait Ledger {
    /// The newest period, of those up to this one, in which anything was consumed.
    ///
    /// # Errors
    /// A `STORE_*` code by cause; so for every method of this trait.
    fn last_period(&self, at_most: i64) -> Result<Option<i64>>;
    /// What a tenant has consumed in a period; of the whole installation, where its name is empty.
    #[allow(clippy::missing_errors_doc)]
    fn used(&self, tenant: &str, period: i64) -> Result<i64>;
    /// Sets it.
    #[allow(clippy::missing_errors_doc)]
    fn set_used(&mut self, tenant: &str, period: i64, used: i64) -> Result<()>;
    /// A consumption that is kept.
    #[allow(clippy::missing_errors_doc)]
    fn operation(&self, id: &str) -> Result<Option<OperationRow>>;
    /// Enters a consumption, in the place of a former entry of its id.
    #[allow(clippy::missing_errors_doc)]
    fn put_operation(&mut self, operation: &OperationRow) -> Result<()>;
    /// Removes the consumptions of all periods before this one; what was used in them stays.
    #[allow(clippy::missing_errors_doc)]
    fn forget_operations_before(&mut self, period: i64) -> Result<()>;
    /// The newest time that was seen.
    #[allow(clippy::missing_errors_doc)]
    fn seen(&self) -> Result<Option<SeenRow>>;
    /// Sets it.
    #[allow(clippy::missing_errors_doc)]
    fn set_seen(&mut self, seen: &SeenRow) -> Result<()>;
    /// As [`Reader::license_marks`](super::Reader::license_marks).
    #[allow(clippy::missing_errors_doc)]
    fn license_marks(&self) -> Result<Vec<(String, i64)>>;
}

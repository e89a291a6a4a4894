//! Credits: a monthly allocation of the license (`AI_CREDITS_MONTHLY`), and what has been consumed of it.
//!
//! A consumption is one durable transaction of the store, so that any number of threads and processes share one
//! allocation, and has a name of the host's, so that a call whose answer got lost can be repeated. The allocation is always
//! the verified license's, never the store's.

use super::{License, limits, time};
use crate::{
    clock,
    error::{Code, Error, Result},
    store::{Ledger, OperationRow},
};

/// The limit that is consumed.
const LIMIT: &str = "AI_CREDITS_MONTHLY";
/// The longest name of a tenant or an operation, in bytes.
const MAX_NAME: usize = 255;

/// A part of an installation, with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant<'a> {
    /// Its name: 1 to 255 bytes.
    pub name: &'a str,
    /// Its limit; -1 is the license's.
    pub limit: i64,
}

impl Tenant<'_> {
    /// The limit that holds: the smaller of the license's and the tenant's, where -1 is none. A tenant's -1 is the
    /// license's limit.
    #[must_use]
    pub fn effective(&self, license: i64) -> i64 {
        match (license, self.limit) {
            (limits::UNLIMITED, tenant) => tenant,
            (license, limits::UNLIMITED) => license,
            (license, tenant) => license.min(tenant),
        }
    }
}

/// What is left of an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// The allocation a month; -1 is unlimited. 0 without an active license.
    pub limit: i64,
    /// Consumed this month.
    pub used: i64,
    /// What can still be consumed; -1 is without a bound. For a tenant, no more than the whole installation has left.
    pub left: i64,
    /// The month, in UTC: `2027-01`.
    pub period: String,
    /// Unix seconds of the next month's beginning.
    pub resets_at: i64,
}

impl License<'_> {
    /// Consumes credits, if so many are left: of the tenant, and of the whole installation. `operation` is the host's own
    /// name of what they are for (1 to 255 bytes). It is kept this month and the next, and whoever asks again with it gets
    /// the same answer and consumes nothing.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when fewer are left, which is not remembered, or when the license is not active (the detail says
    /// why); `CONFLICT` for a name that was used with another amount or tenant, or that was refunded; `INVALID_ARGUMENT`
    /// for an amount below 1 or a name that is too short or long; a `STORE_*` code: then it is not known whether they were
    /// consumed, and the same call says.
    pub fn consume(
        &self,
        amount: i64,
        operation: &str,
        tenant: Option<&Tenant<'_>>,
        now: Option<i64>,
    ) -> Result<Balance> {
        if amount < 1 {
            return Err(Error::with(Code::InvalidArgument, "amount is at least 1"));
        }
        check_name(operation, "an operation")?;
        self.on_the_book(tenant, now, &mut |account, ledger| {
            if let Some(known) = ledger.operation(operation)? {
                return match known {
                    OperationRow { is_refunded: true, .. } => {
                        Err(Error::with(Code::Conflict, "this operation was refunded"))
                    }
                    known if known.amount == amount && known.tenant == account.tenant => Ok(()),
                    _ => Err(Error::with(Code::Conflict, "this operation was for another amount or tenant")),
                };
            }
            let left = account.left(ledger)?;
            if left != limits::UNLIMITED && left < amount {
                return Err(Error::with(Code::LimitExceeded, account.why_not(left)));
            }
            account.add(ledger, account.period, amount)?;
            let (id, tenant) = (operation.to_owned(), account.tenant.to_owned());
            ledger.put_operation(&OperationRow { id, tenant, period: account.period, amount, is_refunded: false })?;
            ledger.forget_operations_before(account.period.saturating_sub(1))
        })
    }

    /// Gives back what an operation consumed, once: again, it changes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` for an operation that is not known (any more); `CONFLICT` for one of another tenant; a `STORE_*` code.
    pub fn refund(&self, operation: &str, tenant: Option<&Tenant<'_>>, now: Option<i64>) -> Result<Balance> {
        self.on_the_book(tenant, now, &mut |account, ledger| {
            let mut known = ledger.operation(operation)?.ok_or(Error::new(Code::NotFound))?;
            if known.tenant != account.tenant {
                return Err(Error::with(Code::Conflict, "this operation was for another tenant"));
            }
            if !known.is_refunded {
                account.add(ledger, known.period, known.amount.saturating_neg())?;
                known.is_refunded = true;
                ledger.put_operation(&known)?;
            }
            Ok(())
        })
    }

    /// What is left this month.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a tenant whose name is too short or long, or whose limit is below -1; a `STORE_*` code.
    pub fn balance(&self, tenant: Option<&Tenant<'_>>, now: Option<i64>) -> Result<Balance> {
        self.on_the_book(tenant, now, &mut |_, _| Ok(()))
    }

    /// Whether `in_use` of a tenant, the new one included, and `in_use_by_all` of the whole installation are within the
    /// limit of this name: the tenant's effective one, and the license's.
    ///
    /// # Errors
    /// As [`License::check_limit`]; `INVALID_ARGUMENT` also for a tenant whose name is too short or long, or whose limit is below
    /// -1.
    pub fn check_tenant_limit(
        &self,
        name: &str,
        tenant: &Tenant<'_>,
        in_use: i64,
        in_use_by_all: i64,
        now: Option<i64>,
    ) -> Result<()> {
        check_tenant(tenant)?;
        if in_use < 0 || in_use_by_all < 0 {
            return Err(Error::with(Code::InvalidArgument, "in_use is negative"));
        }
        self.check_limit(name, in_use.max(in_use_by_all), now)?;
        let effective = tenant.effective(self.limit(name, now)?);
        match effective {
            limits::UNLIMITED => Ok(()),
            limit if in_use <= limit => Ok(()),
            limit => Err(Error::with(Code::LimitExceeded, format!("the tenant may have {limit}"))),
        }
    }

    /// Runs `body` on the book of this month, and says how it stands afterwards.
    fn on_the_book(
        &self,
        tenant: Option<&Tenant<'_>>,
        now: Option<i64>,
        body: &mut dyn FnMut(&Account<'_>, &mut dyn Ledger) -> Result<()>,
    ) -> Result<Balance> {
        tenant.map_or(Ok(()), check_tenant)?;
        let now = clock::resolve(now);
        self.inner.refresh()?;
        let allocation = self.inner.license.limit(LIMIT, now);
        let rules = self.inner.license.rules();
        let mut balance = None;
        self.inner.store.account(&mut |ledger| {
            let signed = rules.newest_mark(&ledger.license_marks()?, now);
            let period = period(ledger, time::month_of(now.max(signed.unwrap_or(now))))?;
            let account = Account {
                tenant: tenant.map(|tenant| tenant.name).unwrap_or_default(),
                limit: tenant.map_or(limits::UNLIMITED, |tenant| tenant.limit),
                allocation: &allocation,
                period,
            };
            body(&account, ledger)?;
            balance = Some(account.balance(ledger)?);
            Ok(())
        })?;
        balance.ok_or(Error::new(Code::Internal))
    }
}

/// Whose credits, and when.
struct Account<'a> {
    /// Empty: the whole installation's.
    tenant: &'a str,
    /// The tenant's own limit.
    limit: i64,
    /// The license's, or why it has none.
    allocation: &'a Result<i64, Code>,
    period: i64,
}

impl Account<'_> {
    fn allocation(&self) -> i64 {
        self.allocation.as_ref().copied().unwrap_or(0)
    }

    fn effective(&self) -> i64 {
        Tenant { name: self.tenant, limit: self.limit }.effective(self.allocation())
    }

    /// What can be consumed: no more than the tenant has left, nor the installation.
    fn left(&self, ledger: &dyn Ledger) -> Result<i64> {
        let of_all = left(self.allocation(), ledger.used("", self.period)?);
        let own = left(self.effective(), ledger.used(self.tenant, self.period)?);
        Ok(Tenant { name: self.tenant, limit: own }.effective(of_all))
    }

    /// Enters so many more in a period: the tenant's, and in the sum over all.
    fn add(&self, ledger: &mut dyn Ledger, period: i64, amount: i64) -> Result<()> {
        let mut enter = |tenant: &str| {
            let used = ledger.used(tenant, period)?.saturating_add(amount).max(0);
            ledger.set_used(tenant, period, used)
        };
        enter("")?;
        if self.tenant.is_empty() { Ok(()) } else { enter(self.tenant) }
    }

    fn balance(&self, ledger: &dyn Ledger) -> Result<Balance> {
        Ok(Balance {
            limit: self.effective(),
            used: ledger.used(self.tenant, self.period)?,
            left: self.left(ledger)?,
            period: time::month_name(self.period),
            resets_at: time::month_begins(self.period.saturating_add(1)),
        })
    }

    fn why_not(&self, left: i64) -> String {
        match self.allocation {
            Err(reason) => format!("the license is not active: {}", reason.name()),
            Ok(_) => format!("{left} are left until the month ends"),
        }
    }
}

fn left(limit: i64, used: i64) -> i64 {
    if limit == limits::UNLIMITED { limits::UNLIMITED } else { limit.saturating_sub(used).max(0) }
}

/// The month that is consumed from. It never goes back, so that no clock that is set back opens one again; but what a clock
/// far ahead has opened, more than a month from now, does not count.
fn period(ledger: &dyn Ledger, present: i64) -> Result<i64> {
    Ok(ledger.last_period(present.saturating_add(1))?.map_or(present, |last| last.max(present)))
}

fn check_tenant(tenant: &Tenant<'_>) -> Result<()> {
    check_name(tenant.name, "a tenant")?;
    if tenant.limit < limits::UNLIMITED {
        return Err(Error::with(Code::InvalidArgument, "a tenant's limit is -1 or more"));
    }
    Ok(())
}

fn check_name(name: &str, of: &str) -> Result<()> {
    if (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::with(Code::InvalidArgument, format!("the name of {of} has 1 to {MAX_NAME} bytes")))
}

#[cfg(test)]
mod tests;

//! Credits, and limits of tenants.

use inspire_auth_core::{
    Result,
    license::{Balance, Tenant as CoreTenant},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{moment, read, read_or_default, text},
    boundary::{run, start},
    license::License,
};

/// A part of an installation, with a limit of its own.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// Its name: 1 to 255 bytes.
    pub name: String,
    /// Its limit. Default -1: the license's.
    #[napi(ts_type = "number")]
    pub limit: Option<i64>,
}

impl Tenant {
    fn as_core(&self) -> CoreTenant<'_> {
        CoreTenant { name: &self.name, limit: self.limit.unwrap_or(-1) }
    }
}

/// Whose credits, and when.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreditOptions {
    /// Whose; not given, the whole installation's.
    pub tenant: Option<Tenant>,
    /// Unix seconds; not given, the system's clock.
    pub now: Option<i64>,
}

/// What is left of an allocation of credits.
#[napi(object, object_from_js = false)]
pub struct CreditBalance {
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

impl From<Balance> for CreditBalance {
    fn from(balance: Balance) -> Self {
        let Balance { limit, used, left, period, resets_at } = balance;
        Self { limit, used, left, period, resets_at }
    }
}

/// The limit that holds for a tenant: the smaller of the license's and its own, where -1 is none.
///
/// @param license the license's limit, such as `auth.license.limit('MAX_DISPLAYS')`
/// @throws InspireAuthError `INVALID_ARGUMENT`
/// @example
/// tenantEffective({ name: 'north', limit: 10 }, auth.license.limit('MAX_DISPLAYS')); // 10
#[napi(ts_args_type = "tenant: Tenant, license: number")]
pub fn tenant_effective(env: &Env, tenant: Unknown<'_>, license: Unknown<'_>) -> napi::Result<i64> {
    run(env, || {
        let tenant: Tenant = read(env, tenant, "tenant")?;
        Ok(tenant.as_core().effective(read(env, license, "license")?))
    })
}

impl License {
    fn consuming(
        &self,
        env: &Env,
        amount: Unknown<'_>,
        operation: Unknown<'_>,
        options: Unknown<'_>,
    ) -> Result<work!(CreditBalance)> {
        let (core, amount) = (self.handle.core()?, read::<i64>(env, amount, "amount")?);
        let operation = text(env, operation, "operation")?;
        let CreditOptions { tenant, now } = read_or_default(env, options, "options")?;
        Ok(move || {
            let tenant = tenant.as_ref().map(Tenant::as_core);
            core.license().consume(amount, &operation, tenant.as_ref(), now).map(CreditBalance::from)
        })
    }

    fn refunding(&self, env: &Env, operation: Unknown<'_>, options: Unknown<'_>) -> Result<work!(CreditBalance)> {
        let (core, operation) = (self.handle.core()?, text(env, operation, "operation")?);
        let CreditOptions { tenant, now } = read_or_default(env, options, "options")?;
        Ok(move || {
            let tenant = tenant.as_ref().map(Tenant::as_core);
            core.license().refund(&operation, tenant.as_ref(), now).map(CreditBalance::from)
        })
    }

    fn balancing(&self, env: &Env, options: Unknown<'_>) -> Result<work!(CreditBalance)> {
        let core = self.handle.core()?;
        let CreditOptions { tenant, now } = read_or_default(env, options, "options")?;
        Ok(move || {
            let tenant = tenant.as_ref().map(Tenant::as_core);
            core.license().balance(tenant.as_ref(), now).map(CreditBalance::from)
        })
    }
}

#[napi]
impl License {
    /// Consumes credits (`AI_CREDITS_MONTHLY`), if so many are left: of the tenant, and of the whole installation.
    ///
    /// @param amount how many, at least 1
    /// @param operation your own name of what they are for, 1 to 255 bytes: it is kept this month and the next, and whoever
    /// asks again with it gets the same answer and consumes nothing
    /// @throws InspireAuthError `LIMIT_EXCEEDED` when fewer are left, or the license is not active (the detail says why);
    /// `CONFLICT` when the operation was for another amount or tenant, or was refunded; `INVALID_ARGUMENT`; a `STORE_*`
    /// code: then it is not known whether they were consumed, and the same call says
    /// @example
    /// const { left } = await auth.license.consume(10, 'image-4711', { tenant: { name: 'north', limit: 500 } });
    #[napi(
        ts_args_type = "amount: number, operation: string, options?: CreditOptions | null",
        ts_return_type = "Promise<CreditBalance>"
    )]
    pub fn consume<'e>(
        &self,
        env: &'e Env,
        amount: Unknown<'e>,
        operation: Unknown<'e>,
        options: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.consuming(env, amount, operation, options))
    }

    /// {@link License.consume}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.consume}
    #[napi(ts_args_type = "amount: number, operation: string, options?: CreditOptions | null")]
    pub fn consume_sync(
        &self,
        env: &Env,
        amount: Unknown<'_>,
        operation: Unknown<'_>,
        options: Unknown<'_>,
    ) -> napi::Result<CreditBalance> {
        run(env, || self.consuming(env, amount, operation, options)?())
    }

    /// Gives back what an operation consumed, once: again, it changes nothing.
    ///
    /// @param options the tenant that consumed them
    /// @throws InspireAuthError `NOT_FOUND` for an operation that is not known (any more); `CONFLICT` for one of another
    /// tenant; `INVALID_ARGUMENT`; a `STORE_*` code
    /// @example
    /// await auth.license.refund('image-4711', { tenant: { name: 'north', limit: 500 } });
    #[napi(
        ts_args_type = "operation: string, options?: CreditOptions | null",
        ts_return_type = "Promise<CreditBalance>"
    )]
    pub fn refund<'e>(&self, env: &'e Env, operation: Unknown<'e>, options: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.refunding(env, operation, options))
    }

    /// {@link License.refund}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.refund}
    #[napi(ts_args_type = "operation: string, options?: CreditOptions | null")]
    pub fn refund_sync(&self, env: &Env, operation: Unknown<'_>, options: Unknown<'_>) -> napi::Result<CreditBalance> {
        run(env, || self.refunding(env, operation, options)?())
    }

    /// What is left of this month's credits.
    ///
    /// @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
    /// @example
    /// const { used, limit, resetsAt } = await auth.license.balance();
    #[napi(ts_args_type = "options?: CreditOptions | null", ts_return_type = "Promise<CreditBalance>")]
    pub fn balance<'e>(&self, env: &'e Env, options: Unknown<'e>) -> napi::Result<Unknown<'e>> {
        start(env, || self.balancing(env, options))
    }

    /// {@link License.balance}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.balance}
    #[napi(ts_args_type = "options?: CreditOptions | null")]
    pub fn balance_sync(&self, env: &Env, options: Unknown<'_>) -> napi::Result<CreditBalance> {
        run(env, || self.balancing(env, options)?())
    }

    /// Whether `inUse` of a tenant, the new one included, is within its limit, and `inUseByAll` of the whole installation
    /// within the license's.
    ///
    /// @throws InspireAuthError as {@link License.checkLimit}
    /// @example
    /// auth.license.checkTenantLimit('MAX_DISPLAYS', { name: 'north', limit: 10 }, north + 1, all + 1);
    #[napi(ts_args_type = "name: string, tenant: Tenant, inUse: number, inUseByAll: number, now?: number")]
    pub fn check_tenant_limit(
        &self,
        env: &Env,
        name: Unknown<'_>,
        tenant: Unknown<'_>,
        in_use: Unknown<'_>,
        in_use_by_all: Unknown<'_>,
        now: Unknown<'_>,
    ) -> napi::Result<()> {
        run(env, || {
            let (name, tenant) = (text(env, name, "name")?, read::<Tenant>(env, tenant, "tenant")?);
            let (in_use, in_use_by_all) = (read(env, in_use, "inUse")?, read(env, in_use_by_all, "inUseByAll")?);
            let (core, now) = (self.handle.core()?, moment(env, now)?);
            core.license().check_tenant_limit(&name, &tenant.as_core(), in_use, in_use_by_all, now)
        })
    }
}

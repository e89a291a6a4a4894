//! Credits and tenants.

use inspire_auth_core::{
    Result,
    license::{Balance, Tenant},
};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    ptr::{self, Growing},
    result::inspire_result,
    text::inspire_str,
};

/// A part of an installation, with a limit of its own.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_tenant {
    /// Its name: 1 to 255 bytes.
    pub name: inspire_str,
    /// Its limit; `INSPIRE_UNLIMITED` is the license's.
    pub limit: i64,
}

/// What is left of an allocation of credits. Begin with `INSPIRE_BALANCE_INIT`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_balance {
    /// `sizeof(inspire_balance)`, as `INSPIRE_BALANCE_INIT` sets it.
    pub struct_size: usize,
    /// The allocation a month; `INSPIRE_UNLIMITED`. 0 without an active license.
    pub limit: i64,
    /// Consumed this month.
    pub used: i64,
    /// What can still be consumed; `INSPIRE_UNLIMITED`.
    pub left: i64,
    /// Unix seconds of the next month's beginning, in UTC.
    pub resets_at: i64,
    /// The month, in UTC: 100 times the year, plus 1 for January, such as 202701.
    pub month: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: integers; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_balance {
    const FIRST_SIZE: usize = 48;
}
const _: () = assert!(size_of::<inspire_balance>() == 48 || size_of::<usize>() != 8);

/// # Safety
/// `tenant` is NULL, or live with its name.
unsafe fn read<'a>(tenant: *const inspire_tenant) -> Result<Option<Tenant<'a>>> {
    // SAFETY: the same contract.
    unsafe {
        ptr::optional(tenant)
            .map(|tenant| Ok(Tenant { name: ptr::text(tenant.name, "the tenant's name")?, limit: tenant.limit }))
            .transpose()
    }
}

/// The limit that holds for a tenant: the smaller of the license's and its own, where `INSPIRE_UNLIMITED` is none.
///
/// \param tenant whose; NULL for the whole installation's
/// \param license_limit the license's, as `inspire_license_limit` says
/// \return the limit, or `INSPIRE_UNLIMITED`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_tenant_effective(tenant: *const inspire_tenant, license_limit: i64) -> i64 {
    infallible(0, || {
        // SAFETY: NULL or live.
        let tenant = unsafe { ptr::optional(tenant) };
        tenant.map_or(license_limit, |tenant| Tenant { name: "", limit: tenant.limit }.effective(license_limit))
    })
}

fn balance(of: &Balance) -> inspire_balance {
    let month = of.period.split_once('-').and_then(|(year, month)| {
        let (year, month) = (year.parse::<u32>().ok()?, month.parse::<u32>().ok()?);
        year.checked_mul(100)?.checked_add(month)
    });
    inspire_balance {
        struct_size: size_of::<inspire_balance>(),
        limit: of.limit,
        used: of.used,
        left: of.left,
        resets_at: of.resets_at,
        month: month.unwrap_or(0),
        reserved: 0,
    }
}

/// Consumes credits (`AI_CREDITS_MONTHLY`), if so many are left: of the tenant, and of the whole installation.
///
/// \param auth the handle
/// \param amount how many, at least 1
/// \param operation your own name of what they are for, 1 to 255 bytes: it is kept this month and the next, and whoever asks
/// again with it gets the same answer and consumes nothing
/// \param tenant whose; NULL for the whole installation's
/// \param now Unix seconds; 0 is the system's clock
/// \param left set to what is left; may be NULL
/// \param err set on failure; may be NULL
/// \return `OK`; `LIMIT_EXCEEDED`, when fewer are left or the license is not active; `CONFLICT` for an operation that was for
/// another amount or tenant, or that was refunded; `INVALID_ARGUMENT`; a `STORE_...` code: then it is not known whether
/// they were consumed, and the same call says
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_credits_consume(
    auth: *const inspire_auth,
    amount: i64,
    operation: inspire_str,
    tenant: *const inspire_tenant,
    now: i64,
    left: *mut inspire_balance,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = if left.is_null() { None } else { Some(ptr::struct_out(left)?) };
            let (auth, operation, tenant) = (ptr::object(auth)?, ptr::text(operation, "the operation")?, read(tenant)?);
            let after = auth.core.license().consume(amount, operation, tenant.as_ref(), Some(now))?;
            if let Some(out) = out {
                out.give(&balance(&after));
            }
            Ok(())
        })
    }
}

/// Gives back what an operation consumed, once: again, it changes nothing.
///
/// \param auth the handle
/// \param operation the operation that consumed them
/// \param tenant whose; NULL for the whole installation's
/// \param now Unix seconds; 0 is the system's clock
/// \param left set to what is left; may be NULL
/// \param err set on failure; may be NULL
/// \return `OK`; `NOT_FOUND` for an operation that is not known (any more); `CONFLICT` for one of another tenant; a `STORE_...`
/// code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_credits_refund(
    auth: *const inspire_auth,
    operation: inspire_str,
    tenant: *const inspire_tenant,
    now: i64,
    left: *mut inspire_balance,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = if left.is_null() { None } else { Some(ptr::struct_out(left)?) };
            let (auth, operation, tenant) = (ptr::object(auth)?, ptr::text(operation, "the operation")?, read(tenant)?);
            let after = auth.core.license().refund(operation, tenant.as_ref(), Some(now))?;
            if let Some(out) = out {
                out.give(&balance(&after));
            }
            Ok(())
        })
    }
}

/// What is left this month.
///
/// \param auth the handle
/// \param tenant whose; NULL for the whole installation's
/// \param now Unix seconds; 0 is the system's clock
/// \param left set to what is left
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_credits_balance(
    auth: *const inspire_auth,
    tenant: *const inspire_tenant,
    now: i64,
    left: *mut inspire_balance,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::struct_out(left)?;
            let tenant = read(tenant)?;
            out.give(&balance(&ptr::object(auth)?.core.license().balance(tenant.as_ref(), Some(now))?));
            Ok(())
        })
    }
}

/// Whether so many of something are within a tenant's limit, and those of all tenants within the license's. Only `OK` says so.
///
/// \param auth the handle
/// \param name such as "MAX_DISPLAYS", in any case
/// \param tenant whose
/// \param in_use how many the tenant would have, the new one included; not negative
/// \param in_use_by_all how many the whole installation would have; not negative
/// \param now Unix seconds; 0 is the system's clock
/// \param err set on failure; may be NULL
/// \return `OK`; `LIMIT_EXCEEDED`; `INVALID_ARGUMENT`; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_check_tenant_limit(
    auth: *const inspire_auth,
    name: inspire_str,
    tenant: *const inspire_tenant,
    in_use: i64,
    in_use_by_all: i64,
    now: i64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let (auth, name) = (ptr::object(auth)?, ptr::text(name, "the limit")?);
            let tenant = read(tenant)?.ok_or_else(|| ptr::null("the tenant is NULL"))?;
            auth.core.license().check_tenant_limit(name, &tenant, in_use, in_use_by_all, Some(now))
        })
    }
}

//! What a host does with its license.

use crate::{
    auth::inspire_auth,
    boundary::boundary,
    caller::{self, inspire_caller},
    entitlement::inspire_entitlements,
    error::inspire_error,
    key_spec::yes_or_no,
    license::inspire_license,
    ptr,
    result::inspire_result,
    text::inspire_str,
};

/// Installs a license file with its license key, for offline use, in the place of what is installed. A failure changes
/// nothing.
///
/// \param auth the handle
/// \param license_key the license key that belongs to the file
/// \param file the bytes of the `.lic` file, at most 256 KiB
/// \param force 0, or 1 to install a file that is older than the installed one of the same license; never one that was
/// deactivated
/// \param caller who installs it; a principal needs the admin requirement
/// \param license set to the license as it is then; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL. Its detail names all checks that failed, when there are several
/// \return `OK`; the first check that fails: `LICENSE_...`, `CLOCK_ROLLBACK`, `MACHINE_MISMATCH`, `NOT_MACHINE_BOUND`,
/// `OFFLINE_NOT_ENTITLED`, `ENTITLEMENTS_NOT_INCLUDED`; `FINGERPRINT_UNAVAILABLE`; `PERMISSION_DENIED`; a `STORE_...`
/// code; `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_activate_offline(
    auth: *const inspire_auth,
    license_key: inspire_str,
    file: inspire_str,
    force: u32,
    caller: *const inspire_caller,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            let auth = ptr::object(auth)?;
            let (license_key, file) = (ptr::text(license_key, "the license key")?, ptr::bytes(file)?);
            let (force, caller) = (yes_or_no(force, "force")?, caller::read(caller)?);
            let status = auth.core.license().activate_offline(license_key, file, force, &caller.as_core())?;
            out.give(inspire_license::new(status));
            Ok(())
        })
    }
}

/// What is installed, and whether it is good. `OK` says only that this could be told: look at
/// `inspire_license_state`, or ask a gate (`inspire_license_check_entitlement`, `inspire_license_check_limit`).
///
/// \param auth the handle
/// \param now Unix seconds; 0 is the system's clock
/// \param license set to the license as it is; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_status(
    auth: *const inspire_auth,
    now: i64,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            out.give(inspire_license::new(ptr::object(auth)?.core.license().status(Some(now))?));
            Ok(())
        })
    }
}

/// Whether an entitlement is granted. Only `OK` says so.
///
/// \param auth the handle
/// \param code such as "VIDEO_WALL_SYNC", in any case
/// \param now Unix seconds; 0 is the system's clock
/// \param err set on failure; may be NULL
/// \return `OK`; `NOT_ENTITLED` when the license is active without it; `UNLICENSED` when there is none, else the
/// license's first failure; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_check_entitlement(
    auth: *const inspire_auth,
    code: inspire_str,
    now: i64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let auth = ptr::object(auth)?;
            auth.core.license().check_entitlement(ptr::text(code, "the entitlement")?, Some(now))
        })
    }
}

/// A limit.
///
/// \param auth the handle
/// \param name such as "MAX_DISPLAYS", in any case
/// \param now Unix seconds; 0 is the system's clock
/// \param limit set to the limit: `INSPIRE_UNLIMITED`, or 0 also when the license is not active or does not name it
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_limit(
    auth: *const inspire_auth,
    name: inspire_str,
    now: i64,
    limit: *mut i64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::value_out(limit)?;
            let auth = ptr::object(auth)?;
            out.give(auth.core.license().limit(ptr::text(name, "the limit")?, Some(now))?);
            Ok(())
        })
    }
}

/// Whether so many of something are within their limit. Only `OK` says so.
///
/// \param auth the handle
/// \param name such as "MAX_DISPLAYS", in any case
/// \param in_use how many there would be, the new one included; not negative
/// \param now Unix seconds; 0 is the system's clock
/// \param err set on failure; may be NULL. Its detail names the reason when the license is not active
/// \return `OK`; `LIMIT_EXCEEDED`; `INVALID_ARGUMENT`; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_check_limit(
    auth: *const inspire_auth,
    name: inspire_str,
    in_use: i64,
    now: i64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let auth = ptr::object(auth)?;
            auth.core.license().check_limit(ptr::text(name, "the limit")?, in_use, Some(now))
        })
    }
}

/// The table of entitlements: the ten that are known by name, then what else is granted.
///
/// \param auth the handle
/// \param now Unix seconds; 0 is the system's clock
/// \param entitlements set to the table; `inspire_entitlements_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_list_entitlements(
    auth: *const inspire_auth,
    now: i64,
    entitlements: *mut *mut inspire_entitlements,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(entitlements)?;
            out.give(inspire_entitlements::new(ptr::object(auth)?.core.license().entitlements(Some(now))?));
            Ok(())
        })
    }
}

/// Asks the licensing server again, and installs the fresh machine file that it issues: only for a license that was
/// activated online. A failure changes nothing but `inspire_license_last_attempt_code`; a refusal that the server has signed
/// acts at once. Waits for the network, as long as the server's options say.
///
/// \param auth the handle, opened with a server
/// \param caller who asks; a principal needs the admin requirement. Its `cancel` ends the call
/// \param license set to the license as it is then; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `NOT_AVAILABLE_OFFLINE`, `UNLICENSED`, `PERMISSION_DENIED`, `UNSUPPORTED_OPTION`; `NOT_ACTIVATED` when
/// somebody has taken this machine off the license; `CONFLICT` when the license was taken out, or changed for another,
/// meanwhile; else as `inspire_license_activate_online`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_revalidate(
    auth: *const inspire_auth,
    caller: *const inspire_caller,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            let auth = ptr::object(auth)?;
            let caller = caller::read(caller)?;
            let validated = auth.core.license().revalidate_unless(&caller.cancel, &caller.as_core());
            out.give(inspire_license::new(validated?));
            Ok(())
        })
    }
}

/// Takes the license out. Its file can't be installed here again, only a newer one. What was activated online is then
/// released at the licensing server; should that fail, it stays noted (see `inspire_license_release_pending`), and this
/// succeeds.
///
/// \param auth the handle
/// \param caller who takes it out; a principal needs the admin requirement. Its `cancel` ends the wait for the server
/// \param license set to the license as it is then; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `UNLICENSED`, `PERMISSION_DENIED`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_deactivate(
    auth: *const inspire_auth,
    caller: *const inspire_caller,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            let auth = ptr::object(auth)?;
            let caller = caller::read(caller)?;
            let done = auth.core.license().deactivate_unless(&caller.cancel, &caller.as_core())?;
            out.give(inspire_license::new(done.status));
            Ok(())
        })
    }
}

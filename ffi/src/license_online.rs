//! What passes between an installation and its vendor.

use inspire_auth_core::license::{Deactivation, Release};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    caller::{self, inspire_caller},
    error::inspire_error,
    issue::inspire_text,
    key_spec::{INSPIRE_NEVER, yes_or_no},
    license::inspire_license,
    ptr,
    result::inspire_result,
    server::inspire_cancel,
    text::{Text, inspire_str, lend},
};

/// What became of this machine's place on its license at the licensing server.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_release {
    /// There was none, or the server was not to be asked.
    INSPIRE_RELEASE_NONE = 0,
    /// The server has signed that it is free.
    INSPIRE_RELEASE_SERVER = 1,
    /// It is still to be freed; see `inspire_license_release_pending`.
    INSPIRE_RELEASE_PENDING = 2,
}

/// What a deactivation came to. The license is out, whatever it was.
pub struct inspire_deactivation {
    core: Deactivation,
    receipt: Option<Text>,
}

/// Activates this installation: registers this machine for the license at the licensing server, and installs the machine
/// file that it issues, in the place of what is installed. A failure changes nothing, but for a refusal that the server has
/// signed of the license that is installed. Waits for the network, as long as the server's options say.
///
/// \param auth the handle, opened with a server
/// \param license_key the license key
/// \param caller who activates it; a principal needs the admin requirement. Its `cancel` ends the call
/// \param license set to the license as it is then; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL. Its detail has the server's own words
/// \return `OK`; `UNSUPPORTED_OPTION` without a server; what the server refuses with (`LICENSE_UNKNOWN`,
/// `LICENSE_SUSPENDED`, `LICENSE_EXPIRED`, `MACHINE_LIMIT_REACHED`, `LICENSE_REFUSED`); `NETWORK_...`, `SERVER_...`,
/// `CLOCK_SKEW`; `CANCELLED`; the first check that the issued file fails; `PERMISSION_DENIED`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_activate_online(
    auth: *const inspire_auth,
    license_key: inspire_str,
    caller: *const inspire_caller,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            let license_key = ptr::text(license_key, "the license key")?;
            let activated = auth.core.license().activate_online_unless(&caller.cancel, license_key, &caller.as_core());
            out.give(inspire_license::new(activated?));
            Ok(())
        })
    }
}

/// Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
/// changes nothing.
///
/// \param auth the handle
/// \param file the bytes of the `.lic` file, at most 256 KiB
/// \param caller who installs it; a principal needs the admin requirement
/// \param license set to the license as it is then; `inspire_license_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return as `inspire_license_activate_offline`; `UNLICENSED`; `CONFLICT` for a file of another license
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_refresh(
    auth: *const inspire_auth,
    file: inspire_str,
    caller: *const inspire_caller,
    license: *mut *mut inspire_license,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(license)?;
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            out.give(inspire_license::new(auth.core.license().refresh(ptr::bytes(file)?, &caller.as_core())?));
            Ok(())
        })
    }
}

/// A request for a machine file, for the vendor: this machine's fingerprint, the product, a nonce, and the public key of this
/// installation, which signs it. Nothing is sent anywhere.
///
/// \param auth the handle
/// \param license_key the license key, to be sent along; may be not given
/// \param caller who asks; a principal needs the admin requirement
/// \param request set to the text of the request; `inspire_text_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `FINGERPRINT_UNAVAILABLE`, `PERMISSION_DENIED`; a `STORE_...` code; `AUDIT_UNAVAILABLE` (only with
/// `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_request(
    auth: *const inspire_auth,
    license_key: inspire_str,
    caller: *const inspire_caller,
    request: *mut *mut inspire_text,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(request)?;
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            let license_key = ptr::optional_text(license_key, "the license key")?;
            out.give(inspire_text::new(&auth.core.license().request(license_key, &caller.as_core())?));
            Ok(())
        })
    }
}

/// The license key as it was entered, for an administrator who has to see it; `inspire_license_key` tells it masked. Who saw it
/// is recorded.
///
/// \param auth the handle
/// \param caller who asks; a principal needs the admin requirement
/// \param key set to the license key; `inspire_text_free` wipes and frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `UNLICENSED`, `PERMISSION_DENIED`; a `STORE_...` code; `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_reveal_key(
    auth: *const inspire_auth,
    caller: *const inspire_caller,
    key: *mut *mut inspire_text,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            out.give(inspire_text::new(&auth.core.license().reveal_key(&caller.as_core())?));
            Ok(())
        })
    }
}

/// Takes the license out, and tells more of it than `inspire_license_deactivate`: what became of the machine's place at the
/// licensing server, and a receipt for the vendor.
///
/// \param auth the handle
/// \param local_only 0, or 1 to say nothing to the licensing server, now or later
/// \param caller who takes it out; a principal needs the admin requirement. Its `cancel` ends the call: the license is out
/// then, and its release may be pending
/// \param deactivation set to what it came to; `inspire_deactivation_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `UNLICENSED`, `PERMISSION_DENIED`; a `STORE_...` code; `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_deactivate_with(
    auth: *const inspire_auth,
    local_only: u32,
    caller: *const inspire_caller,
    deactivation: *mut *mut inspire_deactivation,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(deactivation)?;
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            let license = auth.core.license();
            let core = if yes_or_no(local_only, "local_only")? {
                license.deactivate_locally(&caller.as_core())?
            } else {
                license.deactivate_unless(&caller.cancel, &caller.as_core())?
            };
            out.give(inspire_deactivation { receipt: core.receipt.as_deref().map(Text::new), core });
            Ok(())
        })
    }
}

/// What became of the machine's place.
///
/// \param deactivation may be NULL
/// \return one of `INSPIRE_RELEASE_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_deactivation_release(deactivation: *const inspire_deactivation) -> u32 {
    infallible(0, || {
        // SAFETY: NULL or live.
        unsafe { ptr::optional(deactivation) }.map_or(0, |done| match done.core.release {
            Release::None => 0,
            Release::Server => 1,
            Release::Pending => 2,
        })
    })
}

/// Why the machine's place is still to be freed.
///
/// \param deactivation may be NULL
/// \return `INSPIRE_RESULT_OK` where nothing is pending; else `NETWORK_...`, `SERVER_...` and the like
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_deactivation_problem(deactivation: *const inspire_deactivation) -> inspire_result {
    infallible(0, || {
        // SAFETY: NULL or live.
        let problem = unsafe { ptr::optional(deactivation) }.and_then(|done| done.core.problem.as_ref());
        problem.map_or(0, |problem| problem.code().number())
    })
}

/// For the vendor: signed by this installation that the license was taken out here, and when.
///
/// \param deactivation may be NULL
/// \return borrowed from `deactivation`; `{NULL, 0}` where the license's file could not be read on this machine
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_deactivation_receipt(deactivation: *const inspire_deactivation) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or live.
        lend(unsafe { ptr::optional(deactivation) }.and_then(|done| done.receipt.as_ref()))
    })
}

/// Frees it.
///
/// \param deactivation NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_deactivation_free(deactivation: *mut inspire_deactivation) {
    // SAFETY: NULL, or one that the caller owns and gives up.
    unsafe { ptr::free(deactivation) };
}

/// Tries again to release the machines that are still to be released at the licensing server.
///
/// \param auth the handle, opened with a server
/// \param caller who asks; a principal needs the admin requirement. Its `cancel` ends the call
/// \param released set to how many were; may be NULL
/// \param err set on failure; may be NULL
/// \return `OK`; what the first that could not be released failed with: `NETWORK_...`, `SERVER_...`, `CLOCK_SKEW`,
/// `CONFLICT` when the server does not confirm it, `CANCELLED`; `UNSUPPORTED_OPTION`, `PERMISSION_DENIED`; a `STORE_...`
/// code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_release_pending(
    auth: *const inspire_auth,
    caller: *const inspire_caller,
    released: *mut usize,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = if released.is_null() { None } else { Some(ptr::value_out(released)?) };
            let (auth, caller) = (ptr::object(auth)?, caller::read(caller)?);
            let count = auth.core.license().release_pending(&caller.cancel, &caller.as_core())?;
            if let Some(out) = out {
                out.give(count);
            }
            Ok(())
        })
    }
}

/// Does what is due at the licensing server, as the system: refreshes a lease of which two thirds are over, and releases what
/// is still to be released. When that fails, it is due again after a minute, then at distances that double up to six hours.
///
/// \param auth the handle
/// \param now Unix seconds; 0 is the system's clock
/// \param cancel ends the call; may be NULL
/// \param next set to when there will be something to do, Unix seconds; `INSPIRE_NEVER` as long as nothing is activated
/// online
/// \param problem set to what was due and failed, and is tried again; `INSPIRE_RESULT_OK` when nothing did; may be NULL
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_tick(
    auth: *const inspire_auth,
    now: i64,
    cancel: *const inspire_cancel,
    next: *mut i64,
    problem: *mut inspire_result,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let next_out = ptr::value_out(next)?;
            let problem_out = if problem.is_null() { None } else { Some(ptr::value_out(problem)?) };
            let cancel = ptr::optional(cancel).map(|cancel| cancel.core.clone()).unwrap_or_default();
            let tick = ptr::object(auth)?.core.license().tick(&cancel, Some(now))?;
            next_out.give(tick.next.unwrap_or(INSPIRE_NEVER));
            if let Some(out) = problem_out {
                out.give(tick.problem.map_or(0, |problem| problem.code().number()));
            }
            Ok(())
        })
    }
}

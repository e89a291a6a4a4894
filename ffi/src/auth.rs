//! The handle.

use inspire_auth_core::{Code, InspireAuth, TABLE};

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    options::{self, inspire_auth_options},
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// API keys and licensing on one store: the handle that everything hangs off. Any number of threads use one at once.
pub struct inspire_auth {
    pub(crate) core: InspireAuth,
    /// The challenges by code: few, and ready for C.
    challenges: Vec<(Code, Text)>,
    pub(crate) credential_headers: Vec<Text>,
}

/// Handles are shared by threads; this line does not compile otherwise.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<inspire_auth>();
    shared::<crate::requirement::inspire_requirement>();
    shared::<crate::ticket::inspire_ticket>();
};

/// Opens the store, and reads every key into memory.
///
/// Starts no thread, opens no socket and reads no environment variable.
///
/// \param options what the host decides, begun with `INSPIRE_AUTH_OPTIONS_INIT`
/// \param auth set to the handle, which `inspire_auth_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`, `INVALID_LEVEL`, `WEAK_TRUSTED_KEY` or `UNSUPPORTED_OPTION` for options that can't
/// be used; a `STORE_...` code by cause
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_open(
    options: *const inspire_auth_options,
    auth: *mut *mut inspire_auth,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(auth)?;
            let options = options::read(&ptr::sized(options)?)?;
            let core = InspireAuth::open(options)?;
            let challenge = |code| core.http(code).challenge.map(|text| (code, Text::new(text)));
            let challenges = TABLE.iter().filter_map(|entry| challenge(entry.code)).collect();
            let credential_headers = core.credential_headers().map(Text::new).collect();
            out.give(inspire_auth { core, challenges, credential_headers });
            Ok(())
        })
    }
}

/// Frees the handle: writes what was noted on the side (last use, audit), and closes the store. Objects that came from
/// it (records, lists, requirements, errors) stay valid.
///
/// Thread-safety: no other call may use the handle any more. Not to be called from an audit callback.
///
/// \param auth NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_free(auth: *mut inspire_auth) {
    // SAFETY: NULL, or a handle that the caller owns and gives up.
    unsafe { ptr::free(auth) };
}

/// The HTTP status with which a host answers a request that got this result.
///
/// \param auth the handle
/// \param result what `inspire_auth_authenticate` returned
/// \return 200 for `OK`; 500 for a code that answers no request, and when `auth` is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_http_status(auth: *const inspire_auth, result: u32) -> u32 {
    infallible(500, || {
        // SAFETY: NULL or a live handle.
        let auth = unsafe { ptr::optional(auth) };
        let known = auth.zip(Code::from_number(result));
        known.map_or(500, |(auth, code)| u32::from(auth.core.http(code).status))
    })
}

/// The value of `WWW-Authenticate` for a request that got this result.
///
/// \param auth the handle
/// \param result what `inspire_auth_authenticate` returned
/// \return borrowed from `auth`; `{NULL, 0}` when the answer has none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_challenge(auth: *const inspire_auth, result: u32) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live handle.
        let auth = unsafe { ptr::optional(auth) };
        let found = auth.and_then(|auth| auth.challenges.iter().find(|(code, _)| code.number() == result));
        lend(found.map(|(_, text)| text))
    })
}

/// The value of `Retry-After`, in seconds, for a request that got this result.
///
/// \param auth the handle
/// \param result what `inspire_auth_authenticate` returned
/// \return 0 when the answer has none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_retry_after(auth: *const inspire_auth, result: u32) -> u32 {
    infallible(0, || {
        // SAFETY: NULL or a live handle.
        let auth = unsafe { ptr::optional(auth) };
        auth.zip(Code::from_number(result)).and_then(|(auth, code)| auth.core.http(code).retry_after).unwrap_or(0)
    })
}

/// Writes what was noted on the side (last use, audit) to the store and the audit file now. It is written from time to
/// time anyway, and when the handle is freed.
///
/// \param auth the handle
/// \param err set on failure; may be NULL
/// \return `OK`, a `STORE_...` code, or `AUDIT_UNAVAILABLE`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_flush(auth: *const inspire_auth, err: *mut *mut inspire_error) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe { boundary(err, || ptr::object(auth)?.core.flush()) }
}

/// Accepts what the store holds now as its history, after `STORE_HISTORY_CHANGED`: in every process. For an operator
/// who meant the change. The audit log says so.
///
/// \param auth the handle
/// \param err set on failure; may be NULL
/// \return `OK`, a `STORE_...` code, or `AUDIT_UNAVAILABLE`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_adopt_store(
    auth: *const inspire_auth,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe { boundary(err, || ptr::object(auth)?.core.adopt_store()) }
}

//! One request to be decided.

use inspire_auth_core::{
    Code, Error, Result,
    keys::{Attempt, Channel, HeaderLines, Presented, Principal, Request},
};

use crate::{
    auth::inspire_auth,
    boundary::boundary,
    error::inspire_error,
    options::unknown,
    principal::inspire_principal,
    ptr::{self, Growing},
    requirement::inspire_requirement,
    result::inspire_result,
    routes::{self, inspire_routes},
    text::inspire_str,
    ticket::inspire_ticket,
};

/// The channel that a request came through, as the host says it is. It is never read from a header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_channel {
    /// Anyone on the way may have read the secret.
    INSPIRE_CHANNEL_PLAIN = 0,
    /// TLS, ended here or by a trusted proxy.
    INSPIRE_CHANNEL_SECURE = 1,
    /// Loopback or a Unix socket; as good as secure only with `INSPIRE_AUTH_LOCAL_IS_SECURE`.
    INSPIRE_CHANNEL_LOCAL = 2,
}

/// How a request presents its credential.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_presented {
    /// In `headers`: all of the request's, as received.
    INSPIRE_PRESENTED_HEADERS = 0,
    /// In `value`: that of the one `Authorization` header, for hosts that have already picked it out.
    INSPIRE_PRESENTED_AUTHORIZATION = 1,
    /// In `value`: that of the one `X-Ignition-API-Token` header.
    INSPIRE_PRESENTED_LEGACY = 2,
}

/// One header line of a request, as received: bytes, not text. Never several lines joined.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_header {
    /// The name, in any case.
    pub name: inspire_str,
    /// The value.
    pub value: inspire_str,
}

/// One request. Begin with `INSPIRE_REQUEST_INIT`. Everything it points to is read during the call only.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_request {
    /// `sizeof(inspire_request)`, as `INSPIRE_REQUEST_INIT` sets it.
    pub struct_size: usize,
    /// The header lines; those that carry no credential are passed over.
    pub headers: *const inspire_header,
    /// How many.
    pub header_count: usize,
    /// The one header value, when `presented` is not `INSPIRE_PRESENTED_HEADERS`.
    pub value: inspire_str,
    /// One of `INSPIRE_PRESENTED_...`.
    pub presented: u32,
    /// One of `INSPIRE_CHANNEL_...`.
    pub channel: u32,
    /// What is required; must be given, unless `routes` is.
    pub requirement: *const inspire_requirement,
    /// An entitlement that the license must hold as well. Not given: none.
    pub entitlement: inspire_str,
    /// Unix seconds; 0 is the system's clock.
    pub now: i64,
    /// The table that says what is required for `method` and `path`, and which entitlement; `requirement` and
    /// `entitlement` are not given then. What the table does not allow is refused before the headers are looked at.
    pub routes: *const inspire_routes,
    /// With `routes`: the method of the request, case-sensitive; the one that the host acts on, after any header that
    /// overrides it.
    pub method: inspire_str,
    /// With `routes`: the request target as received, percent-encoded; its query may stay.
    pub path: inspire_str,
}

// SAFETY: integers and pointers; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_request {
    const FIRST_SIZE: usize = 80;
}
const _: () = assert!(size_of::<inspire_request>() == 120 || size_of::<usize>() != 8);

/// Header lines where they lie: a check copies none of them.
struct Lines<'a>(&'a [inspire_header]);

impl<'a> Lines<'a> {
    /// Checks all lines, so that none need be doubted later.
    ///
    /// # Safety
    /// Every string in `headers` is as [`ptr::bytes`] needs it.
    unsafe fn new(headers: &'a [inspire_header]) -> Result<Self> {
        for header in headers {
            // SAFETY: the same contract.
            unsafe { (ptr::bytes(header.name)?, ptr::bytes(header.value)?) };
        }
        Ok(Self(headers))
    }
}

impl HeaderLines for Lines<'_> {
    fn line(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let header = self.0.get(index)?;
        // SAFETY: `new` was promised so of every line, and has checked it.
        unsafe { Some((ptr::bytes(header.name).ok()?, ptr::bytes(header.value).ok()?)) }
    }
}

pub(crate) fn channel(value: u32) -> Result<Channel> {
    match value {
        0 => Ok(Channel::Plain),
        1 => Ok(Channel::Secure),
        2 => Ok(Channel::Local),
        _ => Err(unknown("channel")),
    }
}

/// Reads a request and hands it, borrowed, to `decide`.
///
/// # Safety
/// `request` is as [`ptr::sized`] needs it, and every pointer in it as the comments of its fields say.
unsafe fn with_request<T>(
    auth: &inspire_auth,
    request: *const inspire_request,
    decide: impl FnOnce(&Request<'_>) -> Result<T>,
) -> Result<T> {
    // SAFETY: the same contract.
    unsafe {
        let request = ptr::sized(request)?;
        let entitlement = ptr::optional_text(request.entitlement, "request.entitlement")?;
        let lines = Lines::new(ptr::array(request.headers, request.header_count)?)?;
        let presented = match request.presented {
            0 => Presented::Lines(&lines),
            1 => Presented::Authorization(ptr::bytes(request.value)?),
            2 => Presented::Legacy(ptr::bytes(request.value)?),
            _ => return Err(unknown("request.presented")),
        };
        let channel = channel(request.channel)?;
        let (requirement, entitlement) = match (request.routes.is_null(), request.requirement.is_null()) {
            (true, true) => return Err(Error::with(Code::NullParameter, "request.requirement")),
            (true, false) => (&ptr::object(request.requirement)?.core, entitlement),
            (false, true) if entitlement.is_none() => {
                let (method, path) = routes::asked(request.method, request.path)?;
                let rule = auth.core.route(&ptr::object(request.routes)?.core, method, path)?;
                (rule.requirement(), rule.entitlement())
            }
            (false, _) => {
                let why = "request.routes says what is required: request.requirement or request.entitlement can't";
                return Err(Error::with(Code::InvalidArgument, why));
            }
        };
        decide(&Request { presented, channel, requirement, entitlement, now: Some(request.now) })
    }
}

/// Decides one request. Only `OK` grants; every other result denies, and `inspire_auth_http_status` and
/// `inspire_auth_challenge` say how to answer.
///
/// Blocks while a key is seen for the first time (a slow hash, some 20 ms); a request with a key that is known to be
/// right, or a wrong one, is decided in about a microsecond, and a granted one then allocates no memory. A host that
/// may not block calls `inspire_auth_authenticate_no_wait`.
///
/// \param auth the handle
/// \param request what is asked, begun with `INSPIRE_REQUEST_INIT`
/// \param principal set on success to who was granted; begin with `INSPIRE_PRINCIPAL_INIT`
/// \param err set on failure; may be NULL
/// \return `OK`; `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`, `INVALID_CREDENTIAL`, `SECURE_CHANNEL_REQUIRED`,
/// `INSUFFICIENT_LEVEL`; when an entitlement is asked for, `UNLICENSED`, `NOT_ENTITLED` or the license's first failure;
/// with a route table, `PATH_NOT_CANONICAL` or `ROUTE_DENIED`; `BUSY`; a `STORE_...` code; `NULL_PARAMETER` or `INVALID_ARGUMENT` for a request that can't be read
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_authenticate(
    auth: *const inspire_auth,
    request: *const inspire_request,
    principal: *mut inspire_principal,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let auth = ptr::object(auth)?;
            let out = ptr::struct_out(principal)?;
            let give = |principal: &Principal| out.give(&inspire_principal::new(principal));
            with_request(auth, request, |request| auth.core.authenticate_and(request, give))
        })
    }
}

/// Decides one request without ever waiting for a slow hash: where `inspire_auth_authenticate` would, this answers
/// `PENDING` and gives a ticket, which is polled, waited for, or given a callback. `PENDING` grants nothing.
///
/// \param auth the handle
/// \param request what is asked, begun with `INSPIRE_REQUEST_INIT`; it need not outlive the call
/// \param principal set on success to who was granted; begin with `INSPIRE_PRINCIPAL_INIT`
/// \param ticket set to a ticket when the result is `PENDING`, which `inspire_ticket_free` frees; NULL otherwise
/// \param err set on failure; may be NULL
/// \return `PENDING`, or as `inspire_auth_authenticate`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_authenticate_no_wait(
    auth: *const inspire_auth,
    request: *const inspire_request,
    principal: *mut inspire_principal,
    ticket: *mut *mut inspire_ticket,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let pending = ptr::handle_out(ticket)?;
            let auth = ptr::object(auth)?;
            let out = ptr::struct_out(principal)?;
            match with_request(auth, request, |request| Ok(auth.core.authenticate_no_wait(request)))? {
                Attempt::Done(result) => {
                    out.give(&inspire_principal::new(&result?));
                    Ok(Code::Ok)
                }
                Attempt::Pending(ticket) => {
                    pending.give(inspire_ticket::new(ticket));
                    Ok(Code::Pending)
                }
            }
        })
    }
}

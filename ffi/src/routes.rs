//! Route tables: which requirement guards which path, and the dry run.

use inspire_auth_core::{
    Result,
    routes::{Explanation, Routes},
};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    principal::inspire_principal,
    ptr, request,
    result::inspire_result,
    text::{Text, inspire_str, inspire_str_list, lend},
};

/// A compiled route table, shared by all threads and all handles.
pub struct inspire_routes {
    pub(crate) core: Routes,
}

/// What a request would get, and why.
pub struct inspire_explanation {
    code: inspire_result,
    prefix: Option<Text>,
    methods: Option<inspire_str_list>,
    missing: inspire_str_list,
    reason: Text,
}

impl inspire_explanation {
    fn new(explanation: Explanation) -> Self {
        let (prefix, methods) = explanation.rule.unzip();
        Self {
            code: explanation.code.number(),
            prefix: prefix.map(|prefix| Text::new(&prefix)),
            methods: methods.map(inspire_str_list::new),
            missing: inspire_str_list::new(explanation.missing),
            reason: Text::new(&explanation.reason),
        }
    }
}

/// The method of a request, and its path. What is not UTF-8 is no method: it is denied as any other that no rule lists.
///
/// # Safety
/// As [`ptr::bytes`], for both.
pub(crate) unsafe fn asked<'a>(method: inspire_str, path: inspire_str) -> Result<(&'a str, &'a [u8])> {
    // SAFETY: the same contract.
    unsafe { Ok((std::str::from_utf8(ptr::bytes(method)?).unwrap_or_default(), ptr::bytes(path)?)) }
}

/// Compiles a route table from JSON:
///
/// \code
/// {"ignore_case": false, "ignore_suffix": false,
///  "routes": [{"prefix": "/data/api/v1/resources", "methods": ["GET", "HEAD"],
///              "require": {"any": ["Authenticated/Config/Read"]}, "entitlement": "DEVICE_GROUPS"}]}
/// \endcode
///
/// The longest prefix of whole segments decides, alone: a method that it does not list is denied, even if a shorter one
/// lists it. `["*"]` is every method that no other rule of the same prefix lists. A prefix is `/`, or segments of letters,
/// digits and `-._~`. `ignore_case` is for hosts whose router ignores case, such as Express; `ignore_suffix` for
/// those that take `/users.json` to the handler of `/users`, such as Django REST Framework: a segment of a path fits one of
/// a prefix that is all of it, or all before one of its dots. `require` is any or all of a list of levels, and an empty
/// one denies everyone; `entitlement` is optional.
///
/// \param json the table: UTF-8, at most 1 MiB and 10,000 routes
/// \param routes set to the table, which `inspire_routes_free` frees; NULL on failure
/// \param err set on failure, with what is wrong and where; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`, also for a member that is unknown or stands twice; `INVALID_LEVEL`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_routes_parse(
    json: inspire_str,
    routes: *mut *mut inspire_routes,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(routes)?;
            out.give(inspire_routes { core: Routes::parse(ptr::text(json, "the route table")?)? });
            Ok(())
        })
    }
}

/// How many routes a table has.
///
/// \param routes may be NULL
/// \return the number; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_routes_count(routes: *const inspire_routes) -> usize {
    // SAFETY: NULL or a live table.
    infallible(0, || unsafe { ptr::optional(routes) }.map_or(0, |routes| routes.core.rules().len()))
}

/// Frees a route table. No request that uses it may be under way; a ticket no longer does.
///
/// \param routes NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_routes_free(routes: *mut inspire_routes) {
    // SAFETY: NULL, or a table that the caller owns and gives up.
    unsafe { ptr::free(routes) };
}

/// The dry run: what a request with a key, and its right secret, would get. Nothing is noted: no audit event, no last
/// use, no counter.
///
/// \param auth the handle
/// \param routes the table
/// \param key the name of the key; not given is a request without a credential
/// \param method such as "GET"; case-sensitive
/// \param path the request target as received: percent-encoded, with or without its query
/// \param channel one of `INSPIRE_CHANNEL_...`
/// \param now Unix seconds; 0 is the system's clock
/// \param explanation set to the answer, which `inspire_explanation_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK` when it could be judged, whatever the judgement is; `NOT_FOUND` when there is no such key; a
/// `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_would_allow(
    auth: *const inspire_auth,
    routes: *const inspire_routes,
    key: inspire_str,
    method: inspire_str,
    path: inspire_str,
    channel: u32,
    now: i64,
    explanation: *mut *mut inspire_explanation,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(explanation)?;
            let (auth, routes) = (ptr::object(auth)?, ptr::object(routes)?);
            let key = ptr::optional_text(key, "the key's name")?;
            let (method, path) = asked(method, path)?;
            let channel = request::channel(channel)?;
            let found = auth.core.would_allow(&routes.core, key, method, path, channel, Some(now))?;
            out.give(inspire_explanation::new(found));
            Ok(())
        })
    }
}

/// The same for a principal that is here already: what its next request would get, with the same secret over the same
/// channel.
///
/// \param auth the handle
/// \param principal who
/// \param routes the table
/// \param method such as "GET"; case-sensitive
/// \param path the request target as received
/// \param now Unix seconds; 0 is the system's clock
/// \param explanation set to the answer, which `inspire_explanation_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK` when it could be judged, whatever the judgement is; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_principal_explain_route(
    auth: *const inspire_auth,
    principal: *const inspire_principal,
    routes: *const inspire_routes,
    method: inspire_str,
    path: inspire_str,
    now: i64,
    explanation: *mut *mut inspire_explanation,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(explanation)?;
            let auth = ptr::object(auth)?;
            let principal = ptr::sized(principal)?.read()?;
            let routes = ptr::object(routes)?;
            let (method, path) = asked(method, path)?;
            let found = auth.core.explain_route(&routes.core, &principal, method, path, Some(now))?;
            out.give(inspire_explanation::new(found));
            Ok(())
        })
    }
}

/// What the request would get.
///
/// \param explanation may be NULL
/// \return `OK` when it would be granted, else the code of the refusal; `NULL_PARAMETER` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_code(explanation: *const inspire_explanation) -> inspire_result {
    let none = inspire_auth_core::Code::NullParameter.number();
    // SAFETY: NULL or a live explanation.
    infallible(none, || unsafe { ptr::optional(explanation) }.map_or(none, |found| found.code))
}

/// The prefix of the route that decides, as it stands in the table.
///
/// \param explanation may be NULL
/// \return borrowed from `explanation`; `{NULL, 0}` when no route was reached
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_prefix(explanation: *const inspire_explanation) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live explanation.
        lend(unsafe { ptr::optional(explanation) }.and_then(|found| found.prefix.as_ref()))
    })
}

/// The methods of the route that decides, as they stand in the table.
///
/// \param explanation may be NULL
/// \return borrowed from `explanation`, not to be freed; NULL when no route was reached
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_methods(
    explanation: *const inspire_explanation,
) -> *const inspire_str_list {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or a live explanation.
        unsafe { ptr::optional(explanation) }
            .and_then(|found| found.methods.as_ref())
            .map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

/// With `INSUFFICIENT_LEVEL`, the levels for want of which the request would be refused, byte-sorted; else empty.
///
/// \param explanation may be NULL
/// \return borrowed from `explanation`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_missing(
    explanation: *const inspire_explanation,
) -> *const inspire_str_list {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or a live explanation.
        unsafe { ptr::optional(explanation) }.map_or(std::ptr::null(), |found| &raw const found.missing)
    })
}

/// Why, in English, for an administrator. Never to be shown to the caller of the request.
///
/// \param explanation may be NULL
/// \return borrowed from `explanation`; `{NULL, 0}` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_reason(explanation: *const inspire_explanation) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live explanation.
        lend(unsafe { ptr::optional(explanation) }.map(|found| &found.reason))
    })
}

/// Frees an explanation.
///
/// \param explanation NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_explanation_free(explanation: *mut inspire_explanation) {
    // SAFETY: NULL, or an explanation that the caller owns and gives up.
    unsafe { ptr::free(explanation) };
}

//! The table of every answer the library can give.

use inspire_auth_core::{Result, TABLE};
use napi::{Env, ValueType, bindgen_prelude::Unknown};
use napi_derive::napi;

use crate::{arguments::invalid, boundary::run, environment::Environment, raw::Kept};

/// One row of {@link ERRORS}: what a code means, and what to do about it.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct ErrorEntry {
    /// The code, such as `LICENSE_EXPIRED`.
    #[napi(ts_type = "InspireAuthErrorCode | 'OK' | 'PENDING'")]
    pub code: &'static str,
    /// Its stable number, the same in the C ABI: 1xx arguments, 2xx API keys, 3xx licensing, 4xx the store, 9xx
    /// internal.
    pub number: u32,
    /// What happened, in lower case and without a full stop. Holds no caller data: it may be sent to anyone.
    pub message: &'static str,
    /// What an administrator should do.
    pub admin: &'static str,
    /// What a developer should do.
    pub developer: &'static str,
    /// Whether the same call may succeed later without anything being changed.
    pub retry: bool,
    /// The HTTP status with which a host answers a request refused by this code; `null` where no request is.
    pub http_status: Option<u16>,
    /// Whether the conformance vectors of this library reach the code through every language; the others have a test of
    /// their own.
    pub has_vector: bool,
}

/// Every answer the library can give, by number. {@link ERRORS} is this list, made once.
/// @example
/// errors().find(({ code }) => code === 'BUSY').httpStatus; // 503
#[napi]
pub fn errors() -> Vec<ErrorEntry> {
    TABLE
        .iter()
        .map(|entry| ErrorEntry {
            code: entry.name,
            number: entry.number,
            message: entry.message,
            admin: entry.admin,
            developer: entry.developer,
            retry: entry.retry,
            http_status: entry.http,
            has_vector: entry.proof.is_none(),
        })
        .collect()
}

/// Says of which class errors are to be, in this environment, and gives it back: the first one stays, so that a second
/// copy of the JavaScript knows the errors of the first.
#[napi(skip_typescript)]
pub fn use_error_class<'e>(env: &'e Env, class: Unknown<'e>) -> napi::Result<Unknown<'e>> {
    run(env, || keep(env, class))
}

fn keep<'e>(env: &'e Env, class: Unknown<'e>) -> Result<Unknown<'e>> {
    if !matches!(class.get_type(), Ok(ValueType::Function)) {
        return Err(invalid("class is not a function"));
    }
    let here = Environment::of(env)?;
    if let Some(first) = here.error_class.borrow().as_ref().and_then(|first| first.get(env)) {
        return Ok(first);
    }
    *here.error_class.borrow_mut() = Kept::new(env, &class);
    Ok(class)
}

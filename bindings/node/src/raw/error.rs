//! Errors as instances of the package's own class.

use std::ptr;

use inspire_auth_core::Error;
use napi::{Env, JsValue, Status, sys};

use crate::environment::Environment;

/// Throws `error` as an `InspireAuthError`; what is returned says so to napi-rs.
pub(crate) fn throw(env: &Env, error: &Error) -> napi::Error {
    let raw = env.raw();
    let mut ignored = ptr::null_mut();
    let mut pending = false;
    // SAFETY: a live environment, on its thread; every out-pointer is a local.
    unsafe {
        // What a getter of an argument has thrown is not passed on: nobody can vouch for its text.
        if sys::napi_is_exception_pending(raw, &raw mut pending) == sys::Status::napi_ok && pending {
            sys::napi_get_and_clear_last_exception(raw, &raw mut ignored);
        }
        if let Some(value) = make(env, error) {
            sys::napi_throw(raw, value);
        }
    }
    // Thrown as it stands only where nothing could be thrown above: in an environment that is going down.
    napi::Error::new(Status::PendingException, error.code().name())
}

/// `new InspireAuthError(code, detail)`.
pub(super) fn make(env: &Env, error: &Error) -> Option<sys::napi_value> {
    let raw = env.raw();
    let class = Environment::of(env).ok().and_then(|here| Some(here.error_class.borrow().as_ref()?.get(env)?.raw()));
    let code = text(raw, error.code().name())?;
    let detail = match error.detail() {
        Some(detail) => text(raw, detail)?,
        None => undefined(raw)?,
    };
    let mut value = ptr::null_mut();
    let status = match class {
        Some(class) => {
            let arguments = [code, detail];
            // SAFETY: the class and its arguments are values of this environment; two arguments are given.
            unsafe { sys::napi_new_instance(raw, class, arguments.len(), arguments.as_ptr(), &raw mut value) }
        }
        // SAFETY: two strings of this environment.
        None => unsafe { sys::napi_create_error(raw, code, code, &raw mut value) },
    };
    (status == sys::Status::napi_ok).then_some(value)
}

fn text(env: sys::napi_env, text: &str) -> Option<sys::napi_value> {
    let mut value = ptr::null_mut();
    let length = isize::try_from(text.len()).ok()?;
    // SAFETY: as many bytes as are said, valid UTF-8.
    let status = unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), length, &raw mut value) };
    (status == sys::Status::napi_ok).then_some(value)
}

fn undefined(env: sys::napi_env) -> Option<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the out-pointer is a local.
    let status = unsafe { sys::napi_get_undefined(env, &raw mut value) };
    (status == sys::Status::napi_ok).then_some(value)
}

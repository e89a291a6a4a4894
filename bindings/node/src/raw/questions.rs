//! What a host asks about its license all the time.

use std::rc::Rc;

use napi::{Env, bindgen_prelude::Unknown, sys};

use super::{
    ascii::Ascii,
    function::{Call, bound},
};
use crate::handle::Handle;

/// No name that is asked for all the time is longer; what is, is read elsewhere.
const LENGTH: usize = 64;

/// The function `(code: string) => boolean | undefined` of a handle.
pub(crate) fn grants_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    bound(env, handle, c"grants", grants)
}

/// The function `(name: string) => number | undefined` of a handle.
pub(crate) fn limit_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    bound(env, handle, c"limit", limit)
}

unsafe extern "C" fn grants(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: called by Node, for a function that `bound` made.
    let call = unsafe { Call::<1>::of(env, info) };
    let decide = |handle: &Handle, code: &str| handle.ask(|license| license.has_entitlement_warm(code, None));
    answer(&call, decide, |env, granted, answer| {
        // SAFETY: the out-pointer is the caller's local.
        unsafe {
            sys::napi_get_boolean(env, granted, answer);
        }
    })
}

unsafe extern "C" fn limit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: called by Node, for a function that `bound` made.
    let call = unsafe { Call::<1>::of(env, info) };
    let decide = |handle: &Handle, name: &str| handle.ask(|license| license.limit_warm(name, None));
    answer(&call, decide, |env, limit, answer| {
        // SAFETY: the out-pointer is the caller's local.
        unsafe {
            sys::napi_create_int64(env, limit, answer);
        }
    })
}

#[inline]
fn answer<T>(
    call: &Call<'_, 1>,
    decide: impl FnOnce(&Handle, &str) -> Option<T>,
    value: impl FnOnce(sys::napi_env, T, *mut sys::napi_value),
) -> sys::napi_value {
    let [name] = call.arguments;
    let mut text = Ascii::<LENGTH>::new();
    match text.read(call.env, name) {
        Some(name) => call.answer(|handle| decide(handle, name).map(Ok), value),
        None => std::ptr::null_mut(),
    }
}

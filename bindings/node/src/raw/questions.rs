//! What a host asks about its license all the time.
//!
//! A name crosses once, and is then known by a number: to read a text out of JavaScript costs more than the answer.

use std::{ptr, rc::Rc};

use inspire_auth_core::license::License;
use napi::{Env, bindgen_prelude::Unknown, sys};

use super::function::{Call, bound};
use crate::handle::Handle;

/// The function `(name: number) => boolean | undefined` of a handle: see [`Handle::name_slot`].
pub(crate) fn grants_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    bound(env, handle, c"grants", grants)
}

/// The function `(name: number) => number | undefined` of a handle.
pub(crate) fn limit_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    bound(env, handle, c"limit", limit)
}

unsafe extern "C" fn grants(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: called by Node, for a function that `bound` made.
    let call = unsafe { Call::<1>::of(env, info) };
    let question = |license: License<'_>, code: &str| license.has_entitlement_warm(code, None);
    answer(&call, question, |env, granted, answer| {
        // SAFETY: the out-pointer is the caller's local.
        unsafe {
            sys::napi_get_boolean(env, granted, answer);
        }
    })
}

unsafe extern "C" fn limit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: called by Node, for a function that `bound` made.
    let call = unsafe { Call::<1>::of(env, info) };
    let question = |license: License<'_>, name: &str| license.limit_warm(name, None);
    answer(&call, question, |env, limit, answer| {
        // SAFETY: the out-pointer is the caller's local.
        unsafe {
            sys::napi_create_int64(env, limit, answer);
        }
    })
}

#[inline]
fn answer<T>(
    call: &Call<'_, 1>,
    question: impl FnOnce(License<'_>, &str) -> Option<T>,
    value: impl FnOnce(sys::napi_env, T, *mut sys::napi_value),
) -> sys::napi_value {
    let ([name], mut slot) = (call.arguments, 0_u32);
    // SAFETY: a value of this environment; the out-pointer is a local.
    if unsafe { sys::napi_get_value_uint32(call.env, name, &raw mut slot) } != sys::Status::napi_ok {
        return ptr::null_mut();
    }
    call.answer(|handle| handle.ask(slot, question).map(Ok), value)
}

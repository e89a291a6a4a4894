//! The check that every request makes: one credential, known to memory.
//!
//! A call through napi-rs's macros costs more than the decision; this one costs four calls into Node-API.

use std::{ptr, rc::Rc};

use napi::{Env, bindgen_prelude::Unknown, sys};

use super::{
    function::{Call, bound},
    short::Short,
};
use crate::handle::Handle;

/// 512 bytes: no credential is longer (320); what is, is read elsewhere.
const WORDS: usize = 64;

/// The function `(authorization: string, terms: number) => number | undefined` of a handle: see [`Handle::warm`].
pub(crate) fn warm_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    bound(env, handle, c"warm", warm)
}

unsafe extern "C" fn warm(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: called by Node, for a function that `bound` made.
    let call = unsafe { Call::<2>::of(env, info) };
    let [value, number] = call.arguments;
    let mut terms = 0_u32;
    // SAFETY: a value of this environment; the out-pointer is a local.
    if unsafe { sys::napi_get_value_uint32(env, number, &raw mut terms) } != sys::Status::napi_ok {
        return ptr::null_mut();
    }
    let mut text = Short::<WORDS>::new();
    match text.read(env, value) {
        Some(value) => call.answer(
            |handle| handle.warm(value, terms),
            // SAFETY: the out-pointer is the caller's local.
            |env, slot, answer| unsafe {
                sys::napi_create_int32(env, slot, answer);
            },
        ),
        None => ptr::null_mut(),
    }
}

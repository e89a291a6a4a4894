//! The check that every request makes: one credential, known to memory.
//!
//! A call through napi-rs's macros costs more than the decision; this one costs five calls into Node-API.

use std::{
    ffi::c_void,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
};

use inspire_auth_core::{Code, Error};
use napi::{Env, bindgen_prelude::Unknown, sys};

use super::throw;
use crate::handle::Handle;

/// No credential is longer (320 bytes); what is, is read elsewhere.
const WORDS: usize = 64;
const BYTES: usize = WORDS * 8;

/// The function `(authorization: string, terms: number) => number | undefined` of a handle: see [`Handle::warm`].
pub(crate) fn warm_function(env: &Env, handle: Rc<Handle>) -> napi::Result<Unknown<'_>> {
    let raw = env.raw();
    let data = Rc::into_raw(handle).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `warm` has the signature of a callback; `data` is a counted reference that the finalizer gives back, and
    // that lives as long as the function.
    unsafe {
        let made = sys::napi_create_function(raw, c"warm".as_ptr(), 4, Some(warm), data, &raw mut function);
        let kept = if made == sys::Status::napi_ok {
            sys::napi_add_finalizer(raw, function, data, Some(finalize), ptr::null_mut(), ptr::null_mut())
        } else {
            made
        };
        if kept != sys::Status::napi_ok {
            // When only the finalizer is missing, the function may still be called: then the reference stays.
            if made != sys::Status::napi_ok {
                drop(Rc::from_raw(data.cast_const().cast::<Handle>()));
            }
            return Err(napi::Error::from_status(napi::Status::from(kept)));
        }
        Ok(Unknown::from_raw_unchecked(raw, function))
    }
}

unsafe extern "C" fn finalize(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the reference that was given to the function, given back once.
    drop(unsafe { Rc::from_raw(data.cast_const().cast::<Handle>()) });
}

unsafe extern "C" fn warm(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut arguments = [ptr::null_mut(); 2];
    let mut count = arguments.len();
    let mut data = ptr::null_mut();
    let mut words = [const { MaybeUninit::<u64>::uninit() }; WORDS];
    let bytes = words.as_mut_ptr().cast::<u8>();
    let (mut length, mut terms) = (0_usize, 0_u32);
    // SAFETY: called by Node with its environment and call; each out-pointer is a local with room for what is asked.
    // Arguments that were not given are `undefined`.
    let read = unsafe {
        sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), &raw mut data);
        let [value, number] = arguments;
        // UTF-8 keeps ASCII, which is all that a credential has, and keeps anything else apart from it.
        sys::napi_get_value_string_utf8(env, value, bytes.cast(), BYTES, &raw mut length) == sys::Status::napi_ok
            && sys::napi_get_value_uint32(env, number, &raw mut terms) == sys::Status::napi_ok
    };
    // What may have been cut short is not decided here.
    if !read || length >= BYTES - 4 {
        return ptr::null_mut();
    }
    // SAFETY: `length` bytes were written.
    let value = unsafe { std::slice::from_raw_parts(bytes, length) };
    // SAFETY: the function's own data, alive while the function is.
    let handle = unsafe { &*data.cast_const().cast::<Handle>() };
    let decided = catch_unwind(AssertUnwindSafe(|| handle.warm(value, terms))).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        Some(Err(Error::new(Code::Internal)))
    });
    for word in words.iter_mut().take(length.div_ceil(8)) {
        // SAFETY: a word of the local buffer; volatile, so that it is not taken for a useless write.
        unsafe { ptr::write_volatile(word, MaybeUninit::new(0)) };
    }
    let mut answer = ptr::null_mut();
    match decided {
        None => {}
        // SAFETY: the out-pointer is a local.
        Some(Ok(slot)) => unsafe {
            sys::napi_create_int32(env, slot, &raw mut answer);
        },
        Some(Err(error)) => {
            throw(&Env::from_raw(env), &error);
        }
    }
    answer
}

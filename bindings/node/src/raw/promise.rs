//! Promises that are settled from a message.

use std::ptr;

use inspire_auth_core::{Code, Error, Result};
use napi::{Env, JsValue, bindgen_prelude::Unknown, sys};

use super::error::make;

/// The other end of a promise. Dropped without being settled only when its environment goes down.
pub(crate) struct Deferred(sys::napi_deferred);

// SAFETY: it crosses threads only to come back: `settle` needs an `Env`, which only the environment's thread has.
unsafe impl Send for Deferred {}

impl Deferred {
    /// A promise, and its other end.
    pub(crate) fn new(env: &Env) -> Result<(Self, Unknown<'_>)> {
        let (mut deferred, mut promise) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: a live environment, on its thread; both out-pointers are locals.
        let status = unsafe { sys::napi_create_promise(env.raw(), &raw mut deferred, &raw mut promise) };
        if status != sys::Status::napi_ok {
            return Err(Error::new(Code::Internal));
        }
        // SAFETY: just made, in this environment.
        Ok((Self(deferred), unsafe { Unknown::from_raw_unchecked(env.raw(), promise) }))
    }

    /// Resolves or rejects the promise.
    pub(crate) fn settle(self, env: &Env, outcome: Result<Unknown<'_>>) {
        // SAFETY: the deferred is of this environment and is settled once, since `self` is given up.
        unsafe {
            match outcome {
                Ok(value) => sys::napi_resolve_deferred(env.raw(), self.0, value.raw()),
                Err(error) => match make(env, &error) {
                    Some(reason) => sys::napi_reject_deferred(env.raw(), self.0, reason),
                    None => sys::Status::napi_generic_failure,
                },
            }
        };
    }
}

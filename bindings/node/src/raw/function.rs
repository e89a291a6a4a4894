//! Functions that are called without napi-rs: each is bound to a handle, and answers what memory knows, or `undefined`.

use std::{
    ffi::{CStr, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
};

use inspire_auth_core::{Code, Error};
use napi::{Env, bindgen_prelude::Unknown, sys};

use super::throw;
use crate::handle::Handle;

/// A function of a handle. `callback` finds the handle by [`Call::handle`].
pub(super) fn bound<'e>(
    env: &'e Env,
    handle: Rc<Handle>,
    name: &CStr,
    callback: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
) -> napi::Result<Unknown<'e>> {
    let raw = env.raw();
    let data = Rc::into_raw(handle).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    let length = isize::try_from(name.count_bytes()).unwrap_or(0);
    // SAFETY: `callback` has the signature of a callback; `data` is a counted reference that the finalizer gives back, and
    // that lives as long as the function.
    unsafe {
        let made = sys::napi_create_function(raw, name.as_ptr(), length, Some(callback), data, &raw mut function);
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

/// One call of such a function.
pub(super) struct Call<'c, const N: usize> {
    pub(super) env: sys::napi_env,
    /// What was not given is `undefined`.
    pub(super) arguments: [sys::napi_value; N],
    pub(super) handle: &'c Handle,
}

impl<'c, const N: usize> Call<'c, N> {
    /// # Safety
    /// As Node has called the callback of a function that [`bound`] made; not kept beyond that call.
    #[inline]
    pub(super) unsafe fn of(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut arguments = [ptr::null_mut(); N];
        let (mut count, mut data) = (N, ptr::null_mut());
        // SAFETY: Node's own environment and call; each out-pointer is a local with room for what is asked.
        unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), &raw mut data);
        }
        // SAFETY: the function's own data, alive while the function is.
        Self { env, arguments, handle: unsafe { &*data.cast_const().cast::<Handle>() } }
    }

    /// Gives an answer, which `value` makes a JavaScript value; throws an error; or says `undefined`.
    #[inline]
    pub(super) fn answer<T>(
        &self,
        decide: impl FnOnce(&Handle) -> Option<Result<T, Error>>,
        value: impl FnOnce(sys::napi_env, T, *mut sys::napi_value),
    ) -> sys::napi_value {
        let decided = catch_unwind(AssertUnwindSafe(|| decide(self.handle))).unwrap_or_else(|payload| {
            // Dropping a payload runs foreign code, which might panic in its turn.
            std::mem::forget(payload);
            Some(Err(Error::new(Code::Internal)))
        });
        let mut answer = ptr::null_mut();
        match decided {
            None => {}
            Some(Ok(decided)) => value(self.env, decided, &raw mut answer),
            Some(Err(error)) => {
                throw(&Env::from_raw(self.env), &error);
            }
        }
        answer
    }
}

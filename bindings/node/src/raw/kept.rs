//! A JavaScript value kept beyond one call.

use std::ptr;

use napi::{
    Env, JsValue,
    bindgen_prelude::{ToNapiValue, Unknown},
    sys,
};

/// A strong reference to a value of one environment. Never leaves its thread; freed with the environment, or by
/// [`Kept::release`].
pub(crate) struct Kept(sys::napi_ref);

impl Kept {
    pub(crate) fn new<'v>(env: &Env, value: &impl JsValue<'v>) -> Option<Self> {
        let mut reference = ptr::null_mut();
        // SAFETY: `env` is the environment of this call, and `value` a value of it.
        let status = unsafe { sys::napi_create_reference(env.raw(), value.raw(), 1, &raw mut reference) };
        (status == sys::Status::napi_ok).then_some(Self(reference))
    }

    /// The value.
    pub(crate) fn get<'e>(&self, env: &'e Env) -> Option<Unknown<'e>> {
        let mut value = ptr::null_mut();
        // SAFETY: the reference is of this environment (it is reached through its instance data), and not yet deleted.
        let status = unsafe { sys::napi_get_reference_value(env.raw(), self.0, &raw mut value) };
        // SAFETY: a value of this environment.
        (status == sys::Status::napi_ok && !value.is_null())
            .then(|| unsafe { Unknown::from_raw_unchecked(env.raw(), value) })
    }

    /// Lets the value go.
    pub(crate) fn release(self, env: &Env) {
        // SAFETY: of this environment, and deleted only here, where it is given up.
        unsafe { sys::napi_delete_reference(env.raw(), self.0) };
    }
}

/// Calls a function with one argument. What it throws becomes an uncaught exception, as from any callback.
pub(crate) fn call(env: &Env, function: &Unknown<'_>, argument: impl ToNapiValue) {
    // SAFETY: a live environment, on its thread.
    if let Ok(argument) = unsafe { ToNapiValue::to_napi_value(env.raw(), argument) } {
        call_raw(env, function, &[argument]);
    }
}

/// The same with two arguments, the first of which is a value already.
pub(crate) fn call_with(env: &Env, function: &Unknown<'_>, first: &Unknown<'_>, second: impl ToNapiValue) {
    // SAFETY: a live environment, on its thread.
    if let Ok(second) = unsafe { ToNapiValue::to_napi_value(env.raw(), second) } {
        call_raw(env, function, &[first.raw(), second]);
    }
}

fn call_raw(env: &Env, function: &Unknown<'_>, arguments: &[sys::napi_value]) {
    let raw = env.raw();
    let (mut receiver, mut exception) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: values of this environment, as many arguments as are said; every out-pointer is a local.
    unsafe {
        if sys::napi_get_undefined(raw, &raw mut receiver) == sys::Status::napi_ok
            && sys::napi_call_function(
                raw,
                receiver,
                function.raw(),
                arguments.len(),
                arguments.as_ptr(),
                ptr::null_mut(),
            ) == sys::Status::napi_pending_exception
            && sys::napi_get_and_clear_last_exception(raw, &raw mut exception) == sys::Status::napi_ok
        {
            sys::napi_fatal_exception(raw, exception);
        }
    }
}

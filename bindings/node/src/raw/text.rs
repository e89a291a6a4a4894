//! Reading values that napi-rs has no safe word for.

use std::ptr;

use napi::{
    Env, JsValue,
    bindgen_prelude::{ClassInstance, FromNapiValue, TypeTag, Unknown},
    sys,
};

/// The bytes of a header's name or value: one for each UTF-16 unit, as Node's own header strings have it. A unit above
/// U+00FF was never a byte; it becomes 0xFF, which stands in no credential and no name of a header that carries one.
/// `None` for anything but a string.
pub(crate) fn header_bytes(value: &Unknown<'_>) -> Option<Vec<u8>> {
    let Value { env, value } = Value::of(value);
    let mut length = 0;
    // SAFETY: a value of its environment; without a buffer only the length is written.
    if unsafe { sys::napi_get_value_string_utf16(env, value, ptr::null_mut(), 0, &raw mut length) }
        != sys::Status::napi_ok
    {
        return None;
    }
    let mut units = zeroize::Zeroizing::new(vec![0_u16; length.checked_add(1)?]);
    // SAFETY: the buffer has room for the text and its terminator.
    let status =
        unsafe { sys::napi_get_value_string_utf16(env, value, units.as_mut_ptr(), units.len(), &raw mut length) };
    (status == sys::Status::napi_ok)
        .then(|| units.iter().take(length).map(|unit| u8::try_from(*unit).unwrap_or(0xff)).collect())
}

struct Value {
    env: sys::napi_env,
    value: sys::napi_value,
}

impl Value {
    fn of(value: &Unknown<'_>) -> Self {
        let inner = value.value();
        Self { env: inner.env, value: inner.value }
    }
}

/// The instance of the native class `T` that `value` is, or `None`. A look-alike, or an instance of another class under
/// a borrowed prototype, is none: napi-rs checks the type tag that it put on each instance.
pub(crate) fn instance<'v, T: TypeTag>(value: &Unknown<'v>) -> Option<ClassInstance<'v, T>> {
    let Value { env, value } = Value::of(value);
    // SAFETY: a value of its environment, on its thread.
    unsafe { ClassInstance::from_napi_value(env, value) }.ok()
}

/// `value instanceof class`.
pub(crate) fn is_instance(env: &Env, value: &Unknown<'_>, class: &Unknown<'_>) -> bool {
    let mut is = false;
    // SAFETY: two values of this environment; the out-pointer is a local.
    let status = unsafe { sys::napi_instanceof(env.raw(), value.raw(), class.raw(), &raw mut is) };
    status == sys::Status::napi_ok && is
}

//! JavaScript values become typed values here, once, strictly: no member that is not known, none of another type. What
//! is wrong is named by its place; what stood there is never repeated, since it may be a secret.

use std::borrow::Cow;

use inspire_auth_core::{Code, Error, Result};
use napi::{
    Env, JsValue, ValueType,
    bindgen_prelude::{JsObjectValue, Object, Unknown},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use zeroize::Zeroizing;

/// `INVALID_ARGUMENT` with this detail.
pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::with(Code::InvalidArgument, detail)
}

/// Reads `value`, which the error calls `what`.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn read<T: DeserializeOwned>(env: &Env, value: Unknown<'_>, what: &str) -> Result<T> {
    match env.from_js_value::<Tracked<T>, _>(value) {
        Ok(Tracked(Ok(read))) => Ok(read),
        Ok(Tracked(Err((path, problem)))) => Err(invalid(match path.as_str() {
            "" | "." => format!("{what} {problem}"),
            // An item of a list begins with its bracket.
            path if path.starts_with('[') => format!("{what}{path} {problem}"),
            path => format!("{what}.{path} {problem}"),
        })),
        // A getter has thrown.
        Err(_) => Err(invalid(format!("{what} can't be read"))),
    }
}

/// The same, where `undefined` and `null` mean that nothing was given.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(env: &Env, value: Unknown<'_>, what: &str) -> Result<T> {
    if is_given(&value) { read(env, value, what) } else { Ok(T::default()) }
}

/// Whether a value is neither `undefined` nor `null`.
pub(crate) fn is_given(value: &Unknown<'_>) -> bool {
    !matches!(value.get_type(), Ok(ValueType::Undefined | ValueType::Null))
}

/// A text.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn text(env: &Env, value: Unknown<'_>, what: &str) -> Result<String> {
    read(env, value, what)
}

/// A moment in Unix seconds, or `None` when it is not given.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn moment(env: &Env, value: Unknown<'_>) -> Result<Option<i64>> {
    read(env, value, "now")
}

/// The bytes of a `Uint8Array`, or of a string as UTF-8.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn bytes(env: &Env, value: Unknown<'_>, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    match value.get_type() {
        Ok(ValueType::String) => Ok(Zeroizing::new(text(env, value, what)?.into_bytes())),
        _ => read::<Bytes>(env, value, what).map(|bytes| bytes.0),
    }
}

/// An object whose members are read one by one, since some are no plain data.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is no object.
pub(crate) fn object<'v>(env: &Env, value: &Unknown<'v>, what: &str) -> Result<Object<'v>> {
    match value.get_type() {
        Ok(ValueType::Object) => Ok(Object::from_raw(env.raw(), value.raw())),
        _ => Err(invalid(format!("{what} is not an object"))),
    }
}

/// Refuses members that are not among `known`.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub(crate) fn only(object: &Object<'_>, what: &str, known: &[&str]) -> Result<()> {
    let names = Object::keys(object).map_err(|_| invalid(format!("{what} can't be read")))?;
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(format!("{what} has an unknown member {name}"))),
        None => Ok(()),
    }
}

/// A member of an object; `undefined` when it is not there.
///
/// # Errors
/// `INVALID_ARGUMENT` when its getter throws.
pub(crate) fn member<'v>(object: &Object<'v>, name: &str) -> Result<Unknown<'v>> {
    object.get_named_property_unchecked(name).map_err(|_| invalid(format!("{name} can't be read")))
}

/// Bytes of a `Uint8Array`, wiped after use.
#[derive(Clone)]
pub struct Bytes(pub(crate) Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a Uint8Array")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Bytes, E> {
                Ok(Bytes(Zeroizing::new(bytes.to_vec())))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> std::result::Result<Bytes, E> {
                Ok(Bytes(Zeroizing::new(bytes)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

const UNKNOWN_MEMBER: &str = "has an unknown member ";

/// What was read, or where and what is wrong.
struct Tracked<T>(std::result::Result<T, (String, Cow<'static, str>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tracked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Self(serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let (path, problem) = (error.path().to_string(), problem(&error.inner().to_string()));
            // A member that is not known stands at the end of its own path.
            let holder = match problem.strip_prefix(UNKNOWN_MEMBER).and_then(|name| path.strip_suffix(name)) {
                Some(holder) => holder.strip_suffix('.').unwrap_or(holder).to_owned(),
                None => path,
            };
            (holder, problem)
        })))
    }
}

/// What is wrong, without the value at fault: of serde's messages only those that name members are passed on.
fn problem(message: &str) -> Cow<'static, str> {
    let names_a_member = |kind: &str| {
        let at = message.find(kind)?;
        message.get(at..)?.split('`').nth(1).map(str::to_owned)
    };
    if let Some(name) = names_a_member("unknown field") {
        Cow::Owned(format!("{UNKNOWN_MEMBER}{name}"))
    } else if let Some(name) = names_a_member("missing field") {
        Cow::Owned(format!("has no member {name}"))
    } else if message.contains("unknown variant") {
        Cow::Borrowed("has a value that is not defined")
    } else {
        Cow::Borrowed("has the wrong type, or is out of range")
    }
}

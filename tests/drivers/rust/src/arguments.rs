//! Reading arguments, strictly: a member that is not asked for is as wrong as one that can't be read.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspire_auth_core::{Code, Error, Result, keys::RequirementSpec};
use serde_json::{Map, Value};

/// The members of an object, each taken once. An optional one that is null is absent.
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(crate) fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    fn of(value: Value) -> Result<Self> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(unreadable()),
        }
    }

    /// Refuses what has not been taken.
    pub(crate) fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(unreadable()) }
    }

    /// The member as it stands: `None` when it is absent, `Some(Null)` when it is null.
    pub(crate) fn raw(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn optional<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T>) -> Result<Option<T>> {
        self.raw(name).filter(|value| !value.is_null()).map(read).transpose()
    }

    fn required<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T>) -> Result<T> {
        self.optional(name, read)?.ok_or_else(unreadable)
    }

    pub(crate) fn bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        self.required(name, bytes)
    }

    pub(crate) fn bytes_or_none(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.optional(name, bytes)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        self.required(name, text)
    }

    pub(crate) fn text_or_none(&mut self, name: &str) -> Result<Option<String>> {
        self.optional(name, text)
    }

    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        self.required(name, texts)
    }

    pub(crate) fn texts_or_none(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        self.optional(name, texts)
    }

    pub(crate) fn flag_or_none(&mut self, name: &str) -> Result<Option<bool>> {
        self.optional(name, |value| value.as_bool().ok_or_else(unreadable))
    }

    pub(crate) fn integer_or_none<N: TryFrom<i128>>(&mut self, name: &str) -> Result<Option<N>> {
        self.optional(name, integer)
    }

    pub(crate) fn integer<N: TryFrom<i128>>(&mut self, name: &str) -> Result<N> {
        self.required(name, integer)
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>> {
        self.required(name, list)
    }

    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<Self>> {
        self.list(name)?.into_iter().map(Self::of).collect()
    }

    pub(crate) fn object_or_none(&mut self, name: &str) -> Result<Option<Self>> {
        self.optional(name, Self::of)
    }

    /// `{"any": [...]}` or `{"all": [...]}`.
    pub(crate) fn requirement_or_none(&mut self, name: &str) -> Result<Option<RequirementSpec>> {
        let Some(mut object) = self.object_or_none(name)? else { return Ok(None) };
        let (any, all) = (object.texts_or_none("any")?, object.texts_or_none("all")?);
        object.end()?;
        match (any, all) {
            (Some(levels), None) => Ok(Some(RequirementSpec::Any(levels))),
            (None, Some(levels)) => Ok(Some(RequirementSpec::All(levels))),
            _ => Err(unreadable()),
        }
    }
}

pub(crate) fn unreadable() -> Error {
    Error::new(Code::InvalidArgument)
}

/// A string, or the bytes of `{"b64": "..."}`.
pub(crate) fn bytes(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::String(text) => Ok(text.into_bytes()),
        Value::Object(members) => {
            let mut object = Arguments(members);
            let Some(Value::String(encoded)) = object.raw("b64") else { return Err(unreadable()) };
            object.end()?;
            STANDARD.decode(encoded).map_err(|_| unreadable())
        }
        _ => Err(unreadable()),
    }
}

fn text(value: Value) -> Result<String> {
    String::from_utf8(bytes(value)?).map_err(|_| unreadable())
}

pub(crate) fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable()),
    }
}

fn texts(value: Value) -> Result<Vec<String>> {
    list(value)?.into_iter().map(text).collect()
}

pub(crate) fn integer<N: TryFrom<i128>>(value: Value) -> Result<N> {
    let number = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    number.and_then(|number| N::try_from(number).ok()).ok_or_else(unreadable)
}

//! A route table as it is written, and everything that can be wrong with it.
//!
//! Read into types, never into a map: a member that is unknown or stands twice is an error, and so is an array where an
//! object belongs.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    MAX_PATH, MAX_RULES, MAX_TABLE_BYTES,
    table::{EVERY_METHOD, is_token},
};
use crate::{
    error::{Code, Error, Result},
    keys::{RequirementSpec, levels},
};

/// The longest text of an entitlement, in bytes.
const MAX_ENTITLEMENT: usize = 128;
/// How much of a parser's complaint is shown, in characters.
const MAX_COMPLAINT: usize = 300;

/// A table with every value checked.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) ignore_case: bool,
    pub(super) ignore_suffix: bool,
    pub(super) routes: Vec<Entry>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) prefix: String,
    pub(super) methods: Vec<String>,
    pub(super) require: RequirementSpec,
    pub(super) entitlement: Option<String>,
}

/// Reads and checks a table.
pub(super) fn read(json: &str) -> Result<Document> {
    if json.len() > MAX_TABLE_BYTES {
        return Err(Error::with(Code::InvalidArgument, "the route table is longer than 1 MiB"));
    }
    let complaint = |error: serde_json::Error| {
        let text: String = error.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let text = text.chars().take(MAX_COMPLAINT).collect::<String>();
        Error::with(Code::InvalidArgument, format!("the route table can't be read: {text}"))
    };
    let Object(document) = serde_json::from_str::<Object<DocumentJson>>(json).map_err(complaint)?;
    let routes = document.routes.0.into_iter().enumerate().map(|(at, entry)| entry.checked(at));
    let routes = routes.collect::<Result<_>>()?;
    Ok(Document { ignore_case: document.ignore_case, ignore_suffix: document.ignore_suffix, routes })
}

/// `INVALID_ARGUMENT`, about one place of the table.
pub(super) fn refused(place: &str, what: &str) -> Error {
    Error::with(Code::InvalidArgument, format!("{place}: {what}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentJson {
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    ignore_suffix: bool,
    routes: Entries,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryJson {
    prefix: String,
    methods: Vec<String>,
    require: RequireJson,
    #[serde(default)]
    entitlement: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RequireJson {
    Any(Vec<String>),
    All(Vec<String>),
}

impl EntryJson {
    fn checked(self, at: usize) -> Result<Entry> {
        let place = |member: &str| format!("routes[{at}].{member}");
        check_prefix(&self.prefix).map_err(|what| refused(&place("prefix"), what))?;
        if self.methods.is_empty() {
            return Err(refused(&place("methods"), "at least one is needed"));
        }
        if self.methods.len() > 1 && self.methods.iter().any(|method| method == EVERY_METHOD) {
            return Err(refused(&place("methods"), "* stands alone"));
        }
        if !self.methods.iter().all(|method| is_token(method)) {
            return Err(refused(&place("methods"), "a method is a token, such as GET"));
        }
        if self.entitlement.as_ref().is_some_and(|text| {
            text.is_empty() || text.len() > MAX_ENTITLEMENT || !text.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(refused(&place("entitlement"), "an entitlement is a code, such as DEVICE_GROUPS"));
        }
        let require = match self.require {
            RequireJson::Any(levels) => RequirementSpec::Any(levels),
            RequireJson::All(levels) => RequirementSpec::All(levels),
        };
        let (RequirementSpec::Any(required) | RequirementSpec::All(required)) = &require;
        for level in required {
            levels::validate(level).map_err(|error| Error::with(error.code(), place("require")))?;
        }
        Ok(Entry { prefix: self.prefix, methods: self.methods, require, entitlement: self.entitlement })
    }
}

/// Whether a prefix is `/`, or whole segments of unreserved characters (RFC 3986, section 2.3): then nothing that is
/// spelt with an escape is equal to it.
fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    let Some(inside) = prefix.strip_prefix('/') else { return Err("a prefix begins with a slash") };
    if inside.is_empty() {
        return Ok(());
    }
    if prefix.len() > MAX_PATH {
        return Err("a prefix is at most 8 KiB");
    }
    if inside.ends_with('/') {
        return Err("a prefix has no slash at the end");
    }
    for segment in inside.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err("a segment is neither empty nor a dot or two");
        }
        if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            return Err("a segment holds only A-Z a-z 0-9 - . _ ~");
        }
    }
    Ok(())
}

/// An object, and nothing else: serde would take an array for one, its elements in the order of the members.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData)).map(Self)
    }
}

/// The list of rules; a complaint says which of them it is about.
struct Entries(Vec<EntryJson>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Vec<EntryJson>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of routes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                loop {
                    let next = sequence.next_element::<Object<EntryJson>>();
                    let next = next.map_err(|error| A::Error::custom(format!("routes[{}]: {error}", entries.len())))?;
                    let Some(Object(entry)) = next else { return Ok(entries) };
                    if entries.len() == MAX_RULES {
                        return Err(A::Error::custom("more than 10000 routes"));
                    }
                    entries.push(entry);
                }
            }
        }
        deserializer.deserialize_seq(Elements).map(Self)
    }
}

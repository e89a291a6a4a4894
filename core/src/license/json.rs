//! JSON without second readings.
//!
//! Parsers differ in what they make of a member that stands twice, and signed files have been read in two ways by two
//! programs because of it. So a repeated member, at any depth, is an error here, before anyone asks for it.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// How deep arrays and objects may stand in each other. Keygen's own documents reach 7, with the 4 that it allows in
/// metadata.
const MAX_DEPTH: u8 = 32;

/// A JSON value that borrows its texts from where it was read, as far as they stand there without an escape: most of a
/// license file is read and never asked for.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object, each name once.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// In the order of the names.
    sorted: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Members<'a> {
    /// `None` when a name stands twice.
    fn new(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Option<Self> {
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let is_unique = members.windows(2).all(|pair| !matches!(pair, [(a, _), (b, _)] if a == b));
        is_unique.then_some(Self { sorted: members })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        let at = self.sorted.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()?;
        self.sorted.get(at).map(|(_, value)| value)
    }

    /// The same, with texts of its own.
    pub(super) fn to_map(&self) -> serde_json::Map<String, Value> {
        self.sorted.iter().map(|(name, value)| (name.clone().into_owned(), value.to_value())).collect()
    }
}

impl Json<'_> {
    /// The same, with texts of its own.
    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(value.clone()),
            Self::Text(value) => Value::String(value.clone().into_owned()),
            Self::List(values) => Value::Array(values.iter().map(Json::to_value).collect()),
            Self::Object(members) => Value::Object(members.to_map()),
        }
    }
}

/// Reads exactly one JSON text (RFC 8259, UTF-8, nothing but white space after it): no repeated member, no deeper than
/// [`MAX_DEPTH`], no number beyond a double, and no U+0000 in any string, which C could not see past.
///
/// `None` says only that it is not such a text: the place of the fault in a signed document helps nobody.
pub(super) fn read(bytes: &[u8]) -> Option<Json<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// [`read`], with texts of its own.
pub(super) fn parse(bytes: &[u8]) -> Option<Value> {
    read(bytes).map(|value| value.to_value())
}

#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth.saturating_add(1) })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json<'de>, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Text.visit_borrowed_str(value).map(Json::Text)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json<'de>, E> {
        Text.visit_str(value).map(Json::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(name) = access.next_key_seed(Text)? {
            members.push((name, access.next_value_seed(inner)?));
        }
        Members::new(members).map(Json::Object).ok_or_else(|| Error::custom("a member stands twice"))
    }
}

/// A string, or the name of a member.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        without_nul(value)?;
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        without_nul(value)?;
        Ok(Cow::Owned(value.to_owned()))
    }
}

fn without_nul<E: Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom("a string holds U+0000")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        let text = r#" {"a": [1, -2, 3.5, true, null, "x\u00e9"], "b": {"a": {}}, "c": 18446744073709551616} "#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"[{"x":[{"a":{"k":1,"k":null}}]}]"#,
            r#"{"unknown":{"a":1,"a":2}}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
            assert!(serde_json::from_str::<Value>(bad).is_ok(), "serde_json alone lets it pass: {bad}");
        }
    }

    #[test]
    fn members_are_found_by_name_and_texts_are_borrowed() {
        let Some(Json::Object(members)) = read(br#"{"b":"x","a":"\u0078","":1,"c":null}"#) else { panic!("an object") };
        assert!(matches!(members.get("b"), Some(Json::Text(Cow::Borrowed("x")))));
        assert!(matches!(members.get("a"), Some(Json::Text(Cow::Owned(text))) if text == "x"));
        assert!(matches!(members.get(""), Some(Json::Number(_))) && matches!(members.get("c"), Some(Json::Null)));
        assert!(members.get("d").is_none());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(32).as_bytes()).is_some());
        assert!(parse(nested(33).as_bytes()).is_none());
        assert!(parse("[".repeat(200_000).as_bytes()).is_none());
        assert!(parse(r#"{"a":"#.repeat(50_000).as_bytes()).is_none());
    }

    #[test]
    fn what_is_not_one_text_is_refused() {
        for bad in [
            &b""[..],
            b"{} {}",
            b"{}x",
            b"\xEF\xBB\xBF{}",
            b"{\"a\":1,}",
            b"{'a':1}",
            b"\"\xff\"",
            b"1e400",
            b"NaN",
            b"\"\\ud800\"",
            b"{\"a\":\"x\\u0000\"}",
            b"{\"a\\u0000\":1}",
            b"01",
            b"// c\n1",
            b"{}\0",
        ] {
            assert!(parse(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        /// Whatever is read is what serde_json reads, and it is refused only for what is forbidden here.
        #[test]
        fn what_is_read_is_what_stands_there(names in proptest::collection::vec("[a-c]{1,2}", 0..6), text in "\\PC*") {
            let members: Vec<_> = names.iter().map(|name| format!("{}:{}", json!(name), json!([text, {"k": text}]))).collect();
            let document = format!("{{{}}}", members.join(","));
            let is_unique = names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1);
            let expected = is_unique.then(|| serde_json::from_str::<Value>(&document).unwrap());
            prop_assert_eq!(parse(document.as_bytes()), expected);
        }
    }
}

//! Limits: numbers that a license carries in its metadata.
//!
//! Keygen re-cases metadata keys (`max_displays` is sent, `maxDisplays` comes back), so a limit is found by its folded
//! name, and two spellings of one name in one license are refused instead of one of them winning.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

/// A limit that is not one.
pub const UNLIMITED: i64 = -1;

/// The limits that are always listed.
pub const KNOWN: [&str; 3] = ["MAX_DISPLAYS", "MAX_AGILES", "AI_CREDITS_MONTHLY"];

/// The limits that `metadata` names. `None` when two of its keys, of whatever value, fold to one name.
pub(super) fn from_metadata(metadata: &Map<String, Value>) -> Option<BTreeMap<String, i64>> {
    let mut values = BTreeMap::new();
    for (key, value) in metadata {
        // Not an integer, or not one of 64 bits: metadata, and no limit.
        let limit = value.as_i64().map(|limit| if limit < UNLIMITED { 0 } else { limit });
        if values.insert(name_of(key).into_owned(), limit).is_some() {
            return None;
        }
    }
    Some(values.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect())
}

/// The name of the limit that a metadata key (or a caller) means: a known name whatever its case and separators, else
/// the key in capitals with `_` between its words.
pub(super) fn name_of(key: &str) -> Cow<'_, str> {
    if KNOWN.contains(&key) {
        return Cow::Borrowed(key);
    }
    if let Some(known) = KNOWN.into_iter().find(|known| folded(known).eq(folded(key))) {
        return Cow::Borrowed(known);
    }
    let mut name = String::with_capacity(key.len().saturating_add(4));
    let mut ends_word = false;
    for symbol in key.chars() {
        if symbol.is_ascii_uppercase() && ends_word {
            name.push('_');
        }
        ends_word = symbol.is_ascii_lowercase() || symbol.is_ascii_digit();
        name.push(if matches!(symbol, '-' | ' ') { '_' } else { symbol.to_ascii_uppercase() });
    }
    Cow::Owned(name)
}

/// The limit of this name, in any case or spelling; 0 for one that the license does not name.
pub(super) fn find(limits: &BTreeMap<String, i64>, name: &str) -> i64 {
    // The name as it is listed comes first: not every name is its own in `name_of` (`LEVEL2SEATS`).
    let exact = limits.get(name).or_else(|| limits.get(&name.to_ascii_uppercase()));
    exact.or_else(|| limits.get(name_of(name).as_ref())).copied().unwrap_or(0)
}

/// The key of a limit in metadata: Keygen's lower camel case where that reads back as the same name, else small letters
/// (which always do). A name that is not in capitals is a key already.
pub(super) fn metadata_key(name: &str) -> String {
    if name.contains(|symbol: char| symbol.is_ascii_lowercase()) {
        return name.to_owned();
    }
    let mut key = String::with_capacity(name.len());
    let mut begins_word = false;
    for symbol in name.chars() {
        match symbol {
            '_' => begins_word = true,
            _ if std::mem::take(&mut begins_word) => key.push(symbol),
            _ => key.push(symbol.to_ascii_lowercase()),
        }
    }
    if name_of(&key) == name { key } else { name.to_ascii_lowercase() }
}

fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|symbol| !matches!(symbol, '_' | '-')).map(|symbol| symbol.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn limits(metadata: Value) -> Option<Vec<(String, i64)>> {
        let Value::Object(map) = metadata else { panic!("an object") };
        Some(from_metadata(&map)?.into_iter().collect())
    }

    fn one(key: &str, value: Value) -> Vec<(String, i64)> {
        limits(Value::Object(Map::from_iter([(key.to_owned(), value)]))).unwrap()
    }

    #[test]
    fn known_names_are_found_in_any_spelling() {
        for key in [
            "maxDisplays",
            "max_displays",
            "MAX_DISPLAYS",
            "max-displays",
            "MaxDisplays",
            "maxdisplays",
            "_m-a_xDisplays",
        ] {
            assert_eq!(one(key, json!(4)), [("MAX_DISPLAYS".to_owned(), 4)], "{key}");
        }
        assert_eq!(one("maxAgiles", json!(1))[0].0, "MAX_AGILES");
        assert_eq!(one("aiCreditsMonthly", json!(1))[0].0, "AI_CREDITS_MONTHLY");
        assert_eq!(one("AI-credits-monthly", json!(1))[0].0, "AI_CREDITS_MONTHLY");
    }

    #[test]
    fn other_names_become_capitals() {
        for (key, name) in [
            ("seats", "SEATS"),
            ("maxUsers", "MAX_USERS"),
            ("maxHTTPCalls", "MAX_HTTPCALLS"),
            ("level2Seats", "LEVEL2_SEATS"),
            ("a-b c_d", "A_B_C_D"),
            ("FOO_BAR", "FOO_BAR"),
            ("ABC", "ABC"),
            ("größe", "GRößE"),
            ("x.y", "X.Y"),
            ("", ""),
        ] {
            assert_eq!(name_of(key), name, "{key}");
            assert_eq!(one(key, json!(7)), [(name.to_owned(), 7)]);
        }
    }

    #[test]
    fn values_are_integers_from_minus_one() {
        for (value, limit) in [
            (json!(0), Some(0)),
            (json!(-1), Some(-1)),
            (json!(-2), Some(0)),
            (json!(i64::MIN), Some(0)),
            (json!(i64::MAX), Some(i64::MAX)),
            (json!(9_223_372_036_854_775_808_u64), None),
            (json!(1.0), None),
            (json!(1.5), None),
            (json!("4"), None),
            (json!(true), None),
            (json!(null), None),
            (json!([4]), None),
        ] {
            assert_eq!(one("maxDisplays", value.clone()).first().map(|(_, v)| *v), limit, "{value}");
        }
    }

    #[test]
    fn two_spellings_of_one_name_are_refused() {
        for both in [
            json!({"maxDisplays": 4, "max_displays": 9}),
            json!({"maxDisplays": 4, "MAXDISPLAYS": "x"}),
            json!({"max displays": 4, "maxDisplays": 4}),
            json!({"seatCount": 1, "seat_count": 1}),
            json!({"seat count": null, "seat-count": null}),
        ] {
            assert_eq!(limits(both.clone()), None, "{both}");
        }
        assert!(limits(json!({"seatcount": 1, "seat_count": 2})).is_some());
    }

    proptest! {
        #[test]
        fn a_listed_name_finds_its_limit_and_makes_a_key_that_reads_back(key in "\\PC{0,20}|[a-zA-Z0-9_ -]{0,12}") {
            let name = name_of(&key).into_owned();
            let limits = BTreeMap::from([(name.clone(), 7)]);
            prop_assert_eq!(find(&limits, &name), 7);
            prop_assert_eq!(find(&limits, &name.to_ascii_lowercase()), 7);
            prop_assert_eq!(find(&limits, &key), 7);
            let written = metadata_key(&name);
            prop_assert_eq!(name_of(&written), name.as_str());
        }
    }
}

//! Writing a file of vectors: one step a line, members in a fixed order.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use super::model::File;
use crate::Outcome;

const SCHEMA: &str = "inspire-auth-vectors-1";

/// The text of the file; a failure when an id or a flag is used wrongly.
pub(super) fn render(file: &File) -> Outcome<String> {
    check(file)?;
    let mut text = String::from("{\n");
    line(&mut text, 1, &format!("\"schema\": {},", quoted(SCHEMA)));
    line(&mut text, 1, "\"generator\": \"cargo xtask vectors\",");
    line(&mut text, 1, "\"notes\": {");
    let notes: Vec<String> =
        file.notes.iter().map(|(flag, note)| format!("{}: {}", quoted(flag), quoted(note))).collect();
    list(&mut text, 2, &notes);
    line(&mut text, 1, "},");
    line(&mut text, 1, "\"testGroups\": [");
    for (at, group) in file.groups.iter().enumerate() {
        line(&mut text, 2, "{");
        line(&mut text, 3, &format!("\"note\": {},", quoted(group.note)));
        line(&mut text, 3, "\"tests\": [");
        for (number, test) in group.tests.iter().enumerate() {
            line(&mut text, 4, "{");
            line(&mut text, 5, &format!("\"tcId\": {},", group.first_id + number));
            line(&mut text, 5, &format!("\"comment\": {},", quoted(&test.comment)));
            let flags: Vec<String> = test.flags.iter().map(|flag| quoted(flag)).collect();
            line(&mut text, 5, &format!("\"flags\": [{}],", flags.join(", ")));
            line(&mut text, 5, "\"steps\": [");
            let step = |(request, expect): &(Value, Value)| {
                format!("{{\"request\": {},\n             \"expect\": {}}}", ordered(request), ordered(expect))
            };
            list(&mut text, 6, &test.steps.0.iter().map(step).collect::<Vec<_>>());
            line(&mut text, 5, "]");
            line(&mut text, 4, if number + 1 == group.tests.len() { "}" } else { "}," });
        }
        line(&mut text, 3, "]");
        line(&mut text, 2, if at + 1 == file.groups.len() { "}" } else { "}," });
    }
    text.push_str("  ]\n}\n");
    Ok(text)
}

/// Ids are unique, flags are explained, explanations are used, and no test is without a flag.
fn check(file: &File) -> Outcome {
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for group in &file.groups {
        for (number, test) in group.tests.iter().enumerate() {
            if !ids.insert(group.first_id + number) {
                return Err(format!("{}: tcId {} stands twice", file.name, group.first_id + number).into());
            }
            if test.flags.is_empty() {
                return Err(format!("{}: `{}` names no bug that it would catch", file.name, test.comment).into());
            }
            used.extend(test.flags.iter().copied());
        }
    }
    let explained: BTreeSet<&str> = file.notes.iter().map(|(flag, _)| *flag).collect();
    if used != explained {
        let difference: Vec<_> = used.symmetric_difference(&explained).collect();
        return Err(format!("{}: flags and notes differ: {difference:?}", file.name).into());
    }
    Ok(())
}

fn line(text: &mut String, depth: usize, contents: &str) {
    let _ = writeln!(text, "{:width$}{contents}", "", width = depth * 2);
}

fn list(text: &mut String, depth: usize, items: &[String]) {
    for (at, item) in items.iter().enumerate() {
        let comma = if at + 1 == items.len() { "" } else { "," };
        line(text, depth, &format!("{item}{comma}"));
    }
}

/// JSON with `op` and `result` first, then `handle`, then the rest by name: whatever map serde_json was built with.
fn ordered(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by_key(|name| {
                (!matches!(name.as_str(), "op" | "result"), name.as_str() != "handle", (*name).clone())
            });
            let member = |name: &&String| {
                let value = members.get(name.as_str()).map_or_else(|| "null".to_owned(), ordered);
                format!("{}: {value}", quoted(name))
            };
            format!("{{{}}}", names.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(ordered).collect::<Vec<_>>().join(", ")),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A JSON string in ASCII: what is not, is escaped, so that an editor can't change it unseen.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(letter),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_same_json() {
        let value =
            serde_json::json!({"b": ["\u{feff}x\n\t\"\\", 1, null], "op": "x", "handle": "${h}", "\u{1f600}": true});
        let text = ordered(&value);
        assert!(text.is_ascii() && text.starts_with("{\"op\": \"x\", \"handle\""), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}

//! An audit event as one line of JSON.

use serde::Serialize;

use super::{chain::Digest, ocsf};
use crate::{
    VERSION,
    error::{Code, Result},
    license::{hex, time},
    store::AuditEvent,
};

/// The version of the line's own schema, its member `v`.
pub(crate) const SCHEMA: u32 = 1;
/// What a text may take of a line, in bytes: more is cut off.
const LONGEST: usize = 4096;
/// The first and last second of the years that RFC 3339 can name.
const YEARS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// The members of a line, in this order. `docs/audit.md` has the schema.
#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    time: String,
    event: &'a str,
    outcome: &'static str,
    code: &'static str,
    actor: &'a str,
    subject: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    ocsf: Ocsf,
}

/// The event in the words of the Open Cybersecurity Schema Framework.
#[derive(Serialize)]
struct Ocsf {
    class_uid: u32,
    category_uid: u32,
    activity_id: u32,
    type_uid: u32,
    severity_id: u32,
    status_id: u32,
    /// Milliseconds since 1970.
    time: i64,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    version: &'static str,
    product: Product,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    version: &'static str,
}

/// The line of an event, with its end. `previous` is the hash of the line before it, where lines are chained.
///
/// # Errors
/// `INTERNAL`, which can't happen: every member is a number or a text.
pub(crate) fn line(event: &AuditEvent, previous: Option<&Digest>) -> Result<Vec<u8>> {
    let success = event.code == Code::Ok;
    let at = event.at.clamp(YEARS.0, YEARS.1);
    let class = ocsf::class_of(&event.event, event.code);
    let line = Line {
        v: SCHEMA,
        time: time::format(at).unwrap_or_default(),
        event: cut(&event.event),
        outcome: if success { "success" } else { "failure" },
        code: event.code.name(),
        actor: cut(&event.actor),
        subject: cut(&event.subject),
        detail: cut(&event.detail),
        prev: previous.map(|digest| hex::encode(digest)),
        ocsf: Ocsf {
            class_uid: class.class,
            category_uid: class.category(),
            activity_id: class.activity,
            type_uid: class.type_uid(),
            severity_id: class.severity,
            status_id: if success { ocsf::SUCCESS } else { ocsf::FAILURE },
            time: at.saturating_mul(1000),
            metadata: Metadata {
                version: ocsf::VERSION,
                product: Product { name: "libinspire_auth", version: VERSION },
            },
        },
    };
    let text = serde_json::to_string(&line).map_err(|_| Code::Internal)?;
    let mut bytes = plain(text).into_bytes();
    bytes.push(b'\n');
    Ok(bytes)
}

/// The beginning of a text that is too long, whole characters of it.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

/// Escapes what JSON lets stand, but what ends a line for some readers, or turns it around on a terminal: DEL, the C1
/// controls, U+2028 and U+2029, and the marks that change the direction of text. Such characters stand in strings
/// only, so that an escape means the same.
fn plain(text: String) -> String {
    let unsafe_to_show = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if !text.contains(unsafe_to_show) {
        return text;
    }
    let mut plain = String::with_capacity(text.len().saturating_add(64));
    for c in text.chars() {
        if unsafe_to_show(c) {
            // All of them are in the first plane.
            plain.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn event(text: &str) -> AuditEvent {
        AuditEvent {
            at: 1_782_000_000,
            event: "key.created".to_owned(),
            actor: "system".to_owned(),
            subject: text.to_owned(),
            detail: text.to_owned(),
            code: Code::Ok,
        }
    }

    #[test]
    fn a_line_is_what_the_manual_says() {
        let line = line(&event("reporting"), Some(&[0xab; 32])).unwrap();
        let expected = format!(
            concat!(
                r#"{{"v":1,"time":"2026-06-21T00:00:00.000Z","event":"key.created","outcome":"success","code":"OK","#,
                r#""actor":"system","subject":"reporting","detail":"reporting","prev":"{}","#,
                r#""ocsf":{{"class_uid":3004,"category_uid":3,"activity_id":1,"type_uid":300401,"severity_id":1,"#,
                r#""status_id":1,"time":1782000000000,"metadata":{{"version":"1.3.0","product":"#,
                r#"{{"name":"libinspire_auth","version":"{}"}}}}}}}}"#,
                "\n"
            ),
            "ab".repeat(32),
            VERSION
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn a_time_that_has_no_name_is_the_nearest_that_has_one() {
        for (at, text) in [(i64::MAX, "9999-12-31T23:59:59.000Z"), (i64::MIN, "0000-01-01T00:00:00.000Z")] {
            let line = line(&AuditEvent { at, ..event("") }, None).unwrap();
            let value: Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(value["time"], text);
            assert!(value.get("prev").is_none());
        }
    }

    proptest! {
        /// T37: whatever stands in a text, a line is one line, in plain sight, and reads back as it was.
        #[test]
        fn no_text_breaks_a_line(text in "(\\PC|[\\x00-\\x20\u{7f}-\u{a0}\u{2026}-\u{2030}\u{2066}\"\\\\]){0,80}") {
            let line = line(&event(&text), None).unwrap();
            let shown = std::str::from_utf8(&line).unwrap();
            prop_assert_eq!(shown.find('\n'), Some(shown.len() - 1));
            let hidden = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c);
            prop_assert!(!shown.trim_end().contains(hidden));
            let value: Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(value["subject"].as_str().unwrap(), text.as_str());
            prop_assert_eq!(value["detail"].as_str().unwrap(), text.as_str());
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let line = line(&event(&"ü".repeat(10_000)), None).unwrap();
        let value: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["detail"].as_str().unwrap(), "ü".repeat(LONGEST / 2));
        assert!(line.len() < 64 << 10);
    }
}

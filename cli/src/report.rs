//! What a command has to say, for people and for programs.

use std::fmt::Write as _;

use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

/// What a command has to say: the same thing twice.
pub(crate) struct Report {
    json: Value,
    text: Zeroizing<String>,
    /// The exit code; not 0 where the answer itself is a verdict.
    pub(crate) exit: u8,
    /// What to do when this can't be written: it holds the only copy of something.
    pub(crate) lost: Option<String>,
}

impl Report {
    /// An answer. `text` ends with a newline, or is empty.
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: Zeroizing::new(text.into()), exit: 0, lost: None }
    }

    /// An answer that holds a secret.
    pub(crate) fn secret(json: Value, text: Zeroizing<String>) -> Self {
        Self { json, text, exit: 0, lost: None }
    }

    /// One thing more, for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(members) = &mut self.json {
            members.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Nothing: what there was to say has been said already.
    pub(crate) fn nothing() -> Self {
        Self::new(Value::Null, "")
    }

    /// A verdict, which the exit code tells as well.
    pub(crate) fn verdict(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// The only copy of something; `advice` is for when it is lost.
    pub(crate) fn only_copy(mut self, advice: impl Into<String>) -> Self {
        self.lost = Some(advice.into());
        self
    }

    pub(crate) fn as_text(&self) -> Zeroizing<String> {
        self.text.clone()
    }

    /// One document, for a person's eyes too.
    pub(crate) fn as_json(&self) -> Zeroizing<String> {
        if self.json.is_null() {
            return Zeroizing::default();
        }
        // Room enough that the text of a secret never moves, and leaves nothing behind.
        let mut text = Zeroizing::new(String::with_capacity(1 << 16));
        let _ = writeln!(text, "{:#}", self.json);
        text
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        wipe(&mut self.json);
    }
}

/// Overwrites every text of a document: one of them may have been a secret.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_wiped_in_all_its_depth() {
        let mut document = serde_json::json!({"key": "isk_1", "list": [{"key": "isk_2"}, "isk_3"], "number": 4});
        wipe(&mut document);
        assert_eq!(document, serde_json::json!({"key": "", "list": [{"key": ""}, ""], "number": 4}));
    }
}

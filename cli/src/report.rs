//! What a command has to say, for people and for programs.

use serde_json::Value;
use zeroize::Zeroizing;

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
        Zeroizing::new(format!("{:#}\n", self.json))
    }
}

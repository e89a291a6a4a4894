//! What no event may hold, whoever its texts are from: a key, or more than anybody reads.

use crate::{keys::KEY_PREFIX, store::AuditEvent};

/// The longest text of an event, in bytes. What is longer is cut, and ends in an ellipsis.
pub(crate) const MAX_TEXT: usize = 4096;

const ELLIPSIS: &str = "\u{2026}";

/// Screens every text of an event.
pub(crate) fn screen(event: &mut AuditEvent) {
    for text in [&mut event.event, &mut event.actor, &mut event.subject, &mut event.detail] {
        *text = screened(text);
    }
}

/// A text as an event may hold it.
pub(crate) fn screened(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return without_keys(text);
    }
    let most = MAX_TEXT.saturating_sub(ELLIPSIS.len());
    let at = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // Cut first: what follows takes memory, and time, in proportion.
    let mut shown = without_keys(text.split_at_checked(at).map_or("", |(kept, _)| kept));
    shown.push_str(ELLIPSIS);
    shown
}

/// A text without what looks like a generated key. A caller who puts the key where its name belongs presents it as a
/// name, which it could well be; the log must not keep it. Never longer than the text.
fn without_keys(text: &str) -> String {
    /// So much of a key can't be guessed from, nor be a name by accident.
    const SHOWN: usize = 8;
    let mut rest = text;
    let mut shown = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(KEY_PREFIX) {
        shown.push_str(before);
        shown.push_str(KEY_PREFIX);
        let key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let end = after.find(|c| !key(c)).unwrap_or(after.len());
        let (secret, following) = after.split_at_checked(end).unwrap_or((after, ""));
        shown.push_str(if secret.len() > SHOWN { ELLIPSIS } else { secret });
        rest = following;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_place_of_a_name_is_not_shown() {
        let key = format!("{KEY_PREFIX}{}", "aB3_-".repeat(9));
        for (text, shown) in [
            (String::new(), ""),
            ("gateway-client-7".to_owned(), "gateway-client-7"),
            ("isk_short".to_owned(), "isk_short"),
            (key.clone(), "isk_\u{2026}"),
            (format!("a {key} b {} c", &key[..30]), "a isk_\u{2026} b isk_\u{2026} c"),
            (format!("x{key}"), "xisk_\u{2026}"),
            (format!("isk_{key}"), "isk_\u{2026}"),
        ] {
            assert_eq!(screened(&text), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let whole = "x".repeat(MAX_TEXT);
        assert_eq!(screened(&whole), whole);
        for (character, kept) in [("x", MAX_TEXT - 3), ("\u{e9}", MAX_TEXT - 4), ("\u{1f511}", MAX_TEXT - 4)] {
            let shown = screened(&character.repeat(MAX_TEXT + 1));
            assert_eq!(shown.len(), kept + ELLIPSIS.len());
            assert!(shown.ends_with(ELLIPSIS) && shown.starts_with(character));
        }
        // Where it is cut, a key may begin.
        let key = format!("{KEY_PREFIX}{}", "k".repeat(43));
        for before in MAX_TEXT - 60..MAX_TEXT {
            let shown = screened(&format!("{}{key}", " ".repeat(before)));
            assert!(shown.len() <= MAX_TEXT && !shown.contains("kkkkkkkkk"), "{before}");
        }
    }
}

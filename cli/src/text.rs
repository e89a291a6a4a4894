//! Text on a terminal.

use unicode_width::UnicodeWidthChar as _;

/// Text that comes from a store or a file, without what a terminal would obey: control characters and the marks that
/// turn the writing direction become `\u{..}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Breaks a text into lines of at most `width` columns, after a space or a `/` where there is one.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in text.split_inclusive([' ', '/']) {
        if !line.is_empty() && columns(&line).saturating_add(columns(piece.trim_end())) > width {
            lines.push(std::mem::take(&mut line));
        }
        for c in piece.chars() {
            // A word that is longer than a line is cut.
            if columns(&line).saturating_add(c.width().unwrap_or(0)) > width && c != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// `1 key`, `2 keys`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\u{a}\\u{202e}c");
        assert_eq!(printable("Türsteuerung 門"), "Türsteuerung 門");
    }

    #[test]
    fn lines_break_where_a_reader_would_break_them() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("Authenticated/Roles/Admin", 14), ["Authenticated/", "Roles/Admin"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("門門門", 4), ["門門", "門"]);
        assert_eq!(wrap("", 4), [""]);
        for width in 0..20 {
            for line in wrap("a bc def ghij/klmno pqrstu", width) {
                assert!(columns(&line) <= width.max(1), "{width}: {line}");
            }
        }
    }
}

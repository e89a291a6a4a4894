//! Generated text: writing it, and showing where a committed copy differs.

use std::path::Path;

use crate::{Outcome, project, run::say};

/// Writes `text` to `path` (from the root of the repository), or with `check` compares it with what is there.
///
/// `verb` is the command that writes it, for the message.
pub(crate) fn write_or_check(path: &str, text: &str, check: bool, verb: &str) -> Outcome {
    let full = project::root().join(path);
    if !check {
        if let Some(folder) = full.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::fs::read(&full).is_ok_and(|old| old == text.as_bytes()) {
            say(&format!("{path} is up to date"));
        } else {
            std::fs::write(&full, text)?;
            say(&format!("wrote {path}"));
        }
        return Ok(());
    }
    let committed = read(&full)?;
    if committed == text {
        return Ok(());
    }
    Err(format!(
        "{path} is not what is generated now (- committed, + generated):\n{}\nTo bring it up to date: cargo xtask {verb}",
        difference(&committed, text)
    )
    .into())
}

fn read(path: &Path) -> Outcome<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| format!("{}: {error}", path.display()).into()),
    }
}

/// The lines between the first and the last difference, at most `SHOWN` of each side.
pub(crate) fn difference(old: &str, new: &str) -> String {
    /// How many lines of each side help; past that, a diff tool does.
    const SHOWN: usize = 30;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same_head;
    let same_tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let mut text = format!("@@ line {} @@\n", same_head + 1);
    for (mark, lines) in [('-', &old), ('+', &new)] {
        let changed = lines.get(same_head..lines.len() - same_tail).unwrap_or_default();
        for line in changed.iter().take(SHOWN) {
            text.push_str(&format!("{mark} {}\n", clip(line)));
        }
        if changed.len() > SHOWN {
            text.push_str(&format!("{mark} ... and {} more lines\n", changed.len() - SHOWN));
        }
    }
    text
}

/// A line as far as it is worth reading.
fn clip(line: &str) -> String {
    if line.chars().count() <= 200 { line.to_owned() } else { line.chars().take(200).chain("...".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "@@ line 2 @@\n- b\n+ x\n+ y\n");
        assert_eq!(difference("a\n", "a\na\n"), "@@ line 2 @@\n+ a\n");
        assert_eq!(difference("", "a\n"), "@@ line 1 @@\n+ a\n");
    }
}

//! Which functions the header declares, and which the library exports.

use std::{collections::BTreeSet, path::Path};

use crate::{Outcome, run};

/// The functions that a C header declares. Comments, macros, function pointers and inline functions do not count.
pub(crate) fn declared(header: &str) -> BTreeSet<String> {
    let code = without_comments(header);
    let mut lines = Vec::new();
    let mut in_macro = false;
    for line in code.lines() {
        let is_macro = in_macro || line.trim_start().starts_with('#');
        in_macro = is_macro && line.trim_end().ends_with('\\');
        if !is_macro {
            lines.push(line);
        }
    }
    outside_braces(&lines.join("\n").replace("extern \"C\" {", ""))
        .split(';')
        .filter(|statement| !statement.split_whitespace().any(|word| matches!(word, "static" | "typedef" | "inline")))
        .filter_map(|statement| {
            let names = statement.match_indices("inspire_").filter(|(at, _)| starts_word(statement, *at));
            names.filter_map(|(at, _)| statement.get(at..)).find_map(|rest| {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let (name, after) = rest.split_at(length);
                after.trim_start().starts_with('(').then(|| name.to_owned())
            })
        })
        .collect()
}

/// The text without what stands in braces: bodies of functions and members of structures.
fn outside_braces(code: &str) -> String {
    let mut depth = 0_usize;
    let mut outside = String::with_capacity(code.len());
    for letter in code.chars() {
        match letter {
            '{' => depth += 1,
            // The brace that closes `extern "C"` has no partner left; a function's body ends its statement.
            '}' => {
                depth = depth.saturating_sub(1);
                outside.push(if depth == 0 { ';' } else { ' ' });
            }
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    outside
}

fn starts_word(text: &str, at: usize) -> bool {
    !text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let (before, from) = rest.split_at(at);
        code.push_str(before);
        let end = if from.starts_with("/*") {
            from.find("*/").map(|end| end + 2)
        } else if from.starts_with("//") {
            from.find('\n')
        } else {
            code.push('/');
            Some(1)
        };
        code.push(' ');
        rest = end.and_then(|end| from.get(end..)).unwrap_or_default();
    }
    code.push_str(rest);
    code
}

/// The symbols that a shared library exports.
pub(crate) fn exported(library: &Path) -> Outcome<BTreeSet<String>> {
    let list = run::output(run::command("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library))?;
    Ok(list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declarations_of_functions_count() {
        let header = "
            /* inspire_not_this(void); */
            // inspire_nor_this(void);
            #define INSPIRE_X(a) inspire_macro(a) \\
                inspire_continued(a)
            typedef void (*inspire_callback)(void *user);
            typedef struct inspire_auth inspire_auth;
            static inline int inspire_inline(void) { return inspire_called(1); }
            INSPIRE_API INSPIRE_MUST_USE
            inspire_result inspire_auth_open(const struct inspire_options *options,
                                             inspire_auth **auth);
            INSPIRE_API void inspire_auth_free (inspire_auth *auth);
            INSPIRE_API void inspire_ticket_on_ready(inspire_ticket *t, void (*inspire_done)(void *));
            INSPIRE_API const char *inspire_auth_version(void);
        ";
        let names: Vec<String> = declared(header).into_iter().collect();
        assert_eq!(
            names,
            ["inspire_auth_free", "inspire_auth_open", "inspire_auth_version", "inspire_ticket_on_ready"]
        );
    }
}

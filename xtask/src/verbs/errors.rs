//! `cargo xtask errors`: `docs/errors.md` from the error table of `core`.

use inspire_auth_core::{Entry, TABLE};

use crate::{Outcome, Verb, args::Args, text};

pub(crate) const VERB: Verb = Verb {
    name: "errors",
    summary: "generate docs/errors.md from the error table",
    help: "cargo xtask errors [--check]\n\n  --check   change nothing; fail when the committed file is not what would be generated",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let check = args.flag("--check");
    args.end()?;
    generate(check)
}

/// Writes the page, or with `check` compares it.
pub(crate) fn generate(check: bool) -> Outcome {
    text::write_or_check("docs/errors.md", &page(), check, "errors")
}

fn page() -> String {
    let mut page = String::from(
        "# Every answer of the library\n\n\
         <!-- Generated from core/src/error.rs by `cargo xtask errors`. -->\n\n\
         A code has the same name and number in every language: `INSPIRE_RESULT_<CODE>` in C, `.code` elsewhere.\n\
         *HTTP* is the status with which a host answers a request that the code refuses; a dash means that no request\n\
         is answered by it. *Retry* says whether the same call may succeed later without anything being changed.\n",
    );
    for (hundred, title) in [
        (0, "No failure"),
        (1, "Arguments"),
        (2, "API keys"),
        (3, "Licensing"),
        (4, "The store"),
        (5, "The licensing server"),
        (9, "Internal"),
    ] {
        page.push_str(&format!("\n## {title}\n"));
        for entry in TABLE.iter().filter(|entry| entry.number / 100 == hundred) {
            page.push_str(&section(entry));
        }
    }
    page
}

fn section(entry: &Entry) -> String {
    let http = entry.http.map_or_else(|| "-".to_owned(), |status| status.to_string());
    format!(
        "\n### `{}`\n\n{}.\n\n| number | HTTP | retry |\n|---|---|---|\n| {} | {http} | {} |\n\n* Administrator: {}.\n* Developer: {}.\n",
        entry.name,
        sentence(entry.message),
        entry.number,
        if entry.retry { "yes" } else { "no" },
        entry.admin,
        entry.developer,
    )
}

/// With a capital letter; the table's texts have none, since programs put them after a colon.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_section() {
        let page = page();
        for entry in TABLE {
            assert_eq!(page.matches(&format!("\n### `{}`\n", entry.name)).count(), 1, "{}", entry.name);
        }
    }
}

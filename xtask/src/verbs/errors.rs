//! `cargo xtask errors`: `docs/errors.md` and `docs/troubleshooting.md` from the error table of `core`.

use inspire_auth_core::{Entry, TABLE};

use crate::{Outcome, Verb, args::Args, text};

pub(crate) const VERB: Verb = Verb {
    name: "errors",
    summary: "generate docs/errors.md and docs/troubleshooting.md from the error table",
    help: "cargo xtask errors [--check]\n\n  --check   change nothing; fail when the committed file is not what would be generated",
    run,
};

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let check = args.flag("--check");
    args.end()?;
    generate(check)
}

/// Writes the pages, or with `check` compares them.
pub(crate) fn generate(check: bool) -> Outcome {
    text::write_or_check("docs/errors.md", &page(), check, "errors")?;
    text::write_or_check("docs/troubleshooting.md", &troubleshooting(), check, "errors")
}

/// The table's parts, by hundreds of its numbers.
const PARTS: [(u32, &str); 7] = [
    (0, "No failure"),
    (1, "Arguments"),
    (2, "API keys"),
    (3, "Licensing"),
    (4, "The store"),
    (5, "The licensing server"),
    (9, "Internal"),
];

fn entries_of(hundred: u32) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.number / 100 == hundred)
}

fn page() -> String {
    let mut page = String::from(
        "# Every answer of the library\n\n\
         <!-- Generated from core/src/error.rs by `cargo xtask errors`. -->\n\n\
         A code has the same name and number in every language: `INSPIRE_RESULT_<CODE>` in C, `.code` elsewhere.\n\
         *HTTP* is the status with which a host answers a request that the code refuses; a dash means that no request\n\
         is answered by it. *Retry* says whether the same call may succeed later without anything being changed.\n",
    );
    for (hundred, title) in PARTS {
        page.push_str(&format!("\n## {title}\n"));
        for entry in entries_of(hundred) {
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

/// What people come with, before they have a code.
struct Situation {
    symptom: &'static str,
    /// The codes that it shows up as.
    codes: &'static [&'static str],
    remedy: &'static str,
}

const SITUATIONS: [Situation; 5] = [
    Situation {
        symptom: "The licensing server can't be reached",
        codes: &[
            "NETWORK_DNS",
            "NETWORK_CONNECT",
            "NETWORK_TLS",
            "NETWORK_PROXY",
            "NETWORK_TIMEOUT",
            "NETWORK_POLICY",
            "SERVER_STATUS",
            "SERVER_RATE_LIMITED",
            "CLOCK_SKEW",
        ],
        remedy: "Nothing is lost: the license stays good until the end of its lease, which the status shows. \
                 `inspire-auth license doctor` says which part of the way fails; allow HTTPS to the licensing server, or \
                 configure the proxy. A machine that is never to reach it is licensed offline, by file",
    },
    Situation {
        symptom: "The license key is not accepted",
        codes: &["LICENSE_UNKNOWN", "LICENSE_KEY_MISMATCH", "LICENSE_KEY_OR_MACHINE_MISMATCH", "MACHINE_LIMIT_REACHED"],
        remedy: "Copy the key whole, without spaces around it. A key that is in use on as many machines as it allows \
                 becomes free when one of them is deactivated; one that was deleted or replaced is known to the vendor alone",
    },
    Situation {
        symptom: "A license file can't be activated offline",
        codes: &[
            "OFFLINE_NOT_ENTITLED",
            "NOT_MACHINE_BOUND",
            "MACHINE_MISMATCH",
            "LICENSE_SIGNATURE_INVALID",
            "LICENSE_FILE_EXPIRED",
            "LICENSE_FILE_OLDER",
            "NOT_AVAILABLE_OFFLINE",
        ],
        remedy: "Offline licensing needs a license with OFFLINE_LICENSING and a machine file made for this machine: send \
                 the file of `inspire-auth license request` to the vendor, and install the answer unchanged. A license \
                 that was installed from a file is renewed by a new file, not by re-validation",
    },
    Situation {
        symptom: "Features are restricted although a license is installed",
        codes: &[
            "LICENSE_EXPIRED",
            "LICENSE_SUSPENDED",
            "NOT_ACTIVATED",
            "NOT_ENTITLED",
            "LIMIT_EXCEEDED",
            "CLOCK_ROLLBACK",
            "LICENSE_PRODUCT_MISMATCH",
        ],
        remedy: "The status names the first reason: an end that is past, a suspension, a machine that was taken off the \
                 license, a clock that was set back, or an entitlement that the license never had. After a renewal, \
                 re-validate (online) or install the new file (offline): nothing else brings it here",
    },
    Situation {
        symptom: "A license is to be moved, and this machine can't release it",
        codes: &["UNLICENSED", "CONFLICT", "NETWORK_CONNECT", "NETWORK_TIMEOUT", "PERMISSION_DENIED"],
        remedy: "Deactivate all the same: the license is out here at once, and its release stays noted and is tried again \
                 (`inspire-auth license release`). Offline, send the receipt of the deactivation to the vendor, who frees \
                 the machine; `--local-only` says nothing to anybody",
    },
];

fn troubleshooting() -> String {
    let mut page = String::from(
        "# Troubleshooting\n\n\
         <!-- Generated from core/src/error.rs by `cargo xtask errors`. -->\n\n\
         Begin with `inspire-auth license doctor`: it looks at the store, the machine, the clock and the way to the\n\
         licensing server, and prints what would be sent.\n\n\
         | what you see | what to do | codes |\n|---|---|---|\n",
    );
    for Situation { symptom, codes, remedy } in &SITUATIONS {
        let codes: Vec<String> = codes.iter().map(|code| format!("[`{code}`](#{})", anchor(code))).collect();
        page.push_str(&format!("| {symptom} | {remedy}. | {} |\n", codes.join(" ")));
    }
    page.push_str("\n## Every code\n\nNumbers, HTTP statuses and what may be tried again: [errors.md](errors.md).\n");
    for (hundred, title) in PARTS {
        page.push_str(&format!(
            "\n### {title}\n\n| code | what it means | administrator | developer |\n|---|---|---|---|\n"
        ));
        for entry in entries_of(hundred) {
            page.push_str(&format!(
                "| <a id=\"{}\"></a>`{}` | {}. | {}. | {}. |\n",
                anchor(entry.name),
                entry.name,
                sentence(entry.message),
                sentence(entry.admin),
                sentence(entry.developer),
            ));
        }
    }
    page
}

fn anchor(code: &str) -> String {
    code.to_ascii_lowercase().replace('_', "-")
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
            let anchor = format!("<a id=\"{}\"></a>", anchor(entry.name));
            assert_eq!(troubleshooting().matches(&anchor).count(), 1, "{}", entry.name);
        }
    }

    #[test]
    fn what_people_see_leads_to_codes_that_exist() {
        for code in SITUATIONS.iter().flat_map(|situation| situation.codes) {
            assert!(TABLE.iter().any(|entry| entry.name == *code), "{code}");
        }
        // A bar would end a cell of its table.
        assert!(TABLE.iter().all(|entry| ![entry.message, entry.admin, entry.developer].join("").contains('|')));
    }
}

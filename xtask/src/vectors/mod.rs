//! The generator of the conformance vectors, `tests/vectors/*.json`.
//!
//! It signs, hashes and encrypts by itself, not by the code of the library: a mistake there can't hide here. Everything
//! comes from fixed seeds, so that a second run writes the same bytes.

mod audit;
mod authenticate;
mod channel;
mod credentials;
mod file;
mod import;
mod issue;
mod levels;
mod license;
mod license_envelope;
mod license_online;
mod license_payload;
mod license_state;
mod manage;
mod manage_rotate;
mod model;
mod protocol;
mod routes;
mod routes_paths;
mod routes_requests;
mod secrets;

use crate::Outcome;

/// Every file, by name, with its contents.
pub(crate) fn all() -> Outcome<Vec<(String, String)>> {
    [
        credentials::file(),
        authenticate::file(),
        channel::file(),
        levels::file(),
        manage::file(),
        import::file(),
        routes::file(),
        audit::file(),
        license::file(),
        license_state::file(),
        license_online::file(),
        protocol::file(),
    ]
    .into_iter()
    .map(|file| Ok((file.name.to_owned(), file::render(&file)?)))
    .collect()
}

/// The moment at which most vectors take place: 2027-01-15T08:00:00Z.
const NOW: i64 = 1_800_000_000;
/// Seconds in a day.
const DAY: i64 = 86_400;

const NO_CREDENTIAL: Refusal = Refusal("NO_CREDENTIAL", 401, Some("Bearer realm=\"inspire\""));
const MALFORMED: Refusal =
    Refusal("MALFORMED_CREDENTIAL", 400, Some("Bearer realm=\"inspire\", error=\"invalid_request\""));
const INVALID: Refusal = Refusal("INVALID_CREDENTIAL", 401, Some("Bearer realm=\"inspire\", error=\"invalid_token\""));
const NOT_SECURE: Refusal = Refusal("SECURE_CHANNEL_REQUIRED", 403, None);
const NO_LEVEL: Refusal =
    Refusal("INSUFFICIENT_LEVEL", 403, Some("Bearer realm=\"inspire\", error=\"insufficient_scope\""));
const BUSY: Refusal = Refusal("BUSY", 503, None);

/// How a check refuses: code, HTTP status, challenge.
#[derive(Clone, Copy)]
struct Refusal(&'static str, u16, Option<&'static str>);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_second_run_writes_the_same_bytes() {
        assert_eq!(all().unwrap(), all().unwrap());
    }

    /// The runner measures this on answers; here a code that was forgotten shows without a driver.
    #[test]
    fn every_code_that_a_vector_must_reach_is_expected_somewhere() {
        let text: String = all().unwrap().into_iter().map(|(_, contents)| contents).collect();
        let missing: BTreeSet<&str> = inspire_auth_core::TABLE
            .iter()
            .filter(|entry| entry.proof.is_none())
            .map(|entry| entry.name)
            .filter(|name| !text.contains(&format!("\"{name}\"")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

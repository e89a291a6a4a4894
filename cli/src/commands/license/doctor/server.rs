//! Each step to the licensing server.

use inspire_auth_core::license::{
    keys::TrustedKey,
    online::{Cancel, Server, Stage, probe},
};

use super::Check;

/// In the order of the way there.
const STAGES: [(Stage, &str); 8] = [
    (Stage::Address, "server address"),
    (Stage::Proxy, "proxy"),
    (Stage::Names, "name resolution"),
    (Stage::Connection, "connection"),
    (Stage::Tls, "TLS"),
    (Stage::Answer, "server answer"),
    (Stage::Signature, "server signature"),
    (Stage::Clock, "server clock"),
];

/// Adds what was found on the way to the server, if there is one. How far its clock is ahead, in seconds.
pub(super) fn checks(checks: &mut Vec<Check>, server: Option<&Server>, keys: &[TrustedKey]) -> Option<i64> {
    let Some(server) = server else {
        checks.push(Check::skipped("licensing server", "none is named, and nothing was connected to"));
        return None;
    };
    let probe = probe(server, keys, &Cancel::default(), None);
    let last = probe.findings.last().map(|finding| finding.stage);
    let reached = STAGES.iter().position(|(stage, _)| Some(*stage) == last);
    for (at, (stage, name)) in STAGES.into_iter().enumerate() {
        let finding = probe.findings.iter().find(|finding| finding.stage == stage);
        checks.push(match finding.map(|finding| &finding.outcome) {
            Some(Ok(found)) => Check::ok(name, found),
            Some(Err(error)) => Check::failed(name, error.clone()),
            // On the way, but not part of this one.
            None if Some(at) < reached => Check::skipped(name, absent(stage)),
            None => Check::skipped(name, "not reached"),
        });
    }
    probe.clock_offset
}

const fn absent(stage: Stage) -> &'static str {
    match stage {
        Stage::Proxy => "none",
        Stage::Tls => "not used: http, on this machine",
        _ => "not reached",
    }
}

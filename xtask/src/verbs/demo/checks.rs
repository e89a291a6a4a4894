//! The requests, what each must be answered, and the table of both.

use serde_json::Value;

use super::{
    gateway::Gateway,
    http::{Answer, Connection},
    site::Site,
};
use crate::Outcome;

const BEARER: &str = "Authorization";
const LEGACY: &str = "X-Ignition-API-Token";
const RESOURCES: &str = "GET /data/api/v1/resources";
const SYNC: &str = "POST /data/api/v1/sync";
const READ_MODES: &str = "GET /data/api/v1/modes";
const WRITE_MODES: &str = "PUT /data/api/v1/modes";
const WALLS: &str = "POST /video-walls";

/// Asks everything, prints the table as the answers come; returns how many were wrong.
pub(super) fn run(site: &Site, gateway: &Gateway) -> Outcome<usize> {
    let bearer = |credential: &str| (BEARER, format!("Bearer {credential}"));
    let legacy = |credential: &str| (LEGACY, credential.to_owned());
    let (reader, writer) = (site.reader.as_str(), site.writer.as_str());
    let mut table = Table::new(gateway);

    table.heading("A key, in each of its spellings");
    table.row("Bearer name:key", RESOURCES, &[bearer(reader)], "200")?;
    table.row("Bearer name~key, for strict middleboxes", RESOURCES, &[bearer(&reader.replace(':', "~"))], "200")?;
    table.row("X-Ignition-API-Token", RESOURCES, &[legacy(reader)], "200")?;
    table.row(
        "Basic for a proxy, and the token",
        RESOURCES,
        &[(BEARER, "Basic cDpx".into()), legacy(reader)],
        "200",
    )?;

    table.heading("What is no key");
    table.row("no key", RESOURCES, &[], "401 NO_CREDENTIAL")?;
    table.row("another key's secret", RESOURCES, &[bearer(&swap(reader, writer))], "401 INVALID_CREDENTIAL")?;
    table.row("one character is wrong", RESOURCES, &[bearer(&misspell(reader))], "401 INVALID_CREDENTIAL")?;
    table.row("nobody's name", RESOURCES, &[bearer(&format!("nobody{}", tail(reader)))], "401 INVALID_CREDENTIAL")?;
    table.row("a key without a name", RESOURCES, &[bearer(secret(reader))], "400 MALFORMED_CREDENTIAL")?;
    table.row("two keys", RESOURCES, &[bearer(reader), bearer(writer)], "400 MALFORMED_CREDENTIAL")?;
    table.row("one key, in both headers", RESOURCES, &[bearer(reader), legacy(reader)], "400 MALFORMED_CREDENTIAL")?;
    table.plain_row("a good key, over a plain channel", RESOURCES, &[bearer(reader)], "403 SECURE_CHANNEL_REQUIRED")?;

    table.heading("What a key may do");
    table.row("reader reads", READ_MODES, &[bearer(reader)], "200")?;
    table.row("reader changes", WRITE_MODES, &[bearer(reader)], "403 INSUFFICIENT_LEVEL")?;
    table.row("reader starts a sync", SYNC, &[bearer(reader)], "403 INSUFFICIENT_LEVEL")?;
    table.row("writer changes", WRITE_MODES, &[bearer(writer)], "200")?;
    table.row("writer starts a sync", SYNC, &[legacy(writer)], "200")?;
    table.row("a key without levels", RESOURCES, &[bearer(&site.bare)], "403 INSUFFICIENT_LEVEL")?;

    table.heading("What the license allows (the gateway runs on while the command line installs it)");
    table.row("no license", WALLS, &[bearer(writer)], "403 UNLICENSED")?;
    site.activate("basic")?;
    table.row("a license without VIDEO_WALL_SYNC", WALLS, &[bearer(writer)], "403 NOT_ENTITLED")?;
    site.activate("walls")?;
    table.row("a license with it", WALLS, &[bearer(writer)], "200")?;
    table.row("a license gives no level", WALLS, &[bearer(reader)], "403 INSUFFICIENT_LEVEL")?;

    table.heading("A key is revoked while the gateway runs");
    table.row("before", RESOURCES, &[bearer(&site.doomed)], "200")?;
    site.revoke("doomed")?;
    table.row("the very next request", RESOURCES, &[bearer(&site.doomed)], "401 INVALID_CREDENTIAL")?;

    table.heading("The document");
    table.row("no key is needed", "GET /openapi", &[], "200 OpenAPI, 2 schemes")?;
    table.row("but a wrong one is refused", "GET /openapi", &[bearer(&misspell(reader))], "401 INVALID_CREDENTIAL")?;
    table.row("no such route", "GET /data/api/v1/nothing", &[bearer(reader)], "404 NO_SUCH_ROUTE")?;
    Ok(table.wrong)
}

/// What was expected, and what came.
pub(super) struct Table<'a> {
    gateway: &'a Gateway,
    pub(super) wrong: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(gateway: &'a Gateway) -> Self {
        println!("  {:<40} {:<28} {:<28} got", "what is sent", "request", "expected");
        Self { gateway, wrong: 0 }
    }

    pub(super) fn heading(&self, text: &str) {
        println!("\n{text}");
    }

    pub(super) fn row(&mut self, what: &str, request: &str, headers: &[(&str, String)], expected: &str) -> Outcome {
        self.ask(Connection::open(self.gateway.secure)?, what, request, headers, expected)
    }

    fn plain_row(&mut self, what: &str, request: &str, headers: &[(&str, String)], expected: &str) -> Outcome {
        self.ask(Connection::open(self.gateway.plain)?, what, request, headers, expected)
    }

    fn ask(
        &mut self,
        mut connection: Connection,
        what: &str,
        request: &str,
        headers: &[(&str, String)],
        expected: &str,
    ) -> Outcome {
        let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
        let got = describe(&connection.ask(method, path, headers)?);
        self.compare(what, request, expected, &got);
        Ok(())
    }

    /// A row about something that was done otherwise.
    pub(super) fn compare(&mut self, what: &str, request: &str, expected: &str, got: &str) {
        let right = got == expected;
        self.wrong += usize::from(!right);
        println!("  {what:<40} {request:<28} {expected:<28} {got:<28} {}", if right { "ok" } else { "WRONG" });
    }
}

/// An answer in a few words: the status, the code, and what is amiss with its challenge.
fn describe(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    let document: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let code = document.get("error").and_then(Value::as_str).unwrap_or_default();
    if document.is_null() {
        text.push_str(" no JSON");
    } else if !code.is_empty() {
        text.push_str(&format!(" {code}"));
    } else if document.get("openapi").is_some() {
        let schemes = document.pointer("/components/securitySchemes").and_then(Value::as_object);
        text.push_str(&format!(" OpenAPI, {} schemes", schemes.map_or(0, serde_json::Map::len)));
    }
    let challenge = match code {
        "NO_CREDENTIAL" => Some(r#"Bearer realm="inspire""#),
        "MALFORMED_CREDENTIAL" => Some(r#"Bearer realm="inspire", error="invalid_request""#),
        "INVALID_CREDENTIAL" => Some(r#"Bearer realm="inspire", error="invalid_token""#),
        "INSUFFICIENT_LEVEL" => Some(r#"Bearer realm="inspire", error="insufficient_scope""#),
        _ => None,
    };
    let sent = answer.header("www-authenticate");
    if sent != challenge {
        text.push_str(&format!(", challenge {}", sent.unwrap_or("none")));
    }
    text
}

/// `:KEY` of `NAME:KEY`.
fn tail(credential: &str) -> &str {
    credential.find(':').and_then(|at| credential.get(at..)).unwrap_or_default()
}

fn secret(credential: &str) -> &str {
    tail(credential).trim_start_matches(':')
}

/// The first one's name with the second one's secret: well formed, with a right checksum, and wrong.
fn swap(credential: &str, other: &str) -> String {
    credential.replace(tail(credential), tail(other))
}

/// With another last character: the checksum is wrong.
fn misspell(credential: &str) -> String {
    let mut text = credential.to_owned();
    let last = text.pop();
    text.push(if last == Some('0') { '1' } else { '0' });
    text
}

//! `routes ...`: tables are checked, and asked.

#![cfg(test)]

mod support;

use serde_json::json;
use support::{PROGRAM, Sandbox, Vendor, ran};

const TABLE: &str = r#"{"routes": [
    {"prefix": "/open", "methods": ["GET"], "require": {"any": ["Public"]}},
    {"prefix": "/data/api/v1", "methods": ["GET", "HEAD"], "require": {"any": ["Authenticated/Read"]}},
    {"prefix": "/data/api/v1", "methods": ["PUT"], "require": {"all": ["Authenticated/Write", "Admin"]}},
    {"prefix": "/mfa", "methods": ["*"], "require": {"any": ["Authenticated"]}, "entitlement": "MFA"},
    {"prefix": "/closed", "methods": ["get"], "require": {"any": []}}]}"#;

fn sandbox() -> Sandbox {
    let (sandbox, _) = Sandbox::with_key(&["--level", "Authenticated/Read"]);
    sandbox.write("routes.json", TABLE);
    sandbox
}

#[test]
fn a_table_is_shown_as_it_was_understood() {
    let sandbox = sandbox();
    let shown = sandbox.run(&["routes", "check", "routes.json"]);
    assert!(shown.err.contains("5 routes; everything else is denied"), "{shown:?}");
    assert!(shown.err.contains("/closed: requires nothing that anybody holds"), "{shown:?}");
    let table = shown.ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("PREFIX        METHODS    REQUIRES"), "{table}");
    assert!(lines[2].starts_with("/data/api/v1  GET, HEAD  any(Authenticated/Read)"), "{table}");
    let document = sandbox.json(&["routes", "check", "routes.json"]).json();
    let written: serde_json::Value = serde_json::from_str(TABLE).unwrap();
    assert_eq!(document["routes"][2]["require"], written["routes"][2]["require"]);
    assert_eq!(document["routes"][3]["entitlement"], "MFA");
    assert_eq!((&document["ignore_case"], &document["ignore_suffix"]), (&json!(false), &json!(false)));
    // What is shown can be read again, also from standard input.
    let mut again = sandbox.command(&["routes", "check", "-", "--json"]);
    assert_eq!(ran(&mut again, document.to_string().as_bytes()).json(), document);
}

#[test]
fn a_table_that_can_not_be_used_says_where() {
    let sandbox = Sandbox::new();
    let twice = r#"{"routes": [{"prefix": "/a", "methods": ["GET", "GET"], "require": {"any": ["A"]}}]}"#;
    for (text, place) in [
        ("", "can't be read"),
        ("{}", "missing field `routes`"),
        (twice, "routes[0]: GET /a stands already in routes[0]"),
        (r#"{"routes": [{"prefix": "/a b", "methods": ["GET"], "require": {"any": []}}]}"#, "routes[0].prefix"),
    ] {
        sandbox.write("bad.json", text);
        let error = sandbox.run(&["routes", "check", "bad.json"]).fails(2);
        assert!(error.contains(place) && error.contains("bad.json"), "{error}");
        assert_eq!(sandbox.json(&["routes", "explain", "bad.json", "GET", "/"]).error(2), "INVALID_ARGUMENT");
    }
    sandbox.run(&["routes", "check", "none.json"]).fails(6);
}

#[test]
fn the_exit_code_is_that_of_the_answer() {
    let sandbox = sandbox();
    sandbox.run(&["keys", "create", "off", "--level", "Authenticated/Read", "--disabled"]).ok();
    for (arguments, exit, code, prefix) in [
        (&["GET", "/data/api/v1/x?y=1", "--key", "one"][..], 0, "OK", Some("/data/api/v1")),
        (&["GET", "/open"], 0, "OK", Some("/open")),
        (&["GET", "/data/api/v1"], 3, "NO_CREDENTIAL", Some("/data/api/v1")),
        (&["GET", "/data/api/v1", "--key", "off"], 3, "INVALID_CREDENTIAL", Some("/data/api/v1")),
        (
            &["GET", "/data/api/v1", "--key", "one", "--channel", "plain"],
            3,
            "SECURE_CHANNEL_REQUIRED",
            Some("/data/api/v1"),
        ),
        (
            &["GET", "/data/api/v1", "--key", "one", "--channel", "local"],
            3,
            "SECURE_CHANNEL_REQUIRED",
            Some("/data/api/v1"),
        ),
        (
            &["GET", "/data/api/v1", "--key", "one", "--channel", "local", "--local-is-secure"],
            0,
            "OK",
            Some("/data/api/v1"),
        ),
        (&["PUT", "/data/api/v1", "--key", "one"], 3, "INSUFFICIENT_LEVEL", Some("/data/api/v1")),
        (&["GET", "/mfa", "--key", "one"], 5, "UNLICENSED", Some("/mfa")),
        (&["POST", "/open"], 3, "ROUTE_DENIED", None),
        (&["GET", "/a/../open"], 3, "PATH_NOT_CANONICAL", None),
    ] {
        let asked = sandbox.json(&[&["routes", "explain", "routes.json"], arguments].concat());
        assert_eq!((asked.exit, asked.err.as_str()), (Some(exit), ""), "{arguments:?} {asked:?}");
        let document = asked.document();
        assert_eq!(document["code"], code, "{arguments:?}");
        assert_eq!(document["rule"]["prefix"].as_str(), prefix, "{arguments:?}");
    }
    let lacks = sandbox.json(&["routes", "explain", "routes.json", "PUT", "/data/api/v1", "--key", "one"]).document();
    assert_eq!(lacks["missing"], json!(["Admin", "Authenticated/Write"]));
    assert_eq!(lacks["http"], json!(403));
    let text = sandbox.run(&["routes", "explain", "routes.json", "PUT", "/data/api/v1", "--key", "one"]).out;
    assert!(text.contains("Answer   INSUFFICIENT_LEVEL") && text.contains("Lacks    Admin"), "{text}");
    let unknown = sandbox.json(&["routes", "explain", "routes.json", "GET", "/open", "--key", "nobody"]);
    assert_eq!(unknown.error(6), "NOT_FOUND");
    sandbox.run(&["routes", "explain", "routes.json", "GET", "/open", "--channel", "https"]).fails(2);
    // Nothing of it is a use of the key.
    assert_eq!(sandbox.json(&["keys", "show", "one"]).json()["record"]["last_used_at"], json!(null));
}

#[test]
fn a_license_counts_in_an_explanation() {
    let vendor = Vendor::activated();
    vendor.sandbox.write("routes.json", TABLE);
    vendor.sandbox.run(&["keys", "create", "one"]).ok();
    vendor.run(&["routes", "explain", "routes.json", "GET", "/mfa", "--key", "one"]).ok();
}

/// A table can be asked about before there is a store.
#[test]
fn without_a_key_no_store_is_needed() {
    let sandbox = sandbox();
    let file = sandbox.arg("routes.json");
    let without_store = |arguments: &[&str]| {
        let mut command = std::process::Command::new(PROGRAM);
        ran(command.env_clear().args(["routes", "explain", &file]).args(arguments), b"")
    };
    assert!(without_store(&["GET", "/open/x"]).ok().contains("granted"));
    assert_eq!(without_store(&["GET", "/data/api/v1"]).exit, Some(3));
    assert!(without_store(&["GET", "/open", "--key", "one"]).fails(2).contains("INSPIRE_AUTH_STORE"));
}

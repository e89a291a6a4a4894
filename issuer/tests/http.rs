//! Every endpoint over a real connection, with each answer's signature checked.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use inspire_auth_core::{
    Code,
    license::{InspectOptions, Inspection, inspect, keys::TrustedKey},
};
use serde_json::{Value, json};
use support::{ACCOUNT, Site, signer};

fn validation(key: &str, scope: &Value) -> String {
    json!({"meta": {"key": key, "nonce": 42, "scope": scope}}).to_string()
}

fn registration(license: &str, fingerprint: &str) -> String {
    json!({"data": {
        "type": "machines",
        "attributes": {"fingerprint": fingerprint, "name": "door", "cores": 8, "hostname": "h"},
        "relationships": {"license": {"data": {"type": "licenses", "id": license}}},
    }})
    .to_string()
}

const VALIDATE_KEY: &str = "/licenses/actions/validate-key";

#[test]
fn a_machine_lives_through_every_call() {
    let site = Site::new();
    let license = site.license(|_| ());
    let key = Some(license.key.as_str());
    let here = json!({"fingerprint": "fp/1", "product": "gateway"});

    let unregistered = site.send("POST", VALIDATE_KEY, None, &validation(&license.key, &here)).document();
    assert_eq!(unregistered["meta"]["code"], "NO_MACHINES");
    assert_eq!(unregistered["meta"]["nonce"], 42);
    assert_eq!(unregistered["meta"]["scope"], here);
    assert_eq!(unregistered["meta"]["valid"], false);
    assert_eq!(unregistered["data"]["attributes"]["key"], license.key.as_str());
    assert_eq!(unregistered["data"]["attributes"]["metadata"]["maxDisplays"], 4);
    assert_eq!(unregistered["data"]["attributes"]["maxMachines"], 2);

    let me = site.send("GET", "/me", key, "").document();
    assert_eq!((me["data"]["id"].as_str(), me["data"]["type"].as_str()), (Some(license.id.as_str()), Some("licenses")));
    assert_eq!(site.send("GET", &format!("/licenses/{}", license.id), key, "").document(), me);
    assert_eq!(site.send("GET", &format!("/licenses/{}", license.key), key, "").document(), me);

    let registered = site.send("POST", "/machines", key, &registration(&license.id, "fp/1"));
    assert_eq!(registered.status, 201);
    let machine = registered.document()["data"].clone();
    let id = machine["id"].as_str().unwrap().to_owned();
    assert_eq!(registered.header("location").unwrap(), format!("/v1/machines/{id}"));
    assert_eq!(
        (&machine["attributes"]["fingerprint"], &machine["attributes"]["name"]),
        (&json!("fp/1"), &json!("door"))
    );
    assert_eq!(machine["relationships"]["license"]["data"]["id"], license.id.as_str());

    for body in [validation(&license.key, &here), json!({"meta": {"key": license.key}}).to_string()] {
        assert_eq!(site.send("POST", VALIDATE_KEY, None, &body).code(), "VALID");
    }
    let validate = format!("/licenses/{}/actions/validate", license.id);
    let elsewhere = json!({"meta": {"scope": {"fingerprint": "fp/2"}}}).to_string();
    assert_eq!(site.send("POST", &validate, key, &elsewhere).code(), "FINGERPRINT_SCOPE_MISMATCH");
    let quick = site.send("GET", &validate, key, "").document();
    assert_eq!((quick["meta"]["code"].as_str(), quick["meta"].get("scope")), (Some("VALID"), None));

    for name in [id.as_str(), "fp%2F1"] {
        assert_eq!(site.send("GET", &format!("/machines/{name}"), key, "").document()["data"], machine, "{name}");
    }
    let pinged = site.send("POST", &format!("/machines/{id}/actions/ping"), key, "").document();
    assert_eq!(pinged["data"]["attributes"]["heartbeatStatus"], "ALIVE");
    let listed = site.send("GET", &format!("/licenses/{}/machines", license.id), key, "").document();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);

    let removed = site.send("DELETE", "/machines/fp%2F1", key, "");
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert_eq!(site.send("DELETE", &format!("/machines/{id}"), key, "").status, 404);
    assert_eq!(site.send("POST", VALIDATE_KEY, None, &validation(&license.key, &here)).code(), "NO_MACHINES");
    for free in ["/ping", "/health"] {
        assert_eq!(site.send("GET", free, None, "").body, b"pong\n");
    }
}

#[test]
fn the_account_may_stand_in_the_path() {
    let site = Site::new();
    let license = site.license(|_| ());
    let body = validation(&license.key, &json!({}));
    let path = |account| format!("/accounts/{account}{VALIDATE_KEY}");
    assert_eq!(site.send("POST", &path(ACCOUNT), None, &body).code(), "NO_MACHINES");
    assert_eq!(site.send("POST", &path("another"), None, &body).status, 404);
    let any = Site::with(|options| options.account = None);
    let license = any.license(|_| ());
    let body = validation(&license.key, &json!({}));
    let reply = any.try_send("POST", &path("another"), None, &body).unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (200, "NO_MACHINES"));
}

#[test]
fn registrations_are_refused_as_keygen_refuses_them() {
    let site = Site::new();
    let license = site.license(|_| ());
    let key = Some(license.key.as_str());
    let register = |fingerprint: &str| {
        let reply = site.send("POST", "/machines", key, &registration(&license.id, fingerprint));
        (reply.status, if reply.status == 201 { String::new() } else { reply.code() })
    };
    assert_eq!(register("a").0, 201);
    assert_eq!(register("a"), (422, "FINGERPRINT_TAKEN".to_owned()));
    let id = site.server.store().machines(&license.id).unwrap()[0].id.clone();
    assert_eq!(register(&id), (422, "FINGERPRINT_CONFLICT".to_owned()));
    assert_eq!(register(""), (400, "PARAMETERS_INVALID".to_owned()));
    assert_eq!(register(&"f".repeat(4097)), (400, "PARAMETERS_INVALID".to_owned()));
    assert_eq!(register("b").0, 201);
    assert_eq!(register("c"), (422, "MACHINE_LIMIT_EXCEEDED".to_owned()));
    let other = site.license(|_| ());
    let foreign = site.send("POST", "/machines", key, &registration(&other.id, "x"));
    assert_eq!((foreign.status, foreign.code().as_str()), (422, "LICENSE_NOT_FOUND"));
    assert_eq!(site.send("GET", "/machines/a", Some(&other.key), "").status, 404, "another license's machine");
    assert_eq!(site.send("DELETE", &format!("/machines/{id}"), Some(&other.key), "").status, 404);
    let error = site.send("POST", "/machines", key, &registration(&license.id, "a")).document();
    let first = &error["errors"][0];
    assert_eq!(first["title"], "Unprocessable resource");
    assert_eq!(
        (&first["detail"], &first["source"]["pointer"]),
        (&json!("has already been taken"), &json!("/data/attributes/fingerprint"))
    );
    assert!(error["meta"]["id"].is_string());
}

#[test]
fn how_a_license_stands_is_said_to_whoever_asks_by_key_and_refused_to_its_bearer() {
    let site = Site::new();
    let license = site.license(|new| new.max_machines = Some(1));
    let (store, now) = (site.server.store(), site.now());
    store.register(&license.id, "fp", None, now).unwrap();
    let here = json!({"fingerprint": "fp"});
    let stands = || {
        let said = site.send("POST", VALIDATE_KEY, None, &validation(&license.key, &here)).code();
        let bearer = site.send("GET", "/me", Some(&license.key), "");
        (said, if bearer.status == 200 { String::new() } else { format!("{} {}", bearer.status, bearer.code()) })
    };
    let both = |said: &str, bearer: &str| (said.to_owned(), bearer.to_owned());
    assert_eq!(stands(), both("VALID", ""));
    store.suspend(&license.id, now).unwrap();
    assert_eq!(stands(), both("SUSPENDED", "403 LICENSE_SUSPENDED"));
    store.ban(&license.id, now).unwrap();
    assert_eq!(stands(), both("BANNED", "403 LICENSE_BANNED"));
    store.reinstate(&license.id, now).unwrap();
    store.renew(&license.id, Some(now), now).unwrap();
    assert_eq!(stands(), both("EXPIRED", "403 LICENSE_EXPIRED"));
    store.renew(&license.id, Some(now + 60), now).unwrap();
    assert_eq!(stands(), both("VALID", ""));
    let unknown = site.send("POST", VALIDATE_KEY, None, &validation("NOBODYS-KEY", &here)).document();
    assert_eq!((&unknown["data"], &unknown["meta"]["code"]), (&Value::Null, &json!("NOT_FOUND")));
    let bearer = site.send("GET", "/me", Some("NOBODYS-KEY"), "");
    assert_eq!((bearer.status, bearer.code().as_str()), (401, "LICENSE_INVALID"));
}

#[test]
fn a_bearer_shows_its_key_in_each_of_keygens_ways() {
    let site = Site::new();
    let license = site.license(|_| ());
    let ask = |field: Option<String>, target: &str| {
        let reply = site.send_with("GET", target, &[("authorization", field)], "").unwrap();
        if reply.status == 200 { "200".to_owned() } else { format!("{} {}", reply.status, reply.code()) }
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let pair = STANDARD.encode(format!("license:{}", license.key));
    for good in [format!("License {}", license.key), format!("license  {}", license.key), format!("Basic {pair}")] {
        assert_eq!(ask(Some(good), "/me"), "200");
    }
    assert_eq!(ask(None, &format!("/me?auth=license:{}", license.key)), "200");
    assert_eq!(ask(None, "/me"), "401 TOKEN_MISSING");
    assert_eq!(ask(Some("Bearer admin-1".into()), "/me"), "401 TOKEN_INVALID");
    for bad in ["License", "License ", "Basic", "Basic bGljZW5zZTo=", "Basic %", "x", ""] {
        assert_eq!(ask(Some(bad.into()), "/me"), "401 TOKEN_FORMAT_INVALID", "{bad:?}");
    }
    assert_eq!(ask(None, "/me?auth=token:x"), "401 TOKEN_FORMAT_INVALID");
}

/// What the core reads in a file.
fn read(file: &str, license_key: &str, fingerprint: Option<&str>) -> Inspection {
    let trusted = [TrustedKey::new("vendor", signer().public()).unwrap()];
    let options = InspectOptions {
        trusted_keys: &trusted,
        license_key: Some(license_key),
        machine_id: fingerprint,
        ..InspectOptions::default()
    };
    inspect(file.as_bytes(), &options)
}

#[test]
fn files_are_checked_out_as_they_are_asked_for() {
    let site = Site::new();
    let license = site.license(|new| new.require_heartbeat = true);
    let key = Some(license.key.as_str());
    let machine = site.server.store().register(&license.id, "fp", None, site.now()).unwrap();
    let ask = |what: &str, query: &str| {
        let reply = site.send("POST", &format!("/{what}/actions/check-out{query}"), key, "");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.document()["data"].clone()
    };
    let encrypted = "?ttl=7200&include=license,license.entitlements&algorithm=aes-256-gcm%2Bed25519&encrypt=1";
    let data = ask(&format!("machines/{}", machine.id), encrypted);
    assert_eq!((&data["type"], &data["attributes"]["ttl"]), (&json!("machine-files"), &json!(7200)));
    assert_eq!(data["attributes"]["algorithm"], "aes-256-gcm+ed25519");
    assert_eq!(data["attributes"]["includes"], json!(["license", "license.entitlements"]));
    let file = data["attributes"]["certificate"].as_str().unwrap();
    let found = read(file, &license.key, Some("fp"));
    assert_eq!(found.result(), Code::Ok, "{found:?}");
    assert_eq!((found.issued_at, found.file_expires_at), (Some(site.now()), Some(site.now() + 7200)));
    let view = found.license.unwrap();
    assert_eq!((view.entitlements, view.limits["MAX_DISPLAYS"]), (vec!["AI".to_owned(), "MFA".to_owned()], 4));

    assert_eq!(read(file, &license.key, Some("another")).result(), Code::LicenseKeyOrMachineMismatch);

    let plain = ask("machines/fp", "");
    let found = read(plain["attributes"]["certificate"].as_str().unwrap(), &license.key, Some("fp"));
    assert_eq!((found.result(), found.license.unwrap().entitlements.len()), (Code::Ok, 0), "nobody asked for them");
    assert_eq!(plain["attributes"]["algorithm"], "base64+ed25519");
    assert_eq!(plain["attributes"]["ttl"], 2_629_746, "a month");
    for query in ["?encrypt=0&ttl=", "?algorithm=base64%2Bed25519&ttl=&encrypt=1"] {
        let perpetual = ask(&format!("licenses/{}", license.id), query);
        assert_eq!((&perpetual["type"], &perpetual["attributes"]["expiry"]), (&json!("license-files"), &Value::Null));
        assert_eq!(perpetual["attributes"]["algorithm"], "base64+ed25519");
    }
    // The file itself, and `meta` before the query.
    let raw = site.send("GET", &format!("/machines/{}/actions/check-out?encrypt=1", machine.id), key, "");
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    assert!(raw.body.starts_with(b"-----BEGIN MACHINE FILE-----\n"));
    let raw = site.send("GET", &format!("/licenses/{}/actions/check-out", license.id), key, "");
    assert!(raw.body.starts_with(b"-----BEGIN LICENSE FILE-----\n"));
    let meta = json!({"meta": {"ttl": 3600, "encrypt": true, "include": ["entitlements"]}}).to_string();
    let target = format!("/licenses/{}/actions/check-out?ttl=9999&encrypt=0", license.id);
    let attributes = site.send("POST", &target, key, &meta).document()["data"]["attributes"].clone();
    assert_eq!((&attributes["ttl"], &attributes["algorithm"]), (&json!(3600), &json!("aes-256-gcm+ed25519")));

    for (query, code) in [
        ("?ttl=3599", "CHECKOUT_TTL_INVALID"),
        ("?ttl=-1", "CHECKOUT_TTL_INVALID"),
        ("?ttl=2147483648", "CHECKOUT_TTL_INVALID"),
        ("?include=secrets", "CHECKOUT_INCLUDE_INVALID"),
        ("?algorithm=base64%2Brsa-sha256", "CHECKOUT_ALGORITHM_INVALID"),
        ("?encrypt=perhaps", "PARAMETERS_INVALID"),
    ] {
        let reply = site.send("POST", &format!("/machines/fp/actions/check-out{query}"), key, "");
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{query}");
    }
    assert_eq!(site.send("POST", "/machines/nobody/actions/check-out", key, "").status, 404);
}

#[test]
fn entitlements_come_in_pages() {
    let site = Site::new();
    let license = site.license(|new| new.entitlements = (0..12).map(|number| format!("CODE_{number:02}")).collect());
    let key = Some(license.key.as_str());
    let codes = |query: &str| -> Vec<String> {
        let document = site.send("GET", &format!("/licenses/{}/entitlements{query}", license.id), key, "").document();
        let data = document["data"].as_array().unwrap();
        data.iter().map(|item| item["attributes"]["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((codes("").len(), codes("")[0].as_str()), (10, "CODE_00"));
    assert_eq!(codes("?limit=100").len(), 12);
    assert_eq!(codes("?page[size]=5&page[number]=3"), ["CODE_10", "CODE_11"]);
    assert!(codes("?page%5Bsize%5D=5&page%5Bnumber%5D=4").is_empty());
    for bad in ["?limit=0", "?limit=101", "?limit=x", "?page[number]=0"] {
        let reply = site.send("GET", &format!("/licenses/{}/entitlements{bad}", license.id), key, "");
        assert_eq!(reply.status, 400, "{bad}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_and_signed() {
    let site = Site::new();
    let license = site.license(|_| ());
    let refused = |body: &str| {
        let reply = site.send("POST", VALIDATE_KEY, None, body);
        (reply.status, reply.code())
    };
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    for bad in ["{", "[]", "\"x\"", "{\"meta\": {}}x", deep.as_str(), "\u{0}"] {
        assert_eq!(refused(bad), (400, "JSON_INVALID".to_owned()));
    }
    let key = &license.key;
    for bad in [
        json!({}),
        json!({"meta": []}),
        json!({"meta": {"key": 1}}),
        json!({"meta": {"key": key, "nonce": "1"}}),
        json!({"meta": {"key": key, "nonce": 1.5}}),
        json!({"meta": {"key": key, "scope": {"fingerprint": []}}}),
        json!({"meta": {"key": key, "scope": {"finger": "x"}}}),
    ] {
        assert_eq!(refused(&bad.to_string()), (400, "PARAMETERS_INVALID".to_owned()), "{bad}");
    }
    let long = json!({"meta": {"key": "k".repeat(64 << 10)}}).to_string();
    assert_eq!(refused(&long), (413, "PAYLOAD_TOO_LARGE".to_owned()));
    for (method, target) in [("GET", "/nothing"), ("DELETE", "/me"), ("POST", "/ping"), ("GET", "/accounts/acme")] {
        assert_eq!(site.send(method, target, None, "").status, 404, "{method} {target}");
    }
    let with =
        |name: &str, value: &str| site.send_with("GET", "/ping", &[(name, Some(value.to_owned()))], "").unwrap().status;
    assert_eq!((with("keygen-version", "1.8"), with("keygen-version", "1.1")), (200, 400));
    let accept = "keygen-accept-signature";
    assert_eq!((with(accept, "algorithm=\"ed25519\""), with(accept, "algorithm=\"rsa-sha256\"")), (200, 400));
    assert_eq!(site.send("GET", "/machines/%FF", Some(key), "").status, 400);
}

/// Sends bytes, and reads to the end.
fn raw(site: &Site, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(site.server.addr()).unwrap();
    stream.write_all(bytes).unwrap();
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn what_is_no_http_ends_its_own_connection_only() {
    let site = Site::new();
    for bytes in [b"\x16\x03\x01\x00\xee".as_slice(), b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA B: c\r\n\r\n"] {
        let answer = raw(&site, bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let long = [b"GET /v1/ping HTTP/1.1\r\nx: ".as_slice(), &vec![b'x'; 1 << 20], b"\r\n\r\n"].concat();
    assert!(raw(&site, &long).is_empty() || raw(&site, &long).starts_with("HTTP/1.1 4"));
    let hostless = raw(&site, b"GET /v1/ping HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(hostless.starts_with("HTTP/1.1 200 ") && hostless.contains("keygen-signature"), "{hostless}");
    assert_eq!(site.send("GET", "/ping", None, "").status, 200);
}

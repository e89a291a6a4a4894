//! `issuer serve` and `issuer license ...`, verb by verb.

#![cfg(test)]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};
use support::{Sandbox, Served, Vendor};

const DB: [&str; 2] = ["--db", "licenses.db"];

/// `issuer license VERB ...`, on the one store.
fn verb(sandbox: &Sandbox, verb: &str, arguments: &[&str]) -> support::Ran {
    sandbox.json(&[&["issuer", "license", verb], arguments, &DB].concat())
}

fn create(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    verb(sandbox, "create", arguments).json()["license"].clone()
}

#[test]
fn a_license_is_made_changed_and_shown() {
    let sandbox = Sandbox::new();
    let made = create(
        &sandbox,
        &[
            "--name",
            "Plant 3",
            "--product",
            "gateway",
            "--max-machines",
            "2",
            "--expires",
            "2030-01-31T12:00:00Z",
            "--limit",
            "max_displays=25",
            "--limit",
            "AI_CREDITS_MONTHLY=-1",
            "--entitle",
            "mfa",
            "--entitle",
            "AI",
        ],
    );
    let id = made["id"].as_str().unwrap();
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["limits"], json!({"AI_CREDITS_MONTHLY": -1, "MAX_DISPLAYS": 25}));
    assert_eq!(made["entitlements"], json!(["AI", "MFA"]));
    assert_eq!((&made["expires_at"], &made["product"]), (&json!(1_896_091_200), &json!("gateway")));

    let changed = |name: &str, arguments: &[&str]| verb(&sandbox, name, arguments).json();
    assert_eq!(changed("suspend", &[id])["licenses"][0]["status"], "SUSPENDED");
    assert_eq!(changed("reinstate", &[id])["licenses"][0]["status"], "ACTIVE");
    assert_eq!(changed("renew", &[id, "--expires", "never"])["license"]["expires_at"], Value::Null);
    let entitled = changed("entitle", &[id, "--add", "video_wall_sync", "--remove", "mfa"]);
    assert_eq!(entitled["license"]["entitlements"], json!(["AI", "VIDEO_WALL_SYNC"]));
    let limited = changed("limit", &[id, "--set", "MAX_DISPLAYS=none", "--set", "seats=3", "--max-machines", "any"]);
    assert_eq!(limited["license"]["limits"], json!({"AI_CREDITS_MONTHLY": -1, "SEATS": 3}));
    assert_eq!(limited["license"]["max_machines"], Value::Null);
    let listed = changed("list", &[]);
    assert_eq!(listed["licenses"], json!([limited["license"]]));

    // The key is shown where it is made, and to whoever asks for it.
    for arguments in [&["show", id][..], &["list"], &["limit", id, "--set", "x=1"], &["suspend", id]] {
        let shown = sandbox.run(&[&["issuer", "license"], arguments, &DB].concat());
        assert_eq!(shown.exit, Some(0), "{shown:?}");
        assert!(!format!("{}{}", shown.out, shown.err).contains(key), "{shown:?}");
    }
    let shown = sandbox.run(&["issuer", "license", "show", id, "--show-key", "--db", "licenses.db"]).ok();
    assert!(shown.contains(key) && shown.contains("Plant 3"), "{shown}");
}

#[test]
fn what_can_not_be_is_refused() {
    let sandbox = Sandbox::new();
    assert!(verb(&sandbox, "list", &[]).fails(6).contains("licenses.db"), "a misspelt path makes no store");
    assert!(!sandbox.path("licenses.db").exists());
    let id = create(&sandbox, &[])["id"].as_str().unwrap().to_owned();
    assert_eq!(verb(&sandbox, "show", &["nobody"]).error(6), "NOT_FOUND");
    assert_eq!(verb(&sandbox, "remove-machine", &[&id, "nobody"]).error(6), "NOT_FOUND");
    for wrong in [
        &["create", "--limit", "MAX_DISPLAYS"][..],
        &["create", "--limit", "MAX_DISPLAYS=-2"],
        &["create", "--expires", "tomorrow"],
        &["limit", &id],
        &["limit", &id, "--max-machines", "-1"],
        &["entitle", &id],
        &["renew", &id],
    ] {
        assert_eq!(verb(&sandbox, wrong[0], &wrong[1..]).error(2), "INVALID_ARGUMENT", "{wrong:?}");
    }
    sandbox.write("license.key", "OUR-OWN-KEY\n");
    let ours = ["--key-file", "license.key"];
    assert_eq!(create(&sandbox, &ours)["key"], "OUR-OWN-KEY");
    assert_eq!(verb(&sandbox, "create", &ours).error(7), "NAME_TAKEN");
    let store = sandbox.arg("store.db");
    sandbox.run(&["keys", "create", "one"]).ok();
    assert_eq!(sandbox.json(&["issuer", "license", "list", "--db", &store]).error(1), "STORE_CORRUPT");
}

/// The status line of a validation, and all that follows.
fn validate(served: &Served, key: &str) -> String {
    let (host, body) = (served.host(), json!({"meta": {"key": key}}).to_string());
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /v1/licenses/actions/validate-key HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_answers_for_what_the_tools_change_and_ends_when_it_is_told() {
    let vendor = Vendor::new();
    let key = create(&vendor.sandbox, &[])["key"].as_str().unwrap().to_owned();
    let mut served = Served::start(&vendor, &["--fail", "status=503,retry-after=9"]);
    assert!(validate(&served, &key).starts_with("HTTP/1.1 503 "));
    let answer = validate(&served, &key);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"code\":\"NO_MACHINES\""), "{answer}");
    let id = verb(&vendor.sandbox, "list", &[]).json()["licenses"][0]["id"].as_str().unwrap().to_owned();
    verb(&vendor.sandbox, "suspend", &[&id]).json();
    assert!(validate(&served, &key).contains("\"code\":\"SUSPENDED\""));
    #[cfg(unix)]
    {
        let pid = served.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(served.child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        served.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        served.child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one document, and nothing more");
    }
}

#[test]
fn a_server_that_can_not_start_says_why() {
    let vendor = Vendor::new();
    let taken = Served::start(&vendor, &[]);
    let start = |arguments: &[&str]| {
        let start = ["issuer", "serve", "--db", "licenses.db", "--key", "acme.key"];
        vendor.sandbox.json(&[&start[..], arguments].concat())
    };
    assert_eq!(start(&["--listen", taken.host()]).error(8), "NETWORK_CONNECT");
    for wrong in [
        &["--fail", "explode"][..],
        &["--listen", "nowhere"],
        &["--account", "a b"],
        &["--tls-cert", "cert.pem"],
        &["--tls-cert", "acme.pub", "--tls-key", "acme.key"],
    ] {
        assert_eq!(start(wrong).error(2), "INVALID_ARGUMENT", "{wrong:?}");
    }
}

/// An installation on the machine `machine-1`, of the product `gateway`.
const THERE: [&str; 6] = ["--machine-id", Vendor::MACHINE, "--product", "gateway", "--trusted-keys-file", "acme.pub"];

/// What a customer who asks for a file gets, without a key and a machine in the description.
const DESCRIPTION: &str = r#"{"id":"license-1","name":"Plant 3","entitlements":["OFFLINE_LICENSING"]}"#;

fn request(vendor: &Vendor, out: &str, more: &[&str]) -> String {
    let arguments = [&["license", "request", "--key-file", "license.key"], more, &THERE].concat();
    let text = vendor.sandbox.run(&arguments).ok();
    vendor.sandbox.write(out, &text);
    text
}

/// With another symbol in the first line of what is signed.
fn tampered(text: &str) -> String {
    let changed = |(at, symbol)| match (at, symbol) {
        (60, 'A') => 'B',
        (60, _) => 'A',
        (_, symbol) => symbol,
    };
    text.chars().enumerate().map(changed).collect()
}

#[test]
fn a_request_is_answered_and_its_receipt_accepted() {
    let vendor = Vendor::new();
    let sandbox = &vendor.sandbox;
    request(&vendor, "site.req", &[]);
    sandbox.write("description.json", DESCRIPTION);
    let sign = ["issuer", "sign", "--key", "acme.key", "--in", "description.json", "--request", "site.req"];
    let signed = sandbox.json(&[&sign[..], &["--out", "site.lic"]].concat()).json();
    assert_eq!((&signed["kind"], &signed["request"]["product"]), (&json!("machine"), &json!("gateway")));
    assert_eq!(signed["request"]["fingerprint"], Vendor::MACHINE);
    let installation = signed["request"]["installation"].as_str().unwrap();
    assert!(!signed.to_string().contains(Vendor::LICENSE_KEY));
    let said = sandbox.run(&sign);
    assert!(said.out.contains("MACHINE FILE") && said.err.contains(installation), "{said:?}");

    let inspect = ["license", "inspect", "site.lic", "--key-file", "license.key", "--offline"];
    let inspected = sandbox.json(&[&inspect[..], &THERE].concat()).json();
    assert_eq!(inspected["license"]["metadata"]["installation"], installation);
    let there = |arguments: &[&str]| sandbox.run(&[arguments, &THERE].concat());
    there(&["license", "activate", "--file", "site.lic", "--key-file", "license.key"]).ok();
    there(&["license", "deactivate", "--yes", "--receipt-out", "receipt.txt"]).ok();

    let accept = |file: &str, more: &[&str]| sandbox.json(&[&["issuer", "accept-proof", file], more].concat());
    let accepted = accept("receipt.txt", &["--request", "site.req", "--key", installation]).json();
    assert_eq!((&accepted["receipt"]["license"], &accepted["compared"]), (&json!("license-1"), &json!(true)));
    assert_eq!(accepted["receipt"]["fingerprint"], Vendor::MACHINE);
    assert_eq!(accepted["receipt"]["installation"], installation);
    let alone = sandbox.run(&["issuer", "accept-proof", "receipt.txt"]);
    assert!(alone.out.contains(installation) && alone.err.contains("not compared"), "{alone:?}");

    let public = std::fs::read_to_string(sandbox.path("acme.pub")).unwrap();
    let another = public.split_whitespace().nth(1).unwrap();
    assert_eq!(accept("receipt.txt", &["--key", another]).error(3), "LICENSE_SIGNATURE_INVALID");
    request(&vendor, "other.req", &["--store", "other.db"]);
    assert_eq!(accept("receipt.txt", &["--request", "other.req"]).error(3), "LICENSE_SIGNATURE_INVALID");
    let mixed = accept("receipt.txt", &["--request", "other.req", "--key", installation]);
    assert_eq!(mixed.error(3), "LICENSE_SIGNATURE_INVALID");
    assert_eq!(accept("receipt.txt", &["--key", "abc"]).error(2), "INVALID_ARGUMENT");
    assert_eq!(accept("site.req", &[]).error(3), "LICENSE_MALFORMED");
    assert_eq!(accept("receipt.txt", &["--request", "receipt.txt"]).error(3), "LICENSE_MALFORMED");
    let receipt = std::fs::read_to_string(sandbox.path("receipt.txt")).unwrap();
    sandbox.write("changed.txt", tampered(&receipt));
    assert_eq!(accept("changed.txt", &[]).exit, Some(3));
    assert_eq!(accept("none.txt", &[]).error(6), "IO_ERROR");
}

#[test]
fn what_contradicts_a_request_is_refused() {
    let vendor = Vendor::new();
    let sandbox = &vendor.sandbox;
    let text = request(&vendor, "site.req", &[]);
    sandbox.write("changed.req", tampered(&text));
    let sign = |description: &str, more: &[&str]| {
        let file = sandbox.write("description.json", description);
        sandbox.json(&[&["issuer", "sign", "--key", "acme.key", "--in", &file], more].concat())
    };
    let asked = ["--request", "site.req"];
    for more in [&["--machine-id", "machine-2"][..], &["--product", "other"], &["--kind", "license"]] {
        assert_eq!(sign(DESCRIPTION, &[&asked[..], more].concat()).error(2), "INVALID_ARGUMENT", "{more:?}");
    }
    sign(DESCRIPTION, &["--request", "site.req", "--machine-id", Vendor::MACHINE, "--product", "gateway"]).json();
    for member in [r#""key":"OTHER""#, r#""fingerprint":"machine-2""#, r#""product":"other""#] {
        let other = DESCRIPTION.replacen('{', &format!("{{{member},"), 1);
        assert_eq!(sign(&other, &asked).error(2), "INVALID_ARGUMENT", "{member}");
    }
    assert_eq!(sign(DESCRIPTION, &["--request", "changed.req"]).exit, Some(3));
    assert_eq!(sign(DESCRIPTION, &["--request", "description.json"]).error(3), "LICENSE_MALFORMED");
    // Without a request a license has to have a key.
    assert_eq!(sign(DESCRIPTION, &[]).error(2), "INVALID_ARGUMENT");
    let both = ["issuer", "sign", "--key", "acme.key", "--in", "-", "--request", "-"];
    sandbox.run_with(&both, DESCRIPTION).fails(2);
}

#[test]
fn a_signed_license_key_is_made_and_read() {
    let vendor = Vendor::new();
    let sandbox = &vendor.sandbox;
    let make = ["issuer", "sign-key", "--key", "acme.key"];
    let full = ["--id", "license-1", "--product", "gateway", "--expires", "2030-01-31T12:00:00Z"];
    sandbox.run(&[&make[..], &full, &["--out", "signed.key"]].concat()).ok();
    assert_eq!(support::mode(&sandbox.path("signed.key")), 0o600);
    let key = std::fs::read_to_string(sandbox.path("signed.key")).unwrap();
    assert!(key.starts_with("key/"), "{key}");
    let inspect = ["license", "inspect", "signed.key", "--trusted-keys-file", "acme.pub"];
    let ran = sandbox.json(&[&inspect[..], &["--product", "gateway"]].concat());
    assert!(!ran.out.contains(key.trim()));
    let report = ran.json();
    let said = &report["license_key"];
    assert_eq!((&report["result"], &report["kind"]), (&json!("OK"), &json!("license key")));
    assert_eq!((&said["license"], &said["product"]), (&json!("license-1"), &json!("gateway")));
    assert_eq!((&said["signed_by"], &said["expires_at"]), (&json!("acme"), &json!(1_896_091_200)));
    assert!(sandbox.run(&["issuer", "inspect", "--key", "acme.key", "signed.key"]).ok().contains("license-1"));

    let other = sandbox.json(&[&inspect[..], &["--product", "other"]].concat());
    assert_eq!((other.exit, &other.document()["result"]), (Some(4), &json!("LICENSE_PRODUCT_MISMATCH")));
    let untrusted = sandbox.json(&["license", "inspect", "signed.key"]);
    assert_eq!((untrusted.exit, &untrusted.document()["license_key"]), (Some(3), &json!(null)));
    assert_eq!(untrusted.document()["checks"][2]["code"], "LICENSE_SIGNATURE_INVALID");
    let broken = sandbox.run_with(&["license", "inspect", "-", "--trusted-keys-file", "acme.pub"], "key/abc");
    assert_eq!(broken.exit, Some(3));
    sandbox.run(&[&inspect[..], &["--offline"]].concat()).fails(2);

    sandbox.write("dataset", "zeke@keygen.example");
    let made = sandbox.json(&[&make[..], &["--dataset", "dataset"]].concat()).json();
    sandbox.write("custom.key", made["license_key"].as_str().unwrap());
    let read = sandbox.json(&["license", "inspect", "custom.key", "--trusted-keys-file", "acme.pub"]).json();
    assert_eq!(read["license_key"]["dataset"], "zeke@keygen.example");
    sandbox.run(&make).fails(2);
    sandbox.run(&[&make[..], &["--id", ""]].concat()).fails(2);
}

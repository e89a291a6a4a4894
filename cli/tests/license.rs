//! `license ...`, `machine ...` and `issuer ...`, verb by verb.

#![cfg(test)]

mod support;

use serde_json::json;
use support::{Sandbox, Vendor, mode};

#[cfg(unix)]
#[test]
fn keygen_makes_a_private_secret_and_never_overwrites() {
    let sandbox = Sandbox::new();
    let made = sandbox.json(&["issuer", "keygen", "--out-dir", "new/keys", "--id", "acme"]).json();
    let (secret, public) = (sandbox.path("new/keys/acme.key"), sandbox.path("new/keys/acme.pub"));
    assert_eq!(mode(&secret), 0o600);
    let digits = made["public_key"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(&public).unwrap(), format!("acme {digits}\n"));
    let pem = std::fs::read_to_string(&secret).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(
        sandbox.json(&["issuer", "inspect", "--key", "new/keys/acme.key"]).json(),
        json!({"public_key": digits})
    );

    sandbox.run(&["issuer", "keygen", "--out-dir", "new/keys", "--id", "acme"]).fails(7);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), pem);
    // Not even half of it.
    std::fs::remove_file(&secret).unwrap();
    sandbox.run(&["issuer", "keygen", "--out-dir", "new/keys", "--id", "acme"]).fails(7);
    assert!(!secret.exists());
    sandbox.run(&["issuer", "keygen", "--out-dir", "new", "--id", "../acme"]).fails(2);
    let named = sandbox.json(&["issuer", "keygen", "--out-dir", "new"]).json();
    assert!(named["public_key"].as_str().unwrap().starts_with(named["id"].as_str().unwrap()));
}

#[test]
fn sign_makes_both_kinds_plain_and_encrypted() {
    let vendor = Vendor::new();
    let sandbox = &vendor.sandbox;
    let bound = r#"{"id":"l","key":"K-1","fingerprint":"f","entitlements":[]}"#;
    for (kind, armour) in [("license", "LICENSE FILE"), ("machine", "MACHINE FILE")] {
        for encrypt in [false, true] {
            let mut arguments = vec!["issuer", "sign", "--key", "acme.key", "--in", "-", "--kind", kind];
            arguments.extend(encrypt.then_some("--encrypt"));
            let file = sandbox.run_with(&arguments, bound).ok();
            assert!(file.starts_with(&format!("-----BEGIN {armour}-----")), "{file}");
            sandbox.write("file.lic", &file);
            let inspect = ["license", "inspect", "file.lic", "--trusted-keys-file", "acme.pub", "--machine-id", "f"];
            let inspected = sandbox.run(&inspect);
            assert_eq!(inspected.exit, Some(if encrypt { 3 } else { 0 }), "{inspected:?}");
            sandbox.write("k", "K-1");
            sandbox.run(&[&inspect[..], &["--key-file", "k"]].concat()).ok();
            let by_issuer =
                ["issuer", "inspect", "--key", "acme.key", "file.lic", "--license-key-file", "k", "--machine-id", "f"];
            sandbox.run(&by_issuer).ok();
        }
    }
    // The kind follows from the description.
    assert!(sandbox.run_with(&["issuer", "sign", "--key", "acme.key", "--in", "-"], bound).ok().contains("MACHINE"));
    vendor.sign("kept.lic", json!({}));
    let description = sandbox.arg("description.json");
    sandbox.run(&["issuer", "sign", "--key", "acme.key", "--in", &description, "--out", "kept.lic"]).fails(7);
    let misspelt = r#"{"id":"l","key":"SECRET-KEY","expires":"2030-01-01T00:00:00Z"}"#;
    let error = sandbox.run_with(&["issuer", "sign", "--key", "acme.key", "--in", "-"], misspelt).fails(2);
    assert!(error.contains("expires") && !error.contains("SECRET-KEY"), "{error}");
    sandbox.run_with(&["issuer", "sign", "--key", "acme.pub", "--in", "-"], bound).fails(2);
}

#[test]
fn inspect_lists_every_check() {
    let vendor = Vendor::new();
    vendor.sign("site.lic", json!({"expiry": "2020-01-01T00:00:00Z", "suspended": true, "entitlements": ["MFA"]}));
    let good = ["license", "inspect", "site.lic", "--offline", "--product", "p"];
    let ran = vendor.json(&good);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(4), ""), "{ran:?}");
    let report = ran.document();
    assert_eq!(report["result"], "LICENSE_PRODUCT_MISMATCH");
    let failures = [
        "LICENSE_PRODUCT_MISMATCH",
        "LICENSE_FILE_EXPIRED",
        "LICENSE_SUSPENDED",
        "LICENSE_EXPIRED",
        "OFFLINE_NOT_ENTITLED",
    ];
    let failed: Vec<_> = report["failures"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|code| failures.contains(&code.as_str().unwrap()))
        .collect();
    assert_eq!(failed.len(), report["failures"].as_array().unwrap().len());
    let outcomes: Vec<&str> =
        report["checks"].as_array().unwrap().iter().map(|check| check["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.len(), 13);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "fail").count(), failed.len());
    assert_eq!(report["license"]["key"], "********5678");

    let text = vendor.run(&good).out;
    assert!(text.contains("the license has not expired") && text.contains("LICENSE_EXPIRED"), "{text}");

    // Without the key nothing behind the signature is looked at.
    let ran = vendor.sandbox.json(&["license", "inspect", "site.lic"]);
    assert_eq!(ran.exit, Some(3));
    let report = ran.document();
    assert_eq!((&report["result"], &report["license"]), (&json!("LICENSE_SIGNATURE_INVALID"), &json!(null)));
    assert_eq!(report["checks"][12]["outcome"], "not reached");
    let other = vendor.json(&["license", "inspect", "site.lic", "--machine-id", "x"]);
    assert_eq!(other.exit, Some(2), "a global argument is given once: {other:?}");
    assert_eq!(vendor.sandbox.run_with(&["license", "inspect", "-"], "junk").exit, Some(3));
}

#[test]
fn inspect_as_of_another_time() {
    let vendor = Vendor::new();
    vendor.sign("site.lic", json!({"expiry": "2040-01-01T00:00:00Z"}));
    vendor.run(&["license", "inspect", "site.lic"]).ok();
    let ran = vendor.json(&["license", "inspect", "site.lic", "--at", "2041-01-01T00:00:00Z"]);
    assert_eq!((ran.exit, &ran.document()["failures"]), (Some(4), &json!(["LICENSE_EXPIRED"])));
}

#[test]
fn activate_then_status_check_limit_and_deactivate() {
    let vendor = Vendor::activated();
    let status = vendor.json(&["license", "status"]).json()["status"].clone();
    assert_eq!((&status["state"], &status["mode"]), (&json!("active"), &json!("offline")));
    assert_eq!((&status["name"], &status["key"]), (&json!("Plant 3"), &json!("********5678")));
    assert_eq!(status["limits"], json!({"AI_CREDITS_MONTHLY": -1, "MAX_AGILES": 0, "MAX_DISPLAYS": 25}));
    assert_eq!(status["entitlements"], json!(["CUSTOM", "MFA", "OFFLINE_LICENSING"]));
    assert_eq!(status["features"].as_array().unwrap().len(), 11);
    let shown = vendor.json(&["license", "status", "--show-key"]).json();
    assert!(shown["status"]["key"].as_str().unwrap().ends_with("5678") && !shown.to_string().contains('*'));
    let page = vendor.run(&["license", "status"]).ok();
    for words in ["active", "Unlimited", "Never", "Multi-factor authentication", "********5678"] {
        assert!(page.contains(words), "{words}: {page}");
    }

    vendor.run(&["license", "check", "MFA", "CUSTOM"]).ok();
    assert_eq!(vendor.json(&["license", "check", "MFA", "SSO_SAML"]).error(4), "NOT_ENTITLED");
    assert_eq!(vendor.run(&["license", "limit", "MAX_DISPLAYS"]).ok(), "25\n");
    assert_eq!(vendor.run(&["license", "limit", "AI_CREDITS_MONTHLY", "--in-use", "1000000"]).ok(), "-1\n");
    vendor.run(&["license", "limit", "MAX_DISPLAYS", "--in-use", "25"]).ok();
    assert_eq!(vendor.json(&["license", "limit", "MAX_DISPLAYS", "--in-use", "26"]).error(4), "LIMIT_EXCEEDED");

    vendor.run(&["license", "deactivate"]).fails(2);
    let after = vendor.json(&["license", "deactivate", "--yes"]).json();
    assert_eq!(after["status"]["state"], "unlicensed");
    assert_eq!(vendor.run(&["license", "status"]).exit, Some(5));
    assert_eq!(vendor.json(&["license", "check", "MFA"]).error(5), "UNLICENSED");
    assert_eq!(vendor.json(&["license", "deactivate", "--yes"]).error(5), "UNLICENSED");
    let again = vendor.json(&["license", "activate", "--file", "site.lic", "--key-file", "license.key"]);
    assert_eq!(again.error(7), "LICENSE_FILE_OLDER");
}

#[test]
fn a_tenants_limit_is_within_the_licenses() {
    let vendor = Vendor::activated();
    let limit = |name: &str, more: &[&str]| vendor.json(&[&["license", "limit", name], more].concat());
    for (name, tenant, expected) in [
        ("MAX_DISPLAYS", "north=10", 10),
        ("MAX_DISPLAYS", "north=30", 25),
        ("MAX_DISPLAYS", "north=-1", 25),
        ("AI_CREDITS_MONTHLY", "a=b=10", 10),
        ("AI_CREDITS_MONTHLY", "north=-1", -1),
    ] {
        assert_eq!(limit(name, &["--tenant", tenant]).json()["value"], expected, "{name} {tenant}");
    }
    let of_north = |in_use: &str, by_all: &str| {
        limit("MAX_DISPLAYS", &["--tenant", "north=10", "--in-use", in_use, "--in-use-by-all", by_all])
    };
    let told = of_north("10", "25").json();
    assert_eq!((&told["license"], &told["tenant"]), (&json!(25), &json!({"name": "north", "limit": 10})));
    assert_eq!(of_north("11", "25").error(4), "LIMIT_EXCEEDED");
    assert_eq!(of_north("10", "26").error(4), "LIMIT_EXCEEDED");
    for wrong in [
        &["--tenant", "north"][..],
        &["--tenant", "=10"],
        &["--tenant", "north=-2"],
        &["--tenant", "north=10", "--in-use", "1"],
        &["--tenant", "north=10", "--in-use-by-all", "1"],
        &["--in-use", "1", "--in-use-by-all", "1"],
        &["--tenant", "north=10", "--in-use", "-1", "--in-use-by-all", "1"],
    ] {
        assert_eq!(limit("MAX_DISPLAYS", wrong).error(2), "INVALID_ARGUMENT", "{wrong:?}");
    }
}

#[test]
fn what_can_not_be_activated_says_why_and_changes_nothing() {
    let vendor = Vendor::new();
    let activate = |file: &str, more: &[&str]| {
        vendor.json(&[&["license", "activate", "--file", file, "--key-file", "license.key"], more].concat())
    };
    vendor.sign("other.lic", json!({"fingerprint": "machine-2"}));
    assert_eq!(activate("other.lic", &[]).error(4), "MACHINE_MISMATCH");
    vendor.sign("expired.lic", json!({"expiry": "2020-01-01T00:00:00Z"}));
    assert_eq!(activate("expired.lic", &[]).exit, Some(4));
    vendor.sign("online.lic", json!({"entitlements": []}));
    assert_eq!(activate("online.lic", &[]).error(4), "OFFLINE_NOT_ENTITLED");
    vendor.sandbox.write("junk.lic", "junk");
    assert_eq!(activate("junk.lic", &[]).error(3), "LICENSE_MALFORMED");
    assert_eq!(activate("none.lic", &[]).error(6), "IO_ERROR");

    vendor.sign("site.lic", json!({}));
    vendor.sandbox.write("license.key", "WRONG");
    assert_eq!(activate("site.lic", &[]).error(3), "LICENSE_KEY_MISMATCH");
    vendor.sandbox.write("license.key", Vendor::LICENSE_KEY);
    let untrusted = vendor.sandbox.json(&["license", "activate", "--file", "site.lic", "--key-file", "license.key"]);
    assert_eq!(untrusted.error(3), "LICENSE_SIGNATURE_INVALID");
    let no_key = vendor.run(&["license", "activate", "--file", "site.lic"]).fails(2);
    assert!(no_key.contains("--key-file"), "{no_key}");
    assert_eq!(vendor.run(&["license", "status"]).exit, Some(5));

    let unbound = r#"{"id":"license-2","key":"KEY-1234-5678","entitlements":["OFFLINE_LICENSING"]}"#;
    let file = vendor.sandbox.run_with(&["issuer", "sign", "--key", "acme.key", "--in", "-"], unbound).ok();
    vendor.sandbox.write("unbound.lic", file);
    assert_eq!(activate("unbound.lic", &[]).error(4), "NOT_MACHINE_BOUND");
    let status = activate("unbound.lic", &["--allow-unbound"]).json();
    assert_eq!(status["status"]["warnings"], json!(["NOT_MACHINE_BOUND"]));
}

#[test]
fn the_license_key_may_come_by_standard_input() {
    let vendor = Vendor::new();
    vendor.sign("site.lic", json!({}));
    let arguments = ["license", "activate", "--file", "site.lic", "--key-file", "-", "--machine-id", Vendor::MACHINE];
    let key = std::fs::read_to_string(vendor.sandbox.path("acme.pub")).unwrap().trim().replacen(' ', "=", 1);
    let arguments = [&arguments[..], &["--trusted-key", &key]].concat();
    vendor.sandbox.run_with(&arguments, format!("{}\r\n", Vendor::LICENSE_KEY)).ok();
}

#[test]
fn a_status_without_trusted_keys_believes_nothing() {
    let vendor = Vendor::activated();
    let ran = vendor.sandbox.run(&["license", "status"]);
    assert_eq!(ran.exit, Some(3));
    assert!(ran.out.contains("invalid") && !ran.out.contains("Never"), "{ran:?}");
    assert!(ran.err.contains("no trusted keys"), "{ran:?}");
}

#[test]
fn trusted_keys_files_are_read_strictly() {
    let sandbox = Sandbox::new();
    sandbox.write("junk.lic", "junk");
    let digits = "e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788";
    let with = |text: String| {
        let file = sandbox.write("trusted", text);
        sandbox.run(&["license", "inspect", "junk.lic", "--trusted-keys-file", &file]).exit
    };
    for good in [format!("# keys\n\na {digits}\n  b {digits} 2030-01-01T00:00:00Z\r\n"), String::new()] {
        assert_eq!(with(good), Some(3), "the file is read, and found to be junk");
    }
    for bad in ["a".to_owned(), format!("a {}", &digits[1..]), format!("a {digits} soon"), format!("a {digits} 1d x")] {
        assert_eq!(with(bad.clone()), Some(2), "{bad}");
    }
    let weak = "01".to_owned() + &"00".repeat(31);
    assert_eq!(with(format!("a {weak}")), Some(2));
    assert_eq!(sandbox.run(&["license", "inspect", "junk.lic", "--trusted-key", digits]).exit, Some(2));
}

#[test]
fn the_machine_has_a_fingerprint_that_can_be_given() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["machine", "id", "--machine-id", "f-1"]).ok(), "f-1\n");
    let file = sandbox.write("machine-id", "f-2\n");
    assert_eq!(sandbox.run(&["machine", "id", "--machine-id-file", &file]).ok(), "f-2\n");
    sandbox.run(&["machine", "id", "--machine-id-file", &file, "--machine-id", "f-1"]).fails(2);
    let explained = sandbox.json(&["machine", "explain", "--machine-id", "f-1"]).json();
    let parts = explained["parts"].as_array().unwrap();
    assert!(parts.contains(&json!({"name": "fingerprint", "found": "f-1"})), "{parts:?}");
}

//! What is issued here, read here: round trips, determinism, and everything that must not be issued.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use inspire_auth_core::{
    Code,
    license::{
        InspectOptions, Inspection, Kind, inspect,
        issue::{
            self, LicenseDescription, SigningKey, sign, sign_license_file, sign_machine_file, sign_payload,
            sign_with_iv,
        },
        keys::TrustedKey,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn keys() -> [TrustedKey; 1] {
    [TrustedKey::new("vendor", signer().public()).unwrap()]
}

fn example() -> LicenseDescription {
    LicenseDescription::parse(
        json!({
            "id": "5f0e0f8e-0000-4000-8000-000000000001", "key": "ABCD-EFGH-IJKL", "name": "Plant 3",
            "expiry": "2030-01-01T00:00:00+01:00", "product": "gateway", "policy": "standard",
            "limits": {"MAX_DISPLAYS": 25, "AI_CREDITS_MONTHLY": -1, "SEATS_2": 3}, "metadata": {"plan": "gold"},
            "entitlements": ["video_wall_sync", "OFFLINE_LICENSING"], "fingerprint": "fp-1", "ttl": 86400,
        })
        .to_string()
        .as_bytes(),
    )
    .unwrap()
}

fn read(file: &str, change: impl FnOnce(&mut InspectOptions<'_>)) -> Inspection {
    let keys = keys();
    let mut options = InspectOptions {
        trusted_keys: &keys,
        license_key: Some("ABCD-EFGH-IJKL"),
        machine_id: Some("fp-1"),
        product: Some("gateway"),
        now: Some(NOW),
        offline: true,
    };
    change(&mut options);
    inspect(file.as_bytes(), &options)
}

#[test]
fn each_of_the_four_kinds_reads_back() {
    for kind in [Kind::License, Kind::Machine] {
        for encrypted in [false, true] {
            let file = sign(&signer(), &example(), kind, encrypted, Some(NOW)).unwrap();
            let found = read(&file, |_| ());
            assert_eq!(found.failures, [], "{kind:?} {encrypted}");
            assert_eq!(
                (found.kind, found.issued_at, found.file_expires_at),
                (Some(kind), Some(NOW), Some(NOW + 86_400))
            );
            assert_eq!(found.machine_fingerprint.as_deref(), (kind == Kind::Machine).then_some("fp-1"));
            let license = found.license.unwrap();
            assert_eq!(license.id, "5f0e0f8e-0000-4000-8000-000000000001");
            assert_eq!(license.key.as_deref(), Some("ABCD-EFGH-IJKL"));
            assert_eq!((license.name.as_deref(), license.status.as_deref()), (Some("Plant 3"), Some("ACTIVE")));
            assert_eq!(license.expires_at, Some(1_893_452_400));
            assert_eq!(license.entitlements, ["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"]);
            let limits: Vec<_> = license.limits.iter().map(|(name, limit)| (name.as_str(), *limit)).collect();
            assert_eq!(limits, [("AI_CREDITS_MONTHLY", -1), ("MAX_AGILES", 0), ("MAX_DISPLAYS", 25), ("SEATS_2", 3)]);
            assert_eq!(license.metadata["plan"], "gold");
            assert_eq!(license.metadata["maxDisplays"], 25, "in Keygen's spelling");

            let wrong_machine = read(&file, |options| options.machine_id = Some("fp-2")).failures;
            let wrong_key = read(&file, |options| options.license_key = Some("x")).failures;
            match (kind, encrypted) {
                (_, true) => assert_eq!(wrong_key, [Code::LicenseKeyOrMachineMismatch]),
                (_, false) => assert_eq!(wrong_key, [Code::LicenseKeyMismatch]),
            }
            match (kind, encrypted) {
                (Kind::License, _) => assert_eq!(wrong_machine, []),
                (Kind::Machine, true) => assert_eq!(wrong_machine, [Code::LicenseKeyOrMachineMismatch]),
                (Kind::Machine, false) => assert_eq!(wrong_machine, [Code::MachineMismatch]),
            }
            // A plain file is judged without secrets, an encrypted one can't be.
            let bare = read(&file, |options| (options.license_key, options.machine_id) = (None, None)).failures;
            assert_eq!(bare, if encrypted { vec![Code::LicenseKeyRequired] } else { vec![] });
        }
    }
}

#[test]
fn the_same_description_makes_the_same_file() {
    let make = |kind, iv| sign_with_iv(&signer(), &example(), kind, iv, Some(NOW)).unwrap();
    for kind in [Kind::License, Kind::Machine] {
        assert_eq!(make(kind, None), make(kind, None));
        assert_eq!(make(kind, Some([1; 12])), make(kind, Some([1; 12])));
        assert_ne!(make(kind, Some([1; 12])), make(kind, Some([2; 12])));
    }
    let fresh = || sign_license_file(&signer(), &example(), true, Some(NOW)).unwrap();
    assert_ne!(fresh(), fresh(), "each encryption has its own initialisation vector");
}

/// The document, in the order and spelling in which Keygen writes it.
#[test]
fn the_document_is_keygens() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let file = sign_machine_file(&signer(), &example(), false, Some(NOW)).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("-----BEGIN MACHINE FILE-----", "-----END MACHINE FILE-----"));
    let body = &lines[1..lines.len() - 1];
    assert!(body[..body.len() - 1].iter().all(|line| line.len() == 60) && file.ends_with("-----\n"));
    let envelope = String::from_utf8(STANDARD.decode(body.concat()).unwrap()).unwrap();
    assert!(envelope.starts_with(r#"{"enc":""#) && envelope.ends_with(r#"","alg":"base64+ed25519"}"#));
    let envelope: Value = serde_json::from_str(&envelope).unwrap();
    let text = String::from_utf8(STANDARD.decode(envelope["enc"].as_str().unwrap()).unwrap()).unwrap();
    let order = [
        r#"{"data":{"id":""#,
        r#""type":"machines""#,
        r#""attributes":{"fingerprint":"fp-1","cores":null"#,
        r#""relationships":"#,
        r#""links":{"self":"#,
        r#""included":[{"id":"5f0e"#,
        r#""type":"licenses""#,
        r#""attributes":{"name":"Plant 3","key":"ABCD-EFGH-IJKL","expiry":"2029-12-31T23:00:00.000Z","status":"ACTIVE","uses":0,"suspended":false"#,
        r#""type":"entitlements""#,
        r#""code":"video_wall_sync""#,
        r#""meta":{"issued":"2027-01-15T08:00:00.000Z","expiry":"2027-01-16T08:00:00.000Z","ttl":86400}}"#,
    ];
    let mut from = 0;
    for part in order {
        from += text[from..].find(part).unwrap_or_else(|| panic!("{part} after {from} in {text}")) + part.len();
    }
    assert_eq!(from, text.len());
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["data"]["relationships"]["license"]["data"]["id"], document["included"][0]["id"]);
    let listed: Vec<&Value> = document["included"][0]["relationships"]["entitlements"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["id"])
        .collect();
    assert_eq!(listed, [&document["included"][1]["id"], &document["included"][2]["id"]]);
    assert_eq!(document["included"][1]["attributes"]["name"], "Video wall configuration");
    // keygen-rs silently drops a resource that has no relationships.
    for resource in document["included"].as_array().unwrap().iter().chain([&document["data"]]) {
        assert!(resource["relationships"].is_object(), "{}", resource["type"]);
    }
}

#[test]
fn what_the_description_leaves_out_is_left_out() {
    let mut license = LicenseDescription::new("l1", "ABCD-EFGH-IJKL");
    let find = |license: &LicenseDescription| {
        let file = sign_license_file(&signer(), license, false, Some(NOW)).unwrap();
        read(&file, |options| options.product = None)
    };
    let found = find(&license);
    assert_eq!(found.failures, [Code::OfflineNotEntitled], "included, and none");
    assert_eq!(found.file_expires_at, None);
    assert_eq!(found.license.unwrap().expires_at, None);
    license.entitlements = None;
    assert_eq!(find(&license).failures, [Code::EntitlementsNotIncluded]);
    license.status = Some("BANNED".into());
    license.expiry = Some("2001-01-01T00:00:00Z".into());
    license.issued = Some("2000-01-01T00:00:00.999Z".into());
    license.ttl = Some(60);
    let found = find(&license);
    assert_eq!(found.issued_at, Some(946_684_800));
    assert_eq!(found.file_expires_at, Some(946_684_860));
    assert_eq!(
        found.failures,
        [Code::LicenseFileExpired, Code::LicenseSuspended, Code::LicenseExpired, Code::EntitlementsNotIncluded]
    );
}

/// Signed by the right key, and still not believed: what the rows after the signature refuse.
#[test]
fn a_good_signature_over_a_bad_payload_is_malformed() {
    let failures = |kind, payload: &str| {
        let file = sign_payload(&signer(), kind, payload.as_bytes(), None).unwrap();
        let found = read(&file, |options| (options.product, options.offline) = (None, false));
        assert_eq!(found.kind, Some(kind));
        assert_eq!(found.license.is_some(), found.issued_at.is_some() && kind == Kind::License);
        found.failures
    };
    let license = r#"{"data":{"id":"l1","type":"licenses","attributes":{"key":"ABCD-EFGH-IJKL"}},"meta":{"issued":"2027-01-15T08:00:00Z"}}"#;
    assert_eq!(failures(Kind::License, license), []);
    for bad in [
        String::new(),
        "{}".into(),
        license.replace("licenses", "machines"),
        license.replace(r#""key":"#, r#""key":"x","key":"#),
        license.replace(r#""key":"#, r#""metadata":{"a":{"b":[{"c":1,"c":2}]}},"key":"#),
        license.replace(r#""key":"#, r#""metadata":{"maxDisplays":1,"max_displays":1},"key":"#),
        license.replace(r#""key":"#, &format!(r#""metadata":{}0{},"key":"#, "[".repeat(40), "]".repeat(40))),
        license.replace("ABCD", r"\u0000BCD"),
        license.replace("2027-01-15T08:00:00Z", "2027-01-15"),
        license.replace("meta", "beta"),
        format!("{license}{license}"),
        format!("\u{feff}{license}"),
    ] {
        assert_eq!(failures(Kind::License, &bad), [Code::LicenseMalformed], "{bad}");
    }
    assert_eq!(failures(Kind::Machine, license), [Code::LicenseMalformed]);
    let alone = r#"{"data":{"id":"m1","type":"machines","attributes":{"fingerprint":"fp-2"}},"meta":{"issued":"2027-01-15T08:00:00Z"}}"#;
    assert_eq!(failures(Kind::Machine, alone), [Code::LicenseNotIncluded, Code::MachineMismatch]);
}

#[test]
fn what_could_not_be_read_is_not_issued() {
    type Change = fn(&mut LicenseDescription);
    let cases: [(&str, Change); 14] = [
        ("id", |l| l.id.clear()),
        ("key", |l| l.key.clear()),
        ("key", |l| l.key.push('\0')),
        ("fingerprint", |l| l.fingerprint = None),
        ("fingerprint", |l| l.fingerprint = Some(String::new())),
        ("expiry", |l| l.expiry = Some("tomorrow".into())),
        ("issued", |l| l.issued = Some("2025-02-30T00:00:00Z".into())),
        ("ttl", |l| l.ttl = Some(0)),
        ("ttl", |l| l.ttl = Some(u64::MAX)),
        ("limits", |l| l.limits.extend([("SEATS".into(), -2)])),
        ("limits", |l| l.metadata.extend([("max_displays".into(), 7.into())])),
        ("limits", |l| l.metadata.extend([("maxDisplays".into(), 7.into())])),
        ("entitlements", |l| l.entitlements = Some(vec![String::new()])),
        ("size", |l| l.name = Some("x".repeat(200_000))),
    ];
    for (about, change) in cases {
        let mut license = example();
        change(&mut license);
        let error = sign_machine_file(&signer(), &license, true, Some(NOW)).expect_err(about);
        assert_eq!(error.code(), Code::InvalidArgument, "{about}: {error}");
        assert!(!error.to_string().contains("ABCD"), "{error}");
    }
    assert!(sign_license_file(&signer(), &LicenseDescription::new("l", "k"), true, Some(NOW)).is_ok());
}

fn description() -> impl Strategy<Value = LicenseDescription> {
    let text = "[\\PC&&[^\\x00]]{1,24}";
    (
        (text, text, proptest::option::of(text), proptest::option::of(0_i64..4_000_000_000)),
        proptest::collection::btree_map("[A-Z][A-Z0-9]{0,6}(_[A-Z0-9]{1,6}){0,3}", -1_i64..=i64::MAX, 0..6),
        proptest::collection::vec("[A-Za-z0-9_]{1,20}", 0..6),
        (text, proptest::option::of(1_u64..4_000_000_000), text),
    )
        .prop_map(|((id, key, name, expiry), limits, entitlements, (fingerprint, ttl, product))| {
            let mut license = LicenseDescription::new(id, key);
            license.name = name;
            license.expiry = expiry.map(|_| "2100-01-01T00:00:00Z".to_owned());
            license.limits = limits;
            license.entitlements = Some(entitlements);
            license.fingerprint = Some(fingerprint);
            license.ttl = ttl;
            license.product = Some(product);
            license
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// inspect ∘ sign is the identity on everything that is described.
    #[test]
    fn what_is_described_is_what_is_read(license in description(), machine: bool, encrypted: bool) {
        let kind = if machine { Kind::Machine } else { Kind::License };
        // Two names may be one in Keygen's spelling (`MAX_DISPLAYS` and `MAXDISPLAYS`): then nothing is issued.
        let Ok(file) = sign(&signer(), &license, kind, encrypted, Some(NOW)) else { return Ok(()) };
        let keys = keys();
        let found = inspect(file.as_bytes(), &InspectOptions {
            trusted_keys: &keys,
            license_key: Some(&license.key),
            machine_id: license.fingerprint.as_deref(),
            product: license.product.as_deref(),
            now: Some(NOW),
            offline: false,
        });
        prop_assert_eq!(&found.failures, &[]);
        prop_assert_eq!(found.file_expires_at, license.ttl.map(|ttl| NOW + i64::try_from(ttl).unwrap()));
        let view = found.license.unwrap();
        prop_assert_eq!(view.id, license.id);
        prop_assert_eq!(view.key, Some(license.key));
        prop_assert_eq!(view.name, license.name);
        for (name, limit) in &license.limits {
            prop_assert_eq!(view.limits.get(name), Some(limit), "{}", name);
        }
        let mut codes: Vec<String> = license.entitlements.unwrap().iter().map(|code| code.to_ascii_uppercase()).collect();
        codes.sort();
        codes.dedup();
        prop_assert_eq!(view.entitlements, codes);
    }

    #[test]
    fn no_file_panics(bytes: Vec<u8>, cut in 0_usize..4000, at in 0_usize..4000, with: u8) {
        let keys = keys();
        let options = InspectOptions { trusted_keys: &keys, license_key: Some("k"), ..InspectOptions::default() };
        prop_assert_eq!(inspect(&bytes, &options).failures, [Code::LicenseMalformed]);
        let mut file = sign_machine_file(&signer(), &example(), true, Some(NOW)).unwrap().into_bytes();
        file.truncate(cut.max(1));
        let at = at % file.len();
        file[at] = with;
        let _ = inspect(&file, &options);
    }
}

#[test]
fn a_server_names_its_machine_and_asks_for_a_heartbeat() {
    let resource = |change: fn(&mut LicenseDescription)| -> Value {
        let mut license = example();
        change(&mut license);
        let document = issue::document(&license, Kind::Machine, NOW).unwrap();
        serde_json::from_slice::<Value>(&document).unwrap()["data"].clone()
    };
    let usual = resource(|_| ());
    assert_eq!(usual["attributes"]["requireHeartbeat"], false);
    assert_eq!(usual["id"], resource(|_| ())["id"], "it follows from license and fingerprint");
    let registered = resource(|license| {
        license.machine = Some("m-1".into());
        license.require_heartbeat = true;
    });
    assert_eq!((&registered["id"], &registered["attributes"]["requireHeartbeat"]), (&json!("m-1"), &json!(true)));
    let mut nameless = example();
    nameless.machine = Some(String::new());
    let refused = sign(&signer(), &nameless, Kind::Machine, false, Some(NOW)).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

//! The payload in `license.json`: its shape (row 5), and what is read from it.

use serde_json::{Value, json};

use super::{
    issue::{Document, Entitlements, text},
    license::{inspect, stopped},
    model::{Group, merge},
};

pub(super) fn payloads() -> Group {
    let mut group = Group::new(601, "row 5: payloads of another shape");
    let whole = Document::license().payload();
    let changed = |change: fn(&mut Value)| {
        let mut payload = whole.clone();
        change(&mut payload);
        text(&payload)
    };
    let written = text(&whole);
    let cases: Vec<(&str, String)> = vec![
        ("nothing", " ".to_owned()),
        ("no JSON", "{".to_owned()),
        ("an array", "[]".to_owned()),
        ("no data", changed(|p| merge(p, &json!({"data": "$absent"})))),
        ("data that is null", changed(|p| merge(p, &json!({"data": null})))),
        ("no id", changed(|p| merge(&mut p["data"], &json!({"id": "$absent"})))),
        ("an id that is a number", changed(|p| merge(&mut p["data"], &json!({"id": 1})))),
        ("no type", changed(|p| merge(&mut p["data"], &json!({"type": "$absent"})))),
        ("another type", changed(|p| merge(&mut p["data"], &json!({"type": "users"})))),
        ("a machine in a license file", changed(|p| merge(&mut p["data"], &json!({"type": "machines"})))),
        ("no meta", changed(|p| merge(p, &json!({"meta": "$absent"})))),
        ("no issued", changed(|p| merge(&mut p["meta"], &json!({"issued": "$absent"})))),
        ("issued that is no time", changed(|p| merge(&mut p["meta"], &json!({"issued": "yesterday"})))),
        ("issued that is a number", changed(|p| merge(&mut p["meta"], &json!({"issued": 1_800_000_000})))),
        ("expiry that is no time", changed(|p| merge(&mut p["meta"], &json!({"expiry": "2027-13-01T00:00:00Z"})))),
        (
            "a license's expiry that is no time",
            changed(|p| merge(&mut p["data"]["attributes"], &json!({"expiry": "never"}))),
        ),
        ("something after the object", format!("{written}{{}}")),
    ];
    for (comment, payload) in cases {
        let file = Document::license().plain().sign_payload(&payload);
        stopped(&mut group, comment, &["Payload"], file, json!({}), "LICENSE_MALFORMED");
    }
    let machine = text(&Document::machine().payload());
    let file = Document::license().plain().sign_payload(&machine);
    stopped(&mut group, "a whole machine in a license file", &["CrossKind"], file, json!({}), "LICENSE_MALFORMED");
    let file = Document::machine().plain().sign_payload(&written);
    stopped(&mut group, "a whole license in a machine file", &["CrossKind"], file, json!({}), "LICENSE_MALFORMED");
    for (comment, payload) in [
        ("data twice", written.replacen('{', r#"{"data":{},"#, 1)),
        (
            "a member of the attributes twice",
            written.replacen(r#""attributes":{"#, r#""attributes":{"expiry":null,"#, 1),
        ),
        ("a member twice in the metadata", written.replacen(r#""metadata":{"#, r#""metadata":{"maxAgiles":9,"#, 1)),
        ("a member twice, deep in what we do not know", written.replacen('{', r#"{"x":[{"y":{"z":1,"z":1}}],"#, 1)),
        ("a member twice, once escaped", written.replacen('{', r#"{"m\u0065ta":{},"#, 1)),
    ] {
        let file = Document::license().plain().sign_payload(&payload);
        stopped(&mut group, comment, &["Duplicate"], file, json!({}), "LICENSE_MALFORMED");
    }
    group
}

pub(super) fn limits() -> Group {
    let mut group = Group::new(1401, "limits are read from the metadata");
    let zero = json!({"MAX_DISPLAYS": 0, "MAX_AGILES": 0, "AI_CREDITS_MONTHLY": 0});
    let cases = [
        ("nothing", json!({}), json!({})),
        (
            "as we write them",
            json!({"maxDisplays": 1, "maxAgiles": 2, "aiCreditsMonthly": 3}),
            json!({"MAX_DISPLAYS": 1, "MAX_AGILES": 2, "AI_CREDITS_MONTHLY": 3}),
        ),
        (
            "as Keygen re-cases them",
            json!({"max_displays": 1, "max_agiles": 2, "ai_credits_monthly": 3}),
            json!({"MAX_DISPLAYS": 1, "MAX_AGILES": 2, "AI_CREDITS_MONTHLY": 3}),
        ),
        (
            "in other cases",
            json!({"MAX-DISPLAYS": 1, "MaxAgiles": 2, "AICreditsMonthly": 3}),
            json!({"MAX_DISPLAYS": 1, "MAX_AGILES": 2, "AI_CREDITS_MONTHLY": 3}),
        ),
        ("another limit", json!({"maxPlayers": 9}), json!({"MAX_PLAYERS": 9})),
        (
            "digits, hyphens and spaces",
            json!({"zone2Count": 1, "seats-per-site": 2, "call center": 3}),
            json!({"ZONE2_COUNT": 1, "SEATS_PER_SITE": 2, "CALL_CENTER": 3}),
        ),
        ("unlimited", json!({"maxDisplays": -1}), json!({"MAX_DISPLAYS": -1})),
        ("below -1", json!({"maxDisplays": -2, "maxAgiles": i64::MIN}), json!({})),
        ("the largest", json!({"maxDisplays": i64::MAX}), json!({"MAX_DISPLAYS": i64::MAX})),
        ("past the largest", json!({"maxDisplays": 9_223_372_036_854_775_808_u64}), json!({})),
        ("a fraction", json!({"maxDisplays": 2.5}), json!({})),
        ("a string", json!({"maxDisplays": "25"}), json!({})),
        ("true", json!({"maxDisplays": true}), json!({})),
        ("a list", json!({"maxDisplays": [25], "tags": ["a"]}), json!({})),
    ];
    for (comment, metadata, limits) in cases {
        let mut expected = zero.clone();
        merge(&mut expected, &limits);
        let file = Document { metadata, ..Document::machine() }.sign();
        inspect(
            &mut group,
            comment,
            &["Limits"],
            file,
            json!({}),
            json!({"result": "OK", "license": {"limits": expected}}),
        );
    }
    let metadata = json!({"maxDisplays": 5, "customer": {"name": "Acme", "tags": ["a", 1, null]}, "note": "x"});
    let file = Document { metadata: metadata.clone(), ..Document::machine() }.sign();
    inspect(
        &mut group,
        "metadata is shown as it is",
        &["Limits"],
        file,
        json!({}),
        json!({"result": "OK", "license": {"metadata": metadata}}),
    );
    for (comment, metadata) in [
        ("two spellings of one name", json!({"maxDisplays": 1, "max_displays": 2})),
        ("two spellings of another", json!({"maxPlayers": 1, "max-players": 1})),
    ] {
        let file = Document { metadata, ..Document::machine() }.sign();
        stopped(&mut group, comment, &["Limits", "Duplicate"], file, json!({}), "LICENSE_MALFORMED");
    }
    group
}

pub(super) fn entitlements() -> Group {
    let mut group = Group::new(1501, "entitlements");
    let cases = [
        (
            "sorted, each once, in upper case",
            Entitlements::Granted(vec!["SSO_SAML", "mfa", "MFA", "DEVICE_GROUPS"]),
            json!(["DEVICE_GROUPS", "MFA", "SSO_SAML"]),
        ),
        ("one that is not in the catalogue", Entitlements::Granted(vec!["CUSTOM_THING"]), json!(["CUSTOM_THING"])),
        ("none", Entitlements::Granted(vec![]), json!([])),
        ("not included", Entitlements::NotIncluded, json!([])),
    ];
    for (comment, entitlements, expected) in cases {
        let file = Document { entitlements, ..Document::machine() }.sign();
        inspect(
            &mut group,
            comment,
            &["Entitlements"],
            file,
            json!({}),
            json!({"result": "OK", "license": {"entitlements": expected}}),
        );
    }
    group
}

//! `license.json`: files inspected, row by row of the order of checks (LICENSE_FORMAT, "Order of checks").

use serde_json::{Value, json};

use super::{
    DAY, NOW,
    issue::{
        self, Document, Entitlements, KEY, Kind, LICENSE_ID, MACHINE, NAME, PRODUCT, armour_lines, stranger, text,
        time, trusted, vendor,
    },
    license_envelope, license_payload,
    model::{File, Group, merge},
};

const NOTES: &[(&str, &str)] = &[
    ("Good", "a file as a vendor makes it is refused, or read otherwise than it says"),
    ("Wild", "a file that was carried through mail, an editor or another system is refused"),
    ("Armour", "what is no license file is read as one, or crashes the reader"),
    ("Duplicate", "a member stands twice, and two readers take different ones"),
    ("Algorithm", "an algorithm that is not ours is tried, or is called malformed"),
    ("Signature", "bytes are believed that no trusted key has signed"),
    ("Malleable", "a second signature is accepted for the same bytes"),
    ("CrossKind", "a file signed as one kind is accepted as the other"),
    ("Opened", "`enc` is decoded or decrypted leniently, or a missing secret is told as a wrong one"),
    ("Payload", "a payload of another shape is read as if it were ours"),
    ("NotIncluded", "a machine file without its license grants, or its other failures are not reported"),
    ("Product", "a license for another product is accepted"),
    ("Clock", "the bounds of the clock are off, or another clock than the caller's is asked"),
    ("Moment", "a moment is past only after it, or is computed from the ttl"),
    ("Status", "a status that is usable is refused, or one that is not known is usable"),
    ("Key", "the license key given is not compared, or compared with something else"),
    ("Machine", "the machine given is not compared"),
    ("Offline", "offline use is allowed without its entitlement, or `not included` is taken for `not granted`"),
    ("All", "only the first failure is reported, or one twice, or in another order"),
    ("Limits", "a limit is read under another name, converted, or made up"),
    ("Entitlements", "entitlements are listed as they come, twice, or in their own case"),
    ("WeakKey", "a public key under which anyone can sign is trusted"),
];

pub(super) fn file() -> File {
    let groups = vec![
        good(),
        wild(),
        license_envelope::armoured(),
        license_envelope::algorithms(),
        license_envelope::signatures(),
        license_envelope::opening(),
        license_payload::payloads(),
        not_included(),
        products(),
        clocks(),
        statuses(),
        keys_and_machines(),
        offline(),
        all_at_once(),
        license_payload::limits(),
        license_payload::entitlements(),
        weak_keys(),
    ];
    File { name: "license.json", notes: NOTES, groups }
}

/// What `license.inspect` is asked with, unless a test says otherwise.
fn asked(file: &Value) -> Value {
    json!({"lic": file, "trusted_keys": [trusted("vendor", &vendor())], "license_key": KEY, "machine_id": MACHINE, "now": NOW})
}

pub(super) fn inspect(
    group: &mut Group,
    comment: &str,
    flags: &'static [&'static str],
    file: impl Into<Value>,
    more: Value,
    expect: Value,
) {
    let mut arguments = asked(&file.into());
    merge(&mut arguments, &more);
    group.test(comment, flags, |s| {
        s.ask("license.inspect", arguments, expect);
    });
}

fn accepted(group: &mut Group, comment: &str, flags: &'static [&'static str], file: impl Into<Value>, more: Value) {
    inspect(group, comment, flags, file, more, json!({"result": "OK", "failures": [], "license": {"id": LICENSE_ID}}));
}

/// One failure after which nothing is looked at.
pub(super) fn stopped(
    group: &mut Group,
    comment: &str,
    flags: &'static [&'static str],
    file: impl Into<Value>,
    more: Value,
    code: &str,
) {
    inspect(group, comment, flags, file, more, json!({"result": code, "failures": [code], "license": null}));
}

/// Failures of checks that all run.
fn failed(
    group: &mut Group,
    comment: &str,
    flags: &'static [&'static str],
    file: impl Into<Value>,
    more: Value,
    codes: &[&str],
) {
    inspect(group, comment, flags, file, more, json!({"result": codes.first(), "failures": codes}));
}

fn good() -> Group {
    let mut group = Group::new(1, "files as a vendor makes them");
    let license = json!({
        "id": LICENSE_ID, "key": KEY, "name": NAME, "status": "ACTIVE", "expires_at": NOW + 365 * DAY,
        "limits": {"MAX_DISPLAYS": 25, "MAX_AGILES": 4, "AI_CREDITS_MONTHLY": -1},
        "entitlements": ["OFFLINE_LICENSING", "VIDEO_WALL_SYNC"],
        "metadata": {"maxDisplays": 25, "maxAgiles": 4, "aiCreditsMonthly": -1},
    });
    for (kind, name) in [(Kind::License, "license"), (Kind::Machine, "machine")] {
        for encrypted in [false, true] {
            let file = Document { kind, encrypted, ..Document::machine() }.sign();
            let fingerprint = (kind == Kind::Machine).then_some(MACHINE);
            let expect = json!({
                "result": "OK", "failures": [], "kind": name, "license": license, "issued_at": NOW,
                "file_expires_at": NOW + 300 * DAY, "machine_fingerprint": fingerprint,
            });
            let comment = format!("a {name} file, {}", if encrypted { "encrypted" } else { "plain" });
            inspect(&mut group, &comment, &["Good"], file, json!({}), expect);
        }
    }
    let endless = Document { license_expiry: None, file_expiry: None, ..Document::machine() };
    let expect = json!({"result": "OK", "failures": [], "file_expires_at": null, "license": {"expires_at": null}});
    inspect(
        &mut group,
        "a file and a license without an end",
        &["Good"],
        endless.sign(),
        json!({"now": NOW + 9000 * DAY}),
        expect,
    );
    accepted(
        &mut group,
        "a plain file needs no key",
        &["Good"],
        Document::license().plain().sign(),
        json!({"license_key": "$absent", "machine_id": "$absent"}),
    );
    accepted(
        &mut group,
        "a license file needs no machine",
        &["Good"],
        Document::license().sign(),
        json!({"machine_id": "$absent"}),
    );
    let two = json!({"trusted_keys": [trusted("stranger", &stranger()), trusted("vendor", &vendor())]});
    accepted(&mut group, "the second of the trusted keys", &["Good"], issue::machine_file(), two);
    let mut more = Document::machine().payload();
    merge(&mut more, &json!({"jsonapi": {"version": "1.0"}, "links": {}}));
    accepted(
        &mut group,
        "members that we do not know",
        &["Good"],
        Document::machine().sign_payload(&text(&more)),
        json!({}),
    );
    let bare = json!({
        "data": {"id": LICENSE_ID, "type": "licenses", "attributes": {"key": KEY}},
        "meta": {"issued": time(NOW)},
    });
    let expect = json!({
        "result": "OK", "failures": [], "file_expires_at": null,
        "license": {"name": null, "status": null, "expires_at": null, "entitlements": [], "metadata": {}},
    });
    inspect(
        &mut group,
        "a payload with only what must be there",
        &["Good"],
        Document::license().sign_payload(&text(&bare)),
        json!({}),
        expect,
    );
    group
}

fn wild() -> Group {
    let mut group = Group::new(101, "files that were carried about");
    let file = issue::machine_file();
    let inner = text(&issue::opened(&file));
    let cases = [
        ("a byte order mark", format!("\u{feff}{file}")),
        ("CRLF", file.replace('\n', "\r\n")),
        ("white space around", format!("\n\n \t{file}\r\n \n")),
        ("no line feed at the end", file.trim_end().to_owned()),
        ("two line feeds at the end", format!("{file}\n")),
        ("lines of 76", armour_lines(Kind::Machine, &inner, 76, "\n")),
        ("lines of 64 with CRLF", armour_lines(Kind::Machine, &inner, 64, "\r\n")),
        ("one line", armour_lines(Kind::Machine, &inner, 100_000, "\n")),
        (
            "a member of the envelope that we do not know",
            issue::with_envelope(Kind::Machine, &file, &json!({"kid": "1"})),
        ),
    ];
    for (comment, file) in cases {
        accepted(&mut group, comment, &["Wild"], file, json!({}));
    }
    let padding = 262_144 - file.len();
    let padded = |spaces: usize| json!({"$join": [file, {"$repeat": "\n", "times": spaces}]});
    accepted(&mut group, "262144 bytes", &["Wild"], padded(padding), json!({}));
    stopped(&mut group, "262145 bytes", &["Armour"], padded(padding + 1), json!({}), "LICENSE_MALFORMED");
    group
}

fn not_included() -> Group {
    let mut group = Group::new(701, "row 5b: a machine file without its license");
    let document = Document { include_license: false, ..Document::machine().plain() };
    let expect = json!({"result": "LICENSE_NOT_INCLUDED", "failures": ["LICENSE_NOT_INCLUDED"], "kind": "machine", "license": null, "machine_fingerprint": MACHINE});
    inspect(&mut group, "alone", &["NotIncluded"], document.sign(), json!({"offline": true}), expect);
    let document = Document { file_expiry: Some(NOW), ..document };
    let codes = ["LICENSE_NOT_INCLUDED", "LICENSE_FILE_EXPIRED", "MACHINE_MISMATCH"];
    failed(
        &mut group,
        "with what can still be checked",
        &["NotIncluded", "All"],
        document.sign(),
        json!({"machine_id": "other"}),
        &codes,
    );
    group
}

fn products() -> Group {
    let mut group = Group::new(801, "row 6: the product");
    let (ours, other) = (json!({"product": PRODUCT}), json!({"product": "other"}));
    let mismatch = ["LICENSE_PRODUCT_MISMATCH"];
    accepted(&mut group, "the license's product", &["Product"], issue::machine_file(), ours.clone());
    failed(&mut group, "another product", &["Product"], issue::machine_file(), other, &mismatch);
    failed(
        &mut group,
        "a license that names none",
        &["Product"],
        Document { product: None, ..Document::license() }.sign(),
        ours.clone(),
        &mismatch,
    );
    let machine = Document { product: None, ..Document::machine() };
    let of_machine = json!({"product": "3b2a1f00-8f0e-4b57-9c1b-2f4f4a7c1d11"});
    accepted(
        &mut group,
        "the machine's, where the license names none",
        &["Product"],
        machine.sign(),
        of_machine.clone(),
    );
    failed(
        &mut group,
        "the machine's, where the license names another",
        &["Product"],
        issue::machine_file(),
        of_machine,
        &mismatch,
    );
    failed(
        &mut group,
        "neither names one",
        &["Product"],
        Document { machine_product: false, ..machine }.sign(),
        ours,
        &mismatch,
    );
    group
}

fn clocks() -> Group {
    let mut group = Group::new(901, "rows 7, 8 and 10: moments");
    let at = |offset: i64| json!({"now": NOW + offset});
    let file = Document { license_expiry: Some(NOW + 200), file_expiry: Some(NOW + 100), ..Document::machine() };
    accepted(&mut group, "signed five minutes in the future", &["Clock"], file.sign(), at(-300));
    failed(&mut group, "signed a second more in the future", &["Clock"], file.sign(), at(-301), &["CLOCK_ROLLBACK"]);
    accepted(&mut group, "a second before the file's end", &["Moment"], file.sign(), at(99));
    failed(&mut group, "at the file's end", &["Moment"], file.sign(), at(100), &["LICENSE_FILE_EXPIRED"]);
    failed(
        &mut group,
        "at the license's end, too",
        &["Moment", "All"],
        file.sign(),
        at(200),
        &["LICENSE_FILE_EXPIRED", "LICENSE_EXPIRED"],
    );
    let file = Document { license_expiry: Some(NOW + 100), ..file };
    let license_only = Document { file_expiry: None, ..file.clone() };
    accepted(&mut group, "a second before the license's end", &["Moment"], license_only.sign(), at(99));
    failed(&mut group, "at the license's end", &["Moment"], license_only.sign(), at(100), &["LICENSE_EXPIRED"]);
    let mut payload = Document { file_expiry: None, license_expiry: None, ..Document::machine() }.payload();
    merge(&mut payload["meta"], &json!({"ttl": 60}));
    accepted(
        &mut group,
        "a ttl without an expiry ends nothing",
        &["Moment"],
        Document::machine().sign_payload(&text(&payload)),
        at(3600),
    );
    let floored = |moment: &str| {
        let mut payload = Document { license_expiry: None, ..Document::machine() }.payload();
        merge(&mut payload["meta"], &json!({"expiry": moment}));
        Document::machine().sign_payload(&text(&payload))
    };
    for (comment, moment) in [
        ("a fraction is cut", "2027-01-15T08:01:40.999Z"),
        ("without a fraction", "2027-01-15T08:01:40Z"),
        ("nine digits", "2027-01-15T08:01:40.123456789Z"),
        ("another offset", "2027-01-15T09:01:40+01:00"),
    ] {
        accepted(&mut group, &format!("{comment}: before"), &["Moment"], floored(moment), at(99));
        failed(&mut group, &format!("{comment}: at"), &["Moment"], floored(moment), at(100), &["LICENSE_FILE_EXPIRED"]);
    }
    group
}

fn statuses() -> Group {
    let mut group = Group::new(1001, "rows 9 and 10: the license's status");
    for status in [json!("ACTIVE"), json!("INACTIVE"), json!("EXPIRING"), json!(null), json!("$absent")] {
        let comment = format!("{status} is usable");
        let mut payload = Document::license().payload();
        merge(&mut payload["data"]["attributes"], &json!({"status": status}));
        accepted(&mut group, &comment, &["Status"], Document::license().sign_payload(&text(&payload)), json!({}));
    }
    for status in ["SUSPENDED", "BANNED", "REVOKED", ""] {
        let file = Document { status: json!(status), ..Document::machine() }.sign();
        failed(&mut group, &format!("`{status}` is not"), &["Status"], file, json!({}), &["LICENSE_SUSPENDED"]);
    }
    let file = Document { status: json!("EXPIRED"), ..Document::machine() }.sign();
    failed(&mut group, "EXPIRED, whatever its expiry", &["Status"], file, json!({}), &["LICENSE_EXPIRED"]);
    let file = Document { suspended: true, ..Document::machine() }.sign();
    failed(&mut group, "suspended, though ACTIVE", &["Status"], file, json!({}), &["LICENSE_SUSPENDED"]);
    let file = Document { suspended: true, status: json!("SUSPENDED"), ..Document::machine() }.sign();
    failed(&mut group, "suspended twice is told once", &["Status", "All"], file, json!({}), &["LICENSE_SUSPENDED"]);
    let file = Document { status: json!("EXPIRED"), license_expiry: Some(NOW - 1), ..Document::machine() }.sign();
    failed(&mut group, "expired twice is told once", &["Status", "All"], file, json!({}), &["LICENSE_EXPIRED"]);
    group
}

fn keys_and_machines() -> Group {
    let mut group = Group::new(1101, "rows 11 and 12: the key and the machine");
    let plain = || Document::machine().plain();
    accepted(&mut group, "the license's key", &["Key"], plain().sign(), json!({}));
    accepted(&mut group, "no key given", &["Key"], plain().sign(), json!({"license_key": "$absent"}));
    failed(
        &mut group,
        "another key",
        &["Key"],
        plain().sign(),
        json!({"license_key": "OTHER"}),
        &["LICENSE_KEY_MISMATCH"],
    );
    failed(
        &mut group,
        "the key in another case",
        &["Key"],
        plain().sign(),
        json!({"license_key": KEY.to_lowercase()}),
        &["LICENSE_KEY_MISMATCH"],
    );
    failed(
        &mut group,
        "the key and a space",
        &["Key"],
        plain().sign(),
        json!({"license_key": format!("{KEY} ")}),
        &["LICENSE_KEY_MISMATCH"],
    );
    accepted(&mut group, "no machine given", &["Machine"], plain().sign(), json!({"machine_id": "$absent"}));
    failed(
        &mut group,
        "another machine",
        &["Machine"],
        plain().sign(),
        json!({"machine_id": "other"}),
        &["MACHINE_MISMATCH"],
    );
    failed(
        &mut group,
        "both",
        &["Key", "Machine", "All"],
        plain().sign(),
        json!({"license_key": "OTHER", "machine_id": "other"}),
        &["LICENSE_KEY_MISMATCH", "MACHINE_MISMATCH"],
    );
    accepted(
        &mut group,
        "a license file names no machine",
        &["Machine"],
        Document::license().plain().sign(),
        json!({"machine_id": "other"}),
    );
    let file = Document { key: json!("OTHER"), ..Document::machine() }.sign();
    failed(
        &mut group,
        "decrypted with a key that is not the license's",
        &["Key"],
        file,
        json!({}),
        &["LICENSE_KEY_MISMATCH"],
    );
    group
}

fn offline() -> Group {
    let mut group = Group::new(1201, "row 13: offline use");
    let with = |entitlements| Document { entitlements, ..Document::machine() }.sign();
    let asked = json!({"offline": true});
    accepted(&mut group, "with OFFLINE_LICENSING", &["Offline"], issue::machine_file(), asked.clone());
    accepted(
        &mut group,
        "with it among the included only",
        &["Offline"],
        with(Entitlements::IncludedOnly(vec!["OFFLINE_LICENSING"])),
        asked.clone(),
    );
    accepted(
        &mut group,
        "with it in lower case",
        &["Offline", "Entitlements"],
        with(Entitlements::Granted(vec!["offline_licensing"])),
        asked.clone(),
    );
    failed(
        &mut group,
        "without it",
        &["Offline"],
        with(Entitlements::Granted(vec!["MFA"])),
        asked.clone(),
        &["OFFLINE_NOT_ENTITLED"],
    );
    failed(
        &mut group,
        "without any",
        &["Offline"],
        with(Entitlements::Granted(vec![])),
        asked.clone(),
        &["OFFLINE_NOT_ENTITLED"],
    );
    failed(
        &mut group,
        "not included",
        &["Offline"],
        with(Entitlements::NotIncluded),
        asked,
        &["ENTITLEMENTS_NOT_INCLUDED"],
    );
    accepted(&mut group, "not asked for", &["Offline"], with(Entitlements::NotIncluded), json!({}));
    accepted(
        &mut group,
        "not asked for, said so",
        &["Offline"],
        with(Entitlements::Granted(vec![])),
        json!({"offline": false}),
    );
    group
}

fn all_at_once() -> Group {
    let mut group = Group::new(1301, "every failure is reported, in order, once");
    let file = Document {
        issued: json!(time(NOW + 301)),
        file_expiry: Some(NOW),
        suspended: true,
        license_expiry: Some(NOW),
        key: json!("OTHER"),
        fingerprint: "other",
        entitlements: Entitlements::Granted(vec![]),
        ..Document::machine().plain()
    };
    let codes = [
        "LICENSE_PRODUCT_MISMATCH",
        "CLOCK_ROLLBACK",
        "LICENSE_FILE_EXPIRED",
        "LICENSE_SUSPENDED",
        "LICENSE_EXPIRED",
        "LICENSE_KEY_MISMATCH",
        "MACHINE_MISMATCH",
        "OFFLINE_NOT_ENTITLED",
    ];
    failed(&mut group, "everything", &["All"], file.sign(), json!({"product": "other", "offline": true}), &codes);
    let expect = json!({"result": "LICENSE_PRODUCT_MISMATCH", "kind": "machine", "license": {"id": LICENSE_ID, "key": "OTHER"}, "issued_at": NOW + 301, "file_expires_at": NOW, "machine_fingerprint": "other"});
    inspect(
        &mut group,
        "what was read is shown all the same",
        &["All"],
        file.sign(),
        json!({"product": "other"}),
        expect,
    );
    group
}

fn weak_keys() -> Group {
    let mut group = Group::new(1601, "public keys under which anyone can sign");
    let cases = [
        ("the identity", format!("01{}", "00".repeat(31))),
        ("a point of order 4", "00".repeat(32)),
        ("a point of order 2", format!("ec{}7f", "ff".repeat(30))),
        ("a point of order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned()),
        ("the identity, not canonical", format!("ee{}7f", "ff".repeat(30))),
    ];
    for (comment, key) in cases {
        group.test(comment, &["WeakKey"], |s| {
            let keys = json!([trusted("vendor", &vendor()), {"id": "weak", "public_key": key}]);
            s.expect("open", json!({"store": ":memory:", "trusted_keys": keys}), "WEAK_TRUSTED_KEY");
        });
    }
    group
}

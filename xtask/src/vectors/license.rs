//! `license.json`: files inspected, row by row of the order of checks (LICENSE_FORMAT, "Order of checks").

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::{
    DAY, NOW,
    issue::{
        self, Document, Entitlements, KEY, Kind, LICENSE_ID, MACHINE, NAME, PRODUCT, armour, armour_lines, encrypt,
        envelope, seal, stranger, text, time, trusted, vendor,
    },
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
        armoured(),
        algorithms(),
        signatures(),
        opening(),
        payloads(),
        not_included(),
        products(),
        clocks(),
        statuses(),
        keys_and_machines(),
        offline(),
        all_at_once(),
        limits(),
        entitlements(),
        weak_keys(),
    ];
    File { name: "license.json", notes: NOTES, groups }
}

/// What `license.inspect` is asked with, unless a test says otherwise.
fn asked(file: &Value) -> Value {
    json!({"lic": file, "trusted_keys": [trusted("vendor", &vendor())], "license_key": KEY, "machine_id": MACHINE, "now": NOW})
}

fn inspect(
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
fn stopped(
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

fn armoured() -> Group {
    let mut group = Group::new(201, "row 1: what is no license file");
    let file = issue::machine_file();
    let inner = text(&issue::opened(&file));
    let machine = |envelope: &str| armour(Kind::Machine, envelope);
    let body = |text: &str| format!("-----BEGIN MACHINE FILE-----\n{text}\n-----END MACHINE FILE-----\n");
    let one = STANDARD.encode(&inner);
    let cases: Vec<(&str, Value)> = vec![
        ("nothing", json!("")),
        ("a text", json!("hello")),
        ("only a header", json!("-----BEGIN MACHINE FILE-----\n")),
        ("header and footer", json!("-----BEGIN MACHINE FILE-----\n-----END MACHINE FILE-----\n")),
        ("no footer", json!(file.lines().take(3).collect::<Vec<_>>().join("\n"))),
        ("the other kind's footer", json!(file.replace("END MACHINE", "END LICENSE"))),
        ("armour of another thing", json!(file.replace("MACHINE FILE", "CERTIFICATE"))),
        ("text before the header", json!(format!("From: vendor\n{file}"))),
        ("text after the footer", json!(format!("{file}regards\n"))),
        ("two files", json!(format!("{file}{file}"))),
        ("no base64", json!(body("!!!!"))),
        ("base64 without its padding", json!(body(&STANDARD_NO_PAD.encode(r#"{"enc":"a"}"#)))),
        ("base64url", json!(body("eyJ-_-_-"))),
        ("a space inside", json!(body(&one.replacen('M', " M", 1)))),
        ("base64 with spare bits set", json!(body("e31="))),
        ("no JSON", json!(machine("{"))),
        ("an array", json!(machine("[]"))),
        ("a string", json!(machine("\"enc\""))),
        ("something after the object", json!(machine(&format!("{inner}x")))),
        ("no enc", json!(machine(r#"{"sig":"a","alg":"base64+ed25519"}"#))),
        ("no sig", json!(machine(r#"{"enc":"a","alg":"base64+ed25519"}"#))),
        ("no alg", json!(machine(r#"{"enc":"a","sig":"a"}"#))),
        ("enc that is a number", json!(machine(r#"{"enc":1,"sig":"a","alg":"base64+ed25519"}"#))),
        ("alg that is null", json!(machine(r#"{"enc":"a","sig":"a","alg":null}"#))),
        ("bytes that are not UTF-8", super::protocol::b64(b"\xff\xfe\x00-----BEGIN")),
        ("a NUL after the footer", json!(format!("{file}\u{0}"))),
    ];
    for (comment, file) in cases {
        stopped(&mut group, comment, &["Armour"], file, json!({}), "LICENSE_MALFORMED");
    }
    for member in ["enc", "sig", "alg"] {
        let twice = inner.replacen('{', &format!("{{\"{member}\":\"x\","), 1);
        stopped(
            &mut group,
            &format!("{member} twice"),
            &["Duplicate"],
            machine(&twice),
            json!({}),
            "LICENSE_MALFORMED",
        );
    }
    let unknown_twice = inner.replacen('{', r#"{"x":{"y":1,"y":2},"#, 1);
    stopped(
        &mut group,
        "an unknown member with a member twice inside",
        &["Duplicate"],
        machine(&unknown_twice),
        json!({}),
        "LICENSE_MALFORMED",
    );
    group
}

fn algorithms() -> Group {
    let mut group = Group::new(301, "row 2: algorithms that are not ours");
    let others = [
        "base64+rsa-pss-sha256",
        "base64+rsa-sha256",
        "base64+ecdsa-p256",
        "aes-256-gcm+rsa-pss-sha256",
        "aes-256-gcm+rsa-sha256",
        "aes-256-gcm+ecdsa-p256",
        "none",
        "",
        "BASE64+ED25519",
        "base64",
        "base64+ed25519+x",
        "aes-128-gcm+ed25519",
    ];
    let enc = STANDARD.encode(text(&Document::license().payload()));
    for alg in others {
        let file = seal(Kind::License, &enc, alg, &vendor());
        stopped(&mut group, &format!("`{alg}`"), &["Algorithm"], file, json!({}), "LICENSE_UNSUPPORTED_ALGORITHM");
    }
    let swapped = issue::with_envelope(Kind::License, &Document::license().sign(), &json!({"alg": "base64+ed25519"}));
    stopped(&mut group, "encrypted, and said to be plain", &["Algorithm"], swapped, json!({}), "LICENSE_MALFORMED");
    let swapped = issue::with_envelope(
        Kind::License,
        &Document::license().plain().sign(),
        &json!({"alg": "aes-256-gcm+ed25519"}),
    );
    stopped(&mut group, "plain, and said to be encrypted", &["Algorithm"], swapped, json!({}), "LICENSE_MALFORMED");
    group
}

fn signatures() -> Group {
    let mut group = Group::new(401, "row 3: signatures");
    let file = Document::license().plain().sign();
    let with = |members: Value| issue::with_envelope(Kind::License, &file, &members);
    let sig = issue::opened(&file).get("sig").and_then(Value::as_str).unwrap_or_default().to_owned();
    let raw = STANDARD.decode(&sig).unwrap_or_default();
    let invalid = "LICENSE_SIGNATURE_INVALID";
    let enc = STANDARD.encode(text(&Document::license().payload()));
    stopped(
        &mut group,
        "a key that is not trusted",
        &["Signature"],
        seal(Kind::License, &enc, "base64+ed25519", &stranger()),
        json!({}),
        invalid,
    );
    stopped(&mut group, "no trusted key", &["Signature"], file.clone(), json!({"trusted_keys": []}), invalid);
    stopped(
        &mut group,
        "one character of enc changed",
        &["Signature"],
        issue::with_changed_enc(Kind::License, &file),
        json!({}),
        invalid,
    );
    stopped(
        &mut group,
        "enc that is no base64, and was not signed",
        &["Signature"],
        with(json!({"enc": "!"})),
        json!({}),
        invalid,
    );
    stopped(
        &mut group,
        "a line feed after enc",
        &["Signature"],
        with(json!({"enc": format!("{enc}\n")})),
        json!({}),
        invalid,
    );
    stopped(&mut group, "an empty enc", &["Signature"], with(json!({"enc": ""})), json!({}), invalid);
    let zeros = STANDARD.encode([0; 64]);
    stopped(&mut group, "a signature of zeros", &["Signature"], with(json!({"sig": zeros})), json!({}), invalid);
    let bare = STANDARD.encode(vendor().sign(enc.as_bytes()).to_bytes());
    stopped(
        &mut group,
        "signed without the prefix",
        &["CrossKind"],
        armour(Kind::License, &envelope(&enc, &bare, "base64+ed25519")),
        json!({}),
        invalid,
    );
    let other = armour(Kind::Machine, &text(&issue::opened(&file)));
    stopped(&mut group, "a license file in the armour of a machine file", &["CrossKind"], other, json!({}), invalid);
    stopped(
        &mut group,
        "the second signature, S + L",
        &["Malleable"],
        with(json!({"sig": STANDARD.encode(plus_order(&raw))})),
        json!({}),
        invalid,
    );
    for (comment, sig) in [
        ("87 characters", sig.get(..87).unwrap_or_default().to_owned()),
        ("without its padding", sig.trim_end_matches('=').to_owned()),
        ("63 bytes", STANDARD.encode(raw.get(..63).unwrap_or_default())),
        ("65 bytes", STANDARD.encode([raw.as_slice(), &[0]].concat())),
        ("in base64url", URL_SAFE.encode([0xff; 64])),
        (
            "with spare bits set",
            format!("{}B==", STANDARD.encode([0; 63]).get(..84).unwrap_or_default().to_owned() + "A"),
        ),
        ("with a space", format!(" {}", sig.get(1..).unwrap_or_default())),
        ("nothing", String::new()),
        ("in hex", issue::hex(&raw)),
    ] {
        stopped(
            &mut group,
            &format!("a signature that is {comment}"),
            &["Signature"],
            with(json!({"sig": sig})),
            json!({}),
            "LICENSE_MALFORMED",
        );
    }
    group
}

/// The signature with the order of the group added to S: it satisfies the same equation.
fn plus_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let (point, scalar) = signature.split_at(signature.len().min(32));
    let mut carry = 0;
    let sum = scalar.iter().zip(ORDER).map(|(byte, order)| {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    });
    point.iter().copied().chain(sum.collect::<Vec<_>>()).collect()
}

fn opening() -> Group {
    let mut group = Group::new(501, "row 4: decoding and decrypting what was signed");
    let payload = text(&Document::machine().payload());
    let plain = |enc: &str| seal(Kind::Machine, enc, "base64+ed25519", &vendor());
    for (comment, enc) in [
        ("no base64", "!".to_owned()),
        ("base64 without its padding", STANDARD.encode("{}x").trim_end_matches('=').to_owned() + "A"),
        ("base64url", "_-_-".to_owned()),
        ("a line feed inside", format!("{}\n", STANDARD.encode(&payload))),
        ("spare bits set", "e31=".to_owned()),
        ("nothing", String::new()),
    ] {
        stopped(&mut group, &format!("plain: {comment}"), &["Opened"], plain(&enc), json!({}), "LICENSE_MALFORMED");
    }
    let sealed = |enc: &str| seal(Kind::Machine, enc, "aes-256-gcm+ed25519", &vendor());
    let parts = encrypt(payload.as_bytes(), &format!("{KEY}{MACHINE}"));
    let [ciphertext, iv, tag] = parts.clone().map(|part| STANDARD.encode(part));
    let [raw, raw_iv, raw_tag] = parts;
    let short = |bytes: &[u8], length: usize| STANDARD.encode(bytes.get(..length).unwrap_or_default());
    for (comment, enc) in [
        ("two parts", format!("{ciphertext}.{iv}")),
        ("four parts", format!("{ciphertext}.{iv}.{tag}.{tag}")),
        ("an IV of 11 bytes", format!("{ciphertext}.{}.{tag}", short(&raw_iv, 11))),
        ("an IV of 16 bytes", format!("{ciphertext}.{}.{tag}", STANDARD.encode([0; 16]))),
        ("no IV", format!("{ciphertext}..{tag}")),
        ("a tag of 15 bytes", format!("{ciphertext}.{iv}.{}", short(&raw_tag, 15))),
        ("a tag of 4 bytes", format!("{ciphertext}.{iv}.{}", short(&raw_tag, 4))),
        ("no tag", format!("{ciphertext}.{iv}.")),
        ("a part that is no base64", format!("!.{iv}.{tag}")),
    ] {
        stopped(
            &mut group,
            &format!("encrypted: {comment}"),
            &["Opened"],
            sealed(&enc),
            json!({}),
            "LICENSE_MALFORMED",
        );
    }
    let mut changed = raw;
    if let Some(first) = changed.first_mut() {
        *first ^= 1;
    }
    let mismatch = "LICENSE_KEY_OR_MACHINE_MISMATCH";
    stopped(
        &mut group,
        "a ciphertext that was changed before it was signed",
        &["Opened"],
        sealed(&format!("{}.{iv}.{tag}", STANDARD.encode(changed))),
        json!({}),
        mismatch,
    );
    let machine = issue::machine_file();
    let required = "LICENSE_KEY_REQUIRED";
    stopped(
        &mut group,
        "a machine file, without the key",
        &["Opened"],
        machine.clone(),
        json!({"license_key": "$absent"}),
        required,
    );
    stopped(
        &mut group,
        "a machine file, without the machine",
        &["Opened"],
        machine.clone(),
        json!({"machine_id": "$absent"}),
        required,
    );
    stopped(
        &mut group,
        "a license file, without the key",
        &["Opened"],
        Document::license().sign(),
        json!({"license_key": "$absent"}),
        required,
    );
    stopped(
        &mut group,
        "a machine file, with another key",
        &["Opened", "Key"],
        machine.clone(),
        json!({"license_key": "OTHER"}),
        mismatch,
    );
    stopped(
        &mut group,
        "a machine file, on another machine",
        &["Opened", "Machine"],
        machine,
        json!({"machine_id": "other"}),
        mismatch,
    );
    stopped(
        &mut group,
        "a license file, with another key",
        &["Opened", "Key"],
        Document::license().sign(),
        json!({"license_key": "OTHER"}),
        mismatch,
    );
    group
}

fn payloads() -> Group {
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

fn limits() -> Group {
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

fn entitlements() -> Group {
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

//! Rows 1 to 4 of `license.json`: armour, algorithm, signature, and opening what was signed.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::{
    issue::{self, Document, KEY, Kind, MACHINE, armour, encrypt, envelope, seal, stranger, text, vendor},
    license::stopped,
    model::Group,
};

pub(super) fn armoured() -> Group {
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

pub(super) fn algorithms() -> Group {
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

pub(super) fn signatures() -> Group {
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

pub(super) fn opening() -> Group {
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

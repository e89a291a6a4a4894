//! `credentials.json`: what is a credential, what is none, and what is malformed (T1, T16 to T22).

use serde_json::{Value, json};

use super::{
    INVALID, MALFORMED, NO_CREDENTIAL, Refusal,
    model::{File, Group, Steps, refused},
    secrets::{Fixed, generated},
};

const NOTES: &[(&str, &str)] = &[
    ("Spelling", "a spelling that the documentation promises is refused"),
    ("LaxGrammar", "a value outside the grammar is repaired instead of refused, so two readers see two credentials"),
    ("T1-Truncation", "T1: a long name or secret is cut before it is compared, so its last byte does not matter"),
    ("T11-CaseFolding", "T11: names or secrets that differ in case match"),
    ("T16-Duplicates", "T16: of two credentials the first or the last is taken, and proxies take the other"),
    ("T17-Confusion", "T17: two credentials in two headers, and the wrong one grants"),
    ("T18-Alias", "T18: an underscore spelling of the header, which a gateway does not strip, is read"),
    ("T19-Nul", "T19: a NUL cuts the name or the key"),
    ("T21-Scheme", "T21: the scheme is compared with its case, or white space other than spaces follows it"),
    ("T22-Parameters", "T22: the credential is read as authentication parameters"),
    ("NoCredential", "a request without a credential is answered as if it had a wrong one, or the other way round"),
    ("WrongKey", "a key that is not the right one is granted, or is told apart from an unknown name"),
    ("Checksum", "a mistyped generated key is answered otherwise than a wrong one"),
    ("Length", "the limits of the value, the name or the key are off by one, or looked at too late"),
];

pub(super) fn file() -> File {
    let gate = Fixed::new("gate");
    let groups = vec![
        accepted(&gate),
        absent(&gate),
        malformed_values(&gate),
        malformed_bytes(&gate),
        more_than_one(&gate),
        wrong(&gate),
        lengths(),
    ];
    File { name: "credentials.json", notes: NOTES, groups }
}

fn with_key<'a>(steps: &'a mut Steps, key: &Fixed) -> &'a mut Steps {
    steps.open(json!({})).import(key, &[], json!({}))
}

fn ask(steps: &mut Steps, headers: Value, expect: Value) {
    steps.ask("authenticate", json!({"headers": headers, "channel": "plain"}), expect);
}

fn grant(group: &mut Group, key: &Fixed, comment: &str, flags: &'static [&'static str], headers: Value) {
    let expect = json!({"result": "OK", "http": 200, "challenge": null, "principal": {"name": key.name}});
    group.test(comment, flags, |steps| ask(with_key(steps, key), headers, expect));
}

fn refuse(group: &mut Group, key: &Fixed, comment: &str, flags: &'static [&'static str], headers: Value, how: Refusal) {
    group.test(comment, flags, |steps| ask(with_key(steps, key), headers, refused(how)));
}

fn accepted(gate: &Fixed) -> Group {
    let mut group = Group::new(1, "every spelling that is accepted");
    let credential = gate.credential();
    let tilde = credential.replace(':', "~");
    let mut authorization = |comment: &str, flags, value: String| {
        grant(&mut group, gate, comment, flags, json!([["Authorization", value]]));
    };
    authorization("Bearer name:key", &["Spelling"], format!("Bearer {credential}"));
    authorization("Bearer name~key, which is RFC 6750's alphabet", &["Spelling"], format!("Bearer {tilde}"));
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        authorization(&format!("the scheme as {scheme}"), &["T21-Scheme"], format!("{scheme} {credential}"));
    }
    authorization("several spaces after the scheme", &["T21-Scheme"], format!("Bearer    {credential}"));
    authorization("spaces around the whole value", &["Spelling"], format!("  Bearer {credential}  "));
    authorization("tabs around the whole value", &["Spelling"], format!("\tBearer {credential} \t"));
    for name in ["authorization", "AUTHORIZATION"] {
        grant(
            &mut group,
            gate,
            &format!("header {name}"),
            &["Spelling"],
            json!([[name, format!("Bearer {credential}")]]),
        );
    }
    for name in ["X-Ignition-API-Token", "x-ignition-api-token", "X-IGNITION-API-TOKEN"] {
        grant(&mut group, gate, &format!("header {name}"), &["Spelling"], json!([[name, credential]]));
    }
    grant(
        &mut group,
        gate,
        "white space around a legacy value",
        &["Spelling"],
        json!([["X-Ignition-API-Token", format!(" \t{credential}\t ")]]),
    );
    grant(
        &mut group,
        gate,
        "among other headers",
        &["Spelling"],
        json!([
            ["Host", "localhost"],
            ["Cookie", "a=b, c=d"],
            ["Authorization", format!("Bearer {credential}")],
            ["Accept", "*/*"]
        ]),
    );
    for other in ["Basic dXNlcjpwYXNz", "Digest username=\"u\", realm=\"r\"", "Negotiate YII="] {
        grant(
            &mut group,
            gate,
            &format!("beside `{}`, which is for another layer", other.split(' ').next().unwrap_or_default()),
            &["T17-Confusion"],
            json!([["Authorization", other], ["X-Ignition-API-Token", credential]]),
        );
    }
    group
}

fn absent(gate: &Fixed) -> Group {
    let mut group = Group::new(101, "requests without a credential of ours");
    let credential = gate.credential();
    let mut none = |comment: &str, flags, headers| refuse(&mut group, gate, comment, flags, headers, NO_CREDENTIAL);
    none("no header at all", &["NoCredential"], json!([]));
    none(
        "other headers only",
        &["NoCredential"],
        json!([["Host", "localhost"], ["Proxy-Authorization", format!("Bearer {credential}")]]),
    );
    none("Basic alone", &["NoCredential"], json!([["Authorization", "Basic dXNlcjpwYXNz"]]));
    none(
        "another scheme alone, longer than 320 bytes",
        &["NoCredential", "Length"],
        json!([["Authorization", format!("Negotiate {}", "A".repeat(4000))]]),
    );
    none(
        "a scheme that only begins with Bearer",
        &["T21-Scheme"],
        json!([["Authorization", format!("BearerX {credential}")]]),
    );
    none(
        "a credential without a scheme: its name is read as the scheme",
        &["T21-Scheme"],
        json!([["Authorization", credential]]),
    );
    none("the legacy header with underscores", &["T18-Alias"], json!([["X_Ignition_API_Token", credential]]));
    none("a header whose name only begins like ours", &["T18-Alias"], json!([["X-Ignition-API-Token-2", credential]]));
    group
}

fn malformed_values(gate: &Fixed) -> Group {
    let mut group = Group::new(201, "values that are not exactly one name, one separator and one key");
    let (credential, secret) = (gate.credential(), &gate.secret);
    let bearer = [
        ("nothing after the scheme", String::new()),
        ("only spaces after the scheme", "   ".to_owned()),
        ("no separator", " gate".to_owned()),
        ("no key", " gate:".to_owned()),
        ("no name", format!(" :{secret}")),
        ("only a separator", " :".to_owned()),
        ("two colons", format!(" gate:{secret}:x")),
        ("a colon and a tilde", format!(" gate:{secret}~x")),
        ("a tilde and a colon", format!(" gate~{secret}:x")),
        ("two tildes", format!(" gate~~{secret}")),
        ("something after the credential", format!(" {credential} extra")),
        ("a space after the separator", format!(" gate: {secret}")),
        ("a space before the separator", format!(" gate :{secret}")),
        ("a comma at the end", format!(" {credential},")),
        ("the name begins with a hyphen", format!(" -gate:{secret}")),
        ("the name begins with a dot", format!(" .gate:{secret}")),
        ("the name begins with an underscore", format!(" _gate:{secret}")),
        ("a slash in the name", format!(" ga/te:{secret}")),
        ("a percent escape in the name", format!(" g%61te:{secret}")),
        ("a plus in the key", " gate:abc+def".to_owned()),
        ("a slash in the key", " gate:abc/def".to_owned()),
        ("a dot in the key", " gate:abc.def".to_owned()),
        ("padding after the key", format!(" {credential}=")),
        ("a quoted credential", format!(" \"{credential}\"")),
        ("a line feed inside", format!(" gate:\n{secret}")),
    ];
    for (comment, rest) in bearer {
        let flags: &[&str] = &["LaxGrammar"];
        refuse(
            &mut group,
            gate,
            &format!("Bearer: {comment}"),
            flags,
            json!([["Authorization", format!("Bearer{rest}")]]),
            MALFORMED,
        );
    }
    for (comment, value) in [
        ("a tab after the scheme", format!("Bearer\t{credential}")),
        ("a space and a tab after the scheme", format!("Bearer \t{credential}")),
        ("a no-break space after the scheme", format!("Bearer\u{a0}{credential}")),
    ] {
        refuse(&mut group, gate, comment, &["T21-Scheme"], json!([["Authorization", value]]), MALFORMED);
    }
    for (comment, value) in [
        ("name=key", format!("Bearer gate={secret}")),
        ("parameters", format!("Bearer name=\"gate\", key=\"{secret}\"")),
        ("a semicolon in the name", format!("Bearer ga;te:{secret}")),
    ] {
        refuse(&mut group, gate, comment, &["T22-Parameters"], json!([["Authorization", value]]), MALFORMED);
    }
    for (comment, value) in [
        ("an empty value: no leading token", String::new()),
        ("only white space", " \t ".to_owned()),
        ("a leading comma", format!(",Bearer {credential}")),
        ("a leading quotation mark", format!("\"Bearer\" {credential}")),
    ] {
        refuse(
            &mut group,
            gate,
            &format!("Authorization: {comment}"),
            &["LaxGrammar"],
            json!([["Authorization", value]]),
            MALFORMED,
        );
    }
    for (comment, value) in [
        ("empty", String::new()),
        ("a tilde: the legacy header takes a colon only", credential.replace(':', "~")),
        ("with a scheme", format!("Bearer {credential}")),
        ("no separator", "gate".to_owned()),
        ("no key", "gate:".to_owned()),
        ("white space inside", format!("gate: {secret}")),
    ] {
        refuse(
            &mut group,
            gate,
            &format!("legacy: {comment}"),
            &["LaxGrammar"],
            json!([["X-Ignition-API-Token", value]]),
            MALFORMED,
        );
    }
    group
}

fn malformed_bytes(gate: &Fixed) -> Group {
    let mut group = Group::new(301, "bytes that are no text");
    let secret = gate.secret.as_bytes();
    let cases: [(&str, &'static [&'static str], Vec<u8>); 6] = [
        ("a NUL in the name", &["T19-Nul"], [b"Bearer gate\0evil:", secret].concat()),
        ("a NUL after the name", &["T19-Nul"], [b"Bearer gate\0:", secret].concat()),
        ("a NUL after the key", &["T19-Nul"], [b"Bearer gate:", secret, b"\0"].concat()),
        ("a byte that is not UTF-8 in the name", &["LaxGrammar"], [b"Bearer gat\xe9:", secret].concat()),
        ("a byte that is not UTF-8 in the key", &["LaxGrammar"], b"Bearer gate:abc\xff".to_vec()),
        ("a byte that is not UTF-8 as the scheme", &["LaxGrammar"], [b"\xff gate:", secret].concat()),
    ];
    for (comment, flags, value) in cases {
        refuse(&mut group, gate, comment, flags, json!([["Authorization", super::protocol::b64(&value)]]), MALFORMED);
    }
    let nul_name = super::protocol::b64(b"Authorization\0");
    refuse(
        &mut group,
        gate,
        "a NUL in the header's name: another header",
        &["T19-Nul"],
        json!([[nul_name, format!("Bearer {}", gate.credential())]]),
        NO_CREDENTIAL,
    );
    let latin = super::protocol::b64(b"X-\xff");
    grant(
        &mut group,
        gate,
        "another header that is not UTF-8",
        &["Spelling"],
        json!([[latin, super::protocol::b64(b"\xfe\xff")], ["Authorization", format!("Bearer {}", gate.credential())]]),
    );
    group
}

fn more_than_one(gate: &Fixed) -> Group {
    let mut group = Group::new(401, "more than one credential, even equal ones");
    let (credential, other) = (gate.credential(), Fixed::new("other").credential());
    let (bearer, wrong) = (format!("Bearer {credential}"), format!("Bearer {other}"));
    let mut both = |comment: &str, flags, headers| refuse(&mut group, gate, comment, flags, headers, MALFORMED);
    both(
        "two equal Authorization lines",
        &["T16-Duplicates"],
        json!([["Authorization", bearer], ["Authorization", bearer]]),
    );
    both(
        "two Authorization lines, the first one good",
        &["T16-Duplicates"],
        json!([["Authorization", bearer], ["Authorization", wrong]]),
    );
    both(
        "two Authorization lines, the last one good",
        &["T16-Duplicates"],
        json!([["Authorization", wrong], ["authorization", bearer]]),
    );
    both(
        "Basic and Bearer",
        &["T16-Duplicates"],
        json!([["Authorization", "Basic dXNlcjpwYXNz"], ["Authorization", bearer]]),
    );
    both(
        "Basic twice",
        &["T16-Duplicates"],
        json!([["Authorization", "Basic dXNlcjpwYXNz"], ["Authorization", "Basic dXNlcjpwYXNz"]]),
    );
    both(
        "Basic twice beside a legacy header",
        &["T16-Duplicates"],
        json!([["Authorization", "Basic eA=="], ["Authorization", "Basic eA=="], ["X-Ignition-API-Token", credential]]),
    );
    both(
        "two equal legacy lines",
        &["T16-Duplicates"],
        json!([["X-Ignition-API-Token", credential], ["x-ignition-api-token", credential]]),
    );
    both(
        "two legacy lines",
        &["T16-Duplicates"],
        json!([["X-Ignition-API-Token", credential], ["X-Ignition-API-Token", other]]),
    );
    both(
        "Bearer and legacy, equal",
        &["T17-Confusion"],
        json!([["Authorization", bearer], ["X-Ignition-API-Token", credential]]),
    );
    both(
        "Bearer and legacy, another key in the legacy header",
        &["T17-Confusion"],
        json!([["Authorization", bearer], ["X-Ignition-API-Token", other]]),
    );
    both(
        "Bearer and legacy, another key in Authorization",
        &["T17-Confusion"],
        json!([["X-Ignition-API-Token", credential], ["Authorization", wrong]]),
    );
    both(
        "Bearer and an empty legacy header",
        &["T17-Confusion"],
        json!([["Authorization", bearer], ["X-Ignition-API-Token", ""]]),
    );
    both(
        "two credentials joined by a comma",
        &["T16-Duplicates"],
        json!([["Authorization", format!("{bearer}, {bearer}")]]),
    );
    both(
        "two legacy values joined by a comma",
        &["T16-Duplicates"],
        json!([["X-Ignition-API-Token", format!("{credential},{credential}")]]),
    );
    both(
        "Bearer after Basic and a comma",
        &["T16-Duplicates"],
        json!([["Authorization", format!("Basic dXNlcjpwYXNz, {bearer}")]]),
    );
    both(
        "bearer after Basic and a comma, in lower case, without a space",
        &["T16-Duplicates"],
        json!([["Authorization", format!("Basic dXNlcjpwYXNz,bearer {credential}")]]),
    );
    both(
        "Bearer after Basic and a comma, beside a legacy header",
        &["T17-Confusion"],
        json!([["Authorization", format!("Basic eA==, {bearer}")], ["X-Ignition-API-Token", credential]]),
    );
    group
}

fn wrong(gate: &Fixed) -> Group {
    let mut group = Group::new(501, "well-formed, and not the key");
    let secret = &gate.secret;
    let flipped = flip_last(secret);
    let cases: [(&str, &'static [&'static str], String); 12] = [
        ("another generated key", &["WrongKey"], format!("gate:{}", generated("another"))),
        ("the right key under an unknown name", &["WrongKey"], format!("gatf:{secret}")),
        ("the right key under the name in another case", &["T11-CaseFolding"], format!("Gate:{secret}")),
        ("the key in another case", &["T11-CaseFolding"], format!("gate:{}", secret.to_uppercase())),
        ("the last character of the key changed", &["T1-Truncation", "Checksum"], format!("gate:{flipped}")),
        (
            "the key without its last character",
            &["T1-Truncation", "Checksum"],
            format!("gate:{}", secret.get(..52).unwrap_or_default()),
        ),
        ("the key and one character more", &["T1-Truncation", "Checksum"], format!("gate:{secret}0")),
        ("the prefix of a generated key alone", &["Checksum"], "gate:isk_".to_owned()),
        ("a generated key of another length", &["Checksum"], format!("gate:isk_{}", "A".repeat(20))),
        ("a key without the prefix", &["WrongKey"], "gate:secret".to_owned()),
        ("the key without its prefix", &["WrongKey"], format!("gate:{}", secret.get(4..).unwrap_or_default())),
        ("one character", &["WrongKey"], "gate:x".to_owned()),
    ];
    for (comment, flags, credential) in cases {
        refuse(&mut group, gate, comment, flags, json!([["Authorization", format!("Bearer {credential}")]]), INVALID);
    }
    group
}

/// T1 and the bounds: names of 1 to 64, keys of 1 to 200, values of at most 320 bytes.
fn lengths() -> Group {
    let mut group = Group::new(601, "lengths at their bounds; the last byte counts");
    for (name, secret) in [(1, 1), (1, 200), (32, 72), (52, 72), (64, 200), (64, 1)] {
        let key = Fixed::with_secret(&"n".repeat(name), &format!("{}x", "s".repeat(secret - 1)));
        let credential = key.credential();
        let near = flip_last(&credential);
        group.test(
            format!("a name of {name} and a key of {secret} characters"),
            &["T1-Truncation", "Length"],
            |steps| {
                let steps = with_key(steps, &key);
                ask(steps, json!([["Authorization", format!("Bearer {near}")]]), refused(INVALID));
                ask(
                    steps,
                    json!([["Authorization", format!("Bearer {credential}")]]),
                    json!({"result": "OK", "principal": {"name": key.name}}),
                );
                ask(steps, json!([["Authorization", format!("Bearer {near}")]]), refused(INVALID));
            },
        );
    }
    let key = Fixed::with_secret("gate", &"s".repeat(200));
    refuse(
        &mut group,
        &key,
        "a name of 65 characters",
        &["Length"],
        json!([["Authorization", format!("Bearer {}:x", "n".repeat(65))]]),
        MALFORMED,
    );
    refuse(
        &mut group,
        &key,
        "a key of 201 characters",
        &["Length"],
        json!([["Authorization", format!("Bearer gate:{}", "s".repeat(201))]]),
        MALFORMED,
    );
    let of_length = |length: usize| format!("Bearer{}{}", " ".repeat(length - 6 - 205), key.credential());
    grant(&mut group, &key, "a value of 320 bytes", &["Length"], json!([["Authorization", of_length(320)]]));
    refuse(
        &mut group,
        &key,
        "a value of 321 bytes",
        &["Length"],
        json!([["Authorization", of_length(321)]]),
        MALFORMED,
    );
    grant(
        &mut group,
        &key,
        "320 bytes within much white space",
        &["Length"],
        json!([["Authorization", format!("{0}{1}{0}", " ".repeat(100), of_length(320))]]),
    );
    refuse(
        &mut group,
        &key,
        "a legacy value of 321 bytes",
        &["Length"],
        json!([["X-Ignition-API-Token", format!("gate:{}", "s".repeat(316))]]),
        MALFORMED,
    );
    refuse(
        &mut group,
        &key,
        "a Bearer value of 8000 bytes",
        &["Length"],
        json!([["Authorization", format!("Bearer {}", "x".repeat(8000))]]),
        MALFORMED,
    );
    group
}

/// The text with its last character replaced by another of the alphabet.
fn flip_last(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if let Some(last) = letters.last_mut() {
        *last = if *last == 'A' { 'B' } else { 'A' };
    }
    letters.into_iter().collect()
}

//! `protocol.json`: the drivers' own manners, and the arguments that none of them accepts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::model::{File, Group};

const NOTES: &[(&str, &str)] = &[
    ("UnknownOp", "an operation that does not exist is answered as if it did something"),
    ("UnknownMember", "a mistyped argument is ignored, and its default taken"),
    ("WrongType", "an argument of another type is converted instead of refused"),
    ("MissingArgument", "an argument that must be given has a default"),
    ("BadHandle", "a handle that was never given, or was closed, is used"),
    ("NotUtf8", "bytes that are no text crash a binding or are replaced silently"),
    ("T19-Nul", "T19: a NUL cuts a text, so that two values are taken for one"),
    ("Shape", "an answer has other members than the contract says"),
    ("StoreCause", "a store that can't be opened is answered without its cause"),
];

/// Bytes, where a string stands.
pub(super) fn b64(bytes: &[u8]) -> Value {
    json!({"b64": STANDARD.encode(bytes)})
}

pub(super) fn file() -> File {
    File { name: "protocol.json", notes: NOTES, groups: vec![driver(), arguments(), text(), options()] }
}

fn driver() -> Group {
    let mut group = Group::new(1, "operations and handles");
    group.test("the version", &["Shape"], |s| {
        s.ask("version", json!({}), json!({"result": "OK", "version": {"$any": "string"}, "abi": 1}));
    });
    group.test("the error table", &["Shape"], |s| {
        s.ask("errors", json!({}), json!({"result": "OK", "errors": {"$any": "array"}}));
    });
    for op in ["no.such.op", "keys.CREATE", "", "keys"] {
        group.test(format!("the operation `{op}`"), &["UnknownOp"], |s| {
            s.0.push((json!({"op": op}), json!({"result": "UNKNOWN_OP"})));
        });
    }
    group.test("a handle that was never given", &["BadHandle"], |s| {
        s.expect("keys.list", json!({"handle": 999_999}), "INVALID_ARGUMENT");
        s.expect("close", json!({"handle": 999_999}), "INVALID_ARGUMENT");
        s.expect("authenticate", json!({"handle": 999_999, "headers": [], "channel": "secure"}), "INVALID_ARGUMENT");
        s.expect("license.status", json!({"handle": 999_999}), "INVALID_ARGUMENT");
    });
    group.test("a handle that was closed", &["BadHandle"], |s| {
        s.open(json!({})).expect("close", json!({}), "OK");
        s.expect("keys.list", json!({}), "INVALID_ARGUMENT").expect("close", json!({}), "INVALID_ARGUMENT");
    });
    group.test("a principal's handle where a handle belongs", &["BadHandle"], |s| {
        s.open(json!({})).create("one", &[], json!({})).sign_in("one");
        s.expect("keys.list", json!({"handle": -1}), "INVALID_ARGUMENT");
        s.expect("keys.create", json!({"name": "two", "levels": [], "actor": 999_999}), "INVALID_ARGUMENT");
    });
    group.test("a bad request ends nothing", &["WrongType"], |s| {
        s.open(json!({})).expect("keys.create", json!({"name": 7, "levels": []}), "INVALID_ARGUMENT");
        s.create("seven", &[], json!({})).granted("seven", json!({}));
    });
    group
}

fn arguments() -> Group {
    let mut group = Group::new(101, "arguments that can't be read");
    let cases = [
        ("an unknown member", "keys.create", json!({"name": "a", "levels": [], "expire_at": 1}), "UnknownMember"),
        ("an unknown member of a query", "keys.list", json!({"limit": 1}), "UnknownMember"),
        (
            "an unknown member of a check",
            "authenticate",
            json!({"headers": [], "channel": "secure", "requires": {"any": []}}),
            "UnknownMember",
        ),
        ("no name", "keys.create", json!({"levels": []}), "MissingArgument"),
        ("no levels", "keys.create", json!({"name": "a"}), "MissingArgument"),
        ("no revision", "keys.update", json!({"name": "a", "description": "x"}), "MissingArgument"),
        ("no headers", "authenticate", json!({"channel": "secure"}), "MissingArgument"),
        ("no overlap", "keys.rotate", json!({"name": "a"}), "MissingArgument"),
        ("a name that is a number", "keys.create", json!({"name": 1, "levels": []}), "WrongType"),
        ("levels that are a string", "keys.create", json!({"name": "a", "levels": "Authenticated"}), "WrongType"),
        ("a revision that is a string", "keys.update", json!({"name": "a", "revision": "1"}), "WrongType"),
        ("a revision below zero", "keys.update", json!({"name": "a", "revision": -1}), "WrongType"),
        (
            "require_secure that is a string",
            "keys.create",
            json!({"name": "a", "levels": [], "require_secure": "no"}),
            "WrongType",
        ),
        (
            "expires_at that is a fraction",
            "keys.create",
            json!({"name": "a", "levels": [], "expires_at": 1.5}),
            "WrongType",
        ),
        ("a channel that does not exist", "authenticate", json!({"headers": [], "channel": "https"}), "WrongType"),
        (
            "headers that are a map",
            "authenticate",
            json!({"headers": {"Authorization": "x"}, "channel": "secure"}),
            "WrongType",
        ),
        (
            "a header of three parts",
            "authenticate",
            json!({"headers": [["a", "b", "c"]], "channel": "secure"}),
            "WrongType",
        ),
        (
            "an unknown format",
            "keys.import",
            json!({"name": "a", "levels": [], "format": "bcrypt", "hash": "x"}),
            "WrongType",
        ),
        (
            "an unknown strength",
            "keys.import",
            json!({"name": "a", "levels": [], "format": "phc", "hash": "x", "strength": "weak"}),
            "WrongType",
        ),
        (
            "an unknown strength among many",
            "keys.import_all",
            json!({"imports": [{"name": "a", "levels": [], "format": "phc", "hash": "x", "strength": "weak"}]}),
            "WrongType",
        ),
        ("one import that is no list", "keys.import_all", json!({"imports": {"name": "a"}}), "WrongType"),
        (
            "a requirement of both kinds",
            "authenticate",
            json!({"headers": [], "channel": "secure", "require": {"any": [], "all": []}}),
            "WrongType",
        ),
        (
            "a requirement of no kind",
            "authenticate",
            json!({"headers": [], "channel": "secure", "require": {}}),
            "WrongType",
        ),
        (
            "a requirement of an unknown kind",
            "authenticate",
            json!({"headers": [], "channel": "secure", "require": {"none": []}}),
            "WrongType",
        ),
        (
            "a requirement that is a string",
            "authenticate",
            json!({"headers": [], "channel": "secure", "require": "Public"}),
            "WrongType",
        ),
        (
            "a requirement of a string",
            "authenticate",
            json!({"headers": [], "channel": "secure", "require": {"any": "Public"}}),
            "WrongType",
        ),
    ];
    for (comment, op, arguments, flag) in cases {
        let flags: &'static [&'static str] = match flag {
            "UnknownMember" => &["UnknownMember"],
            "MissingArgument" => &["MissingArgument"],
            _ => &["WrongType"],
        };
        group.test(format!("{op}: {comment}"), flags, |s| {
            s.open(json!({})).expect(op, arguments, "INVALID_ARGUMENT");
        });
    }
    group
}

fn text() -> Group {
    let mut group = Group::new(201, "text given as bytes");
    group.test("bytes that are UTF-8 are the text", &["NotUtf8"], |s| {
        s.open(json!({})).create("gate", &[], json!({"name": b64(b"gate"), "description": b64("T\u{fc}r".as_bytes())}));
        s.ask(
            "keys.get",
            json!({"name": "gate"}),
            json!({"result": "OK", "record": {"name": "gate", "description": "T\u{fc}r"}}),
        );
        s.ask("keys.get", json!({"name": b64(b"gate")}), json!({"result": "OK"}));
    });
    for (comment, arguments) in [
        ("a description", json!({"name": "a", "levels": [], "description": b64(b"\xff")})),
        ("a name", json!({"name": b64(b"a\xff"), "levels": []})),
        ("a level", json!({"name": "a", "levels": [b64(b"A/\xff")]})),
    ] {
        group.test(format!("{comment} that is not UTF-8"), &["NotUtf8"], |s| {
            s.open(json!({})).expect("keys.create", arguments, "INVALID_ARGUMENT");
            s.ask("keys.list", json!({}), json!({"result": "OK", "records": []}));
        });
    }
    group.test("a NUL in a description", &["T19-Nul"], |s| {
        s.open(json!({})).expect(
            "keys.create",
            json!({"name": "a", "levels": [], "description": "x\u{0}y"}),
            "INVALID_ARGUMENT",
        );
    });
    group.test("a NUL in a name", &["T19-Nul"], |s| {
        s.open(json!({})).create("good", &[], json!({}));
        s.expect("keys.create", json!({"name": "good\u{0}evil", "levels": []}), "INVALID_NAME");
        s.granted("good", json!({}));
    });
    for (comment, value) in [("that is no base64", json!({"b64": "!"})), ("of another type", json!({"b64": 1}))] {
        group.test(format!("bytes {comment}"), &["WrongType"], |s| {
            s.open(json!({})).expect("keys.create", json!({"name": value, "levels": []}), "INVALID_ARGUMENT");
        });
    }
    group
}

fn options() -> Group {
    let mut group = Group::new(301, "what a store is opened with");
    let open = |s: &mut super::model::Steps, options: Value, result: &str| {
        let mut arguments = json!({"store": ":memory:", "trusted_keys": []});
        super::model::merge(&mut arguments, &options);
        s.expect("open", arguments, result);
    };
    group.test("a folder that does not exist", &["StoreCause"], |s| {
        open(s, json!({"store": "${tmp}/no/such/folder/keys.db"}), "STORE_UNAVAILABLE");
    });
    let cases = [
        ("an unknown option", json!({"store_path": "x"}), "INVALID_ARGUMENT"),
        ("an unknown mode", json!({"mode": "Ignition"}), "INVALID_ARGUMENT"),
        ("no passes", json!({"hash": {"m": 64, "t": 0, "p": 1}}), "INVALID_ARGUMENT"),
        ("no lanes", json!({"hash": {"m": 64, "t": 1, "p": 0}}), "INVALID_ARGUMENT"),
        ("less memory than Argon2 can work with", json!({"hash": {"m": 7, "t": 1, "p": 1}}), "INVALID_ARGUMENT"),
        ("less memory than the lanes need", json!({"hash": {"m": 64, "t": 1, "p": 9}}), "INVALID_ARGUMENT"),
        (
            "a ceiling below one hash",
            json!({"hash": {"m": 2048, "t": 1, "p": 1}, "max_hash_memory": 1_048_576}),
            "INVALID_ARGUMENT",
        ),
        ("a write requirement that names no level", json!({"write_requirement": {"any": ["a//b"]}}), "INVALID_LEVEL"),
        (
            "a trusted key that is too short",
            json!({"trusted_keys": [{"id": "a", "public_key": "00"}]}),
            "INVALID_ARGUMENT",
        ),
        (
            "a trusted key that is not hex",
            json!({"trusted_keys": [{"id": "a", "public_key": "g".repeat(64)}]}),
            "INVALID_ARGUMENT",
        ),
    ];
    for (comment, options, result) in cases {
        group.test(comment, &["WrongType"], |s| open(s, options, result));
    }
    group.test("an empty store is made, and is there again", &["Shape"], |s| {
        s.open(json!({"store": "${tmp}/keys.db"})).create("kept", &[], json!({})).expect("close", json!({}), "OK");
        s.open(json!({"store": "${tmp}/keys.db"})).granted("kept", json!({}));
    });
    group.test("two handles in one process on one file", &["BadHandle"], |s| {
        s.open_as("h2", json!({"store": "${tmp}/keys.db"})).open(json!({"store": "${tmp}/keys.db"}));
        s.create("shared", &[], json!({}));
        s.granted("shared", json!({"handle": "${h2}"})).granted("shared", json!({}));
        s.expect("keys.delete", json!({"name": "shared", "handle": "${h2}"}), "OK");
        s.refused("shared", json!({}), super::INVALID);
    });
    group
}

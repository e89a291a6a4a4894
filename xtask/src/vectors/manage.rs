//! `manage.json`: keys made, changed and removed, and who may (T9, T20, T35).

use serde_json::{Value, json};

use super::{
    INVALID, NOW, manage_rotate,
    model::{File, Group, Steps, merge},
    secrets::Fixed,
};

const NOTES: &[(&str, &str)] = &[
    ("Record", "a record does not hold what was asked for, or its defaults are others than documented"),
    ("T20-Names", "T20: two names that look alike are two keys, or a name breaks a header or a log"),
    ("T11-CaseFolding", "T11: names that differ in case are one"),
    ("T35-Lost", "T35: a change on a stale record overwrites what someone else changed, or is made in part"),
    ("Revision", "the revision does not count each change by one, so that a stale one is not noticed"),
    ("Keep", "a member that was not given is reset, or one that was given as null is kept"),
    ("Secret", "a change of the record changes which secret is right, or a copy shares it"),
    ("NotFound", "an operation on nothing succeeds, or makes something"),
    ("T9-Actor", "T9: someone without permission writes, because the actor is implied or not judged"),
    ("T9-Escalation", "T9: a writer grants, or takes over, a level that it does not hold"),
    ("T9-StaleActor", "T9: an actor whose key is gone, disabled, expired or smaller still writes"),
    ("Overlap", "T34: an overlap out of range is taken, or the old secret lives longer or shorter than was asked for"),
    ("Order", "a list is not in the order of bytes"),
];

pub(super) fn file() -> File {
    let groups = vec![
        created(),
        names(),
        read(),
        updated(),
        stale(),
        renamed(),
        duplicated(),
        manage_rotate::rotated(),
        deleted(),
        actors(),
        escalation(),
        stale_actors(),
    ];
    File { name: "manage.json", notes: NOTES, groups }
}

pub(super) const OPS: &str = "Authenticated/Ops";

pub(super) fn record(s: &mut Steps, name: &str, record: Value) {
    s.ask("keys.get", json!({"name": name}), json!({"result": "OK", "record": record}));
}

fn created() -> Group {
    let mut group = Group::new(1, "create");
    group.test("with nothing but a name", &["Record"], |s| {
        let record = json!({
            "id": {"$bind": "id"}, "type": "basic-token", "name": "gate", "description": "", "levels": [], "require_secure": true,
            "enabled": true, "created_at": NOW, "updated_at": NOW, "expires_at": null, "last_used_at": null, "overlap_ends_at": null, "revision": 1,
            "origin": "generated",
        });
        s.open(json!({}));
        s.ask("keys.create", json!({"name": "gate", "levels": [], "now": NOW}), json!({"result": "OK", "key": {"$bind": "gate"}, "record": record}));
        s.ask("keys.get", json!({"name": "gate"}), json!({"result": "OK", "record": {"id": "${id}", "revision": 1}}));
        s.granted("gate", json!({}));
    });
    group.test("with everything", &["Record"], |s| {
        let given = json!({"description": "L\u{ed}nea 7 \u{1f512}", "require_secure": false, "expires_at": NOW + 60, "now": NOW});
        s.open(json!({})).create("gate", &[OPS], given);
        record(s, "gate", json!({"description": "L\u{ed}nea 7 \u{1f512}", "levels": [OPS], "require_secure": false, "expires_at": NOW + 60}));
    });
    group.test("a name that is taken", &["T20-Names"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        s.expect("keys.create", json!({"name": "gate", "levels": [OPS]}), "NAME_TAKEN");
        record(s, "gate", json!({"levels": [], "revision": 1}));
        s.granted("gate", json!({}));
    });
    group.test("a key of any expiry that a host asks for", &["Record"], |s| {
        s.open(json!({})).create("late", &[], json!({"expires_at": 253_402_300_799_i64}));
        record(s, "late", json!({"expires_at": 253_402_300_799_i64}));
    });
    group
}

fn names() -> Group {
    let mut group = Group::new(101, "names");
    for (comment, name) in [
        ("one character", "a".to_owned()),
        ("a digit", "7".to_owned()),
        ("64 characters", "n".repeat(64)),
        ("every kind of character", "Az09._-".to_owned()),
    ] {
        group.test(comment, &["T20-Names"], |s| {
            s.open(json!({}));
            s.ask(
                "keys.create",
                json!({"name": name, "levels": []}),
                json!({"result": "OK", "key": {"$bind": "key"}, "record": {"name": name}}),
            );
            s.check(&format!("{name}:${{key}}"), json!({}), json!({"result": "OK", "principal": {"name": name}}));
        });
    }
    let bad = [
        "",
        "-a",
        ".a",
        "_a",
        "a b",
        " a",
        "a ",
        "a:b",
        "a~b",
        "a/b",
        "a,b",
        "a;b",
        "a=b",
        "a\"b",
        "a%20b",
        "a\tb",
        "a\nb",
        "a\u{7f}b",
        "\u{fc}ber",
        "u\u{308}ber",
        "\u{430}dmin",
        "a\u{200b}b",
        "\u{202e}a",
        "a\u{0}b",
    ];
    for name in bad.into_iter().map(str::to_owned).chain(["n".repeat(65), "n".repeat(5000)]) {
        let shown: String = name.escape_default().take(24).collect();
        group.test(format!("`{shown}` is no name"), &["T20-Names"], |s| {
            s.open(json!({})).expect("keys.create", json!({"name": name, "levels": []}), "INVALID_NAME");
            s.create("gate", &[], json!({}));
            s.expect("keys.rename", json!({"name": "gate", "new_name": name}), "INVALID_NAME");
            s.expect("keys.duplicate", json!({"name": "gate", "new_name": name}), "INVALID_NAME");
            s.ask("keys.list", json!({}), json!({"result": "OK", "records": [{"name": "gate", "revision": 1}]}));
        });
    }
    group.test("two names that differ in case", &["T11-CaseFolding"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).create("Gate", &[], json!({}));
        s.granted("gate", json!({})).granted("Gate", json!({}));
        s.check("gate:${Gate}", json!({}), super::model::refused(INVALID));
        s.expect("keys.delete", json!({"name": "GATE"}), "NOT_FOUND");
    });
    group
}

fn read() -> Group {
    let mut group = Group::new(201, "get and list");
    group.test("an unknown name", &["NotFound"], |s| {
        s.open(json!({})).expect("keys.get", json!({"name": "gate"}), "NOT_FOUND");
        s.ask("keys.list", json!({}), json!({"result": "OK", "records": []}));
    });
    group.test("a list is sorted by bytes", &["Order"], |s| {
        s.open(json!({}));
        for name in ["b", "a", "B", "a1", "a-", "a.", "A", "10", "9"] {
            s.create(name, &[], json!({}));
        }
        let sorted = ["10", "9", "A", "B", "a", "a-", "a.", "a1", "b"].map(|name| json!({"name": name}));
        s.ask("keys.list", json!({}), json!({"result": "OK", "records": sorted}));
    });
    group
}

fn updated() -> Group {
    let mut group = Group::new(301, "update");
    let before = json!({"description": "old", "expires_at": NOW + 60, "now": NOW});
    let changes = [
        ("description", json!("new")),
        ("levels", json!(["Authenticated/Read"])),
        ("require_secure", json!(false)),
        ("enabled", json!(false)),
        ("expires_at", json!(NOW + 120)),
        ("expires_at", json!(null)),
        ("description", json!("")),
        ("levels", json!([])),
    ];
    for (member, value) in changes {
        group.test(format!("only {member}, to {value}"), &["Keep", "Revision"], |s| {
            s.open(json!({})).create("gate", &[OPS], before.clone());
            let mut expected = json!({
                "description": "old", "levels": [OPS], "require_secure": true, "enabled": true, "expires_at": NOW + 60,
                "created_at": NOW, "updated_at": NOW + 5, "revision": 2,
            });
            merge(&mut expected, &json!({member: value}));
            let arguments = json!({"name": "gate", "revision": 1, "now": NOW + 5, member: value});
            s.ask("keys.update", arguments, json!({"result": "OK", "record": expected}));
            record(s, "gate", expected);
        });
    }
    group.test("several changes count one each", &["Revision"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        for revision in 1..6 {
            let arguments = json!({"name": "gate", "revision": revision, "description": format!("{revision}")});
            s.ask("keys.update", arguments, json!({"result": "OK", "record": {"revision": revision + 1}}));
        }
    });
    group.test("an unknown name", &["NotFound"], |s| {
        s.open(json!({})).expect("keys.update", json!({"name": "gate", "revision": 1, "enabled": false}), "NOT_FOUND");
    });
    group.test("members that no one may set", &["T9-Actor"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW}));
        for member in
            [json!({"created_at": 1}), json!({"origin": "imported"}), json!({"hash": "x"}), json!({"key": "x"})]
        {
            let mut arguments = json!({"name": "gate", "revision": 1});
            merge(&mut arguments, &member);
            s.expect("keys.update", arguments, "INVALID_ARGUMENT");
        }
        record(s, "gate", json!({"revision": 1, "created_at": NOW, "origin": "generated"}));
    });
    group.test("checks change no revision", &["Revision"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({})).granted("gate", json!({}));
        record(s, "gate", json!({"revision": 1}));
    });
    group
}

fn stale() -> Group {
    let mut group = Group::new(401, "changes on a stale record");
    let operations = [
        ("keys.update", json!({"name": "gate", "description": "late", "enabled": false})),
        ("keys.rename", json!({"name": "gate", "new_name": "door"})),
        ("keys.duplicate", json!({"name": "gate", "new_name": "door"})),
        ("keys.rotate", json!({"name": "gate", "overlap_seconds": 0})),
        ("keys.delete", json!({"name": "gate"})),
    ];
    for (op, arguments) in operations {
        for revision in [1, 3] {
            group.test(format!("{op} with revision {revision} of 2"), &["T35-Lost"], |s| {
                s.open(json!({})).create("gate", &[OPS], json!({}));
                s.expect("keys.update", json!({"name": "gate", "revision": 1, "description": "first"}), "OK");
                let mut arguments = arguments.clone();
                merge(&mut arguments, &json!({"revision": revision}));
                s.expect(op, arguments, "CONFLICT");
                record(s, "gate", json!({"description": "first", "enabled": true, "revision": 2}));
                s.expect("keys.get", json!({"name": "door"}), "NOT_FOUND").granted("gate", json!({}));
            });
        }
    }
    group
}

fn renamed() -> Group {
    let mut group = Group::new(501, "rename");
    group.test("keeps everything but the name", &["Secret", "Revision"], |s| {
        s.open(json!({}));
        s.ask("keys.create", json!({"name": "gate", "levels": [OPS], "now": NOW}), json!({"result": "OK", "key": {"$bind": "gate"}, "record": {"id": {"$bind": "id"}}}));
        let expected = json!({"id": "${id}", "name": "door", "levels": [OPS], "created_at": NOW, "updated_at": NOW + 1, "revision": 2});
        s.ask("keys.rename", json!({"name": "gate", "new_name": "door", "revision": 1, "now": NOW + 1}), json!({"result": "OK", "record": expected}));
        s.refused("gate", json!({}), INVALID).expect("keys.get", json!({"name": "gate"}), "NOT_FOUND");
        s.check("door:${gate}", json!({}), json!({"result": "OK", "principal": {"name": "door"}}));
    });
    group.test("to a name that is taken", &["T20-Names"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).create("door", &[], json!({}));
        s.expect("keys.rename", json!({"name": "gate", "new_name": "door"}), "NAME_TAKEN");
        s.granted("gate", json!({})).granted("door", json!({}));
    });
    group.test("an unknown name", &["NotFound"], |s| {
        s.open(json!({})).expect("keys.rename", json!({"name": "gate", "new_name": "door"}), "NOT_FOUND");
    });
    group.test("the old name is free again", &["Secret"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).expect(
            "keys.rename",
            json!({"name": "gate", "new_name": "door"}),
            "OK",
        );
        s.ask(
            "keys.create",
            json!({"name": "gate", "levels": []}),
            json!({"result": "OK", "key": {"$bind": "second"}}),
        );
        s.refused("gate", json!({}), INVALID).check("gate:${second}", json!({}), json!({"result": "OK"}));
    });
    group
}

fn duplicated() -> Group {
    let mut group = Group::new(601, "duplicate");
    group.test("copies every setting, and not the secret", &["Secret", "Record"], |s| {
        s.open(json!({})).create("gate", &[OPS], json!({"description": "d", "require_secure": false, "expires_at": NOW + 60, "now": NOW}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "description": "e", "now": NOW}), "OK");
        let copy = json!({
            "name": "door", "description": "e", "levels": [OPS], "require_secure": false, "enabled": true, "expires_at": NOW + 60,
            "created_at": NOW + 7, "updated_at": NOW + 7, "revision": 1, "origin": "generated",
        });
        s.ask("keys.duplicate", json!({"name": "gate", "new_name": "door", "now": NOW + 7}), json!({"result": "OK", "key": {"$bind": "door"}, "record": copy}));
        let now = json!({"now": NOW});
        s.granted("gate", now.clone()).granted("door", now.clone());
        s.check("door:${gate}", now.clone(), super::model::refused(INVALID));
        s.check("gate:${door}", now, super::model::refused(INVALID));
        record(s, "gate", json!({"revision": 2}));
    });
    group.test("copies that a key is disabled", &["Record"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "enabled": false}), "OK");
        s.ask(
            "keys.duplicate",
            json!({"name": "gate", "new_name": "door"}),
            json!({"result": "OK", "key": {"$bind": "door"}, "record": {"enabled": false}}),
        );
        s.refused("door", json!({}), INVALID);
    });
    group.test("the copy of an imported key is a generated one", &["Record"], |s| {
        s.open(json!({})).import(&Fixed::new("gate"), &[], json!({}));
        s.ask(
            "keys.duplicate",
            json!({"name": "gate", "new_name": "door"}),
            json!({"result": "OK", "key": {"$bind": "door"}, "record": {"origin": "generated"}}),
        );
        s.granted("door", json!({}));
    });
    group.test("to a name that is taken, and of nothing", &["NotFound", "T20-Names"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        s.expect("keys.duplicate", json!({"name": "gate", "new_name": "gate"}), "NAME_TAKEN");
        s.expect("keys.duplicate", json!({"name": "door", "new_name": "window"}), "NOT_FOUND");
    });
    group
}

fn deleted() -> Group {
    let mut group = Group::new(801, "delete");
    group.test("once", &["NotFound"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.expect("keys.delete", json!({"name": "gate", "revision": 1}), "OK").refused("gate", json!({}), INVALID);
        s.expect("keys.delete", json!({"name": "gate"}), "NOT_FOUND").expect(
            "keys.get",
            json!({"name": "gate"}),
            "NOT_FOUND",
        );
        s.ask("keys.list", json!({}), json!({"result": "OK", "records": []}));
    });
    group
}

const WRITE: &str = "Authenticated/Write";

/// A store in which `writer` may write and holds `Authenticated/Ops` besides, and `boss` has a level that it has not.
fn with_writer(s: &mut Steps) {
    s.open(json!({"write_requirement": {"any": [WRITE]}}));
    s.create("writer", &[WRITE, OPS], json!({})).create("boss", &["Authenticated/Boss"], json!({})).sign_in("writer");
}

fn by_writer(arguments: Value) -> Value {
    let mut arguments = arguments;
    merge(&mut arguments, &json!({"actor": "${actor_writer}"}));
    arguments
}

fn actors() -> Group {
    let mut group = Group::new(901, "who may write");
    group.test("no principal, unless the host says who", &["T9-Actor"], |s| {
        s.open(json!({})).create("gate", &["Authenticated/Roles/Administrator"], json!({})).sign_in("gate");
        for (op, arguments) in every_mutation() {
            let mut arguments = arguments;
            merge(&mut arguments, &json!({"actor": "${actor_gate}"}));
            s.expect(op, arguments, "PERMISSION_DENIED");
        }
        record(s, "gate", json!({"revision": 1}));
    });
    group.test("a principal without the level", &["T9-Actor"], |s| {
        s.open(json!({"write_requirement": {"any": [WRITE]}})).create("gate", &[OPS], json!({})).sign_in("gate");
        for (op, arguments) in every_mutation() {
            let mut arguments = arguments;
            merge(&mut arguments, &json!({"actor": "${actor_gate}"}));
            s.expect(op, arguments, "PERMISSION_DENIED");
        }
        record(s, "gate", json!({"revision": 1}));
        s.granted("gate", json!({}));
    });
    group.test("a principal with it, within its own levels", &["T9-Actor"], |s| {
        with_writer(s);
        s.create("made", &[OPS], json!({"actor": "${actor_writer}"}));
        s.expect("keys.update", by_writer(json!({"name": "made", "revision": 1, "levels": [OPS, WRITE]})), "OK");
        s.expect("keys.update", by_writer(json!({"name": "made", "revision": 2, "enabled": false})), "OK");
        s.expect("keys.update", by_writer(json!({"name": "made", "revision": 3, "enabled": true})), "OK");
        s.expect("keys.duplicate", by_writer(json!({"name": "made", "new_name": "copy"})), "OK");
        s.expect("keys.rotate", by_writer(json!({"name": "made", "overlap_seconds": 0})), "OK");
        s.expect("keys.rename", by_writer(json!({"name": "made", "new_name": "other"})), "OK");
        s.expect("keys.delete", by_writer(json!({"name": "other"})), "OK");
    });
    group.test("reading needs no actor", &["T9-Actor"], |s| {
        with_writer(s);
        s.expect("keys.get", json!({"name": "boss"}), "OK").expect("keys.list", json!({}), "OK");
    });
    group
}

/// Each mutation once, on the key `gate`.
fn every_mutation() -> Vec<(&'static str, Value)> {
    let phc = Fixed::new("x").phc;
    vec![
        ("keys.create", json!({"name": "new", "levels": []})),
        ("keys.import", json!({"name": "new", "format": "phc", "hash": phc, "levels": []})),
        ("keys.import_all", json!({"imports": [{"name": "new", "format": "phc", "hash": phc, "levels": []}]})),
        ("keys.update", json!({"name": "gate", "revision": 1, "description": "x"})),
        ("keys.rename", json!({"name": "gate", "new_name": "new"})),
        ("keys.duplicate", json!({"name": "gate", "new_name": "new"})),
        ("keys.rotate", json!({"name": "gate", "overlap_seconds": 0})),
        ("keys.delete", json!({"name": "gate"})),
    ]
}

fn escalation() -> Group {
    let mut group = Group::new(1001, "a writer handles only levels that it satisfies itself");
    let phc = Fixed::new("x").phc;
    let boss = "Authenticated/Boss";
    let denied = [
        ("create with a level it has not", "keys.create", json!({"name": "new", "levels": [OPS, boss]})),
        (
            "create with a child of its level",
            "keys.create",
            json!({"name": "new", "levels": ["Authenticated/Ops/Write"]}),
        ),
        (
            "import with a level it has not",
            "keys.import",
            json!({"name": "new", "format": "phc", "hash": phc, "levels": [boss]}),
        ),
        (
            "import many, one of them with a level it has not",
            "keys.import_all",
            json!({"imports": [
                {"name": "mine", "format": "phc", "hash": phc, "levels": [OPS]},
                {"name": "new", "format": "phc", "hash": phc, "levels": [boss]},
            ]}),
        ),
        (
            "give its own key a level",
            "keys.update",
            json!({"name": "writer", "revision": 1, "levels": [WRITE, OPS, boss]}),
        ),
        ("take a level from a higher key", "keys.update", json!({"name": "boss", "revision": 1, "levels": []})),
        (
            "open a higher key to plain channels",
            "keys.update",
            json!({"name": "boss", "revision": 1, "require_secure": false}),
        ),
        (
            "move a higher key's end",
            "keys.update",
            json!({"name": "boss", "revision": 1, "expires_at": 4_000_000_000_i64}),
        ),
        (
            "duplicate a higher key, and receive its secret",
            "keys.duplicate",
            json!({"name": "boss", "new_name": "new"}),
        ),
        ("rotate a higher key, and receive its secret", "keys.rotate", json!({"name": "boss", "overlap_seconds": 0})),
    ];
    for (comment, op, arguments) in denied {
        group.test(format!("may not {comment}"), &["T9-Escalation"], |s| {
            with_writer(s);
            s.expect(op, by_writer(arguments), "PERMISSION_DENIED");
            s.expect("keys.get", json!({"name": "new"}), "NOT_FOUND");
            record(s, "boss", json!({"levels": [boss], "require_secure": true, "revision": 1}));
            s.granted("boss", json!({}));
        });
    }
    group.test("may not enable a higher key", &["T9-Escalation"], |s| {
        with_writer(s);
        s.expect("keys.update", json!({"name": "boss", "revision": 1, "enabled": false}), "OK");
        s.expect(
            "keys.update",
            by_writer(json!({"name": "boss", "revision": 2, "enabled": true})),
            "PERMISSION_DENIED",
        );
        s.refused("boss", json!({}), INVALID);
    });
    let allowed = [
        ("describe a higher key", "keys.update", json!({"name": "boss", "revision": 1, "description": "x"})),
        ("disable a higher key", "keys.update", json!({"name": "boss", "revision": 1, "enabled": false})),
        ("rename a higher key", "keys.rename", json!({"name": "boss", "new_name": "chief"})),
        ("delete a higher key", "keys.delete", json!({"name": "boss"})),
        ("grant what every key has", "keys.create", json!({"name": "new", "levels": ["Authenticated"]})),
    ];
    for (comment, op, arguments) in allowed {
        group.test(format!("may {comment}"), &["T9-Escalation"], |s| {
            with_writer(s);
            s.expect(op, by_writer(arguments), "OK");
        });
    }
    group
}

fn stale_actors() -> Group {
    let mut group = Group::new(1101, "an actor is judged again when it acts");
    let create = || by_writer(json!({"name": "new", "levels": []}));
    let changes = [
        ("its key was deleted", "keys.delete", json!({"name": "writer"})),
        ("its key was disabled", "keys.update", json!({"name": "writer", "revision": 1, "enabled": false})),
        ("its key lost the level", "keys.update", json!({"name": "writer", "revision": 1, "levels": [OPS]})),
        ("its key has expired", "keys.update", json!({"name": "writer", "revision": 1, "expires_at": 1_600_000_000})),
    ];
    for (comment, op, arguments) in changes {
        group.test(comment, &["T9-StaleActor"], |s| {
            with_writer(s);
            s.expect(op, arguments, "OK").expect("keys.create", create(), "PERMISSION_DENIED");
            s.expect("keys.get", json!({"name": "new"}), "NOT_FOUND");
        });
    }
    group.test("its key was made again under the same name", &["T9-StaleActor"], |s| {
        with_writer(s);
        s.expect("keys.delete", json!({"name": "writer"}), "OK");
        s.expect("keys.create", json!({"name": "writer", "levels": [WRITE]}), "OK");
        s.expect("keys.create", create(), "PERMISSION_DENIED");
    });
    group.test("its end, by the caller's clock", &["T9-StaleActor"], |s| {
        with_writer(s);
        s.expect("keys.update", json!({"name": "writer", "revision": 1, "expires_at": NOW, "now": NOW - 1}), "OK");
        let mut early = create();
        merge(&mut early, &json!({"now": NOW - 1}));
        let late = by_writer(json!({"name": "newer", "levels": [], "now": NOW}));
        s.expect("keys.create", early, "OK").expect("keys.create", late, "PERMISSION_DENIED");
    });
    group
}

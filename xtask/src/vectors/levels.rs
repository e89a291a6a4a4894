//! `levels.json`: security levels (T23, T24) and Ignition's reading of them.

use serde_json::json;

use super::{
    NO_CREDENTIAL, NO_LEVEL,
    model::{File, Group},
};

const NOTES: &[(&str, &str)] = &[
    ("T24-Prefix", "T24: a grant of a parent gives its children, or a text that begins alike counts as an ancestor"),
    ("T23-Empty", "T23: an empty list opens to everyone, as a vacuous truth or by Ignition's own rule"),
    ("AnyAll", "any-of and all-of are mixed up"),
    ("InvalidLevel", "a level that two readers read differently is accepted"),
    ("Bounds", "the bounds of a level are off by one"),
    ("Reserved", "`Public` is granted, or `Authenticated` is not held by every key"),
    ("Ignition", "in Ignition mode a level counts that no one may assign there, or one is lost that counts"),
    ("Canonical", "levels are listed in the order of entry, or twice"),
];

pub(super) fn file() -> File {
    let groups = vec![prefixes(), empty(), lists(), ignition(), invalid(), bounds(), listed()];
    File { name: "levels.json", notes: NOTES, groups }
}

/// Whether a grant of `granted` satisfies `required`: written out, not computed, since the rule is what is tested.
const TABLE: &[(&str, &[(&str, bool)])] = &[
    (
        "Authenticated/Roles/Administrator",
        &[
            ("Authenticated", true),
            ("Authenticated/Roles", true),
            ("Authenticated/Roles/Administrator", true),
            ("Authenticated/Roles/Administrator/Site", false),
            ("Authenticated/Roles/Operator", false),
            ("Authenticated/Role", false),
            ("Authenticated/Roles/Admin", false),
            ("Authenticated/Roles/Administrators", false),
            ("authenticated/roles/administrator", false),
            ("Roles/Administrator", false),
            ("Administrator", false),
            ("Public", true),
        ],
    ),
    (
        "Authenticated/Ops",
        &[
            ("Authenticated", true),
            ("Authenticated/Ops", true),
            ("Authenticated/Ops/Write", false),
            ("Authenticated/Op", false),
            ("Authenticated/Ops2", false),
            ("Authenticated/ops", false),
        ],
    ),
    ("Authenticated", &[("Authenticated", true), ("Authenticated/Ops", false)]),
    (
        "Site/Plant A/Line 1",
        &[
            ("Site", true),
            ("Site/Plant A", true),
            ("Site/Plant", false),
            ("Site/Plant A/Line 1", true),
            ("Site/Plant A/Line 10", false),
            ("Authenticated", true),
        ],
    ),
];

fn prefixes() -> Group {
    let mut group = Group::new(1, "a grant satisfies its own path and that path's ancestors, nothing else");
    for (granted, requirements) in TABLE {
        group.test(format!("a key with {granted}"), &["T24-Prefix"], |s| {
            s.open(json!({})).create("gate", &[granted], json!({}));
            for (required, satisfied) in *requirements {
                let more = json!({"require": {"any": [required]}});
                if *satisfied {
                    s.granted("gate", more);
                } else {
                    s.refused("gate", more, NO_LEVEL);
                }
            }
        });
    }
    group.test("a key without levels holds Authenticated, and no more", &["Reserved"], |s| {
        s.open(json!({}))
            .create("gate", &[], json!({}))
            .granted("gate", json!({"require": {"any": ["Authenticated"]}}));
        s.granted("gate", json!({"require": {"any": ["Public"]}}));
        s.refused("gate", json!({"require": {"any": ["Authenticated/Ops"]}}), NO_LEVEL);
        s.refused("gate", json!({"require": {"any": ["Ops"]}}), NO_LEVEL);
    });
    group
}

fn empty() -> Group {
    let mut group = Group::new(101, "an empty list denies");
    for kind in ["any", "all"] {
        group.test(format!("{kind} of nothing"), &["T23-Empty"], |s| {
            s.open(json!({})).create("gate", &["Authenticated/Roles/Administrator"], json!({}));
            s.refused("gate", json!({"require": {kind: []}}), NO_LEVEL);
            s.check("", json!({"headers": [], "require": {kind: []}}), super::model::refused(NO_CREDENTIAL));
        });
    }
    group.test("any of nothing, in Ignition mode", &["T23-Empty", "Ignition"], |s| {
        s.open(json!({"mode": "ignition"})).create("gate", &["Authenticated/Ops"], json!({}));
        s.refused("gate", json!({"require": {"any": []}}), NO_LEVEL);
    });
    group.test("an empty list of who may write lets no one write", &["T23-Empty"], |s| {
        s.open(json!({"write_requirement": {"all": []}}))
            .create("gate", &["Authenticated/Ops"], json!({}))
            .sign_in("gate");
        s.expect("keys.create", json!({"name": "more", "levels": [], "actor": "${actor_gate}"}), "PERMISSION_DENIED");
    });
    group
}

fn lists() -> Group {
    let mut group = Group::new(201, "any-of and all-of");
    let cases = [
        (json!({"any": ["A/One", "A/Two"]}), true),
        (json!({"any": ["A/Three", "A/Two"]}), true),
        (json!({"any": ["A/Three", "A/Four"]}), false),
        (json!({"all": ["A/One", "A/Two"]}), true),
        (json!({"all": ["A/One", "A/Two", "A/Three"]}), false),
        (json!({"all": ["A"]}), true),
        (json!({"all": ["A", "A/One", "Authenticated", "Public"]}), true),
        (json!({"any": ["A/Three", "Authenticated"]}), true),
        (json!({"all": ["A/One", "A/One"]}), true),
    ];
    group.test("a key with A/One and A/Two", &["AnyAll"], |s| {
        s.open(json!({})).create("gate", &["A/One", "A/Two"], json!({}));
        for (require, satisfied) in cases {
            let more = json!({"require": require});
            if satisfied {
                s.granted("gate", more);
            } else {
                s.refused("gate", more, NO_LEVEL);
            }
        }
    });
    group.test("many levels, of which the last one counts", &["AnyAll"], |s| {
        let levels: Vec<String> = (0..200).map(|n| format!("Many/Level {n}")).collect();
        s.open(json!({})).create("gate", &["Many/Level 199"], json!({}));
        s.granted("gate", json!({"require": {"any": levels}}));
        s.refused("gate", json!({"require": {"all": levels}}), NO_LEVEL);
    });
    group
}

fn ignition() -> Group {
    let mut group = Group::new(301, "grants under Authenticated/Roles and SecurityZones, which Ignition ignores");
    for (mode, counts) in [("ignition", false), ("default", true)] {
        group.test(format!("{mode} mode"), &["Ignition"], |s| {
            s.open(json!({"mode": mode}));
            let levels = [
                "Authenticated/Roles/Administrator",
                "SecurityZones/Office",
                "Authenticated/Ops",
                "Authenticated/RolesX",
            ];
            s.create("gate", &levels, json!({}));
            for level in
                ["Authenticated/Roles/Administrator", "Authenticated/Roles", "SecurityZones/Office", "SecurityZones"]
            {
                let more = json!({"require": {"any": [level]}});
                if counts {
                    s.granted("gate", more);
                } else {
                    s.refused("gate", more, NO_LEVEL);
                }
            }
            for level in ["Authenticated", "Authenticated/Ops", "Authenticated/RolesX"] {
                s.granted("gate", json!({"require": {"any": [level]}}));
            }
        });
    }
    group.test("an ignored grant stays on the record", &["Ignition"], |s| {
        s.open(json!({"mode": "ignition"})).create("gate", &["Authenticated/Roles/Operator"], json!({}));
        s.ask(
            "keys.get",
            json!({"name": "gate"}),
            json!({"result": "OK", "record": {"levels": ["Authenticated/Roles/Operator"]}}),
        );
        s.granted("gate", json!({}));
        s.check("gate:${gate}", json!({}), json!({"result": "OK", "principal": {"levels": ["Authenticated"]}}));
    });
    group
}

/// Texts that are no level.
const INVALID: &[&str] = &[
    "",
    "/",
    "A/",
    "/A",
    "A//B",
    ".",
    "..",
    "A/.",
    "A/../B",
    " A",
    "A ",
    "A/ B",
    "A /B",
    "A,B",
    "A(B",
    "A)B",
    "A\"B",
    "A\\B",
    "A\tB",
    "A\nB",
    "A\u{7f}",
    "\u{c4}",
    "A/\u{200b}",
    "A\u{0}B",
];

fn invalid() -> Group {
    let mut group = Group::new(401, "texts that are no level, wherever a level stands");
    for text in INVALID {
        group.test(format!("`{}`", text.escape_default()), &["InvalidLevel"], |s| {
            s.open(json!({})).expect("keys.create", json!({"name": "bad", "levels": [text]}), "INVALID_LEVEL");
            s.expect("keys.get", json!({"name": "bad"}), "NOT_FOUND").create("gate", &[], json!({}));
            s.expect("keys.update", json!({"name": "gate", "revision": 1, "levels": ["A", text]}), "INVALID_LEVEL");
            s.check(
                "gate:${gate}",
                json!({"require": {"any": ["Authenticated", text]}}),
                json!({"result": "INVALID_LEVEL"}),
            );
        });
    }
    group.test("Public can't be granted", &["Reserved"], |s| {
        s.open(json!({})).expect("keys.create", json!({"name": "bad", "levels": ["Public"]}), "INVALID_LEVEL");
        s.create("gate", &["Authenticated"], json!({})).granted("gate", json!({}));
    });
    group
}

fn bounds() -> Group {
    let mut group = Group::new(501, "the bounds of a level");
    let (longest, longer) = ("s".repeat(64), "s".repeat(65));
    let (deepest, deeper) = ("a/b/c/d/e/f/g/h".to_owned(), "a/b/c/d/e/f/g/h/i".to_owned());
    let punctuation: String = ('!'..='~').filter(|letter| !"/,()\"\\".contains(*letter)).take(60).collect();
    for (comment, level) in
        [("a segment of 64 characters", &longest), ("8 segments", &deepest), ("every other character", &punctuation)]
    {
        group.test(comment, &["Bounds"], |s| {
            s.open(json!({})).create("gate", &[level], json!({})).granted("gate", json!({"require": {"any": [level]}}));
        });
    }
    for (comment, level) in [("a segment of 65 characters", &longer), ("9 segments", &deeper)] {
        group.test(comment, &["Bounds"], |s| {
            s.open(json!({})).expect("keys.create", json!({"name": "bad", "levels": [level]}), "INVALID_LEVEL");
        });
    }
    group
}

fn listed() -> Group {
    let mut group = Group::new(601, "how levels are listed");
    group.test("sorted by bytes, each once", &["Canonical"], |s| {
        let levels = ["b", "a/z", "B", "a", "a/z", "a/Z", "b"];
        s.open(json!({})).create("gate", &levels, json!({}));
        s.ask(
            "keys.get",
            json!({"name": "gate"}),
            json!({"result": "OK", "record": {"levels": ["B", "a", "a/Z", "a/z", "b"]}}),
        );
    });
    group.test("a principal's levels", &["Canonical", "Reserved"], |s| {
        s.open(json!({})).create("gate", &["Site/One", "Authenticated/Ops/Write"], json!({}));
        let levels = ["Authenticated", "Authenticated/Ops/Write", "Site/One"];
        s.check("gate:${gate}", json!({}), json!({"result": "OK", "principal": {"name": "gate", "levels": levels}}));
    });
    group
}

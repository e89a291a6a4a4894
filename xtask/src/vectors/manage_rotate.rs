//! `manage.json`, rotation: a new secret, and how long the old one lives (T34).

use serde_json::{Value, json};

use super::{
    INVALID, NOW,
    manage::{OPS, record},
    model::{Group, Steps},
};

pub(super) fn rotated() -> Group {
    let mut group = Group::new(701, "rotate");
    group.test("a new secret, and the old one is dead", &["Secret", "Revision"], |s| {
        s.open(json!({})).create("gate", &[OPS], json!({"now": NOW})).granted("gate", json!({}));
        let expected = json!({"name": "gate", "levels": [OPS], "created_at": NOW, "updated_at": NOW + 3, "revision": 2, "origin": "generated"});
        s.ask("keys.rotate", json!({"name": "gate", "overlap_seconds": 0, "revision": 1, "now": NOW + 3}), json!({"result": "OK", "key": {"$bind": "new"}, "record": expected}));
        s.refused("gate", json!({}), INVALID).check("gate:${new}", json!({}), json!({"result": "OK"}));
    });
    for overlap in [json!(31_536_001), json!(4_294_967_296_i64), json!(-1), json!(1.5), json!("0")] {
        group.test(format!("an overlap of {overlap}"), &["Overlap"], |s| {
            s.open(json!({})).create("gate", &[], json!({}));
            s.expect("keys.rotate", json!({"name": "gate", "overlap_seconds": overlap}), "INVALID_ARGUMENT");
            record(s, "gate", json!({"revision": 1}));
            s.granted("gate", json!({}));
        });
    }
    group.test("an unknown name", &["NotFound"], |s| {
        s.open(json!({})).expect("keys.rotate", json!({"name": "gate", "overlap_seconds": 0}), "NOT_FOUND");
    });
    overlaps(&mut group);
    group
}

/// Rotates the key `gate` and binds its new secret.
fn rotate(s: &mut Steps, overlap: i64, now: i64, bind: &str, ends: Value) {
    let asked = json!({"name": "gate", "overlap_seconds": overlap, "now": now});
    let record = json!({"name": "gate", "overlap_ends_at": ends});
    s.ask("keys.rotate", asked, json!({"result": "OK", "key": {"$bind": bind}, "record": record}));
}

/// What the secret that is bound to `bind` comes to at a time, twice: cold and warm.
fn secret(s: &mut Steps, bind: &str, now: i64, result: &str) {
    for _ in 0..2 {
        s.check(&format!("gate:${{{bind}}}"), json!({"now": now}), json!({"result": result}));
    }
}

fn overlaps(group: &mut Group) {
    const DEAD: &str = "INVALID_CREDENTIAL";
    for warm in [false, true] {
        let seen = if warm { "known" } else { "never seen" };
        group.test(format!("both secrets until the overlap ends, the old one {seen}"), &["Overlap"], |s| {
            s.open(json!({})).create("gate", &[], json!({"now": NOW}));
            if warm {
                secret(s, "gate", NOW, "OK");
            }
            rotate(s, 60, NOW, "new", json!(NOW + 60));
            record(s, "gate", json!({"overlap_ends_at": NOW + 60, "revision": 2}));
            for (now, old) in [(NOW, "OK"), (NOW + 59, "OK"), (NOW + 60, DEAD), (NOW + 61, DEAD)] {
                secret(s, "gate", now, old);
                secret(s, "new", now, "OK");
            }
        });
    }
    group.test("an old secret that is first seen behind its end", &["Overlap"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW}));
        rotate(s, 60, NOW, "new", json!(NOW + 60));
        secret(s, "gate", NOW + 60, DEAD);
        secret(s, "new", NOW + 60, "OK");
    });
    group.test("the key ends before the overlap does", &["Overlap"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW, "expires_at": NOW + 30}));
        rotate(s, 60, NOW, "new", json!(NOW + 30));
        secret(s, "gate", NOW + 29, "OK");
        secret(s, "gate", NOW + 30, DEAD);
        secret(s, "new", NOW + 30, DEAD);
        // More time for the key is none for the old secret.
        s.expect("keys.update", json!({"name": "gate", "revision": 2, "expires_at": null}), "OK");
        secret(s, "gate", NOW + 30, DEAD);
        secret(s, "new", NOW + 30, "OK");
    });
    group.test("the longest overlap", &["Overlap"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW}));
        rotate(s, 31_536_000, NOW, "new", json!(NOW + 31_536_000));
        secret(s, "gate", NOW + 31_535_999, "OK");
    });
    group.test("a second rotation ends the oldest secret at once", &["Overlap"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW}));
        rotate(s, 60, NOW, "second", json!(NOW + 60));
        rotate(s, 600, NOW, "third", json!(NOW + 600));
        secret(s, "gate", NOW, DEAD);
        secret(s, "second", NOW + 599, "OK");
        secret(s, "third", NOW + 599, "OK");
        rotate(s, 0, NOW + 1, "fourth", Value::Null);
        for (bind, result) in [("second", DEAD), ("third", DEAD), ("fourth", "OK")] {
            secret(s, bind, NOW + 1, result);
        }
    });
    let kills = [
        ("deleted", "keys.delete", json!({"name": "gate"})),
        ("disabled", "keys.update", json!({"name": "gate", "revision": 2, "enabled": false})),
    ];
    for (comment, op, arguments) in kills {
        group.test(format!("a key that is {comment} has no good secret"), &["Overlap"], |s| {
            s.open(json!({})).create("gate", &[], json!({"now": NOW}));
            rotate(s, 60, NOW, "new", json!(NOW + 60));
            secret(s, "gate", NOW, "OK");
            secret(s, "new", NOW, "OK");
            s.expect(op, arguments.clone(), "OK");
            secret(s, "gate", NOW, DEAD);
            secret(s, "new", NOW, DEAD);
        });
    }
    group.test("an actor that signed in with the old secret ends with it", &["Overlap", "T9-StaleActor"], |s| {
        s.open(json!({"write_requirement": {"any": ["Write"]}})).create("gate", &["Write"], json!({"now": NOW}));
        let bound = json!({"result": "OK", "principal": {"name": "gate", "handle": {"$bind": "actor"}}});
        s.check("gate:${gate}", json!({"now": NOW}), bound);
        rotate(s, 60, NOW, "new", json!(NOW + 60));
        let create = |name: &str, now: i64| json!({"name": name, "levels": [], "actor": "${actor}", "now": now});
        s.expect("keys.create", create("a", NOW + 59), "OK");
        s.expect("keys.create", create("b", NOW + 60), "PERMISSION_DENIED");
    });
}

//! `authenticate.json`: one request decided, in its order (T2, T3, T7, T38).

use serde_json::{Value, json};

use super::{
    DAY, INVALID, MALFORMED, NO_CREDENTIAL, NO_LEVEL, NOT_SECURE, NOW, Refusal,
    license_state::{MACHINE, activate, licensed},
    model::{File, Group, Steps, refused},
    secrets::{Fixed, generated},
};

const NOTES: &[(&str, &str)] = &[
    (
        "Order",
        "a later reason is told before an earlier one, so that a name alone, or a wrong secret, reveals something",
    ),
    (
        "T2-CacheByName",
        "T2: what is remembered after a success is looked up by the name alone, so a wrong secret passes",
    ),
    ("T3-StatusFirst", "T3: enabled and expiry are judged before the secret, so their answers differ for a wrong one"),
    ("T7-Stale", "T7: a change is not seen by the next check, because something is remembered"),
    ("T38-Challenge", "T38: the status or the challenge is not the one that HTTP asks for"),
    ("Channel", "the channel is guessed, or `Local` counts as secure without being told to"),
    ("Expiry", "expiry is compared with `>` instead of `>=`, or with another clock than the caller's"),
    ("Disabled", "a disabled key is granted, or told apart"),
    ("Public", "an anonymous caller is refused where everyone is allowed, or a bad credential is ignored there"),
    ("Gate", "an entitlement is not asked for, or a refusal says another reason than the license's"),
];

pub(super) fn file() -> File {
    let groups = vec![order(), http(), channels(), expiry(), states(), public(), gates()];
    File { name: "authenticate.json", notes: NOTES, groups }
}

const OPS: &str = "Authenticated/Ops";

fn require(level: &str) -> Value {
    json!({"any": [level]})
}

fn order() -> Group {
    let mut group = Group::new(1, "several things wrong at once: the first reason of the order is told");
    let wrong = format!("gate:{}", generated("wrong"));
    let gate = Fixed::new("gate");
    let right = gate.credential();
    let disabled = |s: &mut Steps| {
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "enabled": false}), "OK");
    };
    let setup = |s: &mut Steps, more: Value| {
        s.open(json!({})).import(&gate, &[], more);
    };
    group.test("malformed, and everything else", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        disabled(s);
        s.check("gate", json!({"channel": "plain", "require": require(OPS), "entitlement": "MFA"}), refused(MALFORMED));
    });
    group.test("no credential, and everything else", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        let more = json!({"headers": [], "channel": "plain", "require": require(OPS), "entitlement": "MFA"});
        s.check("", more, refused(NO_CREDENTIAL));
    });
    group.test("an unknown name over a plain channel, without a level", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        let credential = format!("nobody:{}", generated("wrong"));
        s.check(&credential, json!({"channel": "plain", "require": require(OPS)}), refused(INVALID));
    });
    group.test("a wrong secret over a plain channel, without a level", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        s.check(&wrong, json!({"channel": "plain", "require": require(OPS)}), refused(INVALID));
    });
    group.test("a wrong secret for a disabled key", &["T3-StatusFirst"], |s| {
        setup(s, json!({}));
        disabled(s);
        s.check(&wrong, json!({}), refused(INVALID));
    });
    group.test("a wrong secret for an expired key", &["T3-StatusFirst"], |s| {
        setup(s, json!({"expires_at": NOW}));
        s.check(&wrong, json!({"now": NOW + 1}), refused(INVALID));
    });
    group.test("a disabled key over a plain channel, without a level", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        disabled(s);
        s.check(&right, json!({"channel": "plain", "require": require(OPS)}), refused(INVALID));
    });
    group.test("an expired key over a plain channel, without a level", &["Order"], |s| {
        setup(s, json!({"require_secure": true, "expires_at": NOW}));
        s.check(&right, json!({"channel": "plain", "require": require(OPS), "now": NOW}), refused(INVALID));
    });
    group.test("the channel before the level", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        s.check(&right, json!({"channel": "plain", "require": require(OPS)}), refused(NOT_SECURE));
    });
    group.test("the level before the entitlement", &["Order"], |s| {
        setup(s, json!({}));
        s.check(&right, json!({"require": require(OPS), "entitlement": "MFA"}), refused(NO_LEVEL));
    });
    group.test("the entitlement last", &["Order", "Gate"], |s| {
        setup(s, json!({}));
        s.check(&right, json!({"entitlement": "MFA"}), refused(Refusal("UNLICENSED", 403, None)));
    });
    group.test("the right secret, then a wrong one, then the right one", &["T2-CacheByName"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        for _ in 0..2 {
            s.granted("gate", json!({})).check(&wrong, json!({}), refused(INVALID));
        }
        s.granted("gate", json!({}));
    });
    group.test("the right secret of another key", &["T2-CacheByName"], |s| {
        s.open(json!({})).create("one", &[], json!({})).create("two", &[], json!({}));
        s.granted("one", json!({})).granted("two", json!({}));
        s.check("one:${two}", json!({}), refused(INVALID)).check("two:${one}", json!({}), refused(INVALID));
    });
    group
}

fn http() -> Group {
    let mut group = Group::new(101, "status and challenge of each answer");
    let answers = [
        (NO_CREDENTIAL, "", json!({"headers": []})),
        (MALFORMED, "gate", json!({})),
        (INVALID, "gate:x", json!({})),
        (NOT_SECURE, "gate:${gate}", json!({"channel": "plain"})),
        (NO_LEVEL, "gate:${gate}", json!({"require": require(OPS)})),
        (Refusal("UNLICENSED", 403, None), "gate:${gate}", json!({"entitlement": "MFA"})),
    ];
    for (refusal, credential, more) in answers {
        group.test(format!("{} is HTTP {}", refusal.0, refusal.1), &["T38-Challenge"], |s| {
            s.open(json!({})).create("gate", &[], json!({})).check(credential, more, refused(refusal));
        });
    }
    group.test("OK is HTTP 200 without a challenge", &["T38-Challenge"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
    });
    group
}

fn channels() -> Group {
    let mut group = Group::new(201, "the channel is what the host says it is");
    for require_secure in [true, false] {
        for local_is_secure in [false, true] {
            let comment = format!("require_secure {require_secure}, local_is_secure {local_is_secure}");
            group.test(comment, &["Channel"], |s| {
                s.open(json!({"local_is_secure": local_is_secure}));
                s.create("gate", &[], json!({"require_secure": require_secure}));
                for (channel, is_secure) in [("plain", false), ("secure", true), ("local", local_is_secure)] {
                    let more = json!({"channel": channel});
                    if is_secure || !require_secure {
                        s.granted("gate", more);
                    } else {
                        s.refused("gate", more, NOT_SECURE);
                    }
                }
            });
        }
    }
    group.test("a secure connection is required unless one says otherwise", &["Channel"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).refused("gate", json!({"channel": "plain"}), NOT_SECURE);
    });
    group.test("what a proxy says is not believed", &["Channel"], |s| {
        s.open(json!({})).create("gate", &[], json!({}));
        let headers = json!([
            ["Authorization", "Bearer gate:${gate}"],
            ["X-Forwarded-Proto", "https"],
            ["Forwarded", "proto=https"]
        ]);
        s.refused("gate", json!({"channel": "plain", "headers": headers}), NOT_SECURE);
    });
    group.test("a change of require_secure holds at once", &["Channel", "T7-Stale"], |s| {
        s.open(json!({}))
            .create("gate", &[], json!({"require_secure": false}))
            .granted("gate", json!({"channel": "plain"}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "require_secure": true}), "OK");
        s.refused("gate", json!({"channel": "plain"}), NOT_SECURE).granted("gate", json!({}));
    });
    group
}

fn expiry() -> Group {
    let mut group = Group::new(301, "a key is expired from its moment on");
    group.test("before, at and after the moment", &["Expiry"], |s| {
        s.open(json!({})).create("gate", &[], json!({"expires_at": NOW, "now": NOW - DAY}));
        s.granted("gate", json!({"now": NOW - 1}));
        s.refused("gate", json!({"now": NOW}), INVALID).refused("gate", json!({"now": NOW + 1}), INVALID);
        s.granted("gate", json!({"now": NOW - 1}));
    });
    group.test("cold at the moment", &["Expiry"], |s| {
        s.open(json!({})).create("gate", &[], json!({"expires_at": NOW, "now": NOW - DAY}));
        s.refused("gate", json!({"now": NOW}), INVALID);
    });
    group.test("a key without a moment never expires", &["Expiry"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({"now": 4_000_000_000_i64}));
    });
    group.test("without a `now` the system's clock is asked", &["Expiry"], |s| {
        s.open(json!({})).create("past", &[], json!({"expires_at": 1_600_000_000, "now": 1_500_000_000}));
        s.create("future", &[], json!({"expires_at": 32_000_000_000_i64}));
        s.refused("past", json!({}), INVALID).granted("future", json!({}));
        s.refused("past", json!({"now": 0}), INVALID);
    });
    group.test("the moment is moved, and cleared", &["Expiry", "T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({"now": NOW})).granted("gate", json!({"now": NOW}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "expires_at": NOW, "now": NOW}), "OK");
        s.refused("gate", json!({"now": NOW}), INVALID);
        s.expect("keys.update", json!({"name": "gate", "revision": 2, "expires_at": NOW + 1, "now": NOW}), "OK");
        s.granted("gate", json!({"now": NOW}));
        s.expect("keys.update", json!({"name": "gate", "revision": 3, "expires_at": null, "now": NOW}), "OK");
        s.granted("gate", json!({"now": NOW + 1000 * DAY}));
    });
    group
}

fn states() -> Group {
    let mut group = Group::new(401, "a change is seen by the next check");
    group.test("disabled and enabled again", &["Disabled", "T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "enabled": false}), "OK");
        s.refused("gate", json!({}), INVALID);
        s.expect("keys.update", json!({"name": "gate", "revision": 2, "enabled": true}), "OK");
        s.granted("gate", json!({}));
    });
    group.test("deleted", &["T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.expect("keys.delete", json!({"name": "gate"}), "OK").refused("gate", json!({}), INVALID);
    });
    group.test("deleted and made again under the same name", &["T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.expect("keys.delete", json!({"name": "gate"}), "OK");
        s.ask("keys.create", json!({"name": "gate", "levels": []}), json!({"result": "OK", "key": {"$bind": "again"}}));
        s.refused("gate", json!({}), INVALID).check("gate:${again}", json!({}), json!({"result": "OK"}));
    });
    group.test("renamed", &["T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.expect("keys.rename", json!({"name": "gate", "new_name": "door"}), "OK");
        s.refused("gate", json!({}), INVALID);
        s.check("door:${gate}", json!({}), json!({"result": "OK", "principal": {"name": "door"}}));
    });
    group.test("rotated", &["T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[], json!({})).granted("gate", json!({}));
        s.ask(
            "keys.rotate",
            json!({"name": "gate", "overlap_seconds": 0}),
            json!({"result": "OK", "key": {"$bind": "new"}}),
        );
        s.refused("gate", json!({}), INVALID).check("gate:${new}", json!({}), json!({"result": "OK"}));
    });
    group.test("other levels", &["T7-Stale"], |s| {
        s.open(json!({})).create("gate", &[OPS], json!({})).granted("gate", json!({"require": require(OPS)}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "levels": []}), "OK");
        s.refused("gate", json!({"require": require(OPS)}), NO_LEVEL).granted("gate", json!({}));
    });
    group
}

fn public() -> Group {
    let mut group = Group::new(501, "`Public` is for everyone, with a credential or without");
    let anonymous = json!({"result": "OK", "http": 200, "challenge": null, "principal": {"name": null, "levels": [], "handle": null}});
    let none = |require: Value| json!({"headers": [], "require": require});
    let setup = |s: &mut Steps| {
        s.open(json!({})).create("gate", &[], json!({}));
    };
    group.test("no credential", &["Public"], |s| {
        setup(s);
        s.check("", none(require("Public")), anonymous.clone());
        s.check("", json!({"headers": [], "require": require("Public"), "channel": "plain"}), anonymous.clone());
    });
    group.test("a credential of another layer", &["Public"], |s| {
        setup(s);
        s.check(
            "",
            json!({"headers": [["Authorization", "Basic eA=="]], "require": require("Public")}),
            anonymous.clone(),
        );
    });
    group.test("a good credential has its name", &["Public"], |s| {
        setup(s);
        s.granted("gate", json!({"require": require("Public")}));
    });
    group.test("a bad credential is still refused", &["Public"], |s| {
        setup(s);
        s.check("gate:x", json!({"require": require("Public")}), refused(INVALID));
        s.check("gate", json!({"require": require("Public")}), refused(MALFORMED));
        s.refused("gate", json!({"require": require("Public"), "channel": "plain"}), NOT_SECURE);
    });
    group.test("any of Public and another", &["Public"], |s| {
        setup(s);
        s.check("", none(json!({"any": [OPS, "Public"]})), anonymous.clone());
    });
    group.test("all of Public and another is not for everyone", &["Public"], |s| {
        setup(s);
        s.check("", none(json!({"all": ["Public", "Authenticated"]})), refused(NO_CREDENTIAL));
        s.granted("gate", json!({"require": {"all": ["Public", "Authenticated"]}}));
    });
    group.test("everyone still needs the entitlement", &["Public", "Gate"], |s| {
        setup(s);
        s.check(
            "",
            json!({"headers": [], "require": require("Public"), "entitlement": "MFA"}),
            refused(Refusal("UNLICENSED", 403, None)),
        );
    });
    group
}

fn gates() -> Group {
    let mut group = Group::new(601, "an entitlement is asked of the license as it is at this moment");
    let at = |offset: i64| json!({"entitlement": "VIDEO_WALL_SYNC", "now": NOW + offset});
    let reason = |code| Refusal(code, 403, None);
    group.test("before and after an activation, and after a deactivation", &["Gate"], |s| {
        s.open(licensed()).create("gate", &[], json!({}));
        s.refused("gate", at(0), reason("UNLICENSED"));
        activate(s, &super::issue::machine_file(), "OK");
        s.granted("gate", at(0));
        s.refused("gate", json!({"entitlement": "SSO_SAML", "now": NOW}), reason("NOT_ENTITLED"));
        s.expect("license.deactivate", json!({"now": NOW}), "OK").refused("gate", at(0), reason("UNLICENSED"));
    });
    group.test("the license's end", &["Gate", "Expiry"], |s| {
        let file = super::issue::Document { license_expiry: Some(NOW + 10), ..super::issue::Document::machine() };
        s.open(licensed()).create("gate", &[], json!({}));
        activate(s, &file.sign(), "OK");
        s.granted("gate", at(9)).refused("gate", at(10), reason("LICENSE_EXPIRED"));
        s.granted("gate", json!({"now": NOW + 10}));
    });
    group.test("the file's end", &["Gate", "Expiry"], |s| {
        let file = super::issue::Document { file_expiry: Some(NOW + 10), ..super::issue::Document::machine() };
        s.open(licensed()).create("gate", &[], json!({}));
        activate(s, &file.sign(), "OK");
        s.granted("gate", at(9)).refused("gate", at(10), reason("LICENSE_FILE_EXPIRED"));
    });
    group.test("a clock behind the time of signing", &["Gate"], |s| {
        s.open(licensed()).create("gate", &[], json!({}));
        activate(s, &super::issue::machine_file(), "OK");
        s.granted("gate", at(-300)).refused("gate", at(-301), reason("CLOCK_ROLLBACK"));
    });
    group.test("a license that this process does not trust any more", &["Gate"], |s| {
        let mut options = licensed();
        super::model::merge(&mut options, &json!({"store": "${tmp}/keys.db"}));
        s.open(options).create("gate", &[], json!({}));
        activate(s, &super::issue::machine_file(), "OK");
        s.granted("gate", at(0)).expect("close", json!({}), "OK");
        s.open(json!({"store": "${tmp}/keys.db", "machine_id": MACHINE})).refused(
            "gate",
            at(0),
            reason("LICENSE_SIGNATURE_INVALID"),
        );
        s.ask(
            "license.status",
            json!({"now": NOW}),
            json!({"result": "OK", "status": {"state": "invalid", "entitlements": []}}),
        );
    });
    group
}

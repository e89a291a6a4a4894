//! `routes.json`, the requests: what is decided behind a route, and the dry run.

use serde_json::{Value, json};

use super::{
    DAY, INVALID, MALFORMED, NO_CREDENTIAL, NO_LEVEL, NOT_SECURE, NOW,
    issue::machine_file,
    license_state::{activate, licensed},
    model::{Group, Steps, merge, refused},
    routes::{DENIED, NOT_CANONICAL, UNLICENSED, ask, rule, table},
    secrets::Fixed,
};

/// What most requests below are asked with.
fn everything() -> Value {
    let mut gated = rule("/gated", &["GET"], &["Authenticated"]);
    merge(&mut gated, &json!({"entitlement": "VIDEO_WALL_SYNC"}));
    let both = json!({"prefix": "/both", "methods": ["GET"], "require": {"all": ["Ops/Write", "Admin"]}});
    json!([
        rule("/open", &["GET"], &["Public"]),
        rule("/any", &["GET"], &["Authenticated"]),
        rule("/ops", &["GET"], &["Ops/Write"]),
        rule("/ops", &["PUT"], &["Ops"]),
        rule("/empty", &["GET"], &[]),
        gated,
        both
    ])
}

pub(super) fn decisions() -> Group {
    let mut group = Group::new(701, "requests, decided by their routes");
    let gate = Fixed::new("gate");
    let right = gate.credential();
    let setup = |s: &mut Steps, more: Value| {
        s.open(json!({})).import(&gate, &["Ops"], more);
        table(s, everything());
    };
    let at = |method: &str, path: &str, more: Value| {
        let mut arguments = json!({"routes": "${r}", "method": method, "path": path});
        merge(&mut arguments, &more);
        arguments
    };
    group.test("granted, and refused, by what the route requires", &["T25-Open"], |s| {
        setup(s, json!({}));
        let granted =
            json!({"result": "OK", "http": 200, "principal": {"name": "gate", "levels": ["Authenticated", "Ops"]}});
        s.check(&right, at("GET", "/any", json!({})), granted.clone());
        s.check(&right, at("PUT", "/ops/x", json!({})), granted.clone());
        s.check(&right, at("GET", "/ops", json!({})), refused(NO_LEVEL));
        s.check(&right, at("GET", "/both", json!({})), refused(NO_LEVEL));
        s.check(&right, at("GET", "/open", json!({})), granted);
    });
    group.test("a route with an empty list", &["T25-Open"], |s| {
        setup(s, json!({}));
        s.check(&right, at("GET", "/empty", json!({})), refused(NO_LEVEL));
        ask(s, "GET", "/empty", refused(NO_CREDENTIAL));
    });
    group.test("the path before the method, both before the credential", &["Order"], |s| {
        setup(s, json!({"require_secure": true}));
        for headers in
            [json!([]), json!([["Authorization", "Bearer"]]), json!([["Authorization", "Bearer gate:wrong"]])]
        {
            for (method, path, refusal) in [("", "//", NOT_CANONICAL), ("PUT", "/any", DENIED), ("GET", "/", DENIED)] {
                let more = json!({"headers": headers, "channel": "plain"});
                s.check("", at(method, path, more), refused(refusal));
            }
        }
        s.check("gate", at("GET", "/ops", json!({})), refused(MALFORMED));
        s.check("gate:wrong", at("GET", "/ops", json!({})), refused(INVALID));
        s.check(&right, at("GET", "/ops", json!({"channel": "plain"})), refused(NOT_SECURE));
        s.check(&right, at("GET", "/ops", json!({})), refused(NO_LEVEL));
        s.check(&right, at("GET", "/gated", json!({})), refused(UNLICENSED));
    });
    group.test("a bad credential where everyone may", &["Order"], |s| {
        setup(s, json!({}));
        s.check("gate:wrong", at("GET", "/open", json!({})), refused(INVALID));
    });
    group.test("an entitlement that the license has", &["Gate"], |s| {
        s.open(licensed()).import(&gate, &[], json!({}));
        table(s, everything());
        let gated = at("GET", "/gated", json!({"now": NOW}));
        s.check(&right, gated.clone(), refused(UNLICENSED));
        activate(s, &machine_file(), "OK");
        s.check(&right, gated, json!({"result": "OK"}));
    });
    group.test("a key that is revoked meanwhile", &["Order"], |s| {
        setup(s, json!({}));
        s.check(&right, at("GET", "/any", json!({})), json!({"result": "OK"}));
        s.expect("keys.delete", json!({"name": "gate"}), "OK");
        s.check(&right, at("GET", "/any", json!({})), refused(INVALID));
    });
    group
}

/// The dry run of a request, `METHOD path`, and the answer that it must name.
fn dry(s: &mut Steps, key: Value, asked: &str, more: Value, code: &str, prefix: Option<&str>, missing: &[&str]) {
    let (method, path) = asked.split_once(' ').unwrap_or_default();
    let mut arguments =
        json!({"routes": "${r}", "key": key, "method": method, "path": path, "channel": "secure", "now": NOW});
    merge(&mut arguments, &more);
    let rule = prefix.map(|prefix| json!({"prefix": prefix, "methods": [method]}));
    s.ask("routes.would_allow", arguments, json!({"result": "OK", "code": code, "rule": rule, "missing": missing}));
}

pub(super) fn dry_runs() -> Group {
    let mut group = Group::new(801, "the dry run");
    let keyed = |s: &mut Steps, more: Value| {
        s.open(json!({})).create("gate", &["Ops"], more);
        table(s, everything());
    };
    group.test("of requests that are granted", &["DryRun"], |s| {
        keyed(s, json!({}));
        dry(s, json!("gate"), "GET /any", json!({}), "OK", Some("/any"), &[]);
        dry(s, json!("gate"), "PUT /ops/x?y", json!({}), "OK", Some("/ops"), &[]);
        dry(s, json!("gate"), "GET /open", json!({}), "OK", Some("/open"), &[]);
        dry(s, Value::Null, "GET /open", json!({"channel": "plain"}), "OK", Some("/open"), &[]);
    });
    group.test("names the levels that are missing, in the order of bytes", &["DryRun"], |s| {
        keyed(s, json!({}));
        dry(s, json!("gate"), "GET /ops", json!({}), "INSUFFICIENT_LEVEL", Some("/ops"), &["Ops/Write"]);
        dry(s, json!("gate"), "GET /both", json!({}), "INSUFFICIENT_LEVEL", Some("/both"), &["Admin", "Ops/Write"]);
        dry(s, json!("gate"), "GET /empty", json!({}), "INSUFFICIENT_LEVEL", Some("/empty"), &[]);
    });
    group.test("without a credential", &["DryRun"], |s| {
        keyed(s, json!({}));
        dry(s, Value::Null, "GET /any", json!({}), "NO_CREDENTIAL", Some("/any"), &[]);
        dry(s, Value::Null, "GET /ops", json!({}), "NO_CREDENTIAL", Some("/ops"), &[]);
        dry(s, Value::Null, "GET /empty", json!({}), "NO_CREDENTIAL", Some("/empty"), &[]);
    });
    group.test("where no route is reached", &["DryRun"], |s| {
        keyed(s, json!({}));
        dry(s, json!("gate"), "PUT /any", json!({}), "ROUTE_DENIED", None, &[]);
        dry(s, json!("gate"), "GET /", json!({}), "ROUTE_DENIED", None, &[]);
        dry(s, Value::Null, " /any", json!({}), "ROUTE_DENIED", None, &[]);
        dry(s, json!("gate"), "GET //any", json!({}), "PATH_NOT_CANONICAL", None, &[]);
    });
    group.test("of a key that is disabled", &["DryRun", "Order"], |s| {
        keyed(s, json!({}));
        s.expect("keys.update", json!({"name": "gate", "revision": 1, "enabled": false}), "OK");
        dry(s, json!("gate"), "GET /ops", json!({"channel": "plain"}), "INVALID_CREDENTIAL", Some("/ops"), &[]);
        dry(s, json!("gate"), "DELETE /ops", json!({}), "ROUTE_DENIED", None, &[]);
    });
    group.test("of a key that ends", &["DryRun"], |s| {
        keyed(s, json!({"expires_at": NOW + DAY, "now": NOW}));
        let at = |now: i64| json!({"now": now});
        dry(s, json!("gate"), "GET /any", at(NOW + DAY - 1), "OK", Some("/any"), &[]);
        dry(s, json!("gate"), "GET /any", at(NOW + DAY), "INVALID_CREDENTIAL", Some("/any"), &[]);
    });
    group.test("over each channel", &["DryRun"], |s| {
        keyed(s, json!({}));
        for (channel, code) in
            [("plain", "SECURE_CHANNEL_REQUIRED"), ("local", "SECURE_CHANNEL_REQUIRED"), ("secure", "OK")]
        {
            dry(s, json!("gate"), "GET /any", json!({"channel": channel}), code, Some("/any"), &[]);
        }
        s.open(json!({"local_is_secure": true})).create("gate", &[], json!({}));
        dry(s, json!("gate"), "GET /any", json!({"channel": "local"}), "OK", Some("/any"), &[]);
    });
    group.test("of a route with an entitlement", &["DryRun", "Gate"], |s| {
        s.open(licensed()).create("gate", &[], json!({}));
        table(s, everything());
        dry(s, json!("gate"), "GET /gated", json!({}), "UNLICENSED", Some("/gated"), &[]);
        activate(s, &machine_file(), "OK");
        dry(s, json!("gate"), "GET /gated", json!({}), "OK", Some("/gated"), &[]);
        dry(s, Value::Null, "GET /gated", json!({}), "NO_CREDENTIAL", Some("/gated"), &[]);
    });
    group.test("of a key that is unknown, renamed or deleted", &["DryRun"], |s| {
        keyed(s, json!({}));
        let asked = |name: &str, path: &str| {
            json!({"routes": "${r}", "key": name, "method": "GET", "path": path, "channel": "secure"})
        };
        let unknown = json!({"result": "NOT_FOUND", "code": null, "rule": null, "missing": null});
        s.ask("routes.would_allow", asked("nobody", "/any"), unknown.clone());
        s.ask("routes.would_allow", asked("nobody", "//"), unknown.clone());
        s.ask("routes.would_allow", asked("", "/any"), unknown.clone());
        s.expect("keys.rename", json!({"name": "gate", "new_name": "door"}), "OK");
        s.ask("routes.would_allow", asked("gate", "/any"), unknown.clone());
        dry(s, json!("door"), "GET /any", json!({}), "OK", Some("/any"), &[]);
        s.expect("keys.delete", json!({"name": "door"}), "OK");
        s.ask("routes.would_allow", asked("door", "/any"), unknown);
    });
    group.test("is no use of the key", &["NotNoted"], |s| {
        keyed(s, json!({}));
        dry(s, json!("gate"), "GET /any", json!({}), "OK", Some("/any"), &[]);
        s.ask("keys.get", json!({"name": "gate"}), json!({"result": "OK", "record": {"last_used_at": null}}));
    });
    group.test("of a key that was rotated", &["DryRun"], |s| {
        keyed(s, json!({}));
        s.expect("keys.rotate", json!({"name": "gate", "overlap_seconds": 60, "now": NOW}), "OK");
        dry(s, json!("gate"), "GET /any", json!({"now": NOW + 3600}), "OK", Some("/any"), &[]);
    });
    group
}

pub(super) fn handles() -> Group {
    let mut group = Group::new(901, "what a request says itself, and what a table says");
    group.test("a table and a requirement", &["Order"], |s| {
        s.open(json!({}));
        table(s, everything());
        for more in [json!({"require": {"any": ["Public"]}}), json!({"entitlement": "MFA"})] {
            let mut arguments =
                json!({"headers": [], "channel": "secure", "routes": "${r}", "method": "GET", "path": "/open"});
            merge(&mut arguments, &more);
            s.expect("authenticate", arguments, "INVALID_ARGUMENT");
        }
    });
    group.test("a method and a path without a table", &["Order"], |s| {
        s.open(json!({}));
        for more in [json!({"method": "GET"}), json!({"path": "/open"})] {
            let mut arguments = json!({"headers": [], "channel": "secure", "require": {"any": ["Public"]}});
            merge(&mut arguments, &more);
            s.expect("authenticate", arguments, "INVALID_ARGUMENT");
        }
    });
    group.test("a table that is none", &["Table"], |s| {
        s.open(json!({}));
        table(s, everything());
        for number in [json!("${h}"), json!(9999), json!("r")] {
            let asked = json!({"routes": number, "method": "GET", "path": "/open", "channel": "secure"});
            s.expect("routes.would_allow", asked.clone(), "INVALID_ARGUMENT");
            let mut asked = asked;
            merge(&mut asked, &json!({"headers": []}));
            s.expect("authenticate", asked, "INVALID_ARGUMENT");
        }
        s.expect(
            "routes.would_allow",
            json!({"method": "GET", "path": "/open", "channel": "secure"}),
            "INVALID_ARGUMENT",
        );
    });
    group.test("one table, two stores", &["Table"], |s| {
        s.open_as("h2", json!({})).open(json!({})).create("gate", &[], json!({}));
        table(s, everything());
        dry(s, json!("gate"), "GET /any", json!({}), "OK", Some("/any"), &[]);
        let asked = json!({"handle": "${h2}", "routes": "${r}", "key": "gate", "method": "GET", "path": "/any"});
        s.expect("routes.would_allow", asked, "NOT_FOUND");
    });
    group
}

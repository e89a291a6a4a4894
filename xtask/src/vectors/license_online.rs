//! `license_online.json`: what passes between an installation and its vendor, as far as no server is needed for it, and the
//! credits that a license allocates.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::{
    DAY, NOW,
    issue::{Document, KEY, machine_file, stranger, time, trusted, vendor},
    license_state::{activate, licensed},
    model::{File, Group, Steps, merge},
};

const NOTES: &[(&str, &str)] = &[
    ("Idempotent", "a call that is repeated, since its answer got lost, counts twice"),
    ("NeverBelow", "more is granted than the license allocates"),
    ("Tenant", "a tenant gets more than its limit, or all tenants together more than the license's"),
    ("Period", "a month's credits are lost, or granted twice, at its end or by a clock that was moved"),
    ("Refund", "what was given back is given back again, or can be consumed again by the same name"),
    ("Unlicensed", "without an active license something is granted"),
    ("Arguments", "an argument that makes no sense is taken for another"),
    ("Silent", "an installation that has no server, or may not ask it, asks somebody"),
    ("Refresh", "a file takes the place of one that it must not replace"),
    ("RevealKey", "the license key is shown to somebody who may not see it, or another one than was entered"),
    ("Request", "a request or a receipt says something that it must not, or nothing"),
    ("SignedKey", "a license key is believed that no trusted key has signed"),
    ("Actor", "someone who may not change the license does"),
];

/// The first second after the month of [`NOW`].
const FEBRUARY: i64 = NOW + 16 * DAY + 16 * 3600;
/// The first second after the month that follows.
const MARCH: i64 = FEBRUARY + 28 * DAY;

pub(super) fn file() -> File {
    let groups = vec![credits(), tenants(), tenant_limits(), renewals(), leaving(), servers(), signed_keys(), actors()];
    File { name: "license_online.json", notes: NOTES, groups }
}

/// A store with a license for so many credits a month, from [`NOW`] on, that ends in a year.
fn with_credits(s: &mut Steps, credits: i64) {
    s.open(licensed());
    let metadata = json!({"maxDisplays": 25, "aiCreditsMonthly": credits});
    activate(s, &Document { metadata, ..Document::machine() }.sign(), "OK");
}

fn consume(s: &mut Steps, amount: i64, operation: &str, more: Value, result: &str) {
    let mut arguments = json!({"amount": amount, "operation": operation, "now": NOW});
    merge(&mut arguments, &more);
    s.expect("license.consume", arguments, result);
}

fn refund(s: &mut Steps, operation: &str, more: Value, result: &str) {
    let mut arguments = json!({"operation": operation, "now": NOW});
    merge(&mut arguments, &more);
    s.expect("license.refund", arguments, result);
}

/// What a balance says: the allocation, what is used of it, and what is left.
fn balance(s: &mut Steps, more: Value, numbers: [i64; 3]) {
    let [limit, used, left] = numbers;
    let mut arguments = json!({"now": NOW});
    merge(&mut arguments, &more);
    let expected = json!({"limit": limit, "used": used, "left": left});
    s.ask("license.balance", arguments, json!({"result": "OK", "balance": expected}));
}

fn credits() -> Group {
    let mut group = Group::new(1, "credits of the whole installation");
    group.test("everything that a balance says", &["NeverBelow"], |s| {
        with_credits(s, 100);
        let whole = json!({"limit": 100, "used": 10, "left": 90, "period": "2027-01", "resets_at": FEBRUARY});
        let arguments = json!({"amount": 10, "operation": "one", "now": NOW});
        s.ask("license.consume", arguments, json!({"result": "OK", "balance": whole}));
        s.ask("license.balance", json!({"now": NOW}), json!({"result": "OK", "balance": whole}));
    });
    group.test("a call that is repeated consumes nothing", &["Idempotent"], |s| {
        with_credits(s, 100);
        for _ in 0..3 {
            consume(s, 10, "one", json!({}), "OK");
        }
        balance(s, json!({}), [100, 10, 90]);
        consume(s, 11, "one", json!({}), "CONFLICT");
        consume(s, 10, "one", json!({"tenant": {"name": "north"}}), "CONFLICT");
        balance(s, json!({}), [100, 10, 90]);
    });
    group.test("to the last one, and no further", &["NeverBelow", "Idempotent"], |s| {
        with_credits(s, 100);
        consume(s, 101, "all and one", json!({}), "LIMIT_EXCEEDED");
        consume(s, 100, "all", json!({}), "OK");
        consume(s, 1, "one more", json!({}), "LIMIT_EXCEEDED");
        consume(s, 9_007_199_254_740_991, "far too many", json!({}), "LIMIT_EXCEEDED");
        consume(s, 100, "all", json!({}), "OK");
        balance(s, json!({}), [100, 100, 0]);
    });
    group.test("a refund, once", &["Refund"], |s| {
        with_credits(s, 100);
        consume(s, 60, "one", json!({}), "OK");
        for _ in 0..2 {
            refund(s, "one", json!({}), "OK");
            balance(s, json!({}), [100, 0, 100]);
        }
        consume(s, 60, "one", json!({}), "CONFLICT");
        refund(s, "another", json!({}), "NOT_FOUND");
        refund(s, "one", json!({"tenant": {"name": "north"}}), "CONFLICT");
    });
    group.test("unlimited", &["NeverBelow"], |s| {
        with_credits(s, -1);
        consume(s, 1_000_000, "one", json!({}), "OK");
        balance(s, json!({}), [-1, 1_000_000, -1]);
    });
    group.test("without an active license", &["Unlicensed"], |s| {
        s.open(licensed());
        consume(s, 1, "one", json!({}), "LIMIT_EXCEEDED");
        balance(s, json!({}), [0, 0, 0]);
        with_credits(s, 100);
        consume(s, 1, "late", json!({"now": NOW + 400 * DAY}), "LIMIT_EXCEEDED");
    });
    group.test("arguments", &["Arguments"], |s| {
        with_credits(s, 100);
        for amount in [0, -1] {
            consume(s, amount, "one", json!({}), "INVALID_ARGUMENT");
        }
        for name in ["", &"x".repeat(256)] {
            consume(s, 1, name, json!({}), "INVALID_ARGUMENT");
            consume(s, 1, "one", json!({"tenant": {"name": name}}), "INVALID_ARGUMENT");
        }
        consume(s, 1, &"x".repeat(255), json!({"tenant": {"name": "y".repeat(255)}}), "OK");
        consume(s, 1, "one", json!({"tenant": {"name": "north", "limits": 1}}), "INVALID_ARGUMENT");
        consume(s, 1, "one", json!({"tenant": {"limit": 1}}), "INVALID_ARGUMENT");
        s.expect("license.consume", json!({"amount": "1", "operation": "one"}), "INVALID_ARGUMENT");
        s.expect("license.consume", json!({"amount": 1}), "INVALID_ARGUMENT");
        balance(s, json!({}), [100, 1, 99]);
    });
    group.test("a month's end", &["Period"], |s| {
        with_credits(s, 100);
        consume(s, 100, "one", json!({"now": FEBRUARY - 1}), "OK");
        balance(s, json!({"now": FEBRUARY - 1}), [100, 100, 0]);
        balance(s, json!({"now": FEBRUARY}), [100, 0, 100]);
        consume(s, 40, "two", json!({"now": FEBRUARY}), "OK");
        // The name is kept, so that a call repeated over the end of its month consumes nothing.
        consume(s, 100, "one", json!({"now": FEBRUARY}), "OK");
        refund(s, "one", json!({"now": FEBRUARY}), "OK");
        balance(s, json!({"now": FEBRUARY}), [100, 40, 60]);
        consume(s, 60, "one", json!({"now": MARCH}), "CONFLICT");
    });
    group.test("a clock that is set back, and on", &["Period"], |s| {
        with_credits(s, 100);
        consume(s, 100, "one", json!({"now": FEBRUARY}), "OK");
        consume(s, 1, "two", json!({"now": NOW}), "LIMIT_EXCEEDED");
        // Far ahead by mistake: the months that are skipped are there when they come.
        consume(s, 5, "three", json!({"now": NOW + 200 * DAY}), "OK");
        consume(s, 100, "four", json!({"now": MARCH}), "OK");
        balance(s, json!({"now": MARCH}), [100, 100, 0]);
    });
    group
}

fn tenants() -> Group {
    let mut group = Group::new(101, "credits of tenants");
    group.test("each has its own, and all together the license's", &["Tenant"], |s| {
        with_credits(s, 100);
        let of = |name: &str, limit: i64| json!({"tenant": {"name": name, "limit": limit}});
        consume(s, 61, "one", of("north", 60), "LIMIT_EXCEEDED");
        consume(s, 60, "one", of("north", 60), "OK");
        balance(s, of("north", 60), [60, 60, 0]);
        balance(s, of("south", 60), [60, 0, 40]);
        consume(s, 41, "two", of("south", 60), "LIMIT_EXCEEDED");
        consume(s, 40, "two", of("south", 60), "OK");
        balance(s, json!({}), [100, 100, 0]);
        refund(s, "one", of("north", 60), "OK");
        balance(s, of("north", 60), [60, 0, 60]);
    });
    group.test("a tenant without a limit has the license's", &["Tenant"], |s| {
        with_credits(s, 100);
        for tenant in [json!({"name": "north"}), json!({"name": "north", "limit": -1})] {
            balance(s, json!({"tenant": tenant}), [100, 0, 100]);
        }
        balance(s, json!({"tenant": {"name": "north", "limit": 1000}}), [100, 0, 100]);
        balance(s, json!({"tenant": {"name": "north", "limit": 0}}), [0, 0, 0]);
    });
    group.test("an unlimited license and a tenant's limit", &["Tenant"], |s| {
        with_credits(s, -1);
        consume(s, 11, "one", json!({"tenant": {"name": "north", "limit": 10}}), "LIMIT_EXCEEDED");
        consume(s, 10, "one", json!({"tenant": {"name": "north", "limit": 10}}), "OK");
        balance(s, json!({"tenant": {"name": "north"}}), [-1, 10, -1]);
    });
    group
}

fn tenant_limits() -> Group {
    let mut group = Group::new(201, "other limits of tenants");
    group.test("the tenant's, and the license's for all", &["Tenant"], |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        for (limit, in_use, by_all, result) in [
            (10, 10, 25, "OK"),
            (10, 11, 25, "LIMIT_EXCEEDED"),
            (10, 10, 26, "LIMIT_EXCEEDED"),
            (-1, 25, 25, "OK"),
            (-1, 26, 25, "LIMIT_EXCEEDED"),
            (100, 26, 26, "LIMIT_EXCEEDED"),
            (0, 1, 1, "LIMIT_EXCEEDED"),
            (10, -1, 1, "INVALID_ARGUMENT"),
            (10, 1, -1, "INVALID_ARGUMENT"),
            (10, -1, 26, "INVALID_ARGUMENT"),
            (-2, 0, 0, "INVALID_ARGUMENT"),
        ] {
            let tenant = json!({"name": "north", "limit": limit});
            let arguments =
                json!({"name": "MAX_DISPLAYS", "tenant": tenant, "in_use": in_use, "in_use_by_all": by_all, "now": NOW});
            s.expect("license.tenant_limit", arguments, result);
        }
    });
    group.test("without a license", &["Unlicensed"], |s| {
        s.open(json!({}));
        let arguments =
            json!({"name": "MAX_DISPLAYS", "tenant": {"name": "north"}, "in_use": 1, "in_use_by_all": 1, "now": NOW});
        s.expect("license.tenant_limit", arguments, "LIMIT_EXCEEDED");
    });
    group
}

fn renewals() -> Group {
    let mut group = Group::new(301, "a newer file of what is installed");
    let issued = |offset: i64| Document { issued: json!(time(NOW + offset)), ..Document::machine() };
    group.test("takes its place, with the license key that is there", &["Refresh"], move |s| {
        s.open(licensed());
        s.expect("license.refresh", json!({"lic": machine_file(), "now": NOW}), "UNLICENSED");
        activate(s, &machine_file(), "OK");
        let newer = Document { file_expiry: Some(NOW + 350 * DAY), ..issued(10) }.sign();
        let shown = json!({"state": "active", "mode": "offline", "lease_expires_at": NOW + 350 * DAY});
        s.ask("license.refresh", json!({"lic": newer, "now": NOW + 10}), json!({"result": "OK", "status": shown}));
        s.expect("license.refresh", json!({"lic": machine_file(), "now": NOW + 10}), "LICENSE_FILE_OLDER");
    });
    group.test("not of another license, and not a bad one", &["Refresh"], move |s| {
        s.open(licensed());
        activate(s, &machine_file(), "OK");
        let other = Document { id: "00000000-1111-4222-8333-444444444444", ..issued(10) }.sign();
        s.expect("license.refresh", json!({"lic": other, "now": NOW + 10}), "CONFLICT");
        s.expect("license.refresh", json!({"lic": "no file", "now": NOW}), "LICENSE_MALFORMED");
        s.ask(
            "license.status",
            json!({"now": NOW}),
            json!({"result": "OK", "status": {"lease_expires_at": NOW + 300 * DAY}}),
        );
    });
    group.test("the license key is shown to who asks, and masked otherwise", &["RevealKey"], |s| {
        s.open(licensed());
        s.expect("license.reveal_key", json!({"now": NOW}), "UNLICENSED");
        activate(s, &machine_file(), "OK");
        s.ask("license.reveal_key", json!({"now": NOW}), json!({"result": "OK", "value": KEY}));
    });
    group.test("a request for one", &["Request"], |s| {
        s.open(licensed());
        for arguments in [json!({"now": NOW}), json!({"license_key": KEY, "now": NOW})] {
            s.ask("license.request", arguments, json!({"result": "OK", "value": {"$any": "string"}}));
        }
    });
    group
}

fn leaving() -> Group {
    let mut group = Group::new(401, "a deactivation and its receipt");
    group.test("of a license that was installed from a file", &["Request"], |s| {
        s.open(licensed());
        s.expect("license.deactivate_with", json!({"now": NOW}), "UNLICENSED");
        for more in [json!({}), json!({"local_only": true})] {
            let newer = Document {
                issued: json!(time(NOW + more.as_object().map_or(0, |m| m.len() as i64))),
                ..Document::machine()
            };
            let mut arguments = json!({"now": NOW + 5});
            s.expect(
                "license.activate_offline",
                json!({"license_key": KEY, "lic": newer.sign(), "now": NOW + 5}),
                "OK",
            );
            merge(&mut arguments, &more);
            let expected = json!({
                "result": "OK", "status": {"state": "unlicensed"}, "release": "none", "problem": null,
                "receipt": {"$any": "string"},
            });
            s.ask("license.deactivate_with", arguments, expected);
            // What was installed before is buried with it.
            s.expect(
                "license.activate_offline",
                json!({"license_key": KEY, "lic": machine_file(), "now": NOW + 5}),
                "LICENSE_FILE_OLDER",
            );
        }
        s.ask("license.release_pending", json!({"now": NOW}), json!({"result": "OK", "value": 0}));
    });
    group
}

fn servers() -> Group {
    let mut group = Group::new(501, "a licensing server, and none");
    group.test("without one nobody is asked", &["Silent"], |s| {
        s.open(licensed());
        s.expect("license.activate", json!({"license_key": KEY, "now": NOW}), "UNSUPPORTED_OPTION");
        s.expect("license.activate", json!({"license_key": "", "now": NOW}), "LICENSE_KEY_REQUIRED");
        let never = json!({"result": "OK", "next": null, "problem": null});
        s.ask("license.tick", json!({"now": NOW}), never.clone());
        activate(s, &machine_file(), "OK");
        s.expect("license.revalidate", json!({"now": NOW}), "NOT_AVAILABLE_OFFLINE");
        s.ask("license.tick", json!({"now": NOW + 299 * DAY}), never);
        s.ask("license.last_attempt", json!({"now": NOW}), json!({"result": "OK", "attempt": null}));
    });
    let open = |server: Value, result: &'static str| {
        move |s: &mut Steps| {
            let mut options = json!({"store": ":memory:", "trusted_keys": [], "server": server});
            merge(&mut options, &json!({"machine_id": "m"}));
            s.expect("open", options, result);
        }
    };
    for (comment, server, result) in [
        ("its address", json!({"url": "https://licensing.example/v1"}), "OK"),
        ("no address", json!({}), "INVALID_ARGUMENT"),
        ("an unknown member", json!({"url": "https://licensing.example/v1", "uri": "x"}), "INVALID_ARGUMENT"),
        ("another scheme", json!({"url": "ftp://licensing.example"}), "INVALID_ARGUMENT"),
        ("in the clear, to another machine", json!({"url": "http://licensing.example"}), "INVALID_ARGUMENT"),
        ("in the clear, to this one", json!({"url": "http://127.0.0.1:1/v1"}), "OK"),
        ("a password in the address", json!({"url": "https://user:secret@licensing.example"}), "INVALID_ARGUMENT"),
        ("an empty account", json!({"url": "https://licensing.example", "account": ""}), "INVALID_ARGUMENT"),
        (
            "a host that is not allowed",
            json!({"url": "https://licensing.example", "allowed_hosts": ["other.example"]}),
            "NETWORK_POLICY",
        ),
        (
            "a name below an allowed domain",
            json!({"url": "https://licensing.example", "allowed_hosts": ["*.example"]}),
            "OK",
        ),
        ("no duration", json!({"url": "https://licensing.example", "timeout_ms": "10"}), "INVALID_ARGUMENT"),
    ] {
        group.test(comment, &["Silent", "Arguments"], open(server, result));
    }
    group.test("one that can't be reached changes nothing", &["Silent"], |s| {
        let mut options = licensed();
        merge(&mut options, &json!({"server": {"url": "http://127.0.0.1:1/v1", "proxy": "", "timeout_ms": 5000}}));
        s.open(options);
        s.expect("license.activate", json!({"license_key": KEY, "now": NOW}), "NETWORK_CONNECT");
        s.ask("license.status", json!({"now": NOW}), json!({"result": "OK", "status": {"state": "unlicensed"}}));
        activate(s, &machine_file(), "OK");
        s.expect("license.activate", json!({"license_key": KEY, "now": NOW}), "NETWORK_CONNECT");
        s.ask(
            "license.status",
            json!({"now": NOW}),
            json!({"result": "OK", "status": {"state": "active", "mode": "offline"}}),
        );
        s.ask("license.release_pending", json!({"now": NOW}), json!({"result": "OK", "value": 0}));
    });
    group
}

/// `key/DATASET.SIGNATURE`.
fn signed_key(dataset: &str, key: &ed25519_dalek::SigningKey) -> String {
    let signed = format!("key/{}", URL_SAFE.encode(dataset));
    format!("{signed}.{}", URL_SAFE.encode(key.sign(signed.as_bytes()).to_bytes()))
}

fn signed_keys() -> Group {
    let mut group = Group::new(601, "license keys that are signed themselves");
    let dataset = json!({
        "account": {"id": "a1"},
        "product": {"id": "p1"},
        "policy": {"id": "o1", "duration": null},
        "license": {"id": "l1", "created": time(NOW), "expiry": time(NOW + DAY)},
    });
    let dataset = dataset.to_string();
    let good = signed_key(&dataset, &vendor());
    let keys = json!([trusted("vendor", &vendor())]);
    let ask = |license_key: String, keys: Value, expected: Value| {
        move |s: &mut Steps| {
            let arguments = json!({"license_key": license_key, "trusted_keys": keys, "now": NOW});
            s.ask("license.inspect_key", arguments, expected);
        }
    };
    let whole = json!({
        "result": "OK", "key_id": "vendor", "dataset": STANDARD.encode(&dataset), "license": "l1", "product": "p1",
        "created_at": NOW, "expires_at": NOW + DAY,
    });
    group.test("everything that it says", &["SignedKey"], ask(good.clone(), keys.clone(), whole));
    let own = json!({
        "result": "OK", "key_id": "vendor", "dataset": STANDARD.encode("any bytes"), "license": null, "product": null,
        "created_at": null, "expires_at": null,
    });
    group.test(
        "a dataset of the vendor's own",
        &["SignedKey"],
        ask(signed_key("any bytes", &vendor()), keys.clone(), own),
    );
    let refused = |code: &str| json!({"result": code});
    let (head, tail) = good.split_once('.').unwrap_or_default();
    for (comment, license_key, keys, code) in [
        ("signed by a stranger", signed_key(&dataset, &stranger()), keys.clone(), "LICENSE_SIGNATURE_INVALID"),
        ("nobody is trusted", good.clone(), json!([]), "LICENSE_SIGNATURE_INVALID"),
        (
            "changed afterwards",
            format!("{}A.{tail}", head.get(..head.len() - 1).unwrap_or_default()),
            keys.clone(),
            "LICENSE_SIGNATURE_INVALID",
        ),
        (
            "a shorter signature",
            format!("{head}.{}", URL_SAFE.encode([0; 63])),
            keys.clone(),
            "LICENSE_UNSUPPORTED_ALGORITHM",
        ),
        ("an ordinary license key", KEY.to_owned(), keys.clone(), "LICENSE_MALFORMED"),
        ("no base64", "key/%%%.%%%".to_owned(), keys.clone(), "LICENSE_MALFORMED"),
    ] {
        group.test(comment, &["SignedKey"], ask(license_key, keys, refused(code)));
    }
    group
}

fn actors() -> Group {
    let mut group = Group::new(701, "who may");
    group.test("those who satisfy the admin requirement", &["Actor"], |s| {
        let mut options = licensed();
        let requirements = json!({
            "admin_requirement": {"any": ["Authenticated/Admin"]}, "server": {"url": "http://127.0.0.1:1/v1", "proxy": ""},
        });
        merge(&mut options, &requirements);
        s.open(options).create("admin", &["Authenticated/Admin"], json!({})).create("other", &["Authenticated/Other"], json!({}));
        s.sign_in("admin").sign_in("other");
        for (op, arguments, result) in [
            ("license.activate", json!({"license_key": KEY}), "NETWORK_CONNECT"),
            ("license.refresh", json!({"lic": machine_file()}), "UNLICENSED"),
            ("license.request", json!({}), "OK"),
            ("license.reveal_key", json!({}), "UNLICENSED"),
            ("license.deactivate_with", json!({}), "UNLICENSED"),
            ("license.release_pending", json!({}), "OK"),
        ] {
            for (actor, result) in [("${actor_other}", "PERMISSION_DENIED"), ("${actor_admin}", result)] {
                let mut asked = json!({"now": NOW, "actor": actor});
                merge(&mut asked, &arguments);
                s.expect(op, asked, result);
            }
        }
    });
    group
}

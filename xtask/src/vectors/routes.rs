//! `routes.json`: which route decides, which paths have two readings, and the dry run (T25).

use serde_json::{Value, json};

use super::{
    Refusal,
    model::{File, Group, Steps},
    routes_paths, routes_requests,
};

const NOTES: &[(&str, &str)] = &[
    (
        "Table",
        "a table is read in another way than it is written: a member twice, unknown, missing, or of another type",
    ),
    ("Prefix", "a prefix is taken that an escaped, folded or normalized path could equal"),
    ("Longest", "a shorter prefix, or one that ends inside a segment, decides"),
    (
        "Fallback",
        "a method that the longest prefix does not list is taken from a shorter one, or a path outside the table is granted",
    ),
    ("TwoReadings", "a path is taken, or rewritten, that the host's router reads in another way"),
    ("OneReading", "a path with only one reading is refused"),
    ("Case", "case is folded where nobody asked for it, or not where the host's router does"),
    ("Suffix", "a suffix is left out of account where nobody asked for it, or not where the host's router does it"),
    ("Order", "the credential is looked at before the route, or the answers of the two are mixed up"),
    ("T25-Open", "T25: a route that requires nothing that anybody can hold opens, or a level is lost on the way"),
    ("Gate", "the route's entitlement is not asked for"),
    ("DryRun", "the dry run answers something else than the request would get"),
    ("NotNoted", "the dry run counts as a use of the key"),
];

pub(super) const DENIED: Refusal = Refusal("ROUTE_DENIED", 403, None);
pub(super) const NOT_CANONICAL: Refusal = Refusal("PATH_NOT_CANONICAL", 400, None);
pub(super) const UNLICENSED: Refusal = Refusal("UNLICENSED", 403, None);

pub(super) fn file() -> File {
    let groups = vec![
        tables(),
        prefixes(),
        routes_paths::lookups(),
        routes_paths::two_readings(),
        routes_paths::one_reading(),
        routes_paths::case(),
        routes_paths::suffixes(),
        routes_requests::decisions(),
        routes_requests::dry_runs(),
        routes_requests::handles(),
    ];
    File { name: "routes.json", notes: NOTES, groups }
}

/// One rule.
pub(super) fn rule(prefix: &str, methods: &[&str], levels: &[&str]) -> Value {
    json!({"prefix": prefix, "methods": methods, "require": {"any": levels}})
}

/// Parses a table, and binds it to `r`.
pub(super) fn table(s: &mut Steps, rules: Value) {
    parse(s, json!({"routes": rules}));
}

pub(super) fn parse(s: &mut Steps, document: Value) {
    let count = document["routes"].as_array().map_or(0, Vec::len);
    let expect = json!({"result": "OK", "routes": {"$bind": "r"}, "count": count});
    s.ask("routes.parse", json!({"json": document.to_string()}), expect);
}

/// A request without a credential.
pub(super) fn ask(s: &mut Steps, method: &str, path: &str, expect: Value) {
    let request = json!({"headers": [], "channel": "secure", "routes": "${r}", "method": method, "path": path});
    s.ask("authenticate", request, expect);
}

pub(super) fn anyone() -> Value {
    json!({"result": "OK", "http": 200, "challenge": null, "principal": {"name": null, "levels": [], "handle": null}})
}

fn tables() -> Group {
    let mut group = Group::new(1, "what is a table, and what is none");
    let good = r#"{"prefix": "/a", "methods": ["GET"], "require": {"any": ["A"]}}"#;
    let accepted = [
        ("without a route", r#"{"routes": []}"#.to_owned(), 0),
        ("with everything", r#"{"ignore_case": false, "routes": [{"prefix": "/", "methods": ["*"], "require": {"all": ["A/B", "C"]}, "entitlement": "MFA"}]}"#.to_owned(), 1),
        ("with an entitlement that is null", r#"{"routes": [{"prefix": "/", "methods": ["M-SEARCH"], "require": {"any": []}, "entitlement": null}]}"#.to_owned(), 1),
        ("with one prefix twice, for two methods", format!(r#"{{"routes": [{good}, {}]}}"#, good.replace("GET", "PUT")), 2),
        ("with a method and every other one", format!(r#"{{"routes": [{good}, {}]}}"#, good.replace("GET", "*")), 2),
    ];
    for (comment, text, count) in accepted {
        group.test(comment, &["Table"], |s| {
            s.ask(
                "routes.parse",
                json!({"json": text}),
                json!({"result": "OK", "routes": {"$any": "integer"}, "count": count}),
            );
        });
    }
    let entry = |members: &str| format!(r#"{{"routes": [{{{members}}}]}}"#);
    let refusals = [
        ("nothing", String::new()),
        ("no object", "[]".to_owned()),
        ("an array for the object", format!("[false, [{good}]]")),
        ("no routes", "{}".to_owned()),
        ("routes twice", format!(r#"{{"routes": [], "routes": [{good}]}}"#)),
        ("an unknown member", r#"{"routes": [], "version": 1}"#.to_owned()),
        ("something behind it", r#"{"routes": []} {}"#.to_owned()),
        ("a comment", "// routes\n{\"routes\": []}".to_owned()),
        ("ignore_case of another type", r#"{"routes": [], "ignore_case": "no"}"#.to_owned()),
        ("an array for a route", r#"{"routes": [["/a", ["GET"], {"any": []}, null]]}"#.to_owned()),
        ("a route without a prefix", entry(r#""methods": ["GET"], "require": {"any": []}"#)),
        ("a route without methods", entry(r#""prefix": "/a", "require": {"any": []}"#)),
        ("a route without a requirement", entry(r#""prefix": "/a", "methods": ["GET"]"#)),
        ("a requirement that is null", entry(r#""prefix": "/a", "methods": ["GET"], "require": null"#)),
        ("a requirement of neither kind", entry(r#""prefix": "/a", "methods": ["GET"], "require": {}"#)),
        (
            "a requirement of both kinds",
            entry(r#""prefix": "/a", "methods": ["GET"], "require": {"any": ["A"], "all": ["A"]}"#),
        ),
        (
            "a requirement of one kind twice",
            entry(r#""prefix": "/a", "methods": ["GET"], "require": {"any": ["A"], "any": ["B"]}"#),
        ),
        ("a requirement as text", entry(r#""prefix": "/a", "methods": ["GET"], "require": "any(A)""#)),
        ("a member twice", entry(r#""prefix": "/a", "prefix": "/b", "methods": ["GET"], "require": {"any": []}"#)),
        (
            "an unknown member of a route",
            entry(r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "public": true"#),
        ),
        ("no method", entry(r#""prefix": "/a", "methods": [], "require": {"any": []}"#)),
        ("a method that is no list", entry(r#""prefix": "/a", "methods": "GET", "require": {"any": []}"#)),
        ("a method that is empty", entry(r#""prefix": "/a", "methods": [""], "require": {"any": []}"#)),
        ("a method that is no token", entry(r#""prefix": "/a", "methods": ["GET /"], "require": {"any": []}"#)),
        ("every method and one more", entry(r#""prefix": "/a", "methods": ["*", "GET"], "require": {"any": []}"#)),
        ("a method twice in a route", entry(r#""prefix": "/a", "methods": ["GET", "GET"], "require": {"any": []}"#)),
        ("a prefix and method twice", format!(r#"{{"routes": [{good}, {good}]}}"#)),
        (
            "an entitlement that is empty",
            entry(r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "entitlement": """#),
        ),
    ];
    for (comment, text) in refusals {
        group.test(comment, &["Table"], |s| {
            s.expect("routes.parse", json!({"json": text}), "INVALID_ARGUMENT");
        });
    }
    group.test("more than a mebibyte", &["Table"], |s| {
        let spaces = json!({"$repeat": " ", "times": 1 << 20});
        let text = json!({"$join": [r#"{"routes": []}"#, spaces]});
        s.expect("routes.parse", json!({"json": text}), "INVALID_ARGUMENT");
    });
    group.test("a level that is none", &["Table"], |s| {
        s.expect(
            "routes.parse",
            json!({"json": entry(r#""prefix": "/a", "methods": ["GET"], "require": {"any": ["A//B"]}"#)}),
            "INVALID_LEVEL",
        );
    });
    group
}

fn prefixes() -> Group {
    let mut group = Group::new(101, "prefixes");
    for prefix in ["/", "/a", "/A-b.c_d~9/x", "/.well-known/a", "/..."] {
        group.test(format!("`{prefix}`"), &["Prefix"], |s| table(s, json!([rule(prefix, &["GET"], &["A"])])));
    }
    for prefix in [
        "",
        "a",
        "a/b",
        "*",
        "/*",
        "/{id}",
        "/:id",
        "//",
        "/a/",
        "/a//b",
        "/.",
        "/a/..",
        "/a/./b",
        "/a b",
        "/%61",
        "/a%20b",
        "/a%2Fb",
        "/a;b",
        "/a?b",
        "/a#b",
        "/a\\b",
        "/a+b",
        "/\u{e9}",
        "/a\u{0}",
        "https://host/a",
    ] {
        group.test(format!("`{}` is none", prefix.escape_default()), &["Prefix"], |s| {
            let document = json!({"routes": [rule(prefix, &["GET"], &["A"])]});
            s.expect("routes.parse", json!({"json": document.to_string()}), "INVALID_ARGUMENT");
        });
    }
    group
}

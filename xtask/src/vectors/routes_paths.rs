//! `routes.json`, the paths: which route decides, and which paths have two readings.

use serde_json::{Value, json};

use super::{
    NO_CREDENTIAL,
    model::{Group, refused},
    routes::{DENIED, NOT_CANONICAL, anyone, ask, parse, rule, table},
};

pub(super) fn lookups() -> Group {
    let mut group = Group::new(201, "which route decides");
    // Only the rule that should decide lets anyone in.
    let deciding = |longest: &str, method: &str| {
        let mut rules: Vec<Value> = ["/data", "/data/api", "/data/api/v1", "/data/api/v1/sync"]
            .iter()
            .map(|prefix| rule(prefix, &["GET", "PUT"], if *prefix == longest { &["Public"] } else { &["A"] }))
            .collect();
        rules.push(rule(
            "/data/api",
            &["DELETE"],
            if longest == "/data/api" && method == "DELETE" { &["Public"] } else { &["A"] },
        ));
        Value::from(rules)
    };
    for (method, path, longest) in [
        ("GET", "/data", "/data"),
        ("GET", "/data/", "/data"),
        ("GET", "/data?a=/data/api", "/data"),
        ("GET", "/data/ap", "/data"),
        ("GET", "/data/apis", "/data"),
        ("GET", "/data/api.", "/data"),
        ("GET", "/data/API", "/data"),
        ("GET", "/data/x/api/v1", "/data"),
        ("PUT", "/data/api", "/data/api"),
        ("DELETE", "/data/api/x", "/data/api"),
        ("GET", "/data/api/v1", "/data/api/v1"),
        ("GET", "/data/api/v1/resources/a%20b", "/data/api/v1"),
        ("GET", "/data/api/v1/sync/", "/data/api/v1/sync"),
        ("GET", "/data/api/v1/sync/x/y/z?q", "/data/api/v1/sync"),
    ] {
        group.test(format!("{method} {path} by {longest}"), &["Longest"], |s| {
            s.open(json!({}));
            table(s, deciding(longest, method));
            ask(s, method, path, anyone());
            table(s, deciding("none", method));
            ask(s, method, path, refused(NO_CREDENTIAL));
        });
    }
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/dat"),
        ("GET", "/database"),
        ("GET", "/x/data"),
        ("DELETE", "/data"),
        ("DELETE", "/data/api/v1"),
        ("get", "/data"),
        ("Get", "/data"),
        ("", "/data"),
        ("GET ", "/data"),
        ("*", "/data"),
        ("HEAD", "/data"),
        ("OPTIONS", "/data/api"),
    ] {
        group.test(format!("`{method}` {path} by none"), &["Fallback"], |s| {
            s.open(json!({}));
            let all = ["/data", "/data/api", "/data/api/v1"].map(|prefix| rule(prefix, &["GET", "PUT"], &["Public"]));
            let mut rules = Vec::from(all);
            rules.push(rule("/data/api", &["DELETE"], &["Public"]));
            table(s, rules.into());
            ask(s, method, path, refused(DENIED));
        });
    }
    group.test("every method", &["Longest"], |s| {
        s.open(json!({}));
        table(s, json!([rule("/", &["*"], &["Public"]), rule("/a", &["GET"], &["Public"])]));
        for method in ["GET", "PUT", "BREW", "M-SEARCH", "get"] {
            ask(s, method, "/x", anyone());
        }
        // And none of them where a longer prefix lists others.
        ask(s, "PUT", "/a", refused(DENIED));
        for method in ["", "GE T", "GET\r\n", "GET,PUT", "G\u{e9}T"] {
            ask(s, method, "/x", refused(DENIED));
        }
    });
    group.test("a method goes before every method", &["Longest"], |s| {
        s.open(json!({}));
        table(s, json!([rule("/a", &["*"], &["Public"]), rule("/a", &["PUT"], &["A"])]));
        ask(s, "GET", "/a", anyone());
        ask(s, "PUT", "/a", refused(NO_CREDENTIAL));
    });
    group.test("an empty table", &["Fallback"], |s| {
        s.open(json!({}));
        table(s, json!([]));
        ask(s, "GET", "/", refused(DENIED));
    });
    group
}

pub(super) fn two_readings() -> Group {
    let mut group = Group::new(301, "paths with two readings");
    let long = format!("/{}", "a".repeat(8192));
    for path in [
        "",
        "?",
        "*",
        "a",
        "admin/x",
        "http://host/admin",
        "//",
        "//host/admin",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/a\\b",
        "/\\admin",
        "/..\\admin",
        "/a;b",
        "/a;",
        "/;/admin",
        "/a/..;/admin",
        "/a#b",
        "/#",
        "/a b",
        "/a\tb",
        "/a\r\nb",
        "/a\u{0}b",
        "/a\u{7f}",
        "/\u{e9}",
        "/\u{ff0f}",
        "/a\"b",
        "/<a>",
        "/[a]",
        "/a|b",
        "/a^b",
        "/a`b",
        "/{a}",
        "/%",
        "/a%",
        "/%4",
        "/%g0",
        "/%0g",
        "/%u0061",
        "/%-1",
        "/%61",
        "/%41dmin",
        "/%5A",
        "/%5a",
        "/%30",
        "/%2D",
        "/%2d",
        "/%2E",
        "/%2e%2e/admin",
        "/.%2e/admin",
        "/%5F",
        "/%7E",
        "/%7e",
        "/%2F",
        "/%2fadmin",
        "/a%2F..%2Fb",
        "/%5C",
        "/%5cadmin",
        "/%25",
        "/%252F",
        "/%252e%252e/admin",
        "/%2561",
        "/%00",
        "/admin%00.png",
        "/%09",
        "/%0A",
        "/%0d%0a",
        "/%1F",
        "/%7F",
        "/%3B",
        "/a%3bb",
        "/%C0%AF",
        "/%c0%ae%c0%ae/admin",
        "/%C1%9C",
        "/%E0%80%AF",
        "/%F0%80%80%AF",
        "/%C2%85",
        long.as_str(),
    ] {
        let shown: String = path.escape_default().take(32).collect();
        group.test(format!("`{shown}`"), &["TwoReadings"], |s| {
            s.open(json!({}));
            table(s, json!([rule("/", &["*"], &["Public"]), rule("/admin", &["*"], &["A"])]));
            ask(s, "GET", path, refused(NOT_CANONICAL));
        });
    }
    group
}

pub(super) fn one_reading() -> Group {
    let mut group = Group::new(501, "paths with one reading");
    let long = format!("/{}?{}", "a".repeat(8191), "a".repeat(2000));
    for path in [
        "/",
        "/a/",
        "/a/b/",
        "/a.",
        "/.a",
        "/...",
        "/a..b",
        "/~a/-/_",
        "/a:b@c",
        "/a!$&'()*+,=b",
        "/%20",
        "/a%20b",
        "/%C3%A9",
        "/%c3%a9",
        "/%3F",
        "/%23",
        "/%3a",
        "/%5B%5D",
        "/%22",
        "/%E2%82%AC",
        "/%C3%80",
        "/a?",
        "/a?b?c",
        "/a?../..//;%00#",
        "/?//",
        long.as_str(),
    ] {
        let shown: String = path.chars().take(32).collect();
        group.test(format!("`{shown}`"), &["OneReading"], |s| {
            s.open(json!({}));
            table(s, json!([rule("/", &["*"], &["Public"])]));
            ask(s, "GET", path, anyone());
        });
    }
    group
}

pub(super) fn case() -> Group {
    let mut group = Group::new(601, "case");
    let rules = json!([rule("/", &["GET"], &["Public"]), rule("/Admin/Api", &["GET"], &["A"])]);
    group.test("it counts", &["Case"], |s| {
        s.open(json!({}));
        table(s, rules.clone());
        ask(s, "GET", "/Admin/Api", refused(NO_CREDENTIAL));
        ask(s, "GET", "/admin/Api", anyone());
        ask(s, "GET", "/%E2%84%AA", anyone());
    });
    group.test("or it does not, where the host says so", &["Case"], |s| {
        s.open(json!({}));
        parse(s, json!({"ignore_case": true, "routes": rules}));
        for path in ["/Admin/Api", "/admin/api", "/ADMIN/API/x", "/aDMIN/aPI/"] {
            ask(s, "GET", path, refused(NO_CREDENTIAL));
        }
        ask(s, "GET", "/admin", anyone());
        ask(s, "get", "/", refused(DENIED));
        // Letters that fold to one of ASCII: the Kelvin sign, the long s, the two Turkish i.
        for path in ["/%E2%84%AA", "/%e2%84%aa", "/%C5%BF", "/%C4%B0", "/%C4%B1"] {
            ask(s, "GET", path, refused(NOT_CANONICAL));
        }
    });
    group.test("and then two prefixes that differ in it alone are one", &["Case", "Table"], |s| {
        let twice = json!([rule("/a", &["GET"], &["A"]), rule("/A", &["GET"], &["B"])]);
        table(s, twice.clone());
        let document = json!({"ignore_case": true, "routes": twice});
        s.expect("routes.parse", json!({"json": document.to_string()}), "INVALID_ARGUMENT");
    });
    group
}

pub(super) fn suffixes() -> Group {
    let mut group = Group::new(651, "suffixes");
    let all = &["GET"];
    let rules = json!([
        rule("/", all, &["Public"]),
        rule("/api/users", all, &["A"]),
        rule("/api/users.csv", all, &["Public"]),
        rule("/api/x.y", all, &["Public"]),
        rule("/api/x/z", all, &["Public"]),
    ]);
    group.test("they count", &["Suffix"], |s| {
        s.open(json!({}));
        table(s, rules.clone());
        ask(s, "GET", "/api/users", refused(NO_CREDENTIAL));
        ask(s, "GET", "/api/users.json", anyone());
        ask(s, "GET", "/api/x.y/z", anyone());
    });
    group.test("or they do not, where the host says so", &["Suffix"], |s| {
        s.open(json!({}));
        parse(s, json!({"ignore_suffix": true, "routes": rules}));
        for path in
            ["/api/users", "/api/users.json", "/api/users.", "/api/users.a.b/x", "/api.v1/users", "/api/users.csvx"]
        {
            ask(s, "GET", path, refused(NO_CREDENTIAL));
        }
        // The closer prefix decides; where none is closer than all others, the request is denied.
        for path in ["/api/users.csv", "/api/users.csv.gz", "/api/.users", "/api/user.s", "/api/x.y", "/api/x/z.a"] {
            ask(s, "GET", path, anyone());
        }
        ask(s, "GET", "/api/x.y/z", refused(DENIED));
        ask(s, "GET", "/api/users%2Ejson", refused(NOT_CANONICAL));
        ask(s, "GET", "/api/USERS.json", anyone());
    });
    group
}

//! What is a table, and what is said about what is not.

use proptest::prelude::*;

use super::*;

/// The code and the detail with which a table is refused.
fn refusal(json: &str) -> (Code, String) {
    let error = Routes::parse(json).unwrap_err();
    (error.code(), error.detail().unwrap_or_default().to_owned())
}

fn with_rule(members: &str) -> String {
    format!(r#"{{"routes": [{{"prefix": "/ok", "methods": ["GET"], "require": {{"any": []}}}}, {{{members}}}]}}"#)
}

#[test]
fn a_table_is_read_as_written() {
    let routes = Routes::parse(
        r#" {"routes": [
            {"prefix": "/data/api/v1", "methods": ["GET", "HEAD"], "require": {"any": ["A/B"]}, "entitlement": "MFA"},
            {"prefix": "/", "methods": ["*"], "require": {"all": []}, "entitlement": null}]} "#,
    )
    .unwrap();
    assert!(!routes.ignores_case() && !routes.ignores_suffix());
    let rules: Vec<&Rule> = routes.rules().collect();
    assert_eq!((routes.rules().len(), rules[0].prefix(), rules[1].prefix()), (2, "/data/api/v1", "/"));
    assert_eq!(rules[0].methods().collect::<Vec<_>>(), ["GET", "HEAD"]);
    assert_eq!((rules[0].entitlement(), rules[1].entitlement()), (Some("MFA"), None));
    assert_eq!(rules[0].requirement().spec().to_string(), "any(A/B)");
    assert_eq!(rules[1].requirement().spec().to_string(), "all()");
    assert_eq!(Routes::parse(r#"{"routes": []}"#).unwrap().rules().len(), 0);
    assert!(Routes::parse(r#"{"ignore_case": true, "routes": []}"#).unwrap().ignores_case());
    assert!(Routes::parse(r#"{"ignore_suffix": true, "routes": []}"#).unwrap().ignores_suffix());
}

#[test]
fn a_refusal_says_which_route_and_what() {
    for (members, place) in [
        (r#""methods": ["GET"], "require": {"any": []}"#, "missing field `prefix`"),
        (r#""prefix": "/a", "require": {"any": []}"#, "missing field `methods`"),
        (r#""prefix": "/a", "methods": ["GET"]"#, "missing field `require`"),
        (r#""prefix": "/a", "methods": ["GET"], "require": null"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": "any""#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": {}"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": []"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": null}"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"none": []}"#, "unknown variant `none`"),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": [], "all": []}"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": [], "any": []}"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "x": 1"#, "unknown field `x`"),
        (r#""prefix": "/a", "prefix": "/a", "methods": ["GET"], "require": {"any": []}"#, "duplicate field `prefix`"),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "entitlement": ""#, "routes[1]: "),
        (r#""prefix": "/a", "methods": [], "require": {"any": []}"#, "routes[1].methods: "),
        (r#""prefix": "/a", "methods": "GET", "require": {"any": []}"#, "routes[1]: "),
        (r#""prefix": "/a", "methods": [""], "require": {"any": []}"#, "routes[1].methods: "),
        (r#""prefix": "/a", "methods": ["GE T"], "require": {"any": []}"#, "routes[1].methods: "),
        (r#""prefix": "/a", "methods": ["*", "GET"], "require": {"any": []}"#, "routes[1].methods: "),
        (r#""prefix": "/a", "methods": ["*", "*"], "require": {"any": []}"#, "routes[1].methods: "),
        (r#""prefix": "/a", "methods": ["GET", "GET"], "require": {"any": []}"#, "routes[1]: GET /a stands already in"),
        (r#""prefix": "/ok", "methods": ["POST", "GET"], "require": {"any": []}"#, "stands already in routes[0]"),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "entitlement": """#, "routes[1].entitlement: "),
        (
            r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "entitlement": "A B""#,
            "routes[1].entitlement",
        ),
        (r#""prefix": "/a", "methods": ["GET"], "require": {"any": []}, "\u0000\n": 1"#, "unknown field `??`"),
    ] {
        let (code, detail) = refusal(&with_rule(members));
        assert_eq!(code, Code::InvalidArgument, "{members}");
        assert!(detail.contains(place), "{members}: {detail}");
        assert!(detail.contains("routes[1]") && !detail.chars().any(char::is_control), "{members}: {detail}");
    }
    let bad_level = with_rule(r#""prefix": "/a", "methods": ["GET"], "require": {"all": ["A", "b//c"]}"#);
    assert_eq!(refusal(&bad_level), (Code::InvalidLevel, "routes[1].require".to_owned()));
}

#[test]
fn texts_have_a_longest_length() {
    let long = |length: usize| "a".repeat(length);
    let parse = |prefix: &str, entitlement: &str| {
        Routes::parse(&with_rule(&format!(
            r#""prefix": "{prefix}", "methods": ["GET"], "require": {{"any": []}}, "entitlement": "{entitlement}""#
        )))
        .is_ok()
    };
    let prefix = |length: usize| format!("/{}", long(length - 1));
    assert!(parse(&prefix(8192), &long(128)));
    for more in [1, 2] {
        assert!(!parse(&prefix(8192 + more), "MFA"));
        assert!(!parse("/a", &long(128 + more)));
    }
}

#[test]
fn a_prefix_is_whole_segments_of_unreserved_characters() {
    for bad in [
        "",
        "a",
        "a/b",
        "//",
        "/a/",
        "/a//b",
        "/.",
        "/..",
        "/a/./b",
        "/a/..",
        "/a b",
        "/%61",
        "/a%20b",
        "/a;b",
        "/a?b",
        "/a#b",
        "/a\\\\b",
        "/a:b",
        "/*",
        "/{id}",
        "/\u{e9}",
        "/a\\u0000",
        "http://h/a",
    ] {
        let (code, detail) =
            refusal(&with_rule(&format!(r#""prefix": "{bad}", "methods": ["GET"], "require": {{"any": []}}"#)));
        assert_eq!(code, Code::InvalidArgument, "{bad}");
        assert!(detail.starts_with("routes[1].prefix: "), "{bad}: {detail}");
    }
    for good in ["/", "/a", "/A-b.c_d~0", "/.well-known", "/..."] {
        table(&[&format!("GET {good} A")]);
    }
}

#[test]
fn what_is_no_table_at_all_is_refused() {
    for bad in [
        "",
        "null",
        "[]",
        "[false, []]",
        "{}",
        r#"{"routes": {}}"#,
        r#"{"routes": null}"#,
        r#"{"routes": [[]]}"#,
        r#"{"routes": [["/a", ["GET"], {"any": []}, null]]}"#,
        r#"{"routes": [], "routes": []}"#,
        r#"{"routes": [], "ignore_case": null}"#,
        r#"{"routes": [], "ignore_case": 1}"#,
        r#"{"routes": [], "ignore_suffix": "yes"}"#,
        r#"{"ignore_suffix": true, "routes": [], "ignore_suffix": true}"#,
        r#"{"routes": [], "ignore_case": true, "ignore_case": false}"#,
        r#"{"routes": [], "Ignore_case": true}"#,
        r#"{"routes": []} x"#,
        r#"{"routes": []"#,
        "\u{feff}{\"routes\": []}",
    ] {
        assert_eq!(refusal(bad).0, Code::InvalidArgument, "{bad}");
    }
}

/// Whoever folds case must not find two rules for one request.
#[test]
fn prefixes_that_differ_in_case_alone_are_one_where_case_is_ignored() {
    let rules = r#"[{"prefix": "/a", "methods": ["GET"], "require": {"any": []}},
                    {"prefix": "/A", "methods": ["GET"], "require": {"any": []}}]"#;
    assert!(Routes::parse(&format!(r#"{{"routes": {rules}}}"#)).is_ok());
    let (code, detail) = refusal(&format!(r#"{{"ignore_case": true, "routes": {rules}}}"#));
    assert_eq!((code, detail.as_str()), (Code::InvalidArgument, "routes[1]: GET /A stands already in routes[0]"));
}

#[test]
fn a_table_is_bounded() {
    let rule = |at: usize| format!(r#"{{"prefix":"/{at}","methods":["GET"],"require":{{"any":["L/{at}"]}}}}"#);
    let of = |count: usize| format!(r#"{{"routes":[{}]}}"#, (0..count).map(rule).collect::<Vec<_>>().join(","));
    assert_eq!(Routes::parse(&of(10_000)).unwrap().rules().len(), 10_000);
    assert!(refusal(&of(10_001)).1.contains("more than 10000 routes"));
    let mut long = r#"{"routes":[]}"#.to_owned();
    long.push_str(&" ".repeat(super::super::MAX_TABLE_BYTES - long.len()));
    assert!(Routes::parse(&long).is_ok());
    long.push(' ');
    assert!(refusal(&long).1.contains("1 MiB"));
    assert_eq!(refusal(&"[".repeat(100_000)).0, Code::InvalidArgument);
}

proptest! {
    /// Whatever the bytes, a table or a refusal with a detail that is safe to print.
    #[test]
    fn nothing_panics(text in ".{0,200}", cut in 0_usize..400, flip in any::<(usize, char)>()) {
        let whole = with_rule(r#""prefix": "/a/b", "methods": ["GET", "PUT"], "require": {"all": ["A"]}, "entitlement": "MFA""#);
        let mut changed: Vec<char> = whole.chars().collect();
        let at = flip.0 % changed.len();
        changed[at] = flip.1;
        let changed: String = changed.into_iter().collect();
        let cut: String = whole.chars().take(cut).collect();
        for json in [text, changed, cut, whole] {
            if let Err(error) = Routes::parse(&json) {
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }
}

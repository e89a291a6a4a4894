//! Which rule decides.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{InspireAuth, Options, StoreLocation};

const DENIED: Result<&str, Code> = Err(Code::RouteDenied);

#[test]
fn the_longest_prefix_of_whole_segments_decides() {
    let routes = table(&["GET /data A", "GET /data/api/v1 B", "GET /data/api/v1/resources/a.b C", "GET /open D"]);
    for (path, prefix) in [
        ("/data", Ok("/data")),
        ("/data/", Ok("/data")),
        ("/data?x=/data/api/v1", Ok("/data")),
        ("/data/api", Ok("/data")),
        ("/data/api/v10", Ok("/data")),
        ("/data/api/v1", Ok("/data/api/v1")),
        ("/data/api/v1/", Ok("/data/api/v1")),
        ("/data/api/v1/resources", Ok("/data/api/v1")),
        ("/data/api/v1/resources/a.b/c", Ok("/data/api/v1/resources/a.b")),
        ("/data/api/v1/resources/a-b", Ok("/data/api/v1")),
        ("/data/%E2%82%AC", Ok("/data")),
        ("/data%20", DENIED),
        ("/database", DENIED),
        ("/dat", DENIED),
        ("/DATA", DENIED),
        ("/", DENIED),
        ("/open", Ok("/open")),
    ] {
        assert_eq!(found(&routes, "GET", path), prefix, "{path}");
    }
}

/// A method that the longest prefix does not list is denied, even if a shorter one lists it.
#[test]
fn a_shorter_prefix_does_not_help_out() {
    let routes = table(&[
        "*  / A".replace("  ", " ").as_str(),
        "GET,HEAD /a B",
        "POST /a C",
        "PUT /a/b D",
        "* /c E",
        "GET /c F",
    ]);
    for (method, path, prefix) in [
        ("DELETE", "/", Ok("/")),
        ("DELETE", "/x", Ok("/")),
        ("GET", "/a", Ok("/a")),
        ("HEAD", "/a", Ok("/a")),
        ("POST", "/a/x", Ok("/a")),
        ("DELETE", "/a", DENIED),
        ("GET", "/a/b", DENIED),
        ("PUT", "/a/b", Ok("/a/b")),
        ("get", "/a", DENIED),
        ("*", "/a", DENIED),
        ("", "/", DENIED),
        ("GE T", "/", DENIED),
        ("GET\0", "/", DENIED),
        ("M-SEARCH", "/", Ok("/")),
    ] {
        assert_eq!(found(&routes, method, path), prefix, "{method} {path}");
    }
    let requirement = |method| routes.find(method, b"/c").unwrap().requirement().spec().to_string();
    assert_eq!((requirement("GET"), requirement("POST")), ("any(F)".to_owned(), "any(E)".to_owned()));
}

#[test]
fn the_root_covers_everything_and_an_empty_table_nothing() {
    let routes = table(&["* / A"]);
    for path in ["/", "/a", "/a/b/", "/?", "/%20"] {
        assert_eq!(found(&routes, "GET", path), Ok("/"), "{path}");
    }
    assert_eq!(found(&table(&[]), "GET", "/"), DENIED);
    assert_eq!(found(&table(&["GET /a A"]), "GET", "/"), DENIED);
}

/// Express lower-cases: there, `/Admin` is `/admin`, and a table that does not say so would find the shorter prefix.
#[test]
fn a_host_that_ignores_case_says_so() {
    let rules = ["GET / Public", "GET /Admin/api A"];
    assert_eq!(found(&table(&rules), "GET", "/ADMIN/api/x"), Ok("/"));
    let routes = table_that(true, &rules);
    for path in ["/admin/api", "/ADMIN/API/x", "/Admin/Api/"] {
        assert_eq!(found(&routes, "GET", path), Ok("/Admin/api"), "{path}");
    }
    assert_eq!(found(&routes, "get", "/admin/api"), DENIED);
    assert_eq!(found(&routes, "GET", "/%E2%84%AA"), Err(Code::PathNotCanonical));
}

/// Django REST Framework adds `users.<format>` to `users`, and Connect ends a mount at a dot: a table that does not say so
/// would find the shorter prefix.
#[test]
fn a_host_that_ignores_suffixes_says_so() {
    let rules = ["GET / Public", "GET /api Public", "GET /api/users A", "PUT /api/users/a.b B"];
    assert_eq!(found(&table(&rules), "GET", "/api/users.json"), Ok("/api"));
    let routes = table_with(true, true, &rules);
    for (path, prefix) in [
        ("/api/users", Ok("/api/users")),
        ("/api/users.json", Ok("/api/users")),
        ("/api/USERS.json/", Ok("/api/users")),
        ("/api/users.", Ok("/api/users")),
        ("/api/users.a.b/x", Ok("/api/users")),
        ("/api.x/users.y/z", Ok("/api/users")),
        ("/api/users/a.bc", Ok("/api/users")),
        ("/api/users/a.b", DENIED),
        ("/api/users/a.b.c", DENIED),
        ("/api.json?x", Ok("/api")),
        ("/api/.users", Ok("/api")),
        ("/api/user.s", Ok("/api")),
        ("/api/users-x.json", Ok("/api")),
        ("/.api", Ok("/")),
        ("/api/users%2Ejson", Err(Code::PathNotCanonical)),
    ] {
        assert_eq!(found(&routes, "GET", path), prefix, "{path}");
    }
}

/// The closest prefix is the one that all others cover; a handler of another is not reached by way of it.
#[test]
fn of_two_prefixes_that_fit_the_closer_one_decides() {
    let with = |rules: &[&str]| table_with(false, true, rules);
    let routes = with(&["GET / Public", "GET /a A", "GET /a.b Public", "GET /a.c/d Public"]);
    for (path, prefix) in [
        ("/a.b", Ok("/a.b")),
        ("/a.b.x", Ok("/a.b")),
        ("/a.bx", Ok("/a")),
        ("/a.c", Ok("/a")),
        ("/a.c/e", Ok("/a")),
        ("/a.c/d.e", Ok("/a.c/d")),
    ] {
        assert_eq!(found(&routes, "GET", path), prefix, "{path}");
    }
    let routes = with(&["GET /a.b Public", "GET /a/x A"]);
    assert_eq!(found(&routes, "GET", "/a.b/x"), DENIED);
    assert_eq!(found(&routes, "GET", "/a.b/y"), Ok("/a.b"));
    assert_eq!(found(&routes, "GET", "/a.c/x"), Ok("/a/x"));
    // One that both cover decides between them.
    assert_eq!(found(&with(&["GET /a.b A", "GET /a/x A", "GET /a.b/x B"]), "GET", "/a.b/x"), Ok("/a.b/x"));
}

#[test]
fn a_path_with_two_readings_is_refused_whatever_the_table_says() {
    let routes = table(&["* / Public", "* /admin A"]);
    for path in ["//admin", "/./admin", "/x/../admin", "/%61dmin", "/admin%2Fx", "/admin;x", "/x/%2e%2e/admin", "*", ""]
    {
        assert_eq!(found(&routes, "GET", path), Err(Code::PathNotCanonical), "{path}");
    }
    // A path is judged before the method.
    assert_eq!(found(&routes, "", "//"), Err(Code::PathNotCanonical));
}

/// A denial reaches the audit, without the query, which may hold a secret, and without a byte that could end a line.
#[test]
fn a_denied_route_is_audited() {
    let auth = InspireAuth::open(Options::new(StoreLocation::Memory)).unwrap();
    let routes = table(&["GET /a A"]);
    let code = |method: &str, path: &[u8]| auth.route(&routes, method, path).err().map(|error| error.code());
    assert_eq!(code("GET", b"/a/b?token=x"), None);
    assert_eq!(code("PUT", b"/a/b?token=x"), Some(Code::RouteDenied));
    assert_eq!(code("GET\n", b"/\x1b[2J\r\n\xc3"), Some(Code::PathNotCanonical));
    assert_eq!(code("GET", &b"/b".repeat(1000)), Some(Code::RouteDenied));
    let events = auth.audit(10).unwrap();
    let said: Vec<_> = events.iter().rev().map(|e| (e.event.as_str(), e.subject.as_str(), e.code)).collect();
    let long = format!("GET {}", "/b".repeat(98));
    assert_eq!(
        said,
        [
            ("route.denied", "PUT /a/b", Code::RouteDenied),
            ("route.denied", "GET? /?[2J???", Code::PathNotCanonical),
            ("route.denied", long.as_str(), Code::RouteDenied),
        ]
    );
    assert!(events.iter().all(|event| event.actor.is_empty() && !event.detail.is_empty()));
}

/// What the manual says, done slowly: of all rules whose prefix is one of the path, those of the longest; of these the
/// one that lists the method, else the one of `*`. With suffixes the longest is the one that all others cover.
fn oracle(
    rules: &[(String, Vec<&'static str>)],
    ignore_case: bool,
    ignore_suffix: bool,
    method: &str,
    path: &str,
) -> Option<usize> {
    let fold = |text: &str| if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let segments =
        |text: &str| -> Vec<String> { fold(text).split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect() };
    let path = segments(path.split('?').next().unwrap());
    let fits =
        |ours: &String, theirs: &String| theirs == ours || (ignore_suffix && theirs.starts_with(&format!("{ours}.")));
    let covers = |prefix: &[String], path: &[String]| {
        prefix.len() <= path.len() && prefix.iter().zip(path).all(|(ours, theirs)| fits(ours, theirs))
    };
    let covering: Vec<_> = rules.iter().map(|(prefix, _)| segments(prefix)).filter(|p| covers(p, &path)).collect();
    let longest = covering.iter().find(|longest| covering.iter().all(|other| covers(other, longest)))?;
    let of_longest = || rules.iter().enumerate().filter(|(_, (prefix, _))| segments(prefix) == *longest);
    let lists = |wanted: &str| of_longest().find(|(_, (_, methods))| methods.contains(&wanted)).map(|(at, _)| at);
    lists(method).or_else(|| lists("*"))
}

fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "A", "ab", "a.b", "a.", "a.b.c", "a-b", "a~", "_", ".a"])
}

prop_compose! {
    fn a_path(most: usize)(segments in prop::collection::vec(segment(), 0..=most)) -> String {
        format!("/{}", segments.join("/"))
    }
}

proptest! {
    #[test]
    fn look_ups_agree_with_the_manual(
        ignore_case: bool,
        ignore_suffix: bool,
        rules in prop::collection::vec((a_path(4), prop::sample::select(vec!["GET", "PUT", "*"])), 0..24),
        asked in prop::collection::vec((a_path(6), prop::sample::select(vec!["GET", "PUT", "POST"]), prop::sample::select(vec!["", "/", "?x", "/%20"])), 16),
    ) {
        // One rule a prefix and method.
        let fold = |text: &str| if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
        let distinct: BTreeMap<_, _> = rules.into_iter().map(|(prefix, method)| ((fold(&prefix), method), prefix)).collect();
        let rules: Vec<(String, Vec<&str>)> = distinct.into_iter().map(|((_, method), prefix)| (prefix, vec![method])).collect();
        let texts: Vec<String> = rules.iter().map(|(prefix, methods)| format!("{} {prefix} A", methods[0])).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let routes = table_with(ignore_case, ignore_suffix, &texts);
        for (path, method, tail) in asked {
            let path = if path == "/" && tail.starts_with('/') { path } else { format!("{path}{tail}") };
            let expected = oracle(&rules, ignore_case, ignore_suffix, method, &path).and_then(|at| routes.rules().nth(at));
            match (routes.find(method, path.as_bytes()), expected) {
                (Ok(rule), Some(expected)) => prop_assert!(std::ptr::eq(rule, expected), "{} {}", method, path),
                (Err(error), None) => prop_assert_eq!(error.code(), Code::RouteDenied),
                (found, expected) => prop_assert!(false, "{} {}: {:?} {:?}", method, path, found, expected),
            }
        }
    }

    #[test]
    fn nothing_panics(method in ".{0,8}", path in prop::collection::vec(any::<u8>(), 0..40), slash: bool, ignore_case: bool, ignore_suffix: bool) {
        let routes = table_with(ignore_case, ignore_suffix, &["* / A", "GET /a B", "GET /a/b C"]);
        let path = if slash { [b"/".as_slice(), &path].concat() } else { path };
        let _ = routes.find(&method, &path);
    }
}

//! Finding a route, or finding none, allocates nothing: every request of a host does it, the ones of an attacker too.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "a counting allocator is one")]

mod allocations;

use allocations::allocations;
use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::{Presented, Request, Requirement},
    routes::Routes,
};

#[test]
fn finding_a_route_allocates_nothing() {
    let rule =
        |at: usize| format!(r#"{{"prefix": "/Data/{at}/x", "methods": ["GET", "PUT"], "require": {{"any": ["A"]}}}}"#);
    let rules = (0..1000).map(rule).collect::<Vec<_>>().join(",");
    let long = format!("/data/5/x/{}", "%20/".repeat(2000));
    for (ignore_case, ignore_suffix) in [(false, false), (true, false), (false, true), (true, true)] {
        let said = format!(r#""ignore_case": {ignore_case}, "ignore_suffix": {ignore_suffix}"#);
        let routes = Routes::parse(&format!(r#"{{{said}, "routes": [{rules}]}}"#)).unwrap();
        let asked = [
            ("GET", "/Data/500/x/y?z"),
            ("POST", "/Data/500/x"),
            ("GET", "/elsewhere"),
            ("GET", "/Data//x"),
            ("GET", long.as_str()),
            ("GET", "/Data.a/500.b.c/x."),
        ];
        let mut codes = [Code::Ok; 6];
        let count = allocations(|| {
            for (code, (method, path)) in codes.iter_mut().zip(asked) {
                *code = routes.find(method, path.as_bytes()).map_or_else(|error| error.code(), |_| Code::Ok);
            }
        });
        assert_eq!(count, 0);
        let last = if ignore_case { Code::Ok } else { Code::RouteDenied };
        let suffixed = if ignore_suffix { Code::Ok } else { Code::RouteDenied };
        assert_eq!(codes, [Code::Ok, Code::RouteDenied, Code::RouteDenied, Code::PathNotCanonical, last, suffixed]);
    }
}

/// A flood: what the audit has no room for is counted, and nothing is made of it.
#[test]
fn a_refusal_that_is_not_noted_allocates_nothing() {
    let auth = InspireAuth::open(Options::new(StoreLocation::Memory)).unwrap();
    let routes = Routes::parse(r#"{"routes": []}"#).unwrap();
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let request = Request::new(Presented::Authorization(b"Bearer nobody:x"), &any);
    let dropped = || {
        let text = auth.metrics_text();
        let line = text.lines().find_map(|line| line.strip_prefix("inspire_audit_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let asks: [&dyn Fn() -> Code; 2] = [&|| auth.route(&routes, "GET", b"/nowhere").unwrap_err().code(), &|| {
        auth.authenticate(&request).unwrap_err().code()
    }];
    for (ask, code) in asks.into_iter().zip([Code::RouteDenied, Code::InvalidCredential]) {
        // What was noted is written once a second: there is room again then, for a while.
        loop {
            let (before, mut silent) = (dropped(), 0);
            for _ in 0..3000 {
                let mut answer = Code::Ok;
                silent += u64::from(allocations(|| answer = ask()) == 0);
                assert_eq!(answer, code);
            }
            let unnoted = dropped() - before;
            assert_eq!(silent, unnoted, "{code:?}");
            if unnoted > 0 {
                break;
            }
        }
    }
}

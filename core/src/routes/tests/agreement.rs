//! The dry run agrees with the real one, and leaves no trace.

use proptest::prelude::*;

use super::*;
use crate::{
    HashParameters, InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, Created, Presented, Principal, Request},
    options::Enforcement,
};

/// One table for all: rules of every sort under prefixes that cover each other.
fn routes() -> Routes {
    table(&[
        "GET / Public",
        "GET /auth Authenticated",
        "GET,PUT /ops Ops/Write",
        "* /ops/read Ops",
        "GET /empty -",
        "GET /video Authenticated VIDEO_WALL_SYNC",
        "GET /open/video Public MFA",
        "DELETE /ops/read Admin MFA",
    ])
}

struct Keys {
    auth: InspireAuth,
    created: Vec<Created>,
}

/// Keys of every state, at second 1000. Unlicensed.
fn keys(enforcement: Enforcement, local_is_secure: bool) -> Keys {
    let mut options = Options::new(StoreLocation::Memory);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.enforcement = enforcement;
    options.local_is_secure = local_is_secure;
    let auth = InspireAuth::open(options).unwrap();
    let mut created = Vec::new();
    for (name, levels, enabled, require_secure, expires_at) in [
        ("plain", vec![], true, false, None),
        ("writer", vec!["Ops/Write"], true, true, None),
        ("reader", vec!["Ops"], true, false, None),
        ("admin", vec!["Admin", "Ops/Write"], true, true, Some(5000)),
        ("disabled", vec!["Ops/Write"], false, true, None),
        ("expired", vec!["Ops/Write"], true, true, Some(1500)),
    ] {
        let mut key = crate::keys::NewKey::named(name);
        key.levels = levels.into_iter().map(str::to_owned).collect();
        (key.enabled, key.require_secure, key.expires_at) = (enabled, require_secure, expires_at);
        created.push(auth.keys().create(&key, &Caller::system().at(1000)).unwrap());
    }
    // Two secrets each: the old one is good until second 1500, or can't be checked.
    for (name, hash) in [("both", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg"), ("unchecked", "")]
    {
        let mut key = crate::keys::NewKey::named(name);
        key.levels = vec!["Ops/Write".to_owned()];
        let created_at = Caller::system().at(1000);
        if name == "both" {
            let format = crate::keys::ImportFormat::Phc;
            let strength = crate::store::Strength::Chosen;
            let import = crate::keys::Import { key, format, hash: hash.to_owned(), strength };
            auth.keys().import(&import, &created_at).unwrap();
        } else {
            auth.keys().create(&key, &created_at).unwrap();
        }
        let new = auth.keys().rotate(name, 499, None, &Caller::system().at(1001)).unwrap();
        if name == "unchecked" {
            let spoil = |tx: &mut dyn crate::store::Transaction| {
                let mut row = tx.key_by_id(new.record.id)?.unwrap();
                let old = row.credentials.iter_mut().find(|row| row.not_after.is_some()).unwrap();
                (old.tag_key_id, old.tag, old.pepper_id) = (None, None, Some("gone".to_owned()));
                tx.update_credential(old)
            };
            auth.store().write(&mut |tx| spoil(tx)).unwrap();
        }
        created.push(new);
    }
    Keys { auth, created }
}

/// A real request: the route, then the credential.
fn ask(
    auth: &InspireAuth,
    routes: &Routes,
    created: Option<&Created>,
    (method, path): (&str, &str),
    channel: Channel,
    now: i64,
) -> Result<Principal, crate::Error> {
    let rule = auth.route(routes, method, path.as_bytes())?;
    let value = created.map(|created| format!("Bearer {}", created.credential().as_str()));
    let headers: Vec<(&[u8], &[u8])> = value.iter().map(|v| (&b"Authorization"[..], v.as_bytes())).collect();
    let mut request = Request::new(Presented::Headers(&headers), rule.requirement());
    request.channel = channel;
    request.entitlement = rule.entitlement();
    request.now = Some(now);
    auth.authenticate(&request)
}

const PATHS: [&str; 14] = [
    "/",
    "/auth",
    "/auth/x?y",
    "/ops",
    "/ops/x",
    "/ops/read",
    "/ops/read/",
    "/ops/reader",
    "/empty",
    "/video",
    "/open/video",
    "//",
    "/ops/%2e%2e",
    "/ops/%20",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_dry_run_answers_what_a_real_request_gets(
        enforcement in prop::sample::select(vec![Enforcement::Strict, Enforcement::Warn, Enforcement::ReportOnly]),
        local_is_secure: bool,
        asked in prop::collection::vec((
            prop::option::of(0_usize..8),
            prop::sample::select(vec!["GET", "PUT", "DELETE", "POST", "get", ""]),
            prop::sample::select(PATHS.to_vec()),
            prop::sample::select(vec![Channel::Plain, Channel::Secure, Channel::Local]),
            prop::sample::select(vec![1000_i64, 1499, 1500, 4999, 5000]),
        ), 64),
    ) {
        let (keys, routes) = (keys(enforcement, local_is_secure), routes());
        for (key, method, path, channel, now) in asked {
            let created = key.map(|at| &keys.created[at]);
            let name = created.map(|created| created.record.name.as_str());
            let dry = keys.auth.would_allow(&routes, name, method, path.as_bytes(), channel, Some(now)).unwrap();
            let real = ask(&keys.auth, &routes, created, (method, path), channel, now);
            let code = real.as_ref().map_or_else(crate::Error::code, |_| Code::Ok);
            prop_assert_eq!(dry.code, code, "{:?} {} {}: {}", name, method, path, dry.reason);
            let rule = routes.find(method, path.as_bytes()).ok();
            prop_assert_eq!(dry.rule.as_ref().map(|(prefix, _)| prefix.as_str()), rule.map(Rule::prefix));
            prop_assert_eq!(dry.missing.is_empty(), dry.code != Code::InsufficientLevel || path == "/empty");
            prop_assert!(!dry.reason.is_empty());
            if let Ok(principal) = real {
                let again = keys.auth.explain_route(&routes, &principal, method, path.as_bytes(), Some(now)).unwrap();
                prop_assert_eq!(again.code, Code::Ok);
                // The same caller on another way: what a request with its key would get there.
                for other in PATHS {
                    let explained = keys.auth.explain_route(&routes, &principal, "GET", other.as_bytes(), Some(now)).unwrap();
                    let dry = keys.auth.would_allow(&routes, name, "GET", other.as_bytes(), channel, Some(now)).unwrap();
                    prop_assert_eq!((explained.code, explained.missing), (dry.code, dry.missing));
                }
            }
        }
    }
}

#[test]
fn an_explanation_names_the_rule_the_levels_and_the_reason() {
    let (keys, routes) = (keys(Enforcement::Strict, false), routes());
    let explain = |name: Option<&str>, method: &str, path: &str| {
        keys.auth.would_allow(&routes, name, method, path.as_bytes(), Channel::Secure, Some(1000)).unwrap()
    };
    let denied = explain(Some("reader"), "PUT", "/ops/x");
    assert_eq!(denied.code, Code::InsufficientLevel);
    assert_eq!(denied.rule, Some(("/ops".to_owned(), vec!["GET".to_owned(), "PUT".to_owned()])));
    assert_eq!(denied.missing, ["Ops/Write"]);
    assert_eq!(denied.to_string(), "GET, PUT /ops: it lacks Ops/Write of any(Ops/Write)");
    for (name, method, path, clause) in [
        (None, "GET", "/auth", "a credential is needed: any(Authenticated)"),
        (Some("disabled"), "GET", "/auth", "it is disabled"),
        (Some("reader"), "GET", "/empty", "the requirement is empty"),
        (Some("reader"), "GET", "/video", "the license does not give VIDEO_WALL_SYNC"),
        (Some("reader"), "POST", "/ops", "the longest prefix, /ops, does not list the method"),
        (Some("reader"), "GET", "//", "empty segment"),
    ] {
        let explained = explain(name, method, path);
        assert!(explained.reason.contains(clause), "{explained}");
    }
    let unknown = keys.auth.would_allow(&routes, Some("nobody"), "GET", b"//", Channel::Secure, None);
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_dry_run_notes_nothing() {
    let (keys, routes) = (keys(Enforcement::ReportOnly, false), routes());
    let before = (keys.auth.audit(1000).unwrap(), keys.auth.metrics_text(), keys.auth.keys().export().unwrap());
    let real = ask(&keys.auth, &routes, Some(&keys.created[0]), ("GET", "/auth"), Channel::Secure, 1000).unwrap();
    let used = (keys.auth.metrics_text(), keys.auth.keys().export().unwrap());
    for path in PATHS {
        for name in [None, Some("plain"), Some("writer"), Some("disabled"), Some("expired")] {
            keys.auth.would_allow(&routes, name, "GET", path.as_bytes(), Channel::Plain, Some(9000)).unwrap();
        }
        keys.auth.explain_route(&routes, &real, "GET", path.as_bytes(), Some(9000)).unwrap();
    }
    assert_eq!(keys.auth.audit(1000).unwrap(), before.0);
    assert_eq!((keys.auth.metrics_text(), keys.auth.keys().export().unwrap()), used);
}

/// A key whose stored hash no secret can match, and one whose secrets are all over, are refused in the dry run too.
#[test]
fn a_key_that_no_secret_opens_is_refused() {
    let (keys, routes) = (keys(Enforcement::Strict, false), routes());
    let code = |now| {
        let dry = keys.auth.would_allow(&routes, Some("plain"), "GET", b"/auth", Channel::Secure, Some(now)).unwrap();
        let real = ask(&keys.auth, &routes, Some(&keys.created[0]), ("GET", "/auth"), Channel::Secure, now);
        assert_eq!(dry.code, real.map_or_else(|error| error.code(), |_| Code::Ok), "{dry}");
        (dry.code, dry.reason)
    };
    assert_eq!(code(1000).0, Code::Ok);
    let change = |change: &dyn Fn(&mut crate::store::CredentialRow)| {
        let id = keys.auth.keys().get("plain").unwrap().id;
        keys.auth
            .store()
            .write(&mut |tx| {
                let mut row = tx.key_by_id(id)?.unwrap();
                change(&mut row.credentials[0]);
                tx.update_credential(&row.credentials[0])
            })
            .unwrap();
    };
    change(&|row| row.not_after = Some(2000));
    assert_eq!((code(1999).0, code(2000).0), (Code::Ok, Code::InvalidCredential));
    change(&|row| row.hash = "$argon2id$nothing".to_owned());
    assert!(code(1000).1.contains("its hash can't be read"));
    change(&|row| row.pepper_id = Some("gone".to_owned()));
    assert!(code(1000).1.contains("its pepper is not configured"));
}

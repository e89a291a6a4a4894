//! One request after another: what is granted, what is refused, with which answer.

use super::*;
use crate::{
    error::Error,
    keys::{KeyUpdate, authenticate::Progress},
    options::LevelMode,
};

#[test]
fn a_right_secret_is_granted_cold_and_warm() {
    let auth = open();
    let created = create(&auth, "reporting", &["Authenticated/Ops/Write"]);
    for _ in 0..3 {
        let principal = ask_for(&auth, &created.credential(), "Authenticated/Ops").unwrap();
        assert_eq!(principal.name(), Some("reporting"));
        assert_eq!(principal.id(), created.record.id);
        assert_eq!(principal.revision(), 1);
        assert_eq!(auth.principal_levels(&principal).unwrap(), ["Authenticated", "Authenticated/Ops/Write"]);
    }
    assert!(ask(&auth, &created.rfc6750_credential()).is_ok());
    let legacy = created.credential();
    let any = requirement("Authenticated");
    let mut request = Request::new(Presented::Legacy(legacy.as_bytes()), &any);
    request.channel = Channel::Secure;
    assert!(auth.authenticate(&request).is_ok());
}

/// The quick way refuses it before; the slow one does not count on that.
#[test]
fn what_is_malformed_is_refused_by_the_slow_way_too() {
    let auth = open();
    let public = requirement("Public");
    for presented in [Presented::Legacy(b"no colon"), Presented::Legacy(b"")] {
        let mut request = Request::new(presented, &public);
        request.channel = Channel::Secure;
        let Progress::Decided(Err(denied)) = auth.inner.begin(&request) else { panic!("it was not refused") };
        assert_eq!(Error::from(denied).code(), Code::MalformedCredential);
    }
}

/// T2: what is remembered is the right secret, not that the name once had one.
#[test]
fn a_warm_key_refuses_a_wrong_secret() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    ask(&auth, &created.credential()).unwrap();
    assert_eq!(code(ask(&auth, &wrong(&created))), Code::InvalidCredential);
    ask(&auth, &created.credential()).unwrap();
}

/// T1, T11: no byte of the secret or the name is left out, at any length of name, and case counts.
#[test]
fn every_byte_of_name_and_secret_counts() {
    let auth = open();
    for length in 1..=64 {
        let name = "n".repeat(length);
        let created = create(&auth, &name, &[]);
        ask(&auth, &created.credential()).unwrap();
        let mut key = created.key.to_string();
        key.pop();
        for last in ['0', 'z'] {
            if !created.key.ends_with(last) {
                assert_eq!(code(ask(&auth, &format!("{name}:{key}{last}"))), Code::InvalidCredential);
            }
        }
        assert_eq!(code(ask(&auth, &format!("{}:{}", name.to_uppercase(), *created.key))), Code::InvalidCredential);
        let swapped: String =
            created.key.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
        assert_eq!(code(ask(&auth, &format!("{name}:{swapped}"))), Code::InvalidCredential);
    }
}

/// T3, T39: every state that is not good denies; unknown, wrong, disabled and expired show the caller one answer.
#[test]
fn a_refused_credential_does_not_say_why() {
    let auth = open();
    let live = create(&auth, "live", &[]);
    let disabled = create(&auth, "disabled", &[]);
    auth.keys().set_enabled("disabled", false, None, &Caller::system()).unwrap();
    let expired = create(&auth, "expired", &[]);
    let past = KeyUpdate { expires_at: Some(Some(1)), ..KeyUpdate::default() };
    auth.keys().update("expired", 1, &past, &Caller::system()).unwrap();
    let refusals = [
        ask(&auth, &wrong(&live)),
        ask(&auth, "nobody:isk_x"),
        ask(&auth, "nobody:secret"),
        ask(&auth, "live:secret"),
        ask(&auth, &disabled.credential()),
        ask(&auth, &wrong(&disabled)),
        ask(&auth, &expired.credential()),
        ask(&auth, &wrong(&expired)),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.code(), Code::InvalidCredential);
        assert_eq!(error.detail(), None);
    }
    // The exact reason is the audit's.
    let reasons: Vec<String> = auth.audit(100).unwrap().into_iter().map(|event| event.detail).collect();
    for reason in ["it is disabled", "it has expired", "there is no key of this name", "the secret is wrong"] {
        assert!(reasons.iter().any(|r| r == reason), "{reason} in {reasons:?}");
    }
}

#[test]
fn expiry_is_past_at_its_second() {
    let auth = open();
    let mut key = NewKey::named("k");
    key.expires_at = Some(1000);
    let created = auth.keys().create(&key, &Caller::system().at(10)).unwrap();
    let value = format!("Bearer {}", created.credential().as_str());
    let any = requirement("Authenticated");
    let at = |now| {
        let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
        request.channel = Channel::Secure;
        request.now = Some(now);
        code(auth.authenticate(&request))
    };
    assert_eq!(
        (at(999), at(1000), at(1001), at(999)),
        (Code::Ok, Code::InvalidCredential, Code::InvalidCredential, Code::Ok)
    );
}

/// T26: the channel is what the host says, never what a header says.
#[test]
fn a_secure_only_key_needs_a_secure_channel() {
    let mut local = options(StoreLocation::Memory);
    local.local_is_secure = true;
    for (auth, local_code) in [(open(), Code::SecureChannelRequired), (InspireAuth::open(local).unwrap(), Code::Ok)] {
        let created = create(&auth, "k", &[]);
        let value = format!("Bearer {}", created.credential().as_str());
        let any = requirement("Authenticated");
        let over = |channel| {
            let headers: [(&[u8], &[u8]); 3] = [
                (b"X-Forwarded-Proto", b"https"),
                (b"Forwarded", b"proto=https"),
                (b"Authorization", value.as_bytes()),
            ];
            let mut request = Request::new(Presented::Headers(&headers), &any);
            request.channel = channel;
            code(auth.authenticate(&request))
        };
        assert_eq!(over(Channel::Plain), Code::SecureChannelRequired);
        assert_eq!(over(Channel::Secure), Code::Ok);
        assert_eq!(over(Channel::Local), local_code);
        assert!(auth.audit(10).unwrap().iter().any(|event| event.event == "key.exposed" && event.subject == "k"));
        let update = KeyUpdate { require_secure: Some(false), ..KeyUpdate::default() };
        auth.keys().update("k", 1, &update, &Caller::system()).unwrap();
        assert_eq!(over(Channel::Plain), Code::Ok);
    }
    // A wrong secret learns nothing about the channel.
    let auth = open();
    create(&auth, "k", &[]);
    let any = requirement("Authenticated");
    assert_eq!(
        code(auth.authenticate(&Request::new(Presented::Authorization(b"Bearer k:wrong"), &any))),
        Code::InvalidCredential
    );
}

/// T27: what carries a credential here must not be forwarded, whatever was decided.
#[test]
fn the_headers_to_strip_are_the_ones_that_are_read() {
    let mut options = options(StoreLocation::Memory);
    options.extra_headers = vec!["X-Api-Key".to_owned()];
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &[]);
    let (bare, any) = (created.credential(), requirement("Authenticated"));
    let bearer = format!("Bearer {}", bare.as_str());
    let names: Vec<&str> = auth.credential_headers().collect();
    assert_eq!(names, ["Authorization", "X-Ignition-API-Token", "X-Api-Key"]);
    for name in names {
        let value = if name == "Authorization" { bearer.as_bytes() } else { bare.as_bytes() };
        let headers: [(&[u8], &[u8]); 1] = [(name.as_bytes(), value)];
        let mut request = Request::new(Presented::Headers(&headers), &any);
        request.channel = Channel::Secure;
        assert_eq!(code(auth.authenticate(&request)), Code::Ok, "{name}");
    }
}

#[test]
fn a_missing_level_is_named_to_the_host() {
    let auth = open();
    let created = create(&auth, "k", &["Authenticated/A"]);
    let error = ask_for(&auth, &created.credential(), "all(Authenticated/A, Authenticated/B)").unwrap_err();
    assert_eq!(error.code(), Code::InsufficientLevel);
    assert_eq!(error.detail(), Some("it lacks Authenticated/B"));
    let principal = ask(&auth, &created.credential()).unwrap();
    assert_eq!(auth.explain(&principal, &requirement("any(X, Y)")).unwrap(), ["X", "Y"]);
    assert!(auth.explain(&principal, &requirement("any(X, Authenticated/A)")).unwrap().is_empty());
    assert_eq!(code(ask_for(&auth, &created.credential(), "any()")), Code::InsufficientLevel);
    assert_eq!(code(ask_for(&auth, &created.credential(), "all()")), Code::InsufficientLevel);
}

#[test]
fn everyone_means_also_without_a_credential_but_not_with_a_bad_one() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let public = requirement("Public");
    let nobody = auth.authenticate(&Request::new(Presented::Headers(&[]), &public)).unwrap();
    assert!(nobody.is_anonymous());
    assert_eq!(nobody.name(), None);
    assert!(auth.principal_levels(&nobody).unwrap().is_empty());
    assert_eq!(ask_for(&auth, &created.credential(), "Public").unwrap().name(), Some("k"));
    assert_eq!(code(ask_for(&auth, &wrong(&created), "Public")), Code::InvalidCredential);
    for text in ["Authenticated", "all(Public, Authenticated)", "any()"] {
        let required = requirement(text);
        let answer = auth.authenticate(&Request::new(Presented::Headers(&[]), &required));
        assert_eq!(code(answer), Code::NoCredential, "{text}");
    }
    // T9: an anonymous principal is no actor.
    let denied = auth.keys().create(&NewKey::named("x"), &Caller::by(&nobody)).unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

/// T38: a 401 always carries a challenge; the table of DESIGN §3.4.
#[test]
fn each_result_has_its_http_answer() {
    let mut options = options(StoreLocation::Memory);
    options.realm = "plant 7".to_owned();
    let auth = InspireAuth::open(options).unwrap();
    for (code, status, challenge) in [
        (Code::Ok, 200, None),
        (Code::NoCredential, 401, Some("Bearer realm=\"plant 7\"")),
        (Code::MalformedCredential, 400, Some("Bearer realm=\"plant 7\", error=\"invalid_request\"")),
        (Code::InvalidCredential, 401, Some("Bearer realm=\"plant 7\", error=\"invalid_token\"")),
        (Code::SecureChannelRequired, 403, None),
        (Code::InsufficientLevel, 403, Some("Bearer realm=\"plant 7\", error=\"insufficient_scope\"")),
        (Code::NotEntitled, 403, None),
        (Code::Unlicensed, 403, None),
        (Code::Busy, 503, None),
        (Code::StoreStale, 503, None),
        (Code::StoreHistoryChanged, 503, None),
        (Code::Internal, 500, None),
        (Code::InvalidName, 500, None),
    ] {
        let answer = auth.http(code);
        assert_eq!((answer.status, answer.challenge), (status, challenge), "{code:?}");
        assert_eq!(answer.retry_after.is_some(), status == 503);
    }
    for entry in crate::TABLE {
        assert!(auth.http(entry.code).status != 401 || auth.http(entry.code).challenge.is_some());
    }
    for realm in ["", "a\"b", "a\\b", "a\r\nb", "ä"] {
        let mut bad = super::options(StoreLocation::Memory);
        bad.realm = realm.to_owned();
        assert_eq!(InspireAuth::open(bad).unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn license_refusals_can_ask_for_payment() {
    let mut options = options(StoreLocation::Memory);
    options.payment_required = true;
    let auth = InspireAuth::open(options).unwrap();
    assert_eq!(auth.http(Code::NotEntitled).status, 402);
    assert_eq!(auth.http(Code::InsufficientLevel).status, 403);
}

/// T5, T7, T40: every change is obeyed by the very next check, here and in another handle.
#[test]
fn every_mutator_is_obeyed_by_the_next_check() {
    type Mutator = fn(&InspireAuth);
    let system = Caller::system();
    let mutators: [(&str, Mutator, Code); 6] = [
        ("delete", |auth| auth.keys().delete("k", None, &Caller::system()).unwrap(), Code::InvalidCredential),
        (
            "disable",
            |auth| drop(auth.keys().set_enabled("k", false, None, &Caller::system()).unwrap()),
            Code::InvalidCredential,
        ),
        (
            "rename",
            |auth| drop(auth.keys().rename("k", "k2", None, &Caller::system()).unwrap()),
            Code::InvalidCredential,
        ),
        ("rotate", |auth| drop(auth.keys().rotate("k", 0, None, &Caller::system()).unwrap()), Code::InvalidCredential),
        (
            "levels",
            |auth| {
                let update = KeyUpdate { levels: Some(vec![]), ..KeyUpdate::default() };
                auth.keys().update("k", 1, &update, &Caller::system()).unwrap();
            },
            Code::InsufficientLevel,
        ),
        (
            "expiry",
            |auth| {
                let update = KeyUpdate { expires_at: Some(Some(1)), ..KeyUpdate::default() };
                auth.keys().update("k", 1, &update, &Caller::system()).unwrap();
            },
            Code::InvalidCredential,
        ),
    ];
    for (what, mutate, expected) in mutators {
        let (here, there) = open_two();
        let created = create(&here, "k", &["A"]);
        for auth in [&here, &there] {
            assert_eq!(code(ask_for(auth, &created.credential(), "A")), Code::Ok, "{what}");
        }
        mutate(&here);
        for auth in [&there, &here] {
            assert_eq!(code(ask_for(auth, &created.credential(), "A")), expected, "{what}");
        }
    }
    // And back: what is enabled or granted again counts at once.
    let (here, there) = open_two();
    let created = create(&here, "k", &[]);
    here.keys().set_enabled("k", false, None, &system).unwrap();
    assert_eq!(code(ask(&there, &created.credential())), Code::InvalidCredential);
    here.keys().set_enabled("k", true, None, &system).unwrap();
    assert_eq!(code(ask(&there, &created.credential())), Code::Ok);
}

/// T25: a level that is taken from every key opens nothing that required it.
#[test]
fn a_level_that_nobody_holds_any_more_opens_nothing() {
    let auth = open();
    let created = create(&auth, "k", &["Plant/Line"]);
    assert_eq!(code(ask_for(&auth, &created.credential(), "any(Plant/Line)")), Code::Ok);
    let renamed = KeyUpdate { levels: Some(vec!["Plant/Row".to_owned()]), ..KeyUpdate::default() };
    auth.keys().update("k", 1, &renamed, &Caller::system()).unwrap();
    for required in ["any(Plant/Line)", "all(Plant/Line)", "any(Never/Defined)"] {
        assert_eq!(code(ask_for(&auth, &created.credential(), required)), Code::InsufficientLevel, "{required}");
    }
    assert_eq!(code(ask_for(&auth, &created.credential(), "any(Plant/Row)")), Code::Ok);
}

/// T6: there is no negative cache.
#[test]
fn a_key_made_after_it_was_asked_for_is_known() {
    let (here, there) = open_two();
    assert_eq!(code(ask(&there, "later:secret")), Code::InvalidCredential);
    let created = create(&here, "later", &[]);
    assert_eq!(code(ask(&there, &created.credential())), Code::Ok);
}

/// A rename followed by a new key of the old name; two keys that swap names.
#[test]
fn names_can_move_between_keys() {
    let (here, there) = open_two();
    let system = Caller::system();
    let a = create(&here, "a", &[]);
    let b = create(&here, "b", &[]);
    assert_eq!(code(ask(&there, &a.credential())), Code::Ok);
    here.keys().rename("a", "tmp", None, &system).unwrap();
    here.keys().rename("b", "a", None, &system).unwrap();
    here.keys().rename("tmp", "b", None, &system).unwrap();
    for auth in [&here, &there] {
        assert_eq!(ask(auth, &format!("b:{}", *a.key)).unwrap().id(), a.record.id);
        assert_eq!(ask(auth, &format!("a:{}", *b.key)).unwrap().id(), b.record.id);
        assert_eq!(code(ask(auth, &format!("a:{}", *a.key))), Code::InvalidCredential);
        assert_eq!(code(ask(auth, "tmp:x")), Code::InvalidCredential);
    }
}

#[test]
fn ignition_mode_ignores_system_levels_and_says_so() {
    let mut options = options(StoreLocation::Memory);
    options.mode = LevelMode::Ignition;
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &["Authenticated/Roles/Administrator", "Authenticated/Custom"]);
    assert_eq!(created.ignored_levels, ["Authenticated/Roles/Administrator"]);
    assert_eq!(
        code(ask_for(&auth, &created.credential(), "Authenticated/Roles/Administrator")),
        Code::InsufficientLevel
    );
    assert_eq!(code(ask_for(&auth, &created.credential(), "Authenticated/Custom")), Code::Ok);
}

#[test]
fn a_principal_is_judged_again() {
    let auth = open();
    let created = create(&auth, "k", &["A"]);
    let principal = ask(&auth, &created.credential()).unwrap();
    let recheck = |text: &str| auth.recheck(&principal, &requirement(text), None).map_err(|e| e.code());
    assert_eq!(recheck("A"), Ok(()));
    assert_eq!(recheck("B"), Err(Code::InsufficientLevel));
    auth.keys().set_enabled("k", false, None, &Caller::system()).unwrap();
    assert_eq!(recheck("A"), Err(Code::InvalidCredential));
    auth.keys().set_enabled("k", true, None, &Caller::system()).unwrap();
    assert_eq!(recheck("A"), Ok(()));
    auth.keys().rotate("k", 0, None, &Caller::system()).unwrap();
    assert_eq!(recheck("A"), Err(Code::InvalidCredential));
    auth.keys().delete("k", None, &Caller::system()).unwrap();
    assert_eq!(recheck("A"), Err(Code::InvalidCredential));
}

/// T37: neither answers nor audit nor Debug hold the secret.
#[test]
fn no_secret_is_ever_shown() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let secret = created.key.to_string();
    let mut seen = format!("{created:?} {:?} {auth:?}", created.record);
    for credential in [&*created.credential(), &format!("k:{secret}x"), &format!("other:{secret}")] {
        seen.push_str(&format!("{:?}", ask_for(&auth, credential, "X")));
    }
    seen.push_str(&format!("{:?}", ask(&auth, &format!("{secret}:{secret}"))));
    seen.push_str(&format!("{:?} {:?}", auth.audit(100).unwrap(), auth.keys().list(&Default::default()).unwrap()));
    seen.push_str(&format!("{:?}", auth.keys().get(&secret).unwrap_err()));
    // Nor where somebody sent it as the name.
    assert!(!seen.contains(&secret[4..]), "{seen}");
    assert!(!seen.contains("argon2id$"), "{seen}");
}

/// T29: a use is noted, at most once a minute, and shown.
#[test]
fn last_use_is_noted_once_a_minute() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    assert_eq!(auth.keys().get("k").unwrap().last_used_at, None);
    let value = format!("Bearer {}", created.credential().as_str());
    let any = requirement("Authenticated");
    let at = |now| {
        let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
        request.channel = Channel::Secure;
        request.now = Some(now);
        auth.authenticate(&request).unwrap();
        auth.keys().get("k").unwrap().last_used_at
    };
    assert_eq!((at(1000), at(1059), at(1060)), (Some(1000), Some(1000), Some(1060)));
    auth.flush().unwrap();
    let revision = auth.keys().get("k").unwrap().revision;
    assert_eq!(revision, 1, "a use changes no revision");
    assert_eq!(auth.store().last_used(created.record.id).unwrap(), Some(1060));
}

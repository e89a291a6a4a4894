//! Keys that are seen for the first time: hashing, imports, renewal, waiting.

use std::{sync::mpsc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::{
    keys::{Attempt, Import, ImportFormat, Ticket},
    options::Pepper,
    store::{Origin, Scheme, Strength},
};

pub(super) fn import(auth: &InspireAuth, name: &str, format: ImportFormat, hash: &str, strength: Strength) {
    let import = Import { key: NewKey::named(name), format, hash: hash.to_owned(), strength };
    let record = auth.keys().import(&import, &Caller::system()).unwrap();
    assert_eq!(record.origin, Origin::Imported);
}

/// A PHC string of `secret` with the parameters of [`options`], made by other means.
pub(super) fn phc(secret: &str, memory_kib: u32) -> String {
    let mut output = [0; 32];
    let parameters = argon2::Params::new(memory_kib, 1, 1, Some(32)).unwrap();
    let context = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    context.hash_password_into(secret.as_bytes(), b"salt of 16 bytes", &mut output).unwrap();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    format!("$argon2id$v=19$m={memory_kib},t=1,p=1${}${}", encode(b"salt of 16 bytes"), encode(&output))
}

pub(super) fn begin(auth: &InspireAuth, credential: &str) -> Attempt {
    let value = format!("Bearer {credential}");
    let any = requirement("Authenticated");
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    auth.authenticate_no_wait(&request)
}

pub(super) fn pending(attempt: Attempt) -> Ticket {
    match attempt {
        Attempt::Pending(ticket) => ticket,
        Attempt::Done(result) => panic!("{result:?}"),
    }
}

/// Waits until the pool has done everything that was handed to it before.
pub(super) fn settle(auth: &InspireAuth) {
    auth.inner.pool.get().settle();
}

#[test]
fn no_wait_answers_pending_and_then_the_decision() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let ticket = pending(begin(&auth, &created.credential()));
    assert_eq!(ticket.wait(None).unwrap().unwrap().name(), Some("k"));
    assert_eq!(ticket.poll().unwrap().unwrap().name(), Some("k"), "the decision stays");
    assert!(matches!(begin(&auth, &created.credential()), Attempt::Done(Ok(_))), "warm");
    assert!(matches!(begin(&auth, &wrong(&created)), Attempt::Done(Err(_))), "refused by the memo");
    assert!(matches!(begin(&auth, "nobody:x"), Attempt::Done(Err(_))), "unknown");
}

/// From memory alone: never a hash, never a read of the store, and the very decisions that the slow path takes.
#[test]
fn what_memory_does_not_know_it_does_not_decide() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let requirement = requirement("Authenticated");
    let from_memory = |credential: &str| {
        let header = format!("Bearer {credential}");
        let mut request = Request::new(Presented::Authorization(header.as_bytes()), &requirement);
        request.channel = Channel::Secure;
        auth.authenticate_warm(&request).map(code)
    };
    let right = created.credential();
    assert_eq!(from_memory("k:no,key"), Some(Code::MalformedCredential), "whatever the store holds");
    assert_eq!(from_memory(&right), None, "not seen before, and changed since the last check");
    assert_eq!(code(ask(&auth, &right)), Code::Ok);
    assert_eq!(from_memory(&right), Some(Code::Ok));
    assert_eq!(from_memory(&wrong(&created)), Some(Code::InvalidCredential));
    assert_eq!(from_memory("nobody:x"), Some(Code::InvalidCredential));
    for malformed in [
        "k",
        "k:no,key",
        "nobody:no,key",
        "k:",
        &format!("{},", right.as_str()),
        &format!("{}{}", right.as_str(), "x".repeat(200)),
    ] {
        assert_eq!(from_memory(malformed), Some(Code::MalformedCredential), "{malformed}");
    }
    auth.keys().delete("k", None, &Caller::system()).unwrap();
    assert_eq!(from_memory(&right), None, "the store changed, so that memory is not to be believed");
    assert_eq!(code(ask(&auth, &right)), Code::InvalidCredential);
    assert_eq!(from_memory(&right), Some(Code::InvalidCredential));
}

#[test]
fn a_callback_comes_when_the_decision_can_be_fetched() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let ticket = pending(begin(&auth, &created.credential()));
    let (send, receive) = mpsc::channel();
    let seen = ticket.clone();
    ticket.on_ready(Box::new(move || send.send(code(seen.poll().unwrap())).unwrap()));
    assert_eq!(receive.recv().unwrap(), Code::Ok);
}

#[test]
fn a_cancelled_ticket_says_so() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let ticket = pending(begin(&auth, &created.credential()));
    ticket.cancel();
    assert_eq!(code(ticket.poll().unwrap()), Code::Cancelled);
    assert_eq!(code(ticket.wait(Some(Duration::ZERO)).unwrap()), Code::Cancelled);
    assert_eq!(code(ask(&auth, &created.credential())), Code::Ok, "the key is none the worse");
}

/// T4: what is revoked while its secret is being hashed is refused, and stays away.
#[test]
fn a_key_that_goes_while_it_is_hashed_is_refused() {
    type Revoke = fn(&InspireAuth);
    let revocations: [Revoke; 4] = [
        |auth| auth.keys().delete("k", None, &Caller::system()).unwrap(),
        |auth| drop(auth.keys().set_enabled("k", false, None, &Caller::system()).unwrap()),
        |auth| drop(auth.keys().rotate("k", 0, None, &Caller::system()).unwrap()),
        |auth| drop(auth.keys().rename("k", "other", None, &Caller::system()).unwrap()),
    ];
    for revoke in revocations {
        let (here, there) = open_two();
        let created = create(&here, "k", &[]);
        // The decision is taken when the answer is fetched: by then the key is gone, whenever the hash was done.
        let ticket = pending(begin(&there, &created.credential()));
        revoke(&here);
        assert_eq!(code(ticket.wait(None).unwrap()), Code::InvalidCredential);
        assert_eq!(code(ask(&there, &created.credential())), Code::InvalidCredential);
    }
    let (here, there) = open_two();
    let created = create(&here, "k", &[]);
    let ticket = pending(begin(&there, &created.credential()));
    here.keys().delete("k", None, &Caller::system()).unwrap();
    let again = create(&here, "k", &[]);
    assert_eq!(
        code(ticket.wait(None).unwrap()),
        Code::InvalidCredential,
        "another key of the same name is another key"
    );
    assert_eq!(code(ask(&there, &again.credential())), Code::Ok);
}

/// DESIGN §8.4: for generated keys, no guess ever reaches Argon2. T30, as far as a test goes: unknown, cold and wrong take
/// the same way; `inspire-auth-bench warm` shows the times.
#[test]
fn wrong_secrets_for_a_generated_key_cost_no_hash() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    settle(&auth);
    let before = auth.inner.pool.get().flown();
    for _ in 0..2000 {
        assert!(matches!(begin(&auth, &wrong(&created)), Attempt::Done(Err(_))));
        assert!(matches!(begin(&auth, "k:not-even-generated"), Attempt::Done(Err(_))));
        assert!(matches!(begin(&auth, "nobody:not-even-generated"), Attempt::Done(Err(_))));
    }
    assert_eq!(auth.inner.pool.get().flown(), before);
    assert!(matches!(begin(&auth, &created.credential()), Attempt::Pending(_)));
    assert_eq!(auth.inner.pool.get().flown(), before + 1);
}

#[test]
fn the_secret_is_hashed_once_a_handle() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let before = auth.inner.pool.get().flown();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(code(ask(&auth, &created.credential())), Code::Ok));
        }
    });
    assert!(auth.inner.pool.get().flown() - before <= 16);
    let warm = auth.inner.pool.get().flown();
    assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
    assert_eq!(auth.inner.pool.get().flown(), warm);
}

#[test]
fn an_imported_phc_string_is_verified_and_renewed() {
    let auth = open();
    import(&auth, "weak", ImportFormat::Phc, &phc("secret", 32), Strength::Random);
    import(&auth, "fine", ImportFormat::Phc, &phc("secret", 64), Strength::Random);
    for name in ["weak", "fine"] {
        assert_eq!(code(ask(&auth, &format!("{name}:secret"))), Code::Ok);
        assert_eq!(code(ask(&auth, &format!("{name}:Secret"))), Code::InvalidCredential);
    }
    settle(&auth);
    let weak = stored(&auth, "weak");
    assert!(weak.credentials[0].hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "renewed");
    assert_eq!((weak.key.revision, weak.credentials[0].origin), (1, Origin::Imported));
    assert_eq!(stored(&auth, "fine").credentials[0].hash, phc("secret", 64));
    assert_eq!(code(ask(&auth, "weak:secret")), Code::Ok);
    assert_eq!(code(ask(&auth, "weak:Secret")), Code::InvalidCredential);
}

/// T12: before and after its hash is renewed, only the canonical spelling of an Ignition token counts.
#[test]
fn an_ignition_token_is_read_and_renewed() {
    let auth = open();
    let bytes: Vec<u8> = (100..132).collect();
    let token = URL_SAFE_NO_PAD.encode(&bytes);
    import(&auth, "ign", ImportFormat::Ignition, &URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes)), Strength::Random);
    let mut other_tail = token.clone().into_bytes();
    other_tail[42] += 1;
    let other_tail = String::from_utf8(other_tail).unwrap();
    for _ in 0..2 {
        assert_eq!(code(ask(&auth, &format!("ign:{other_tail}"))), Code::InvalidCredential);
        assert_eq!(code(ask(&auth, &format!("ign:{token}"))), Code::Ok);
        settle(&auth);
        assert_eq!(stored(&auth, "ign").credentials[0].scheme, Scheme::Argon2);
    }
}

/// T8: nothing that is stored can be presented.
#[test]
fn a_stored_hash_is_no_key() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let row = stored(&auth, "k");
    for stolen in row.credentials[0].hash.split('$').filter(|part| !part.is_empty()) {
        assert_ne!(code(ask(&auth, &format!("k:{stolen}"))), Code::Ok);
    }
    assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
}

#[test]
fn a_chosen_secret_is_never_remembered_and_has_a_failure_budget() {
    let mut options = options(StoreLocation::Memory);
    options.chosen_failures_per_minute = 3;
    let auth = InspireAuth::open(options).unwrap();
    import(&auth, "human", ImportFormat::Phc, &phc("hunter2", 64), Strength::Chosen);
    let before = auth.inner.pool.get().flown();
    for _ in 0..3 {
        assert_eq!(code(ask(&auth, "human:hunter2")), Code::Ok);
    }
    assert!(auth.inner.pool.get().flown() >= before + 3, "each one is hashed");
    let minute = inspire_auth_platform::clock::monotonic_millis() / 60_000;
    let answers: Vec<Code> = (0..5).map(|n| code(ask(&auth, &format!("human:wrong{n}")))).collect();
    if inspire_auth_platform::clock::monotonic_millis() / 60_000 == minute {
        assert_eq!(answers[..3], [Code::InvalidCredential; 3]);
        assert_eq!(answers[3..], [Code::Busy; 2]);
        assert_eq!(code(ask(&auth, "human:hunter2")), Code::Busy, "right or wrong, until the minute is over");
    }
    // A budget of one key is no other's.
    import(&auth, "other", ImportFormat::Phc, &phc("hunter2", 64), Strength::Chosen);
    assert_eq!(code(ask(&auth, "other:hunter2")), Code::Ok);
}

#[test]
fn hmac_sha256_needs_no_slow_hash() {
    let mut options = options(StoreLocation::Memory);
    options.scheme = Scheme::HmacSha256;
    options.peppers =
        vec![Pepper { id: "p".into(), secret: zeroize::Zeroizing::new(b"a pepper of some length".to_vec()) }];
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &[]);
    assert!(stored(&auth, "k").credentials[0].hash.starts_with("$hmac-sha256$"));
    assert!(matches!(begin(&auth, &created.credential()), Attempt::Done(Ok(_))), "even cold");
    assert_eq!(code(ask(&auth, &wrong(&created))), Code::InvalidCredential);
}

/// T13: what stands in the store is bounded too, before any memory is taken.
#[test]
fn a_planted_hash_out_of_bounds_is_refused_without_hashing() {
    let auth = open();
    for (at, hash) in ["$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "", "$argon2id$", "plain"]
        .into_iter()
        .enumerate()
    {
        let name = format!("k{at}");
        import(&auth, &name, ImportFormat::Phc, &phc("secret", 64), Strength::Random);
        let mut row = stored(&auth, &name).credentials.remove(0);
        row.hash = hash.to_owned();
        auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
        assert_eq!(code(ask(&auth, &format!("{name}:secret"))), Code::InvalidCredential, "{hash}");
    }
    assert!(auth.audit(10).unwrap().iter().any(|event| event.detail.contains("out of bounds")));
}

#[test]
fn a_replaced_hash_is_another_secret() {
    let auth = open();
    import(&auth, "k", ImportFormat::Phc, &phc("one", 64), Strength::Random);
    assert_eq!(code(ask(&auth, "k:one")), Code::Ok);
    let mut row = stored(&auth, "k").credentials.remove(0);
    row.hash = phc("two", 64);
    auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
    assert_eq!(code(ask(&auth, "k:one")), Code::InvalidCredential);
    assert_eq!(code(ask(&auth, "k:two")), Code::Ok);
}

/// An unknown tag key means "no tag", not a refusal.
#[test]
fn a_tag_of_an_unknown_key_is_no_tag() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let mut row = stored(&auth, "k").credentials.remove(0);
    row.tag_key_id = Some(row.tag_key_id.unwrap() + 1);
    for flipped in [1, 0] {
        row.tag = Some(row.tag.unwrap() ^ flipped);
        auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
        let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::clone(auth.store())))).unwrap();
        assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
    }
}

/// T32: the tag is a filter, never a proof: a wrong secret with the right checksum and the right tag goes to the hash,
/// and fails there.
#[test]
fn a_right_tag_grants_nothing() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    let forged = wrong(&created);
    let (_, secret) = forged.split_once(':').unwrap();
    let mut row = stored(&auth, "k").credentials.remove(0);
    row.tag = Some(auth.inner.tagger.tag(secret.as_bytes()));
    auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
    let before = auth.inner.pool.get().flown();
    assert_eq!(code(ask(&auth, &forged)), Code::InvalidCredential);
    assert_eq!(auth.inner.pool.get().flown(), before + 1, "it was hashed");
    assert!(matches!(begin(&auth, &created.credential()), Attempt::Done(Err(_))), "the right secret has another tag");
}

#[test]
fn import_refuses_what_it_can_not_read() {
    let auth = open();
    let refused = |format, hash: &str| {
        let import = Import { key: NewKey::named("x"), format, hash: hash.to_owned(), strength: Strength::Random };
        auth.keys().import(&import, &Caller::system()).unwrap_err().code()
    };
    for hash in ["", "secret", "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg", "$2b$12$abc"] {
        assert_eq!(refused(ImportFormat::Phc, hash), Code::InvalidHash, "{hash}");
        assert_eq!(refused(ImportFormat::Ignition, hash), Code::InvalidHash, "{hash}");
    }
}

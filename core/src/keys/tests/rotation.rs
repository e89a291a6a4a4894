//! T34: rotation, with and without an overlap.

use super::*;
use crate::{keys::KeyUpdate, options::Pepper, store::CredentialRow};

/// What a request with this credential gets at a time.
fn at(auth: &InspireAuth, created: &Created, now: i64) -> Code {
    code(principal_at(auth, created, now))
}

fn principal_at(auth: &InspireAuth, created: &Created, now: i64) -> Result<Principal> {
    let value = format!("Bearer {}", created.credential().as_str());
    let any = requirement("Authenticated");
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    request.now = Some(now);
    auth.authenticate(&request)
}

fn create_at(auth: &InspireAuth, now: i64, expires_at: Option<i64>) -> Created {
    let mut key = NewKey::named("k");
    key.expires_at = expires_at;
    auth.keys().create(&key, &Caller::system().at(now)).unwrap()
}

fn rotate(auth: &InspireAuth, overlap: u64, now: i64) -> Created {
    auth.keys().rotate("k", overlap, None, &Caller::system().at(now)).unwrap()
}

fn credentials(auth: &InspireAuth) -> Vec<CredentialRow> {
    stored(auth, "k").credentials
}

const OK: Code = Code::Ok;
const NO: Code = Code::InvalidCredential;

#[test]
fn without_an_overlap_the_old_secret_is_refused_at_once() {
    let auth = open();
    let old = create(&auth, "k", &[]);
    ask(&auth, &old.credential()).unwrap();
    let new = auth.keys().rotate("k", 0, Some(1), &Caller::system()).unwrap();
    assert_eq!((new.record.id, new.record.revision, new.record.overlap_ends_at), (old.record.id, 2, None));
    assert_eq!(code(ask(&auth, &old.credential())), NO);
    assert!(ask(&auth, &new.credential()).is_ok());
    assert_eq!(credentials(&auth).len(), 1);
}

#[test]
fn both_secrets_are_right_until_the_overlap_ends() {
    for warm in [false, true] {
        let (auth, other) = open_two();
        let old = create_at(&auth, 1000, None);
        if warm {
            assert_eq!((at(&auth, &old, 1000), at(&other, &old, 1000)), (OK, OK));
        }
        let new = rotate(&auth, 60, 2000);
        assert_eq!(new.record.overlap_ends_at, Some(2060));
        assert_eq!(auth.keys().get("k").unwrap(), new.record);
        for handle in [&auth, &other] {
            // Twice each: cold and warm.
            for now in [2000, 2059, 2059] {
                assert_eq!((at(handle, &old, now), at(handle, &new, now)), (OK, OK), "{now}");
            }
            for now in [2060, 2061, i64::MAX - 1] {
                assert_eq!((at(handle, &old, now), at(handle, &new, now)), (NO, OK), "{now}");
            }
        }
    }
}

/// A secret that is first seen after its end costs no hash, and is not remembered.
#[test]
fn an_old_secret_that_was_never_seen_ends_too() {
    let auth = open();
    let old = create_at(&auth, 1000, None);
    rotate(&auth, 60, 2000);
    assert_eq!((at(&auth, &old, 2060), at(&auth, &old, 2059), at(&auth, &old, 2060)), (NO, OK, NO));
}

#[test]
fn what_ends_first_ends_the_old_secret() {
    let auth = open();
    // The key's own end.
    let old = create_at(&auth, 1000, Some(2030));
    let new = rotate(&auth, 60, 2000);
    assert_eq!(new.record.overlap_ends_at, Some(2030));
    assert_eq!((at(&auth, &old, 2029), at(&auth, &old, 2030), at(&auth, &new, 2030)), (OK, NO, NO));
    // A later end of the key gives the old secret no more time.
    let longer = KeyUpdate { expires_at: Some(Some(9000)), ..KeyUpdate::default() };
    auth.keys().update("k", 2, &longer, &Caller::system()).unwrap();
    assert_eq!((at(&auth, &old, 2030), at(&auth, &new, 2030)), (NO, OK));
    // An earlier one takes it.
    let earlier = KeyUpdate { expires_at: Some(Some(2010)), ..KeyUpdate::default() };
    auth.keys().update("k", 3, &earlier, &Caller::system()).unwrap();
    assert_eq!((at(&auth, &old, 2009), at(&auth, &old, 2010)), (OK, NO));
    // Of a key that is over, nothing overlaps.
    let new = rotate(&auth, 60, 2010);
    assert_eq!((new.record.overlap_ends_at, credentials(&auth).len()), (None, 1));
}

/// Two rotations in a row, in one second or with a clock that was set back: the newest old secret is the one that
/// overlaps, and no secret gets more time than it had.
#[test]
fn a_key_has_at_most_two_secrets() {
    for later in [0, 0, 0, 0, 5, -500] {
        let auth = open();
        let first = create_at(&auth, 1000, None);
        let second = rotate(&auth, 100, 2000);
        let third = rotate(&auth, 100, 2000 + later);
        assert_eq!(credentials(&auth).len(), 2);
        let now = 2000 + later;
        assert_eq!((at(&auth, &first, now), at(&auth, &second, now), at(&auth, &third, now)), (NO, OK, OK), "{later}");
        assert_eq!(third.record.overlap_ends_at, Some(now + 100));
        assert_eq!(auth.keys().get("k").unwrap().overlap_ends_at, Some(now + 100));
        // At once: both of them go.
        let fourth = rotate(&auth, 0, now);
        assert_eq!((at(&auth, &second, now), at(&auth, &third, now), at(&auth, &fourth, now)), (NO, NO, OK));
        assert_eq!((credentials(&auth).len(), fourth.record.overlap_ends_at), (1, None));
    }
}

#[test]
fn a_revocation_refuses_both() {
    let kills: [fn(&InspireAuth); 3] = [
        |auth| auth.keys().delete("k", None, &Caller::system()).unwrap(),
        |auth| drop(auth.keys().set_enabled("k", false, None, &Caller::system()).unwrap()),
        |auth| drop(auth.keys().rename("k", "x", None, &Caller::system()).unwrap()),
    ];
    for kill in kills {
        let (auth, other) = open_two();
        let old = create_at(&auth, 1000, None);
        let new = rotate(&auth, 100, 2000);
        assert_eq!((at(&other, &old, 2001), at(&other, &new, 2001)), (OK, OK));
        kill(&auth);
        assert_eq!((at(&other, &old, 2001), at(&other, &new, 2001)), (NO, NO));
    }
}

/// A key's last use is that of whichever of its secrets was used last, also when the key changed since.
#[test]
fn the_last_use_is_the_keys_not_the_secrets() {
    let (auth, other) = open_two();
    let old = create_at(&auth, 1000, None);
    let new = rotate(&auth, 100, 2000);
    let last_used = || auth.inner.index.last_used(auth.keys().get("k").unwrap().id);
    assert_eq!(at(&auth, &new, 2001), OK);
    assert_eq!(last_used(), Some(2001));
    assert_eq!(at(&auth, &old, 2070), OK);
    assert_eq!(last_used(), Some(2070));
    drop(other.keys().set_enabled("k", true, None, &Caller::system().at(2071)).unwrap());
    assert_eq!(at(&auth, &new, 2072), OK);
    assert_eq!(last_used(), Some(2070), "it is noted once a minute");
}

/// Long-lived connections, and an actor: a principal lasts no longer than the secret that made it.
#[test]
fn a_principal_of_the_old_secret_ends_with_it() {
    let auth = open();
    let mut key = NewKey::named("k");
    key.levels = vec!["Authenticated/Write".to_owned()];
    let old = auth.keys().create(&key, &Caller::system().at(1000)).unwrap();
    let new = rotate(&auth, 100, 2000);
    let before = principal_at(&auth, &old, 2001).unwrap();
    let after = principal_at(&auth, &new, 2001).unwrap();
    let any = requirement("Authenticated");
    let recheck = |principal, now| auth.recheck(principal, &any, Some(now)).map_err(|error| error.code());
    assert_eq!((recheck(&before, 2099), recheck(&after, 2099)), (Ok(()), Ok(())));
    assert_eq!((recheck(&before, 2100), recheck(&after, 2100)), (Err(NO), Ok(())));
    let act = |principal, now, name: &str| {
        code(auth.keys().create(&NewKey::named(name), &Caller::by(principal).at(now)).map(|_| before))
    };
    assert_eq!((act(&before, 2099, "a"), act(&before, 2100, "b")), (OK, Code::PermissionDenied));
    assert_eq!(act(&after, 2100, "b"), OK);
}

/// The end of the old secret stands under the seal: moved by somebody without the pepper, it refuses the key.
#[test]
fn a_sealed_key_stays_sealed_and_the_end_is_under_the_seal() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let mut options = options(StoreLocation::Custom(Arc::clone(&store)));
    options.peppers =
        vec![Pepper { id: "p".to_owned(), secret: zeroize::Zeroizing::new(b"a pepper of some length".to_vec()) }];
    let auth = InspireAuth::open(options).unwrap();
    let old = create_at(&auth, 1000, None);
    let new = rotate(&auth, 100, 2000);
    assert_eq!((at(&auth, &old, 2099), at(&auth, &new, 2099)), (OK, OK));
    let good = credentials(&auth);
    let mut moved = good.iter().find(|credential| credential.not_after.is_some()).unwrap().clone();
    let kept = moved.clone();
    moved.not_after = Some(9000);
    store.write(&mut |tx| tx.update_credential(&moved)).unwrap();
    assert_eq!((at(&auth, &old, 2099), at(&auth, &new, 2099)), (NO, NO));
    store.write(&mut |tx| tx.update_credential(&kept)).unwrap();
    assert_eq!((at(&auth, &old, 2099), at(&auth, &new, 2099)), (OK, OK));
}

#[test]
fn an_imported_key_is_a_generated_one_from_its_rotation_on() {
    use crate::store::{Origin, Strength};
    let auth = open();
    let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";
    let import = crate::keys::Import {
        key: NewKey::named("k"),
        format: crate::keys::ImportFormat::Phc,
        hash: phc.to_owned(),
        strength: Strength::Chosen,
    };
    auth.keys().import(&import, &Caller::system().at(1000)).unwrap();
    for _ in 0..4 {
        assert_eq!(rotate(&auth, 100, 1000).record.origin, Origin::Generated);
        assert_eq!(auth.keys().get("k").unwrap().origin, Origin::Generated);
    }
}

/// An imported, human-chosen secret, of which every guess is hashed, and the generated one that it was rotated to.
fn chosen_then_generated(options: Options, phc: &str) -> (InspireAuth, Created) {
    let auth = InspireAuth::open(options).unwrap();
    super::cold::import(&auth, "k", crate::keys::ImportFormat::Phc, phc, crate::store::Strength::Chosen);
    let new = auth.keys().rotate("k", 3600, None, &Caller::system()).unwrap();
    (auth, new)
}

/// The old secret can't be asked any more. That says nothing of the new one, which comes after it.
#[test]
fn an_old_hash_that_can_not_be_checked_stands_in_nobodys_way() {
    type Spoil = fn(&mut CredentialRow);
    let spoils: [Spoil; 3] = [
        |row| row.hash = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg".to_owned(),
        |row| row.pepper_id = Some("gone".to_owned()),
        // Its tag is of another store's key, as good as none.
        |row| (row.tag_key_id, row.tag, row.pepper_id) = (Some(!0), Some(1), Some("gone".to_owned())),
    ];
    for spoil in spoils.repeat(6) {
        let heard = super::denials::Heard::default();
        let mut options = options(StoreLocation::Memory);
        heard.listen(&mut options);
        let (auth, new) = chosen_then_generated(options, &super::cold::phc("hunter2", 64));
        auth.store()
            .write(&mut |tx| {
                let mut row = tx.key_by_id(new.record.id)?.unwrap();
                let old = row.credentials.iter_mut().find(|row| row.tag.is_none()).unwrap();
                spoil(old);
                tx.update_credential(old)
            })
            .unwrap();
        heard.take();
        for _ in 0..2 {
            assert_eq!(code(ask(&auth, &new.credential())), OK);
        }
        assert_eq!(heard.take(), []);
        assert_eq!(code(ask(&auth, "k:hunter2")), NO);
        let said = heard.take().remove(0).detail;
        assert!(said.contains("pepper") || said.contains("hash"), "why it can't be checked is told: {said}");
    }
}

/// Whoever guesses at the old, human-chosen secret spends its budget, not the new one's.
#[test]
fn guesses_at_the_old_secret_do_not_lock_out_the_new_one() {
    // Many times: which one is looked at first is chance.
    for foreign_tag in [false, true].repeat(8) {
        let mut options = options(StoreLocation::Memory);
        // None is left from the beginning, whatever the time.
        options.chosen_failures_per_minute = 0;
        let (auth, new) = chosen_then_generated(options, &super::cold::phc("hunter2", 64));
        if foreign_tag {
            auth.store()
                .write(&mut |tx| {
                    let mut row = tx.key_by_id(new.record.id)?.unwrap();
                    let new = row.credentials.iter_mut().find(|row| row.tag.is_some()).unwrap();
                    new.tag_key_id = Some(!0);
                    tx.update_credential(new)
                })
                .unwrap();
        }
        let before = auth.inner.pool.get().flown();
        assert_eq!(code(ask(&auth, "k:hunter2")), Code::Busy, "right or wrong");
        assert_eq!(code(ask(&auth, &new.credential())), OK);
        // Of the guess only the one without a usable tag is asked.
        assert_eq!(auth.inner.pool.get().flown() - before, if foreign_tag { 2 } else { 1 });
    }
}

/// The one whose tag is the secret's is asked first: no hash is spent on the other.
#[test]
fn the_new_secret_is_not_compared_with_the_old_hash() {
    // Many times: which one is looked at first is chance.
    for _ in 0..16 {
        let (auth, new) = chosen_then_generated(options(StoreLocation::Memory), &super::cold::phc("hunter2", 64));
        let before = auth.inner.pool.get().flown();
        assert_eq!(code(ask(&auth, &new.credential())), OK);
        assert_eq!(auth.inner.pool.get().flown() - before, 1);
        assert_eq!(code(ask(&auth, "k:hunter2")), OK);
    }
}

#[test]
fn the_audit_says_until_when() {
    let auth = open();
    create_at(&auth, 1000, None);
    rotate(&auth, 60, 2000);
    rotate(&auth, 0, 2000);
    let said: Vec<String> = auth.audit(10).unwrap().into_iter().map(|event| event.detail).collect();
    assert!(said.contains(&"the secret before is good until 2060".to_owned()), "{said:?}");
    assert!(said.contains(&"the secret before is refused from now on".to_owned()), "{said:?}");
}

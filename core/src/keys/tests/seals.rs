//! Seals: write access to the store alone can't mint or widen a key.

use super::*;
use crate::{options::Pepper, store::KeyWithCredentials};

fn with_pepper(store: &Arc<dyn Store>, peppers: &[&str]) -> InspireAuth {
    let mut options = options(StoreLocation::Custom(Arc::clone(store)));
    options.peppers = peppers
        .iter()
        .map(|id| Pepper {
            id: (*id).to_owned(),
            secret: zeroize::Zeroizing::new(format!("pepper {id} of some length").into_bytes()),
        })
        .collect();
    InspireAuth::open(options).unwrap()
}

/// T33, as it applies here: an expiry stands in the sealed record, not in the key; the store's is the one that counts.
#[test]
fn a_row_changed_behind_the_librarys_back_is_refused() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let auth = with_pepper(&store, &["p"]);
    let created = create(&auth, "k", &["A"]);
    assert_eq!(code(ask_for(&auth, &created.credential(), "A")), Code::Ok);
    let good = stored(&auth, "k");
    let tampers: [fn(&mut KeyWithCredentials); 8] = [
        |row| row.key.levels.push("B".to_owned()),
        |row| row.key.require_secure = false,
        |row| row.key.expires_at = Some(i64::MAX),
        |row| row.key.revision += 1,
        |row| row.key.seal = None,
        |row| row.key.seal_key_id = Some("other".to_owned()),
        |row| row.credentials[0].not_after = Some(i64::MAX),
        |row| row.credentials[0].tag = None,
    ];
    for tamper in tampers {
        let mut bad = good.clone();
        tamper(&mut bad);
        assert_ne!(bad, good);
        store
            .write(&mut |tx| {
                tx.update_key(&bad.key)?;
                tx.update_credential(&bad.credentials[0])
            })
            .unwrap();
        assert_eq!(code(ask(&auth, &created.credential())), Code::InvalidCredential);
        store
            .write(&mut |tx| {
                tx.update_key(&good.key)?;
                tx.update_credential(&good.credentials[0])
            })
            .unwrap();
        assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
    }
    assert!(auth.audit(10).unwrap().iter().any(|event| event.detail.contains("not sealed")));
}

#[test]
fn a_change_does_not_launder_a_broken_seal() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let auth = with_pepper(&store, &["p"]);
    let created = create(&auth, "k", &[]);
    let mut planted = stored(&auth, "k");
    planted.key.levels.push("Admin".to_owned());
    store.write(&mut |tx| tx.update_key(&planted.key)).unwrap();
    let copied = auth.keys().duplicate("k", "copy", None, &Caller::system());
    assert_eq!(copied.unwrap_err().code(), Code::PermissionDenied, "a copy would have been sealed");
    auth.keys().rename("k", "k2", None, &Caller::system()).unwrap();
    assert_eq!(code(ask(&auth, &format!("k2:{}", *created.key))), Code::InvalidCredential);
    // Only the host, on purpose, can vouch for what is there.
    assert_eq!(auth.keys().seal_all(&Caller::system()).unwrap(), 1);
    assert_eq!(code(ask_for(&auth, &format!("k2:{}", *created.key), "Admin")), Code::Ok);
}

#[test]
fn peppers_come_and_go() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let plain = InspireAuth::open(options(StoreLocation::Custom(Arc::clone(&store)))).unwrap();
    let created = create(&plain, "k", &[]);
    let sealed = with_pepper(&store, &["one"]);
    assert_eq!(code(ask(&sealed, &created.credential())), Code::InvalidCredential, "an unsealed key is not trusted");
    sealed.keys().seal_all(&Caller::system()).unwrap();
    assert_eq!(code(ask(&sealed, &created.credential())), Code::Ok);
    let rotated = with_pepper(&store, &["two", "one"]);
    assert_eq!(code(ask(&rotated, &created.credential())), Code::Ok, "a retired pepper is still read");
    rotated.keys().seal_all(&Caller::system()).unwrap();
    // Its hash was made without a pepper, so nothing but the seal was ever under the retired one.
    assert_eq!(code(ask(&with_pepper(&store, &["two"]), &created.credential())), Code::Ok);
    assert_eq!(code(ask(&with_pepper(&store, &["three"]), &created.credential())), Code::InvalidCredential);
}

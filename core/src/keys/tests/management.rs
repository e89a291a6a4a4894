//! Managing keys, and who may.

use super::*;
use crate::{
    keys::{Import, ImportFormat, KeyUpdate, ListFilter},
    store::{Origin, Strength},
};

fn error<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code()
}

const PHC: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";

#[test]
fn a_record_has_what_was_asked_for() {
    let auth = open();
    let mut key = NewKey::named("k");
    key.description = "nightly export".to_owned();
    key.levels = vec!["B".to_owned(), "A".to_owned(), "B".to_owned()];
    key.require_secure = false;
    key.expires_at = Some(5000);
    let created = auth.keys().create(&key, &Caller::system().at(1000)).unwrap();
    let record = auth.keys().get("k").unwrap();
    assert_eq!(created.record, record);
    assert_eq!(record.kind, "basic-token");
    assert_eq!(record.levels, ["A", "B"]);
    assert_eq!((record.created_at, record.updated_at, record.expires_at), (1000, 1000, Some(5000)));
    assert_eq!((record.revision, record.enabled, record.require_secure), (1, true, false));
    assert_eq!((record.origin, record.last_used_at), (Origin::Generated, None));
    assert_eq!(created.key.len(), 53);
}

/// T19, T20, T27: a name is safe to print, to compare and to put in a header.
#[test]
fn names_are_checked_and_unique_byte_for_byte() {
    let auth = open();
    let long = "x".repeat(65);
    for bad in
        ["", ".a", "-a", "_a", "a b", "a:b", "a~b", "a/b", "ä", "a\0b", "a\r\nb", "a,b", "a\u{200b}", "e\u{301}", &long]
    {
        assert_eq!(error(auth.keys().create(&NewKey::named(bad), &Caller::system())), Code::InvalidName, "{bad:?}");
    }
    create(&auth, "Key", &[]);
    create(&auth, "key", &[]);
    assert_eq!(error(auth.keys().create(&NewKey::named("key"), &Caller::system())), Code::NameTaken);
    assert_eq!(error(auth.keys().rename("key", "Key", None, &Caller::system())), Code::NameTaken);
    assert_eq!(error(auth.keys().get("KEY")), Code::NotFound);
    assert_eq!(error(auth.keys().get("no such\0name")), Code::NotFound);
}

#[test]
fn values_out_of_range_are_refused() {
    let auth = open();
    let with = |change: fn(&mut NewKey)| {
        let mut key = NewKey::named("k");
        change(&mut key);
        error(auth.keys().create(&key, &Caller::system()))
    };
    assert_eq!(with(|k| k.description = "x".repeat(4097)), Code::InvalidArgument);
    assert_eq!(with(|k| k.description = "a\0b".to_owned()), Code::InvalidArgument);
    assert_eq!(with(|k| k.expires_at = Some(0)), Code::InvalidArgument);
    assert_eq!(with(|k| k.expires_at = Some(-1)), Code::InvalidArgument);
    assert_eq!(with(|k| k.levels = vec!["Public".to_owned()]), Code::InvalidLevel);
    assert_eq!(with(|k| k.levels = vec!["a//b".to_owned()]), Code::InvalidLevel);
    assert_eq!(with(|k| k.levels = (0..1025).map(|n| format!("L/{n}")).collect()), Code::InvalidArgument);
    create(&auth, "k", &[]);
    for overlap in [31_536_001, u64::MAX] {
        assert_eq!(error(auth.keys().rotate("k", overlap, None, &Caller::system())), Code::InvalidArgument);
    }
    assert!(auth.keys().list(&ListFilter::default()).unwrap().len() == 1);
}

/// T35: a stale revision changes nothing.
#[test]
fn a_change_needs_the_present_revision() {
    let auth = open();
    create(&auth, "k", &[]);
    let update = |text: &str| KeyUpdate { description: Some(text.to_owned()), ..KeyUpdate::default() };
    let record = auth.keys().update("k", 1, &update("one"), &Caller::system().at(77)).unwrap();
    assert_eq!((record.revision, record.updated_at), (2, 77));
    assert_eq!(error(auth.keys().update("k", 1, &update("two"), &Caller::system())), Code::Conflict);
    for stale in [Some(1), Some(3)] {
        assert_eq!(error(auth.keys().rename("k", "x", stale, &Caller::system())), Code::Conflict);
        assert_eq!(error(auth.keys().set_enabled("k", false, stale, &Caller::system())), Code::Conflict);
        assert_eq!(error(auth.keys().duplicate("k", "x", stale, &Caller::system())), Code::Conflict);
        assert_eq!(error(auth.keys().rotate("k", 0, stale, &Caller::system())), Code::Conflict);
        assert_eq!(error(auth.keys().delete("k", stale, &Caller::system())), Code::Conflict);
    }
    let record = auth.keys().get("k").unwrap();
    assert_eq!((record.description.as_str(), record.revision), ("one", 2));
    assert_eq!(auth.keys().rename("k", "x", Some(2), &Caller::system()).unwrap().revision, 3);
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let auth = open();
    let mut key = NewKey::named("k");
    key.levels = vec!["A".to_owned()];
    key.expires_at = Some(9_999_999_999);
    auth.keys().create(&key, &Caller::system()).unwrap();
    let update = KeyUpdate { require_secure: Some(false), ..KeyUpdate::default() };
    let record = auth.keys().update("k", 1, &update, &Caller::system()).unwrap();
    assert_eq!((record.levels.len(), record.expires_at, record.require_secure), (1, Some(9_999_999_999), false));
    let update = KeyUpdate { expires_at: Some(None), levels: Some(vec![]), ..KeyUpdate::default() };
    let record = auth.keys().update("k", 2, &update, &Caller::system()).unwrap();
    assert_eq!((record.levels.len(), record.expires_at, record.require_secure), (0, None, false));
}

#[test]
fn a_duplicate_keeps_the_settings_and_has_its_own_secret() {
    let auth = open();
    let mut key = NewKey::named("a");
    key.description = "d".to_owned();
    key.levels = vec!["X/Y".to_owned()];
    key.require_secure = false;
    key.expires_at = Some(9_999_999_999);
    let original = auth.keys().create(&key, &Caller::system()).unwrap();
    let copy = auth.keys().duplicate("a", "b", None, &Caller::system()).unwrap();
    let (a, b) = (&original.record, &copy.record);
    assert_eq!(
        (&a.description, &a.levels, a.require_secure, a.enabled, a.expires_at),
        (&b.description, &b.levels, b.require_secure, b.enabled, b.expires_at)
    );
    assert_ne!(a.id, b.id);
    assert_ne!(*original.key, *copy.key);
    assert_eq!(b.revision, 1);
    assert!(ask(&auth, &copy.credential()).is_ok());
    assert_eq!(code(ask(&auth, &format!("b:{}", *original.key))), Code::InvalidCredential);
    assert_eq!(error(auth.keys().duplicate("a", "b", None, &Caller::system())), Code::NameTaken);
    assert_eq!(error(auth.keys().duplicate("nobody", "c", None, &Caller::system())), Code::NotFound);
}

#[test]
fn lists_are_sorted_paged_and_filtered() {
    let auth = open();
    for name in ["b", "a", "C", "a.b", "a-b"] {
        create(&auth, name, if name.starts_with('a') { &["Ops/Write"] } else { &[] });
    }
    let names = |filter: &ListFilter| -> Vec<String> {
        auth.keys().list(filter).unwrap().into_iter().map(|record| record.name).collect()
    };
    assert_eq!(names(&ListFilter::default()), ["C", "a", "a-b", "a.b", "b"]);
    assert_eq!(names(&ListFilter { after: Some("a".into()), limit: Some(2), ..Default::default() }), ["a-b", "a.b"]);
    assert_eq!(names(&ListFilter { level: Some("Ops".into()), ..Default::default() }), ["a", "a-b", "a.b"]);
    assert_eq!(names(&ListFilter { level: Some("Ops".into()), limit: Some(1), ..Default::default() }), ["a"]);
    assert_eq!(names(&ListFilter { limit: Some(0), ..Default::default() }), [] as [&str; 0]);
    assert_eq!(
        error(auth.keys().list(&ListFilter { level: Some("//".into()), ..Default::default() })),
        Code::InvalidLevel
    );
    assert_eq!(auth.keys().export().unwrap().len(), 5);
}

/// T9: an actor is judged inside the transaction, on what its key is then.
#[test]
fn a_principal_needs_the_write_level_and_the_levels_it_hands_out() {
    let auth = open();
    let writer = create(&auth, "writer", &["Authenticated/Write", "Ops"]);
    let admin = create(&auth, "admin", &["Authenticated/Write", "Ops/Admin"]);
    let reader = create(&auth, "reader", &["Ops"]);
    let writer = ask(&auth, &writer.credential()).unwrap();
    let admin = ask(&auth, &admin.credential()).unwrap();
    let reader = ask(&auth, &reader.credential()).unwrap();
    let keys = auth.keys();
    let by = Caller::by;
    let with = |name: &str, levels: &[&str]| {
        let mut key = NewKey::named(name);
        key.levels = levels.iter().map(|l| (*l).to_owned()).collect();
        key
    };

    assert_eq!(error(keys.create(&with("x", &[]), &by(&reader))), Code::PermissionDenied);
    assert!(keys.create(&with("x", &["Ops"]), &by(&writer)).is_ok());
    assert_eq!(error(keys.create(&with("y", &["Ops/Admin"]), &by(&writer))), Code::PermissionDenied);
    assert!(keys.create(&with("y", &["Ops/Admin", "Ops"]), &by(&admin)).is_ok());

    // A writer can't take over, widen or revive what is above it.
    assert_eq!(error(keys.rotate("y", 0, None, &by(&writer))), Code::PermissionDenied);
    assert_eq!(error(keys.duplicate("y", "z", None, &by(&writer))), Code::PermissionDenied);
    let levels = |list: &[&str]| KeyUpdate {
        levels: Some(list.iter().map(|l| (*l).to_owned()).collect()),
        ..Default::default()
    };
    assert_eq!(error(keys.update("x", 1, &levels(&["Ops/Admin"]), &by(&writer))), Code::PermissionDenied);
    assert_eq!(error(keys.update("y", 1, &levels(&[]), &by(&writer))), Code::PermissionDenied);
    let open = KeyUpdate { require_secure: Some(false), ..Default::default() };
    assert_eq!(error(keys.update("y", 1, &open, &by(&writer))), Code::PermissionDenied);
    let later = KeyUpdate { expires_at: Some(Some(9_999_999_999)), ..Default::default() };
    assert_eq!(error(keys.update("y", 1, &later, &by(&writer))), Code::PermissionDenied);
    let import = Import {
        key: with("z", &["Ops/Admin"]),
        format: ImportFormat::Phc,
        hash: PHC.to_owned(),
        strength: Strength::Chosen,
    };
    assert_eq!(error(keys.import(&import, &by(&writer))), Code::PermissionDenied);

    // But it can describe, rename, disable and delete.
    let describe = KeyUpdate { description: Some("d".to_owned()), enabled: Some(false), ..Default::default() };
    assert!(keys.update("y", 1, &describe, &by(&writer)).is_ok());
    assert_eq!(error(keys.set_enabled("y", true, None, &by(&writer))), Code::PermissionDenied);
    let enable = KeyUpdate { enabled: Some(true), ..Default::default() };
    assert_eq!(error(keys.update("y", 2, &enable, &by(&writer))), Code::PermissionDenied);
    assert!(keys.rename("y", "y2", None, &by(&writer)).is_ok());
    assert!(keys.set_enabled("y2", true, None, &by(&admin)).is_ok());
    assert!(keys.set_enabled("y2", false, None, &by(&writer)).is_ok());
    assert!(keys.delete("y2", None, &by(&writer)).is_ok());

    // Whoever lost its right, or its key, has none left, whatever principal it still holds.
    keys.update("writer", 1, &levels(&["Ops"]), &Caller::system()).unwrap();
    assert_eq!(error(keys.delete("x", None, &by(&writer))), Code::PermissionDenied);
    keys.set_enabled("admin", false, None, &Caller::system()).unwrap();
    assert_eq!(error(keys.delete("x", None, &by(&admin))), Code::PermissionDenied);
    keys.set_enabled("admin", true, None, &Caller::system()).unwrap();
    keys.rotate("admin", 0, None, &Caller::system()).unwrap();
    assert_eq!(error(keys.delete("x", None, &by(&admin))), Code::PermissionDenied);
    assert!(keys.get("x").is_ok());
    assert!(auth.audit(100).unwrap().iter().any(|e| e.event == "key.deleted" && e.actor == "key:writer"));
}

#[test]
fn without_a_write_requirement_no_principal_may() {
    let mut options = options(StoreLocation::Memory);
    options.write_requirement = None;
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &["Authenticated/Write"]);
    let principal = ask(&auth, &created.credential()).unwrap();
    assert_eq!(error(auth.keys().create(&NewKey::named("x"), &Caller::by(&principal))), Code::PermissionDenied);
    // A principal made up from nothing is nobody.
    let forged = Principal::from_parts(crate::Id::random().unwrap(), crate::Id::NIL, "root", 1, Channel::Secure);
    assert_eq!(error(auth.keys().delete("k", None, &Caller::by(&forged))), Code::PermissionDenied);
}

#[test]
fn an_actor_that_came_over_an_open_channel_is_no_actor_for_a_secure_only_key() {
    let auth = open();
    let mut key = NewKey::named("w");
    key.levels = vec!["Authenticated/Write".to_owned()];
    key.require_secure = false;
    let created = auth.keys().create(&key, &Caller::system()).unwrap();
    let value = format!("Bearer {}", created.credential().as_str());
    let any = requirement("Authenticated");
    let principal = auth.authenticate(&Request::new(Presented::Authorization(value.as_bytes()), &any)).unwrap();
    assert!(auth.keys().create(&NewKey::named("x"), &Caller::by(&principal)).is_ok());
    let secure = KeyUpdate { require_secure: Some(true), ..Default::default() };
    auth.keys().update("w", 1, &secure, &Caller::system()).unwrap();
    assert_eq!(error(auth.keys().create(&NewKey::named("y"), &Caller::by(&principal))), Code::PermissionDenied);
}

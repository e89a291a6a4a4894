//! A store that is copied into one of the other kind, and back, is the same.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, StoreLocation,
    keys::{Caller, NewKey, Presented, Request, Requirement},
    store::{AuditEvent, Movable, OperationRow, ReleaseRow, SeenRow, Store, copy},
};
use store_support::{Folder, add, credential, dump, key, license, postgres::Database, write};

/// Names whose order differs between languages, and of which a page holds only a part.
fn names() -> Vec<String> {
    let odd = ["Z", "a", "z", "é", "ä", "ß", "~", "-", "a b", "A:b", "日本", "\u{10FFFF}"].map(str::to_owned);
    odd.into_iter().chain((0..250).map(|n| format!("key {n}"))).collect()
}

/// Puts something into everything that a store has.
fn fill(store: &dyn Store) {
    write(store, |tx| {
        for name in names() {
            let row = key(&name);
            tx.insert_key(&row).unwrap();
            for n in 0..row.name.len() as i64 % 3 {
                tx.insert_credential(&credential(&row, n)).unwrap();
            }
        }
        tx.set_license(Some(&license())).unwrap();
        tx.raise_license_mark("vendor", 77).unwrap();
        tx.raise_license_mark("Vendor", 78).unwrap();
        tx.bury_license("b", 5).unwrap();
        tx.bury_license("B", 6).unwrap();
        for machine in ["m2", "m1"] {
            tx.put_release(&ReleaseRow {
                machine: machine.into(),
                license: "l".into(),
                license_key: "K".into(),
                fingerprint: "f".into(),
                since: 3,
                attempted: Some(4),
            })
            .unwrap();
        }
        tx.set_installation_key(&[7; 32]).unwrap();
    });
    store
        .account(&mut |book| {
            for (tenant, period) in [("", 24_300), ("acme", 24_300), ("Acme", 24_299)] {
                book.set_used(tenant, period, period - 7)?;
                book.put_operation(&OperationRow {
                    id: format!("{tenant} op"),
                    tenant: tenant.into(),
                    period,
                    amount: 9,
                    is_refunded: tenant.is_empty(),
                })?;
            }
            book.set_seen(&SeenRow { at: 9, boot: "b".into(), anchor: 8, uptime: 7 })
        })
        .unwrap();
    let uses: Vec<_> = dump(store).iter().enumerate().map(|(at, key)| (key.key.id, at as i64)).collect();
    store.note_used(&uses).unwrap();
    store.append_audit(&[event("first"), event("second")]).unwrap();
}

fn event(name: &str) -> AuditEvent {
    AuditEvent {
        at: 5,
        event: name.into(),
        actor: "system".into(),
        subject: "s".into(),
        detail: "d".into(),
        code: Code::Ok,
    }
}

/// All that a host can see of a store.
fn seen(store: &dyn Store) -> String {
    let mut seen = String::new();
    store
        .read(&mut |reader| {
            let (license, marks) = (reader.license()?, reader.license_marks()?);
            let license = license.map(|license| (license.file.clone(), license.license_key.clone(), license));
            let burials = [reader.license_burial("b")?, reader.license_burial("B")?];
            let releases =
                reader.releases()?.into_iter().map(|row| (row.machine.clone(), row.license_key.clone(), row));
            let releases: Vec<_> = releases.collect();
            let seed = reader.installation_key()?;
            seen = format!("{license:?} {marks:?} {burials:?} {releases:?} {seed:?}");
            Ok(())
        })
        .unwrap();
    let keys = dump(store);
    let hashes: Vec<_> = keys.iter().flat_map(|key| key.credentials.iter().map(|each| each.hash.clone())).collect();
    let uses: Vec<_> = keys.iter().map(|key| store.last_used(key.key.id).unwrap()).collect();
    let tag_key = store.tag_key().unwrap();
    let mut book = String::new();
    store
        .account(&mut |ledger| {
            let used = [("", 24_300), ("acme", 24_300), ("Acme", 24_299), ("Acme", 24_300)];
            let used = used.map(|(tenant, period)| ledger.used(tenant, period).unwrap());
            let operations = [" op", "acme op", "Acme op", "none"].map(|id| ledger.operation(id).unwrap());
            book = format!("{used:?} {operations:?} {:?}", ledger.seen()?);
            Ok(())
        })
        .unwrap();
    let events: Vec<_> = store.audit(100).unwrap().into_iter().filter(|event| event.event != "store.copied").collect();
    format!("{keys:?}\n{hashes:?}\n{uses:?}\n{} {:?}\n{seen}\n{book}\n{events:?}", tag_key.id, *tag_key.secret)
}

#[test]
fn all_that_a_store_holds_goes_to_the_other_kind_and_back() {
    let (folder, database, again) = (Folder::new(), Database::new(), Folder::new());
    let first = folder.open();
    fill(&first);
    let before = seen(&first);
    let copied = copy(&first, &database.open()).unwrap();
    assert_eq!((copied.keys, copied.license, copied.periods, copied.operations), (262, true, 3, 3), "{copied:?}");
    assert_eq!((copied.last_uses, copied.events), (262, 2), "{copied:?}");
    let second = database.open();
    assert_eq!(seen(&second), before);
    let third = again.open();
    let back = copy(&second, &third).unwrap();
    assert_eq!((back.keys, back.credentials, back.last_uses), (copied.keys, copied.credentials, copied.last_uses));
    assert_eq!(back.events, 3, "with the line that says where it came from");
    assert_eq!(seen(&again.open()), before);
    assert_eq!(seen(&first), before, "what is copied is left as it is");
}

/// Nothing that was ever used takes a copy: what was deleted there could come back.
#[test]
fn only_a_new_store_takes_a_copy() {
    let (folder, database, other) = (Folder::new(), Database::new(), Folder::new());
    let from = folder.open();
    fill(&from);
    let refused = |to: &dyn Movable| {
        let before = seen(to);
        assert_eq!(copy(&from, to).unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(seen(to), before);
    };
    refused(&from);
    for to in [&database.open() as &dyn Movable, &other.open()] {
        let (row, _) = add(to, "one");
        write(to, |tx| tx.delete_key(row.id).unwrap());
        refused(to);
    }
    let (database, other) = (Database::new(), Folder::new());
    for to in [&database.open() as &dyn Movable, &other.open()] {
        to.account(&mut |book| book.set_used("", 1, 1)).unwrap();
        refused(to);
    }
}

/// What the database makes of it, or what others do to the first store meanwhile, is noticed.
#[test]
fn what_did_not_arrive_or_changed_meanwhile_is_told() {
    let (from, to) = (Database::new(), Database::new());
    let first = from.open();
    fill(&first);
    let on_insert = |to: &Database, body: &str| {
        to.sql(&format!(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$; \
             CREATE TRIGGER meddle BEFORE INSERT ON keys FOR EACH ROW WHEN (NEW.name = 'key 200') \
             EXECUTE FUNCTION meddle()"
        ));
    };
    on_insert(&to, "NEW.enabled = false");
    let error = copy(&first, &to.open()).unwrap_err();
    assert_eq!(error.code(), Code::StoreCorrupt, "{error}");
    assert!(error.to_string().contains("keys"), "{error}");

    let to = Database::new();
    on_insert(&to, &format!("UPDATE {}.keys SET enabled = false WHERE name = 'Z'", from.schema()));
    let error = copy(&first, &to.open()).unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
}

/// From a host's side: the keys are the same keys, under the same pepper, by the same filter.
#[test]
fn a_key_is_as_good_after_the_move() {
    let (folder, database, again) = (Folder::new(), Database::new(), Folder::new());
    let open = |location| {
        let mut options = Options::new(location);
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        InspireAuth::open(options).unwrap()
    };
    let here = open(StoreLocation::Path(folder.db()));
    let create = |name: &str| {
        let levels = vec!["Authenticated/Ops".into()];
        let key = NewKey { levels, require_secure: false, ..NewKey::named(name) };
        here.keys().create(&key, &Caller::system()).unwrap().credential()
    };
    let (good, gone) = (create("good"), create("gone"));
    here.keys().delete("gone", None, &Caller::system()).unwrap();
    drop(here);
    copy(&folder.open(), &database.open()).unwrap();
    copy(&database.open(), &again.open()).unwrap();
    let requirement = Requirement::compile(&"Authenticated/Ops".parse().unwrap()).unwrap();
    for location in [StoreLocation::parse(&database.url("")), StoreLocation::Path(again.db())] {
        let there = open(location);
        let asks = |credential: &str| {
            let authorization = format!("Bearer {credential}");
            let request = Request::new(Presented::Authorization(authorization.as_bytes()), &requirement);
            there.authenticate(&request).map_or_else(|error| error.code(), |_| Code::Ok)
        };
        assert_eq!([asks(&good), asks(&gone)], [Code::Ok, Code::InvalidCredential]);
    }
}

//! Many keys at once: all of them, or none.

use super::*;
use crate::{
    Error,
    keys::{Import, ImportFormat, ListFilter},
    options::Pepper,
    store::{Origin, Strength},
};

const PHC: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";
/// SHA-256 of 32 zero bytes, whose token is 43 times `A`.
const IGNITION: &str = "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU";

fn import(name: &str, levels: &[&str]) -> Import {
    let mut key = NewKey::named(name);
    key.levels = levels.iter().map(|level| (*level).to_owned()).collect();
    Import { key, format: ImportFormat::Ignition, hash: IGNITION.to_owned(), strength: Strength::Random }
}

fn names(auth: &InspireAuth) -> Vec<String> {
    auth.keys().list(&ListFilter::default()).unwrap().into_iter().map(|record| record.name).collect()
}

/// What an error says, beyond what its code says.
fn told(result: Result<u64>) -> (Code, String) {
    let error: Error = result.unwrap_err();
    let position = error.position().map(|at| format!("import {at}"));
    assert_eq!(error.detail().is_some_and(|detail| detail.starts_with("import ")), position.is_some());
    assert!(position.is_none_or(|position| error.detail().is_some_and(|detail| detail.starts_with(&position))));
    (error.code(), error.detail().unwrap_or_default().to_owned())
}

#[test]
fn many_keys_come_at_once() {
    let (auth, other) = open_two();
    let phc =
        Import { format: ImportFormat::Phc, hash: PHC.to_owned(), strength: Strength::Chosen, ..import("b", &[]) };
    let imports = [import("c", &["Ops/Read", "Ops"]), phc, import("a", &["Ops"])];
    let before = auth.store().generation().unwrap();
    assert_eq!(auth.keys().import_all(&imports, &Caller::system().at(1000)).unwrap(), 3);
    assert_eq!(auth.store().generation().unwrap(), before + 1, "one transaction");
    assert_eq!(names(&auth), ["a", "b", "c"]);
    let record = auth.keys().get("c").unwrap();
    assert_eq!((record.origin, record.revision, record.created_at), (Origin::Imported, 1, 1000));
    assert_eq!(record.levels, ["Ops", "Ops/Read"]);
    let strengths = ["a", "b"].map(|name| stored(&auth, name).credentials[0].strength);
    assert_eq!(strengths, [Strength::Random, Strength::Chosen]);
    for name in ["a", "c"] {
        assert_eq!(code(ask_for(&other, &format!("{name}:{}", "A".repeat(43)), "Ops")), Code::Ok);
    }
    let events: Vec<_> = auth.audit(10).unwrap().into_iter().map(|e| (e.event, e.subject, e.detail)).collect();
    assert_eq!(events, [("keys.imported".to_owned(), String::new(), "3 keys".to_owned())]);
    assert!(auth.metrics_text().contains("inspire_mutations_total{event=\"keys.imported\"} 1\n"));
}

#[test]
fn no_keys_are_none_and_nothing_is_written() {
    let auth = open();
    let before = auth.store().generation().unwrap();
    assert_eq!(auth.keys().import_all(&[], &Caller::system()).unwrap(), 0);
    assert_eq!(auth.store().generation().unwrap(), before);
    assert!(auth.audit(10).unwrap().is_empty());
    // Not even that is anybody's to ask for.
    let reader = ask(&auth, &create(&auth, "reader", &["Ops"]).credential()).unwrap();
    assert_eq!(told(auth.keys().import_all(&[], &Caller::by(&reader))).0, Code::PermissionDenied);
}

/// The error says which one it is, and repeats neither its hash nor what is no name.
#[test]
fn one_that_fails_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = StoreLocation::Path(folder.path().join("store.db"));
    for store in [StoreLocation::Memory, path] {
        let auth = InspireAuth::open(options(store)).unwrap();
        create(&auth, "taken", &[]);
        let before = auth.store().generation().unwrap();
        let bad_hash = Import { hash: format!("{IGNITION}x"), ..import("bad", &[]) };
        let bad_text =
            Import { key: NewKey { description: "\0".to_owned(), ..NewKey::named("text") }, ..import("", &[]) };
        let secret = format!("isk_{}", "s".repeat(40));
        for (bad, code, detail) in [
            (import("taken", &[]), Code::NameTaken, "import 2 (taken)"),
            (import("one", &[]), Code::NameTaken, "import 2 (one): import 0 has it too"),
            (bad_hash, Code::InvalidHash, "import 2 (bad)"),
            (import("n/a", &[]), Code::InvalidName, "import 2"),
            (import(&secret, &["//"]), Code::InvalidLevel, "import 2 (isk_\u{2026})"),
            (import("level", &["Public"]), Code::InvalidLevel, "import 2 (level)"),
            (bad_text, Code::InvalidArgument, "import 2 (text): a description is at most 4096 bytes, without NUL"),
        ] {
            let imports = [import("one", &[]), import("two", &[]), bad, import("also/bad", &[])];
            let (found, said) = told(auth.keys().import_all(&imports[..3], &Caller::system()));
            assert_eq!(found, code);
            assert!(said.starts_with(detail), "{said}");
            assert!(!said.contains(IGNITION) && !said.contains("n/a"), "{said}");
            // The first of two, but for what only the store can tell.
            let (found, _) = told(auth.keys().import_all(&imports, &Caller::system()));
            assert_eq!(found, if detail == "import 2 (taken)" { Code::InvalidName } else { code });
            assert_eq!(names(&auth), ["taken"]);
            assert_eq!(auth.store().generation().unwrap(), before);
        }
        assert!(auth.audit(10).unwrap().iter().all(|event| !event.event.starts_with("keys.")));
    }
}

/// T9: nobody hands out what he does not hold, however many keys are around it.
#[test]
fn every_list_of_levels_is_judged() {
    let auth = open();
    let writer = ask(&auth, &create(&auth, "writer", &["Authenticated/Write", "Ops"]).credential()).unwrap();
    let by = Caller::by(&writer);
    let good = [import("a", &["Ops"]), import("b", &["Ops"]), import("c", &[])];
    let above = [import("d", &["Ops"]), import("e", &["Ops", "Ops/Admin"]), import("f", &["Ops/Admin"])];
    assert_eq!(
        told(auth.keys().import_all(&above, &by)),
        (Code::PermissionDenied, "import 1 (e): it does not hold Ops/Admin itself".to_owned())
    );
    assert_eq!(names(&auth), ["writer"]);
    assert_eq!(auth.keys().import_all(&good, &by).unwrap(), 3);
    auth.keys().set_enabled("writer", false, None, &Caller::system()).unwrap();
    assert_eq!(told(auth.keys().import_all(&above[..1], &by)).0, Code::PermissionDenied);
    let events: Vec<_> = auth.audit(3).unwrap().into_iter().map(|e| (e.event, e.actor, e.code)).collect();
    assert_eq!(
        events,
        [
            ("keys.imported.failed".to_owned(), "key:writer".to_owned(), Code::PermissionDenied),
            ("key.disabled".to_owned(), "system".to_owned(), Code::Ok),
            ("keys.imported".to_owned(), "key:writer".to_owned(), Code::Ok),
        ]
    );
}

#[test]
fn what_is_imported_is_sealed() {
    let mut options = options(StoreLocation::Memory);
    let secret = zeroize::Zeroizing::new(b"a pepper of at least sixteen bytes".to_vec());
    options.peppers = vec![Pepper { id: "p".to_owned(), secret }];
    let auth = InspireAuth::open(options).unwrap();
    auth.keys().import_all(&[import("a", &[]), import("b", &[])], &Caller::system()).unwrap();
    for name in ["a", "b"] {
        assert_eq!(stored(&auth, name).key.seal_key_id.as_deref(), Some("p"));
        assert_eq!(code(ask(&auth, &format!("{name}:{}", "A".repeat(43)))), Code::Ok);
    }
}

/// So many that another handle is not told of them one by one, but loads everything.
#[test]
fn another_handle_sees_more_keys_than_it_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let open = || InspireAuth::open(options(StoreLocation::Path(folder.path().join("store.db")))).unwrap();
    let (auth, other) = (open(), open());
    let former = create(&auth, "former", &[]);
    assert_eq!(code(ask(&other, &former.credential())), Code::Ok);
    let imports: Vec<Import> = (0..3000).map(|n| import(&format!("k{n}"), &["Ops"])).collect();
    assert_eq!(auth.keys().import_all(&imports, &Caller::system()).unwrap(), 3000);
    let secret = "A".repeat(43);
    for handle in [&other, &auth] {
        for name in ["k0", "k1499", "k2999"] {
            assert_eq!(code(ask_for(handle, &format!("{name}:{secret}"), "Ops")), Code::Ok);
        }
        assert_eq!(code(ask(handle, &former.credential())), Code::Ok);
    }
    assert_eq!(told(auth.keys().import_all(&imports[2999..], &Caller::system())).0, Code::NameTaken);
}

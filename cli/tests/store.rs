//! `store ...`, verb by verb.

#![cfg(test)]

mod support;

use inspire_auth_test_postgres::{GIVEN, Server, psql};
use serde_json::json;
use support::{Sandbox, mode};

#[cfg(unix)]
#[test]
fn a_backup_is_private_and_never_overwrites() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    assert_eq!(mode(&sandbox.path("copy.db")), 0o600);
    let before = std::fs::read(sandbox.path("copy.db")).unwrap();
    sandbox.run(&["store", "backup", "copy.db"]).fails(7);
    sandbox.run(&["store", "backup", "store.db"]).fails(7);
    assert_eq!(std::fs::read(sandbox.path("copy.db")).unwrap(), before);
}

#[test]
fn a_restore_revives_nothing_and_says_what_it_did() {
    let (sandbox, one) = Sandbox::with_key(&[]);
    let two = sandbox.run(&["keys", "create", "two"]).ok();
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    sandbox.run(&["keys", "delete", "one", "--yes"]).ok();
    sandbox.run(&["keys", "create", "three"]).ok();

    sandbox.run(&["store", "restore", "copy.db"]).fails(2);
    let report = sandbox.json(&["store", "restore", "copy.db", "--yes"]).json();
    let expected = json!({
        "kept": 1, "updated": 0, "revived": 0, "disabled": 0, "stayed_deleted": 1, "name_taken": 0,
        "deleted": ["three"], "license": "none",
    });
    assert_eq!(report, expected);
    sandbox.run_with(&["keys", "verify", "--secure"], one).fails(3);
    sandbox.run_with(&["keys", "verify", "--secure"], two).ok();

    sandbox.run(&["store", "restore", "none.db", "--yes"]).fails(6);
    sandbox.write("junk.db", "not a database, but long enough to be looked at as one");
    assert_eq!(sandbox.json(&["store", "restore", "junk.db", "--yes"]).error(1), "STORE_CORRUPT");
}

#[test]
fn a_restore_on_a_new_machine_is_disabled_unless_an_operator_says_otherwise() {
    let (sandbox, one) = Sandbox::with_key(&[]);
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    for (store, more, granted) in [("new.db", &[][..], 3), ("newer.db", &["--accept-revived"], 0)] {
        let on = ["--store", store];
        let restored = sandbox.run(&[&["store", "restore", "copy.db", "--yes"], more, &on].concat()).ok();
        assert!(restored.contains(if granted == 0 { "Revived" } else { "Disabled" }), "{restored}");
        let verified = sandbox.run_with(&[&["keys", "verify", "--secure"], &on[..]].concat(), &one);
        assert_eq!(verified.exit, Some(granted), "{verified:?}");
    }
}

#[test]
fn adopt_and_seal_need_to_be_meant() {
    let (sandbox, credential) = Sandbox::with_key(&[]);
    sandbox.run(&["store", "adopt"]).fails(2);
    assert_eq!(sandbox.json(&["store", "adopt", "--yes"]).json(), json!({"adopted": true}));

    let pepper = format!("p1={}", sandbox.write("pepper", "a pepper of at least sixteen bytes"));
    let verify = ["keys", "verify", "--secure", "--pepper-file", &pepper];
    let refused = sandbox.run_with(&verify, &credential).fails(3);
    assert!(refused.contains("not sealed"), "{refused}");
    sandbox.run(&["store", "seal", "--yes"]).fails(2);
    sandbox.run(&["store", "seal", "--pepper-file", &pepper]).fails(2);
    assert_eq!(sandbox.json(&["store", "seal", "--yes", "--pepper-file", &pepper]).json(), json!({"sealed": 1}));
    sandbox.run_with(&verify, &credential).ok();
}

/// From a file into a database and back; and what is refused leaves no trace.
#[test]
fn a_store_moves_to_a_database_and_back() {
    let server = if std::env::var(GIVEN).is_ok() { None } else { Some(Server::start().unwrap()) };
    let url = server.as_ref().map_or_else(|| std::env::var(GIVEN).unwrap(), Server::url);
    let schema = format!("move_{}", std::process::id());
    let database = format!("{}?schema={schema}", url.replace("admin@", "admin:no-secret@"));
    let (sandbox, credential) = Sandbox::with_key(&[]);
    sandbox.run_with(&["keys", "verify", "--secure"], &credential).ok();
    let not_there = sandbox.run(&["store", "copy", "store.db", &database]).fails(1);
    assert!(not_there.contains("store migrate") && !not_there.contains("no-secret"), "{not_there}");
    sandbox.run(&["store", "migrate", "--store", &database]).ok();
    sandbox.run(&["store", "copy", "none.db", &database]).fails(6);
    sandbox.run(&["store", "copy", "store.db", ":memory:"]).fails(2);
    let copied = sandbox.json(&["store", "copy", "store.db", &database]).json();
    assert_eq!((&copied["keys"], &copied["credentials"], &copied["license"]), (&json!(1), &json!(1), &json!(false)));
    sandbox.run_with(&["keys", "verify", "--secure", "--store", &database], &credential).ok();
    let used = sandbox.json(&["store", "copy", "store.db", &database]);
    assert_eq!(used.error(2), "INVALID_ARGUMENT");
    sandbox.run(&["store", "copy", &database, "back.db"]).ok();
    sandbox.run_with(&["keys", "verify", "--secure", "--store", "back.db"], &credential).ok();
    sandbox.run(&["store", "copy", "back.db", "twice.db"]).ok();
    sandbox.run(&["store", "copy", "back.db", "twice.db"]).fails(2);
    psql(&url, &format!("DROP SCHEMA {schema} CASCADE")).unwrap();
}

/// What a person does with a database: the tables are made once, and then it is a store like any other.
#[test]
fn a_database_is_a_store_once_it_is_migrated() {
    let server = if std::env::var(GIVEN).is_ok() { None } else { Some(Server::start().unwrap()) };
    let url = server.as_ref().map_or_else(|| std::env::var(GIVEN).unwrap(), Server::url);
    let sandbox = Sandbox::new();
    let schema = format!("cli_{}", std::process::id());
    let store = format!("{}?schema={schema}", url.replace("admin@", "admin:no-secret@"));
    let with = |arguments: &[&str]| -> Vec<String> {
        arguments.iter().copied().chain(["--store", &store]).map(str::to_owned).collect()
    };
    let error = sandbox.run(&with(&["keys", "list"])).fails(1);
    assert!(error.contains("store migrate") && !error.contains("no-secret"), "{error}");
    let migrated = sandbox.json(&with(&["store", "migrate", "--role", "admin"])).json();
    assert!(migrated["roles"] == json!(["admin"]) && !migrated.to_string().contains("no-secret"), "{migrated}");
    sandbox.run(&with(&["store", "migrate"])).ok();
    let key = sandbox.run(&with(&["keys", "create", "one", "--level", "Authenticated/Ops"])).ok();
    sandbox.run_with(&with(&["keys", "verify", "--secure"]), &key).ok();
    assert_eq!(sandbox.json(&with(&["keys", "list"])).json()["keys"][0]["name"], "one");
    sandbox.run(&with(&["store", "adopt", "--yes"])).ok();
    sandbox.run(&with(&["license", "doctor"]));
    sandbox.run(&with(&["keys", "delete", "one", "--yes"])).ok();
    sandbox.run_with(&with(&["keys", "verify", "--secure"]), &key).fails(3);
    // What is about files is not about databases, and the other way about.
    sandbox.run(&with(&["store", "backup", "copy.db"])).fails(2);
    sandbox.write("copy.db", "");
    sandbox.run(&with(&["store", "restore", "copy.db", "--yes"])).fails(2);
    assert!(sandbox.run(&["store", "migrate"]).fails(2).contains("postgresql://"));
    sandbox.run(&["store", "migrate", "--store", "postgresql://nobody"]).fails(2);
    psql(&url, &format!("DROP SCHEMA {schema} CASCADE")).unwrap();
}

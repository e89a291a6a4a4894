//! `store ...`, verb by verb.

#![cfg(test)]

mod support;

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

//! `keys ...`, verb by verb.

#![cfg(test)]

mod support;

use serde_json::json;
use support::{Sandbox, mode};

#[test]
fn create_shows_the_credential_once_on_standard_output() {
    let sandbox = Sandbox::new();
    let created = sandbox.run(&["keys", "create", "one", "--level", "Authenticated/B", "--level", "Authenticated/A"]);
    assert!(created.out.starts_with("one:isk_") && created.out.trim_end().len() == 4 + 53, "{created:?}");
    assert_eq!(created.out.lines().count(), 1);
    assert!(created.err.contains("only time"), "{created:?}");

    let record = &sandbox.json(&["keys", "show", "one"]).json()["record"];
    assert_eq!(record["levels"], json!(["Authenticated/A", "Authenticated/B"]));
    assert_eq!((&record["require_secure"], &record["enabled"]), (&json!(true), &json!(true)));
    assert_eq!((&record["expires_at"], &record["revision"]), (&json!(null), &json!(1)));
}

#[test]
fn create_as_json_is_one_document_with_key_and_record() {
    let sandbox = Sandbox::new();
    let made = sandbox.json(&["keys", "create", "one", "--allow-insecure", "--disabled", "--expires", "90d"]).json();
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["credential"], format!("one:{key}"));
    assert_eq!((&made["record"]["require_secure"], &made["record"]["enabled"]), (&json!(false), &json!(false)));
    let ninety_days = 90 * 24 * 3600;
    let lives = made["record"]["expires_at"].as_i64().unwrap() - made["record"]["created_at"].as_i64().unwrap();
    assert!((ninety_days - 5..=ninety_days + 5).contains(&lives), "{lives}");
    let members: Vec<_> = made["record"].as_object().unwrap().keys().cloned().collect();
    let expected = "created_at description enabled expires_at id last_used_at levels name origin overlap_ends_at require_secure revision type updated_at";
    assert_eq!(members.join(" "), expected);
}

/// T36: files that hold secrets are their owner's alone.
#[cfg(unix)]
#[test]
fn create_into_a_file_makes_it_private_and_overwrites_nothing() {
    let sandbox = Sandbox::new();
    let made = sandbox.run(&["keys", "create", "one", "--out", "one.key"]);
    assert!(!made.err.contains("isk_"), "{made:?}");
    assert_eq!(made.ok(), "");
    let credential = std::fs::read_to_string(sandbox.path("one.key")).unwrap();
    assert!(credential.starts_with("one:isk_"));
    assert_eq!((mode(&sandbox.path("one.key")), mode(&sandbox.path("store.db"))), (0o600, 0o600));
    sandbox.run_with(&["keys", "verify", "--secure"], &credential).ok();

    sandbox.run(&["keys", "create", "two", "--out", "one.key"]).fails(7);
    assert_eq!(std::fs::read_to_string(sandbox.path("one.key")).unwrap(), credential);
    sandbox.run(&["keys", "show", "two"]).fails(6);
    // A key that could not be made leaves no empty file behind.
    sandbox.run(&["keys", "create", "one", "--out", "other.key"]).fails(7);
    assert!(!sandbox.path("other.key").exists());
}

#[test]
fn a_store_is_never_made_by_mistake() {
    let sandbox = Sandbox::new();
    let error = sandbox.run(&["keys", "list"]).fails(6);
    assert!(error.contains("keys create"), "{error}");
    assert!(!sandbox.path("store.db").exists());
}

#[test]
fn list_is_a_table_and_an_empty_one_says_how_to_begin() {
    let (sandbox, credential) = Sandbox::with_key(&["--level", "Authenticated/Ops/Read", "--description", "figures"]);
    sandbox.run(&["keys", "create", "old", "--expires", "2020-01-01T00:00:00Z"]).ok();
    let table = sandbox.run(&["keys", "list"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME  STATE    LEVELS"), "{table}");
    assert!(lines[1].starts_with("old   expired") && lines[1].contains("2020-01-01, "), "{table}");
    assert!(lines[2].contains("Authenticated/Ops/Read") && lines[2].contains("figures"), "{table}");
    assert!(!table.contains(credential.split_once(':').unwrap().1));

    let names = |arguments: &[&str]| {
        let listed = sandbox.json(arguments).json();
        listed["keys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["keys", "list"]), ["old", "one"]);
    assert_eq!(names(&["keys", "list", "--expired"]), ["old"]);
    assert_eq!(names(&["keys", "list", "--level", "Authenticated/Ops"]), ["one"]);

    sandbox.run(&["keys", "delete", "one", "old", "--yes"]).ok();
    let empty = sandbox.run(&["keys", "list"]);
    assert!(empty.err.contains("inspire-auth keys create NAME"), "{empty:?}");
    assert_eq!(empty.ok(), "");
}

#[test]
fn a_table_fits_the_terminal() {
    let (sandbox, _) = Sandbox::with_key(&["--level", "Authenticated/Ops/Read", "--level", "Authenticated/Ops/Write"]);
    for width in [50, 80, 100, 200] {
        let listed = support::ran(sandbox.command(&["keys", "list"]).env("COLUMNS", width.to_string()), b"").ok();
        assert!(listed.lines().all(|line| line.chars().count() <= width), "{width}:\n{listed}");
        assert!(listed.contains("NAME"), "{listed}");
    }
}

#[test]
fn what_a_description_holds_can_not_move_the_cursor() {
    let (sandbox, _) = Sandbox::with_key(&["--description", "red\u{1b}[31m\u{202e}"]);
    for verb in [&["keys", "list"][..], &["keys", "show", "one"]] {
        let shown = sandbox.run(verb).ok();
        assert!(shown.contains("\\u{1b}[31m") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
    }
}

/// T35: with a stale revision nothing is written.
#[test]
fn edit_changes_what_is_named_and_nothing_else() {
    let (sandbox, _) = Sandbox::with_key(&["--level", "Authenticated/A", "--description", "first"]);
    let edit = |more: &[&str]| {
        let edited = sandbox.json(&[&["keys", "edit", "one"], more].concat()).json();
        edited["record"].clone()
    };
    let record = edit(&["--add-level", "Authenticated/B", "--expires", "2030-01-31T12:00:00Z"]);
    assert_eq!(record["levels"], json!(["Authenticated/A", "Authenticated/B"]));
    assert_eq!((&record["expires_at"], &record["description"]), (&json!(1_896_091_200), &json!("first")));
    assert_eq!(edit(&["--remove-level", "Authenticated/A"])["levels"], json!(["Authenticated/B"]));
    assert_eq!(edit(&["--level", "Authenticated/C"])["levels"], json!(["Authenticated/C"]));
    assert_eq!(edit(&["--no-levels"])["levels"], json!([]));
    assert_eq!(edit(&["--allow-insecure"])["require_secure"], json!(false));
    assert_eq!(edit(&["--require-secure"])["require_secure"], json!(true));
    let record = edit(&["--expires", "never", "--description", ""]);
    assert_eq!((&record["expires_at"], &record["description"]), (&json!(null), &json!("")));
    assert_eq!(record["revision"], json!(8));

    assert_eq!(sandbox.json(&["keys", "edit", "one", "--no-levels", "--revision", "3"]).error(7), "CONFLICT");
    sandbox.run(&["keys", "edit", "one"]).fails(2);
    sandbox.run(&["keys", "edit", "one", "--remove-level", "Authenticated/A"]).fails(2);
    sandbox.run(&["keys", "edit", "one", "--expires", "tomorrow"]).fails(2);
    sandbox.run(&["keys", "edit", "one", "--level", "Authenticated/A", "--add-level", "Authenticated/B"]).fails(2);
    assert_eq!(sandbox.json(&["keys", "edit", "one", "--level", "Public"]).error(2), "INVALID_LEVEL");
}

#[test]
fn rename_disable_and_enable_take_effect_at_once() {
    let (sandbox, credential) = Sandbox::with_key(&[]);
    let verify = |credential: &str| sandbox.run_with(&["keys", "verify", "--secure"], credential);
    verify(&credential).ok();

    sandbox.run(&["keys", "disable", "one"]).ok();
    let refused = verify(&credential).fails(3);
    assert!(refused.contains("it is disabled"), "the operator is told the reason: {refused}");
    sandbox.run(&["keys", "enable", "one"]).ok();
    verify(&credential).ok();

    sandbox.run(&["keys", "rename", "one", "first"]).ok();
    verify(&credential).fails(3);
    verify(&credential.replacen("one:", "first:", 1)).ok();
    sandbox.run(&["keys", "create", "two"]).ok();
    assert_eq!(sandbox.json(&["keys", "rename", "first", "two"]).error(7), "NAME_TAKEN");
}

#[test]
fn duplicate_takes_the_settings_and_makes_another_secret() {
    let (sandbox, credential) = Sandbox::with_key(&["--level", "Authenticated/A", "--description", "d", "--disabled"]);
    let copy = sandbox.json(&["keys", "duplicate", "one", "two"]).json();
    assert_ne!(copy["key"], credential.split_once(':').unwrap().1);
    let original = &sandbox.json(&["keys", "show", "one"]).json()["record"];
    for member in ["levels", "description", "enabled", "require_secure", "expires_at"] {
        assert_eq!(copy["record"][member], original[member], "{member}");
    }
    assert_eq!(sandbox.json(&["keys", "duplicate", "none", "three"]).error(6), "NOT_FOUND");
    assert_eq!(sandbox.json(&["keys", "duplicate", "one", "two"]).error(7), "NAME_TAKEN");
}

#[test]
fn rotate_refuses_the_old_secret_and_needs_to_be_meant() {
    let (sandbox, old) = Sandbox::with_key(&[]);
    let error = sandbox.run(&["keys", "rotate", "one"]).fails(2);
    assert!(error.contains("--yes"), "{error}");
    sandbox.run_with(&["keys", "verify", "--secure"], &old).ok();

    let new = sandbox.run(&["keys", "rotate", "one", "--yes"]).ok();
    sandbox.run_with(&["keys", "verify", "--secure"], &new).ok();
    sandbox.run_with(&["keys", "verify", "--secure"], &old).fails(3);
}

/// T34, in processes of their own: each verb and each check is another one.
#[test]
fn rotate_with_an_overlap_leaves_both_secrets_good() {
    let (sandbox, old) = Sandbox::with_key(&[]);
    let verify = |credential: &str| sandbox.run_with(&["keys", "verify", "--secure"], credential);
    let turned = sandbox.run(&["keys", "rotate", "one", "--overlap", "24h", "--yes"]);
    assert!(turned.err.contains("The old secret is good until ") && turned.err.contains("in 1 day"), "{turned:?}");
    let new = turned.ok();
    verify(&old).ok();
    verify(&new).ok();
    let record = &sandbox.json(&["keys", "show", "one"]).json()["record"];
    let lasts = record["overlap_ends_at"].as_i64().unwrap() - record["updated_at"].as_i64().unwrap();
    assert_eq!(lasts, 24 * 3600);
    assert!(sandbox.run(&["keys", "show", "one"]).ok().contains("Old secret"));

    // The next rotation ends the oldest at once, and one without an overlap both.
    let newer = sandbox.json(&["keys", "rotate", "one", "--overlap", "30m", "--yes"]).json();
    let newer = newer["credential"].as_str().unwrap();
    verify(&old).fails(3);
    verify(&new).ok();
    verify(newer).ok();
    let last = sandbox.run(&["keys", "rotate", "one", "--yes"]).ok();
    verify(&new).fails(3);
    verify(newer).fails(3);
    verify(&last).ok();
    assert_eq!(sandbox.json(&["keys", "show", "one"]).json()["record"]["overlap_ends_at"], json!(null));
    sandbox.run(&["keys", "rotate", "one", "--overlap", "1h", "--yes"]).ok();
    sandbox.run(&["keys", "delete", "one", "--yes"]).ok();
    verify(&last).fails(3);
}

#[test]
fn an_overlap_is_a_length_of_time_of_at_most_a_year() {
    let (sandbox, credential) = Sandbox::with_key(&[]);
    for bad in ["", "24", "1y", "-1h", "tomorrow", "366d", "9999999999999999999d"] {
        let overlap = format!("--overlap={bad}");
        assert_eq!(sandbox.json(&["keys", "rotate", "one", &overlap, "--yes"]).error(2), "INVALID_ARGUMENT", "{bad}");
    }
    sandbox.run_with(&["keys", "verify", "--secure"], &credential).ok();
    sandbox.run(&["keys", "rotate", "one", "--overlap", "365d", "--yes"]).ok();
}

#[test]
fn delete_takes_all_or_none_and_needs_to_be_meant() {
    let (sandbox, credential) = Sandbox::with_key(&[]);
    sandbox.run(&["keys", "create", "two"]).ok();
    sandbox.run(&["keys", "delete", "one"]).fails(2);
    sandbox.run(&["keys", "delete", "one", "--no-input"]).fails(2);
    let error = sandbox.run(&["keys", "delete", "one", "nothing", "two", "--yes"]).fails(6);
    assert!(error.contains("nothing"), "{error}");
    assert_eq!(sandbox.json(&["keys", "list"]).json()["keys"].as_array().unwrap().len(), 2);

    let deleted = sandbox.json(&["keys", "delete", "two", "one", "one", "--yes"]).json();
    assert_eq!(deleted, json!({"deleted": ["one", "two"]}));
    sandbox.run_with(&["keys", "verify", "--secure"], credential).fails(3);
}

#[test]
fn import_takes_hashes_of_both_kinds() {
    let sandbox = Sandbox::new();
    // RFC 9106's author's reference: `password`, salt `somesalt`.
    let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let imported =
        ran_json(&sandbox, &["keys", "import", "old", "--hash-file", "-", "--level", "Authenticated/A"], phc);
    assert_eq!((&imported["record"]["origin"], &imported["record"]["revision"]), (&json!("imported"), &json!(1)));
    sandbox.run_with(&["keys", "verify", "--secure", "--level", "Authenticated/A"], "old:password").ok();
    sandbox.run_with(&["keys", "verify", "--secure"], "old:passwort").fails(3);

    // SHA-256 of 32 zero bytes, and the 32 zero bytes.
    let hash = sandbox.write("hash", "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU\n");
    sandbox
        .run(&["keys", "import", "scada", "--format", "ignition", "--strength", "random", "--hash-file", &hash])
        .ok();
    sandbox.run_with(&["keys", "verify", "--secure"], format!("scada:{}", "A".repeat(43))).ok();

    assert_eq!(error_json(&sandbox, &["keys", "import", "x", "--hash-file", "-"], "nonsense", 2), "INVALID_HASH");
    assert_eq!(error_json(&sandbox, &["keys", "import", "x", "--hash-file", "none"], "", 6), "IO_ERROR");
}

#[test]
fn import_all_takes_a_file_of_many_keys() {
    let sandbox = Sandbox::new();
    let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let lines = [
        json!({"name": "old", "hash": phc, "levels": ["Authenticated/A"], "description": "d", "expires_at": "90d"}),
        json!({"name": "scada", "hash": "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU", "format": "ignition",
            "strength": "random", "require_secure": false, "expires_at": 4_000_000_000_u64}),
        json!({"name": "off", "hash": phc, "format": "phc", "strength": "chosen", "enabled": false, "levels": [],
            "require_secure": true, "expires_at": null}),
    ]
    .map(|line| line.to_string());
    let file = sandbox.write("keys.jsonl", format!("{}\r\n\n{}\n{}", lines[0], lines[1], lines[2]));
    assert_eq!(sandbox.json(&["keys", "import-all", &file]).json(), json!({"imported": 3}));
    sandbox.run_with(&["keys", "verify", "--secure", "--level", "Authenticated/A"], "old:password").ok();
    sandbox.run_with(&["keys", "verify"], format!("scada:{}", "A".repeat(43))).ok();
    sandbox.run_with(&["keys", "verify", "--secure"], "off:password").fails(3);
    let records = sandbox.json(&["keys", "list"]).json();
    let told = |name: &str, member: &str| {
        let keys = records["keys"].as_array().unwrap();
        keys.iter().find(|key| key["name"] == name).unwrap()[member].clone()
    };
    assert_eq!((told("old", "description"), told("off", "enabled")), (json!("d"), json!(false)));
    assert_eq!((told("scada", "expires_at"), told("off", "expires_at")), (json!(4_000_000_000_u64), json!(null)));
    assert!(told("old", "expires_at").is_u64());

    // Through a pipe, and what was not asked for is said on standard error.
    let line = |name: &str| json!({"name": name, "hash": phc}).to_string();
    let ran = sandbox.run_with(&["keys", "import-all", "-"], format!("{}\n{}\n", line("e"), line("f")));
    assert!(ran.err.contains("Imported 2 keys."), "{ran:?}");
    assert_eq!(ran_json(&sandbox, &["keys", "import-all", "-"], "\n"), json!({"imported": 0}));
}

/// All of them, or none; and the line that is at fault is told.
#[test]
fn import_all_tells_the_line_that_is_wrong_and_adds_nothing() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let good = json!({"name": "good", "hash": "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU", "format": "ignition"});
    let with = |member: &str, value: serde_json::Value| {
        let mut line = good.clone();
        line["name"] = json!("next");
        line[member] = value;
        line.to_string()
    };
    for (bad, exit, code, why) in [
        (with("name", json!("one")), 7, "NAME_TAKEN", "import 1 (one)"),
        (with("name", json!("good")), 7, "NAME_TAKEN", "import 0 has it too"),
        (with("name", json!("a/b")), 2, "INVALID_NAME", "import 1"),
        (with("hash", json!("x")), 2, "INVALID_HASH", "import 1 (next)"),
        (with("levels", json!(["//"])), 2, "INVALID_LEVEL", "import 1 (next)"),
        (with("levels", json!("Authenticated")), 2, "INVALID_ARGUMENT", "a value of the wrong type"),
        (with("format", json!("md5")), 2, "INVALID_ARGUMENT", "a value that is not defined"),
        (with("strength", json!("strong")), 2, "INVALID_ARGUMENT", "a value that is not defined"),
        (with("expires_at", json!("tomorrow")), 2, "INVALID_ARGUMENT", "expires_at is neither"),
        (with("expires_at", json!(1.5)), 2, "INVALID_ARGUMENT", "expires_at is neither"),
        (with("expires_at", json!(-1)), 2, "INVALID_ARGUMENT", "above 0"),
        (with("secret", json!("s")), 2, "INVALID_ARGUMENT", "unknown member secret"),
        (json!({"name": "next"}).to_string(), 2, "INVALID_ARGUMENT", "missing member hash"),
        (r#"{"name": "a", "name": "b", "hash": ""}"#.to_owned(), 2, "INVALID_ARGUMENT", "duplicate member name"),
        ("{".to_owned(), 2, "INVALID_ARGUMENT", "no JSON object"),
        (r#"["next", "", null, null, "", [], true, true, null]"#.to_owned(), 2, "INVALID_ARGUMENT", "no JSON object"),
        (format!("{good} {good}"), 2, "INVALID_ARGUMENT", "no JSON object"),
    ] {
        let input = format!("{good}\n\n{bad}\n");
        let ran = sandbox.run_with(&["keys", "import-all", "-"], &input);
        let error = ran.fails(exit);
        assert!(error.contains("standard input, line 3: ") && error.contains(why), "{bad}: {error}");
        assert_eq!(error_json(&sandbox, &["keys", "import-all", "-"], &input, exit), code, "{bad}");
        let names = sandbox.json(&["keys", "list"]).json();
        assert_eq!(names["keys"].as_array().unwrap().len(), 1, "{bad}");
    }
    assert_eq!(error_json(&sandbox, &["keys", "import-all", "none"], "", 6), "IO_ERROR");
}

fn ran_json(sandbox: &Sandbox, arguments: &[&str], input: &str) -> serde_json::Value {
    support::ran(sandbox.command(arguments).arg("--json"), input.as_bytes()).json()
}

fn error_json(sandbox: &Sandbox, arguments: &[&str], input: &str, exit: i32) -> String {
    support::ran(sandbox.command(arguments).arg("--json"), input.as_bytes()).error(exit)
}

#[test]
fn export_has_every_record_and_no_hash() {
    let (sandbox, _) = Sandbox::with_key(&["--description", "d"]);
    let exported = sandbox.run(&["keys", "export"]).ok();
    let document: serde_json::Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(document, sandbox.json(&["keys", "list"]).json());
    assert!(!exported.contains("argon2") && !exported.contains("tag"), "{exported}");
    sandbox.run(&["keys", "export", "--out", "keys.json"]).ok();
    assert_eq!(std::fs::read_to_string(sandbox.path("keys.json")).unwrap(), exported);
    sandbox.run(&["keys", "export", "--out", "keys.json"]).fails(7);
}

#[test]
fn verify_reads_what_people_have_and_tells_the_reason() {
    let (sandbox, credential) = Sandbox::with_key(&["--level", "Authenticated/Ops"]);
    let secure =
        |header: &str, more: &[&str]| sandbox.run_with(&[&["keys", "verify", "--secure"], more].concat(), header);
    for header in [
        credential.clone(),
        credential.replacen(':', "~", 1),
        format!("Bearer {credential}\n"),
        format!("Authorization: bearer {credential}\r\n"),
        format!("X-Ignition-API-Token: {credential}"),
    ] {
        let granted = secure(&header, &[]).ok();
        assert!(granted.contains("one") && granted.contains("Authenticated/Ops"), "{granted}");
    }
    let file = sandbox.write("header", &credential);
    sandbox.run(&["keys", "verify", "--secure", "--header-file", &file]).ok();

    secure(&credential, &["--level", "Authenticated/Ops", "--level", "Other"]).ok();
    let error = secure(&credential, &["--all", "--level", "Authenticated/Ops", "--level", "Other"]).fails(3);
    assert!(error.contains("INSUFFICIENT_LEVEL") && error.contains("Other"), "{error}");
    let error = sandbox.run_with(&["keys", "verify"], &credential).fails(3);
    assert!(error.contains("SECURE_CHANNEL_REQUIRED") && error.contains("--secure"), "{error}");
    sandbox.run_with(&["keys", "verify", "--local"], &credential).fails(3);
    sandbox.run_with(&["keys", "verify", "--local", "--local-is-secure"], &credential).ok();
    assert!(secure("nobody:x", &[]).fails(3).contains("INVALID_CREDENTIAL"));
    assert!(secure("", &[]).fails(3).contains("MALFORMED_CREDENTIAL"));
    assert!(secure("Basic Zm9v", &[]).fails(3).contains("NO_CREDENTIAL"));
    assert!(secure("a\nb", &[]).fails(2).contains("more than one line"));
    assert!(secure(&credential, &["--entitlement", "MFA"]).fails(5).contains("UNLICENSED"));
}

#[test]
fn a_pepper_is_needed_again() {
    let sandbox = Sandbox::new();
    let pepper = format!("p1={}", sandbox.write("pepper", "a pepper of at least sixteen bytes"));
    let with = |verb: &[&str], input: &str| sandbox.run_with(&[verb, &["--pepper-file", &pepper]].concat(), input);
    let argon = with(&["keys", "create", "one"], "").ok();
    let hmac = with(&["keys", "create", "two", "--scheme", "hmac-sha256"], "").ok();
    for credential in [&argon, &hmac] {
        with(&["keys", "verify", "--secure"], credential).ok();
        sandbox.run_with(&["keys", "verify", "--secure"], credential).fails(3);
    }
    sandbox.run(&["keys", "list", "--pepper-file", "p1"]).fails(2);
    sandbox.run(&["keys", "list", "--pepper-file", "p1=none"]).fails(6);
}

#[test]
fn a_level_that_ignition_ignores_is_pointed_out() {
    let sandbox = Sandbox::new();
    let arguments =
        ["keys", "create", "one", "--level", "Authenticated/Roles/Administrator", "--level-mode", "ignition"];
    let made = sandbox.run(&arguments);
    assert!(made.err.contains("warning: Authenticated/Roles/Administrator"), "{made:?}");
}

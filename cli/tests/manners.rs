//! What all commands have in common: exit codes, JSON, secrets, terminals, disks that are full.

#![cfg(test)]

mod support;

use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use inspire_auth_core::store::{SqliteStore, Store as _};
use serde_json::json;
use support::{PROGRAM, Sandbox, Vendor, ran};

#[test]
fn wrong_arguments_are_usage_errors_in_both_manners() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["keys", "create"][..],
        &["keys", "create", "a", "--levle", "x"],
        &["keys", "nothing"],
        &["keys", "create", "-x"],
        &["license", "activate"],
        &["keys", "create", "a", "--expires", "90"],
        &["keys", "create", "a", "--key", "isk_secret"],
        &["keys", "list", "--store", ":memory:"],
        &["keys", "list", "--store", ""],
    ] {
        assert!(sandbox.run(arguments).fails(2).starts_with("error: "), "{arguments:?}");
        assert_eq!(sandbox.json(arguments).error(2), "INVALID_ARGUMENT", "{arguments:?}");
    }
    assert_eq!(sandbox.json(&["keys", "create", "a b"]).error(2), "INVALID_NAME");
    assert_eq!(sandbox.json(&["keys", "create", "a", "--level", "A//B"]).error(2), "INVALID_LEVEL");
    let error = sandbox.json(&["keys", "create"]).fails(2);
    assert!(error.contains("not provided: <NAME>"), "{error}");
    let mut homeless = Command::new(PROGRAM);
    let error = ran(homeless.env_clear().args(["keys", "list"]), b"").fails(2);
    assert!(error.contains("INSPIRE_AUTH_STORE"), "{error}");
    // A variable that is set to nothing is as good as none.
    for variable in ["INSPIRE_AUTH_STORE", "INSPIRE_AUTH_AUDIT_FILE"] {
        ran(Command::new(PROGRAM).env_clear().env(variable, "").arg("version"), b"").ok();
    }
    let mut nowhere = sandbox.command(&["keys", "create", "a"]);
    ran(nowhere.env("INSPIRE_AUTH_AUDIT_FILE", ""), b"").ok();
    assert_eq!(sandbox.json(&["keys", "create", "b", "--audit-file", ""]).error(2), "INVALID_ARGUMENT");
    let mut homeless = sandbox.command(&["keys", "list"]);
    assert!(ran(homeless.env("INSPIRE_AUTH_STORE", ""), b"").fails(2).contains("no store is named"));
}

#[test]
fn nothing_at_all_shows_the_help_and_fails() {
    let mut bare = Command::new(PROGRAM);
    let shown = ran(&mut bare, b"");
    assert_eq!(shown.exit, Some(2));
    assert!(shown.err.contains("Usage: inspire-auth"), "{shown:?}");
}

#[test]
fn every_command_explains_itself() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["--help"]).ok();
    assert!(help.contains("Exit codes:") && help.contains("Examples:") && help.contains("Advanced:"), "{help}");
    for (noun, verbs) in [
        ("keys", "create list show edit rename duplicate rotate enable disable delete import import-all export verify"),
        ("license", "status activate revalidate request refresh inspect check limit deactivate release doctor"),
        ("routes", "check explain"),
        ("machine", "id explain"),
        ("issuer", "keygen sign sign-key inspect accept-proof serve"),
        ("store", "backup restore adopt seal"),
        ("audit", "tail list verify"),
    ] {
        let listed = sandbox.run(&[noun, "--help"]).ok();
        for verb in verbs.split(' ') {
            assert!(listed.contains(verb), "{noun} {verb}");
            let help = sandbox.run(&[noun, verb, "--help"]).ok();
            assert!(help.contains("Usage: inspire-auth") && help.contains("Example"), "{noun} {verb}");
        }
    }
    assert!(sandbox.run(&["issuer", "sign", "--help"]).ok().contains("fingerprint"));
    let listed = sandbox.run(&["issuer", "license", "--help"]).ok();
    for verb in "create list show suspend reinstate renew entitle limit remove-machine".split(' ') {
        assert!(listed.contains(verb), "{verb}");
        assert!(sandbox.run(&["issuer", "license", verb, "--help"]).ok().contains("Example"), "{verb}");
    }
    assert!(sandbox.run(&["issuer", "serve", "--help"]).ok().contains("small vendors"));
}

#[test]
fn the_version_is_told() {
    let sandbox = Sandbox::new();
    assert!(sandbox.run(&["version"]).ok().starts_with("inspire-auth 0."));
    let version = sandbox.json(&["version"]).json();
    assert_eq!((&version["version"], &version["abi"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(1)));
}

#[test]
fn completion_scripts_know_the_verbs() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(&["completion", shell]).ok();
        assert!(script.contains("duplicate") && script.contains("pepper-file"), "{shell}");
    }
    sandbox.run(&["completion", "cobol"]).fails(2);
    // What bash is given must be something that bash can read.
    let script = sandbox.write("completion.bash", sandbox.run(&["completion", "bash"]).ok());
    assert!(Command::new("bash").args(["-n", &script]).status().unwrap().success());
}

/// T37: a secret is seen where it is made, once, and in no other output, error or export.
#[test]
fn secrets_are_in_no_output_but_the_one() {
    let vendor = Vendor::activated();
    let sandbox = &vendor.sandbox;
    let credential = sandbox.run(&["keys", "create", "one", "--level", "Authenticated/A"]).ok();
    let key = credential.trim_end().split_once(':').unwrap().1;
    sandbox.write("header", &credential);
    let pepper = format!("p={}", sandbox.write("pepper", "a pepper of at least sixteen bytes"));
    let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    sandbox.write("hash", hash);
    sandbox.write("bad-hash", format!("{hash}!"));
    sandbox.write("keys.jsonl", json!({"name": "five", "hash": hash}).to_string());
    sandbox.write("bad.jsonl", json!({"name": "six", "hash": format!("{hash}!")}).to_string());
    let misplaced = ["levels", "format", "strength", "expires_at", "name"]
        .map(|member| {
            if member == "name" {
                json!({"name": hash, "hash": ""})
            } else {
                json!({"name": "x", "hash": "", member: hash})
            }
        })
        .map(|line| line.to_string());
    for (number, line) in misplaced.iter().enumerate() {
        sandbox.write(&format!("misplaced-{number}.jsonl"), line);
    }
    let seed = std::fs::read_to_string(sandbox.path("acme.key")).unwrap();
    let seed = seed.lines().nth(1).unwrap();
    let header = sandbox.arg("header");

    for arguments in [
        &["keys", "list"][..],
        &["keys", "show", "one"],
        &["keys", "export"],
        &["keys", "edit", "one", "--description", "x"],
        &["keys", "disable", "one"],
        &["keys", "verify", "--secure", "--header-file", &header],
        &["keys", "enable", "one"],
        &["keys", "verify", "--secure", "--header-file", &header],
        &["keys", "verify", "--header-file", &header],
        &["keys", "verify", "--secure", "--header-file", "hash"],
        &["keys", "import", "two", "--hash-file", "hash"],
        &["keys", "import", "three", "--hash-file", "bad-hash"],
        &["keys", "import-all", "bad.jsonl"],
        &["keys", "import-all", "misplaced-0.jsonl"],
        &["keys", "import-all", "misplaced-1.jsonl"],
        &["keys", "import-all", "misplaced-2.jsonl"],
        &["keys", "import-all", "misplaced-3.jsonl"],
        &["keys", "import-all", "misplaced-4.jsonl"],
        &["keys", "import-all", "keys.jsonl"],
        &["keys", "list", "--pepper-file", &pepper],
        &["keys", "rename", "one", "four"],
        &["keys", "delete", "four", "--yes"],
        &["license", "status"],
        &["license", "inspect", "site.lic", "--key-file", "license.key"],
        &["license", "doctor"],
        &["license", "doctor", "--show-request", "--server", "https://h.example", "--key-file", "license.key"],
        &["license", "activate", "--file", "site.lic", "--key-file", "license.key"],
        &["license", "activate", "--file", "site.lic", "--key-file", "hash"],
        &["issuer", "inspect", "--key", "acme.key"],
        &["issuer", "inspect", "--key", "license.key"],
        &["issuer", "sign", "--key", "acme.key", "--in", "license.key"],
        &["license", "deactivate", "--yes"],
    ] {
        for ran in [vendor.run(arguments), vendor.json(arguments)] {
            let said = format!("{}{}", ran.out, ran.err);
            for secret in [key, Vendor::LICENSE_KEY, seed, "a pepper of", "c29tZXNhbHRzYWx0"] {
                assert!(!said.contains(secret), "{arguments:?} shows {secret}: {said}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_reported_as_such() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = |arguments: &[&str]| {
        let output = sandbox.command(arguments).stdout(full()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [&["keys", "list"][..], &["version"], &["completion", "bash"], &["--help"]] {
        let (exit, error) = run(arguments);
        assert_eq!(exit, Some(1), "{arguments:?}: {error}");
        assert!(error.contains("standard output: the disk is full"), "{error}");
    }
    // The key is made, but nobody saw its secret: that is no success, and what to do is said.
    let (exit, error) = run(&["keys", "create", "two"]);
    assert_eq!(exit, Some(1));
    assert!(error.contains("keys rotate two"), "{error}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let run = |arguments: &[&str]| {
        let mut child = sandbox
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Standard output is gone before the command, which waits for its input, can write.
        drop(child.stdout.take());
        child.stdin.take().unwrap().write_all(b"x:y").unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["license", "inspect", "-", "-q"]), (Some(3), String::new()));
    let phc = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    sandbox.write("hash", phc);
    assert_eq!(run(&["keys", "import", "two", "--hash-file", "hash", "--json"]), (Some(0), String::new()));
}

#[test]
fn a_closed_standard_output_is_no_crash() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" keys list >&-", PROGRAM]).env("INSPIRE_AUTH_STORE", sandbox.path("store.db"));
    assert_eq!(ran(&mut shell, b"").exit, Some(0));
}

#[test]
fn a_held_lock_is_permission_or_lock() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let store = SqliteStore::open(sandbox.path("store.db")).unwrap();
    store
        .write(&mut |_| {
            assert_eq!(sandbox.json(&["keys", "disable", "one"]).error(10), "STORE_LOCKED");
            // Reading goes on.
            sandbox.run(&["keys", "list"]).ok();
            Ok(())
        })
        .unwrap();
    sandbox.run(&["keys", "disable", "one"]).ok();
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let sandbox = Sandbox::new();
    let text = "this is a letter, not a database ".repeat(40);
    sandbox.write("store.db", &text);
    assert_eq!(sandbox.json(&["keys", "create", "one"]).error(1), "STORE_CORRUPT");
    assert_eq!(std::fs::read_to_string(sandbox.path("store.db")).unwrap(), text);
}

#[test]
fn quiet_is_quiet_and_colour_needs_a_terminal() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["keys", "create", "one", "-q"]).err, "");
    for more in [&[][..], &["--no-color"]] {
        let listed = sandbox.run(&[&["keys", "list"], more].concat()).ok();
        assert!(!listed.contains('\u{1b}'), "{listed}");
    }
}

/// Runs the command on a terminal of its own (`script`), and types `keys` when it asks.
fn on_a_terminal(sandbox: &Sandbox, arguments: &str, keys: &[u8]) -> (Option<i32>, String) {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("{PROGRAM} {arguments}"), "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("INSPIRE_AUTH_STORE", sandbox.path("store.db"))
        .current_dir(sandbox.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut said = Vec::new();
    let mut byte = [0];
    let mut typed = false;
    while output.read(&mut byte).unwrap() == 1 {
        said.push(byte[0]);
        if !typed && (said.ends_with(b"[y/N] ") || said.ends_with(b"License key: ")) {
            input.write_all(keys).unwrap();
            typed = true;
        }
    }
    (child.wait().unwrap().code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn headings_are_bold_on_a_terminal_that_wants_it() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let bold = |arguments: &str| on_a_terminal(&sandbox, arguments, b"").1.contains("\u{1b}[1m");
    assert!(bold("keys list"));
    assert!(!bold("keys list --no-color"));
    assert!(!bold("keys list --json"));
}

#[test]
fn a_person_is_asked_before_something_is_lost() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    let (exit, said) = on_a_terminal(&sandbox, "keys delete one", b"n\n");
    assert_eq!(exit, Some(130), "{said}");
    assert!(said.contains("Delete one?") && said.contains("nothing was changed"), "{said}");
    sandbox.run(&["keys", "show", "one"]).ok();
    let (exit, said) = on_a_terminal(&sandbox, "keys delete one", b"\x03");
    assert_eq!(exit, Some(130), "Ctrl-C: {said}");
    sandbox.run(&["keys", "show", "one"]).ok();
    let (exit, said) = on_a_terminal(&sandbox, "keys delete one --no-input", b"");
    assert_eq!(exit, Some(2), "{said}");
    let (exit, said) = on_a_terminal(&sandbox, "keys delete one", b"y\n");
    assert_eq!(exit, Some(0), "{said}");
    sandbox.run(&["keys", "show", "one"]).fails(6);
}

#[test]
fn a_license_key_is_asked_for_on_a_terminal() {
    let vendor = Vendor::new();
    vendor.sign("site.lic", json!({}));
    let arguments = "license activate --file site.lic --trusted-keys-file acme.pub --machine-id machine-1";
    let (exit, said) = on_a_terminal(&vendor.sandbox, arguments, format!("{}\n", Vendor::LICENSE_KEY).as_bytes());
    assert_eq!(exit, Some(0), "{said}");
}

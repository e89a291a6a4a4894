//! `audit ...`, and the audit file that commands write.

#![cfg(test)]
#![cfg(unix)]

mod support;

use serde_json::{Value, json};
use support::{Sandbox, mode};

const FILE: [&str; 3] = ["--audit-file", "audit.log", "--audit-chain"];

fn lines(sandbox: &Sandbox) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.path("audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn commands_write_the_file_that_hosts_write() {
    let (sandbox, _) = Sandbox::with_key(&FILE);
    let run = |arguments: &[&str]| sandbox.run(&[arguments, &FILE].concat()).ok();
    run(&["keys", "disable", "one"]);
    run(&["keys", "delete", "one", "--yes"]);
    run(&["store", "backup", "copy.db"]);
    run(&["store", "restore", "copy.db", "--yes"]);
    run(&["store", "adopt", "--yes"]);
    let events: Vec<Value> = lines(&sandbox).iter().map(|line| line["event"].clone()).collect();
    let expected = ["key.created", "key.disabled", "key.deleted", "store.restored", "store.adopted"];
    assert_eq!(events, expected);
    assert_eq!(mode(&sandbox.path("audit.log")), 0o600);

    let verified = sandbox.json(&["audit", "verify", "audit.log"]).json();
    assert_eq!((&verified["intact"], &verified["lines"]), (&json!(true), &json!(5)));
    assert_eq!(verified["from_the_beginning"], json!(true));
    let head = verified["head"].as_str().unwrap();
    run(&["keys", "create", "two"]);
    sandbox.run(&["audit", "verify", "audit.log", "--head", head]).ok();

    // By the environment, as the store.
    let mut command = sandbox.command(&["keys", "create", "three"]);
    support::ran(command.env("INSPIRE_AUTH_AUDIT_FILE", sandbox.path("audit.log")).arg("--audit-chain"), b"").ok();
    assert_eq!(lines(&sandbox).last().unwrap()["subject"], "three");
}

#[test]
fn a_command_leaves_the_log_as_the_hosts_keep_it() {
    use std::io::Write as _;
    let (sandbox, _) = Sandbox::with_key(&FILE);
    // No word of a chain.
    let plain = ["--audit-file", "audit.log"];
    sandbox.run(&[&["keys", "create", "two"], &plain[..]].concat()).ok();
    let verified = sandbox.json(&["audit", "verify", "audit.log"]).json();
    assert_eq!((&verified["lines"], &verified["unchained"]), (&json!(2), &json!(0)));

    // Full, and with more files than are kept by default: that is for those to tidy who keep them.
    let log = std::fs::File::options().append(true).open(sandbox.path("audit.log")).unwrap();
    log.set_len(70 << 20).unwrap();
    (&log).write_all(b"\n{\"v\":1}\n").unwrap();
    for number in 1..=12 {
        sandbox.write(&format!("audit.log.{number}"), "");
    }
    sandbox.run(&[&["keys", "create", "three"], &plain[..]].concat()).ok();
    let there = |number: u32| sandbox.path(&format!("audit.log.{number}")).exists();
    assert!((1..=12).all(there) && !there(13));
    assert!(std::fs::metadata(sandbox.path("audit.log")).unwrap().len() > 70 << 20);
    // Told to, it renames the file, and one goes for it.
    sandbox.run(&[&["keys", "create", "four", "--audit-keep", "2"], &plain[..]].concat()).ok();
    assert!((1..=12).all(there) && !there(13));
    assert_eq!(lines(&sandbox).len(), 1);
}

#[test]
fn a_log_is_not_written_into_the_store() {
    let (sandbox, _) = Sandbox::with_key(&[]);
    for name in ["store.db", "store.db-wal", "store.db.activity"] {
        let refused = sandbox.json(&["keys", "create", "two", "--audit-file", name]);
        assert_eq!(refused.error(2), "INVALID_ARGUMENT", "{name}");
    }
    sandbox.run(&["keys", "show", "one"]).ok();
}

#[test]
fn a_log_that_was_touched_is_broken_and_says_where() {
    let (sandbox, _) = Sandbox::with_key(&FILE);
    for name in ["two", "three"] {
        sandbox.run(&[&["keys", "create", name], &FILE[..]].concat()).ok();
    }
    let text = std::fs::read_to_string(sandbox.path("audit.log")).unwrap();
    sandbox.write("audit.log", text.replace("\"two\"", "\"ten\""));
    let broken = sandbox.json(&["audit", "verify", "audit.log"]);
    assert_eq!(broken.exit, Some(3));
    let document = broken.document();
    assert_eq!(document["intact"], json!(false));
    assert!(document["broken"].as_str().unwrap().starts_with("audit.log:3: "), "{document}");

    // Its end cut off: only the head tells.
    sandbox.write("audit.log", &text);
    let head = sandbox.json(&["audit", "verify", "audit.log"]).json()["head"].as_str().unwrap().to_owned();
    sandbox.write("audit.log", text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    sandbox.run(&["audit", "verify", "audit.log"]).ok();
    assert_eq!(sandbox.run(&["audit", "verify", "audit.log", "--head", &head]).exit, Some(3));
    sandbox.run(&["audit", "verify", "audit.log", "--head", "x"]).fails(2);
    sandbox.run(&["audit", "verify", "none.log"]).fails(1);
    sandbox.write("plain.log", "{\"v\":1,\"event\":\"key.created\"}\n");
    sandbox.run(&["audit", "verify", "plain.log"]).fails(2);
}

#[test]
fn what_can_not_be_recorded_is_refused_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    let nowhere = ["--audit-file", "/dev/null/audit.log"];
    let required = [&nowhere[..], &["--audit-required"]].concat();
    let create = |more: &[&str]| sandbox.json(&[&["keys", "create", "one"], more].concat());
    assert_eq!(create(&required).error(1), "AUDIT_UNAVAILABLE");
    assert_eq!(create(&["--audit-required"]).error(2), "INVALID_ARGUMENT");
    assert_eq!(create(&["--audit-file", "audit.log", "--audit-keep", "0"]).error(2), "INVALID_ARGUMENT");
    sandbox.run(&["keys", "show", "one"]).fails(6);
    // What is done all the same is done, and whoever asked for silence hears of the gap too.
    let warned = |ran: support::Ran| {
        assert_eq!(ran.exit, Some(0), "{ran:?}");
        assert!(ran.err.starts_with("warning: /dev/null/audit.log") && ran.err.lines().count() == 1, "{ran:?}");
    };
    warned(create(&nowhere));
    warned(sandbox.run(&[&["keys", "delete", "one", "--yes", "--quiet"], &nowhere[..]].concat()));
    let adopt = |more: &[&str]| sandbox.json(&[&["store", "adopt", "--yes"], more].concat());
    assert_eq!(adopt(&required).error(1), "AUDIT_UNAVAILABLE");
    warned(adopt(&nowhere));
    let recorded = sandbox.run(&["keys", "create", "two", "--audit-file", "audit.log", "--quiet"]);
    assert_eq!((recorded.exit, recorded.err.as_str()), (Some(0), ""));
}

#[test]
fn the_stores_own_log_is_listed_newest_first() {
    let (sandbox, credential) = Sandbox::with_key(&[]);
    sandbox.run_with(&["keys", "verify"], &credential).fails(3);
    sandbox.run(&["keys", "delete", "one", "--yes"]).ok();
    let events = |arguments: &[&str]| {
        let listed = sandbox.json(&[&["audit", "list"], arguments].concat()).json();
        let events = listed["events"].as_array().unwrap().clone();
        events.into_iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events(&[]), ["key.deleted", "key.exposed", "key.created"]);
    assert_eq!(events(&["--limit", "1"]), ["key.deleted"]);
    assert_eq!(events(&["--event", "key.exposed"]), ["key.exposed"]);
    assert_eq!(events(&["--event", "key", "--limit", "2"]), ["key.deleted", "key.exposed"]);
    assert_eq!(events(&["--event", "key.ex"]), [""; 0]);
    assert_eq!(events(&["--subject", "nobody"]), [""; 0]);
    let table = sandbox.run(&["audit", "tail", "-n", "3"]).ok();
    assert!(table.contains("SECURE_CHANNEL_REQUIRED") && table.lines().count() == 4, "{table}");
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    sandbox.run(&["store", "restore", "copy.db", "--yes"]).ok();
    sandbox.run(&["store", "adopt", "--yes"]).ok();
    assert_eq!(events(&["--event", "store"]), ["store.adopted", "store.restored"]);
}

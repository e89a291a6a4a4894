//! `audit.json`: what is recorded, what is counted, and what happens when nothing can be recorded (T28).

use serde_json::{Value, json};

use super::{
    INVALID, NO_CREDENTIAL, NOT_SECURE, NOW, Refusal,
    model::{File, Group, Steps, refused},
};

const NOTES: &[(&str, &str)] = &[
    ("Recorded", "a change or a denial is not recorded, or not as what it was"),
    ("Once", "one request is recorded or counted twice"),
    ("NoSecret", "what was presented is recorded"),
    ("T28-Policy", "T28: the policy for what can't be recorded is not obeyed, or a check is failed by it"),
    ("Options", "an option out of range is taken"),
    ("Counted", "a counter is missing, or counts something else"),
];

const UNAVAILABLE: &str = "AUDIT_UNAVAILABLE";
/// A place where nobody can make a file.
const NOWHERE: &str = "/dev/null/audit.log";

pub(super) fn file() -> File {
    File { name: "audit.json", notes: NOTES, groups: vec![recorded(), policies(), options(), counted()] }
}

/// The newest events, newest first.
fn log(s: &mut Steps, events: &[(&str, &str, &str, &str)]) {
    let events: Vec<Value> = events
        .iter()
        .map(|(event, actor, subject, code)| json!({"event": event, "actor": actor, "subject": subject, "code": code}))
        .collect();
    s.ask("audit", json!({"limit": events.len()}), json!({"result": "OK", "events": events}));
}

fn recorded() -> Group {
    let mut group = Group::new(1, "what is recorded");
    group.test("nothing yet", &["Recorded"], |s| {
        s.open(json!({})).ask("audit", json!({"limit": 10}), json!({"result": "OK", "events": []}));
    });
    group.test("changes, newest first", &["Recorded"], |s| {
        s.open(json!({})).create("a", &[], json!({"now": NOW}));
        s.expect("keys.rename", json!({"name": "a", "new_name": "b", "now": NOW + 1}), "OK");
        s.expect("keys.update", json!({"name": "b", "revision": 2, "enabled": false, "now": NOW + 2}), "OK");
        s.expect("keys.duplicate", json!({"name": "b", "new_name": "c", "now": NOW + 3}), "OK");
        s.expect("keys.delete", json!({"name": "b", "now": NOW + 4}), "OK");
        log(
            s,
            &[
                ("key.deleted", "system", "b", "OK"),
                ("key.duplicated", "system", "c", "OK"),
                ("key.updated", "system", "b", "OK"),
                ("key.renamed", "system", "a", "OK"),
                ("key.created", "system", "a", "OK"),
            ],
        );
        let newest = json!([{"at": NOW + 4, "event": "key.deleted", "detail": ""}]);
        s.ask("audit", json!({"limit": 1}), json!({"result": "OK", "events": newest}));
    });
    group.test("a change that is not made is not recorded", &["Recorded"], |s| {
        s.open(json!({})).create("a", &[], json!({}));
        s.expect("keys.delete", json!({"name": "b"}), "NOT_FOUND");
        s.expect("keys.create", json!({"name": "a", "levels": []}), "NAME_TAKEN");
        s.expect("keys.update", json!({"name": "a", "revision": 7, "enabled": false}), "CONFLICT");
        log(s, &[("key.created", "system", "a", "OK")]);
        s.ask("audit", json!({"limit": 10}), json!({"result": "OK", "events": [{"event": "key.created"}]}));
    });
    group.test("a change that its actor may not make is", &["Recorded"], |s| {
        s.open(json!({"write_requirement": {"any": ["Authenticated/Write"]}})).create("reader", &[], json!({}));
        s.sign_in("reader");
        let delete = json!({"name": "reader", "actor": "${actor_reader}"});
        s.expect("keys.delete", delete, "PERMISSION_DENIED");
        log(s, &[("key.deleted.failed", "key:reader", "reader", "PERMISSION_DENIED")]);
    });
    group.test("denials, each once", &["Recorded", "Once"], |s| {
        s.open(json!({})).create("a", &[], json!({})).granted("a", json!({}));
        s.check("nobody:x", json!({}), refused(INVALID));
        s.refused("a", json!({"channel": "plain"}), NOT_SECURE);
        s.ask("authenticate", json!({"headers": [], "channel": "secure"}), refused(NO_CREDENTIAL));
        log(
            s,
            &[
                ("request.refused", "", "", "NO_CREDENTIAL"),
                ("key.exposed", "", "a", "SECURE_CHANNEL_REQUIRED"),
                ("key.refused", "", "", "INVALID_CREDENTIAL"),
                ("key.created", "system", "a", "OK"),
            ],
        );
    });
    group.test("a key in the place of its name is not shown", &["NoSecret"], |s| {
        s.open(json!({})).create("a", &[], json!({}));
        s.check("${a}:a", json!({}), refused(INVALID));
        s.ask(
            "audit",
            json!({"limit": 1}),
            json!({"result": "OK", "events": [{"event": "key.refused", "subject": ""}]}),
        );
        // An imported secret looks like anything: what no key is called is no name.
        s.check("hunter2:human", json!({}), refused(INVALID));
        s.ask(
            "audit",
            json!({"limit": 1}),
            json!({"result": "OK", "events": [{"event": "key.refused", "subject": ""}]}),
        );
    });
    group
}

fn policies() -> Group {
    let mut group = Group::new(101, "what can't be recorded");
    group.test("is not changed, where the host wants that", &["T28-Policy"], |s| {
        s.open(json!({"audit_file": {"path": NOWHERE, "on_failure": "deny_mutations"}}));
        s.expect("keys.create", json!({"name": "a", "levels": []}), UNAVAILABLE);
        s.expect("keys.get", json!({"name": "a"}), "NOT_FOUND");
        s.check("nobody:x", json!({}), refused(INVALID));
        s.ask(
            "audit",
            json!({"limit": 9}),
            json!({"result": "OK", "events": [
                {"event": "key.refused", "code": "INVALID_CREDENTIAL"},
                {"event": "key.created.failed", "subject": "a", "code": UNAVAILABLE},
            ]}),
        );
    });
    for policy in [json!("warn"), json!(null)] {
        group.test(format!("is changed all the same by default ({policy})"), &["T28-Policy"], |s| {
            s.open(json!({"audit_file": {"path": NOWHERE, "on_failure": policy}}));
            s.create("a", &[], json!({})).granted("a", json!({}));
            log(s, &[("key.created", "system", "a", "OK")]);
        });
    }
    group
}

fn options() -> Group {
    let mut group = Group::new(201, "options of the audit file");
    let refuse = |group: &mut Group, comment: &str, file: Value| {
        group.test(comment, &["Options"], |s| {
            let arguments = json!({"store": ":memory:", "trusted_keys": [], "audit_file": file});
            s.ask("open", arguments, json!({"result": "INVALID_ARGUMENT"}));
        });
    };
    refuse(&mut group, "no path", json!({}));
    refuse(&mut group, "an empty path", json!({"path": ""}));
    refuse(&mut group, "a path that names no file", json!({"path": "/"}));
    refuse(&mut group, "less than 64 KiB", json!({"path": NOWHERE, "max_bytes": 65_535}));
    refuse(&mut group, "more files than are ever kept", json!({"path": NOWHERE, "keep": 1001}));
    refuse(&mut group, "an unknown policy", json!({"path": NOWHERE, "on_failure": "allow"}));
    refuse(&mut group, "an unknown member", json!({"path": NOWHERE, "mode": 384}));
    refuse(&mut group, "a path of another type", json!({"path": 1}));
    group.test("everything said", &["Options"], |s| {
        s.open(json!({"audit_file": {
            "path": NOWHERE, "max_bytes": 65_536, "keep": 1000, "chain": true, "on_failure": "warn",
        }}));
    });
    group
}

fn counted() -> Group {
    let mut group = Group::new(301, "metrics");
    group.test("every family is there", &["Counted"], |s| {
        s.open(json!({}));
        s.ask(
            "metrics",
            json!({}),
            json!({"result": "OK", "verifications": {"OK": 0}, "families": [
                "inspire_apikey_verifications", "inspire_audit_dropped", "inspire_audit_failures", "inspire_hash_busy",
                "inspire_hash_memory_bytes", "inspire_hash_memory_limit_bytes", "inspire_hash_memory_peak_bytes",
                "inspire_hash_queue", "inspire_hash_running", "inspire_hash_runs", "inspire_keys", "inspire_license",
                "inspire_license_limit", "inspire_mutations", "inspire_store_generation", "inspire_store_page",
                "inspire_store_unheard_seconds",
            ]}),
        );
    });
    group.test("each request once, by its answer", &["Counted", "Once"], |s| {
        s.open(json!({})).create("a", &[], json!({}));
        for _ in 0..3 {
            s.granted("a", json!({}));
        }
        s.check("nobody:x", json!({}), refused(INVALID));
        s.check("a:isk_x", json!({}), refused(INVALID));
        s.refused("a", json!({"channel": "plain"}), NOT_SECURE);
        s.ask("authenticate", json!({"headers": [], "channel": "secure"}), refused(NO_CREDENTIAL));
        let Refusal(exposed, ..) = NOT_SECURE;
        let counts = json!({"OK": 3, "INVALID_CREDENTIAL": 2, exposed: 1, "NO_CREDENTIAL": 1});
        s.ask("metrics", json!({}), json!({"result": "OK", "verifications": counts}));
    });
    group.test("a handle counts its own", &["Counted"], |s| {
        s.open(json!({})).create("a", &[], json!({})).granted("a", json!({}));
        s.open_as("other", json!({}));
        let nothing = json!({"result": "OK", "verifications": {"OK": 0}});
        s.ask("metrics", json!({"handle": "${other}"}), nothing);
    });
    group.test("an unknown handle", &["Options"], |s| {
        s.ask("metrics", json!({"handle": 77}), json!({"result": "INVALID_ARGUMENT"}));
        s.ask("audit", json!({"handle": 77, "limit": 1}), json!({"result": "INVALID_ARGUMENT"}));
    });
    group
}

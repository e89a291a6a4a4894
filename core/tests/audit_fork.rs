//! The audit file and the counters across a fork: one chain, written by parent and children at once.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod store_support;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use inspire_auth_core::{
    AuditFile, HashParameters, InspireAuth, Options, audit,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
};
use store_support::in_child;

const CHILDREN: usize = 8;
const KEYS: usize = 5;

fn create(auth: &InspireAuth, name: &str) {
    auth.keys().create(&NewKey::named(name), &Caller::system()).unwrap();
}

fn ask(auth: &InspireAuth) {
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(b"Bearer nobody:wrong"), &any);
    request.channel = Channel::Secure;
    assert!(auth.authenticate(&request).is_err());
}

fn refused(auth: &InspireAuth) -> Option<u64> {
    let text = auth.metrics_text();
    let sample = "inspire_apikey_verifications_total{result=\"INVALID_CREDENTIAL\"} ";
    text.lines().find_map(|line| line.strip_prefix(sample)?.parse().ok())
}

/// Threads of the parent write all the time, so that forks fall into every moment of a write.
#[test]
fn parent_and_children_write_one_chain_and_count_from_zero() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let mut options = Options::at(folder.path().join("keys.db"));
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.audit_file = Some(AuditFile { chain: true, max_bytes: 64 << 10, keep: 1000, ..AuditFile::at(&path) });
    let auth = InspireAuth::open(options).unwrap();
    ask(&auth);
    assert_eq!(refused(&auth), Some(1));
    let done = AtomicBool::new(false);
    let of_parent = thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut made = 0_usize;
            while !done.load(Ordering::SeqCst) {
                create(&auth, &format!("parent-{made}"));
                ask(&auth);
                made = made.saturating_add(1);
            }
            made
        });
        for child in 0..CHILDREN {
            let good = in_child(|| {
                let fresh = refused(&auth).is_none();
                ask(&auth);
                for n in 0..KEYS {
                    create(&auth, &format!("child-{child}-{n}"));
                }
                auth.flush().unwrap();
                fresh && refused(&auth) == Some(1)
            });
            assert!(good, "child {child}");
        }
        done.store(true, Ordering::SeqCst);
        busy.join().unwrap()
    });
    auth.flush().unwrap();
    let verified = audit::verify(&path).unwrap();
    let changes = of_parent.saturating_add(CHILDREN.saturating_mul(KEYS));
    let text: String = verified.files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert_eq!(text.lines().filter(|line| line.contains("\"event\":\"key.created\"")).count(), changes);
    assert!(verified.from_the_beginning && verified.torn == 0, "{verified:?}");
    // Each child's own denial, and the parent's: none twice.
    let denials = of_parent.saturating_add(CHILDREN).saturating_add(1);
    assert_eq!(text.lines().filter(|line| line.contains("\"event\":\"key.refused\"")).count(), denials);
}

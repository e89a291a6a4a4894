//! What is left of a handle when the last one is gone: nothing.
#![cfg(all(feature = "sqlite", target_os = "linux"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    AuditFile, HashParameters, InspireAuth, Options,
    keys::{Channel, Presented, Request, Requirement},
};

/// What this process has open in a folder.
fn open_in(folder: &Path) -> Vec<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let shown = open.filter(|target| target.starts_with(folder)).map(|target| target.display().to_string());
    shown.collect()
}

/// What this process has mapped of a folder.
fn mapped_in(folder: &Path) -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(folder.to_str().unwrap())).map(str::to_owned).collect()
}

/// Whether the thread that writes on the side is there; the system shows 15 bytes of its name.
fn writer() -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let mut names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.any(|name| name.trim_end() == "inspire-auth-lo")
}

#[test]
fn nothing_is_open_when_the_last_handle_is_gone() {
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    for round in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::at(folder.path().join("keys.db"));
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        options.audit_file = Some(AuditFile::at(folder.path().join("audit.log")));
        let auth = InspireAuth::open(options).unwrap();
        // Refused, and noted: the thread begins to write it at once.
        let mut request = Request::new(Presented::Authorization(b"Bearer nobody:wrong"), &any);
        request.channel = Channel::Secure;
        assert!(auth.authenticate(&request).is_err());
        assert!(!open_in(folder.path()).is_empty(), "the test sees what is open");
        // From before the thread is there until after it is done.
        for _ in 0..round * 4 {
            thread::yield_now();
        }
        drop(auth);
        assert_eq!(open_in(folder.path()), Vec::<String>::new(), "round {round}");
        assert_eq!(mapped_in(folder.path()), Vec::<String>::new(), "round {round}");
    }
    // The system takes a moment to forget a thread that was joined; one that idles stays for ten seconds.
    let until = Instant::now().checked_add(Duration::from_secs(5)).unwrap();
    while writer() {
        assert!(Instant::now() < until, "the thread is still there");
        thread::yield_now();
    }
}

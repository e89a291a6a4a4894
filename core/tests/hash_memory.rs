//! A host that has no memory left, in a process of its own: its limits are the whole process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
};

/// The address space that this process takes, in bytes.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.trim().strip_suffix(" kB")).unwrap();
    kib.parse::<u64>().unwrap().checked_mul(1024).unwrap()
}

/// Allows this process so much address space, and returns what it was allowed before.
fn allow(bytes: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writing.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }, 0);
    let before = std::mem::replace(&mut limit.rlim_cur, bytes.min(limit.rlim_max));
    // SAFETY: `limit` is valid for reading.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    before
}

#[test]
fn without_memory_for_a_hash_a_good_key_is_told_busy_and_granted_later() {
    let auth = InspireAuth::open(Options::new(StoreLocation::Memory)).unwrap();
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let ask = |header: &str| {
        let mut request = Request::new(Presented::Authorization(header.as_bytes()), &any);
        request.channel = Channel::Secure;
        auth.authenticate(&request).map(drop).map_err(|error| error.code())
    };
    let create = |name: &str| {
        let created = auth.keys().create(&NewKey::named(name), &Caller::system()).unwrap();
        format!("Bearer {}", created.credential().as_str())
    };
    let (one, other) = (create("one"), create("other"));
    // Everything is there now that a hash needs, but for its own memory.
    assert_eq!(ask(&one), Ok(()));

    let before = allow(address_space().checked_add(8 << 20).unwrap());
    let short = (ask(&other), auth.keys().create(&NewKey::named("third"), &Caller::system()).map(drop));
    allow(before);
    assert_eq!(short.0, Err(Code::Busy));
    assert_eq!(short.1.map_err(|error| error.code()), Err(Code::Busy));
    assert_eq!(ask(&other), Ok(()));
}

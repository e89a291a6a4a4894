//! A host that has no memory left, in a process of its own: its limits are the whole process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hash_support;

use hash_support::{ask, import, status};
use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::{Caller, NewKey},
};

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
    // Of another size than new ones, so that no memory of an earlier hash is there for a later one.
    let (one, other) = (import(&auth, "one", 20_480), import(&auth, "other", 20_480));
    // Everything is there now that a hash needs, but for its own memory.
    assert_eq!(ask(&auth, &one), Ok(()));

    let before = allow(status("VmSize:").checked_add(8 << 20).unwrap());
    let short = (ask(&auth, &other), auth.keys().create(&NewKey::named("third"), &Caller::system()).map(drop));
    allow(before);
    assert_eq!(short.0, Err(Code::Busy));
    assert_eq!(short.1.map_err(|error| error.code()), Err(Code::Busy));
    assert_eq!(ask(&auth, &other), Ok(()));
}

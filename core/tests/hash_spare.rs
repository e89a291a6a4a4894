//! What hashing keeps of the process's memory, in a process of its own: it is the whole process that is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hash_support;

use std::num::NonZeroUsize;

use hash_support::{ask, create, import, status};
use inspire_auth_core::{InspireAuth, Options, StoreLocation};

/// One hash of the default.
const ONE: u64 = 19_456 << 10;
/// What else a few keys and threads take.
const SLACK: u64 = 6 << 20;

/// The most that the process has taken (RSS) above `before` since this was last asked.
fn peak_above(before: u64) -> u64 {
    let peak = status("VmHWM:");
    // Linux forgets the peak when told so.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak.saturating_sub(before)
}

#[test]
fn hashing_keeps_no_more_than_the_ceiling_and_nothing_once_it_is_closed() {
    let mut options = Options::new(StoreLocation::Memory);
    options.max_hash_memory = 40 << 20;
    options.hash_threads = NonZeroUsize::new(2);
    let auth = InspireAuth::open(options).unwrap();
    let large = import(&auth, "large", 40 << 10);
    let _ = peak_above(0);
    let before = status("VmRSS:");

    let keys: Vec<_> = (0..8).map(|n| create(&auth, &format!("k{n}"))).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            scope.spawn(|| assert_eq!(ask(&auth, key), Ok(())));
        }
    });
    assert!(peak_above(before) <= 2 * ONE + SLACK);
    assert!(status("VmRSS:") >= before + ONE - SLACK, "what one hash took is there for the next");

    // All of the ceiling: what was kept is given back first.
    assert_eq!(ask(&auth, &large), Ok(()));
    assert!(peak_above(before) <= (40 << 20) + SLACK);

    drop(auth);
    assert!(status("VmRSS:") <= before + SLACK);
}

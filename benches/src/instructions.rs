//! The calls of the warm path, for callgrind to count: `cargo xtask bench instructions` runs this and reads what was counted.
//!
//! Everything that is counted happens in [`measured`], on this thread: callgrind is told to collect there only, and to write
//! what it has each time the function returns. Every path is taken in several batches, of which the least counts: in another
//! a store may have been asked whether there is news, or a buffer emptied.

use std::hint::black_box;

use inspire_auth_core::StoreLocation;

use crate::host::Host;

/// How often each path is counted, and how many calls are counted together.
const BATCHES: u32 = 8;
const CALLS: u32 = 200;
/// Past so many refusals at once there is room for no more, and each is counted and nothing else.
const FLOOD: u32 = 2_048;

/// A call of one path.
type Path<'a> = (&'a str, &'a dyn Fn());

/// Runs every path; writes a line for each batch, in the order of callgrind's files.
pub(crate) fn run() {
    (0..BATCHES).for_each(batch);
}

/// One batch of each path, on handles of its own: where a key lies in its table follows from a random number.
fn batch(number: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Host::new(StoreLocation::Memory);
    let sqlite = Host::new(StoreLocation::Path(folder.path().join(format!("{number}.db"))));
    let decide = |host: &Host, value: &str, granted: bool| {
        assert_eq!(black_box(host.auth.authenticate(black_box(&host.request(value)))).is_ok(), granted);
    };
    let paths: [Path<'_>; 5] = [
        ("granted", &|| decide(&memory, &memory.right, true)),
        ("granted-sqlite", &|| decide(&sqlite, &sqlite.right, true)),
        ("wrong-secret", &|| decide(&memory, &memory.wrong, false)),
        ("unknown-name", &|| decide(&memory, &memory.unknown, false)),
        ("has-entitlement", &|| {
            assert!(black_box(memory.auth.license().has_entitlement(black_box("MFA"), None)).expect("a license"));
        }),
    ];
    for (name, call) in paths {
        (0..FLOOD).for_each(|_| call());
        measured(call);
        println!("{name} {CALLS}");
    }
}

/// By this name callgrind knows what to count.
#[inline(never)]
fn measured(call: &dyn Fn()) {
    for _ in 0..CALLS {
        call();
    }
}

//! Asking whether anything changed, as every check does, allocates nothing when nothing did.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]
#![allow(unsafe_code, reason = "a counting allocator is one")]

mod allocations;
mod store_support;

use allocations::allocations;
use inspire_auth_core::store::{MemoryStore, Store};
use store_support::{Folder, add};

fn shows_no_allocation(store: &dyn Store) {
    shows_no_allocation_on(store, "a");
}

fn shows_no_allocation_on(store: &dyn Store, name: &str) {
    let (_, generation) = add(store, name);
    for _ in 0..3 {
        assert_eq!(store.generation().unwrap(), generation);
    }
    let mut fewest = u64::MAX;
    for _ in 0..3 {
        // The look at the file, about once a second, may fall into one of these rounds, not into all.
        fewest = fewest.min(allocations(|| {
            for _ in 0..1000 {
                assert_eq!(store.generation().unwrap(), generation);
                // `None` once a second, when a poll is due.
                assert!(store.generation_now().unwrap().is_none_or(|now| now == generation));
            }
        }));
    }
    assert_eq!(fewest, 0);
    assert!(allocations(|| drop(add(store, &format!("{name}-b")))) > 0, "the counter counts");
}

#[test]
fn asking_for_the_generation_allocates_nothing() {
    shows_no_allocation(&MemoryStore::new().unwrap());
    let folder = Folder::new();
    let store = folder.open();
    assert!(store.page_in_use() == Some(true));
    shows_no_allocation(&store);
    // Without its page it asks the database each time, and allocates nothing either.
    std::fs::remove_file(folder.page()).unwrap();
    std::fs::create_dir(folder.page()).unwrap();
    shows_no_allocation_on(&store, "c");
    assert!(store.page_in_use() == Some(false));
}

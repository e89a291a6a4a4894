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

mod store_support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use inspire_auth_core::store::{MemoryStore, Store};
use store_support::{Folder, add};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches only a thread local of plain data.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by this function's own caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by this function's own caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

fn allocations(body: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    body();
    ALLOCATIONS.with(Cell::get) - before
}

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

//! Counters that each thread keeps by itself.
//!
//! A number that all threads add to is a cache line that they all fight for: 130 ns of check become a microsecond on a
//! machine with many cores. So each thread has a block of counters for each handle that it uses, which nobody else
//! writes, and a sum is made when somebody asks. A thread that ends leaves its block to the sum.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use inspire_auth_platform::fork;

use crate::{error::TABLE, lock::lock, per_process::PerProcess};

/// One counter a row of the table of codes, and [one more](DROPPED).
pub(super) const ROWS: usize = TABLE.len() + 1;
/// Refusals for whose record there was no room.
pub(super) const DROPPED: usize = TABLE.len();

/// One thread's counters, on cache lines of their own (two at a time: some processors fetch them in pairs).
#[derive(Debug)]
#[repr(align(128))]
struct Block([AtomicU64; ROWS]);

impl Block {
    fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ROWS])
    }

    /// Adds one. Only the block's own thread does this, so no read-modify-write is needed.
    #[inline]
    fn count(&self, row: usize) {
        if let Some(counter) = self.0.get(row) {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    fn add_to(&self, sums: &mut [u64; ROWS]) {
        for (sum, counter) in sums.iter_mut().zip(&self.0) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
    }
}

/// A thread's block of one handle.
struct Local {
    handle: u64,
    epoch: u32,
    block: Arc<Block>,
}

thread_local! {
    /// This thread's blocks, the one that was used last at the front.
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// All blocks of one handle in one process.
#[derive(Debug)]
struct Registry {
    blocks: Vec<Arc<Block>>,
    /// What threads that have ended counted.
    ended: [u64; ROWS],
}

impl Registry {
    /// Takes the counts of threads that have ended. A block that nobody else holds is never written again.
    fn fold(&mut self) {
        let Self { blocks, ended } = self;
        *blocks = std::mem::take(blocks)
            .into_iter()
            .filter_map(|block| match Arc::try_unwrap(block) {
                Ok(block) => {
                    block.add_to(ended);
                    None
                }
                Err(shared) => Some(shared),
            })
            .collect();
    }
}

/// The counters of one handle.
#[derive(Debug)]
pub(super) struct Threads {
    /// Tells this handle from every other one that this process has had.
    handle: u64,
    registry: PerProcess<Mutex<Registry>>,
}

impl Threads {
    pub(super) fn new() -> Self {
        static HANDLES: AtomicU64 = AtomicU64::new(0);
        Self {
            handle: HANDLES.fetch_add(1, Ordering::Relaxed),
            registry: PerProcess::new(|| Mutex::new(Registry { blocks: Vec::new(), ended: [0; ROWS] })),
        }
    }

    /// Adds one to a row, and to another.
    #[inline]
    pub(super) fn count(&self, row: usize, and: Option<usize>) {
        let epoch = fork::epoch();
        let counted = LOCALS.try_with(|locals| {
            if let Ok(locals) = locals.try_borrow()
                && let Some(local) = locals.first()
                && local.handle == self.handle
                && local.epoch == epoch
            {
                local.block.count(row);
                and.into_iter().for_each(|row| local.block.count(row));
                return true;
            }
            false
        });
        if counted != Ok(true) {
            [Some(row), and].into_iter().flatten().for_each(|row| self.count_elsewhere(row, epoch));
        }
    }

    /// Counts on a thread that has used another handle since, or none, or that is about to end.
    #[cold]
    fn count_elsewhere(&self, row: usize, epoch: u32) {
        let counted = LOCALS.try_with(|locals| {
            let Ok(mut locals) = locals.try_borrow_mut() else { return false };
            let at = locals.iter().position(|local| local.handle == self.handle && local.epoch == epoch);
            let at = at.unwrap_or_else(|| {
                // Blocks of handles that are gone, and those that a fork left here, serve nobody.
                locals.retain(|local| local.epoch == epoch && Arc::strong_count(&local.block) > 1);
                locals.push(Local { handle: self.handle, epoch, block: self.register() });
                locals.len().saturating_sub(1)
            });
            locals.swap(0, at);
            if let Some(local) = locals.first() {
                local.block.count(row);
            }
            true
        });
        if counted != Ok(true) {
            // The thread's own storage is gone already.
            let registry = self.registry.get();
            if let Some(sum) = lock(&registry).ended.get_mut(row) {
                *sum = sum.wrapping_add(1);
            }
        }
    }

    fn register(&self) -> Arc<Block> {
        let block = Arc::new(Block::new());
        let registry = self.registry.get();
        let mut registry = lock(&registry);
        // Where threads come and go, nobody need ask for the sum to keep the list short.
        if registry.blocks.len() == registry.blocks.capacity() {
            registry.fold();
        }
        registry.blocks.push(Arc::clone(&block));
        block
    }

    /// What all threads of this process have counted, row by row.
    pub(super) fn sums(&self) -> [u64; ROWS] {
        let registry = self.registry.get();
        let mut registry = lock(&registry);
        registry.fold();
        let mut sums = registry.ended;
        for block in &registry.blocks {
            block.add_to(&mut sums);
        }
        sums
    }

    #[cfg(test)]
    fn blocks(&self) -> usize {
        lock(&self.registry.get()).blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn nothing_is_lost_when_threads_end_or_change_handles() {
        let (one, two) = (Threads::new(), Threads::new());
        thread::scope(|scope| {
            let count = || {
                for n in 0..1000 {
                    one.count(0, None);
                    if n % 3 == 0 {
                        two.count(1, None);
                    }
                }
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            // The end of a scope does not wait for what a thread does when it ends; joining does.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(one.sums()[0], 8000);
        assert_eq!(two.sums()[1], 8 * 334);
        assert_eq!(one.sums()[1] + two.sums()[0], 0);
        assert_eq!(one.blocks(), 0, "ended threads are in the sum");
        one.count(0, None);
        assert_eq!((one.sums()[0], one.blocks()), (8001, 1));
    }

    #[test]
    fn threads_that_come_and_go_leave_nothing_behind() {
        let counters = Threads::new();
        for _ in 0..1000 {
            thread::scope(|scope| {
                scope.spawn(|| counters.count(3, None)).join().unwrap();
            });
        }
        assert!(counters.blocks() < 16, "{}", counters.blocks());
        assert_eq!(counters.sums()[3], 1000);
    }

    #[test]
    fn a_thread_forgets_handles_that_are_gone() {
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..100 {
                    Threads::new().count(0, None);
                }
                LOCALS.with_borrow(|locals| assert!(locals.len() <= 2, "{}", locals.len()));
            });
        });
    }
}

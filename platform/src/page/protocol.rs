//! The two counters by which every process on a machine knows at once that something was committed.
//!
//! `pending` is raised *before* a commit and `clean` *after* it, both under the numbers that the database gives its
//! commits. So nothing is ever committed that `pending` does not announce, and nothing is in `clean` that was not
//! committed:
//!
//! * A reader that has itself read generation g from the database and finds both counters at g knows that nothing
//!   newer exists: a newer commit would have raised `pending` first.
//! * Everything else (a commit under way, one that failed, a writer that died) leaves them unequal or elsewhere, and
//!   the reader asks the database.
//!
//! Both **only rise** (`fetch_max`). A commit releases the database's write lock before `clean` is raised, so that the
//! next writer may overtake: a delayed raise of an older number must change nothing. For the same reason a commit that
//! failed stores nothing back: its number is burnt, and the next writer goes above it.
//!
//! This file knows no mapping and no database, so that a model checker can run it (`tests/page_model.rs`).

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// What `pending` says on a page that is not used any more. No database gets there.
const RETIRED: u64 = u64::MAX;

/// A counter alone on its cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Line(AtomicU64);

/// The two counters, as they lie in the page.
#[derive(Debug)]
#[repr(C)]
pub struct Counters {
    pending: Line,
    clean: Line,
}

impl Counters {
    /// Counters of a database whose newest commit is `committed`; `floor` is the largest number that was announced.
    #[must_use]
    pub fn new(committed: u64, floor: u64) -> Self {
        Self { pending: Line(AtomicU64::new(floor.max(committed))), clean: Line(AtomicU64::new(committed)) }
    }

    /// Whether nothing newer than `verified` exists, which the caller has read from the database. Two loads.
    #[inline]
    #[must_use]
    pub fn shows(&self, verified: u64) -> bool {
        self.pending.0.load(Ordering::Acquire) == verified && self.clean.0.load(Ordering::Acquire) == verified
    }

    /// The newest generation that is known to have been committed: a database that is behind it is not the one that
    /// it was.
    #[must_use]
    pub fn clean(&self) -> u64 {
        self.clean.0.load(Ordering::Acquire)
    }

    /// The largest number that was ever announced, which a writer must go above; `None` on a retired page.
    #[must_use]
    pub fn floor(&self) -> Option<u64> {
        let pending = self.pending.0.load(Ordering::Acquire);
        (pending != RETIRED).then(|| pending.max(self.clean()))
    }

    /// Runs `commit`, which makes `generation` the database's. To be called under the database's write lock, with a
    /// number above [`Counters::floor`]; `commit` releases that lock.
    ///
    /// # Errors
    /// What `commit` returned. The number is burnt then.
    pub fn commit<T, E>(&self, generation: u64, commit: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        raise(&self.pending.0, generation);
        let done = commit()?;
        raise(&self.clean.0, generation);
        Ok(done)
    }

    /// Raises both to a generation that the caller has read from the database, in a transaction that is over or under
    /// way: for a writer that was killed before it could, and for one that knows nothing of the page.
    ///
    /// What was read is committed, so `clean` stays true; and since nothing falls, an announcement of something newer
    /// stays as it is.
    pub fn repair(&self, verified: u64) {
        for counter in [&self.pending.0, &self.clean.0] {
            if counter.load(Ordering::Acquire) < verified {
                raise(counter, verified);
            }
        }
    }

    /// Makes [`Counters::shows`] false for ever, in every process that still maps these.
    pub fn retire(&self) {
        raise(&self.pending.0, RETIRED);
    }
}

fn raise(counter: &AtomicU64, to: u64) {
    counter.fetch_max(to, Ordering::SeqCst);
    // What follows in the program follows for everybody, on machines that would reorder it too.
    fence(Ordering::SeqCst);
}

//! Reading without a lock what one thread may be writing (a *seqlock*).
//!
//! A version stands beside what is read: odd while that is being written, and another one afterwards. A reader notes it,
//! reads, and looks again: what a writer tore is thrown away, never believed. All of it is atomics, so that what was torn is
//! worthless, and never undefined.
//!
//! One thread writes at a time, which its callers see to. A child that was forked in the middle of a writing, or a thread after a panic
//! in one, finds the version odd, and so nothing, until it is written again.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The version, to be given to [`is_still`] after reading; `None` while it is being written.
#[inline(always)]
pub(crate) fn begin(version: &AtomicU64) -> Option<u64> {
    let seen = version.load(Ordering::Acquire);
    seen.is_multiple_of(2).then_some(seen)
}

/// Whether nothing was written since the version was `seen`.
#[inline(always)]
pub(crate) fn is_still(version: &AtomicU64, seen: u64) -> bool {
    // Before the second look at the version: everything that was read.
    fence(Ordering::Acquire);
    version.load(Ordering::Relaxed) == seen
}

/// Writes, so that nobody believes what they read meanwhile.
#[inline]
pub(crate) fn write<R>(version: &AtomicU64, work: impl FnOnce() -> R) -> R {
    // It may be odd already: in a child that was forked in the middle of this.
    let odd = version.load(Ordering::Relaxed) | 1;
    version.store(odd, Ordering::Relaxed);
    // Before anything is written: that it is no longer to be trusted.
    fence(Ordering::Release);
    let done = work();
    version.store(odd.wrapping_add(1), Ordering::Release);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_written_or_was_since_is_not_believed() {
        let version = AtomicU64::new(0);
        let seen = begin(&version).unwrap();
        assert!(is_still(&version, seen));
        let inside = write(&version, || (begin(&version), is_still(&version, seen)));
        assert_eq!(inside, (None, false));
        assert!(!is_still(&version, seen) && begin(&version).is_some());
    }

    /// What a fork or a panic left behind.
    #[test]
    fn what_nobody_ended_is_not_read_until_it_is_written_again() {
        let version = AtomicU64::new(6);
        let seen = begin(&version).unwrap();
        let panicked = std::panic::catch_unwind(|| write(&version, || panic!("on purpose")));
        assert!(panicked.is_err() && begin(&version).is_none());
        write(&version, || ());
        assert!(begin(&version).is_some_and(|now| now != seen));
    }
}

//! What is remembered of a secret that was right.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::mac::Digest;

/// A digest that is filled in once, and read by every warm check: three loads, and no store.
///
/// There is no lock: a fork in the middle of filling would leave it held for ever in the child. There need be none, since
/// whoever fills a memo fills in the same: the digest of the one secret that its hash is right for. Were two ever
/// different, a reader could at worst see half of each, which is the digest of nothing.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    is_full: AtomicBool,
    halves: (AtomicU64, AtomicU64),
}

impl Memo {
    /// What was filled in.
    #[inline]
    pub(crate) fn get(&self) -> Option<Digest> {
        let (is_full, digest) = self.read();
        is_full.then_some(digest)
    }

    /// Whether it is filled in, and with what: for whoever must not branch on it.
    #[inline]
    pub(crate) fn read(&self) -> (bool, Digest) {
        let is_full = self.is_full.load(Ordering::Acquire);
        (is_full, Digest::from_bits((self.halves.0.load(Ordering::Relaxed), self.halves.1.load(Ordering::Relaxed))))
    }

    /// Fills it in, unless it is.
    pub(crate) fn set(&self, digest: Digest) {
        if self.is_full.load(Ordering::Relaxed) {
            return;
        }
        let (high, low) = digest.to_bits();
        self.halves.0.store(high, Ordering::Relaxed);
        self.halves.1.store(low, Ordering::Relaxed);
        self.is_full.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const RIGHT: Digest = Digest::from_bits((7, 11));

    #[test]
    fn it_is_filled_in_once() {
        let memo = Memo::default();
        assert!(memo.get().is_none());
        assert!(!memo.read().0, "what it holds before is no digest");
        memo.set(RIGHT);
        memo.set(Digest::from_bits((1, 2)));
        assert!(memo.get().is_some_and(|digest| digest.ct_eq(RIGHT)));
    }

    #[test]
    fn a_reader_sees_all_of_it_or_nothing() {
        for _ in 0..200 {
            let memo = Memo::default();
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| memo.set(RIGHT));
                    scope.spawn(|| {
                        while memo.get().is_none() {
                            thread::yield_now();
                        }
                        assert!(memo.get().is_some_and(|digest| digest.ct_eq(RIGHT)));
                    });
                }
            });
        }
    }

    /// What a fork may leave in the child: somebody was in the middle of it, and will never go on.
    #[test]
    fn one_that_was_left_half_filled_is_filled_by_the_next() {
        let memo = Memo::default();
        memo.halves.0.store(RIGHT.to_bits().0, Ordering::Relaxed);
        assert!(memo.get().is_none());
        memo.set(RIGHT);
        assert!(memo.get().is_some_and(|digest| digest.ct_eq(RIGHT)));
    }
}

//! How many wrong secrets a minute a human-chosen one stands.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::hash::Verdict;

/// A minute that begins with the first try in it, not with the clock's: guesses that straddle a full minute get no second
/// budget.
const MINUTE: u64 = 60_000;

/// The tries of one minute that failed, or may yet.
///
/// One number, the minute's beginning in milliseconds in the upper 44 bits (557 years of uptime) and the count in the
/// lower 20: a lock could be held by a thread that did not survive a fork.
#[derive(Debug, Default)]
pub(crate) struct Failures(AtomicU64);

const COUNT_BITS: u32 = 20;
const MOST: u64 = (1 << COUNT_BITS) - 1;

const fn pack(begun: u64, count: u64) -> u64 {
    begun << COUNT_BITS | count
}

const fn unpack(state: u64) -> (u64, u64) {
    (state >> COUNT_BITS, state & MOST)
}

impl Failures {
    /// Takes one of `allowed` tries in the minute that `now_millis` of the monotonic clock is in, or none when all are
    /// taken: by secrets that were wrong, or that are being hashed. So however many guesses arrive at once, no more than
    /// these are hashed.
    pub(crate) fn take(self: &Arc<Self>, now_millis: u64, allowed: u32) -> Option<Try> {
        let allowed = u64::from(allowed).min(MOST);
        let mut minute = 0;
        let counted = |state| {
            let (begun, count) = unpack(state);
            let over = count == 0 || now_millis.saturating_sub(begun) >= MINUTE;
            let taken = if over { 0 } else { count };
            minute = if over { now_millis } else { begun };
            (taken < allowed).then(|| pack(minute, taken.saturating_add(1)))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted).ok()?;
        Some(Try { failures: Arc::clone(self), minute, is_spent: false })
    }

    fn give_back(&self, minute: u64) {
        let forgiven = |state| {
            let (begun, count) = unpack(state);
            // In another minute nothing is owed any more.
            (begun == minute && count > 0).then(|| pack(minute, count.saturating_sub(1)))
        };
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, forgiven);
    }
}

/// A try that was taken. Dropped before anything was tried, it is given back.
#[derive(Debug)]
pub(crate) struct Try {
    failures: Arc<Failures>,
    minute: u64,
    is_spent: bool,
}

impl Try {
    /// Tries. Only a try that shows nothing about the secret, or that it is right, is given back.
    pub(crate) fn spend(mut self, check: impl FnOnce() -> Verdict) -> Verdict {
        // Before, so that one that panics is spent.
        self.is_spent = true;
        let verdict = check();
        self.is_spent = matches!(verdict, Verdict::Wrong | Verdict::Unusable(_));
        verdict
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if !self.is_spent {
            self.failures.give_back(self.minute);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        thread,
    };

    use super::*;

    #[test]
    fn so_many_wrong_secrets_a_minute_and_no_more() {
        let failures = Arc::new(Failures::default());
        // The second begins late in a minute of the clock, and goes on past its end.
        for begun in [0_u64, 119_000, 1 << 40] {
            for at in [0, 59_999] {
                // Later in the minute nothing is left.
                for _ in 0..3 {
                    let taken = failures.take(begun + at, 3);
                    assert_eq!(taken.is_some(), at == 0);
                    assert!(taken.is_none_or(|taken| taken.spend(|| Verdict::Wrong) == Verdict::Wrong));
                }
                assert!(failures.take(begun + at, 3).is_none());
            }
        }
        assert!(failures.take(0, 0).is_none(), "none is allowed");
    }

    #[test]
    fn only_what_failed_counts() {
        let failures = Arc::new(Failures::default());
        for verdict in [Verdict::Right { renew: true }, Verdict::NoMemory, Verdict::Moved] {
            assert_eq!(failures.take(1, 1).unwrap().spend(|| verdict), verdict);
        }
        drop(failures.take(1, 1).unwrap());
        let held = failures.take(1, 1).unwrap();
        assert!(failures.take(1, 1).is_none(), "one in the air counts");
        drop(held);
        // A try of a minute that is over gives nothing back to another one.
        let old = failures.take(1, 1).unwrap();
        let new = failures.take(60_001, 1).unwrap();
        drop(old);
        assert!(failures.take(60_001, 1).is_none());
        drop(new);
        let panics = failures.take(120_000, 1).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| panics.spend(|| panic!("on purpose")))).is_err());
        assert!(failures.take(120_000, 1).is_none(), "what could not be checked was no right secret");
    }

    #[test]
    fn at_once_they_are_no_more_either() {
        let failures = Arc::new(Failures::default());
        let taken: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let tries: Vec<Try> = (0..1000).filter_map(|_| failures.take(1, 10)).collect();
                        let taken = tries.len();
                        // Kept, as by flights that have not landed.
                        std::mem::forget(tries);
                        taken
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10);
    }
}

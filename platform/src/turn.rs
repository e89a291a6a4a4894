//! A value for one thread at a time, for those who would rather do without it than wait.

use std::{
    cell::UnsafeCell,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

/// A value that is used in turns. To take a turn costs one locked instruction, a mutex two; nobody ever waits for one.
///
/// A child that was forked while another thread had its turn never gets one: whoever uses this has another way.
pub struct Turn<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through `take` alone, by one thread at a time (`taken`), which sees what the one before did
// (Acquire after Release). So it need only be fit to be used by one thread after the other.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T> Turn<T> {
    /// Nobody has it.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Runs `body` on the value; `None` when another thread has its turn, or this one has it further up.
    #[inline]
    pub fn take<R>(&self, body: impl FnOnce(&mut T) -> R) -> Option<R> {
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // Also after a panic: what `body` leaves half done is its own.
        let _over = Over(&self.taken);
        // SAFETY: who finds `taken` false and sets it, in one step, is alone until `_over` is dropped; the reference ends
        // before that, since `R` can't borrow from it.
        Some(body(unsafe { &mut *self.value.get() }))
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_turn_is_had_once_and_ends_with_a_panic_too() {
        let turn = Turn::new(1);
        assert_eq!(turn.take(|value| (turn.take(|_| ()), std::mem::replace(value, 2))), Some((None, 1)));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turn.take(|_| panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!(turn.take(|value| *value), Some(2));
    }

    #[test]
    fn threads_take_turns() {
        let (turn, had) = (Turn::new((0_u64, 0_u64)), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let whole = turn.take(|(one, other)| {
                            *one += 1;
                            *other += 1;
                            one == other
                        });
                        if let Some(whole) = whole {
                            assert!(whole);
                            had.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        // None was lost: two at a time would have been.
        assert_eq!(turn.take(|both| both.0), Some(had.into_inner() as u64));
    }
}

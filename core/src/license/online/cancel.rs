//! Ending a call from another thread.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{lock::lock, per_process::PerProcess};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// Ends a call from another thread: what it would have brought back is dropped. A call that waits for an answer ends at once,
/// one that still looks for a connection within `connect_timeout`.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

struct Shared {
    cancelled: AtomicBool,
    /// What interrupts the calls of this process. A child has none of them.
    hooks: PerProcess<Mutex<Vec<Hook>>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { cancelled: AtomicBool::new(false), hooks: PerProcess::new(Mutex::default) }
    }
}

impl Cancel {
    /// Ends the call, now or before it begins.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let hooks = self.0.hooks.get();
        // Without the lock, since a hook is a transport's own.
        let hooks: Vec<Hook> = lock(&hooks).clone();
        for hook in hooks {
            hook();
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Has `interrupt` called when this is cancelled while `body` runs: more than once perhaps, and also before it begins.
    pub fn interrupting<T>(&self, interrupt: impl Fn() + Send + Sync + 'static, body: impl FnOnce() -> T) -> T {
        let hook: Hook = Arc::new(interrupt);
        let hooks = self.0.hooks.get();
        lock(&hooks).push(Arc::clone(&hook));
        let _leave = Leave { hooks: &hooks, hook: &hook };
        if self.is_cancelled() {
            hook();
        }
        body()
    }
}

/// Takes a hook back, however its call ends.
struct Leave<'a> {
    hooks: &'a Mutex<Vec<Hook>>,
    hook: &'a Hook,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        lock(self.hooks).retain(|hook| !Arc::ptr_eq(hook, self.hook));
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::AssertUnwindSafe, sync::atomic::AtomicUsize};

    use super::*;

    #[test]
    fn a_hook_is_called_when_it_is_cancelled_and_not_after_its_call() {
        let cancel = Cancel::default();
        let called = Arc::new(AtomicUsize::new(0));
        let count = || {
            let called = Arc::clone(&called);
            move || {
                called.fetch_add(1, Ordering::SeqCst);
            }
        };
        cancel.interrupting(count(), || assert!(!cancel.is_cancelled()));
        cancel.interrupting(count(), || cancel.clone().cancel());
        assert_eq!(called.load(Ordering::SeqCst), 1, "the former call is over");
        cancel.interrupting(count(), || {});
        assert_eq!(called.load(Ordering::SeqCst), 2, "it was cancelled before it began");
        let panicked =
            std::panic::catch_unwind(AssertUnwindSafe(|| cancel.interrupting(count(), || panic!("on purpose"))));
        assert!(panicked.is_err());
        cancel.cancel();
        assert_eq!(called.load(Ordering::SeqCst), 3, "a call that panicked is over too");
    }
}

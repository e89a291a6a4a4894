//! State that belongs to one process, and is made anew in a forked child.
//!
//! A fork copies memory but not threads: a mutex that another thread held stays locked for ever in the child, and a
//! queue keeps work that nobody will do. What is kept here is simply replaced, without asking the old value anything.

use std::sync::Arc;

use arc_swap::ArcSwap;
use inspire_auth_platform::fork;

/// A value of this process. The copy that a child inherited is left alone (leaked) and made anew at its first use.
pub(crate) struct PerProcess<T> {
    slot: ArcSwap<Slot<T>>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

struct Slot<T> {
    epoch: u32,
    value: Arc<T>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        // No store need be on disk, and so watch already.
        fork::watch();
        let slot = ArcSwap::from_pointee(Slot { epoch: fork::epoch(), value: Arc::new(make()) });
        Self { slot, make: Box::new(make) }
    }

    /// This process's value.
    pub(crate) fn get(&self) -> Arc<T> {
        let slot = self.slot.load();
        if slot.epoch == fork::epoch() { Arc::clone(&slot.value) } else { self.renew() }
    }

    #[cold]
    fn renew(&self) -> Arc<T> {
        let fresh = Arc::new(Slot { epoch: fork::epoch(), value: Arc::new((self.make)()) });
        // Two threads of a young child may both arrive here: the first one's value is everybody's.
        let replaced = self
            .slot
            .rcu(|current| if current.epoch == fresh.epoch { Arc::clone(current) } else { Arc::clone(&fresh) });
        if replaced.epoch != fresh.epoch {
            // Dropping the inherited value could touch a lock that nobody will ever release.
            std::mem::forget(replaced);
        }
        Arc::clone(&self.slot.load().value)
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let slot = self.slot.load_full();
        if slot.epoch != fork::epoch() {
            // As above: one reference too many keeps the inherited value from being dropped.
            std::mem::forget(slot);
        }
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PerProcess")
    }
}

//! What is due at the licensing server, done by itself.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use inspire_auth_platform::fork;

use super::cancel::Cancel;
use crate::{
    auth::Inner,
    clerk::{Errand, SERVER},
    clock,
    id::fill_random,
    license::License,
};

/// The longest sleep: the system's clock may be set, another process may activate, and a suspended machine's time does not
/// count here.
const LONGEST: Duration = Duration::from_hours(1);

/// Does for a handle what [`License::tick`] does, whenever something is due.
pub(in super::super) struct Keeper {
    inner: Weak<Inner>,
    this: Weak<Self>,
    cancel: Cancel,
    /// The process in which it is under way. A child's first question about the license starts its own.
    epoch: AtomicU32,
}

/// No process's.
const NOWHERE: u32 = u32::MAX;

impl Keeper {
    fn new(inner: Weak<Inner>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            inner,
            this: Weak::clone(this),
            cancel: Cancel::default(),
            epoch: AtomicU32::new(NOWHERE),
        })
    }

    /// Looks at once: something has changed.
    pub(in super::super) fn wake(&self) {
        if self.send(Duration::ZERO) {
            self.epoch.store(fork::epoch(), Ordering::Relaxed);
        }
    }

    fn send(&self, wait: Duration) -> bool {
        let now = Instant::now();
        !self.cancel.is_cancelled() && SERVER.send_alone(self.errand(), now.checked_add(wait).unwrap_or(now))
    }

    fn errand(&self) -> Weak<dyn Errand> {
        let this: Weak<Self> = Weak::clone(&self.this);
        this as Weak<dyn Errand>
    }
}

impl Errand for Keeper {
    fn run(&self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let next = License { inner: &inner }.tick(&self.cancel, None).ok().and_then(|tick| tick.next);
        // What fails is in the status; a store that can't be read is looked at again.
        self.send(sleep(next, clock::resolve(None)));
    }
}

/// How long to sleep until `next`, and a little longer, so that the machines of one vendor do not come all at once.
fn sleep(next: Option<i64>, now: i64) -> Duration {
    let left = next.map_or(LONGEST, |next| {
        let left = u64::try_from(next.saturating_sub(now)).unwrap_or(0).max(1);
        Duration::from_secs(left).min(LONGEST)
    });
    let mut chance = [0];
    // Without it they come all at once.
    let _ = fill_random(&mut chance);
    left.saturating_add(left.mul_f64(f64::from(chance[0]) / 256.0 / 20.0))
}

/// The handle's part of it: when the last clone of a handle goes, so does this, and waits until the thread is out of it.
pub(crate) struct Kept(Arc<Keeper>);

impl Kept {
    /// Begins, for a handle whose host asked for it.
    pub(crate) fn begin(inner: &Arc<Inner>) -> Option<Arc<Self>> {
        if !inner.license.online().is_some_and(super::Online::refreshes_by_itself) {
            return None;
        }
        let keeper = Keeper::new(Arc::downgrade(inner));
        inner.license.set_keeper(Arc::downgrade(&keeper));
        let kept = Self(keeper);
        kept.start();
        Some(Arc::new(kept))
    }

    /// Sees to it that this process has it under way.
    pub(crate) fn start(&self) {
        if self.0.epoch.load(Ordering::Relaxed) != fork::epoch() {
            self.0.wake();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A child has no call of its parent's to be ended, and may have one of its own.
        self.0.cancel.cancel();
        SERVER.call_off(&self.0.errand());
        SERVER.leave();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sleeps_until_something_is_due_and_an_hour_at_most() {
        let near = |next, least: u64| {
            let slept = sleep(next, 1_000_000);
            let least = Duration::from_secs(least);
            assert!(slept >= least && slept <= least.mul_f64(1.05), "{next:?}: {slept:?}");
        };
        near(Some(1_000_060), 60);
        near(Some(1_000_000), 1);
        near(Some(i64::MIN), 1);
        near(Some(i64::MAX), 3600);
        near(None, 3600);
    }
}

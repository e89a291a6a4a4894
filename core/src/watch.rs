//! Watching over a store that is followed, and not asked at each check: whether anything is heard of it, and now and then
//! whether what is in memory is what it holds.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use inspire_auth_platform::fork;

use crate::{
    auth::Inner,
    clerk::{Errand, SERVER},
    error::{Code, Result},
    id::fill_random,
    lock::lock,
    store::Following,
};

/// No process's epoch.
const NOWHERE: u32 = u32::MAX;

/// Does it for a handle.
pub(crate) struct Watcher {
    inner: Weak<Inner>,
    this: Weak<Self>,
    is_over: AtomicBool,
    /// The process in which it is under way. A child's first change starts its own.
    epoch: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether it has been told that nothing is heard.
    is_told: bool,
    /// When what is in memory is compared next.
    due: Option<Instant>,
}

impl Watcher {
    fn send(&self, wait: Duration) -> bool {
        let now = Instant::now();
        let this: Weak<Self> = Weak::clone(&self.this);
        !self.is_over.load(Ordering::Relaxed)
            && SERVER.send_alone(this as Weak<dyn Errand>, now.checked_add(wait).unwrap_or(now))
    }

    /// Sees to it that this process has it under way.
    pub(crate) fn start(&self) {
        if self.epoch.load(Ordering::Relaxed) != fork::epoch() && self.send(Duration::ZERO) {
            self.epoch.store(fork::epoch(), Ordering::Relaxed);
        }
    }

    /// Looks once, and returns when to look again.
    fn look(&self, inner: &Inner, following: &Following) -> Duration {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let is_expired = following.unheard_for >= following.max_staleness;
        if is_expired != state.is_told {
            state.is_told = is_expired;
            tell(inner, following);
        }
        let interval = jittered(following.reconcile_every);
        let due = *state.due.get_or_insert_with(|| now.checked_add(interval).unwrap_or(now));
        let left = due.saturating_duration_since(now);
        if left.is_zero() {
            state.due = None;
            // What can't be read now is compared the next time.
            let _ = inner.reconcile(&|| !self.is_over.load(Ordering::Relaxed));
            return Duration::ZERO;
        }
        left.min(following.max_staleness)
    }
}

/// Has the audit log say that nothing is heard any more, and what checks answer then; or that something is again.
fn tell(inner: &Inner, following: &Following) {
    let (event, detail, code) = if following.unheard_for < following.max_staleness {
        ("store.heard", "what checks go by is up to date again", Code::Ok)
    } else if following.allows_known {
        ("store.unheard", "checks go by what was known before, as on_expired=allow_known says", Code::StoreStale)
    } else {
        ("store.unheard", "checks are refused until it is", Code::StoreStale)
    };
    inner.audit_with(event, "system", "", detail, code, None);
}

impl Errand for Watcher {
    fn run(&self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let Some(following) = inner.store.following() else { return };
        let next = self.look(&inner, &following);
        self.send(next);
    }
}

/// Within a tenth of it: those that began together do not all come back together.
fn jittered(interval: Duration) -> Duration {
    let mut chance = [0];
    let _ = fill_random(&mut chance);
    interval.mul_f64(0.9 + 0.2 * f64::from(chance[0]) / 255.0)
}

/// The handle's part of it: when the last clone of a handle goes, so does this, and waits until the thread is out of it.
pub(crate) struct Watched(Arc<Watcher>);

impl Watched {
    /// Begins, for a handle on a store that is followed.
    pub(crate) fn begin(inner: &Arc<Inner>) -> Option<Arc<Self>> {
        inner.store.following()?;
        let watcher = Arc::new_cyclic(|this| Watcher {
            inner: Arc::downgrade(inner),
            this: Weak::clone(this),
            is_over: AtomicBool::new(false),
            epoch: AtomicU32::new(NOWHERE),
            state: Mutex::default(),
        });
        let _ = inner.watcher.set(Arc::downgrade(&watcher));
        watcher.start();
        Some(Arc::new(Self(watcher)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        let errand: Weak<dyn Errand> = Arc::downgrade(&self.0) as Weak<dyn Errand>;
        SERVER.call_off(&errand);
        SERVER.leave();
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Inner {
    /// Has this process watch over its store, where nobody does yet.
    pub(crate) fn watch(&self) {
        if let Some(watcher) = self.watcher.get().and_then(Weak::upgrade) {
            watcher.start();
        }
    }

    /// Compares what is in memory with what the store holds, while it `goes_on`, and mends what is not so; returns of how many
    /// keys. A change that the log of changes does not have is one that was made past its triggers.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub(crate) fn reconcile(&self, goes_on: &dyn Fn() -> bool) -> Result<usize> {
        self.refresh()?;
        let suspects = self.suspects(goes_on)?;
        let mended = self.mend(&suspects)?;
        if mended > 0 {
            let detail = format!("{mended} keys were not what the log of changes says");
            self.audit_with("store.mended", "system", "", &detail, Code::Ok, None);
        }
        Ok(mended)
    }
}

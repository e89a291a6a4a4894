//! One question in the air, and everybody who waits for its answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use crate::{
    id::Id,
    keys::{hash::Verdict, index::Mark},
    lock::lock,
};

/// What a flight is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlightKey {
    pub(crate) credential: Id,
    /// The mark of the hash that is asked: its answer says nothing of the one that takes its place.
    pub(crate) mark: Mark,
    /// The digest of the presented secret. A wrong one has another than the right one, so it never answers for it.
    pub(crate) secret: (u64, u64),
}

/// One check in the air. Everybody who asks the same question meanwhile gets the same answer.
pub(crate) struct Flight {
    key: FlightKey,
    answer: OnceLock<Verdict>,
    waiting: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    landed: Condvar,
}

impl Flight {
    pub(super) fn new(key: FlightKey) -> Arc<Self> {
        Arc::new(Self { key, answer: OnceLock::new(), waiting: Mutex::default(), landed: Condvar::new() })
    }

    pub(crate) const fn key(&self) -> FlightKey {
        self.key
    }

    /// The answer, if there is one yet.
    pub(crate) fn poll(&self) -> Option<Verdict> {
        self.answer.get().copied()
    }

    /// Waits for the answer, at most until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<Verdict> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(verdict) = self.poll() {
                return Some(verdict);
            }
            match deadline {
                None => waiting = self.landed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    waiting = self.landed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Calls `callback` once, when the answer is there: at once, or on a thread of the pool.
    pub(crate) fn on_landed(&self, callback: Box<dyn FnOnce() + Send>) {
        let mut waiting = lock(&self.waiting);
        if self.poll().is_none() {
            waiting.push(callback);
        } else {
            drop(waiting);
            callback();
        }
    }

    pub(super) fn land(&self, verdict: Verdict) {
        let callbacks = {
            let mut waiting = lock(&self.waiting);
            let _ = self.answer.set(verdict);
            self.landed.notify_all();
            std::mem::take(&mut *waiting)
        };
        for callback in callbacks {
            // A host's callback that panics must not take the pool's thread with it.
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }
}

//! Audit events on their way to the host's callback.
//!
//! The core tells them while it holds locks, on any thread, with or without the interpreter's lock: so here they are
//! only put down, without waiting for anything, and handed over when the call that caused them is done.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use inspire_auth_core::{AuditSink, store::AuditEvent};
use pyo3::{PyTraverseError, PyVisit, prelude::*};

use crate::{gate, records};

/// Events that wait to be handed over, at most; more are dropped (the store has them).
const MOST: u32 = 4096;

struct Noted {
    event: AuditEvent,
    count: u32,
    before: Option<Arc<Noted>>,
}

/// What has been noted, newest first: a list that is swapped whole, so that no fork can inherit it locked.
#[derive(Default)]
struct Queue(ArcSwapOption<Noted>);

impl Queue {
    fn note(&self, event: &AuditEvent) {
        self.0.rcu(|newest| {
            let count = newest.as_ref().map_or(0, |noted| noted.count);
            if count >= MOST {
                return newest.clone();
            }
            let count = count.saturating_add(1);
            Some(Arc::new(Noted { event: event.clone(), count, before: newest.clone() }))
        });
    }

    /// Takes all, oldest first.
    fn take(&self) -> Vec<AuditEvent> {
        let mut events = Vec::new();
        let mut next = self.0.swap(None);
        while let Some(noted) = next {
            // One by one, so that a long list is not dropped by recursion.
            match Arc::try_unwrap(noted) {
                Ok(noted) => {
                    events.push(noted.event);
                    next = noted.before;
                }
                Err(noted) => {
                    events.push(noted.event.clone());
                    next = noted.before.clone();
                }
            }
        }
        events.reverse();
        events
    }
}

/// The host's callback, and what it has not been told yet.
pub(crate) struct Audit {
    queue: Arc<Queue>,
    callback: Mutex<Option<Py<PyAny>>>,
    /// Whether there is a callback: most hosts have none.
    wanted: AtomicBool,
}

impl Audit {
    pub(crate) fn new(callback: Option<Py<PyAny>>) -> Self {
        let wanted = AtomicBool::new(callback.is_some());
        Self { queue: Arc::default(), callback: Mutex::new(callback), wanted }
    }

    /// What the core tells.
    pub(crate) fn sink(&self) -> Option<AuditSink> {
        self.wanted.load(Ordering::Relaxed).then(|| {
            let queue = Arc::clone(&self.queue);
            Arc::new(move |event: &AuditEvent| queue.note(event)) as AuditSink
        })
    }

    /// Hands over what has been noted: each call what it caused, and what the library's own threads did meanwhile.
    #[inline]
    pub(crate) fn tell(&self, py: Python<'_>) {
        if self.wanted.load(Ordering::Relaxed) && self.queue.0.load().is_some() {
            self.tell_all(py);
        }
    }

    #[cold]
    fn tell_all(&self, py: Python<'_>) {
        let callback = self.callback.try_lock().ok().and_then(|kept| kept.as_ref().map(|kept| kept.clone_ref(py)));
        let Some(callback) = callback else { return };
        let callback = callback.bind(py);
        let _passage = gate::run_python(py);
        for event in self.queue.take() {
            let told = records::event(py, &event).and_then(|event| callback.call1((event,)));
            if let Err(error) = told {
                // A host's mistake is shown (sys.unraisablehook), and changes no decision.
                error.write_unraisable(py, Some(callback));
            }
        }
    }

    /// Gives up the callback.
    pub(crate) fn forget(&self) {
        self.wanted.store(false, Ordering::Relaxed);
        let callback = self.callback.try_lock().map_or(None, |mut callback| callback.take());
        drop(callback);
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.callback.try_lock() {
            Ok(callback) => callback.as_ref().map_or(Ok(()), |callback| visit.call(callback)),
            Err(std::sync::TryLockError::Poisoned(callback)) => {
                let callback = PoisonError::into_inner(callback);
                callback.as_ref().map_or(Ok(()), |callback| visit.call(callback))
            }
            Err(std::sync::TryLockError::WouldBlock) => Ok(()),
        }
    }
}

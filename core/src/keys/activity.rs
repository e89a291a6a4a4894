//! What is noted on the side: last use and audit events. Collected in memory, written in batches on the pool, never in
//! the way of a check, and bounded whatever the load.

use std::sync::{Arc, Mutex, atomic::Ordering};

use inspire_auth_platform::clock;

use super::{index::Entry, pool::Pool};
use crate::{
    error::{Code, Result},
    id::Id,
    lock::lock,
    options::AuditSink,
    per_process::PerProcess,
    store::{AuditEvent, Store},
};

/// A key's use is noted at most once in so many seconds.
const INTERVAL: i64 = 60;
/// Batches are written at most once in so many milliseconds.
const FLUSH_INTERVAL: u64 = 1000;
/// What is kept between two batches; more is dropped, and the dropping noted.
const MAX_USES: usize = 65_536;
const MAX_EVENTS: usize = 1024;

#[derive(Default)]
struct Buffer {
    used: Vec<(Id, i64)>,
    events: Vec<AuditEvent>,
    dropped: u64,
    last_flush: u64,
    scheduled: bool,
}

/// The activity of one handle.
pub(crate) struct Activity {
    buffer: PerProcess<Mutex<Buffer>>,
    sink: Option<AuditSink>,
    store: Arc<dyn Store>,
}

impl Activity {
    pub(crate) fn new(store: Arc<dyn Store>, sink: Option<AuditSink>) -> Self {
        let buffer = PerProcess::new(|| Mutex::new(Buffer { used: Vec::with_capacity(256), ..Buffer::default() }));
        Self { buffer, sink, store }
    }

    /// Notes that a key was used. Nearly always this reads one number and does nothing.
    #[inline]
    pub(crate) fn note_used(self: &Arc<Self>, entry: &Entry, now: i64, pool: impl Fn() -> Arc<Pool>) {
        let last = entry.last_used.load(Ordering::Relaxed);
        if now >= last.saturating_add(INTERVAL) {
            self.note_used_since(last, entry, now, pool);
        }
    }

    #[cold]
    fn note_used_since(self: &Arc<Self>, last: i64, entry: &Entry, now: i64, pool: impl Fn() -> Arc<Pool>) {
        if entry.last_used.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let buffer = self.buffer.get();
            let mut buffer = lock(&buffer);
            if buffer.used.len() < MAX_USES {
                buffer.used.push((entry.id, now));
            }
            self.schedule(&mut buffer, pool);
        }
    }

    /// Notes an event: the host's sink hears it at once, the store with the next batch.
    pub(crate) fn note_event(self: &Arc<Self>, event: AuditEvent, pool: impl Fn() -> Arc<Pool>) {
        if let Some(sink) = &self.sink {
            sink(&event);
        }
        let buffer = self.buffer.get();
        let mut buffer = lock(&buffer);
        if buffer.events.len() < MAX_EVENTS {
            buffer.events.push(event);
        } else {
            buffer.dropped = buffer.dropped.saturating_add(1);
        }
        self.schedule(&mut buffer, pool);
    }

    fn schedule(self: &Arc<Self>, buffer: &mut Buffer, pool: impl Fn() -> Arc<Pool>) {
        let due = clock::monotonic_millis() >= buffer.last_flush.saturating_add(FLUSH_INTERVAL);
        if !due || buffer.scheduled {
            return;
        }
        buffer.scheduled = true;
        let this = Arc::downgrade(self);
        pool().chore(0, move || {
            if let Some(this) = this.upgrade() {
                let _ = this.flush();
            }
        });
    }

    /// Writes what has been noted.
    ///
    /// # Errors
    /// A `STORE_*` code. What could not be written is lost: it is never worth a failed check.
    pub(crate) fn flush(&self) -> Result<()> {
        let (used, mut events, dropped) = {
            let buffer = self.buffer.get();
            let mut buffer = lock(&buffer);
            buffer.last_flush = clock::monotonic_millis();
            buffer.scheduled = false;
            // Drained, not taken: the next note on a warm check finds room without allocating.
            let used: Vec<(Id, i64)> = buffer.used.drain(..).collect();
            (used, std::mem::take(&mut buffer.events), std::mem::take(&mut buffer.dropped))
        };
        if dropped > 0 {
            let at = events.last().map_or(0, |event| event.at);
            events.push(AuditEvent {
                at,
                event: "audit.dropped".to_owned(),
                actor: String::new(),
                subject: String::new(),
                code: Code::Ok,
                detail: format!("{dropped} events came faster than they could be written"),
            });
        }
        let uses = if used.is_empty() { Ok(()) } else { self.store.note_used(&used) };
        let audit = if events.is_empty() { Ok(()) } else { self.store.append_audit(&events) };
        uses.and(audit)
    }
}

impl std::fmt::Debug for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Activity")
    }
}

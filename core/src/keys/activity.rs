//! What is noted on the side: last use and audit events. Collected in memory, written in batches by the process's
//! [`clerk`], never in the way of a check, and bounded whatever the load.

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use inspire_auth_platform::fork;

use super::index::{Found, Index};
use crate::{
    audit::{Journal, Unwritten, screen, screened},
    clerk::{self, Errand},
    error::{Code, Error, Result},
    id::Id,
    license::Seen,
    lock::lock,
    metrics::Metrics,
    options::AuditSink,
    per_process::PerProcess,
    store::{AuditEvent, Store},
};

/// A key's use is noted at most once in so many seconds.
const INTERVAL: i64 = 60;
/// Batches are written at most once in so long; the first one at once.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// What is kept between two batches; more is dropped, and the dropping noted.
const MAX_USES: usize = 65_536;
/// No process's epoch.
const NOWHERE: u32 = u32::MAX;
pub(crate) const MAX_EVENTS: usize = 1024;

/// An event that waits to be written.
struct Noted {
    event: AuditEvent,
    /// Whether the audit file has it already.
    filed: bool,
}

#[derive(Default)]
struct Notes {
    used: Vec<(Id, i64)>,
    events: Vec<Noted>,
    /// Events that the audit file did not take.
    lost_to_file: u64,
    /// Events that the store's log did not take.
    lost_to_store: u64,
    /// Events for which there was no room, as far as that has been told.
    told: u64,
    /// When the next batch is to be written.
    due: Option<Instant>,
    flushed: Option<Instant>,
}

/// What one process has noted.
#[derive(Default)]
struct Desk {
    notes: Mutex<Notes>,
    /// Held while a batch is written, so that whoever flushes waits for the one under way.
    writing: Mutex<()>,
}

/// The activity of one handle.
pub(crate) struct Activity {
    desk: PerProcess<Desk>,
    /// The process, by its [epoch](fork::epoch), in which there is no more room for denials. Read before anything is
    /// made for one.
    full: AtomicU32,
    sink: Option<AuditSink>,
    journal: Option<Arc<Journal>>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    /// A busy handle that nobody asks for its license notices the clock here.
    seen: Arc<Seen>,
}

/// An event, before anything has been allocated for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft<'a> {
    pub(crate) at: i64,
    pub(crate) event: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) subject: &'a str,
    /// Whether the event is not to show its subject. Making it takes the same steps then: what comes of a presented
    /// name must not tell whether there is such a key.
    pub(crate) hides_subject: bool,
    pub(crate) detail: &'a str,
    pub(crate) code: Code,
}

impl Draft<'_> {
    fn to_event(self) -> AuditEvent {
        let mut subject = screened(self.subject);
        // By arithmetic: a branch would show.
        subject.truncate(subject.len().wrapping_mul(usize::from(!black_box(self.hides_subject))));
        AuditEvent {
            at: self.at,
            event: self.event.to_owned(),
            actor: screened(self.actor),
            subject,
            detail: screened(self.detail),
            code: self.code,
        }
    }
}

impl Activity {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        sink: Option<AuditSink>,
        journal: Option<Arc<Journal>>,
        metrics: Arc<Metrics>,
        seen: Arc<Seen>,
    ) -> Self {
        let desk = PerProcess::new(|| Desk {
            notes: Mutex::new(Notes { used: Vec::with_capacity(256), ..Notes::default() }),
            writing: Mutex::default(),
        });
        Self { desk, full: AtomicU32::new(NOWHERE), sink, journal, store, metrics, seen }
    }

    /// The audit file, if there is one.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// Notes that a key was used. Nearly always this reads one number and does nothing.
    #[inline]
    pub(crate) fn note_used(self: &Arc<Self>, index: &Index, found: &Found<'_>, now: i64) {
        if now >= found.record.last_used.saturating_add(INTERVAL) {
            self.note_used_at_last(index, found, now);
        }
    }

    #[cold]
    fn note_used_at_last(self: &Arc<Self>, index: &Index, found: &Found<'_>, now: i64) {
        if index.note_used(found, now) {
            let desk = self.desk.get();
            let mut notes = lock(&desk.notes);
            if notes.used.len() < MAX_USES {
                notes.used.push((found.record.id, now));
            }
            self.schedule(&mut notes);
        }
    }

    /// Whether a refusal would be noted, or heard: nothing need be made of one that would not.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.sink.is_some() || !self.is_full()
    }

    /// As [`Activity::has_room`], and counts here what would not be noted.
    pub(crate) fn admits(&self) -> bool {
        let admitted = self.has_room();
        if !admitted {
            self.metrics.refusal_dropped();
        }
        admitted
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) == fork::epoch()
    }

    /// Notes something that was refused: the host's sink hears it at once, the store and the file with the next batch.
    /// When there is no room left, it is counted and nothing is made of it.
    pub(crate) fn note(self: &Arc<Self>, draft: Draft<'_>) {
        let full = self.is_full();
        if full && self.sink.is_none() {
            self.metrics.refusal_dropped();
            return;
        }
        let event = draft.to_event();
        if let Some(sink) = &self.sink {
            sink(&event);
        }
        if full {
            self.metrics.refusal_dropped();
        } else {
            self.keep(&self.desk.get(), Noted { event, filed: self.journal.is_none() }, MAX_EVENTS);
        }
    }

    /// Notes a change that was made, of which the audit file may know already. A flood of denials does not take its room.
    pub(crate) fn note_recorded(self: &Arc<Self>, mut event: AuditEvent, filed: bool) {
        screen(&mut event);
        if let Some(sink) = &self.sink {
            sink(&event);
        }
        self.keep(&self.desk.get(), Noted { event, filed }, MAX_EVENTS.saturating_mul(2));
    }

    fn keep(self: &Arc<Self>, desk: &Arc<Desk>, noted: Noted, room: usize) {
        let mut notes = lock(&desk.notes);
        if notes.events.len() >= room {
            drop(notes);
            self.metrics.refusal_dropped();
            return;
        }
        notes.events.push(noted);
        if notes.events.len() >= MAX_EVENTS {
            self.full.store(fork::epoch(), Ordering::Relaxed);
        }
        self.schedule(&mut notes);
    }

    /// Sees to it that the notes are written soon.
    fn schedule(self: &Arc<Self>, notes: &mut Notes) {
        if notes.due.is_some() {
            return;
        }
        let now = Instant::now();
        let next = notes.flushed.and_then(|flushed| flushed.checked_add(FLUSH_INTERVAL));
        let due = next.map_or(now, |next| next.max(now));
        let this = Arc::downgrade(self);
        let this: Weak<dyn Errand> = this;
        // Without a thread the next note tries again, and a flush writes everything at any time.
        if clerk::LOG.send(this, due) {
            notes.due = Some(due);
        }
    }

    /// Writes what has been noted.
    ///
    /// # Errors
    /// A `STORE_*` code, or `AUDIT_UNAVAILABLE`. What could not be written is lost, and counted: it is never worth a
    /// failed check.
    pub(crate) fn flush(&self) -> Result<()> {
        let desk = self.desk.get();
        let _writing = lock(&desk.writing);
        let Taken { used, events, dropped, lost_to_file, lost_to_store } = self.take(&desk);
        let uses = if used.is_empty() { Ok(()) } else { self.store.note_used(&used) };
        let file = self.write_to_file(&desk, &events, dropped.saturating_add(lost_to_file));
        let log = self.write_to_store(&desk, events, dropped.saturating_add(lost_to_store));
        self.seen.look();
        uses.and(log).and(file)
    }

    /// Writes what is left, and sees to it that the process's thread holds nothing of this any more: whoever gives the
    /// handle back gives back the store with it, and not the thread some time later.
    pub(crate) fn close(self: &Arc<Self>) {
        // What can't be written can't be helped.
        let _ = self.flush();
        let this = Arc::downgrade(self);
        let this: Weak<dyn Errand> = this;
        clerk::LOG.call_off(&this);
    }

    /// Writes to the store's log, and how many events it will never have.
    fn write_to_store(&self, desk: &Desk, events: Vec<Noted>, missing: u64) -> Result<()> {
        let lost = events.len() as u64;
        let told = (missing > 0).then(|| tell_dropped(missing));
        let batch: Vec<AuditEvent> = events.into_iter().map(|noted| noted.event).chain(told).collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.store.append_audit(&batch).inspect_err(|_| {
            if self.journal.is_none() {
                self.metrics.audit_dropped(lost);
            }
            let mut notes = lock(&desk.notes);
            notes.lost_to_store = notes.lost_to_store.saturating_add(lost).saturating_add(missing);
        })
    }

    /// Writes to the audit file what it does not have yet, and how many events it will never have.
    fn write_to_file(&self, desk: &Desk, events: &[Noted], missing: u64) -> Result<()> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let told = (missing > 0).then(|| tell_dropped(missing));
        let of_batch: Vec<&AuditEvent> = events.iter().filter(|noted| !noted.filed).map(|noted| &noted.event).collect();
        let batch: Vec<&AuditEvent> = told.iter().chain(of_batch).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let Err(Unwritten { written, error }) = journal.append(&batch) else { return Ok(()) };
        self.metrics.audit_failed();
        let lost = (batch.len().saturating_sub(written.max(usize::from(told.is_some())))) as u64;
        self.metrics.audit_dropped(lost);
        // The first line tells of earlier losses: lost itself, it is told again.
        let again = if written == 0 { missing } else { 0 };
        let mut notes = lock(&desk.notes);
        notes.lost_to_file = notes.lost_to_file.saturating_add(lost).saturating_add(again);
        Err(Error::new(Code::AuditUnavailable).caused_by(error))
    }
}

/// The event that tells of events that nobody will read.
fn tell_dropped(count: u64) -> AuditEvent {
    AuditEvent {
        at: inspire_auth_platform::clock::unix_seconds(),
        event: "audit.dropped".to_owned(),
        actor: String::new(),
        subject: String::new(),
        detail: format!("{count} events came faster than they could be written, or could not be written"),
        code: Code::Ok,
    }
}

/// A batch.
struct Taken {
    used: Vec<(Id, i64)>,
    events: Vec<Noted>,
    /// Events for which there was no room.
    dropped: u64,
    /// Events of earlier batches that the audit file did not take.
    lost_to_file: u64,
    /// Events of earlier batches that the store's log did not take.
    lost_to_store: u64,
}

impl Activity {
    /// Everything that has been noted.
    fn take(&self, desk: &Desk) -> Taken {
        let mut notes = lock(&desk.notes);
        notes.flushed = Some(Instant::now());
        notes.due = None;
        // Drained, not taken: the next note on a warm check finds room without allocating.
        let used = notes.used.drain(..).collect();
        let events = std::mem::take(&mut notes.events);
        let lost_to_file = std::mem::take(&mut notes.lost_to_file);
        let lost_to_store = std::mem::take(&mut notes.lost_to_store);
        let all_dropped = self.metrics.refusals_dropped();
        let dropped = all_dropped.saturating_sub(notes.told);
        notes.told = all_dropped;
        self.full.store(NOWHERE, Ordering::Relaxed);
        Taken { used, events, dropped, lost_to_file, lost_to_store }
    }
}

impl Errand for Activity {
    fn run(&self) {
        let _ = self.flush();
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        clerk::LOG.leave();
    }
}

impl std::fmt::Debug for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Activity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        HashParameters, InspireAuth, Options, StoreLocation,
        audit::MAX_TEXT,
        keys::{Caller, Channel, NewKey, Presented, Principal, Request, Requirement},
    };

    /// A key that may change nothing.
    fn weak(auth: &InspireAuth) -> Principal {
        let created = auth.keys().create(&NewKey::named("weak"), &Caller::system()).unwrap();
        let value = format!("Bearer {}", created.credential().as_str());
        let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
        let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
        request.channel = Channel::Secure;
        auth.authenticate(&request).unwrap()
    }

    fn open() -> InspireAuth {
        let mut options = Options::new(StoreLocation::Memory);
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        options.write_requirement = Some("Authenticated/Write".parse().unwrap());
        InspireAuth::open(options).unwrap()
    }

    /// Somebody who may change nothing tries to, a lot, while nothing is being written: what waits stays small, holds no
    /// key, and leaves room for what is changed meanwhile.
    #[test]
    fn refused_changes_take_no_more_room_than_other_refusals() {
        let auth = open();
        let principal = weak(&auth);
        let by = Caller::by(&principal);
        auth.flush().unwrap();
        let desk = auth.inner.activity.desk.get();
        let writing = lock(&desk.writing);
        let key = format!("isk_{}", "a".repeat(49));
        let names = [key.clone(), "\u{e9}".repeat(1 << 19)];
        for name in names.iter().cycle().take(4 * MAX_EVENTS) {
            assert_eq!(auth.keys().delete(name, None, &by).unwrap_err().code(), Code::PermissionDenied);
        }
        auth.keys().create(&NewKey::named("made"), &Caller::system()).unwrap();
        let notes = lock(&desk.notes);
        assert_eq!(notes.events.len(), MAX_EVENTS + 1);
        for Noted { event, .. } in &notes.events {
            let texts = [&event.event, &event.actor, &event.subject, &event.detail];
            assert!(texts.iter().all(|text| text.len() <= MAX_TEXT && text.capacity() <= 2 * MAX_TEXT));
            assert!(!event.subject.contains(&key));
        }
        assert_eq!(auth.inner.metrics.refusals_dropped(), 3 * MAX_EVENTS as u64);
        drop((notes, writing));
        let told = auth.audit(2).unwrap();
        assert_eq!(told.iter().map(|e| e.event.as_str()).collect::<Vec<_>>(), ["audit.dropped", "key.created"]);
        assert_eq!(told[1].subject, "made");
    }
}

//! The audit log: read from the store, or heard as it happens.

use std::ffi::c_void;

use inspire_auth_core::store::AuditEvent;

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str},
    ticket::Userdata,
};

/// One line of the audit log. Holds no secret.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_audit_event {
    /// Unix seconds.
    pub at: i64,
    /// What happened, such as "key.created" or "key.refused".
    pub event: inspire_str,
    /// Who did it: "system", "key:NAME", or empty where nobody is known.
    pub actor: inspire_str,
    /// The name of the key, or the id of the license, that it happened to.
    pub subject: inspire_str,
    /// The exact reason, or what was changed.
    pub detail: inspire_str,
    /// `INSPIRE_RESULT_OK` for what was done, else the answer with which it was refused.
    pub code: inspire_result,
}

/// An event whose strings are ready for C.
struct Event {
    at: i64,
    texts: [Text; 4],
    code: inspire_result,
}

impl Event {
    fn new(event: &AuditEvent) -> Self {
        let texts = [&event.event, &event.actor, &event.subject, &event.detail].map(|text| Text::new(text));
        Self { at: event.at, texts, code: event.code.number() }
    }

    fn lend(&self) -> inspire_audit_event {
        let [event, actor, subject, detail] = self.texts.each_ref().map(Text::lend);
        inspire_audit_event { at: self.at, event, actor, subject, detail, code: self.code }
    }
}

/// Audit events, newest first.
pub struct inspire_audit_log {
    items: Vec<Event>,
}

/// Reads the newest audit events. What is still noted on the side is written first.
///
/// \param auth the handle
/// \param limit at most so many
/// \param log set to the events, newest first; `inspire_audit_log_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_audit_log_read(
    auth: *const inspire_auth,
    limit: usize,
    log: *mut *mut inspire_audit_log,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(log)?;
            let events = ptr::object(auth)?.core.audit(limit)?;
            out.give(inspire_audit_log { items: events.iter().map(Event::new).collect() });
            Ok(())
        })
    }
}

/// How many events there are.
///
/// \param log may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_audit_log_count(log: *const inspire_audit_log) -> usize {
    // SAFETY: NULL or a live log.
    infallible(0, || unsafe { ptr::optional(log) }.map_or(0, |log| log.items.len()))
}

/// One event.
///
/// \param log may be NULL
/// \param index from 0, the newest
/// \return its strings are borrowed from `log`; all zero beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_audit_log_at(log: *const inspire_audit_log, index: usize) -> inspire_audit_event {
    const NOTHING: inspire_audit_event = inspire_audit_event {
        at: 0,
        event: inspire_str::NONE,
        actor: inspire_str::NONE,
        subject: inspire_str::NONE,
        detail: inspire_str::NONE,
        code: 0,
    };
    infallible(NOTHING, || {
        // SAFETY: NULL or a live log.
        unsafe { ptr::optional(log) }.and_then(|log| log.items.get(index)).map_or(NOTHING, Event::lend)
    })
}

/// Frees audit events.
///
/// \param log NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_audit_log_free(log: *mut inspire_audit_log) {
    // SAFETY: NULL, or a log that the caller owns and gives up.
    unsafe { ptr::free(log) };
}

/// The core's view of a host's callback.
///
/// # Safety
/// `callback` may be called with `userdata` from any thread, as the comment of `inspire_audit_fn` says.
pub(crate) unsafe fn sink(
    callback: unsafe extern "C" fn(*mut c_void, *const inspire_audit_event),
    userdata: *mut c_void,
) -> impl Fn(&AuditEvent) + Send + Sync {
    let userdata = Userdata(userdata);
    move |event| {
        let event = Event::new(event);
        let lent = event.lend();
        // SAFETY: this function was promised so; the event and its strings outlive the call.
        unsafe { callback(userdata.get(), &raw const lent) };
    }
}

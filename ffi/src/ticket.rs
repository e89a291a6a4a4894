//! Decisions that are still being hashed.

use std::{ffi::c_void, time::Duration};

use inspire_auth_core::{
    Code, Error, Result,
    keys::{Principal, Ticket},
};

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    principal::inspire_principal,
    ptr::{self, StructOut},
    result::inspire_result,
};

/// A decision that is still being hashed.
///
/// Thread-safety: any number of threads use one ticket at once through every function but `inspire_ticket_free`.
pub struct inspire_ticket {
    core: Ticket,
}

impl inspire_ticket {
    pub(crate) fn new(core: Ticket) -> Self {
        Self { core }
    }
}

/// Says that a ticket is decided. Called once, at once or on a thread of the library, where it must not block (and so
/// not wait for another ticket), and must not unwind (throw) or `longjmp` out. Polling and freeing the ticket is allowed.
pub type inspire_ticket_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

/// `inspire_ticket_wait`: as long as it takes.
pub const INSPIRE_WAIT_FOREVER: u64 = u64::MAX;

fn answer(decision: Option<Result<Principal>>, out: StructOut<inspire_principal>) -> Result<Code> {
    let Some(decision) = decision else { return Ok(Code::Pending) };
    out.give(&inspire_principal::new(&decision?));
    Ok(Code::Ok)
}

/// The decision, if it has been taken.
///
/// \param ticket the ticket
/// \param principal set on success to who was granted; begin with `INSPIRE_PRINCIPAL_INIT`
/// \param err set on failure; may be NULL
/// \return `PENDING`; `CANCELLED`; else as `inspire_auth_authenticate`, every time the same
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_ticket_poll(
    ticket: *const inspire_ticket,
    principal: *mut inspire_principal,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let ticket = ptr::object(ticket)?;
            answer(ticket.core.poll(), ptr::struct_out(principal)?)
        })
    }
}

/// Waits for the decision.
///
/// \param ticket the ticket
/// \param timeout_ms at most so many milliseconds; `INSPIRE_WAIT_FOREVER`: as long as it takes
/// \param principal set on success to who was granted; begin with `INSPIRE_PRINCIPAL_INIT`
/// \param err set on failure; may be NULL
/// \return `PENDING` when the time is over; else as `inspire_ticket_poll`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_ticket_wait(
    ticket: *const inspire_ticket,
    timeout_ms: u64,
    principal: *mut inspire_principal,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let ticket = ptr::object(ticket)?;
            let out = ptr::struct_out(principal)?;
            let timeout = (timeout_ms != INSPIRE_WAIT_FOREVER).then(|| Duration::from_millis(timeout_ms));
            answer(ticket.core.wait(timeout), out)
        })
    }
}

/// Gives up: from now on the answer is `CANCELLED`, unless the decision has been taken. A hash that already runs goes
/// on, and keeps its memory until it ends.
///
/// \param ticket NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_ticket_cancel(ticket: *mut inspire_ticket) {
    infallible((), || {
        // SAFETY: NULL or a live ticket.
        if let Some(ticket) = unsafe { ptr::optional(ticket.cast_const()) } {
            ticket.core.cancel();
        }
    });
}

/// Has a function called when the ticket is decided, also when it is cancelled or freed before that. Each call of this
/// has its function called once.
///
/// \param ticket the ticket
/// \param callback see `inspire_ticket_fn`
/// \param userdata passed to `callback`; it must live until then
/// \param err set on failure; may be NULL
/// \return `OK`; `NULL_PARAMETER`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_ticket_on_ready(
    ticket: *mut inspire_ticket,
    callback: inspire_ticket_fn,
    userdata: *mut c_void,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let ticket = ptr::object(ticket.cast_const())?;
            let callback = callback.ok_or(Error::with(Code::NullParameter, "callback"))?;
            let userdata = Userdata(userdata);
            // SAFETY: the header asks of the callback that it may be called so, from any thread.
            ticket.core.on_ready(Box::new(move || callback(userdata.get())));
            Ok(())
        })
    }
}

/// Frees a ticket, and gives up its decision.
///
/// \param ticket NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_ticket_free(ticket: *mut inspire_ticket) {
    // SAFETY: NULL, or a ticket that the caller owns and gives up.
    unsafe { ptr::free(ticket) };
}

/// What a callback gets back, untouched.
#[derive(Clone, Copy)]
pub(crate) struct Userdata(pub(crate) *mut c_void);

impl Userdata {
    /// The pointer. A method, so that closures capture the whole and not the bare pointer, which is not `Send`.
    pub(crate) fn get(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: this library never reads behind it; the header tells the caller which threads its callbacks run on.
unsafe impl Send for Userdata {}
// SAFETY: the same.
unsafe impl Sync for Userdata {}

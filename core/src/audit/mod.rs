//! The audit log as lines of JSON: their schema, the file they are written to, and the chain that shows tampering.
//!
//! * `event` makes a line of an event; `ocsf` has the one table of what each event is to a security operations centre.
//! * `journal` adds lines to the file, which any number of processes write; `names` renames it when it is full.
//! * `chain` is what each line continues; `verify()` follows it.
//! * `mutation` is the one way in which a change is made: recorded before it is committed.
//! * `screen` takes keys out of every text, and cuts it.
//!
//! What the log promises, and what it does not, is in `docs/audit.md`.

mod chain;
mod event;
mod journal;
mod mutation;
mod names;
mod ocsf;
mod screen;
mod verify;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use verify::{Verified, verify, verify_with_head};

pub(crate) use journal::{Journal, Unwritten};
pub(crate) use mutation::{Change, Mutation};
pub(crate) use ocsf::{FAILED, MUTATIONS};
#[cfg(test)]
pub(crate) use screen::MAX_TEXT;
pub(crate) use screen::{screen, screened};

use crate::{
    error::{Code, Error, Result},
    options::AuditFile,
    store::AuditEvent,
};

/// Adds one event to an audit file, for what is done to a store without a handle on it, such as restoring it. It is on
/// the disk when this returns. A file that this makes as root gets the owner of what is at `beside`, the store.
///
/// # Errors
/// `INVALID_ARGUMENT` for options out of range, or a path that is the store's; `AUDIT_UNAVAILABLE`.
pub fn append(file: &AuditFile, beside: Option<&Path>, event: &AuditEvent) -> Result<()> {
    let mut event = event.clone();
    screen(&mut event);
    Journal::new(file.clone(), beside.map(Path::to_owned))?
        .append_durably(&event)
        .map_err(|unwritten| unavailable(unwritten.error))
}

/// What a failure of the file is to a caller.
fn unavailable(error: std::io::Error) -> Error {
    Error::new(Code::AuditUnavailable).caused_by(error)
}

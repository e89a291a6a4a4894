//! How a change is made: authorized, done, recorded, committed, in this order.

use super::{FAILED, screen, unavailable};
use crate::{
    auth::Inner,
    clock,
    error::{Code, Error, Result},
    keys::{Actor, Authority, Caller, Draft, Need},
    options::AuditFailure,
    store::{AuditEvent, Transaction},
};

/// A change that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mutation<'a> {
    /// What the event is called when it is made; one of [`super::MUTATIONS`].
    pub(crate) event: &'static str,
    /// What it happens to: the name of a key, or nothing where only the change itself finds out.
    pub(crate) subject: &'a str,
    /// What its actor needs.
    pub(crate) need: Need,
    pub(crate) caller: &'a Caller<'a>,
}

impl Mutation<'_> {
    fn event(&self, actor: String) -> AuditEvent {
        AuditEvent {
            at: clock::resolve(self.caller.now),
            event: self.event.to_owned(),
            actor,
            subject: self.subject.to_owned(),
            detail: String::new(),
            code: Code::Ok,
        }
    }

    /// Who wants it, as far as that is known without asking the store.
    fn claimed_actor(&self) -> String {
        match self.caller.actor {
            Actor::System => "system".to_owned(),
            Actor::Principal(principal) => principal.name().map(|name| format!("key:{name}")).unwrap_or_default(),
        }
    }
}

/// What a mutation's body works with.
pub(crate) struct Change<'a> {
    pub(crate) tx: &'a mut dyn Transaction,
    pub(crate) authority: &'a Authority,
    /// What will be recorded: the body may name the subject, and say what was changed.
    pub(crate) event: &'a mut AuditEvent,
}

impl Inner {
    /// Makes a change in one write transaction: `body` runs once, on an actor that has been judged there.
    ///
    /// The event is in the audit file, and on the disk, before the commit; what the file does not take is refused where
    /// the host wants that. A commit that fails is told in a second line. What is refused to the actor is recorded too.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, what `body` returns, `AUDIT_UNAVAILABLE`, a `STORE_*` code.
    pub(crate) fn mutate<T>(
        &self,
        mutation: &Mutation<'_>,
        body: &mut dyn FnMut(&mut Change<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut made = None;
        let mut recorded = None;
        let committed = self.store.write(&mut |tx| {
            let authority = self.authorize(tx, mutation.caller, mutation.need)?;
            let mut event = mutation.event(authority.label());
            let value = body(&mut Change { tx, authority: &authority, event: &mut event })?;
            screen(&mut event);
            let filed = self.record(&event)?;
            recorded = Some((event, filed));
            made = Some(value);
            Ok(())
        });
        match (committed, recorded) {
            (Ok(_), Some((event, filed))) => {
                self.metrics.mutated(mutation.event);
                self.activity.note_recorded(event, filed);
                made.ok_or(Error::new(Code::Internal))
            }
            (Ok(_), None) => Err(Error::new(Code::Internal)),
            (Err(error), Some((event, _))) => {
                // The line says that it was done: the next one says that it was not.
                self.note_failure(event, "it was recorded, but not committed", error.code());
                Err(error)
            }
            (Err(error), None) => Err(self.not_made(mutation, error)),
        }
    }

    /// Judges the actor before time and memory are spent on a change that it may not make.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, a `STORE_*` code.
    pub(crate) fn permit(&self, mutation: &Mutation<'_>) -> Result<()> {
        self.refresh()?;
        self.store
            .read(&mut |reader| self.authorize(reader, mutation.caller, mutation.need).map(drop))
            .map_err(|error| self.not_made(mutation, error))
    }

    /// Makes a change that is the store's own to commit, and that the host itself asks for.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE`, and what `change` returns.
    pub(crate) fn mutate_outside(&self, event: &'static str, change: impl FnOnce() -> Result<()>) -> Result<()> {
        let caller = Caller::system();
        let mutation = Mutation { event, subject: "", need: Need::Write, caller: &caller };
        let event = mutation.event(mutation.claimed_actor());
        let filed = self.record(&event).map_err(|error| self.not_made(&mutation, error))?;
        match change() {
            Ok(()) => {
                self.metrics.mutated(mutation.event);
                self.activity.note_recorded(event, filed);
                Ok(())
            }
            Err(error) => {
                self.note_failure(event, "it was recorded, but not done", error.code());
                Err(error)
            }
        }
    }

    /// Writes the event of a change to the audit file, before the change is committed. Returns whether it needs no more
    /// writing.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE`, where the host wants no change that is not recorded.
    fn record(&self, event: &AuditEvent) -> Result<bool> {
        let Some(journal) = self.activity.journal() else { return Ok(true) };
        match journal.append_change(event) {
            Ok(()) => Ok(true),
            Err(unwritten) => {
                self.metrics.audit_failed();
                match journal.config().on_failure {
                    // It is tried once more, with the next batch.
                    AuditFailure::Warn => Ok(false),
                    AuditFailure::DenyMutations => Err(unavailable(unwritten.error)),
                }
            }
        }
    }

    /// Notes a change that was not made because somebody said no, as any other refusal: whoever may change nothing can
    /// cause as many as he likes. What fails for another reason is the caller's to see.
    fn not_made(&self, mutation: &Mutation<'_>, error: Error) -> Error {
        let is_refused = matches!(error.code(), Code::PermissionDenied | Code::AuditUnavailable);
        if is_refused && self.activity.admits() {
            self.activity.note(Draft {
                at: clock::resolve(mutation.caller.now),
                event: &format!("{}{FAILED}", mutation.event),
                actor: &mutation.claimed_actor(),
                subject: mutation.subject,
                hides_subject: false,
                detail: error.detail().unwrap_or_default(),
                code: error.code(),
            });
        }
        error
    }

    fn note_failure(&self, mut event: AuditEvent, why: &str, code: Code) {
        event.event.push_str(FAILED);
        why.clone_into(&mut event.detail);
        event.code = code;
        // With the next batch if not now: nothing depends on it.
        let filed = self.record(&event).unwrap_or(false);
        self.activity.note_recorded(event, filed);
    }
}

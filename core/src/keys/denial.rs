//! The one door that every refusal of a request goes through: there it is counted and recorded, once.

use std::hint::black_box;

use super::{Principal, activity::Draft, generate, judge::actor};
use crate::{
    auth::Inner,
    error::{Code, Error},
};

/// A refusal that has been counted and recorded. Only [`Inner::deny`] makes one, and a decision refuses with nothing
/// else: so none is forgotten, and none is told twice.
#[derive(Debug)]
pub(crate) struct Denied(Error);

/// What a request got.
pub(crate) type Decision = Result<Principal, Denied>;

impl From<Denied> for Error {
    #[inline]
    fn from(denied: Denied) -> Self {
        denied.0
    }
}

/// The name that was presented, and whether a key has it. The audit shows no other: what stands where the name belongs
/// may be a secret, an imported one too, which looks like anything.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    name: &'a [u8],
    exists: bool,
}

impl<'a> Asked<'a> {
    /// No name was presented.
    pub(crate) const NOTHING: Self = Self { name: &[], exists: false };

    pub(crate) const fn new(name: &'a [u8], exists: bool) -> Self {
        Self { name, exists }
    }

    /// One that a key had when this request was begun.
    pub(crate) const fn known(name: &'a [u8]) -> Self {
        Self::new(name, true)
    }

    pub(crate) const fn is_known(self) -> bool {
        self.exists
    }

    pub(crate) const fn name(self) -> &'a str {
        // Names are ASCII: what was located has one in its alphabet.
        match std::str::from_utf8(self.name) {
            Ok(name) => name,
            Err(_) => "",
        }
    }
}

/// What the audit hears of a refusal besides its code.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    /// What happened: `key.refused`, `key.exposed`, or `request.refused` where no key is at fault.
    pub(crate) event: &'static str,
    /// The key in question.
    pub(crate) subject: Asked<'a>,
    /// Whether that key is who asked: once the secret has shown it.
    pub(crate) is_actor: bool,
    /// The exact reason, never a byte of what was presented.
    pub(crate) reason: Reason<'a>,
    /// Unix seconds.
    pub(crate) now: i64,
}

/// Why a request is refused, for the audit.
#[derive(Clone, Copy)]
pub(crate) enum Reason<'a> {
    /// For what the error itself says.
    OfError,
    This(&'a str),
    /// Because a secret is wrong. In which way is found out if there is somebody to tell, which takes longer than the refusal.
    WrongSecret(&'a [u8]),
}

impl Inner {
    /// Refuses. The texts of the record are made only if there is room for it.
    #[cold]
    #[inline(never)]
    pub(crate) fn deny(&self, error: Error, refusal: Refusal<'_>) -> Denied {
        if self.count_denied(error.code()) {
            self.note_refusal(&error, refusal);
        }
        Denied(error)
    }

    /// Counts a denial; whether there is room for its record.
    #[inline]
    pub(crate) fn count_denied(&self, code: Code) -> bool {
        let is_noted = self.activity.has_room();
        self.metrics.denied(code, is_noted);
        is_noted
    }

    fn note_refusal(&self, error: &Error, refusal: Refusal<'_>) {
        let Refusal { event, subject, is_actor, reason, now } = refusal;
        let actor = if is_actor { actor(subject.name()) } else { String::new() };
        self.activity.note(Draft {
            at: now,
            event,
            actor: &actor,
            subject: subject.name(),
            hides_subject: !subject.exists,
            detail: match reason {
                Reason::OfError => error.detail().unwrap_or(error.code().entry().message),
                Reason::This(reason) => reason,
                Reason::WrongSecret(secret) => what_is_wrong(subject, secret),
            },
            code: error.code(),
        });
    }

    /// Refuses a credential that is not a good key's. One public answer for every reason; the reason is the audit's.
    #[cold]
    pub(crate) fn deny_credential(&self, asked: Asked<'_>, reason: Reason<'_>, now: i64) -> Denied {
        let refusal = Refusal { event: "key.refused", subject: asked, is_actor: false, reason, now };
        self.deny(Error::new(Code::InvalidCredential), refusal)
    }

    /// Refuses a request for which no key is at fault.
    #[cold]
    pub(crate) fn deny_request(&self, error: Error, asked: Asked<'_>, now: i64) -> Denied {
        self.deny(
            error,
            Refusal { event: "request.refused", subject: asked, is_actor: false, reason: Reason::OfError, now },
        )
    }

    /// Whether a key has a name, for a refusal that comes before the look-up. It takes the same steps if none has.
    #[cold]
    pub(crate) fn asked<'a>(&self, name: &'a [u8]) -> Asked<'a> {
        let found = self.index.find(self.index.tag_of(name));
        Asked::new(name, found.is_some_and(|found| found.exists))
    }
}

/// What is wrong with the secret of a name. The same is found out whether or not there is such a key.
fn what_is_wrong(asked: Asked<'_>, secret: &[u8]) -> &'static str {
    let is_plausible = black_box(generate::is_plausible(secret));
    match (asked.exists, is_plausible) {
        (false, _) => "there is no key of this name",
        (true, false) => "the key's checksum is wrong",
        (true, true) => "the secret is wrong",
    }
}

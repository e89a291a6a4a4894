//! The one door that every refusal of a request goes through: there it is counted and recorded, once.

use super::{Principal, generate};
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

/// What the audit hears of a refusal besides its code.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    /// What happened: `key.refused`, `key.exposed`, or `request.refused` where no key is at fault.
    pub(crate) event: &'static str,
    /// Who asked, once the secret has shown it: `key:<name>`.
    pub(crate) actor: &'a str,
    /// The name of the key in question; empty where there is none.
    pub(crate) subject: &'a str,
    /// The exact reason. Never a byte of what was presented.
    pub(crate) reason: &'a str,
    /// Unix seconds.
    pub(crate) now: i64,
}

impl Inner {
    /// Refuses.
    #[cold]
    #[inline(never)]
    pub(crate) fn deny(&self, error: Error, refusal: Refusal<'_>) -> Denied {
        let Refusal { event, actor, subject, reason, now } = refusal;
        self.metrics.denied(error.code());
        self.audit_with(event, actor, subject, reason, error.code(), Some(now));
        Denied(error)
    }

    /// Refuses a credential that is not a good key's. One public answer for every reason; the reason is the audit's.
    #[cold]
    pub(crate) fn deny_credential(&self, name: &[u8], reason: &str, now: i64) -> Denied {
        let refusal = Refusal { event: "key.refused", actor: "", subject: shown(name), reason, now };
        self.deny(Error::new(Code::InvalidCredential), refusal)
    }

    /// Refuses a request for which no key is at fault. The name is the one that was presented, if there was one.
    #[cold]
    pub(crate) fn deny_request(&self, error: Error, name: &[u8], now: i64) -> Denied {
        let detail = error.detail().map(str::to_owned);
        let reason = detail.as_deref().unwrap_or(error.code().entry().message);
        self.deny(error, Refusal { event: "request.refused", actor: "", subject: shown(name), reason, now })
    }
}

/// A presented name as the audit may show it: not if somebody sent a generated key in its place.
fn shown(name: &[u8]) -> &str {
    if name.starts_with(generate::PREFIX.as_bytes()) {
        return "";
    }
    // Names are ASCII: what was located has one in its alphabet.
    std::str::from_utf8(name).unwrap_or_default()
}

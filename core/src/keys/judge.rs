//! Everything behind the right secret: whether its key may be used, here and now, for this.

use super::{
    Principal,
    authenticate::TermsRef,
    denial::{Asked, Decision, Denied, Refusal},
    index::{Credential, Entry},
    levels::{LevelSet, Requirement},
    request::Channel,
};
use crate::{
    auth::Inner,
    clock,
    error::{Code, Error, Result},
    options::Enforcement,
};

impl Inner {
    /// Sealed, enabled, not expired; channel; levels; entitlement. Its last line is the only one that grants a key
    /// anything.
    #[inline]
    pub(super) fn judge(&self, entry: &Entry, credential: &Credential, terms: TermsRef<'_>, now: i64) -> Decision {
        if let Err((code, reason)) = self.stands(entry, credential.not_after, terms.channel, now) {
            return Err(self.refuse_key(entry, code, reason, now));
        }
        if !terms.requirement.is_satisfied_by(&entry.levels) {
            return Err(self.refuse_levels(entry, terms.requirement, now));
        }
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, entry.name.as_str(), now)?,
            None => None,
        };
        self.activity.note_used(entry, now);
        self.metrics.granted();
        Ok(Principal::of(entry, credential.id, terms.channel, warning))
    }

    #[cold]
    fn refuse_key(&self, entry: &Entry, code: Code, reason: &str, now: i64) -> Denied {
        let event = if code == Code::SecureChannelRequired { "key.exposed" } else { "key.refused" };
        let subject = Asked::known(entry.name.as_bytes());
        self.deny(Error::new(code), Refusal { event, subject, is_actor: false, reason: Some(reason), now })
    }

    #[cold]
    fn refuse_levels(&self, entry: &Entry, requirement: &Requirement, now: i64) -> Denied {
        let reason = format!("it lacks {}", requirement.missing_from(&entry.levels).join(", "));
        let subject = Asked::known(entry.name.as_bytes());
        let refusal = Refusal { event: "key.refused", subject, is_actor: true, reason: None, now };
        self.deny(Error::with(Code::InsufficientLevel, reason), refusal)
    }

    /// Whether a key as such may be used at this time over this channel.
    #[inline]
    pub(super) fn stands(
        &self,
        entry: &Entry,
        not_after: i64,
        channel: Channel,
        now: i64,
    ) -> Result<(), (Code, &'static str)> {
        let invalid = |reason| Err((Code::InvalidCredential, reason));
        if entry.unsealed {
            return invalid("its record is not sealed by a configured pepper");
        }
        if !entry.enabled {
            return invalid("it is disabled");
        }
        if now >= entry.expires_at || now >= not_after {
            return invalid("it has expired");
        }
        let secure = match channel {
            Channel::Secure => true,
            Channel::Local => self.config.local_is_secure,
            Channel::Plain => false,
        };
        if entry.require_secure && !secure {
            return Err((Code::SecureChannelRequired, "its secret was sent over a channel that is not secure"));
        }
        Ok(())
    }

    /// The license's word on an entitlement, by the configured enforcement. `subject` is the key's name, or empty.
    fn entitlement(&self, entitlement: &str, subject: &str, now: i64) -> Result<Option<Code>, Denied> {
        let Err(code) = self.license.gate(entitlement, now) else { return Ok(None) };
        match self.config.enforcement {
            Enforcement::Strict => Err(self.refuse_entitlement(code, subject, now)),
            Enforcement::Warn => Ok(Some(code)),
            Enforcement::ReportOnly => {
                self.audit_with("license.would_refuse", "", subject, code.name(), code, Some(now));
                Ok(None)
            }
        }
    }

    #[cold]
    fn refuse_entitlement(&self, code: Code, subject: &str, now: i64) -> Denied {
        let is_actor = !subject.is_empty();
        let event = if is_actor { "key.refused" } else { "request.refused" };
        let subject = Asked::new(subject.as_bytes(), is_actor);
        self.deny(Error::new(code), Refusal { event, subject, is_actor, reason: None, now })
    }

    /// A request without a credential, where everyone may.
    pub(super) fn anonymous(&self, terms: TermsRef<'_>) -> Decision {
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, "", clock::resolve(terms.now))?,
            None => None,
        };
        self.metrics.granted();
        Ok(Principal::anonymous(terms.channel, warning))
    }

    pub(crate) fn recheck(&self, principal: &Principal, requirement: &Requirement, now: Option<i64>) -> Result<()> {
        if principal.is_anonymous() {
            return if requirement.is_satisfied_by(&LevelSet::anonymous()) {
                Ok(())
            } else {
                Err(Error::new(Code::NoCredential))
            };
        }
        self.refresh()?;
        let invalid = || Error::new(Code::InvalidCredential);
        let entry = self.index.by_id(principal.id()).ok_or_else(invalid)?;
        let credential = entry.credentials.iter().find(|c| c.id == principal.credential()).ok_or_else(invalid)?;
        self.stands(&entry, credential.not_after, principal.channel(), clock::resolve(now))
            .map_err(|(code, _)| Error::new(code))?;
        if requirement.is_satisfied_by(&entry.levels) {
            Ok(())
        } else {
            let missing = requirement.missing_from(&entry.levels).join(", ");
            Err(Error::with(Code::InsufficientLevel, format!("it lacks {missing}")))
        }
    }

    pub(crate) fn missing_levels(&self, principal: &Principal, requirement: &Requirement) -> Result<Vec<String>> {
        if principal.is_anonymous() {
            return Ok(requirement.missing_from(&LevelSet::anonymous()));
        }
        self.refresh()?;
        let entry = self.index.by_id(principal.id()).ok_or(Error::new(Code::InvalidCredential))?;
        Ok(requirement.missing_from(&entry.levels))
    }
}

/// How an audit event names a key that acts.
pub(crate) fn actor(name: &str) -> String {
    format!("key:{name}")
}

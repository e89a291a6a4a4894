//! Everything behind the right secret: whether its key may be used, here and now, for this.

use super::{
    Principal,
    authenticate::TermsRef,
    denial::{Asked, Decision, Denied, Reason, Refusal},
    index::{Found, Record},
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
    /// anything; `granted` makes of it what the caller needs.
    #[inline(always)]
    pub(super) fn judge<T>(
        &self,
        found: &Found<'_>,
        name: &[u8],
        terms: TermsRef<'_>,
        now: i64,
        granted: impl Fn(&Principal) -> T,
    ) -> Result<T, Denied> {
        if let Err((code, reason)) = self.stands(&found.record, terms.channel, now) {
            return Err(self.refuse_key(name, code, reason, now));
        }
        if !self.satisfies(found, terms.requirement) {
            return Err(self.refuse_levels(found, name, terms.requirement, now));
        }
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, Asked::known(name), now)?,
            None => None,
        };
        self.activity.note_used(&self.index, found, now);
        self.metrics.granted();
        Ok(granted(&Principal::of(&found.record, name, terms.channel, warning)))
    }

    /// Whether a key has what is required.
    #[inline]
    pub(super) fn satisfies(&self, found: &Found<'_>, requirement: &Requirement) -> bool {
        found.record.satisfies_at_once(requirement)
            || found.record.has_more_levels() && requirement.is_satisfied_by(&self.index.levels(found))
    }

    #[cold]
    fn refuse_key(&self, name: &[u8], code: Code, reason: &str, now: i64) -> Denied {
        let event = if code == Code::SecureChannelRequired { "key.exposed" } else { "key.refused" };
        let subject = Asked::known(name);
        self.deny(Error::new(code), Refusal { event, subject, is_actor: false, reason: Reason::This(reason), now })
    }

    #[cold]
    fn refuse_levels(&self, found: &Found<'_>, name: &[u8], requirement: &Requirement, now: i64) -> Denied {
        let reason = format!("it lacks {}", requirement.missing_from(&self.index.levels(found)).join(", "));
        let subject = Asked::known(name);
        let refusal = Refusal { event: "key.refused", subject, is_actor: true, reason: Reason::OfError, now };
        self.deny(Error::with(Code::InsufficientLevel, reason), refusal)
    }

    /// Whether a key as such may be used at this time over this channel.
    #[inline]
    pub(super) fn stands(&self, record: &Record, channel: Channel, now: i64) -> Result<(), (Code, &'static str)> {
        let invalid = |reason| Err((Code::InvalidCredential, reason));
        if record.is_unsealed() {
            return invalid("its record is not sealed by a configured pepper");
        }
        if !record.is_enabled() {
            return invalid("it is disabled");
        }
        if now >= record.end() {
            return invalid("it has expired");
        }
        let secure = match channel {
            Channel::Secure => true,
            Channel::Local => self.config.local_is_secure,
            Channel::Plain => false,
        };
        if record.requires_secure() && !secure {
            return Err((Code::SecureChannelRequired, "its secret was sent over a channel that is not secure"));
        }
        Ok(())
    }

    /// The license's word on an entitlement, by the configured enforcement.
    fn entitlement(&self, entitlement: &str, subject: Asked<'_>, now: i64) -> Result<Option<Code>, Denied> {
        let Err(code) = self.license.gate(entitlement, now) else { return Ok(None) };
        match self.config.enforcement {
            Enforcement::Strict => Err(self.refuse_entitlement(code, subject, now)),
            Enforcement::Warn => Ok(Some(code)),
            Enforcement::ReportOnly => {
                self.audit_with("license.would_refuse", "", subject.name(), code.name(), code, Some(now));
                Ok(None)
            }
        }
    }

    #[cold]
    fn refuse_entitlement(&self, code: Code, subject: Asked<'_>, now: i64) -> Denied {
        let is_actor = subject.is_known();
        let event = if is_actor { "key.refused" } else { "request.refused" };
        self.deny(Error::new(code), Refusal { event, subject, is_actor, reason: Reason::OfError, now })
    }

    /// A request without a credential, where everyone may.
    pub(super) fn anonymous(&self, terms: TermsRef<'_>) -> Decision {
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, Asked::NOTHING, clock::resolve(terms.now))?,
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
        let found = self.credential_of(principal).ok_or_else(invalid)?;
        self.stands(&found.record, principal.channel(), clock::resolve(now)).map_err(|(code, _)| Error::new(code))?;
        if self.satisfies(&found, requirement) {
            Ok(())
        } else {
            let missing = requirement.missing_from(&self.index.levels(&found)).join(", ");
            Err(Error::with(Code::InsufficientLevel, format!("it lacks {missing}")))
        }
    }

    pub(crate) fn missing_levels(&self, principal: &Principal, requirement: &Requirement) -> Result<Vec<String>> {
        if principal.is_anonymous() {
            return Ok(requirement.missing_from(&LevelSet::anonymous()));
        }
        self.refresh()?;
        let found = self.key_by_id(principal.id()).ok_or(Error::new(Code::InvalidCredential))?;
        Ok(requirement.missing_from(&self.index.levels(&found)))
    }

    /// The credential that a principal presented, if it is there still.
    pub(super) fn credential_of(&self, principal: &Principal) -> Option<Found<'_>> {
        let all = || match self.index.by_id(principal.id())? {
            Some(head) => self.index.credentials(head),
            None => Some(Vec::new()),
        };
        self.index.settled(all)?.into_iter().find(|found| found.record.credential == principal.credential())
    }
}

/// How an audit event names a key that acts.
pub(crate) fn actor(name: &str) -> String {
    format!("key:{name}")
}

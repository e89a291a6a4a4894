//! What a request would get, without making it: the decision about a key whose right secret is taken for granted.
//!
//! Nothing is noted: no use, no audit event, no counter. A property test holds it to what
//! [`authenticate`](crate::InspireAuth::authenticate) answers.

use std::sync::Arc;

use inspire_auth_platform::memory::Spare;

use super::{
    Principal,
    hash::Verdict,
    index::{Found, Record},
    levels::{LevelSet, Requirement},
    request::Channel,
};
use crate::{
    auth::Inner,
    error::{Code, Error, Result},
    options::Enforcement,
    store::Scheme,
};

/// Who would ask.
pub(crate) enum Bearer {
    /// Nobody in particular: there is no credential.
    Nobody,
    /// A key with one of its secrets, and the levels that it has; or why none of its secrets can be checked.
    Key(Record, Arc<LevelSet>, Result<(), &'static str>),
    /// A key that is no longer there, or not with this secret.
    Gone,
}

/// The answer.
pub(crate) struct Outlook {
    pub(crate) code: Code,
    pub(crate) missing: Vec<String>,
    /// A clause for an administrator.
    pub(crate) reason: String,
}

impl Outlook {
    fn plain(code: Code, reason: impl Into<String>) -> Self {
        Self { code, missing: Vec::new(), reason: reason.into() }
    }
}

impl Inner {
    /// The key of this name, with the secret that would serve it best at `now`.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORE_*`.
    pub(crate) fn bearer_named(&self, name: &str, now: i64) -> Result<Bearer> {
        self.refresh()?;
        let all = self.credentials_named(name.as_bytes())?;
        let head = all.first().filter(|head| head.exists).ok_or(Error::new(Code::NotFound))?;
        let (mut best, mut reason): (Option<&Found<'_>>, _) = (None, None);
        for found in all.iter().filter(|found| found.record.is_alive(now)) {
            match self.unusable(found.record.credential)? {
                Some(why) => reason = reason.or(Some(why)),
                None if best.is_some_and(|best| best.record.end() >= found.record.end()) => {}
                None => best = Some(found),
            }
        }
        let secret = best.map(|_| ()).ok_or(reason.unwrap_or("it has no secret that is still valid"));
        let found = best.unwrap_or(head);
        Ok(Bearer::Key(found.record, self.index.levels(found), secret))
    }

    /// The key behind a principal, with the secret that it presented.
    ///
    /// # Errors
    /// `STORE_*`.
    pub(crate) fn bearer_of(&self, principal: &Principal) -> Result<Bearer> {
        if principal.is_anonymous() {
            return Ok(Bearer::Nobody);
        }
        self.refresh()?;
        Ok(match self.credential_of(principal) {
            Some(found) => Bearer::Key(found.record, self.index.levels(&found), Ok(())),
            None => Bearer::Gone,
        })
    }

    /// Why no secret at all would be right for this credential; `None` when one is.
    fn unusable(&self, credential: crate::id::Id) -> Result<Option<&'static str>> {
        let mut row = None;
        self.store.read(&mut |reader| {
            row = reader.credential(credential)?;
            Ok(())
        })?;
        let Some(row) = row else { return Ok(Some("its secret was replaced just now")) };
        if row.pepper_id.as_deref().is_some_and(|id| self.hasher.pepper(id).is_none()) {
            return Ok(Some("its pepper is not configured"));
        }
        Ok(match row.scheme {
            Scheme::Argon2 if self.hasher.cost_of(&row) == 0 => Some("its hash can't be read, or is out of bounds"),
            Scheme::Argon2 => None,
            // None of these is slow: the check itself says whether it can be made.
            Scheme::HmacSha256 | Scheme::Ignition | Scheme::Unknown => {
                match self.hasher.verify(&row, b"", &mut Spare::default()) {
                    Verdict::Unusable(reason) => Some(reason),
                    _ => None,
                }
            }
        })
    }

    /// What a request would get behind its route, in the order of a real one.
    pub(crate) fn foresee(
        &self,
        bearer: &Bearer,
        requirement: &Requirement,
        entitlement: Option<&str>,
        channel: Channel,
        now: i64,
    ) -> Outlook {
        let invalid = |reason: &str| Outlook::plain(Code::InvalidCredential, reason);
        match bearer {
            Bearer::Gone => return invalid("its key, or the secret that it presented, is gone"),
            Bearer::Nobody if !requirement.is_satisfied_by(&LevelSet::anonymous()) => {
                return Outlook::plain(Code::NoCredential, format!("a credential is needed: {}", requirement.spec()));
            }
            Bearer::Nobody => {}
            Bearer::Key(record, levels, secret) => {
                if let Err(reason) = secret {
                    return invalid(reason);
                }
                if let Err((code, reason)) = self.stands(record, channel, now) {
                    return Outlook::plain(code, reason);
                }
                if !requirement.is_satisfied_by(levels) {
                    let missing = requirement.missing_from(levels);
                    let reason = if missing.is_empty() {
                        "the requirement is empty, which denies everyone".to_owned()
                    } else {
                        format!("it lacks {} of {}", missing.join(", "), requirement.spec())
                    };
                    return Outlook { code: Code::InsufficientLevel, missing: sorted(missing), reason };
                }
            }
        }
        match entitlement.map(|code| (code, self.license.gate(code, now))) {
            Some((entitlement, Err(code))) if self.config.enforcement == Enforcement::Strict => {
                Outlook::plain(code, format!("the license does not give {entitlement}: {}", code.entry().message))
            }
            Some((entitlement, Err(code))) => {
                let why = code.entry().message;
                Outlook::plain(Code::Ok, format!("granted, although the license does not give {entitlement}: {why}"))
            }
            Some((_, Ok(()))) | None => Outlook::plain(Code::Ok, "granted"),
        }
    }
}

fn sorted(mut levels: Vec<String>) -> Vec<String> {
    levels.sort_unstable();
    levels.dedup();
    levels
}

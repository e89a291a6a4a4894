//! Who changes something: never implied.

use super::{Principal, levels::LevelSet, request::Channel};
use crate::{
    auth::Inner,
    clock,
    error::{Code, Error, Result},
    store::Reader,
};

/// Who changes something.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    /// The host itself, said explicitly. May do everything.
    System,
    /// A principal that authenticated here. It is judged again inside the write transaction.
    Principal(&'a Principal),
}

/// Who changes something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Who.
    pub actor: Actor<'a>,
    /// Unix seconds; `None` or 0 is the system's clock.
    pub now: Option<i64>,
}

impl Caller<'static> {
    /// The host itself, now.
    #[must_use]
    pub const fn system() -> Self {
        Self { actor: Actor::System, now: None }
    }
}

impl<'a> Caller<'a> {
    /// A principal, now.
    #[must_use]
    pub const fn by(principal: &'a Principal) -> Self {
        Self { actor: Actor::Principal(principal), now: None }
    }

    /// The same, at a given time in Unix seconds.
    #[must_use]
    pub const fn at(mut self, now: i64) -> Self {
        self.now = Some(now);
        self
    }
}

/// What a change needs of its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The configured write requirement: keys.
    Write,
    /// The configured admin requirement: the license.
    Admin,
}

/// An actor that has been judged inside a transaction.
#[derive(Debug)]
pub(crate) enum Authority {
    /// The host itself.
    System,
    /// A key, with what it holds now.
    Key {
        /// Its name.
        name: String,
        /// Its levels.
        levels: LevelSet,
    },
}

impl Authority {
    /// Whether the actor itself satisfies every one of these levels; only then may it hand them out or take them over.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`.
    pub(crate) fn require_all(&self, levels: &[String]) -> Result<()> {
        match self {
            Self::System => Ok(()),
            Self::Key { levels: held, .. } => match levels.iter().find(|level| !held.satisfies_path(level)) {
                None => Ok(()),
                Some(level) => Err(Error::with(Code::PermissionDenied, format!("it does not hold {level} itself"))),
            },
        }
    }

    /// How audit events name the actor.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::Key { name, .. } => super::judge::actor(name),
        }
    }
}

impl Inner {
    /// Judges an actor on the state of `tx`: its key may be gone, disabled or narrowed since it authenticated.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, or a `STORE_*` code.
    pub(crate) fn authorize(&self, tx: &dyn Reader, caller: &Caller<'_>, need: Need) -> Result<Authority> {
        let principal = match caller.actor {
            Actor::System => return Ok(Authority::System),
            Actor::Principal(principal) => principal,
        };
        let denied = |why| Error::with(Code::PermissionDenied, why);
        // An anonymous principal has no key behind it, so it is never found.
        let Some(row) = tx.key_by_id(principal.id())? else { return Err(denied("its key is gone")) };
        let now = clock::resolve(caller.now);
        let key = &row.key;
        let credential = row.credentials.iter().find(|credential| credential.id == principal.credential());
        let alive = credential.is_some_and(|credential| credential.not_after.is_none_or(|end| now < end));
        let secure = match principal.channel() {
            Channel::Secure => true,
            Channel::Local => self.config.local_is_secure,
            Channel::Plain => false,
        };
        let stands = alive
            && key.enabled
            && key.expires_at.is_none_or(|end| now < end)
            && (secure || !key.require_secure)
            && self.compiler.sealer.is_sealed(key, &row.credentials);
        if !stands {
            return Err(denied("its key is no longer valid"));
        }
        let levels = LevelSet::of_key(&key.levels, self.config.mode);
        let requirement = match need {
            Need::Write => &self.config.write,
            Need::Admin => &self.config.admin,
        };
        match requirement {
            Some(requirement) if requirement.is_satisfied_by(&levels) => {
                Ok(Authority::Key { name: row.key.name, levels })
            }
            Some(requirement) => {
                let missing = requirement.missing_from(&levels).join(", ");
                Err(Error::with(Code::PermissionDenied, format!("it lacks {missing}")))
            }
            None => Err(denied("no principal may: the requirement is not configured")),
        }
    }
}

//! Who changes something: never implied.

use super::Principal;

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
    #[allow(dead_code)]
    Write,
    /// The configured admin requirement: the license.
    #[allow(dead_code)]
    Admin,
}

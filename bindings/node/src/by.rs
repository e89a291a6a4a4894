//! Who changes something, and when: never implied.

use inspire_auth_core::{
    Result,
    keys::{Actor, Caller, Principal as Core},
};
use napi::{Env, JsValue, ValueType, bindgen_prelude::Unknown};

use crate::{
    arguments::{invalid, is_given, member, moment, object, only, read},
    principals::Principal,
    raw::instance,
};

/// The registry name of the symbol `SYSTEM`: the same one for every copy of the package.
const SYSTEM: &str = "inspire-auth.SYSTEM";

/// The last argument of everything that changes something.
#[derive(Clone, Copy)]
pub(crate) struct By {
    /// `None` is the host itself.
    actor: Option<Core>,
    now: Option<i64>,
    /// The revision that the record must still have.
    pub(crate) revision: Option<u64>,
}

impl By {
    /// Reads `{actor, now, revision}`; `more` are members that the function itself reads.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: without an actor, with one that is neither `SYSTEM` nor a principal that this library has
    /// given out, or with a member that is not known.
    pub(crate) fn read(env: &Env, value: &Unknown<'_>, more: &[&str]) -> Result<Self> {
        if !is_given(value) {
            return Err(invalid("by is not given: say who changes this, as {actor: SYSTEM} or {actor: principal}"));
        }
        let by = object(env, value, "by")?;
        only(&by, "by", &[&["actor", "now", "revision"], more].concat())?;
        Ok(Self {
            actor: actor(env, &member(&by, "actor")?)?,
            now: moment(env, member(&by, "now")?)?,
            revision: read(env, member(&by, "revision")?, "by.revision")?,
        })
    }

    /// The same for what has no revision.
    ///
    /// # Errors
    /// As [`By::read`], and `INVALID_ARGUMENT` with a revision.
    pub(crate) fn read_unrevised(env: &Env, value: &Unknown<'_>, more: &[&str]) -> Result<Self> {
        let by = Self::read(env, value, more)?;
        if by.revision.is_some() { Err(invalid("by has an unknown member revision")) } else { Ok(by) }
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { actor: self.actor.as_ref().map_or(Actor::System, Actor::Principal), now: self.now }
    }
}

fn actor(env: &Env, value: &Unknown<'_>) -> Result<Option<Core>> {
    if let Some(principal) = instance::<Principal>(value) {
        return Ok(Some(*principal.core()));
    }
    let is_symbol = matches!(value.get_type(), Ok(ValueType::Symbol));
    let system = env.symbol_for(SYSTEM).map_err(|_| invalid("by.actor can't be read"))?;
    if is_symbol && env.strict_equals(system.to_unknown(), *value).unwrap_or(false) {
        return Ok(None);
    }
    Err(invalid("by.actor is neither SYSTEM nor a principal of this library"))
}

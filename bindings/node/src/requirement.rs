//! What a request must hold.

use std::rc::Rc;

use inspire_auth_core::{
    Error, Result,
    keys::{Requirement as Core, RequirementSpec},
};
use napi::{Env, ValueType, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{invalid, read},
    environment::Environment,
    raw::instance,
};

/// What a request must hold, compiled once for all requests by {@link InspireAuth.requirement}. Good for every handle.
#[napi]
pub struct Requirement {
    core: Core,
    slot: u32,
    here: Rc<Environment>,
}

#[napi]
impl Requirement {
    /// As it is written, such as `any(Authenticated/Ops/Write)`.
    #[napi(js_name = "toString")]
    pub fn text(&self) -> String {
        self.core.spec().to_string()
    }

    /// The number under which the warm check finds it.
    #[napi(skip_typescript)]
    pub fn slot(&self) -> u32 {
        self.slot
    }
}

impl Requirement {
    pub(crate) fn new(env: &Env, core: Core) -> Result<Self> {
        let here = Environment::of(env)?;
        let slot = here.requirements.borrow_mut().insert(core.clone());
        Ok(Self { core, slot, here })
    }
}

impl Drop for Requirement {
    fn drop(&mut self) {
        self.here.requirements.borrow_mut().remove(self.slot);
    }
}

/// `{any: [...]}` or `{all: [...]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    any: Option<Vec<String>>,
    all: Option<Vec<String>>,
}

/// A requirement's text, or its lists.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_LEVEL`.
pub(crate) fn spec(env: &Env, value: Unknown<'_>, what: &str) -> Result<RequirementSpec> {
    if matches!(value.get_type(), Ok(ValueType::String)) {
        return read::<String>(env, value, what)?.parse();
    }
    match read::<Lists>(env, value, what)? {
        Lists { any: Some(levels), all: None } => Ok(RequirementSpec::Any(levels)),
        Lists { any: None, all: Some(levels) } => Ok(RequirementSpec::All(levels)),
        _ => Err(neither(what)),
    }
}

/// What stands for a requirement: one that is compiled, or a specification.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_LEVEL`.
pub(crate) fn requirement(env: &Env, value: Unknown<'_>, what: &str) -> Result<Core> {
    match instance::<Requirement>(&value) {
        Some(compiled) => Ok(compiled.core.clone()),
        None => Core::compile(&spec(env, value, what)?),
    }
}

fn neither(what: &str) -> Error {
    invalid(format!("{what} is neither a requirement, nor its text, nor exactly one of {{any}} and {{all}}"))
}

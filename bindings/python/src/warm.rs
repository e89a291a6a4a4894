//! What a warm check needs of a handle: had in one turn, which is one locked instruction, where a guard on the handle and a
//! lock on its principals would be four.
//!
//! Whoever has no turn (another thread has it, or a fork came between) goes the slow way, which is as right.

use inspire_auth_core::{
    Error, InspireAuth as Core, Result,
    keys::{Principal as CorePrincipal, Request},
};
use inspire_auth_platform::turn::Turn;
use pyo3::prelude::*;

use crate::{
    boundary::caught,
    principal::{Principal, Principals},
};

/// The warm half of a handle.
pub(crate) struct Warm(Turn<Parts>);

struct Parts {
    /// `None` once the handle is closed.
    core: Option<Core>,
    principals: Principals,
}

/// A decision, as far as it is ready for Python. Small, since it is handed on a few times.
pub(crate) enum Decision<'py> {
    /// Somebody who was granted before.
    Known(Bound<'py, Principal>),
    Granted(Box<CorePrincipal>),
    Refused(Box<Error>),
}

impl From<Result<CorePrincipal>> for Decision<'_> {
    fn from(decided: Result<CorePrincipal>) -> Self {
        match decided {
            Ok(principal) => Self::Granted(Box::new(principal)),
            Err(error) => error.into(),
        }
    }
}

impl From<Error> for Decision<'_> {
    #[cold]
    fn from(error: Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl Warm {
    pub(crate) fn new(core: Core) -> Self {
        Self(Turn::new(Parts { core: Some(core), principals: Principals::default() }))
    }

    /// Decides from memory, or not at all.
    #[inline]
    pub(crate) fn decide<'py>(&self, py: Python<'py>, request: &Request<'_>) -> Option<Decision<'py>> {
        // No Python code runs in here.
        let decided = self.0.take(|parts| {
            let core = parts.core.as_ref()?;
            let granted = |principal: &CorePrincipal| match parts.principals.find(py, principal) {
                Some(object) => Decision::Known(object),
                None => Ok(*principal).into(),
            };
            match caught(|| Ok(core.authenticate_warm_and(request, granted))) {
                Ok(None) => None,
                Ok(Some(Ok(decision))) => Some(decision),
                Ok(Some(Err(error))) | Err(error) => Some(error.into()),
            }
        });
        decided.flatten()
    }

    /// Asks from memory, or not at all.
    #[inline]
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Core) -> Option<T>) -> Option<T> {
        let answer = self.0.take(|parts| {
            let core = parts.core.as_ref()?;
            // After a panic it is asked again the slow way, which says so.
            caught(|| Ok(question(core))).ok().flatten()
        });
        answer.flatten()
    }

    /// The object that says who was granted.
    #[cold]
    pub(crate) fn object<'py>(&self, py: Python<'py>, core: &CorePrincipal) -> PyResult<Bound<'py, Principal>> {
        if let Some(Some(object)) = self.0.take(|parts| parts.principals.find(py, core)) {
            return Ok(object);
        }
        // To make one may run Python code, by way of the garbage collector: not in a turn.
        let object = Bound::new(py, Principal::new(py, *core))?;
        let kept = object.clone().unbind();
        let replaced = self.0.take(|parts| parts.principals.keep(kept));
        drop(replaced);
        Ok(object)
    }

    /// Lets the handle go. `Err` when it is in use at this moment.
    pub(crate) fn close(&self) -> std::result::Result<Option<Core>, ()> {
        self.0.take(|parts| parts.core.take()).ok_or(())
    }
}

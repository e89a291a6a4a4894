//! Who changes something: never implied.

use inspire_auth_core::{
    Code, Error, Result,
    keys::{Actor, Caller, Principal},
    license::online::Cancel,
};

use crate::{
    options::unknown,
    principal::inspire_principal,
    ptr::{self, Growing},
    server::inspire_cancel,
};

/// Who changes something. Zero is nobody, and refused.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_actor {
    /// The host itself. May do everything.
    INSPIRE_ACTOR_SYSTEM = 1,
    /// The principal of a request. It is judged again, as it stands now, inside the change.
    INSPIRE_ACTOR_PRINCIPAL = 2,
}

/// Who changes something, and when. Begin with `INSPIRE_CALLER_INIT`, and say `actor`: it is never implied.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_caller {
    /// `sizeof(inspire_caller)`, as `INSPIRE_CALLER_INIT` sets it.
    pub struct_size: usize,
    /// The principal, when `actor` is `INSPIRE_ACTOR_PRINCIPAL`; NULL otherwise.
    pub principal: *const inspire_principal,
    /// Unix seconds; 0 is the system's clock.
    pub now: i64,
    /// One of `INSPIRE_ACTOR_...`.
    pub actor: u32,
    /// Zero.
    pub reserved: u32,
    /// What ends a call to the licensing server from another thread; may be NULL. Other calls do not look at it.
    pub cancel: *const inspire_cancel,
}

// SAFETY: integers and a pointer; `struct_size` first; zero is refused, which is its default.
unsafe impl Growing for inspire_caller {
    const FIRST_SIZE: usize = 32;
}
const _: () = assert!(size_of::<inspire_caller>() == 40 || size_of::<usize>() != 8);

/// A caller that has been read.
pub(crate) struct Read {
    principal: Option<Principal>,
    now: i64,
    pub(crate) cancel: Cancel,
}

impl Read {
    /// As the core wants it.
    pub(crate) fn as_core(&self) -> Caller<'_> {
        let actor = self.principal.as_ref().map_or(Actor::System, Actor::Principal);
        Caller { actor, now: Some(self.now) }
    }
}

/// Reads a caller.
///
/// # Safety
/// `caller` is as [`ptr::sized`] needs it, and so is its principal.
pub(crate) unsafe fn read(caller: *const inspire_caller) -> Result<Read> {
    // SAFETY: the same contract.
    let caller = unsafe { ptr::sized(caller)? };
    if caller.reserved != 0 {
        return Err(unknown("caller.reserved"));
    }
    let principal = match (caller.actor, caller.principal.is_null()) {
        (1, true) => None,
        // Somebody who gives a principal does not mean the system.
        (1, false) => {
            return Err(Error::with(Code::InvalidArgument, "caller.actor is the system, but there is a principal"));
        }
        // SAFETY: the same contract.
        (2, _) => Some(unsafe { ptr::sized(caller.principal)? }.read()?),
        _ => return Err(unknown("caller.actor")),
    };
    // SAFETY: the same contract.
    let cancel = unsafe { ptr::optional(caller.cancel) }.map(|cancel| cancel.core.clone()).unwrap_or_default();
    Ok(Read { principal, now: caller.now, cancel })
}

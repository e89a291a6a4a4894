//! An open store, as one environment holds it.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use inspire_auth_core::{
    InspireAuth as Core, Options, Result,
    keys::{Channel, Presented, Request},
    license::License,
};
use napi::Env;

use crate::{arguments::invalid, environment::Environment, principals::Principals, threads::BRIEF};

/// Names that are known by a number, at most: a program writes few, but might make them up.
const MAX_NAMES: usize = 1024;

/// An open store.
pub(crate) struct Handle {
    /// `None` once it is closed.
    core: RefCell<Option<Core>>,
    pub(crate) principals: Principals,
    /// What was asked about the license, by the numbers that JavaScript knows.
    names: RefCell<Vec<String>>,
    pub(crate) here: Rc<Environment>,
    /// Where its audit events go.
    sink: Cell<Option<u32>>,
    /// Whether the licensing server is reached by way of the event loop.
    pub(crate) needs_the_loop: bool,
}

impl Handle {
    /// # Errors
    /// As `InspireAuth::open`.
    pub(crate) fn open(env: &Env, options: Options, sink: Option<u32>) -> Result<Rc<Self>> {
        let here = Environment::of(env)?;
        let (core, sink) = (RefCell::new(None), Cell::new(sink));
        // Made before the store is opened: if that fails, dropping it lets the sink go.
        let needs_the_loop = options.server.as_ref().is_some_and(|server| server.transport.is_some());
        let handle =
            Self { core, principals: Principals::default(), names: RefCell::default(), here, sink, needs_the_loop };
        *handle.core.borrow_mut() = Some(Core::open(options)?);
        Ok(Rc::new(handle))
    }

    /// The library's own handle.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` after [`Handle::close`].
    pub(crate) fn core(&self) -> Result<Core> {
        self.core.borrow().as_ref().cloned().ok_or_else(|| invalid("the handle is closed"))
    }

    /// Lets the store go; work that is under way finishes with it.
    pub(crate) fn close(&self) {
        let core = self.core.borrow_mut().take();
        if let Some(core) = core {
            // What was noted is written now, if it can be; the process may end next. Hashes that were begun are waited
            // for elsewhere, or here if there is no thread to be had.
            let _ = core.flush();
            let _ = BRIEF.hand_over(move || drop(core));
        }
        if let Some(sink) = self.sink.take() {
            // Behind the events that are on their way.
            self.here.mailbox.post(Box::new(move |env, here| {
                let function = here.functions.borrow_mut().remove(sink);
                if let Some(function) = function {
                    function.release(env);
                }
            }));
        }
    }

    /// Decides one request from memory alone. `terms` is the number of the requirement, and in its two lowest bits the
    /// channel. Gives the principal's number (see [`Principals::slot`]); `None` when something slow comes first.
    pub(crate) fn warm(&self, authorization: &[u8], terms: u32) -> Option<Result<i32>> {
        let core = self.core.borrow();
        let core = core.as_ref()?;
        let requirements = self.here.requirements.borrow();
        let mut request = Request::new(Presented::Authorization(authorization), requirements.get(terms >> 2)?);
        request.channel = channel(terms)?;
        core.authenticate_warm_and(&request, |principal| self.principals.slot(principal))
    }

    /// The number of a name that is asked for: of an entitlement or a limit. `None` when there are too many already.
    pub(crate) fn name_slot(&self, name: String) -> Option<u32> {
        let mut names = self.names.borrow_mut();
        let slot = u32::try_from(names.len()).ok().filter(|_| names.len() < MAX_NAMES)?;
        names.push(name);
        Some(slot)
    }

    /// Asks the license about the name under a number; `None` when something slow comes first, or it is closed.
    #[inline]
    pub(crate) fn ask<T>(&self, slot: u32, question: impl FnOnce(License<'_>, &str) -> Option<T>) -> Option<T> {
        let names = self.names.borrow();
        question(self.core.borrow().as_ref()?.license(), names.get(slot as usize)?)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// The channel in the two lowest bits.
pub(crate) const fn channel(terms: u32) -> Option<Channel> {
    match terms & 3 {
        0 => Some(Channel::Plain),
        1 => Some(Channel::Secure),
        2 => Some(Channel::Local),
        _ => None,
    }
}

/// A count as a JavaScript number: exact up to 2^53.
#[allow(clippy::cast_precision_loss)]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

//! What one environment (the main thread, or a worker) has of its own. Nothing here is shared between two.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
};

use inspire_auth_core::{Code, Error, Result, keys::Requirement};
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{
    calls::Call,
    raw::{Kept, Mailbox},
};

/// An environment's own state; reached through Node-API's instance data only.
pub(crate) struct Environment {
    pub(crate) mailbox: Arc<Mailbox>,
    /// The class `InspireAuthError`, once index.js has given it.
    pub(crate) error_class: RefCell<Option<Kept>>,
    /// Compiled requirements by the number that JavaScript knows them by.
    pub(crate) requirements: RefCell<Slots<Requirement>>,
    /// Functions that receive audit events, or carry requests.
    pub(crate) functions: RefCell<Functions>,
    /// What calls those that carry requests, once index.js has given it.
    pub(crate) carry: RefCell<Option<Kept>>,
    /// Calls that a signal may end, by the number that JavaScript knows them by.
    pub(crate) calls: RefCell<Slots<Arc<Call>>>,
    /// Promises that are not settled: while there are any, the process stays.
    pending: Cell<usize>,
}

impl Environment {
    /// This environment's state.
    ///
    /// # Errors
    /// `INTERNAL` when the module was not registered here.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>> {
        let here = env.get_instance_data::<Rc<Self>>().ok().flatten();
        here.map(|here| Rc::clone(here)).ok_or_else(|| Error::new(Code::Internal))
    }

    /// A promise was made: the event loop stays until it is settled.
    pub(crate) fn begin(&self, env: &Env) {
        if self.pending.replace(self.pending.get().saturating_add(1)) == 0 {
            self.mailbox.keep_loop_alive(env, true);
        }
    }

    /// A promise was settled.
    pub(crate) fn end(&self, env: &Env) {
        let left = self.pending.get().saturating_sub(1);
        self.pending.set(left);
        if left == 0 {
            self.mailbox.keep_loop_alive(env, false);
        }
    }
}

/// Values under small numbers; a number that was given up is used again.
pub(crate) struct Slots<T> {
    values: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    const fn new() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.values.get(slot as usize)?.as_ref()
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.values.get_mut(slot as usize)
        {
            *place = Some(value);
            return slot;
        }
        self.values.push(Some(value));
        u32::try_from(self.values.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.values.get_mut(slot as usize)?.take();
        if value.is_some() {
            self.free.push(slot);
        }
        value
    }
}

/// Functions of the host's that are called later, each under a number that no other ever has: what is for one whose handle
/// was closed may still be on its way.
#[derive(Default)]
pub(crate) struct Functions {
    kept: BTreeMap<u32, Kept>,
    last: u32,
}

impl Functions {
    pub(crate) fn get(&self, number: u32) -> Option<&Kept> {
        self.kept.get(&number)
    }

    pub(crate) fn insert(&mut self, function: Kept) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.kept.insert(self.last, function);
        self.last
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Kept> {
        self.kept.remove(&number)
    }
}

#[napi(module_exports)]
pub fn register(_exports: Object<'_>, env: Env) -> napi::Result<()> {
    let here = Rc::new(Environment {
        mailbox: Mailbox::new(&env)?,
        error_class: RefCell::new(None),
        requirements: RefCell::new(Slots::new()),
        functions: RefCell::new(Functions::default()),
        carry: RefCell::new(None),
        calls: RefCell::new(Slots::new()),
        pending: Cell::new(0),
    });
    env.set_instance_data(here, (), |_| ())
}

//! The way from any thread to the thread of one environment.
//!
//! A thread-safe function alone is freed by Node when its environment goes down, whoever still holds it. So it stands
//! behind a lock here, and is taken away by a hook that runs before Node frees it: what is posted later goes nowhere.

use std::{
    collections::VecDeque,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use napi::{Env, Status, sys};

use crate::{environment::Environment, transport::Questions};

/// What is done on the environment's thread.
pub(crate) type Message = Box<dyn FnOnce(&Env, &Environment) + Send>;

/// Messages to one environment.
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// What threads wait for an answer to.
    pub(crate) questions: Questions,
}

struct State {
    bell: Option<Bell>,
    queue: VecDeque<Message>,
    /// Audit events among them.
    events: usize,
}

/// Events that may wait for a busy event loop; what comes then is in the store's audit only.
const MAX_EVENTS: usize = 4096;

struct Bell(sys::napi_threadsafe_function);

// SAFETY: a thread-safe function may be called from any thread; when it may, is decided under the mailbox's lock.
unsafe impl Send for Bell {}

impl Mailbox {
    /// The mailbox of `env`. Does not keep its event loop alive.
    pub(crate) fn new(env: &Env) -> napi::Result<Arc<Self>> {
        let state = Mutex::new(State { bell: None, queue: VecDeque::new(), events: 0 });
        let mailbox = Arc::new(Self { state, questions: Questions::default() });
        let raw = env.raw();
        let name = env.create_string("inspire-auth")?;
        let mut bell = ptr::null_mut();
        let context = Arc::into_raw(Arc::clone(&mailbox)).cast_mut().cast::<c_void>();
        // SAFETY: `context` is a counted reference of its own that `forget` gives back when Node drops the function;
        // `deliver` has the signature of a call-JS callback.
        let status = unsafe {
            sys::napi_create_threadsafe_function(
                raw,
                ptr::null_mut(),
                ptr::null_mut(),
                napi::JsValue::raw(&name),
                0,
                1,
                context,
                Some(forget),
                context,
                Some(deliver),
                &raw mut bell,
            )
        };
        check(status)?;
        let hook = Arc::into_raw(Arc::clone(&mailbox)).cast_mut().cast::<c_void>();
        // SAFETY: created above; on the thread of its environment. Hooks run last in, first out: `close` before the
        // hook with which Node frees the function.
        check(unsafe { sys::napi_unref_threadsafe_function(raw, bell) })?;
        // SAFETY: `hook` is a counted reference of its own, given back by `close`, which runs once.
        check(unsafe { sys::napi_add_env_cleanup_hook(raw, Some(close), hook) })?;
        mailbox.state().bell = Some(Bell(bell));
        Ok(mailbox)
    }

    /// Has `message` run on the environment's thread, soon; or drops it, if the environment is gone.
    pub(crate) fn post(&self, message: Message) {
        Self::push(&mut self.state(), message);
    }

    /// The same for an audit event: dropped when thousands are waiting already.
    pub(crate) fn post_event(&self, message: Message) {
        let mut state = self.state();
        if state.events < MAX_EVENTS {
            state.events = state.events.saturating_add(1);
            Self::push(&mut state, message);
        }
    }

    fn push(state: &mut State, message: Message) {
        let Some(Bell(bell)) = state.bell else { return };
        let silent = state.queue.is_empty();
        state.queue.push_back(message);
        if silent {
            // SAFETY: it is alive: `close` takes it out of the state, under the lock that is held, before it is freed.
            unsafe { sys::napi_call_threadsafe_function(bell, ptr::null_mut(), 0) };
        }
    }

    /// Whether what is still to come keeps the event loop alive. On the environment's thread only.
    pub(crate) fn keep_loop_alive(&self, env: &Env, keep: bool) {
        if let Some(Bell(bell)) = self.state().bell {
            // SAFETY: alive, as above, and this is its environment's thread, since only that thread has an `Env`.
            unsafe {
                if keep {
                    sys::napi_ref_threadsafe_function(env.raw(), bell);
                } else {
                    sys::napi_unref_threadsafe_function(env.raw(), bell);
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty(&self) -> VecDeque<Message> {
        let mut state = self.state();
        state.events = 0;
        std::mem::take(&mut state.queue)
    }
}

fn check(status: sys::napi_status) -> napi::Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(napi::Error::from_status(Status::from(status))) }
}

/// Runs what has been posted.
unsafe extern "C" fn deliver(env: sys::napi_env, _: sys::napi_value, context: *mut c_void, _: *mut c_void) {
    if env.is_null() {
        return;
    }
    // SAFETY: the context given to the thread-safe function, which keeps a reference until `forget`.
    let mailbox = unsafe { &*context.cast::<Mailbox>() };
    let env = Env::from_raw(env);
    let Ok(here) = Environment::of(&env) else { return };
    for message in mailbox.empty() {
        let mut scope = ptr::null_mut();
        // SAFETY: this environment, on its thread; the scope is closed below.
        let opened = unsafe { sys::napi_open_handle_scope(env.raw(), &raw mut scope) };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| message(&env, &here))) {
            std::mem::forget(payload);
        }
        if opened == sys::Status::napi_ok {
            // SAFETY: opened above.
            unsafe { sys::napi_close_handle_scope(env.raw(), scope) };
        }
    }
}

/// Node has freed the thread-safe function.
unsafe extern "C" fn forget(_: sys::napi_env, context: *mut c_void, _: *mut c_void) {
    // SAFETY: the reference that was given to it, given back once.
    drop(unsafe { Arc::from_raw(context.cast_const().cast::<Mailbox>()) });
}

/// The environment goes down.
unsafe extern "C" fn close(hook: *mut c_void) {
    // SAFETY: the reference that was given to the hook, given back once.
    let mailbox = unsafe { Arc::from_raw(hook.cast_const().cast::<Mailbox>()) };
    mailbox.state().bell = None;
    mailbox.questions.close();
    // Dropped outside of the lock: a message may own the last reference to a handle.
    drop(mailbox.empty());
}

//! Calls that a signal ends before the licensing server has answered.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inspire_auth_core::{Code, Error, Result, license::online::Cancel};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;

use crate::{
    arguments::{invalid, read},
    boundary::run,
    environment::Environment,
};

thread_local! {
    /// The call that this thread is in.
    static CURRENT: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// A call that waits for the licensing server.
#[derive(Default)]
pub(crate) struct Call {
    cancel: Cancel,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_ended: bool,
    /// What the host's transport was asked, and has not answered.
    question: Option<u32>,
}

impl Call {
    /// The call under a number of [`begin_call`]; without one, a call that nothing ends.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn given(env: &Env, number: Unknown<'_>) -> Result<Arc<Self>> {
        let Some(number) = read::<Option<u32>>(env, number, "call")? else { return Ok(Arc::default()) };
        let here = Environment::of(env)?;
        here.calls.borrow().get(number).cloned().ok_or_else(|| invalid("there is no such call"))
    }

    /// Runs the work of this call on this thread.
    pub(crate) fn run<T>(self: &Arc<Self>, work: impl FnOnce(&Cancel) -> T) -> T {
        struct Entered;
        impl Drop for Entered {
            fn drop(&mut self) {
                CURRENT.with_borrow_mut(|current| *current = None);
            }
        }
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        let _entered = Entered;
        work(&self.cancel)
    }

    /// Notes what the call of this thread, if it is in one, waits for while `wait` does.
    ///
    /// # Errors
    /// `CANCELLED` when the call has been ended; what `wait` ends with.
    pub(crate) fn waiting<T>(question: u32, wait: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(call) = CURRENT.with_borrow(Clone::clone) else { return wait() };
        {
            let mut state = call.state();
            if state.is_ended {
                return Err(Error::new(Code::Cancelled));
            }
            state.question = Some(question);
        }
        let answer = wait();
        call.state().question = None;
        answer
    }

    /// Ends it. The question that it waited with.
    fn end(&self) -> Option<u32> {
        let question = {
            let mut state = self.state();
            state.is_ended = true;
            state.question.take()
        };
        // After it: whoever waits is woken by this, and forgets the question.
        self.cancel.cancel();
        question
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number for a call that can be ended.
#[napi(skip_typescript)]
pub fn begin_call(env: &Env) -> napi::Result<u32> {
    run(env, || Ok(Environment::of(env)?.calls.borrow_mut().insert(Arc::default())))
}

/// Ends a call; gives the question that it had asked the host's transport, if it had one.
#[napi(skip_typescript)]
pub fn cancel_call(env: &Env, number: u32) -> napi::Result<Option<u32>> {
    run(env, || {
        let here = Environment::of(env)?;
        let call = here.calls.borrow().get(number).cloned();
        let question = call.and_then(|call| call.end());
        if let Some(question) = question {
            here.mailbox.questions.withdraw(question);
        }
        Ok(question)
    })
}

/// Gives the number of a call back.
#[napi(skip_typescript)]
pub fn end_call(env: &Env, number: u32) -> napi::Result<()> {
    run(env, || {
        Environment::of(env)?.calls.borrow_mut().remove(number);
        Ok(())
    })
}

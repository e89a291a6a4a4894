//! What stands between JavaScript and everything else: no panic crosses it, and every error is an `InspireAuthError`.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use inspire_auth_core::{Code, Error, Result};
use napi::{
    Env,
    bindgen_prelude::{ToNapiValue, Unknown},
};

use crate::{
    environment::Environment,
    raw::{Deferred, throw},
    threads::{BRIEF, Threads},
};

/// Runs `body`; a panic becomes `INTERNAL`. What the panic said is not passed on, since nobody can vouch for it.
pub(crate) fn caught<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Dropping a payload runs foreign code, which might panic in its turn.
        std::mem::forget(payload);
        Err(Error::new(Code::Internal))
    })
}

/// Runs the body of a synchronous function.
pub(crate) fn run<T>(env: &Env, body: impl FnOnce() -> Result<T>) -> napi::Result<T> {
    caught(body).map_err(|error| throw(env, &error))
}

/// Runs `prepare` here, which reads the arguments, and the work that it returns on a thread of ours; the answer is a
/// promise.
pub(crate) fn start<T, W>(env: &Env, prepare: impl FnOnce() -> Result<W>) -> napi::Result<Unknown<'_>>
where
    T: ToNapiValue + Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    start_on(&BRIEF, env, prepare)
}

/// The same on a thread of `threads`.
pub(crate) fn start_on<'e, T, W>(
    threads: &'static Threads,
    env: &'e Env,
    prepare: impl FnOnce() -> Result<W>,
) -> napi::Result<Unknown<'e>>
where
    T: ToNapiValue + Send + 'static,
    W: FnOnce() -> Result<T> + Send + 'static,
{
    run(env, || {
        let work = prepare()?;
        promise(
            env,
            |answer| threads.hand_over(move || answer(caught(work))),
            |env, value: T| value.into_unknown(env).map_err(|_| Error::new(Code::Internal)),
        )
    })
}

/// What gives a promise its outcome, from any thread.
pub(crate) type Answer<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// A promise. `begin` is given what settles it; `finish` makes the JavaScript value, on the event loop.
pub(crate) fn promise<T: Send + 'static>(
    env: &Env,
    begin: impl FnOnce(Answer<T>) -> Result<()>,
    finish: impl for<'e> FnOnce(&'e Env, T) -> Result<Unknown<'e>> + Send + 'static,
) -> Result<Unknown<'_>> {
    let here = Environment::of(env)?;
    let (deferred, promise) = Deferred::new(env)?;
    let mailbox = Arc::clone(&here.mailbox);
    here.begin(env);
    let begun = begin(Box::new(move |outcome| {
        mailbox.post(Box::new(move |env, here| {
            here.end(env);
            deferred.settle(env, caught(|| finish(env, outcome?)));
        }));
    }));
    if begun.is_err() {
        here.end(env);
    }
    begun.map(|()| promise)
}

/// The type of work that is done here, or on a thread of ours, and gives `$value`.
macro_rules! work {
    ($value:ty) => { impl FnOnce() -> inspire_auth_core::Result<$value> + Send + 'static + use<> };
}

//! The host's own way to the licensing server: a function that is called on the event loop, while a thread of the library's
//! waits for what it comes to.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, ThreadId},
    time::Instant,
};

use inspire_auth_core::{
    Code, Error, Result, TABLE,
    license::online::{Cancel, HttpRequest as CoreRequest, HttpResponse as CoreResponse, MAX_BODY, Transport},
};
use napi::{
    Env, ValueType,
    bindgen_prelude::{Buffer, Unknown},
};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{Bytes, invalid, read},
    boundary::run,
    calls::Call,
    environment::Environment,
    raw::{Kept, Mailbox, call_with},
};

/// A request to the licensing server, for a host that carries it. Headers, body and address hold the license key.
#[napi(object, object_from_js = false)]
pub struct HttpRequest {
    /// The number under which it is answered.
    #[napi(skip_typescript)]
    pub question: u32,
    /// The method.
    #[napi(ts_type = "'GET' | 'POST' | 'DELETE'")]
    pub method: &'static str,
    /// Absolute. To be sent byte for byte: the answer's signature covers path and query.
    pub url: String,
    /// Names in lower case; `authorization` has the license key.
    #[napi(ts_type = "[name: string, value: string][]")]
    pub headers: Vec<(String, String)>,
    /// JSON, or empty.
    #[napi(ts_type = "Uint8Array")]
    pub body: Buffer,
    /// How long the whole answer may take, in milliseconds; then nobody waits for it any more.
    pub timeout_ms: f64,
    /// Aborted at that time, and when the call is ended by a signal of its own.
    #[napi(ts_type = "AbortSignal")]
    pub signal: (),
}

/// What the licensing server answered, whatever its status.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// As they arrived: pairs, or a `Headers`.
    #[napi(ts_type = "Iterable<readonly [name: string, value: string]>")]
    pub headers: Vec<(String, String)>,
    /// After any transfer coding; at most 1 MiB.
    #[napi(ts_type = "Uint8Array")]
    pub body: Bytes,
}

type Answer = Result<CoreResponse>;

/// What threads wait for an answer of one environment to, each under a number that no other ever has: an answer may come
/// when nobody waits any more.
#[derive(Default)]
pub(crate) struct Questions(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    open: BTreeMap<u32, SyncSender<Answer>>,
    last: u32,
    is_closed: bool,
}

impl Questions {
    /// A question, and where its answer comes. `None` when the environment is gone.
    fn ask(&self) -> Option<(u32, Receiver<Answer>)> {
        let mut asked = self.asked();
        if asked.is_closed {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        asked.last = asked.last.wrapping_add(1);
        let number = asked.last;
        asked.open.insert(number, sender);
        Some((number, receiver))
    }

    fn is_open(&self, number: u32) -> bool {
        self.asked().open.contains_key(&number)
    }

    fn answer(&self, number: u32, answer: Answer) {
        let waiting = self.asked().open.remove(&number);
        if let Some(waiting) = waiting {
            let _ = waiting.try_send(answer);
        }
    }

    /// Whoever waits for it goes on without an answer.
    pub(crate) fn withdraw(&self, number: u32) {
        self.asked().open.remove(&number);
    }

    /// The environment goes down: nobody waits for it.
    pub(crate) fn close(&self) {
        let mut asked = self.asked();
        asked.is_closed = true;
        asked.open.clear();
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host's function, as the core calls it. The core holds no lock and no transaction then.
struct Carrier {
    /// Its number among the environment's functions.
    function: u32,
    mailbox: Arc<Mailbox>,
    /// The thread of its event loop.
    home: ThreadId,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let number = self.function;
        self.mailbox.post(Box::new(move |env, here| {
            let function = here.functions.borrow_mut().remove(number);
            if let Some(function) = function {
                function.release(env);
            }
        }));
    }
}

impl Transport for Carrier {
    fn send(&self, request: &CoreRequest, deadline: Instant, cancel: &Cancel) -> Answer {
        if thread::current().id() == self.home {
            return Err(would_block());
        }
        let questions = &self.mailbox.questions;
        let gone = || Error::new(Code::Cancelled);
        let (question, answer) = questions.ask().ok_or_else(gone)?;
        let mailbox = Arc::clone(&self.mailbox);
        let answered = cancel.interrupting(
            move || mailbox.questions.answer(question, Err(Error::new(Code::Cancelled))),
            || {
                Call::waiting(question, || {
                    self.post(question, request.clone(), deadline);
                    let left = deadline.saturating_duration_since(Instant::now());
                    answer.recv_timeout(left).unwrap_or_else(|end| match end {
                        RecvTimeoutError::Timeout => Err(Error::new(Code::NetworkTimeout)),
                        RecvTimeoutError::Disconnected => Err(gone()),
                    })
                })
            },
        );
        questions.withdraw(question);
        answered
    }
}

impl Carrier {
    fn post(&self, question: u32, request: CoreRequest, deadline: Instant) {
        let number = self.function;
        self.mailbox.post(Box::new(move |env, here| {
            if !here.mailbox.questions.is_open(question) {
                return;
            }
            // Not called under the borrow: the function may open or close a handle.
            let (carry, transport) = {
                let (carry, functions) = (here.carry.borrow(), here.functions.borrow());
                let kept = |kept: Option<&Kept>| kept.and_then(|kept| kept.get(env));
                (kept(carry.as_ref()), kept(functions.get(number)))
            };
            let (Some(carry), Some(transport)) = (carry, transport) else {
                return here.mailbox.questions.answer(question, Err(Error::new(Code::Internal)));
            };
            let CoreRequest { method, url, headers, body } = request;
            let left = deadline.saturating_duration_since(Instant::now());
            let request = HttpRequest {
                question,
                method,
                url,
                headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                body: body.into(),
                timeout_ms: (left.as_secs_f64() * 1000.0).ceil(),
                signal: (),
            };
            call_with(env, &carry, &transport, request);
        }));
    }
}

/// What carries requests by a function of this environment.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything but a function.
pub(crate) fn carrier(env: &Env, function: &Unknown<'_>) -> Result<Arc<dyn Transport>> {
    let name = "options.server.transport";
    if !matches!(function.get_type(), Ok(ValueType::Function)) {
        return Err(invalid(format!("{name} is not a function")));
    }
    let here = Environment::of(env)?;
    let kept = Kept::new(env, function).ok_or_else(|| invalid(format!("{name} can't be kept")))?;
    let function = here.functions.borrow_mut().insert(kept);
    Ok(Arc::new(Carrier { function, mailbox: Arc::clone(&here.mailbox), home: thread::current().id() }))
}

/// Why a call that blocks the event loop can't ask the host's transport.
pub(crate) fn would_block() -> Error {
    Error::with(
        Code::UnsupportedOption,
        "the server's transport runs on the event loop, which this call blocks: await the one without Sync",
    )
}

/// Says what calls a transport, in this environment: see `lib/transport.js`. The first one stays.
#[napi(skip_typescript)]
pub fn use_carry(env: &Env, function: Unknown<'_>) -> napi::Result<()> {
    run(env, || {
        let here = Environment::of(env)?;
        let mut carry = here.carry.borrow_mut();
        if carry.is_none() {
            *carry = Kept::new(env, &function);
        }
        Ok(())
    })
}

/// Answers a question, unless nobody waits for it any more.
#[napi(skip_typescript)]
pub fn answer_question(env: &Env, question: u32, response: Unknown<'_>) -> napi::Result<()> {
    run(env, || {
        let HttpResponse { status, headers, body } = read(env, response, "the transport's response")?;
        let answer = if body.0.len() > MAX_BODY {
            Err(Error::with(Code::ServerAnswerMalformed, "the answer is longer than 1 MiB"))
        } else {
            Ok(CoreResponse { status, headers, body: body.0.to_vec() })
        };
        Environment::of(env)?.mailbox.questions.answer(question, answer);
        Ok(())
    })
}

/// The same with the code that the transport failed with.
#[napi(skip_typescript)]
pub fn fail_question(env: &Env, question: u32, code: String) -> napi::Result<()> {
    run(env, || {
        let known = TABLE.iter().find(|entry| entry.name == code).map_or(Code::NetworkConnect, |entry| entry.code);
        Environment::of(env)?.mailbox.questions.answer(question, Err(Error::new(known)));
        Ok(())
    })
}

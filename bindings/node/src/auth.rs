//! The handle, and the decision about one request.

use std::rc::Rc;

use inspire_auth_core::{
    Code, Error, Result, TABLE,
    keys::{Attempt, Channel, Presented, Principal as CorePrincipal, Request, Requirement as CoreRequirement},
};
use napi::{
    Env, JsValue, ValueType,
    bindgen_prelude::{ClassInstance, JsObjectValue, Unknown},
};
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::{
    arguments::{invalid, is_given, member, moment, object, only, read, text},
    audit::AuditEvent,
    boundary::{Answer, promise, run},
    environment::Environment,
    handle::{Handle, channel},
    keys::Keys,
    license::License,
    options,
    principals::Principal,
    raw::{header_bytes, instance, is_instance, warm_function},
    requirement::{Requirement, requirement},
    routes::{Explanation, Supposed, Target, with_table},
};

/// How a host answers a refused request: the library gives the texts, the host sends them.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct HttpAnswer {
    /// The status; 500 for a code that answers no request.
    pub status: u16,
    /// The value of `WWW-Authenticate`; `null` when none is sent.
    pub challenge: Option<String>,
    /// The value of `Retry-After` in seconds; `null` when none is sent.
    pub retry_after: Option<u32>,
}

/// API keys and licensing on one store, made by {@link open}. One handle serves a whole process; each worker thread
/// opens its own.
///
/// Requests are decided by {@link InspireAuth.authenticate}, keys are managed in {@link InspireAuth.keys}, and what the
/// installation is licensed for is in {@link InspireAuth.license}.
#[napi]
pub struct InspireAuth {
    handle: Rc<Handle>,
}

/// Opens the store, and reads every key into memory. Starts no thread, and does no network I/O; blocks for as long as
/// reading takes (about 1 s for 500,000 keys).
///
/// @param store the path of an SQLite file, made with mode 0600 if it is not there; the URL of a PostgreSQL database (`postgresql://...`); or `:memory:`
/// @param options what is not given has its default
/// @throws InspireAuthError `INVALID_ARGUMENT`, `INVALID_LEVEL` or `WEAK_TRUSTED_KEY` for options, a `STORE_*` code by
/// cause
/// @example
/// import { open } from 'inspire-auth';
/// const auth = open('service.db', { realm: 'gateway' });
#[napi(ts_args_type = "store: string, options?: OpenOptions | null")]
pub fn open(env: &Env, store: Unknown<'_>, options: Unknown<'_>) -> napi::Result<InspireAuth> {
    run(env, || {
        let store = text(env, store, "store")?;
        let (options, sink) = options::read(env, &store, options)?;
        Ok(InspireAuth { handle: Handle::open(env, options, sink)? })
    })
}

/// Compiles a requirement that belongs to no handle.
#[napi(skip_typescript)]
pub fn compile_requirement(env: &Env, spec: Unknown<'_>) -> napi::Result<Requirement> {
    run(env, || Requirement::new(env, requirement(env, spec, "spec")?))
}

#[napi]
impl InspireAuth {
    /// The API keys.
    #[napi(getter)]
    pub fn keys(&self) -> Keys {
        Keys::new(&self.handle)
    }

    /// The license.
    #[napi(getter)]
    pub fn license(&self) -> License {
        License::new(&self.handle)
    }

    /// Compiles a requirement, once for all requests.
    ///
    /// @param spec `any(A/B, C)`, `all(A, B)`, one level, `{any: [...]}` or `{all: [...]}`; an empty list denies everyone
    /// @throws InspireAuthError `INVALID_LEVEL`, `INVALID_ARGUMENT`
    /// @example
    /// const operators = auth.requirement('any(Authenticated/Ops/Write)');
    /// const caller = auth.authenticateSync(req.rawHeaders, { channel: 'secure', require: operators });
    #[napi(ts_args_type = "spec: RequirementLike")]
    pub fn requirement(&self, env: &Env, spec: Unknown<'_>) -> napi::Result<Requirement> {
        run(env, || Requirement::new(env, requirement(env, spec, "spec")?))
    }

    /// `Authenticated` and the grants in force of the key behind a principal, as they are now, sorted by bytes; empty
    /// when it is anonymous.
    ///
    /// @throws InspireAuthError `INVALID_CREDENTIAL` when the key is gone, `INVALID_ARGUMENT`, a `STORE_*` code
    /// @example
    /// auth.principalLevels(caller); // ['Authenticated', 'Authenticated/Ops/Write']
    #[napi(ts_args_type = "principal: Principal")]
    pub fn principal_levels(&self, env: &Env, principal: Unknown<'_>) -> napi::Result<Vec<String>> {
        run(env, || self.handle.core()?.principal_levels(&known(&principal)?))
    }

    /// Judges a principal again, as it stands now: for long-lived connections.
    ///
    /// @param require as in {@link AuthenticateOptions.require}
    /// @param options `now` in Unix seconds; the system's clock when it is not given
    /// @throws InspireAuthError what a new request with the same credential would get, a `STORE_*` code
    /// @example
    /// try { auth.recheck(caller, operators); } catch { ws.close(1008); } // before each message of a websocket
    #[napi(ts_args_type = "principal: Principal, require: RequirementLike, options?: { now?: number }")]
    pub fn recheck(
        &self,
        env: &Env,
        principal: Unknown<'_>,
        require: Unknown<'_>,
        options: Unknown<'_>,
    ) -> napi::Result<()> {
        run(env, || {
            let now = only_now(env, &options)?;
            let requirement = requirement(env, require, "require")?;
            self.handle.core()?.recheck(&known(&principal)?, &requirement, now)
        })
    }

    /// The levels for want of which a principal fails a requirement; empty when it does not.
    ///
    /// @throws InspireAuthError as {@link InspireAuth.principalLevels}
    /// @example
    /// auth.explain(caller, 'all(Authenticated/Ops, Authenticated/Admin)'); // ['Authenticated/Admin']
    #[napi(ts_args_type = "principal: Principal, require: RequirementLike")]
    pub fn explain(&self, env: &Env, principal: Unknown<'_>, require: Unknown<'_>) -> napi::Result<Vec<String>> {
        run(env, || {
            let requirement = requirement(env, require, "require")?;
            self.handle.core()?.explain(&known(&principal)?, &requirement)
        })
    }

    /// What a request would get, and why: a dry run, which is noted nowhere.
    ///
    /// @param key the name of the key that the request would carry, with its right secret; `null` is a request without one
    /// @param path as in {@link AuthenticateOptions.path}
    /// @param options `channel`, by default `plain`, and `now` in Unix seconds
    /// @throws InspireAuthError `NOT_FOUND` when there is no such key, `INVALID_ARGUMENT`, a `STORE_*` code
    /// @example
    /// auth.wouldAllow(routes, 'reporting', 'DELETE', '/data/api/v1/resources').code; // 'ROUTE_DENIED'
    #[napi(ts_args_type = "routes: Routes, key: string | null, method: string, path: string, \
            options?: { channel?: Channel, now?: number } | null")]
    pub fn would_allow(
        &self,
        env: &Env,
        routes: Unknown<'_>,
        key: Unknown<'_>,
        method: Unknown<'_>,
        path: Unknown<'_>,
        options: Unknown<'_>,
    ) -> napi::Result<Explanation> {
        run(env, || {
            // Left out, it is a mistake that must not become "nobody".
            if matches!(key.get_type(), Ok(ValueType::Undefined)) {
                return Err(invalid("key is neither a name nor null"));
            }
            let key: Option<String> = read(env, key, "key")?;
            let (Target { method, path }, supposed) =
                (Target::read(env, method, &path)?, Supposed::read(env, options)?);
            let (channel, now) = (supposed.channel()?, supposed.now);
            with_table(&routes, |routes| {
                let core = self.handle.core()?;
                let found = core.would_allow(routes.core(), key.as_deref(), &method, &path, channel, now)?;
                Explanation::of(routes, found)
            })
        })
    }

    /// What a further request of a principal, over the same channel, would get, and why: noted nowhere.
    ///
    /// @param path as in {@link AuthenticateOptions.path}
    /// @param options `now` in Unix seconds
    /// @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
    /// @example
    /// auth.explainRoute(routes, caller, 'POST', '/data/api/v1/sync').missing; // ['Authenticated/Ops/Write']
    #[napi(ts_args_type = "routes: Routes, principal: Principal, method: string, path: string, \
            options?: { now?: number } | null")]
    pub fn explain_route(
        &self,
        env: &Env,
        routes: Unknown<'_>,
        principal: Unknown<'_>,
        method: Unknown<'_>,
        path: Unknown<'_>,
        options: Unknown<'_>,
    ) -> napi::Result<Explanation> {
        run(env, || {
            let (Target { method, path }, now) = (Target::read(env, method, &path)?, only_now(env, &options)?);
            with_table(&routes, |routes| {
                let found =
                    self.handle.core()?.explain_route(routes.core(), &known(&principal)?, &method, &path, now)?;
                Explanation::of(routes, found)
            })
        })
    }

    /// How a host answers a request that was refused with this code, or with this error. An error of another origin is
    /// answered with 500, and nothing of it is shown.
    ///
    /// @example
    /// const { status, challenge, retryAfter } = auth.http(error);
    #[napi(ts_args_type = "codeOrError: InspireAuthErrorCode | Error")]
    pub fn http(&self, env: &Env, code_or_error: Unknown<'_>) -> napi::Result<HttpAnswer> {
        run(env, || {
            let core = self.handle.core()?;
            let answer = core.http(code_of(env, code_or_error)?);
            Ok(HttpAnswer {
                status: answer.status,
                challenge: answer.challenge.map(str::to_owned),
                retry_after: answer.retry_after,
            })
        })
    }

    /// The names of all headers that may carry a credential: what a host that forwards requests must strip from every
    /// one of them, granted or not.
    ///
    /// @example
    /// for (const name of auth.credentialHeaders()) delete forwarded[name.toLowerCase()];
    #[napi]
    pub fn credential_headers(&self, env: &Env) -> napi::Result<Vec<String>> {
        run(env, || Ok(self.handle.core()?.credential_headers().map(str::to_owned).collect()))
    }

    /// Writes what has been noted on the side (last use, audit) to the store now. {@link InspireAuth.close} does it too.
    ///
    /// @throws InspireAuthError a `STORE_*` code, `AUDIT_UNAVAILABLE`
    /// @example
    /// auth.flush(); // before a backup, say
    #[napi]
    pub fn flush(&self, env: &Env) -> napi::Result<()> {
        run(env, || self.handle.core()?.flush())
    }

    /// The newest audit events, newest first.
    ///
    /// @param limit at most so many; default 100
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// auth.audit(2).map(({ event }) => event); // ['key.refused', 'key.created']
    #[napi(ts_args_type = "limit?: number")]
    pub fn audit(&self, env: &Env, limit: Unknown<'_>) -> napi::Result<Vec<AuditEvent>> {
        run(env, || {
            let limit: Option<u32> = read(env, limit, "limit")?;
            let events = self.handle.core()?.audit(limit.unwrap_or(100) as usize)?;
            Ok(events.into_iter().map(AuditEvent::from).collect())
        })
    }

    /// Counters and gauges of this handle, as OpenMetrics 1.0 text, for a service to answer at `/metrics` with the content
    /// type `application/openmetrics-text; version=1.0.0; charset=utf-8`. They hold no key's name, no secret and no license
    /// key. Whoever may read them is for the service to say.
    ///
    /// @throws InspireAuthError `INVALID_ARGUMENT` when the handle is closed
    /// @example
    /// app.get('/metrics', (req, res) => {
    ///   res.type('application/openmetrics-text; version=1.0.0; charset=utf-8').send(auth.metricsText());
    /// });
    #[napi]
    pub fn metrics_text(&self, env: &Env) -> napi::Result<String> {
        run(env, || Ok(self.handle.core()?.metrics_text()))
    }

    /// Accepts what the store holds now as its history, in every process, after `STORE_HISTORY_CHANGED`: an operator's
    /// word that the replacement was meant.
    ///
    /// @throws InspireAuthError a `STORE_*` code, `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// auth.adoptStore(); // an operator has said that the store was replaced on purpose
    #[napi]
    pub fn adopt_store(&self, env: &Env) -> napi::Result<()> {
        run(env, || self.handle.core()?.adopt_store())
    }

    /// Writes what has been noted on the side, and lets the store go. What is under way finishes; every later call on
    /// the handle is refused with `INVALID_ARGUMENT`. Called again, it does nothing. A handle that is not closed is
    /// when it is garbage, or its environment ends.
    ///
    /// @example
    /// auth.close(); // or: using auth = open('service.db')
    #[napi]
    pub fn close(&self, env: &Env) -> napi::Result<()> {
        run(env, || {
            self.handle.close();
            Ok(())
        })
    }

    /// The function that decides what memory knows: see `raw/warm.rs`.
    #[napi(skip_typescript)]
    pub fn warm_function<'e>(&self, env: &'e Env) -> napi::Result<Unknown<'e>> {
        warm_function(env, Rc::clone(&self.handle))
    }

    /// The place, in its table, of the rule for a method and a path.
    #[napi(skip_typescript)]
    pub fn route(&self, env: &Env, routes: Unknown<'_>, method: Unknown<'_>, path: Unknown<'_>) -> napi::Result<u32> {
        run(env, || {
            let Target { method, path } = Target::read(env, method, &path)?;
            with_table(&routes, |routes| {
                let core = self.handle.core()?;
                routes.place(core.route(routes.core(), &method, &path)?)
            })
        })
    }

    /// The object of a principal that a decision gave the number of.
    #[napi(skip_typescript)]
    pub fn principal<'e>(&self, env: &'e Env, slot: u32) -> napi::Result<ClassInstance<'e, Principal>> {
        let core = run(env, || self.handle.principals.get(slot).ok_or_else(|| Error::new(Code::Internal)))?;
        Principal::object(&core, env)
    }

    /// The number of a principal that came by a promise: see [`Principals::slot`](crate::principals::Principals::slot).
    #[napi(skip_typescript)]
    pub fn slot(&self, env: &Env, principal: Unknown<'_>) -> napi::Result<i32> {
        run(env, || Ok(self.handle.principals.slot(&known(&principal)?)))
    }

    /// Decides any request on this thread: all lines that may carry a credential, as `[name, value, ...]`.
    #[napi(skip_typescript)]
    pub fn decide_now(
        &self,
        env: &Env,
        lines: Unknown<'_>,
        terms: u32,
        entitlement: Unknown<'_>,
        now: Unknown<'_>,
    ) -> napi::Result<i32> {
        run(env, || {
            let question = Question::read(env, &self.handle, lines, terms, entitlement, now)?;
            let principal = self.handle.core()?.authenticate(&question.request(&question.lines()))?;
            Ok(self.handle.principals.slot(&principal))
        })
    }

    /// The same without waiting for a hash: a number, or the promise of a principal.
    /// (A number is good only until something else is decided.)
    #[napi(skip_typescript)]
    pub fn decide<'e>(
        &self,
        env: &'e Env,
        lines: Unknown<'e>,
        terms: u32,
        entitlement: Unknown<'e>,
        now: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        run(env, || {
            let question = Question::read(env, &self.handle, lines, terms, entitlement, now)?;
            match self.handle.core()?.authenticate_no_wait(&question.request(&question.lines())) {
                Attempt::Done(decided) => {
                    let slot = env.create_int32(self.handle.principals.slot(&decided?));
                    slot.map(|slot| slot.to_unknown()).map_err(|_| Error::new(Code::Internal))
                }
                Attempt::Pending(ticket) => {
                    let begin = |answer: Answer<CorePrincipal>| {
                        let asked = ticket.clone();
                        ticket.on_ready(Box::new(move || {
                            answer(asked.poll().unwrap_or_else(|| Err(Error::new(Code::Internal))));
                        }));
                        Ok(())
                    };
                    promise(env, begin, |env, principal| {
                        let object = Principal::object(&principal, env);
                        object.map(|object| object.to_unknown()).map_err(|_| Error::new(Code::Internal))
                    })
                }
            }
        })
    }
}

/// (name, value) of a header, as bytes.
pub(crate) type Line = (Vec<u8>, Zeroizing<Vec<u8>>);

/// What a request is asked with, read.
struct Question {
    lines: Vec<Line>,
    requirement: CoreRequirement,
    channel: Channel,
    entitlement: Option<String>,
    now: Option<i64>,
}

impl Question {
    fn read(
        env: &Env,
        handle: &Handle,
        lines: Unknown<'_>,
        terms: u32,
        entitlement: Unknown<'_>,
        now: Unknown<'_>,
    ) -> Result<Self> {
        let requirements = handle.here.requirements.borrow();
        Ok(Self {
            lines: pairs(env, &lines)?,
            requirement: requirements.get(terms >> 2).cloned().ok_or_else(|| invalid("there is no requirement"))?,
            channel: channel(terms).ok_or_else(|| invalid("there is no such channel"))?,
            entitlement: read(env, entitlement, "options.entitlement")?,
            now: read(env, now, "options.now")?,
        })
    }

    fn lines(&self) -> Vec<(&[u8], &[u8])> {
        self.lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
    }

    fn request<'a>(&'a self, lines: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
        let mut request = Request::new(Presented::Headers(lines), &self.requirement);
        request.channel = self.channel;
        request.entitlement = self.entitlement.as_deref();
        request.now = self.now;
        request
    }
}

/// The pairs of a flat array.
pub(crate) fn pairs(env: &Env, lines: &Unknown<'_>) -> Result<Vec<Line>> {
    let unreadable = || invalid("headers are not pairs of strings");
    let object = object(env, lines, "headers")?;
    let length = object.get_array_length().map_err(|_| unreadable())?;
    if length % 2 != 0 {
        return Err(unreadable());
    }
    let text = |at: u32| {
        let element = object.get_element::<Unknown<'_>>(at).map_err(|_| unreadable())?;
        header_bytes(&element).ok_or_else(unreadable)
    };
    (0..length / 2)
        .map(|pair| {
            let at = pair.saturating_mul(2);
            Ok((text(at)?, Zeroizing::new(text(at.saturating_add(1))?)))
        })
        .collect()
}

/// The library's own record of a principal.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything that it has not given out.
fn known(principal: &Unknown<'_>) -> Result<CorePrincipal> {
    instance::<Principal>(principal)
        .map(|principal| *principal.core())
        .ok_or_else(|| invalid("principal is not a principal of this library"))
}

/// `{now}`, or nothing.
fn only_now(env: &Env, options: &Unknown<'_>) -> Result<Option<i64>> {
    if !is_given(options) {
        return Ok(None);
    }
    let options = object(env, options, "options")?;
    only(&options, "options", &["now"])?;
    moment(env, member(&options, "now")?)
}

/// The code that a text names, or that an error of this package carries; `INTERNAL` for any other error.
fn code_of(env: &Env, value: Unknown<'_>) -> Result<Code> {
    let find = |name: &str| TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.code);
    if matches!(value.get_type(), Ok(ValueType::String)) {
        return find(&text(env, value, "code")?).ok_or_else(|| invalid("code is not in the table"));
    }
    let class = Environment::of(env)?.error_class.borrow().as_ref().and_then(|kept| kept.get(env));
    let ours = class.is_some_and(|class| is_instance(env, &value, &class));
    if !ours {
        return Ok(Code::Internal);
    }
    let error = object(env, &value, "error")?;
    Ok(find(&text(env, member(&error, "code")?, "code")?).unwrap_or(Code::Internal))
}

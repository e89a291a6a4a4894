//! Audit events.

use std::sync::Arc;

use inspire_auth_core::{AuditSink, Result, store::AuditEvent as Core};
use napi::{Env, ValueType, bindgen_prelude::Unknown};
use napi_derive::napi;

use crate::{
    arguments::invalid,
    environment::Environment,
    raw::{Kept, call},
};

/// One line of the audit log. Holds no secret.
#[napi(object, object_from_js = false)]
pub struct AuditEvent {
    /// Unix seconds.
    pub at: i64,
    /// What happened, such as `key.created` or `key.refused`.
    pub event: String,
    /// Who did it: `system`, `key:<name>`, or empty where nobody is known.
    pub actor: String,
    /// The name of the key, or the id of the license, that it happened to.
    pub subject: String,
    /// The exact reason, or what was changed.
    pub detail: String,
    /// `OK` for what was done, else the code with which it was refused.
    #[napi(ts_type = "InspireAuthErrorCode | 'OK'")]
    pub code: &'static str,
}

impl From<Core> for AuditEvent {
    fn from(event: Core) -> Self {
        let Core { at, event, actor, subject, detail, code } = event;
        Self { at, event, actor, subject, detail, code: code.name() }
    }
}

/// A sink that calls `function` on this environment's event loop, and the number under which the function is kept.
///
/// # Errors
/// `INVALID_ARGUMENT` for anything but a function.
pub(crate) fn sink(env: &Env, function: &Unknown<'_>) -> Result<(u32, AuditSink)> {
    if !matches!(function.get_type(), Ok(ValueType::Function)) {
        return Err(invalid("options.audit is not a function"));
    }
    let here = Environment::of(env)?;
    let kept = Kept::new(env, function).ok_or_else(|| invalid("options.audit can't be kept"))?;
    let number = here.functions.borrow_mut().insert(kept);
    let mailbox = Arc::clone(&here.mailbox);
    let receive = move |event: &Core| {
        let event = AuditEvent::from(event.clone());
        mailbox.post_event(Box::new(move |env, here| {
            // Not called under the borrow: the function may open or close a handle.
            let function = here.functions.borrow().get(number).and_then(|kept| kept.get(env));
            if let Some(function) = function {
                call(env, &function, event);
            }
        }));
    };
    Ok((number, Arc::new(receive)))
}

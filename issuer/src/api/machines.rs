//! Machines: registered, looked at, and taken off.

use serde_json::{Value, json};

use super::{Answer, Api, Call, Problem, documents, licenses::Page};
use crate::store::{License, Machine, Refusal};

/// The longest fingerprint, in bytes.
const LONGEST: usize = 4096;

/// `POST machines`.
pub(super) fn register(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.bearer(call)?;
    let body = Value::Object(call.body()?);
    if text(&body, "/data/type")? != Some("machines") {
        return Err(Problem::parameter("/data/type", "must be machines"));
    }
    let fingerprint = needed(&body, "/data/attributes/fingerprint")?;
    if fingerprint.len() > LONGEST {
        return Err(Problem::parameter("/data/attributes/fingerprint", "is too long (at most 4096 bytes)"));
    }
    let name = text(&body, "/data/attributes/name")?;
    let named = needed(&body, "/data/relationships/license/data/id")?;
    if named != license.id {
        return Err(Problem::unprocessable("LICENSE_NOT_FOUND", "/data/relationships/license", "must exist"));
    }
    let now = api.now();
    let machine = api.store.register(&license.id, fingerprint, name, now).map_err(problem)?;
    let document = json!({"data": documents::machine(&license, &machine, now)?});
    let account = call.param("account").map(|account| format!("/accounts/{account}")).unwrap_or_default();
    Ok(Answer::created(&document, format!("/v1{account}/machines/{}", machine.id)))
}

/// The text at this place of the body (RFC 6901).
fn text<'a>(body: &'a Value, pointer: &'static str) -> Result<Option<&'a str>, Problem> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::parameter(pointer, "must be a string")),
    }
}

fn needed<'a>(body: &'a Value, pointer: &'static str) -> Result<&'a str, Problem> {
    text(body, pointer)?.filter(|text| !text.is_empty()).ok_or_else(|| Problem::parameter(pointer, "is missing"))
}

fn problem(refusal: Refusal) -> Problem {
    let fingerprint = "/data/attributes/fingerprint";
    match refusal {
        Refusal::FingerprintTaken => Problem::unprocessable("FINGERPRINT_TAKEN", fingerprint, "has already been taken"),
        Refusal::FingerprintConflict => Problem::unprocessable(
            "FINGERPRINT_CONFLICT",
            fingerprint,
            "must not conflict with another machine's identifier (UUID)",
        ),
        Refusal::LimitExceeded(most) => {
            let detail = format!("machine count has exceeded maximum allowed for license ({most})");
            Problem::unprocessable("MACHINE_LIMIT_EXCEEDED", "/data", detail)
        }
        Refusal::Store(error) => error.into(),
    }
}

/// The machine that the path names by its id or fingerprint: one of the bearer's license.
pub(super) fn named(api: &Api, call: &Call) -> Result<(License, Machine), Problem> {
    let license = api.bearer(call)?;
    let name = call.param("machine").unwrap_or_default();
    let machine = api.store.machine(&license.id, name)?.ok_or_else(Problem::not_found)?;
    Ok((license, machine))
}

/// `GET machines/{id}`.
pub(super) fn show(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (license, machine) = named(api, call)?;
    Ok(Answer::ok(&json!({"data": documents::machine(&license, &machine, api.now())?})))
}

/// `GET licenses/{id}/machines`.
pub(super) fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    let page = Page::read(call)?;
    let machines = api.store.machines(&license.id)?;
    let resources: Result<Vec<Value>, Problem> =
        machines.iter().map(|machine| documents::machine(&license, machine, api.now())).collect();
    Ok(Answer::ok(&json!({"data": page.of(resources?)})))
}

/// `DELETE machines/{id}`.
pub(super) fn remove(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (license, machine) = named(api, call)?;
    // It may have gone meanwhile, which is what was wanted.
    api.store.remove_machine(&license.id, &machine.id)?;
    Ok(Answer::nothing())
}

/// `POST machines/{id}/actions/ping`.
pub(super) fn ping(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (license, mut machine) = named(api, call)?;
    let now = api.now();
    api.store.ping(&machine.id, now)?;
    machine.pinged_at = Some(now);
    Ok(Answer::ok(&json!({"data": documents::machine(&license, &machine, now)?})))
}

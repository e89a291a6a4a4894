//! Licenses: how they stand, and what they hold.

use serde_json::{Map, Value, json};

use super::{
    Answer, Api, Call, Problem, documents,
    scope::Scope,
    verdict::{self, Verdict},
};
use crate::{store::License, time};

/// `POST licenses/actions/validate-key`: without authentication, so that every license has an answer.
pub(super) fn validate_key(api: &Api, call: &Call) -> Result<Answer, Problem> {
    api.bearer_if_any(call)?;
    let meta = call.meta()?;
    let key = match meta.get("key") {
        Some(Value::String(key)) => key,
        Some(_) => return Err(Problem::parameter("/meta/key", "must be a string")),
        None => return Err(Problem::parameter("/meta/key", "is missing")),
    };
    let license = api.store.license_by_key(key)?;
    answer(api, license.as_ref(), &meta)
}

/// `POST licenses/{id}/actions/validate`.
pub(super) fn validate(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    answer(api, Some(&license), &call.meta()?)
}

/// `GET licenses/{id}/actions/validate`: nothing is asked, and nothing echoed.
pub(super) fn validate_quickly(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    answer(api, Some(&license), &Map::new())
}

/// How a license stands, with what was asked.
fn answer(api: &Api, license: Option<&License>, meta: &Map<String, Value>) -> Result<Answer, Problem> {
    let now = api.now();
    let scope = Scope::read(meta.get("scope"))?;
    if meta.get("nonce").is_some_and(|nonce| !nonce.is_null() && !nonce.is_i64() && !nonce.is_u64()) {
        return Err(Problem::parameter("/meta/nonce", "must be an integer"));
    }
    let (verdict, data) = match license {
        None => (verdict::NOT_FOUND, Value::Null),
        Some(license) => {
            let machines = api.store.machines(&license.id)?;
            (verdict::judge(license, &machines, &scope, now), documents::license(license, now)?)
        }
    };
    let Verdict { is_valid, code, detail } = verdict;
    let said = json!({"ts": time::rfc3339(now), "valid": is_valid, "detail": detail, "code": code});
    let mut said = said.as_object().cloned().unwrap_or_default();
    // Back as they came, if they came.
    for name in ["nonce", "scope"] {
        let asked = meta.get(name).filter(|asked| !asked.is_null());
        said.extend(asked.map(|asked| (name.to_owned(), asked.clone())));
    }
    Ok(Answer::ok(&json!({"data": data, "meta": said})).noted(code))
}

/// `GET me`.
pub(super) fn me(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.bearer(call)?;
    Ok(Answer::ok(&json!({"data": documents::license(&license, api.now())?})))
}

/// `GET licenses/{id}`.
pub(super) fn show(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    Ok(Answer::ok(&json!({"data": documents::license(&license, api.now())?})))
}

/// `GET licenses/{id}/entitlements`: ten of them, unless the query asks for more.
pub(super) fn entitlements(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let license = api.own_license(call)?;
    let page = Page::read(call)?;
    Ok(Answer::ok(&json!({"data": page.of(documents::entitlements(&license, api.now())?)})))
}

/// Which part of a list is asked for.
pub(super) struct Page {
    size: usize,
    number: usize,
}

impl Page {
    const DEFAULT: usize = 10;
    const MOST: usize = 100;

    /// `limit`, or `page[size]` and `page[number]`.
    ///
    /// # Errors
    /// 400 for a size outside 1 to 100, and for a page before the first.
    pub(super) fn read(call: &Call) -> Result<Self, Problem> {
        let size = number(call, "page[size]")?.or(number(call, "limit")?).unwrap_or(Self::DEFAULT);
        let number = number(call, "page[number]")?.unwrap_or(1);
        if !(1..=Self::MOST).contains(&size) {
            return Err(Problem::bad("PARAMETERS_INVALID", "must be between 1 and 100").query("limit"));
        }
        if number == 0 {
            return Err(Problem::bad("PARAMETERS_INVALID", "must be 1 or more").query("page[number]"));
        }
        Ok(Self { size, number })
    }

    pub(super) fn of(&self, all: Vec<Value>) -> Vec<Value> {
        let before = self.size.saturating_mul(self.number.saturating_sub(1));
        all.into_iter().skip(before).take(self.size).collect()
    }
}

fn number(call: &Call, name: &'static str) -> Result<Option<usize>, Problem> {
    let parsed = call.query(name).map(str::parse).transpose();
    parsed.map_err(|_| Problem::bad("PARAMETERS_INVALID", "must be an integer").query(name))
}

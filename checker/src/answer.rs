//! From a decision to an answer.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use inspire_auth_core::{Code, Error};

use crate::{
    ERROR, IDENTITY, Options, STATUS,
    decide::{Decision, Grant},
};

pub(crate) type Answer = Response<Full<Bytes>>;

/// What the gateway is told.
pub(crate) fn answer(options: &Options, decision: Decision) -> Answer {
    let mut answer = match decision {
        Decision::Granted(grant) => granted(grant),
        Decision::Refused(error) => refused(options, &error),
        Decision::Unsaid => unsaid(),
    };
    // A decision is of its moment.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn granted(grant: Grant) -> Answer {
    let Grant { principal, levels } = grant;
    let mut answer = Answer::default();
    // Of nobody in particular there is nothing to say.
    let Some(name) = principal.name() else { return answer };
    let [key, id, of_levels, warning] = IDENTITY;
    put(&mut answer, key, name);
    put(&mut answer, id, &principal.id().to_string());
    if let Some(levels) = levels {
        put(&mut answer, of_levels, &levels.join(","));
    }
    if let Some(code) = principal.warning() {
        put(&mut answer, warning, code.name());
    }
    answer
}

fn refused(options: &Options, error: &Error) -> Answer {
    let code = error.code();
    let http = options.auth.http(code);
    let mut answer = Answer::default();
    let told = options.gateway.status(http.status);
    *answer.status_mut() = StatusCode::from_u16(told).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    put(&mut answer, ERROR, code.name());
    put(&mut answer, STATUS, &http.status.to_string());
    if let Some(challenge) = http.challenge {
        put(&mut answer, WWW_AUTHENTICATE.as_str(), challenge);
    }
    if let Some(seconds) = http.retry_after {
        put(&mut answer, RETRY_AFTER.as_str(), &seconds.to_string());
    }
    answer
}

/// An error of the gateway's, which no client can help: never a grant, and no refusal of anybody.
fn unsaid() -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    put(&mut answer, ERROR, Code::InvalidArgument.name());
    put(&mut answer, STATUS, "500");
    answer
}

/// Sets a header whose value is safe to be one: visible ASCII. Anything else is left out.
fn put(answer: &mut Answer, name: &'static str, value: &str) {
    let is_safe = !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if let (true, Ok(name), Ok(value)) = (is_safe, name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        answer.headers_mut().insert(name, value);
    }
}

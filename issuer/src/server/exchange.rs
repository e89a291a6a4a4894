//! One request and its answer: scripted failures, the API, the signature, the log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Uri},
    response::Response,
};
use hyper::body::Incoming;
use inspire_auth_core::{Id, license::issue::SigningKey};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::{
    Entry, Log,
    payload::{Dropped, Payload},
};
use crate::{
    api::{Api, Note, RequestId, VERSIONS},
    script::{Failure, Script},
    signature::{self, Signed},
};

/// For a request's body to arrive, and its answer to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// An answer is a file in its envelope at most.
const MAX_ANSWER: usize = 4 << 20;

/// What all connections share.
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) api: Arc<Api>,
    pub(super) script: Script,
    pub(super) log: Option<Log>,
}

/// What of a request is signed.
struct Asked {
    method: Method,
    target: String,
    host: String,
    version: &'static str,
    id: RequestId,
}

/// Answers a request.
///
/// # Errors
/// The connection is to be dropped.
pub(super) async fn exchange(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Payload>, Dropped> {
    let began = Instant::now();
    let failures = shared.script.take(request.uri().path());
    let asked = Asked::of(&request);
    let (done, route) = shared.answer(request, &asked, &failures).await;
    if let Some(log) = &shared.log {
        let failures: Vec<String> = failures.iter().map(Failure::to_string).collect();
        log(&Entry {
            method: asked.method,
            route,
            status: done.as_ref().ok().map(hyper::Response::status),
            code: done.as_ref().ok().and_then(|response| response.extensions().get::<Note>()).map(|note| note.0),
            failures: failures.join(","),
            took: began.elapsed(),
        });
    }
    done
}

impl Asked {
    fn of(request: &hyper::Request<Incoming>) -> Self {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(|authority| authority.as_str()).or(host).unwrap_or_default();
        let version = request.headers().get("keygen-version");
        let [usual, later] = VERSIONS;
        Self {
            method: request.method().clone(),
            target: target(request.uri()),
            host: signature::host_of(authority).to_ascii_lowercase(),
            version: if version.is_some_and(|version| version == later) { later } else { usual },
            id: RequestId(Id::random().map(|id| id.to_string()).unwrap_or_default()),
        }
    }
}

/// Path and query, as they came.
fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()
}

impl Shared {
    /// The answer, and the route that it is of.
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        asked: &Asked,
        failures: &[Failure],
    ) -> (Result<hyper::Response<Payload>, Dropped>, String) {
        for failure in failures {
            if let Failure::Delay(length) = failure {
                sleep(*length).await;
            }
        }
        let unknown = "-".to_owned();
        if failures.contains(&Failure::Drop) {
            return (Err(Dropped), unknown);
        }
        if let Some(response) = failures.iter().find_map(instead) {
            return (Ok(response), unknown);
        }
        let Ok(response) = timeout(PATIENCE, self.route(request, asked)).await else { return (Err(Dropped), unknown) };
        let route = response.extensions().get::<MatchedPath>().map_or(unknown, |path| path.as_str().to_owned());
        if failures.contains(&Failure::Lose) {
            return (Err(Dropped), route);
        }
        (self.finish(response, asked, failures).await, route)
    }

    /// What the API says. The route goes with it.
    async fn route(&self, request: hyper::Request<Incoming>, asked: &Asked) -> Response {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(asked.id.clone());
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Puts the signature on, and what else every answer has; and spoils what is to be spoilt.
    async fn finish(
        &self,
        response: Response,
        asked: &Asked,
        failures: &[Failure],
    ) -> Result<hyper::Response<Payload>, Dropped> {
        let (mut parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_ANSWER).await.map_err(|_| Dropped)?;
        self.seal(&mut parts.headers, asked, failures, &body);
        // That of the body before it is spoilt: the payload tells its own.
        parts.headers.remove(header::CONTENT_LENGTH);
        // A 204 has no body to be spoilt.
        let is_changed = failures.contains(&Failure::ChangedBody) && !body.is_empty();
        let body = if is_changed { Bytes::from([&body, b" ".as_slice()].concat()) } else { body };
        let is_broken = failures.contains(&Failure::TruncatedBody) && !body.is_empty();
        let payload = if is_broken { Payload::half(&body) } else { Payload::whole(body) };
        Ok(hyper::Response::from_parts(parts, payload))
    }

    fn seal(&self, headers: &mut HeaderMap, asked: &Asked, failures: &[Failure], body: &Bytes) {
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        let account = self.api.account.as_deref().unwrap_or("issuer");
        set("keygen-account", account);
        set("x-request-id", &asked.id.0);
        set("cache-control", "no-store, no-transform");
        set("keygen-version", asked.version);
        if failures.contains(&Failure::NoSignature) {
            return;
        }
        let offset = failures.iter().find_map(|failure| match failure {
            Failure::Date(seconds) => Some(*seconds),
            _ => None,
        });
        let at = (self.api.clock)().saturating_add(offset.unwrap_or(0));
        let signed = Signed { method: asked.method.as_str(), target: &asked.target, host: &asked.host, body, at };
        let another = failures.contains(&Failure::BadSignature).then(SigningKey::generate).and_then(Result::ok);
        let fields = signature::sign(signed, account, another.as_ref().unwrap_or(&self.api.key));
        for name in ["date", "keygen-date"] {
            set(name, &fields.date);
        }
        for name in ["digest", "keygen-digest"] {
            set(name, &fields.digest);
        }
        set("keygen-signature", &fields.signature);
    }
}

/// The answer of somebody in between, if that is what the failure is.
fn instead(failure: &Failure) -> Option<hyper::Response<Payload>> {
    let (status, name, value) = match failure {
        Failure::Status { status, retry_after } => {
            (StatusCode::from_u16(*status).ok()?, header::RETRY_AFTER, retry_after.map(|seconds| seconds.to_string()))
        }
        Failure::Redirect(url) => (StatusCode::TEMPORARY_REDIRECT, header::LOCATION, Some(url.clone())),
        _ => return None,
    };
    let mut response = hyper::Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = status;
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
    Some(response)
}

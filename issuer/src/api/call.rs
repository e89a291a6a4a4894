//! A request, as handlers see it.

use std::{fmt, sync::Arc};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, MatchedPath, RawPathParams, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Map, Value};

use super::{Api, Problem, VERSIONS};

/// What a request is called in its answer, for a person who looks for it.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// A request.
pub(crate) struct Call {
    pub(crate) id: RequestId,
    /// Which route it took; `None` where there is none.
    pub(super) route: Option<MatchedPath>,
    /// What stands for the variable parts of the path, decoded.
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // License keys can be anywhere in it.
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromRequest<Arc<Api>> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let id = parts.extensions.get::<RequestId>().cloned().unwrap_or(RequestId(String::new()));
        let refuse = |problem: Problem| problem.answer(&id).into_response();
        let params = match RawPathParams::from_request_parts(&mut parts, api).await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => return Err(refuse(Problem::bad("URI_INVALID", "the path is not UTF-8"))),
        };
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let route = parts.extensions.get::<MatchedPath>().cloned();
        let headers = std::mem::take(&mut parts.headers);
        let body = Bytes::from_request(Request::from_parts(parts, body), api).await;
        let body = body.map_err(|rejection| refuse(unread(&rejection)))?;
        Ok(Self { id, route, params, query, headers, body })
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(413, "PAYLOAD_TOO_LARGE", "the body is larger than 64 KiB"),
        _ => Problem::bad("JSON_INVALID", "the body broke off"),
    }
}

impl Call {
    /// Whether this is a request to this server's account, and in a language that it speaks.
    pub(super) fn check(&self, api: &Api) -> Result<(), Problem> {
        if let (Some(asked), Some(account)) = (self.param("account"), &api.account)
            && asked != account
        {
            return Err(Problem::not_found());
        }
        if self.header("keygen-version").is_some_and(|version| !VERSIONS.contains(&version)) {
            return Err(
                Problem::bad("INVALID_API_VERSION", "this server speaks versions 1.7 and 1.8").header("Keygen-Version")
            );
        }
        let wanted = self.header("keygen-accept-signature").unwrap_or_default();
        if wanted.contains("algorithm=") && !wanted.contains("algorithm=\"ed25519\"") {
            let problem = Problem::bad("HEADERS_INVALID", "answers are signed with ed25519 only");
            return Err(problem.header("Keygen-Accept-Signature"));
        }
        Ok(())
    }

    /// A variable part of the path.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A member of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A field of the header, if it is one that can be read.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, a JSON object; an empty one is one without members.
    pub(super) fn body(&self) -> Result<Map<String, Value>, Problem> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Problem::bad("JSON_INVALID", "the body is not a JSON object")),
            Err(_) => Err(Problem::bad("JSON_INVALID", "the body is not JSON")),
        }
    }

    /// `meta` of the body; without one, an object without members.
    pub(super) fn meta(&self) -> Result<Map<String, Value>, Problem> {
        match self.body()?.remove("meta") {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(meta)) => Ok(meta),
            Some(_) => Err(Problem::parameter("/meta", "must be an object")),
        }
    }
}

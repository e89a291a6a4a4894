//! Answers, and problems in the form that Keygen gives them.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use inspire_auth_core::{Code, Error};
use serde_json::{Map, Value, json};

use super::RequestId;

pub(super) const JSON_API: &str = "application/vnd.api+json";

/// What an answer amounts to, for the log: a code, never a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note(pub(crate) &'static str);

/// An answer that is not signed yet.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
    note: Option<Note>,
}

impl Answer {
    fn new(status: StatusCode, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, content_type.to_owned())];
        Self { status, headers, body: body.into(), note: None }
    }

    /// 200, with a JSON:API document.
    pub(super) fn ok(document: &Value) -> Self {
        Self::new(StatusCode::OK, JSON_API, document.to_string())
    }

    /// 201, with the resource and where it is from now on.
    pub(super) fn created(document: &Value, location: String) -> Self {
        let mut answer = Self::new(StatusCode::CREATED, JSON_API, document.to_string());
        answer.headers.push((header::LOCATION, location));
        answer
    }

    /// 204.
    pub(super) const fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), body: Vec::new(), note: None }
    }

    pub(super) fn text(content_type: &str, text: impl Into<Vec<u8>>) -> Self {
        Self::new(StatusCode::OK, content_type, text)
    }

    /// 200, with a file of this name.
    pub(super) fn file(name: &str, text: String) -> Self {
        let mut answer = Self::text("application/octet-stream", text);
        answer.headers.push((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
        answer
    }

    pub(super) const fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(Note(note));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        if let Some(note) = self.note {
            response.extensions_mut().insert(note);
        }
        response
    }
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Problem {
    status: u16,
    code: &'static str,
    detail: Cow<'static, str>,
    /// What of the request is wrong: `pointer`, `parameter` or `header`, and which.
    source: Option<(&'static str, &'static str)>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), source: None }
    }

    /// 400.
    pub(super) fn bad(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, code, detail)
    }

    /// 400, about a member of the body.
    pub(super) fn parameter(pointer: &'static str, detail: &'static str) -> Self {
        Self::bad("PARAMETERS_INVALID", detail).pointer(pointer)
    }

    /// 422, about a member of the body.
    pub(super) fn unprocessable(
        code: &'static str,
        pointer: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(422, code, detail).pointer(pointer)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource was not found")
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "INTERNAL_SERVER_ERROR", "Something went wrong on this side")
    }

    const fn pointer(mut self, pointer: &'static str) -> Self {
        self.source = Some(("pointer", pointer));
        self
    }

    pub(super) const fn query(mut self, parameter: &'static str) -> Self {
        self.source = Some(("parameter", parameter));
        self
    }

    pub(super) const fn header(mut self, name: &'static str) -> Self {
        self.source = Some(("header", name));
        self
    }

    pub(crate) fn answer(&self, id: &RequestId) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Map::new();
        error.insert("title".to_owned(), title(self.status).into());
        error.insert("detail".to_owned(), self.detail.as_ref().into());
        error.insert("code".to_owned(), self.code.into());
        if let Some((kind, which)) = self.source {
            error.insert("source".to_owned(), json!({kind: which}));
        }
        let document = json!({"meta": {"id": id.0}, "errors": [error]});
        Answer::new(status, JSON_API, document.to_string()).noted(self.code)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.code() {
            Code::NotFound => Self::not_found(),
            // Another process had the file for seconds.
            Code::StoreLocked => Self::new(503, "SERVICE_UNAVAILABLE", "The server is busy"),
            _ => Self::internal(),
        }
    }
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad request",
        401 => "Unauthorized",
        403 => "Access denied",
        404 => "Not found",
        413 => "Payload too large",
        422 => "Unprocessable resource",
        503 => "Service unavailable",
        _ => "Internal server error",
    }
}

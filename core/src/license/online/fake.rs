//! A licensing server without a network, for tests.

use std::{sync::Mutex, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    cancel::Cancel,
    http_date,
    transport::{HttpRequest, HttpResponse, Transport},
};
use crate::{
    error::{Code, Error, Result},
    license::issue::SigningKey,
};

pub(super) const NOW: i64 = 1_800_000_000;

/// A licensing server without a network: what it knows, and what it was asked.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) state: Mutex<State>,
    pub(super) cancel: Cancel,
    /// During which call it is cancelled, counted from 1; 0: during none.
    cancelled_by: usize,
}

#[derive(Debug)]
pub(super) struct State {
    /// The code of a validation.
    pub(super) code: &'static str,
    pub(super) is_registered: bool,
    /// The server's clock, Unix seconds.
    pub(super) clock: i64,
    /// What a check-out gives.
    pub(super) file: String,
    pub(super) asked: Vec<String>,
    /// Answers to be given first, whatever is asked.
    pub(super) script: Vec<Result<HttpResponse, Code>>,
}

pub(super) fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(super) fn plain(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpResponse { status, headers, body: body.as_bytes().to_vec() }
}

/// What an answer's signature is about, and by whom it is made.
pub(super) struct Seal<'a> {
    pub(super) key: SigningKey,
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) host: &'a str,
    pub(super) clock: i64,
}

impl<'a> Seal<'a> {
    /// As the honest server makes it of an answer to `request`.
    pub(super) fn of(request: &'a HttpRequest, clock: i64) -> Self {
        let target = request.url.strip_prefix("https://h.example").unwrap();
        Self { key: signer(), method: request.method, target, host: "h.example", clock }
    }

    pub(super) fn put_on(&self, body: &str) -> HttpResponse {
        let (date, digest) = (http_date::format(self.clock), STANDARD.encode(Sha256::digest(body.as_bytes())));
        let (method, target, host) = (self.method.to_ascii_lowercase(), self.target, self.host);
        let message =
            format!("(request-target): {method} {target}\nhost: {host}\ndate: {date}\ndigest: sha-256={digest}");
        let signature = STANDARD.encode(self.key.sign(message.as_bytes()));
        let field = format!(
            r#"keyid="acme", algorithm="ed25519", signature="{signature}", headers="(request-target) host date digest""#
        );
        plain(200, &[("Date", &date), ("Keygen-Signature", &field)], body)
    }
}

impl Fake {
    pub(super) fn new(code: &'static str, is_registered: bool) -> Self {
        let state = State {
            code,
            is_registered,
            clock: NOW,
            file: "a machine file".to_owned(),
            asked: Vec::new(),
            script: Vec::new(),
        };
        Self { state: Mutex::new(state), cancel: Cancel::default(), cancelled_by: 0 }
    }

    pub(super) fn scripted(self, script: impl IntoIterator<Item = Result<HttpResponse, Code>>) -> Self {
        self.state.lock().unwrap().script = script.into_iter().collect();
        self
    }

    pub(super) fn cancelled_by_call(mut self, number: usize) -> Self {
        self.cancelled_by = number;
        self
    }

    /// What was asked, and forgets it.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

impl Transport for Fake {
    fn send(&self, request: &HttpRequest, _: Instant, _: &Cancel) -> Result<HttpResponse> {
        let mut state = self.state.lock().unwrap();
        let target = request.url.strip_prefix("https://h.example/v1/").unwrap().split('?').next().unwrap();
        state.asked.push(format!("{} {target}", request.method));
        if state.asked.len() == self.cancelled_by {
            self.cancel.cancel();
        }
        if !state.script.is_empty() {
            return state.script.remove(0).map_err(Error::new);
        }
        let meta: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        Ok(match (request.method, target) {
            ("POST", "licenses/actions/validate-key") => {
                let code = match state.code {
                    "VALID" if !state.is_registered => "FINGERPRINT_SCOPE_MISMATCH",
                    code => code,
                };
                let license = match code {
                    "NOT_FOUND" => Value::Null,
                    _ => json!({"type": "licenses", "id": "l1", "attributes": {"key": meta["meta"]["key"]}}),
                };
                let meta = json!({
                    "valid": code == "VALID", "code": code, "detail": "so it is",
                    "nonce": meta["meta"]["nonce"], "scope": meta["meta"]["scope"],
                });
                Seal::of(request, state.clock).put_on(&json!({"data": license, "meta": meta}).to_string())
            }
            ("POST", "machines") if state.is_registered => {
                plain(422, &[], r#"{"errors": [{"code": "FINGERPRINT_TAKEN"}]}"#)
            }
            ("POST", "machines") => {
                state.is_registered = true;
                plain(201, &[], "{}")
            }
            ("POST", "machines/fp/actions/check-out") if state.is_registered => {
                plain(200, &[], &json!({"data": {"attributes": {"certificate": state.file}}}).to_string())
            }
            ("DELETE", machine) if state.is_registered && machine.starts_with("machines/") => {
                state.is_registered = false;
                plain(204, &[], "")
            }
            _ => plain(404, &[], r#"{"errors": [{"code": "NOT_FOUND"}]}"#),
        })
    }
}

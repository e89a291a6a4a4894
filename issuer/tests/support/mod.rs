//! A server of its own, and a client that believes nothing: each answer's signature is checked by other code than made it.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use inspire_auth_core::license::issue::SigningKey;
use inspire_auth_issuer::{License, NewLicense, Options, Running, Server, Store};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::{Agent, http::Request};

/// The account that the server is for.
pub const ACCOUNT: &str = "acme";

/// A server with a clock that a test can set.
pub struct Site {
    pub server: Running,
    pub clock: Arc<AtomicI64>,
    agent: Agent,
}

/// The vendor's key.
pub fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub fn system_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// What a client is told.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let first = found.next();
        assert_eq!(found.next(), None, "{name} stands twice");
        first
    }

    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the one error, or of a validation.
    pub fn code(&self) -> String {
        let document = self.document();
        let code = if self.status < 400 { &document["meta"]["code"] } else { &document["errors"][0]["code"] };
        code.as_str().unwrap_or_else(|| panic!("{document}")).to_owned()
    }

    /// Whether the vendor's key made the signature, over this request and this body; and when.
    pub fn is_signed(&self, method: &str, target: &str, host: &str) -> bool {
        let (Some(signature), Some(date)) = (self.header("keygen-signature"), self.header("date")) else {
            return false;
        };
        assert_eq!(self.header("keygen-date"), Some(date));
        let digest = format!("sha-256={}", STANDARD.encode(Sha256::digest(&self.body)));
        let start = format!("keyid=\"{ACCOUNT}\", algorithm=\"ed25519\", signature=\"");
        let rest = signature.strip_prefix(&start).unwrap();
        let signature = rest.strip_suffix("\", headers=\"(request-target) host date digest\"").unwrap();
        let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
        let message = format!(
            "(request-target): {} {target}\nhost: {host}\ndate: {date}\ndigest: {digest}",
            method.to_ascii_lowercase()
        );
        let key = VerifyingKey::from_bytes(&signer().public().to_bytes()).unwrap();
        let is_good = key.verify_strict(message.as_bytes(), &signature).is_ok();
        assert!(!is_good || self.header("digest") == Some(&digest) && self.header("keygen-digest") == Some(&digest));
        is_good
    }
}

impl Site {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(AtomicI64::new(system_now()));
        let mut options = Options::new(Store::in_memory().unwrap(), signer());
        options.account = Some(ACCOUNT.to_owned());
        let hands = Arc::clone(&clock);
        options.clock = Arc::new(move || hands.load(Ordering::Relaxed));
        change(&mut options);
        let server = Server::start(options).unwrap();
        Self { server, clock, agent: agent() }
    }

    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn license(&self, change: impl FnOnce(&mut NewLicense)) -> License {
        let mut new = NewLicense {
            name: Some("Plant 3".to_owned()),
            product: Some("gateway".to_owned()),
            max_machines: Some(2),
            limits: [("MAX_DISPLAYS".to_owned(), 4)].into(),
            entitlements: vec!["MFA".to_owned(), "AI".to_owned()],
            ..NewLicense::default()
        };
        change(&mut new);
        self.server.store().create(&new, self.now()).unwrap()
    }

    /// Sends, and takes what comes. `target` begins behind `/v1`.
    pub fn try_send(&self, method: &str, target: &str, key: Option<&str>, body: &str) -> Result<Reply, ureq::Error> {
        self.send_with(method, target, &[("authorization", key.map(|key| format!("License {key}")))], body)
    }

    pub fn send_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, Option<String>)],
        body: &str,
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.server.url()));
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(*name, value);
            }
        }
        let mut response = match method {
            "GET" | "DELETE" => self.agent.run(request.body(()).unwrap())?,
            _ => self.agent.run(request.body(body.to_owned()).unwrap())?,
        };
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Reply { status: response.status().as_u16(), headers, body: response.body_mut().read_to_vec()? })
    }

    /// Sends, and believes the answer: it must be signed.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, key: Option<&str>, body: &str) -> Reply {
        let reply = self.try_send(method, target, key, body).unwrap();
        assert!(reply.is_signed(method, &format!("/v1{target}"), "127.0.0.1"), "{reply:?}");
        assert_eq!(reply.header("keygen-version"), Some("1.7"));
        reply
    }
}

/// A client that asks nobody else for the way.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .new_agent()
}

//! What carries a request to the licensing server and brings its answer.

use std::{fmt, time::Instant};

use super::cancel::Cancel;
use crate::error::{Code, Result};

/// The most bytes of an answer's body. A validation takes some kilobytes, a machine file in its envelope at most some
/// hundred.
pub const MAX_BODY: usize = 1 << 20;

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Absolute. To be sent byte for byte: the answer's signature covers path and query.
    pub url: String,
    /// Names in lower case. `authorization` has the license key.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The license key is in the headers, in the body, and may be in the path.
        f.debug_struct("HttpRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// As they arrived, repeated ones as often.
    pub headers: Vec<(String, String)>,
    /// After any transfer coding; at most [`MAX_BODY`].
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Whether a transport may end with this code; a host's that says anything else has found no connection.
#[must_use]
pub const fn is_transports(code: Code) -> bool {
    matches!(
        code,
        Code::NetworkDns
            | Code::NetworkConnect
            | Code::NetworkTls
            | Code::NetworkProxy
            | Code::NetworkTimeout
            | Code::NetworkPolicy
            | Code::ServerAnswerMalformed
            | Code::Cancelled
    )
}

/// Carries requests. A host that must not open sockets itself, or has a client of its own, brings one.
///
/// It follows no redirect, keeps no cookie, asks for no compression, and gives up at the deadline.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends a request and waits for its whole answer, until `deadline`. It may end earlier once `cancel` is cancelled
    /// ([`Cancel::interrupting`]): with whatever, which is dropped.
    ///
    /// # Errors
    /// `NETWORK_DNS`, `NETWORK_CONNECT`, `NETWORK_TLS`, `NETWORK_PROXY`, `NETWORK_TIMEOUT`, `NETWORK_POLICY`; and
    /// `SERVER_ANSWER_MALFORMED` for what is no HTTP, or longer than [`MAX_BODY`]. An answer of any status is no error.
    fn send(&self, request: &HttpRequest, deadline: Instant, cancel: &Cancel) -> Result<HttpResponse>;
}

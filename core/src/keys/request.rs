//! What a host asks about one request.

use super::levels::Requirement;

/// The channel that a request came through, as the host says it is. Never read from a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channel {
    /// Anyone on the way may have read the secret.
    #[default]
    Plain,
    /// TLS, ended here or by a trusted proxy.
    Secure,
    /// Loopback or a Unix socket; satisfies `require_secure` only with `Options::local_is_secure`.
    Local,
}

/// Header lines in whatever shape a host keeps them, so that a check need not copy them into another.
pub trait HeaderLines {
    /// Line `index`, counted from 0, as (name, value); `None` behind the last.
    fn line(&self, index: usize) -> Option<(&[u8], &[u8])>;
}

/// The headers of a request, raw: never a joined map.
#[derive(Clone, Copy)]
pub enum Presented<'a> {
    /// All (name, value) pairs, as received; only the ones that carry credentials are looked at.
    Headers(&'a [(&'a [u8], &'a [u8])]),
    /// The same, read where they lie.
    Lines(&'a dyn HeaderLines),
    /// The one value of the one `Authorization` header, for hosts that have already picked it out.
    Authorization(&'a [u8]),
    /// The one value of the one `X-Ignition-API-Token` header.
    Legacy(&'a [u8]),
}

/// One request to be decided.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The headers.
    pub presented: Presented<'a>,
    /// The channel; `Plain` unless the host says otherwise.
    pub channel: Channel,
    /// What is required. "Any valid key" is `Authenticated`, "everyone" is `Public`.
    pub requirement: &'a Requirement,
    /// An entitlement that the license must hold as well.
    pub entitlement: Option<&'a str>,
    /// Unix seconds; `None` or 0 is the system's clock.
    pub now: Option<i64>,
}

impl<'a> Request<'a> {
    /// A request over a plain channel, needing no entitlement, now.
    #[must_use]
    pub const fn new(presented: Presented<'a>, requirement: &'a Requirement) -> Self {
        Self { presented, channel: Channel::Plain, requirement, entitlement: None, now: None }
    }
}

//! The checker: what a gateway asks over HTTP before it lets a request through.
//!
//! nginx (`auth_request`), Envoy (`ext_authz`), Caddy and Traefik (`forward_auth`) and HAProxy each send the head of a request to a
//! small server beside them, and go by its status. This is that server, on a Unix socket or a loopback port:
//!
//! | module | its one idea |
//! |---|---|
//! | `gateway` | what each gateway says of a request, and which answers it understands |
//! | `decide` | from a request's head to a decision |
//! | `answer` | from a decision to an answer |
//! | `listen` | where it listens, and who may connect |
//! | `serve` | connections: taken, served, and ended in good order |
//!
//! **Deny by default.** Only a granted request is answered with 200, and only that answer names anybody. What a gateway forgot to
//! say is an error, never a grant; the request's own path is not looked at, unless the gateway is one that sends the client's.

mod answer;
mod decide;
mod gateway;
mod listen;
mod serve;

use inspire_auth_core::{InspireAuth, keys::Requirement, routes::Routes};

pub use gateway::Gateway;
pub use listen::Listen;
pub use serve::{Running, start};

/// The headers that a granted answer may have. A gateway takes them off every request of a client, and puts these in their place.
pub const IDENTITY: [&str; 4] = ["X-Inspire-Key", "X-Inspire-Key-Id", "X-Inspire-Levels", "X-Inspire-Warning"];
/// Says which code a refusal has, for a gateway's log: `INVALID_CREDENTIAL`, never why.
pub const ERROR: &str = "X-Inspire-Auth-Error";
/// The status that the code has, where the gateway is answered with another one.
pub const STATUS: &str = "X-Inspire-Auth-Status";

/// What is required of a request.
#[derive(Debug, Clone)]
pub enum Guard {
    /// What the table says of its method and path.
    Routes(Routes),
    /// The same of every request.
    All {
        /// The levels.
        requirement: Requirement,
        /// An entitlement that the license must hold as well.
        entitlement: Option<String>,
    },
}

/// How the client reached the gateway: the checker itself is asked by the gateway alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// Not over TLS, or not known: keys that require a secure channel are refused.
    #[default]
    Plain,
    /// The gateway takes TLS connections only.
    Secure,
    /// As `X-Forwarded-Proto` says, which the gateway sets on every request.
    Forwarded,
}

/// What a checker is told.
#[derive(Debug)]
pub struct Options {
    /// Keys and license.
    pub auth: InspireAuth,
    /// What is required.
    pub guard: Guard,
    /// Who asks.
    pub gateway: Gateway,
    /// How clients reach it.
    pub arrival: Arrival,
    /// Where it is asked.
    pub listen: Listen,
    /// Where `/metrics` is served, if anywhere: never where it is asked, since a client may choose the path there.
    pub metrics: Option<std::net::SocketAddr>,
    /// Whether a granted answer lists the key's levels.
    pub levels: bool,
}

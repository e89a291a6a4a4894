//! Online licensing: activation, re-validation and release by a licensing server that speaks Keygen's API.
//!
//! * `cancel` ends a call from another thread.
//! * `transport` carries one request; the host may bring its own, or else it is `http`'s.
//! * `server` is where the server is, and what the host allows.
//! * `signature` decides whether an answer is the server's own, by dates as `http_date` reads them.
//! * `protocol` builds the calls, and reads what their answers say.
//! * `session` makes an errand of them: which call is next, and what it amounts to.
//! * `schedule` says when it is to be asked again.
//! * `keeper` does what is due by itself, where the host wants that.
//! * `probe` looks at a server step by step, for people.
//! * `errands` runs one for a handle, and applies what it brings back.

mod cancel;
mod errands;
#[cfg(test)]
mod fake;
#[cfg(test)]
#[cfg(feature = "online")]
mod hostile;
#[cfg(feature = "online")]
mod http;
mod http_date;
mod keeper;
mod probe;
mod protocol;
mod schedule;
mod server;
mod session;
mod signature;
mod tick;
mod transport;

pub use cancel::Cancel;
pub(super) use errands::Online;
pub(super) use keeper::Keeper;
pub(crate) use keeper::Kept;
pub use probe::{Finding, Probe, Stage, activation_requests, probe};
pub use server::{Proxy, Server};
pub use tick::Tick;
pub use transport::{HttpRequest, HttpResponse, MAX_BODY, Transport, is_transports};

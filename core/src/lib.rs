//! API keys and licensing, decided in-process.
//!
//! One handle, [`InspireAuth`], answers two questions: *who is calling, and may they* ([`InspireAuth::authenticate`],
//! [`InspireAuth::keys`]) and *what is this installation licensed for* ([`InspireAuth::license`]).
//!
//! ```
//! use inspire_auth_core::{InspireAuth, Options, StoreLocation, keys::{Caller, Channel, NewKey, Presented, Request}};
//!
//! let auth = InspireAuth::open(Options::new(StoreLocation::Memory))?;
//! let created = auth.keys().create(&NewKey::named("reporting"), &Caller::system())?;
//! let header = format!("Bearer {}", created.credential().as_str());
//!
//! let anyone = auth.requirement(&"any(Authenticated)".parse()?)?;
//! let mut request = Request::new(Presented::Authorization(header.as_bytes()), &anyone);
//! request.channel = Channel::Secure;
//! assert_eq!(auth.authenticate(&request)?.name(), Some("reporting"));
//! # Ok::<(), inspire_auth_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // an overflow in a test is a failed test

pub mod audit;
mod auth;
mod clerk;
mod clock;
mod error;
mod id;
pub mod keys;
pub mod license;
mod lock;
mod metrics;
mod options;
mod per_process;
pub mod routes;
mod seqlock;
pub mod store;
mod watch;

pub use auth::{HttpAnswer, InspireAuth};
pub use error::{Code, Entry, Error, Result, TABLE};
pub use id::Id;
pub use options::{
    AuditFailure, AuditFile, AuditSink, Enforcement, HashParameters, LevelMode, Options, Pepper, PostgresUrl,
    StoreLocation,
};

/// The version of the library, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of the C ABI. Inside one, things are only added.
pub const ABI_VERSION: u32 = 1;

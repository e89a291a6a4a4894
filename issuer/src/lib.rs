//! The reference licensing server: Keygen's API, as far as the library asks for it, on an SQLite file.
//!
//! For development, tests and small vendors; large ones run Keygen itself, whose clients can't tell the two apart.
//!
//! * [`Store`] is what the server knows: licenses, their entitlements and limits, and the machines that use them. A
//!   vendor's tools change it while the server runs.
//! * `api` is what a request means: a function from the store and a call to an answer.
//! * `signature` signs every answer, so that a client believes it; [`Script`] spoils some on purpose, for tests.
//! * [`Server`] is the listening socket, with TLS where it has a certificate.
//!
//! ```
//! use inspire_auth_core::license::issue::SigningKey;
//! use inspire_auth_issuer::{NewLicense, Options, Server, Store};
//!
//! let options = Options::new(Store::in_memory()?, SigningKey::generate()?);
//! let license = options.store.create(&NewLicense::default(), 1_800_000_000)?;
//! let server = Server::start(options)?;
//! println!("http://{}/v1 knows {} license(s)", server.addr(), server.store().licenses()?.len());
//! server.stop();
//! # Ok::<(), inspire_auth_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // an overflow in a test is a failed test

mod api;
mod script;
mod server;
mod signature;
mod store;
mod time;

pub use script::{Failure, Script, Step};
pub use server::{Clock, Entry, Log, Options, Running, Server, Tls};
pub use store::{License, Machine, NewLicense, Refusal, Store};

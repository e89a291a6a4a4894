//! The native half of the Node.js package `inspire-auth`.
//!
//! | module | its one idea |
//! |---|---|
//! | `environment` | what one environment (the main thread, a worker) has of its own |
//! | `boundary` | errors and panics become JavaScript errors; work becomes a promise |
//! | `threads` | where the work of promises runs: never on libuv's pool |
//! | `raw` | Node-API called directly: the warm check, and the way back to the event loop |
//! | `calls`, `transport` | calls that a signal ends; the host's own way to the licensing server |
//! | `arguments`, `by`, `options` | JavaScript values become typed values, once, at the door |
//! | `handle`, `principals` | an open store, and the objects it has handed out |
//! | the others | one subject of the public surface each; their comments are `index.d.ts` |
#![deny(unsafe_code)]
// Node-API hands values over by value, and napi-rs's macros need them so.
#![allow(clippy::needless_pass_by_value)]

#[macro_use]
mod boundary;

mod arguments;
mod audit;
mod audit_file;
mod auth;
mod by;
mod calls;
mod credits;
mod environment;
mod errors;
mod handle;
mod inspection;
mod issue;
mod keys;
mod license;
mod license_online;
mod machine;
mod options;
mod principals;
mod proxies;
mod raw;
mod requirement;
mod routes;
mod server;
mod signed_key;
mod store;
mod threads;
mod transport;

use napi_derive::napi;

/// The version of the library, such as `0.1.0`.
#[napi]
pub const VERSION: &str = inspire_auth_core::VERSION;
/// The version of the C ABI. Inside one, things are only added.
#[napi]
pub const ABI_VERSION: u32 = inspire_auth_core::ABI_VERSION;

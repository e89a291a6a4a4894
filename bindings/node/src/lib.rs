//! The native half of the Node.js package `inspire-auth`.
#![deny(unsafe_code)]

use napi_derive::napi;

/// The version of the library, such as `0.1.0`.
#[napi]
pub const VERSION: &str = inspire_auth_core::VERSION;

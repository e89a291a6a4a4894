//! Node-API called directly: what is asked all the time, where napi-rs would cost more than the answer, and the way from any
//! thread back to an event loop. The only module with `unsafe`.
#![allow(unsafe_code)]

mod error;
mod function;
mod kept;
mod mailbox;
mod promise;
mod questions;
mod short;
mod text;
mod warm;

pub(crate) use error::throw;
pub(crate) use kept::{Kept, call, call_with};
pub(crate) use mailbox::Mailbox;
pub(crate) use promise::Deferred;
pub(crate) use questions::{grants_function, limit_function};
pub(crate) use text::{header_bytes, instance, is_instance};
pub(crate) use warm::warm_function;

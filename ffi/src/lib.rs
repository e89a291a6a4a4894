//! The C ABI of libinspire_auth: nothing but translation. The manual of every function is `include/inspire_auth.h`,
//! which is generated from the comments here.
//!
//! # Safety
//! One contract holds for every export, and the header states it once, in its introduction ("Pointers"): a pointer is
//! NULL, or aligned and valid for what the function's comment says it does with it, for as long as the call lasts;
//! handles come from this library, have the right type, and are freed once, while no other call uses them. What can be
//! checked (NULL, alignment, lengths, UTF-8, enumerators, structure sizes) is checked, in `ptr`.
#![deny(missing_docs)]
// C's names, so that the generated header and this source read alike.
#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc, reason = "one contract for all exports, stated above and in the header")]
// An `extern "C"` function is called by its C name, not by its path.
#![allow(clippy::must_use_candidate)]

mod boundary;
mod ptr;

// In the order in which the header shows them: from what everybody needs to what few do.
mod error;
mod result;
mod text;
mod version;

mod auth;
mod options;
mod requirement;
mod routes;
mod server;

mod principal;
mod request;
mod ticket;

mod audit;
mod caller;

mod proxies;

mod key;
mod key_manage;
mod key_spec;

mod entitlement;
mod license;
mod license_keys;
mod license_manage;
mod license_online;
mod limit;

mod credits;

mod inspection;
mod machine;
mod signed_key;

mod issue;
mod metrics;
mod store;

pub use audit::*;
pub use auth::*;
pub use caller::*;
pub use credits::*;
pub use entitlement::*;
pub use error::*;
pub use inspection::*;
pub use issue::*;
pub use key::*;
pub use key_manage::*;
pub use key_spec::*;
pub use license::*;
pub use license_keys::*;
pub use license_manage::*;
pub use license_online::*;
pub use limit::*;
pub use machine::*;
pub use metrics::*;
pub use options::*;
pub use principal::*;
pub use proxies::*;
pub use request::*;
pub use requirement::*;
pub use result::*;
pub use routes::*;
pub use server::*;
pub use signed_key::*;
pub use store::*;
pub use text::*;
pub use ticket::*;
pub use version::*;

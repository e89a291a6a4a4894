//! API keys: records, credentials, levels, and the decision about one request.

mod actor;
pub mod levels;
mod principal;

pub(crate) use actor::Need;
pub use actor::{Actor, Caller};
pub use principal::Principal;

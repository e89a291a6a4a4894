//! API keys: records, credentials, levels, and the decision about one request.

mod activity;
mod actor;
mod authenticate;
mod budget;
mod credential;
mod denial;
mod foresee;
mod generate;
mod hash;
mod import;
mod index;
mod judge;
pub mod levels;
mod mac;
mod manage;
mod name;
mod phc;
mod pool;
mod principal;
mod proxies;
mod reconcile;
mod record;
mod request;
mod seal;
mod spec;
mod ticket;

#[cfg(test)]
mod tests;

pub use actor::{Actor, Caller};
pub use credential::LEGACY_HEADER;
pub use levels::{Requirement, RequirementSpec};
pub use manage::{Keys, MAX_OVERLAP};
pub use principal::Principal;
pub use proxies::TrustedProxies;
pub use record::{Created, KeyRecord};
pub use request::{Channel, HeaderLines, Presented, Request};
pub use spec::{Import, ImportFormat, KeyUpdate, ListFilter, NewKey};
pub use ticket::{Attempt, Ticket};

pub(crate) use activity::{Activity, Draft};
pub(crate) use actor::{Authority, Need};
pub(crate) use foresee::Bearer;
pub(crate) use generate::PREFIX as KEY_PREFIX;
pub(crate) use hash::Hasher;
pub(crate) use index::{Compiler, Found, Index};
pub(crate) use mac::{ProcessMac, Tagger};
pub(crate) use pool::{Pool, PoolStats};
pub(crate) use seal::Sealer;

//! Online licensing: activation, re-validation and release by a licensing server that speaks Keygen's API.
//!
//! * `signature` decides whether an answer is the server's own.

mod http_date;
mod signature;

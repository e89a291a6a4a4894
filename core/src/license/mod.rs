//! Licensing: what this installation is licensed for, as a signed file says.
mod armour;
pub mod catalogue;
mod checks;
mod envelope;
mod hex;
mod inspect;
pub mod issue;
mod json;
pub mod keys;
pub mod limits;
mod open;
mod payload;
mod secret;
mod time;
#[cfg(test)]
mod vectors;

pub use armour::{Kind, MAX_FILE_BYTES};
pub use catalogue::{CATALOGUE, Entitlement};
pub use inspect::{InspectOptions, Inspection, LicenseView, inspect};

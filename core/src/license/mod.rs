//! Licensing: what this installation is licensed for.
//!
//! What the library believes is always a *signed file, verified now, from its own bytes, with this process's own trusted
//! keys*: a license or machine file as Keygen issues them. A file is read in an order that the types make unskippable:
//!
//! ```text
//! Armour -> Envelope -> Verified -> Opened -> Payload -> Checks
//! ```
//!
//! Nothing is decoded, decrypted or parsed before the signature holds, and what can change with time is judged at each
//! query. [`inspect()`] does all of it without installing anything; [`License`] is what is installed; [`issue`] is the
//! vendor's side.

mod activate;
mod armour;
mod board;
pub mod catalogue;
mod checks;
mod credits;
mod deactivate;
mod envelope;
pub(crate) mod hex;
mod inspect;
pub mod issue;
mod json;
pub mod keys;
pub mod limits;
pub mod machine;
pub mod online;
mod open;
mod payload;
mod request;
mod reveal;
mod secret;
mod seen;
mod signed_key;
mod state;
mod statement;
mod status;
pub(crate) mod time;
#[cfg(test)]
mod vectors;
mod warnings;

pub use armour::{Kind, MAX_FILE_BYTES};
pub use catalogue::{CATALOGUE, Entitlement};
pub use credits::{Balance, Tenant};
pub use deactivate::{Deactivation, Release};
pub use inspect::{InspectOptions, Inspection, LicenseView, inspect};
pub use machine::MachineIdentity;
pub(crate) use online::Kept;
pub(crate) use seen::Seen;
pub use signed_key::{SignedKey, is_signed};
pub(crate) use state::LicenseHalf;
pub use status::{Mode, State, Status};
pub use warnings::Warning;

use crate::{
    auth::Inner,
    clock,
    error::{Code, Error, Result},
};

/// The license of a handle. Every query sees each change, by any process, that returned before it; `now` is Unix
/// seconds, and `None` or 0 is the system's clock.
#[derive(Debug, Clone, Copy)]
pub struct License<'a> {
    pub(crate) inner: &'a Inner,
}

impl License<'_> {
    /// What is installed, and whether it is good.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn status(&self, now: Option<i64>) -> Result<Status> {
        self.inner.refresh()?;
        let mut status = self.inner.license.status(clock::resolve(now));
        // A host that brings its own time says nothing about the system's.
        if clock::given(now).is_none() {
            self.inner.seen.look();
            if status.state != State::Unlicensed && self.inner.seen.is_suspect() {
                status.warn_of_clock();
            }
        }
        Ok(status)
    }

    /// Whether an entitlement is granted; its code in any case. Without an active license nothing is.
    ///
    /// # Errors
    /// A `STORE_*` code.
    #[inline]
    pub fn has_entitlement(&self, code: &str, now: Option<i64>) -> Result<bool> {
        self.inner.refresh()?;
        Ok(self.inner.license.gate(code, clock::resolve(now)).is_ok())
    }

    /// [`License::has_entitlement`] from memory alone: at once, or not at all.
    ///
    /// `None` when something slow comes first: the store has changed, or is to be asked. Then
    /// [`License::has_entitlement`] answers, where waiting is allowed. This is for hosts that hold a lock which a slow
    /// call must let go, such as an interpreter's.
    #[inline]
    #[must_use]
    pub fn has_entitlement_warm(&self, code: &str, now: Option<i64>) -> Option<bool> {
        self.is_fresh().then(|| self.inner.license.gate(code, clock::resolve(now)).is_ok())
    }

    /// [`License::limit`] from memory alone, as [`License::has_entitlement_warm`].
    #[inline]
    #[must_use]
    pub fn limit_warm(&self, name: &str, now: Option<i64>) -> Option<i64> {
        self.is_fresh().then(|| self.inner.license.limit(name, clock::resolve(now)).unwrap_or(0))
    }

    #[inline]
    fn is_fresh(&self) -> bool {
        matches!(self.inner.is_fresh(false), Ok(true))
    }

    /// As [`License::has_entitlement`], for a gate: a refusal says why.
    ///
    /// # Errors
    /// `NOT_ENTITLED` when the license is active without it, `UNLICENSED` when there is none, else the license's first
    /// failure; a `STORE_*` code.
    #[inline]
    pub fn check_entitlement(&self, code: &str, now: Option<i64>) -> Result<()> {
        self.inner.refresh()?;
        self.inner.license.gate(code, clock::resolve(now)).map_err(Error::new)
    }

    /// A limit by name, in any case: -1 is unlimited, and 0 is what a license that is not active, or does not name the
    /// limit, allows.
    ///
    /// # Errors
    /// A `STORE_*` code.
    #[inline]
    pub fn limit(&self, name: &str, now: Option<i64>) -> Result<i64> {
        self.inner.refresh()?;
        Ok(self.inner.license.limit(name, clock::resolve(now)).unwrap_or(0))
    }

    /// Whether `in_use` of something, the new one included, is within its limit.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`; its detail names the reason when the license is not active. `INVALID_ARGUMENT` for a negative
    /// number, a `STORE_*` code.
    pub fn check_limit(&self, name: &str, in_use: i64, now: Option<i64>) -> Result<()> {
        if in_use < 0 {
            return Err(Error::with(Code::InvalidArgument, "in_use is negative"));
        }
        self.inner.refresh()?;
        let limit = self.inner.license.limit(name, clock::resolve(now));
        match limit {
            Ok(limits::UNLIMITED) => Ok(()),
            Ok(limit) if in_use <= limit => Ok(()),
            Ok(_) => Err(Error::new(Code::LimitExceeded)),
            Err(_) if in_use == 0 => Ok(()),
            Err(reason) => {
                Err(Error::with(Code::LimitExceeded, format!("the license is not active: {}", reason.name())))
            }
        }
    }

    /// The catalogue of ten, then what else is granted.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn entitlements(&self, now: Option<i64>) -> Result<Vec<Entitlement>> {
        Ok(catalogue::table(&self.status(now)?.entitlements))
    }

    /// Which machine this is, as files name it.
    ///
    /// # Errors
    /// `FINGERPRINT_UNAVAILABLE`.
    pub fn machine(&self) -> Result<MachineIdentity> {
        self.inner.license.machine()
    }
}

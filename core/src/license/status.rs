//! What the license says now, in the words of a status page.

use std::collections::BTreeMap;

use super::{
    inspect::with_known_names,
    state::{Installed, Readable},
    warnings::{self, Warning},
};
use crate::{error::Code, store::LicenseEvent};

/// Whether the license may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// No license is installed.
    Unlicensed,
    /// The license is good.
    Active,
    /// The license, or its file, has expired.
    Expired,
    /// The vendor has suspended the license.
    Suspended,
    /// The license can't be used for another reason.
    Invalid,
}

impl State {
    /// Lower case, such as `active`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unlicensed => "unlicensed",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Suspended => "suspended",
            Self::Invalid => "invalid",
        }
    }

    /// The state that follows from the first failure.
    fn of(failure: Option<Code>) -> Self {
        match failure {
            None => Self::Active,
            Some(Code::Unlicensed) => Self::Unlicensed,
            Some(Code::LicenseFileExpired | Code::LicenseExpired) => Self::Expired,
            Some(Code::LicenseSuspended) => Self::Suspended,
            Some(_) => Self::Invalid,
        }
    }
}

/// How the license was activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Against a licensing server, which gave a lease.
    Online,
    /// From a file.
    Offline,
}

impl Mode {
    /// `online` or `offline`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }

    /// Reads the stored text; what is not `online` is judged as `offline`, which asks for more.
    pub(super) fn parse(text: &str) -> Self {
        if text == Self::Online.as_str() { Self::Online } else { Self::Offline }
    }
}

/// The license as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether the license may be used.
    pub state: State,
    /// Why not: the first check that fails, or `UNLICENSED`; `None` when the license is active.
    pub reason: Option<Code>,
    /// The license's name.
    pub name: Option<String>,
    /// The license key, masked: `********` and its last 4 characters.
    pub key: Option<String>,
    /// How it was activated.
    pub mode: Option<Mode>,
    /// Unix seconds at which the license ends; `None` is never.
    pub expires_at: Option<i64>,
    /// Unix seconds at which the installed file ends, for whatever reason; `None` is never.
    pub lease_expires_at: Option<i64>,
    /// Unix seconds of the last installation or successful validation.
    pub last_validated_at: Option<i64>,
    /// The last try to reach the licensing server, if it failed: why, and when (Unix seconds). It changes nothing else.
    pub last_attempt: Option<LicenseEvent>,
    /// Effective limits by name, the three known ones always among them: all 0 unless the license is active; -1 is
    /// unlimited.
    pub limits: BTreeMap<String, i64>,
    /// Granted codes in byte order; empty unless the license is active.
    pub entitlements: Vec<String>,
    /// What will need attention.
    pub warnings: Vec<Warning>,
}

impl Status {
    /// The status of what is installed, at `now`.
    pub(super) fn of(installed: Option<&Installed>, now: i64) -> Self {
        let Some(installed) = installed else { return Self::nothing_installed() };
        let reason = installed.failure(now);
        let active = reason.is_none();
        let readable = installed.readable(now);
        let license = readable.and_then(|readable| readable.payload.license.as_ref());
        let mut limits = with_known_names(license.map(|license| license.limits.clone()).unwrap_or_default());
        if !active {
            limits.values_mut().for_each(|limit| *limit = 0);
        }
        Self {
            state: State::of(reason),
            reason,
            name: license.and_then(|license| license.name.clone()),
            key: Some(installed.masked_key.clone()),
            mode: Some(installed.mode),
            expires_at: license.and_then(|license| license.expires_at),
            lease_expires_at: readable.and_then(Readable::ends),
            last_validated_at: Some(installed.validated_at),
            last_attempt: installed.attempt,
            limits,
            entitlements: license.filter(|_| active).map(|l| l.entitlements().to_vec()).unwrap_or_default(),
            warnings: readable.map(|readable| warnings::of(readable, active, now)).unwrap_or_default(),
        }
    }

    /// Adds the warning about the clock, unless it is there.
    pub(super) fn warn_of_clock(&mut self) {
        if !self.warnings.contains(&Warning::ClockSuspect) {
            self.warnings.push(Warning::ClockSuspect);
        }
    }

    fn nothing_installed() -> Self {
        Self {
            state: State::Unlicensed,
            reason: Some(Code::Unlicensed),
            name: None,
            key: None,
            mode: None,
            expires_at: None,
            lease_expires_at: None,
            last_validated_at: None,
            last_attempt: None,
            limits: with_known_names(BTreeMap::new()),
            entitlements: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

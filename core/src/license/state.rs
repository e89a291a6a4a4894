//! What is installed, as it was last read from the store.
//!
//! The store's row is never evidence: its file is verified again, from its own bytes and with this process's own trusted
//! keys, each time the row is read; and every rule of the installation (machine, offline, burial) is applied again, so
//! that whoever can write the row gains nothing by having skipped them. What depends on the time is judged at each
//! query.

use std::{
    fmt,
    sync::{OnceLock, Weak},
};

use arc_swap::ArcSwap;

use super::{
    armour::Kind,
    board::{Board, Notice},
    catalogue,
    checks::{Checks, Circumstances, Mark},
    envelope::{Envelope, Verified},
    keys::{self, TrustedKey},
    limits,
    machine::{Machine, MachineIdentity},
    online::{Keeper, Online},
    open::Secrets,
    payload::{LicenseDocument, Payload},
    secret,
    status::{Mode, Status},
};
use crate::{
    error::{Code, Error, Result},
    options::Options,
    store::{LicenseEvent, LicenseRow, Reader},
};

/// The licensing half of a handle: what the host decided, and one immutable snapshot of what is installed.
#[derive(Debug)]
pub(crate) struct LicenseHalf {
    rules: Rules,
    online: Option<Online>,
    /// What asks the licensing server by itself, if the host wants that.
    keeper: OnceLock<Weak<Keeper>>,
    snapshot: ArcSwap<Option<Installed>>,
    /// The same, as far as it is asked for all the time.
    board: Board,
}

/// What the host decided that a license is judged by.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) trusted_keys: Vec<TrustedKey>,
    pub(super) product: Option<String>,
    machine: Machine,
    allow_unbound: bool,
    /// Seconds.
    max_lease: i64,
}

/// A file that was read by these rules.
pub(super) struct ReadFile {
    pub(super) payload: Payload,
    /// The trusted key that signed it.
    pub(super) key_id: String,
    fingerprint: Option<String>,
}

/// What the store adds to a file.
pub(super) struct Surroundings {
    pub(super) mode: Mode,
    /// The accepted signed time of each trusted key id.
    pub(super) marks: Vec<(String, i64)>,
    /// Whether a newer file took this one's place, or a deactivation buried it.
    pub(super) older: bool,
}

impl Rules {
    fn new(options: &Options) -> Result<Self> {
        keys::check_configuration(&options.trusted_keys)?;
        for (text, about) in [
            (&options.product, "product is empty; leave it out to accept any"),
            (&options.machine_id, "machine_id is empty; leave it out to ask the operating system"),
        ] {
            if text.as_deref() == Some("") {
                return Err(Error::with(Code::InvalidArgument, about));
            }
        }
        Ok(Self {
            trusted_keys: options.trusted_keys.clone(),
            product: options.product.clone(),
            machine: Machine::new(options.machine_id.as_deref(), options.product.as_deref()),
            allow_unbound: options.allow_unbound,
            max_lease: i64::try_from(options.max_lease.as_secs()).unwrap_or(i64::MAX),
        })
    }

    /// Verifies a file under the keys believed at `now`; see [`Envelope::verify`] for doing it without.
    pub(super) fn verify(&self, file: &[u8], now: Option<i64>) -> Result<Verified> {
        Envelope::parse(file)?.verify(&self.trusted_keys, now)
    }

    /// Opens and reads a verified file, on this machine.
    pub(super) fn read(&self, verified: &Verified, license_key: &str) -> Result<ReadFile> {
        let fingerprint = match verified.kind {
            Kind::License => None,
            Kind::Machine => Some(self.machine.identity()?.fingerprint),
        };
        let secrets = Secrets { license_key: Some(license_key), fingerprint: fingerprint.as_deref() };
        let payload = verified.open(secrets)?.payload()?;
        Ok(ReadFile { payload, key_id: verified.key_id.clone(), fingerprint })
    }

    /// The marks that count. Those of keys that are no longer trusted do not: a leaked key must not stop the clock for good.
    fn marks(&self, marks: &[(String, i64)]) -> Vec<Mark> {
        let counts = |(id, at): &(String, i64)| {
            let key = self.trusted_keys.iter().find(|key| key.id == *id)?;
            Some(Mark { at: *at, until: key.not_after })
        };
        marks.iter().filter_map(counts).collect()
    }

    /// The newest signed time that was accepted, Unix seconds.
    pub(super) fn newest_mark(&self, marks: &[(String, i64)], now: i64) -> Option<i64> {
        self.marks(marks).iter().filter(|mark| mark.counts(now)).map(|mark| mark.at).max()
    }

    /// The checks of a file as an installed one, or one to be installed.
    pub(super) fn checks(&self, file: &ReadFile, license_key: &str, around: &Surroundings) -> Checks {
        let marks = self.marks(&around.marks);
        Checks::of(
            &file.payload,
            Circumstances {
                product: self.product.as_deref(),
                license_key: Some(license_key),
                fingerprint: file.fingerprint.as_deref(),
                offline: around.mode == Mode::Offline,
                marks,
                max_lease: Some(self.max_lease),
                machine_bound_only: !self.allow_unbound,
                older: around.older,
            },
        )
    }
}

/// The installed license.
pub(super) struct Installed {
    pub(super) mode: Mode,
    pub(super) masked_key: String,
    pub(super) validated_at: i64,
    /// The last try to reach the licensing server, if it failed.
    pub(super) attempt: Option<LicenseEvent>,
    /// What the licensing server has signed against it since.
    refusal: Option<Code>,
    /// Unix seconds from which the key that signed the file is no longer believed.
    trusted_until: Option<i64>,
    /// What the file says; or the check that stopped it from being read.
    content: Result<Readable, Code>,
}

/// An installed file that could be read.
pub(super) struct Readable {
    pub(super) payload: Payload,
    pub(super) checks: Checks,
}

impl Readable {
    /// The end of the file, Unix seconds.
    pub(super) fn ends(&self) -> Option<i64> {
        self.checks.ends
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Installed {
    fn read(rules: &Rules, row: &LicenseRow, reader: &dyn Reader) -> Result<Self> {
        let mut installed = Self {
            mode: Mode::parse(&row.mode),
            masked_key: secret::mask(&row.license_key),
            validated_at: row.validated_at,
            attempt: row.attempt,
            refusal: row.refusal.map(|refusal| refusal.code),
            trusted_until: None,
            content: Err(Code::LicenseMalformed),
        };
        // End dates are compared at each query.
        let file = rules.verify(&row.file, None).and_then(|verified| {
            installed.trusted_until = verified.trusted_until;
            rules.read(&verified, &row.license_key)
        });
        installed.content = match file {
            Err(error) => Err(error.code()),
            Ok(file) => {
                let buried = is_buried(&file.payload, reader)?;
                let around = Surroundings { mode: installed.mode, marks: reader.license_marks()?, older: buried };
                let checks = rules.checks(&file, &row.license_key, &around);
                Ok(Readable { payload: file.payload, checks })
            }
        };
        Ok(installed)
    }

    /// The first check that fails at `now`. Allocates nothing.
    pub(super) fn failure(&self, now: i64) -> Option<Code> {
        if self.signer_has_ended(now) {
            return Some(Code::LicenseSignatureInvalid);
        }
        match &self.content {
            Ok(readable) => self.refusal.or_else(|| readable.checks.failures(now).next()),
            Err(code) => Some(*code),
        }
    }

    /// What the file says, as long as its signature holds.
    pub(super) fn readable(&self, now: i64) -> Option<&Readable> {
        self.content.as_ref().ok().filter(|_| !self.signer_has_ended(now))
    }

    fn signer_has_ended(&self, now: i64) -> bool {
        self.trusted_until.is_some_and(|end| now >= end)
    }

    /// What the board says of it; nothing when it is never active.
    fn notice(&self) -> Option<Notice<'_>> {
        let readable = self.content.as_ref().ok().filter(|_| self.refusal.is_none())?;
        let good = readable.checks.good_during()?;
        let until = self.trusted_until.map_or(good.end, |end| end.min(good.end));
        let license = readable.payload.license.as_ref()?;
        Some(Notice { active: good.start..until, entitlements: license.entitlements(), limits: &license.limits })
    }

    /// The license, when it is active.
    fn active(&self, now: i64) -> Result<Option<&LicenseDocument>, Code> {
        match self.failure(now) {
            Some(failure) => Err(failure),
            None => Ok(self.content.as_ref().ok().and_then(|readable| readable.payload.license.as_ref())),
        }
    }
}

/// Whether a deactivation has buried this file.
pub(super) fn is_buried(payload: &Payload, reader: &dyn Reader) -> Result<bool> {
    let Some(license) = &payload.license else { return Ok(false) };
    Ok(reader.license_burial(&license.id)?.is_some_and(|buried| payload.issued <= buried))
}

impl LicenseHalf {
    /// What the options say, checked; nothing is installed yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, also for two trusted keys of one id.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let online = options.server.as_ref().map(Online::new).transpose()?;
        let (rules, keeper, snapshot) = (Rules::new(options)?, OnceLock::new(), ArcSwap::from_pointee(None));
        Ok(Self { rules, online, keeper, snapshot, board: Board::new() })
    }

    /// Reads the license row again, verifies its file, and puts the result in the old one's place. A file that does not
    /// verify is no error here: it is what the queries answer.
    ///
    /// The caller sees to it that no older reading follows a newer one.
    ///
    /// # Errors
    /// A `STORE_*` code; the snapshot then stays as it was.
    pub(crate) fn reload(&self, reader: &dyn Reader) -> Result<()> {
        let installed = match reader.license()? {
            Some(row) => Some(Installed::read(&self.rules, &row, reader)?),
            None => None,
        };
        // Who must see this change asks neither before its generation is published; until then either may be the former.
        self.board.write(installed.as_ref().and_then(Installed::notice));
        self.snapshot.store(installed.into());
        Ok(())
    }

    /// Whether the license grants an entitlement (in any case) at `now`. Takes no lock, and allocates nothing.
    ///
    /// # Errors
    /// `NOT_ENTITLED` when the license is active without it, `UNLICENSED` when there is none, else the license's first
    /// failure.
    #[inline]
    pub(crate) fn gate(&self, entitlement: &str, now: i64) -> Result<(), Code> {
        match self.board.grants(entitlement, now) {
            Some(true) => Ok(()),
            Some(false) => Err(Code::NotEntitled),
            None => self.gate_by_snapshot(entitlement, now),
        }
    }

    #[cold]
    #[inline(never)]
    fn gate_by_snapshot(&self, entitlement: &str, now: i64) -> Result<(), Code> {
        let snapshot = self.snapshot.load();
        let installed = snapshot.as_ref().as_ref().ok_or(Code::Unlicensed)?;
        let granted = installed.active(now)?.map(LicenseDocument::entitlements).unwrap_or_default();
        if catalogue::holds(granted, entitlement) { Ok(()) } else { Err(Code::NotEntitled) }
    }

    /// The limit of this name, in any case or spelling, at `now`: -1 is unlimited.
    ///
    /// # Errors
    /// Why there is no active license; every limit is then 0.
    #[inline]
    pub(super) fn limit(&self, name: &str, now: i64) -> Result<i64, Code> {
        match self.board.limit(name, now) {
            Some(limit) => Ok(limit),
            None => self.limit_by_snapshot(name, now),
        }
    }

    #[cold]
    #[inline(never)]
    fn limit_by_snapshot(&self, name: &str, now: i64) -> Result<i64, Code> {
        let snapshot = self.snapshot.load();
        let license = snapshot.as_ref().as_ref().ok_or(Code::Unlicensed)?.active(now)?;
        Ok(license.map_or(0, |license| limits::find(&license.limits, name)))
    }

    /// Whether there is anything, good or not.
    pub(crate) fn is_installed(&self) -> bool {
        self.snapshot.load().is_some()
    }

    pub(crate) fn status(&self, now: i64) -> Status {
        Status::of(self.snapshot.load().as_ref().as_ref(), now)
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn set_keeper(&self, keeper: Weak<Keeper>) {
        // There is one a handle.
        let _ = self.keeper.set(keeper);
    }

    /// Has what is due done, after a change.
    pub(crate) fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.get().and_then(Weak::upgrade) {
            keeper.wake();
        }
    }

    pub(super) fn online(&self) -> Option<&Online> {
        self.online.as_ref()
    }

    pub(super) fn machine(&self) -> Result<MachineIdentity> {
        self.rules.machine.identity()
    }
}

#[cfg(test)]
pub(super) mod tests;

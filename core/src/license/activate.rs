//! Installing a file, and taking it out again: every rule is applied inside the write transaction, on the state that
//! the change will meet.

use super::{
    License,
    payload::Payload,
    state::{Rules, Surroundings, is_buried},
    status::{Mode, Status},
};
use crate::{
    audit::Mutation,
    clock,
    error::{Code, Error, Result},
    keys::{Caller, Need},
    store::{LicenseRow, Reader, Transaction},
};

impl License<'_> {
    /// Installs a file with its license key, for offline use, in the place of what is installed. A failure changes
    /// nothing.
    ///
    /// `force` installs a file that is older than the installed one of the same license; never one that was
    /// deactivated.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` unless the caller satisfies the admin requirement; the code of the first check that fails
    /// (the detail lists all); `LICENSE_KEY_REQUIRED` for an empty key; `FINGERPRINT_UNAVAILABLE` for a machine file where this machine has no identity; a
    /// `STORE_*` code.
    pub fn activate_offline(&self, license_key: &str, file: &[u8], force: bool, caller: &Caller<'_>) -> Result<Status> {
        let now = clock::resolve(caller.now);
        let rules = self.inner.license.rules();
        let mutation = Mutation { event: "license.activated", subject: "", need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| {
            change.event.subject = install(rules, change.tx, file, license_key, Mode::Offline, force, now)?;
            Mode::Offline.as_str().clone_into(&mut change.event.detail);
            Ok(())
        })?;
        if !force {
            self.believe_clock(caller);
        }
        self.status(Some(now))
    }

    /// Installs a newer file of the license that is installed, with the license key that it was installed with. A failure
    /// changes nothing.
    ///
    /// # Errors
    /// As [`License::activate_offline`]; `UNLICENSED` when there is none, `CONFLICT` for a file of another license,
    /// `LICENSE_FILE_OLDER` for one that is older than the installed one.
    pub fn refresh(&self, file: &[u8], caller: &Caller<'_>) -> Result<Status> {
        let now = clock::resolve(caller.now);
        let rules = self.inner.license.rules();
        let mutation = Mutation { event: "license.refreshed", subject: "", need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| {
            let row = change.tx.license()?.ok_or(Error::new(Code::Unlicensed))?;
            let id = |file: &[u8]| license_id(rules, file, &row.license_key);
            // A file that can't be read is no other license's: its installation says what is wrong with it.
            if let (Some(new), Some(old)) = (id(file), id(&row.file))
                && new != old
            {
                return Err(Error::with(Code::Conflict, "the file is of another license: activate it instead"));
            }
            let mode = Mode::parse(&row.mode);
            change.event.subject = install(rules, change.tx, file, &row.license_key, mode, false, now)?;
            mode.as_str().clone_into(&mut change.event.detail);
            Ok(())
        })?;
        self.believe_clock(caller);
        self.status(Some(now))
    }

    /// Takes the system's clock as it is, after a file was accepted that is newer than anything before.
    pub(super) fn believe_clock(&self, caller: &Caller<'_>) {
        if clock::given(caller.now).is_none() {
            self.inner.seen.believe();
        }
    }
}

/// The id of the license in a file, where it can be read here.
fn license_id(rules: &Rules, file: &[u8], license_key: &str) -> Option<String> {
    let read = rules.verify(file, None).and_then(|verified| rules.read(&verified, license_key)).ok()?;
    read.payload.license.map(|license| license.id)
}

/// Installs a file in the open transaction, if every rule allows it. The license's id.
///
/// # Errors
/// As [`License::activate_offline`].
pub(super) fn install(
    rules: &Rules,
    tx: &mut dyn Transaction,
    file: &[u8],
    license_key: &str,
    mode: Mode,
    force: bool,
    now: i64,
) -> Result<String> {
    let verified = rules.verify(file, Some(now))?;
    if license_key.is_empty() {
        return Err(Error::new(Code::LicenseKeyRequired));
    }
    let read = rules.read(&verified, license_key)?;
    let older = is_buried(&read.payload, tx)? || (!force && is_superseded(rules, &read.payload, tx)?);
    let around = Surroundings { mode, marks: tx.license_marks()?, older };
    refuse(rules.checks(&read, license_key, &around).failures(now))?;
    tx.set_license(Some(&LicenseRow {
        file: file.to_vec(),
        license_key: license_key.to_owned(),
        mode: mode.as_str().to_owned(),
        installed_at: now,
        validated_at: now,
        refusal: None,
        attempt: None,
    }))?;
    tx.raise_license_mark(&read.key_id, read.payload.issued)?;
    Ok(read.payload.license.map(|license| license.id).unwrap_or_default())
}

/// The error of the first failure; with several, its detail lists them all.
fn refuse(failures: impl Iterator<Item = Code>) -> Result<()> {
    let failures: Vec<Code> = failures.collect();
    match failures.as_slice() {
        [] => Ok(()),
        [only] => Err(Error::new(*only)),
        [first, ..] => {
            let names: Vec<&str> = failures.iter().map(|code| code.name()).collect();
            Err(Error::with(*first, format!("all that failed: {}", names.join(", "))))
        }
    }
}

/// Whether this file is older than the installed one of the same license. Not so for one that can't be read: that it is to
/// be installed says what is wrong with it.
pub(super) fn is_behind(rules: &Rules, file: &[u8], license_key: &str, reader: &dyn Reader) -> Result<bool> {
    match rules.verify(file, None).and_then(|verified| rules.read(&verified, license_key)) {
        Ok(read) => is_superseded(rules, &read.payload, reader),
        Err(_) => Ok(false),
    }
}

/// Whether the installed file is of the same license, and newer. One that does not verify here does not stand in the
/// way of one that does.
fn is_superseded(rules: &Rules, payload: &Payload, reader: &dyn Reader) -> Result<bool> {
    let Some(row) = reader.license()? else { return Ok(false) };
    let Ok(installed) = rules.verify(&row.file, None).and_then(|verified| rules.read(&verified, &row.license_key))
    else {
        return Ok(false);
    };
    let same = match (&payload.license, &installed.payload.license) {
        (Some(new), Some(old)) => new.id == old.id,
        _ => false,
    };
    Ok(same && payload.issued < installed.payload.issued)
}

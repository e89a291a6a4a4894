//! What a handle does at its licensing server, and what becomes of what it hears there.
//!
//! The server is asked without any lock or transaction, since that can take seconds. What it said is then applied in one
//! write transaction, on the state that is there by then.

use std::{sync::Arc, time::Instant};

use super::{
    cancel::Cancel,
    server::{Base, Server},
    session::{Session, Word},
    transport::Transport,
};
use crate::{
    audit::Mutation,
    clock,
    error::{Code, Error, Result},
    keys::{Caller, Need},
    license::{License, Mode, Status, activate, state::Rules},
    store::{LicenseEvent, LicenseRow, ReleaseRow, Transaction},
};

/// The server of a handle, and the way to it.
#[derive(Debug)]
pub(in super::super) struct Online {
    server: Server,
    base: Base,
    transport: Arc<dyn Transport>,
}

impl Online {
    /// # Errors
    /// `INVALID_ARGUMENT`, `NETWORK_POLICY`; `UNSUPPORTED_OPTION` without a transport of the host's in a build that has
    /// none.
    pub(in super::super) fn new(server: &Server) -> Result<Self> {
        let base = Base::of(server)?;
        let transport = match &server.transport {
            Some(transport) => Arc::clone(transport),
            None => own_transport(server, &base)?,
        };
        Ok(Self { server: server.clone(), base, transport })
    }
}

impl Online {
    /// Whether the host wants what is due done by itself.
    pub(super) fn refreshes_by_itself(&self) -> bool {
        self.server.auto_refresh
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The lease that is asked for, in seconds.
    pub(super) fn lease(&self) -> i64 {
        i64::try_from(self.server.lease.as_secs()).unwrap_or(i64::MAX)
    }
}

#[cfg(feature = "online")]
fn own_transport(server: &Server, base: &Base) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(super::http::Http::new(server, base)?))
}

#[cfg(not(feature = "online"))]
fn own_transport(_: &Server, _: &Base) -> Result<Arc<dyn Transport>> {
    Err(Error::with(Code::UnsupportedOption, "this build has no client for licensing servers: bring a transport"))
}

impl License<'_> {
    /// Activates this installation: registers this machine for the license at the licensing server, and installs the
    /// machine file that it issues, in the place of what is installed. A failure changes nothing, but for a refusal that
    /// the server has signed of the license that is installed.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` unless the caller satisfies the admin requirement; `UNSUPPORTED_OPTION` when no server is
    /// configured; `LICENSE_KEY_REQUIRED` for an empty key; what the server refuses with (`LICENSE_UNKNOWN`,
    /// `LICENSE_SUSPENDED`, `LICENSE_EXPIRED`, `MACHINE_LIMIT_REACHED`, ...); a `NETWORK_*` or `SERVER_*` code, or
    /// `CLOCK_SKEW`; `CANCELLED`; the first check that the issued file fails; a `STORE_*` code.
    pub fn activate_online(&self, license_key: &str, caller: &Caller<'_>) -> Result<Status> {
        self.activate_online_unless(&Cancel::default(), license_key, caller)
    }

    /// As [`License::activate_online`], until it is cancelled.
    ///
    /// # Errors
    /// As [`License::activate_online`].
    pub fn activate_online_unless(&self, cancel: &Cancel, license_key: &str, caller: &Caller<'_>) -> Result<Status> {
        if license_key.is_empty() {
            return Err(Error::new(Code::LicenseKeyRequired));
        }
        self.inner.store.read(&mut |reader| self.inner.authorize(reader, caller, Need::Admin).map(drop))?;
        let word = self.at_the_server(license_key, cancel, caller, |session| session.activate())?;
        let mutation = Mutation { event: "license.activated", subject: "", need: Need::Admin, caller };
        self.apply(&mutation, license_key, word, None)
    }

    /// Asks the licensing server again, and installs the fresh machine file that it issues. A failure changes nothing but
    /// [`Status::last_attempt`]; a refusal that the server has signed acts at once.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `UNLICENSED` when there is no license, `NOT_AVAILABLE_OFFLINE` for one that was installed from
    /// a file; what [`License::activate_online`] can end with; `NOT_ACTIVATED` when somebody has taken this machine off the
    /// license; `CONFLICT` when the license was taken out, or changed for another, while the server was asked.
    pub fn revalidate(&self, caller: &Caller<'_>) -> Result<Status> {
        self.revalidate_unless(&Cancel::default(), caller)
    }

    /// As [`License::revalidate`], until it is cancelled.
    ///
    /// # Errors
    /// As [`License::revalidate`].
    pub fn revalidate_unless(&self, cancel: &Cancel, caller: &Caller<'_>) -> Result<Status> {
        let rules = self.inner.license.rules();
        let row = self.activated_online(caller)?;
        let read = rules.verify(&row.file, None).and_then(|verified| rules.read(&verified, &row.license_key)).ok();
        let culled =
            read.as_ref().is_some_and(|read| read.payload.machine.as_ref().is_some_and(|m| m.requires_heartbeat));
        let id = read.and_then(|read| read.payload.license).map(|license| license.id);
        let word = self.at_the_server(&row.license_key, cancel, caller, |session| session.revalidate(culled));
        let mutation = Mutation { event: "license.revalidated", subject: "", need: Need::Admin, caller };
        // A refusal is noted with what it does; what is gone, or another by now, has had no attempt; and a host that goes
        // away in the middle of one must not put it off for the next.
        let is_refusal = matches!(word, Ok(Word::Refused { .. }));
        let applied = word.and_then(|word| self.apply(&mutation, &row.license_key, word, Some(id)));
        applied.inspect_err(|error| {
            if !is_refusal && !matches!(error.code(), Code::Conflict | Code::Cancelled) {
                self.note_attempt(&row.license_key, error.code(), caller);
            }
        })
    }

    /// What is installed, for whoever may ask the licensing server about it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `UNLICENSED`, `NOT_AVAILABLE_OFFLINE`; a `STORE_*` code.
    pub(super) fn activated_online(&self, caller: &Caller<'_>) -> Result<LicenseRow> {
        let mut found = None;
        self.inner.store.read(&mut |reader| {
            self.inner.authorize(reader, caller, Need::Admin)?;
            found = reader.license()?;
            Ok(())
        })?;
        let row = found.ok_or(Error::new(Code::Unlicensed))?;
        match Mode::parse(&row.mode) {
            Mode::Online => Ok(row),
            Mode::Offline => Err(Error::new(Code::NotAvailableOffline)),
        }
    }

    /// Has a machine taken off its license at the server, and forgets that it was to be.
    ///
    /// # Errors
    /// `UNSUPPORTED_OPTION` when no server is configured; a `NETWORK_*` or `SERVER_*` code, `CLOCK_SKEW`, `CANCELLED`;
    /// `CONFLICT` when the server still has the machine; `PERMISSION_DENIED`, `AUDIT_UNAVAILABLE`, a `STORE_*` code. It is
    /// still to be released then.
    pub(in super::super) fn release(&self, row: &ReleaseRow, cancel: &Cancel, caller: &Caller<'_>) -> Result<()> {
        let errand = |session: &Session<'_>| session.release(&row.machine);
        let asked = self.at_the_server_as(&row.fingerprint, &row.license_key, cancel, caller, errand);
        let unconfirmed =
            || Error::with(Code::Conflict, "the licensing server does not confirm that the machine is gone");
        if let Err(error) = asked.and_then(|is_gone| if is_gone { Ok(()) } else { Err(unconfirmed()) }) {
            if error.code() == Code::Cancelled {
                return Err(error);
            }
            let tried = ReleaseRow { attempted: Some(clock::resolve(caller.now)), ..row.clone() };
            // Best effort: without it, it is tried again sooner.
            let _ = self.inner.store.write(&mut |tx| {
                let is_there = tx.releases()?.iter().any(|release| release.machine == tried.machine);
                if is_there { tx.put_release(&tried) } else { Ok(()) }
            });
            return Err(error);
        }
        let mutation = Mutation { event: "license.released", subject: &row.license, need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| change.tx.drop_release(&row.machine))
    }

    /// Runs an errand of this machine at the server.
    fn at_the_server(
        &self,
        license_key: &str,
        cancel: &Cancel,
        caller: &Caller<'_>,
        errand: impl FnOnce(&Session<'_>) -> Result<Word>,
    ) -> Result<Word> {
        let fingerprint = self.inner.license.machine()?.fingerprint;
        self.at_the_server_as(&fingerprint, license_key, cancel, caller, errand)
    }

    /// Runs an errand at the server.
    fn at_the_server_as<T>(
        &self,
        fingerprint: &str,
        license_key: &str,
        cancel: &Cancel,
        caller: &Caller<'_>,
        errand: impl FnOnce(&Session<'_>) -> Result<T>,
    ) -> Result<T> {
        let half = &self.inner.license;
        let missing = || Error::with(Code::UnsupportedOption, "no licensing server is configured");
        let online = half.online().ok_or_else(missing)?;
        let rules = half.rules();
        let deadline = Instant::now().checked_add(online.server.timeout);
        let deadline = deadline.ok_or(Error::with(Code::InvalidArgument, "the server's timeout is too long"))?;
        errand(&Session {
            server: &online.server,
            base: &online.base,
            transport: &*online.transport,
            keys: &rules.trusted_keys,
            product: rules.product.as_deref(),
            license_key,
            fingerprint,
            now: &|| clock::resolve(caller.now),
            cancel,
            deadline,
        })
    }

    /// Applies what the server said. `only` is the license that it must still be about: its id, where one could be read.
    fn apply(
        &self,
        mutation: &Mutation<'_>,
        license_key: &str,
        word: Word,
        only: Option<Option<String>>,
    ) -> Result<Status> {
        let now = clock::resolve(mutation.caller.now);
        let rules = self.inner.license.rules();
        let mut refused = None;
        self.inner.mutate(mutation, &mut |change| {
            let tx = &mut *change.tx;
            let row = tx.license()?;
            if let Some(id) = &only
                && !is_still(rules, row.as_ref(), license_key, id.as_deref())
            {
                return Err(Error::new(Code::Conflict));
            }
            match &word {
                Word::File(file) => {
                    Mode::Online.as_str().clone_into(&mut change.event.detail);
                    // Another process may have fetched a later one meanwhile.
                    if only.is_none() || !activate::is_behind(rules, file.as_bytes(), license_key, tx)? {
                        let file = file.as_bytes();
                        change.event.subject =
                            activate::install(rules, tx, file, license_key, Mode::Online, only.is_none(), now)?;
                        self.stay(&change.event.subject, tx)?;
                    }
                }
                Word::Refused { code, said, at } => {
                    refused = Some(Error::with(*code, said.clone()));
                    // Of what is installed; a license that is not has nothing that could be refused.
                    let Some(mut row) = row.filter(|row| row.license_key == license_key) else { return Ok(()) };
                    row.refusal = Some(LicenseEvent { code: *code, at: *at });
                    row.attempt = None;
                    tx.set_license(Some(&row))?;
                    "refused by the licensing server".clone_into(&mut change.event.detail);
                    change.event.code = *code;
                }
            }
            Ok(())
        })?;
        match refused {
            Some(error) => Err(error),
            None => {
                self.believe_clock(mutation.caller);
                self.status(Some(now))
            }
        }
    }

    /// Forgets that this machine was to be taken off a license, which has just been activated again: a late release would
    /// end that.
    fn stay(&self, license: &str, tx: &mut dyn Transaction) -> Result<()> {
        let fingerprint = self.inner.license.machine()?.fingerprint;
        let mut releases = tx.releases()?;
        releases.retain(|release| release.license == license && release.fingerprint == fingerprint);
        releases.iter().try_for_each(|release| tx.drop_release(&release.machine))
    }

    /// Notes that the server could not be asked. Best effort: it is worth no other error.
    fn note_attempt(&self, license_key: &str, code: Code, caller: &Caller<'_>) {
        let at = clock::resolve(caller.now);
        let _ = self.inner.store.write(&mut |tx| {
            let Some(mut row) = tx.license()?.filter(|row| row.license_key == license_key) else { return Ok(()) };
            row.attempt = Some(LicenseEvent { code, at });
            tx.set_license(Some(&row))
        });
    }
}

/// Whether what is installed is what an errand began with.
fn is_still(rules: &Rules, row: Option<&LicenseRow>, license_key: &str, id: Option<&str>) -> bool {
    let Some(row) = row.filter(|row| row.license_key == license_key && Mode::parse(&row.mode) == Mode::Online) else {
        return false;
    };
    let now = rules.verify(&row.file, None).and_then(|verified| rules.read(&verified, &row.license_key)).ok();
    let present = now.and_then(|read| read.payload.license).map(|license| license.id);
    present.as_deref() == id
}

#[cfg(test)]
mod tests;

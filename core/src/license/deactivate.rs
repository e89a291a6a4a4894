//! Taking a license out, and what its vendor gets to know of it.

use serde_json::json;

use super::{
    License,
    online::Cancel,
    statement::{self, Subject},
    status::{Mode, Status},
    time,
};
use crate::{
    audit::Mutation,
    clock,
    error::{Code, Error, Result},
    keys::{Caller, Need},
    store::{ReleaseRow, Transaction},
};

/// What became of this machine's place on its license at the licensing server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The server has signed that it is free.
    Server,
    /// It is still to be freed: the server was not reached, or did not confirm it. See [`License::release_pending`].
    Pending,
    /// There was none, or the server was not to be asked.
    None,
}

impl Release {
    /// `server`, `pending` or `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Pending => "pending",
            Self::None => "none",
        }
    }
}

/// What a deactivation came to. The license is out, whatever it was.
#[derive(Debug)]
pub struct Deactivation {
    /// What is installed now: nothing.
    pub status: Status,
    /// The machine's place on the license.
    pub release: Release,
    /// Why it is still to be freed, where the server was asked.
    pub problem: Option<Error>,
    /// For the vendor: signed by this installation that the license was taken out here, and when (see
    /// [`issue::Receipt`](super::issue::Receipt)). `None` where the license's file could not be read on this machine.
    pub receipt: Option<String>,
}

impl License<'_> {
    /// Takes the license out, and buries its file: it can't be installed here again, only a newer one. What was activated
    /// online is then released at the licensing server; should that fail, it stays noted, and can be tried again.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `UNLICENSED` when there is none, a `STORE_*` code. Never because of the server.
    pub fn deactivate(&self, caller: &Caller<'_>) -> Result<Deactivation> {
        self.deactivate_unless(&Cancel::default(), caller)
    }

    /// As [`License::deactivate`], until it is cancelled: the license is out, and its release may be pending then.
    ///
    /// # Errors
    /// As [`License::deactivate`].
    pub fn deactivate_unless(&self, cancel: &Cancel, caller: &Caller<'_>) -> Result<Deactivation> {
        let (receipt, release) = self.take_out(true, caller)?;
        let (release, problem) = match release {
            None => (Release::None, None),
            Some(row) => match self.release(&row, cancel, caller) {
                Ok(()) => (Release::Server, None),
                Err(error) => (Release::Pending, Some(error)),
            },
        };
        Ok(Deactivation { status: self.status(Some(clock::resolve(caller.now)))?, release, problem, receipt })
    }

    /// As [`License::deactivate`], without a word to the licensing server, now or later: the machine's place on the
    /// license stays taken there until the vendor frees it.
    ///
    /// # Errors
    /// As [`License::deactivate`].
    pub fn deactivate_locally(&self, caller: &Caller<'_>) -> Result<Deactivation> {
        let (receipt, _) = self.take_out(false, caller)?;
        let status = self.status(Some(clock::resolve(caller.now)))?;
        Ok(Deactivation { status, release: Release::None, problem: None, receipt })
    }

    /// The machines that are still to be released at the licensing server, oldest first.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, a `STORE_*` code.
    pub fn releases(&self, caller: &Caller<'_>) -> Result<Vec<ReleaseRow>> {
        let mut releases = Vec::new();
        self.inner.store.read(&mut |reader| {
            self.inner.authorize(reader, caller, Need::Admin)?;
            releases = reader.releases()?;
            Ok(())
        })?;
        Ok(releases)
    }

    /// Tries again to release what is still to be released. How many were.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, `UNSUPPORTED_OPTION` when no server is configured, a `STORE_*` code; what the first that could
    /// not be released failed with: a `NETWORK_*` or `SERVER_*` code, `CLOCK_SKEW`, `CONFLICT`, `CANCELLED`.
    pub fn release_pending(&self, cancel: &Cancel, caller: &Caller<'_>) -> Result<usize> {
        let mut failure = None;
        let mut released: usize = 0;
        for row in self.releases(caller)? {
            match self.release(&row, cancel, caller) {
                Ok(()) => released = released.saturating_add(1),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(released), Err)
    }

    /// The receipt, and what is to be released.
    fn take_out(&self, notes_release: bool, caller: &Caller<'_>) -> Result<(Option<String>, Option<ReleaseRow>)> {
        let now = clock::resolve(caller.now);
        let rules = self.inner.license.rules();
        let mutation = Mutation { event: "license.deactivated", subject: "", need: Need::Admin, caller };
        self.inner.mutate(&mutation, &mut |change| {
            let tx = &mut *change.tx;
            let row = tx.license()?.ok_or(Error::new(Code::Unlicensed))?;
            // What does not verify, or can't be read on this machine, has no identity that could be believed.
            let read = rules.verify(&row.file, None).and_then(|verified| rules.read(&verified, &row.license_key)).ok();
            tx.set_license(None)?;
            let Some(read) = read else { return Ok((None, None)) };
            let (issued, machine) = (read.payload.issued, read.payload.machine);
            let Some(license) = read.payload.license.map(|license| license.id) else { return Ok((None, None)) };
            tx.bury_license(&license, issued)?;
            change.event.subject.clone_from(&license);
            let fingerprint = machine.as_ref().and_then(|machine| machine.fingerprint.as_deref()).unwrap_or_default();
            let receipt =
                receipt(tx, &license, machine.as_ref().map(|machine| &*machine.id), fingerprint, issued, now)?;
            let release = match machine {
                Some(machine) if notes_release && Mode::parse(&row.mode) == Mode::Online => {
                    let fingerprint = machine.fingerprint.clone().unwrap_or_default();
                    let release = ReleaseRow {
                        machine: machine.id,
                        license,
                        license_key: row.license_key,
                        fingerprint,
                        since: now,
                        attempted: None,
                    };
                    // Before the server is asked: a process that dies meanwhile has deactivated.
                    tx.put_release(&release)?;
                    Some(release)
                }
                _ => None,
            };
            Ok((Some(receipt), release))
        })
    }
}

/// What this installation signs: that it has taken a license out.
fn receipt(
    tx: &mut dyn Transaction,
    license: &str,
    machine: Option<&str>,
    fingerprint: &str,
    issued: i64,
    now: i64,
) -> Result<String> {
    let moment = |seconds| time::format(seconds).unwrap_or_default();
    let document = json!({
        "license": license,
        "machine": machine,
        "fingerprint": fingerprint,
        "issued": moment(issued),
        "deactivated": moment(now),
    });
    Ok(statement::sign(Subject::Receipt, &statement::installation_key(tx)?, &document))
}

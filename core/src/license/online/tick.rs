//! What is due at the licensing server, done when the host says so.

use super::{cancel::Cancel, schedule};
use crate::{
    clock,
    error::{Code, Error, Result},
    keys::Caller,
    license::{License, Mode},
    store::{LicenseRow, ReleaseRow},
};

/// What a [`License::tick`] came to.
#[derive(Debug)]
pub struct Tick {
    /// When there will be something to do, Unix seconds; `None` as long as nothing is activated online.
    pub next: Option<i64>,
    /// What was due and failed. It is tried again.
    pub problem: Option<Error>,
}

/// What there is to do at the server, and when.
struct Agenda {
    /// Unix seconds, when the lease is to be refreshed.
    lease: Option<i64>,
    releases: Vec<(i64, ReleaseRow)>,
}

impl License<'_> {
    /// Does what is due at the licensing server: refreshes a lease of which two thirds are over, and releases what is still
    /// to be released. When that fails, it is due again after a minute, then at distances that double up to six hours. A
    /// license that was installed from a file, or a handle without a server, has nothing that would ever be due.
    ///
    /// As the system; several processes of an installation may do this, and rarely ask the server twice.
    ///
    /// # Errors
    /// A `STORE_*` code. What the server was asked in vain is in [`Tick::problem`].
    pub fn tick(&self, cancel: &Cancel, now: Option<i64>) -> Result<Tick> {
        let now = clock::resolve(now);
        let caller = Caller { now: Some(now), ..Caller::system() };
        let mut problem = None;
        let agenda = self.agenda(now)?;
        for (due, release) in agenda.releases {
            if due <= now
                && let Err(error) = self.release(&release, cancel, &caller)
            {
                problem.get_or_insert(error);
            }
        }
        if agenda.lease.is_some_and(|due| due <= now) {
            match self.revalidate_unless(cancel, &caller) {
                // Somebody deactivated meanwhile.
                Err(error) if matches!(error.code(), Code::Unlicensed | Code::NotAvailableOffline) => {}
                Err(error) => drop(problem.get_or_insert(error)),
                Ok(_) => {}
            }
        }
        let left = self.agenda(now)?;
        let next = left.releases.iter().map(|(due, _)| *due).chain(left.lease).min();
        // What could not even be noted is not due again at once.
        Ok(Tick { next: next.map(|next| next.max(now.saturating_add(1))), problem })
    }

    fn agenda(&self, now: i64) -> Result<Agenda> {
        let Some(online) = self.inner.license.online() else {
            return Ok(Agenda { lease: None, releases: Vec::new() });
        };
        self.inner.refresh()?;
        // By a clock that was ahead, and has been set right.
        let past = |at: &i64| *at <= now;
        let (mut row, mut releases) = (None, Vec::new());
        self.inner.store.read(&mut |reader| {
            row = reader.license()?;
            releases = reader.releases()?;
            Ok(())
        })?;
        let lease = row.filter(|row| Mode::parse(&row.mode) == Mode::Online).map(|row| {
            let ends = self.inner.license.status(row.validated_at).lease_expires_at;
            let ends = ends.unwrap_or_else(|| row.validated_at.saturating_add(online.lease()));
            schedule::refresh(row.validated_at, ends, last_failure(&row).filter(past))
        });
        let timed = |row: ReleaseRow| (schedule::release(row.since.min(now), row.attempted.filter(past)), row);
        Ok(Agenda { lease, releases: releases.into_iter().map(timed).collect() })
    }
}

/// When the server was last asked without a new lease coming of it.
fn last_failure(row: &LicenseRow) -> Option<i64> {
    row.attempt.iter().chain(&row.refusal).map(|event| event.at).max()
}

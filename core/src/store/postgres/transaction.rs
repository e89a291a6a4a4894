//! A transaction from its beginning to its end, whatever comes between.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Shared,
    engine::Engine,
    history::{self, Mark, State},
    link::Link,
    options::Endpoint,
    session::deadline,
};
use crate::error::Result;

/// How long a connection stays open unused.
const IDLE: Duration = Duration::from_secs(15);

/// A connection for one purpose, opened at its first use.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Option<Link>>);

impl Lane {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a connection that nobody needed for a while. Never waits.
    pub(super) fn close_idle(&self) {
        if let Ok(mut lane) = self.0.try_lock()
            && lane.as_ref().is_some_and(|link| link.is_idle(IDLE))
        {
            *lane = None;
        }
    }
}

/// An open transaction. One that is dropped without having been ended ends with its connection.
pub(super) struct Open<'a> {
    pub(super) link: &'a Link,
    /// What was known when it began.
    pub(super) known: Arc<Mark>,
    pub(super) state: State,
    is_ended: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.link.give_up();
        }
    }
}

impl Open<'_> {
    /// Commits it.
    pub(super) fn commit(mut self) -> Result<()> {
        let done = self.link.batch("COMMIT", deadline());
        self.is_ended = done.is_ok();
        done
    }

    /// Takes everything back.
    pub(super) fn roll_back(mut self) {
        self.is_ended = self.link.batch("ROLLBACK", deadline()).is_ok();
    }

    /// Ends it by how its body ended.
    pub(super) fn end<T>(self, done: Result<T>) -> Result<T> {
        match done {
            Ok(done) => self.commit().map(|()| done),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }
}

impl Shared {
    /// Begins a transaction with `statements`, on a lane's connection, which is opened when there is none; and asks where the
    /// database is, in the same round trip. That is not judged yet.
    pub(super) fn begin<'a>(
        &self,
        lane: &'a mut Option<Link>,
        engine: &Arc<Engine>,
        to: &Arc<Endpoint>,
        statements: &str,
    ) -> Result<Open<'a>> {
        if lane.as_ref().is_some_and(Link::is_broken) {
            *lane = None;
        }
        // One that was idle may have been closed by the server long ago: that shows at its first use, before anything is done.
        let was_idle = lane.is_some();
        match self.begin_once(lane, engine, to, statements) {
            Ok(()) => {}
            Err(_) if was_idle && lane.as_ref().is_none_or(Link::is_broken) => {
                *lane = None;
                self.begin_once(lane, engine, to, statements)?;
            }
            Err(error) => return Err(error),
        }
        let link = lane.as_ref().ok_or_else(super::faults::late)?;
        let open = |known, state| Open { link, known, state, is_ended: false };
        // Asked within the transaction, whose snapshot is taken by it where it has one of its own.
        let known = self.known.load_full();
        let rows = link.wait(history::state(&link.client, known.generation), deadline());
        match rows.and_then(|rows| history::read(&rows)) {
            Ok(state) => Ok(open(known, state)),
            Err(error) => {
                link.give_up();
                Err(error)
            }
        }
    }

    fn begin_once(
        &self,
        lane: &mut Option<Link>,
        engine: &Arc<Engine>,
        to: &Arc<Endpoint>,
        statements: &str,
    ) -> Result<()> {
        let link = match lane {
            Some(link) => link,
            none => none.insert(Link::open(engine, to, None, deadline())?),
        };
        link.note_used();
        let begun = link.batch(statements, deadline());
        if begun.is_err() {
            // It may have begun, and failed in the middle.
            link.give_up();
        }
        begun
    }
}

//! A decision that is still being hashed, for hosts that may not block.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use inspire_auth_platform::fork;

use super::{
    Principal,
    authenticate::{Pending, Progress},
    hash::Verdict,
    pool::Flight,
};
use crate::{
    auth::Inner,
    error::{Code, Error, Result},
    lock::lock,
};

/// What a request that may not block got.
#[derive(Debug)]
pub enum Attempt {
    /// The decision.
    Done(Result<Principal>),
    /// The secret is being hashed.
    Pending(Ticket),
}

/// A decision that is still being hashed. Dropping it, or cancelling, gives up the answer: a hash that waits for its turn
/// is then not begun, unless others asked for it too; one that runs goes on, and keeps its memory until it ends.
#[derive(Clone)]
pub struct Ticket(Arc<Shared>);

struct Shared {
    inner: Arc<Inner>,
    state: Mutex<State>,
    /// The process that the hash runs in.
    epoch: u32,
}

enum State {
    Hashing(Box<Pending>, Arc<Flight>),
    Decided(Result<Principal>),
}

impl Ticket {
    pub(crate) fn new(inner: Arc<Inner>, pending: Pending, flight: Arc<Flight>) -> Self {
        let state = Mutex::new(State::Hashing(Box::new(pending), flight));
        Self(Arc::new(Shared { inner, state, epoch: fork::epoch() }))
    }

    /// The decision, if it has been taken. The first call after the hash has answered takes it.
    #[must_use]
    pub fn poll(&self) -> Option<Result<Principal>> {
        self.0.advance().ok()
    }

    /// Waits for the decision: for ever, or at most so long.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Result<Principal>> {
        // A timeout too long for the clock is for ever.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            match self.0.advance() {
                Ok(result) => return Some(result),
                Err(flight) => {
                    flight.wait(deadline)?;
                }
            }
        }
    }

    /// Gives up: from now on the answer is `CANCELLED`. A hash that already runs goes on, and keeps its memory until it
    /// ends.
    pub fn cancel(&self) {
        if self.0.epoch != fork::epoch() {
            // The lock may be held by a thread that stayed in the parent; the answer is CANCELLED here anyway.
            return;
        }
        let given_up = {
            let mut state = lock(&self.0.state);
            if !matches!(*state, State::Hashing(..)) {
                return;
            }
            std::mem::replace(&mut *state, State::Decided(Err(Error::new(Code::Cancelled))))
        };
        given_up.leave(&self.0.inner);
    }

    /// Calls `callback` once when [`Ticket::poll`] will answer: at once, or on a thread of this library, where it must
    /// not block.
    pub fn on_ready(&self, callback: Box<dyn FnOnce() + Send>) {
        match self.0.advance() {
            Ok(_) => callback(),
            Err(flight) => {
                let ticket = self.clone();
                flight.on_landed(Box::new(move || ticket.on_ready(callback)));
            }
        }
    }
}

impl State {
    /// Lets go of what was waited for, and says so to the pool.
    fn leave(self, inner: &Inner) {
        if let Self::Hashing(pending, flight) = self {
            let key = flight.key();
            drop((pending, flight));
            inner.pool.get().leave(key);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let state = std::mem::replace(state, State::Decided(Err(Error::new(Code::Cancelled))));
        // In a forked child the flight is the parent's.
        if self.epoch == fork::epoch() {
            state.leave(&self.inner);
        }
    }
}

impl Shared {
    /// Takes the decision if the hash has answered; otherwise gives what is being waited for.
    fn advance(&self) -> Result<Result<Principal>, Arc<Flight>> {
        if self.epoch != fork::epoch() {
            // The thread that hashed stayed in the parent.
            return Ok(Err(Error::new(Code::Cancelled)));
        }
        let mut state = lock(&self.state);
        loop {
            let verdict: Verdict = match &*state {
                State::Decided(result) => return Ok(result.clone()),
                State::Hashing(_, flight) => match flight.poll() {
                    Some(verdict) => verdict,
                    None => return Err(Arc::clone(flight)),
                },
            };
            let before = std::mem::replace(&mut *state, State::Decided(Err(Error::new(Code::Internal))));
            if let State::Hashing(pending, _) = before {
                *state = match self.inner.resume(*pending, verdict) {
                    Progress::Decided(decision) => State::Decided(decision.map_err(Error::from)),
                    Progress::Hashing(pending, flight) => State::Hashing(Box::new(pending), flight),
                };
            }
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

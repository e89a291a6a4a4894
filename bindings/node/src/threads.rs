//! Threads for work that may wait: for a hash, for the disk, for another process's lock, for a server. Never libuv's, which
//! the host's files and look-ups need, and never the event loop's.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use inspire_auth_core::{Code, Error, Result};

/// Of each kind: they wait more than they work. Hashing itself happens on the library's pool.
const MAX_THREADS: usize = 4;
/// Work that may wait.
const QUEUE: usize = 4096;
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// For what waits a moment: for a hash, for the disk.
pub(crate) static BRIEF: Threads = Threads::new();
/// For what may wait ten seconds: for a licensing server. None of these ever keeps the others from their work.
pub(crate) static NETWORK: Threads = Threads::new();

/// Nothing of any environment is in here but work that was handed over.
pub(crate) struct Threads {
    state: Mutex<State>,
    call: Condvar,
}

struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

impl Threads {
    const fn new() -> Self {
        Self { state: Mutex::new(State { queue: VecDeque::new(), threads: 0, idle: 0 }), call: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `work` done by one of the threads.
    ///
    /// # Errors
    /// `BUSY` when too much is waiting, or no thread can be started.
    pub(crate) fn hand_over(&'static self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut state = self.state();
        if state.queue.len() >= QUEUE {
            return Err(Error::new(Code::Busy));
        }
        state.queue.push_back(Box::new(work));
        if state.queue.len() > state.idle && state.threads < MAX_THREADS {
            match thread::Builder::new().name("inspire-auth-node".to_owned()).spawn(|| self.serve()) {
                Ok(_) => state.threads = state.threads.saturating_add(1),
                Err(_) if state.threads > 0 => {}
                Err(_) => {
                    state.queue.pop_back();
                    return Err(Error::new(Code::Busy));
                }
            }
        }
        self.call.notify_one();
        Ok(())
    }

    fn serve(&self) {
        let mut held = self.state();
        loop {
            if let Some(work) = held.queue.pop_front() {
                drop(held);
                if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
                    std::mem::forget(payload);
                }
                held = self.state();
                continue;
            }
            held.idle = held.idle.saturating_add(1);
            let (woken, waited) = self.call.wait_timeout(held, IDLE).unwrap_or_else(PoisonError::into_inner);
            held = woken;
            held.idle = held.idle.saturating_sub(1);
            if waited.timed_out() && held.queue.is_empty() {
                held.threads = held.threads.saturating_sub(1);
                return;
            }
        }
    }
}

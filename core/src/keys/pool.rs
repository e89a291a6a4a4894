//! The hash pool: threads of our own for work that takes milliseconds and megabytes.
//!
//! Everything that hashes slowly runs here, so that one place keeps the promises:
//!
//! * Never more memory than the ceiling, whatever the load. A permit belongs to the job, not to the caller, who may go
//!   away; a question that nobody waits for any more, and that is not being hashed yet, is not hashed at all.
//! * Equal questions share one answer, and a credential has one job running and few waiting.
//! * Credentials without a tag, which anybody can make us hash for, get at most half of the memory, the threads, the
//!   places in the queue and, while others wait, the turns.
//! * A full queue says `BUSY`.
//!
//! Threads start with the first job and end when they have been idle for a while. Until then each keeps, wiped, the memory
//! of one hash such as new ones are, within the ceiling: to map and unmap it takes a quarter of the hash.

mod flight;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

pub(crate) use flight::{Flight, FlightKey};
use inspire_auth_platform::memory::Spare;

use super::hash::Verdict;
use crate::{
    error::{Code, Error, Result},
    id::Id,
    lock::lock,
};

/// Jobs that may wait; at 11 ms each on two cores, the last one waits a second and a half.
const QUEUE: usize = 256;
/// Those among them whose credential has no tag.
const UNTAGGED_QUEUE: usize = QUEUE / 2;
/// Jobs of one credential that may wait. Only secrets that differ need more than one.
const CREDENTIAL_QUEUE: usize = 8;
/// How many later jobs may go before one that waits for nothing but memory.
const PATIENCE: u32 = 16;
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

/// What a job is allowed to use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Bytes of memory.
    pub(crate) bytes: u64,
    /// Whether anybody at all can cause this job: its credential has no tag that would have refused a wrong secret.
    pub(crate) untagged: bool,
}

/// What the pool is doing, and has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PoolStats {
    /// Jobs being performed.
    pub(crate) running: usize,
    /// Jobs that wait.
    pub(crate) queued: usize,
    /// Bytes of memory that running jobs hold permits for.
    pub(crate) bytes: u64,
    /// Bytes of memory that earlier jobs have left for later ones.
    pub(crate) spare_bytes: u64,
    /// The most of both at any moment.
    pub(crate) peak_bytes: u64,
    /// Jobs begun so far that take memory, which is slow hashes.
    pub(crate) runs: u64,
    /// Questions that were refused for want of room.
    pub(crate) busy: u64,
}

/// What a job does, in what memory is there and for the next one.
pub(crate) type Run = Box<dyn FnOnce(&mut Spare) -> Verdict + Send>;

struct Job {
    cost: Cost,
    /// One job runs per credential at a time.
    credential: Option<Id>,
    flight: Option<Arc<Flight>>,
    run: Run,
    /// How many later jobs were taken while this one waited for memory.
    passed: u32,
}

impl Job {
    /// One that no check waits for.
    fn work(bytes: u64, run: Run) -> Self {
        Self { cost: Cost { bytes, untagged: false }, credential: None, flight: None, run, passed: 0 }
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    flights: HashMap<FlightKey, Arc<Flight>>,
    /// How many jobs of each credential wait, and how many of all without a tag.
    waiting: HashMap<Id, usize>,
    untagged_waiting: usize,
    /// The credentials whose job runs.
    running: HashSet<Id>,
    untagged_running: usize,
    untagged_bytes: u64,
    /// Whether it is the turn of a job without a tag, when one of each kind could go.
    untagged_turn: bool,
    /// Flights that were given up before they began, still to be told so.
    given_up: Vec<Arc<Flight>>,
    /// Wiped memory for jobs to come; no more than there are threads.
    spares: Vec<Spare>,
    threads: usize,
    handles: Vec<thread::JoinHandle<()>>,
    idle: usize,
    closed: bool,
    /// Kept as it goes, but for `queued` and `spare_bytes`.
    stats: PoolStats,
    /// Flights that were ever started.
    #[cfg(test)]
    flown: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    ceiling: u64,
    /// Bytes of a job whose memory is kept for the next one.
    one: u64,
    max_threads: usize,
    idle: Duration,
}

/// The pool of one handle in one process.
pub(crate) struct Pool(Arc<Shared>);

impl Pool {
    /// A pool that never uses more than `ceiling` bytes, nor more threads than said (`None`: than there are cores), nor
    /// more than could hash at once under the ceiling when a hash takes `one` byte count. There is no thread yet.
    pub(crate) fn new(ceiling: u64, threads: Option<NonZeroUsize>, one: u64) -> Self {
        Self::with_idle(ceiling, threads, one, IDLE)
    }

    fn with_idle(ceiling: u64, threads: Option<NonZeroUsize>, one: u64, idle: Duration) -> Self {
        let threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
        let fitting = ceiling.checked_div(one).map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let max_threads = threads.min(fitting).max(1);
        Self(Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), ceiling, one, max_threads, idle }))
    }

    /// Asks a question, or joins those who have already asked it. `prepare` makes the work of a new one, or refuses.
    ///
    /// # Errors
    /// `BUSY` when there is no room in the queue for this credential, or the job could never fit; what `prepare` returns.
    pub(crate) fn fly(&self, key: FlightKey, cost: Cost, prepare: impl FnOnce() -> Result<Run>) -> Result<Arc<Flight>> {
        let mut state = lock(&self.0.state);
        if let Some(flight) = state.flights.get(&key) {
            return Ok(Arc::clone(flight));
        }
        if !state.has_place(key.credential, cost) {
            state.stats.busy = state.stats.busy.saturating_add(1);
            return Err(Error::new(Code::Busy));
        }
        let flight = Flight::new(key);
        let run = prepare()?;
        self.enqueue(
            &mut state,
            Job { cost, credential: Some(key.credential), flight: Some(Arc::clone(&flight)), run, passed: 0 },
        )?;
        state.flights.insert(key, Arc::clone(&flight));
        #[cfg(test)]
        {
            state.flown = state.flown.saturating_add(1);
        }
        Ok(flight)
    }

    /// Says that one who waited for the answer to this question, and holds its flight no longer, has gone away. When
    /// nobody is left and it is not being hashed yet, it will not be.
    pub(crate) fn leave(&self, key: FlightKey) {
        let given_up = {
            let mut state = lock(&self.0.state);
            let state = &mut *state;
            // One reference is the map's and one the job's.
            let alone = state.flights.get(&key).is_some_and(|flight| Arc::strong_count(flight) == 2);
            let place = state.queue.iter().position(|job| job.flight.as_ref().is_some_and(|f| f.key() == key));
            let Some(job) = place.filter(|_| alone).and_then(|at| state.queue.remove(at)) else { return };
            state.forget_waiting(&job);
            // Callbacks wait for it still: they are a thread's of the pool to call.
            state.given_up.extend(state.flights.remove(&key));
            self.0.work.notify_one();
            job
        };
        // Whatever it holds is let go outside the lock.
        drop(given_up);
    }

    /// Hands over work that nobody waits for. Best effort: a full queue drops it, unless it takes no memory. Says
    /// whether it will be done.
    pub(crate) fn chore(&self, bytes: u64, run: impl FnOnce(&mut Spare) + Send + 'static) -> bool {
        let run: Run = Box::new(move |spare| {
            run(spare);
            Verdict::Wrong
        });
        self.enqueue(&mut lock(&self.0.state), Job::work(bytes, run)).is_ok()
    }

    /// Runs `work` on the pool and waits for it.
    ///
    /// # Errors
    /// `BUSY` when the queue is full, `INTERNAL` when `work` panicked, and what `work` returns.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce(&mut Spare) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let run: Run = Box::new(move |spare| {
            let _ = send.send(work(spare));
            Verdict::Wrong
        });
        self.enqueue(&mut lock(&self.0.state), Job::work(bytes, run))?;
        receive.recv().unwrap_or(Err(Error::new(Code::Internal)))
    }

    /// What the pool is doing, and has done since the process began to use it.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = lock(&self.0.state);
        PoolStats { queued: state.queue.len(), spare_bytes: state.spare_bytes(), ..state.stats }
    }

    fn enqueue(&self, state: &mut State, job: Job) -> Result<()> {
        // What takes no memory is no hash, and nobody can cause much of it.
        let full = state.queue.len() >= QUEUE && job.cost.bytes > 0;
        if state.closed || full || job.cost.bytes > self.0.ceiling {
            state.stats.busy = state.stats.busy.saturating_add(1);
            return Err(Error::new(Code::Busy));
        }
        state.note_waiting(&job);
        state.queue.push_back(job);
        self.0.work.notify_one();
        // An idle thread that was woken for an earlier job still counts as idle until it runs.
        if state.queue.len() > state.idle && state.threads < self.0.max_threads {
            let shared = Arc::clone(&self.0);
            let spawned = thread::Builder::new().name("inspire-auth-hash".to_owned()).spawn(move || shared.serve());
            match spawned {
                Ok(handle) => {
                    state.threads = state.threads.saturating_add(1);
                    state.handles.retain(|handle| !handle.is_finished());
                    state.handles.push(handle);
                }
                // Others will do it; with none at all, nobody would.
                Err(_) if state.threads > 0 => {}
                Err(_) => {
                    if let Some(job) = state.queue.pop_back() {
                        state.forget_waiting(&job);
                    }
                    return Err(Error::new(Code::Busy));
                }
            }
        }
        Ok(())
    }

    /// How many flights were ever started: what guesses must not cause.
    #[cfg(test)]
    pub(crate) fn flown(&self) -> usize {
        lock(&self.0.state).flown
    }

    /// Waits until everything handed over before has been done: only then is there room for a job that takes it all.
    #[cfg(test)]
    pub(crate) fn settle(&self) {
        let whole = self.0.ceiling;
        self.run(whole, |_| Ok(())).unwrap();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let handles = {
            let mut state = lock(&self.0.state);
            state.closed = true;
            self.0.work.notify_all();
            std::mem::take(&mut state.handles)
        };
        // What is queued is finished first, so that nobody waits for ever; the last handle may go on one of our threads.
        for handle in handles.into_iter().filter(|handle| handle.thread().id() != thread::current().id()) {
            let _ = handle.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl State {
    /// Whether the queue has a place for another question about this credential.
    fn has_place(&self, credential: Id, cost: Cost) -> bool {
        self.queue.len() < QUEUE
            && self.waiting.get(&credential).is_none_or(|waiting| *waiting < CREDENTIAL_QUEUE)
            && (!cost.untagged || self.untagged_waiting < UNTAGGED_QUEUE)
    }

    fn spare_bytes(&self) -> u64 {
        self.spares.iter().fold(0, |sum, spare| sum.saturating_add(spare.bytes() as u64))
    }

    fn note_waiting(&mut self, job: &Job) {
        if let Some(id) = job.credential {
            let waiting = self.waiting.entry(id).or_default();
            *waiting = waiting.saturating_add(1);
        }
        self.untagged_waiting = self.untagged_waiting.saturating_add(usize::from(job.cost.untagged));
    }

    fn forget_waiting(&mut self, job: &Job) {
        if let Some(id) = job.credential
            && let Some(waiting) = self.waiting.get_mut(&id)
        {
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.waiting.remove(&id);
            }
        }
        self.untagged_waiting = self.untagged_waiting.saturating_sub(usize::from(job.cost.untagged));
    }
}

impl Shared {
    /// The life of a thread.
    fn serve(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(flight) = state.given_up.pop() {
                drop(state);
                flight.land(Verdict::NoMemory);
                state = lock(&self.state);
                continue;
            }
            if let Some((job, spare)) = self.take(&mut state) {
                drop(state);
                self.perform(job, spare);
                state = lock(&self.state);
                continue;
            }
            if state.closed && state.queue.is_empty() {
                break;
            }
            let (woken, timed_out) = self.rest(state);
            state = woken;
            if timed_out && state.queue.is_empty() && state.given_up.is_empty() {
                break;
            }
        }
        state.threads = state.threads.saturating_sub(1);
        let left = state.threads;
        state.spares.truncate(left);
    }

    /// Waits for work; says whether none came.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.idle = state.idle.saturating_add(1);
        let (mut state, waited) = self.work.wait_timeout(state, self.idle).unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
        (state, waited.timed_out())
    }

    /// Whether there is memory for a job.
    fn has_room(&self, state: &State, job: &Job) -> bool {
        state.stats.bytes.saturating_add(job.cost.bytes) <= self.ceiling
    }

    /// Whether a job may run once there is memory for it.
    fn is_allowed(&self, state: &State, job: &Job) -> bool {
        let has_share = || {
            // Half of everything, but always one job.
            state.untagged_running == 0
                || (state.untagged_bytes.saturating_add(job.cost.bytes) <= self.ceiling / 2
                    && state.untagged_running < self.max_threads / 2)
        };
        !job.credential.is_some_and(|id| state.running.contains(&id)) && (!job.cost.untagged || has_share())
    }

    /// Which job is to run now.
    fn choose(&self, state: &mut State) -> Option<usize> {
        // The oldest one that waits for nothing but memory. What is small must not go before what is large for ever.
        let oldest = state.queue.iter().position(|job| self.is_allowed(state, job))?;
        let held_up = state.queue.get(oldest).filter(|job| !self.has_room(state, job));
        let saving = held_up.is_some_and(|job| job.passed >= PATIENCE);
        let fits =
            |job: &Job| self.is_allowed(state, job) && self.has_room(state, job) && !(saving && job.cost.bytes > 0);
        let at = state
            .queue
            .iter()
            .position(|job| fits(job) && job.cost.untagged == state.untagged_turn)
            .or_else(|| state.queue.iter().position(fits))?;
        if held_up.is_some()
            && let Some(oldest) = state.queue.get_mut(oldest)
        {
            oldest.passed = oldest.passed.saturating_add(1);
        }
        Some(at)
    }

    /// The job that may run now, with its permit taken, and the memory that is there for it.
    fn take(&self, state: &mut State) -> Option<(Job, Spare)> {
        let at = self.choose(state)?;
        let job = state.queue.remove(at)?;
        state.forget_waiting(&job);
        state.untagged_turn = !job.cost.untagged;
        if job.cost.untagged {
            state.untagged_running = state.untagged_running.saturating_add(1);
            state.untagged_bytes = state.untagged_bytes.saturating_add(job.cost.bytes);
        }
        state.running.extend(job.credential);
        let stats = &mut state.stats;
        stats.running = stats.running.saturating_add(1);
        stats.bytes = stats.bytes.saturating_add(job.cost.bytes);
        stats.runs = stats.runs.saturating_add(u64::from(job.cost.bytes > 0));
        let spare = self.make_way(state, &job);
        let held = state.stats.bytes.saturating_add(state.spare_bytes());
        state.stats.peak_bytes = state.stats.peak_bytes.max(held);
        Some((job, spare))
    }

    /// The spare memory that fits a job whose permit is taken. What of the rest would be above the ceiling now is given
    /// back to the system: here, before anybody can take more, though others wait for the lock.
    fn make_way(&self, state: &mut State, job: &Job) -> Spare {
        let spare = if job.cost.bytes == self.one { state.spares.pop() } else { None };
        while state.stats.bytes.saturating_add(state.spare_bytes()) > self.ceiling && state.spares.pop().is_some() {}
        spare.unwrap_or_default()
    }

    fn perform(&self, job: Job, mut spare: Spare) {
        let Job { cost, credential, flight, run, .. } = job;
        let verdict =
            catch_unwind(AssertUnwindSafe(|| run(&mut spare))).unwrap_or(Verdict::Unusable("checking it failed"));
        if cost.bytes != self.one {
            // Not for the next one, and gone before the permit is given back.
            spare = Spare::default();
        }
        {
            let mut state = lock(&self.state);
            state.stats.running = state.stats.running.saturating_sub(1);
            state.stats.bytes = state.stats.bytes.saturating_sub(cost.bytes);
            if spare.bytes() > 0 && state.spares.len() < state.threads {
                state.spares.push(spare);
            } else {
                drop(spare);
            }
            if cost.untagged {
                state.untagged_running = state.untagged_running.saturating_sub(1);
                state.untagged_bytes = state.untagged_bytes.saturating_sub(cost.bytes);
            }
            if let Some(id) = credential {
                state.running.remove(&id);
            }
            if let Some(flight) = &flight {
                state.flights.remove(&flight.key());
            }
            // What did not fit before may fit now.
            self.work.notify_all();
        }
        if let Some(flight) = flight {
            flight.land(verdict);
        }
    }
}

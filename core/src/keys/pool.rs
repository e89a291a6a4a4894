//! The hash pool: threads of our own for work that takes milliseconds and megabytes.
//!
//! Everything that hashes slowly runs here, so that one place keeps the promises: never more memory than the ceiling,
//! whatever the load; a permit belongs to the job, not to the caller, who may go away; credentials without a tag, which
//! anybody can make us hash for, get at most half; equal questions share one answer; a full queue says `BUSY`.
//! Threads start with the first job and end when they have been idle for a while.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::hash::Verdict;
use crate::{
    error::{Code, Error, Result},
    id::Id,
    lock::lock,
};

/// Jobs that may wait; at 20 ms each on two cores, the last one waits under three seconds.
const QUEUE: usize = 256;
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

/// What a flight is about: a credential, and the digest of the secret presented for it.
pub(crate) type FlightKey = (Id, (u64, u64));

/// One check in the air. Everybody who asks the same question meanwhile gets the same answer.
pub(crate) struct Flight {
    key: FlightKey,
    answer: OnceLock<Verdict>,
    waiting: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    landed: Condvar,
}

impl Flight {
    /// The answer, if there is one yet.
    pub(crate) fn poll(&self) -> Option<Verdict> {
        self.answer.get().copied()
    }

    /// Waits for the answer, at most until `deadline`.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<Verdict> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(verdict) = self.poll() {
                return Some(verdict);
            }
            match deadline {
                None => waiting = self.landed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    waiting = self.landed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Calls `callback` once, when the answer is there: at once, or on a thread of the pool.
    pub(crate) fn on_landed(&self, callback: Box<dyn FnOnce() + Send>) {
        let mut waiting = lock(&self.waiting);
        if self.poll().is_none() {
            waiting.push(callback);
        } else {
            drop(waiting);
            callback();
        }
    }

    fn land(&self, verdict: Verdict) {
        let callbacks = {
            let mut waiting = lock(&self.waiting);
            let _ = self.answer.set(verdict);
            self.landed.notify_all();
            std::mem::take(&mut *waiting)
        };
        for callback in callbacks {
            // A host's callback that panics must not take the pool's thread with it.
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }
}

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
    /// The most of these at any moment.
    pub(crate) peak_bytes: u64,
    /// Jobs begun so far that take memory, which is slow hashes.
    pub(crate) runs: u64,
    /// Questions that were refused for want of room.
    pub(crate) busy: u64,
}

type Run = Box<dyn FnOnce() -> Verdict + Send>;

struct Job {
    cost: Cost,
    /// One job runs per credential at a time.
    credential: Option<Id>,
    flight: Option<Arc<Flight>>,
    run: Run,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    flights: HashMap<FlightKey, Arc<Flight>>,
    running: HashSet<Id>,
    /// What is told of the pool; `queued` and `bytes` are filled in when somebody asks.
    stats: PoolStats,
    bytes: u64,
    untagged_bytes: u64,
    threads: usize,
    handles: Vec<thread::JoinHandle<()>>,
    idle: usize,
    closed: bool,
    /// Flights that were ever started.
    #[cfg(test)]
    flown: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    ceiling: u64,
    max_threads: usize,
}

/// The pool of one handle in one process.
pub(crate) struct Pool(Arc<Shared>);

impl Pool {
    /// A pool that never uses more than `ceiling` bytes, nor more threads than said (`None`: than there are cores), with
    /// no thread yet.
    pub(crate) fn new(ceiling: u64, threads: Option<NonZeroUsize>) -> Self {
        let max_threads = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
        Self(Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), ceiling, max_threads }))
    }

    /// Asks a question, or joins those who have already asked it.
    ///
    /// # Errors
    /// `BUSY` when the queue is full, or the job could never fit.
    pub(crate) fn fly(&self, key: FlightKey, cost: Cost, run: Run) -> Result<Arc<Flight>> {
        let mut state = lock(&self.0.state);
        if let Some(flight) = state.flights.get(&key) {
            return Ok(Arc::clone(flight));
        }
        let flight =
            Arc::new(Flight { key, answer: OnceLock::new(), waiting: Mutex::default(), landed: Condvar::new() });
        self.enqueue(&mut state, Job { cost, credential: Some(key.0), flight: Some(Arc::clone(&flight)), run })?;
        state.flights.insert(key, Arc::clone(&flight));
        #[cfg(test)]
        {
            state.flown += 1;
        }
        Ok(flight)
    }

    /// Hands over work that nobody waits for. Best effort: a full queue drops it.
    pub(crate) fn chore(&self, bytes: u64, run: impl FnOnce() + Send + 'static) {
        let run = Box::new(move || {
            run();
            Verdict::Wrong
        });
        let mut state = lock(&self.0.state);
        let _ = self
            .enqueue(&mut state, Job { cost: Cost { bytes, untagged: false }, credential: None, flight: None, run });
    }

    /// Runs `work` on the pool and waits for it.
    ///
    /// # Errors
    /// `BUSY` when the queue is full, `INTERNAL` when `work` panicked, and what `work` returns.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let run: Run = Box::new(move || {
            let _ = send.send(work());
            Verdict::Wrong
        });
        self.enqueue(
            &mut lock(&self.0.state),
            Job { cost: Cost { bytes, untagged: false }, credential: None, flight: None, run },
        )?;
        receive.recv().unwrap_or(Err(Error::new(Code::Internal)))
    }

    fn enqueue(&self, state: &mut State, job: Job) -> Result<()> {
        if state.closed || state.queue.len() >= QUEUE || job.cost.bytes > self.0.ceiling {
            state.stats.busy = state.stats.busy.saturating_add(1);
            return Err(Error::new(Code::Busy));
        }
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
                    state.queue.pop_back();
                    return Err(Error::new(Code::Busy));
                }
            }
        }
        Ok(())
    }

    /// What the pool is doing, and has done.
    pub(crate) fn stats(&self) -> PoolStats {
        let state = lock(&self.0.state);
        PoolStats { queued: state.queue.len(), bytes: state.bytes, ..state.stats }
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
        self.run(whole, || Ok(())).unwrap();
    }

    /// Bytes in use, for tests of the ceiling.
    #[cfg(test)]
    fn bytes(&self) -> (u64, u64) {
        let state = lock(&self.0.state);
        (state.bytes, state.untagged_bytes)
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

impl Shared {
    /// The life of a thread.
    fn serve(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = self.take(&mut state) {
                drop(state);
                self.perform(job);
                state = lock(&self.state);
                continue;
            }
            if state.closed && state.queue.is_empty() {
                break;
            }
            let (woken, timed_out) = self.rest(state);
            state = woken;
            if timed_out && state.queue.is_empty() {
                break;
            }
        }
        state.threads = state.threads.saturating_sub(1);
    }

    /// Waits for work; says whether none came.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.idle = state.idle.saturating_add(1);
        let (mut state, waited) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
        (state, waited.timed_out())
    }

    /// The first job that may run now, with its permit taken.
    fn take(&self, state: &mut State) -> Option<Job> {
        let fits = |job: &Job| {
            let bytes = state.bytes.saturating_add(job.cost.bytes);
            let untagged = state.untagged_bytes.saturating_add(job.cost.bytes);
            bytes <= self.ceiling
                // Half the ceiling, but always one job.
                && (!job.cost.untagged || state.untagged_bytes == 0 || untagged <= self.ceiling / 2)
                && !job.credential.is_some_and(|id| state.running.contains(&id))
        };
        let at = state.queue.iter().position(fits)?;
        let job = state.queue.remove(at)?;
        state.bytes = state.bytes.saturating_add(job.cost.bytes);
        if job.cost.untagged {
            state.untagged_bytes = state.untagged_bytes.saturating_add(job.cost.bytes);
        }
        state.running.extend(job.credential);
        let bytes = state.bytes;
        let stats = &mut state.stats;
        stats.running = stats.running.saturating_add(1);
        stats.peak_bytes = stats.peak_bytes.max(bytes);
        stats.runs = stats.runs.saturating_add(u64::from(job.cost.bytes > 0));
        Some(job)
    }

    fn perform(&self, job: Job) {
        let Job { cost, credential, flight, run } = job;
        let verdict = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Verdict::Unusable("checking it failed"));
        {
            let mut state = lock(&self.state);
            state.bytes = state.bytes.saturating_sub(cost.bytes);
            state.stats.running = state.stats.running.saturating_sub(1);
            if cost.untagged {
                state.untagged_bytes = state.untagged_bytes.saturating_sub(cost.bytes);
            }
            if let Some(id) = credential {
                state.running.remove(&id);
            }
            if let Some(flight) = &flight {
                state.flights.remove(&flight.key);
            }
            // What did not fit before may fit now.
            self.work.notify_all();
        }
        if let Some(flight) = flight {
            flight.land(verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    fn key(n: u128) -> FlightKey {
        (Id::from_bytes(n.to_be_bytes()), (0, 0))
    }

    const TAGGED: Cost = Cost { bytes: 10, untagged: false };

    #[test]
    fn equal_questions_share_one_answer() {
        let pool = Pool::new(100, None);
        let runs = Arc::new(AtomicUsize::new(0));
        let (release, gate) = mpsc::channel::<()>();
        let first = {
            let runs = Arc::clone(&runs);
            let run = Box::new(move || {
                gate.recv().unwrap();
                runs.fetch_add(1, Ordering::SeqCst);
                Verdict::Right { renew: false }
            });
            pool.fly(key(1), TAGGED, run).unwrap()
        };
        let joined: Vec<_> =
            (0..50).map(|_| pool.fly(key(1), TAGGED, Box::new(|| panic!("a second run"))).unwrap()).collect();
        assert!(first.poll().is_none());
        release.send(()).unwrap();
        for flight in joined.iter().chain([&first]) {
            assert_eq!(flight.wait(None), Some(Verdict::Right { renew: false }));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    /// T14, T15: the permit belongs to the job. A thousand callers that went away change nothing.
    #[test]
    fn memory_stays_below_the_ceiling_and_untagged_below_half() {
        let pool = Pool::new(100, None);
        let used = Arc::new(AtomicU64::new(0));
        let peak = Arc::new(AtomicU64::new(0));
        let mut flights = Vec::new();
        for n in 0..200 {
            let (used, peak) = (Arc::clone(&used), Arc::clone(&peak));
            let run = Box::new(move || {
                let now = used.fetch_add(30, Ordering::SeqCst) + 30;
                peak.fetch_max(now, Ordering::SeqCst);
                thread::yield_now();
                used.fetch_sub(30, Ordering::SeqCst);
                Verdict::Wrong
            });
            flights.push(pool.fly(key(n), Cost { bytes: 30, untagged: true }, run).unwrap());
        }
        // Half of them lose interest at once.
        flights.truncate(100);
        for flight in &flights {
            assert_eq!(flight.wait(None), Some(Verdict::Wrong));
        }
        // 30 of 50 allowed bytes: one at a time.
        assert_eq!(peak.load(Ordering::SeqCst), 30);
        pool.run(0, || Ok(())).unwrap();
        while pool.bytes() != (0, 0) {
            thread::yield_now();
        }
    }

    #[test]
    fn no_more_threads_hash_than_were_allowed() {
        let pool = Pool::new(1000, NonZeroUsize::new(1));
        let (running, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let fly = |n| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            let run = Box::new(move || {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
                running.fetch_sub(1, Ordering::SeqCst);
                Verdict::Wrong
            });
            pool.fly(key(n), TAGGED, run).unwrap()
        };
        for flight in (0..20).map(fly).collect::<Vec<_>>() {
            assert_eq!(flight.wait(None), Some(Verdict::Wrong));
        }
        assert_eq!(peak.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn one_job_at_a_time_per_credential() {
        let pool = Pool::new(1000, None);
        let together = Arc::new(AtomicUsize::new(0));
        let flights: Vec<_> = (0..50)
            .map(|n| {
                let together = Arc::clone(&together);
                let run = Box::new(move || {
                    assert_eq!(together.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    together.fetch_sub(1, Ordering::SeqCst);
                    Verdict::Wrong
                });
                pool.fly((Id::NIL, (n, 0)), TAGGED, run).unwrap()
            })
            .collect();
        for flight in flights {
            assert_eq!(flight.wait(None), Some(Verdict::Wrong));
        }
    }

    #[test]
    fn a_full_queue_is_busy_and_what_can_never_fit_too() {
        let pool = Pool::new(100, None);
        let (release, gate) = mpsc::channel::<()>();
        let blocked = pool
            .fly(
                key(0),
                Cost { bytes: 100, untagged: false },
                Box::new(move || {
                    let _ = gate.recv();
                    Verdict::Wrong
                }),
            )
            .unwrap();
        while pool.bytes().0 == 0 {
            thread::yield_now();
        }
        let kept: Vec<_> =
            (1..=QUEUE as u128).map(|n| pool.fly(key(n), TAGGED, Box::new(|| Verdict::Wrong)).unwrap()).collect();
        let refused = pool.fly(key(9999), TAGGED, Box::new(|| Verdict::Wrong));
        assert_eq!(refused.err().map(|e| e.code()), Some(Code::Busy));
        drop(release);
        assert!(blocked.wait(None).is_some());
        assert!(kept.iter().all(|flight| flight.wait(None).is_some()));
        let never = pool.fly(key(1), Cost { bytes: 101, untagged: false }, Box::new(|| Verdict::Wrong));
        assert_eq!(never.err().map(|e| e.code()), Some(Code::Busy));
    }

    #[test]
    fn a_panic_is_an_answer_and_the_pool_goes_on() {
        let pool = Pool::new(100, None);
        let flight = pool.fly(key(1), TAGGED, Box::new(|| panic!("on purpose"))).unwrap();
        assert!(matches!(flight.wait(None), Some(Verdict::Unusable(_))));
        assert_eq!(pool.run(10, || Ok(7)).unwrap(), 7);
        assert_eq!(pool.run(10, || -> Result<()> { panic!("on purpose") }).unwrap_err().code(), Code::Internal);
    }

    #[test]
    fn callbacks_come_once_before_or_after_landing() {
        let pool = Pool::new(100, None);
        let (send, receive) = mpsc::channel();
        let flight = pool.fly(key(1), TAGGED, Box::new(|| Verdict::Wrong)).unwrap();
        let early = send.clone();
        flight.on_landed(Box::new(move || early.send(1).unwrap()));
        flight.wait(None);
        flight.on_landed(Box::new(move || send.send(2).unwrap()));
        let mut seen: Vec<i32> = receive.iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    }
}

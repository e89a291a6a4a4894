//! A handle under load, and who watches it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, StoreLocation,
    keys::{Attempt, Caller, Channel, NewKey, Presented, Request, Requirement, Ticket},
};

use crate::times::Times;

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A failure, unless.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// A handle with one key in use.
pub(super) struct Host {
    pub(super) auth: InspireAuth,
    any: Requirement,
    good: String,
}

/// What a request that may not block got.
pub(super) enum Answer {
    Granted,
    Wrong,
    Busy,
    Pending(Ticket),
}

impl Host {
    pub(super) fn new(hash: HashParameters, change: impl FnOnce(&mut Options)) -> Result<Self, Failure> {
        let mut options = Options::new(StoreLocation::Memory);
        options.hash = hash;
        change(&mut options);
        let auth = InspireAuth::open(options)?;
        let any = auth.requirement(&"Authenticated".parse()?)?;
        let mut host = Self { auth, any, good: String::new() };
        host.good = host.create("good", 1)?.remove(0);
        host.expect_granted(&host.good)?;
        Ok(host)
    }

    /// Makes keys, on as many threads as hash: `name:key` of each.
    pub(super) fn create(&self, kind: &str, count: usize) -> Result<Vec<String>, Failure> {
        let make = |n| -> Result<String, Failure> {
            let created = self.auth.keys().create(&NewKey::named(format!("{kind}-{n}")), &Caller::system())?;
            Ok(created.credential().as_str().to_owned())
        };
        let halves = thread::scope(|scope| {
            let threads = [0, 1].map(|odd| {
                scope.spawn(move || (0..count).filter(|n| n % 2 == odd).map(make).collect::<Result<Vec<_>, _>>())
            });
            threads.map(|thread| thread.join().map_err(|_| "a thread panicked"))
        });
        let mut all = Vec::with_capacity(count);
        for half in halves {
            all.extend(half??);
        }
        Ok(all)
    }

    fn request<'a>(&'a self, header: &'a str) -> Request<'a> {
        let mut request = Request::new(Presented::Authorization(header.as_bytes()), &self.any);
        request.channel = Channel::Secure;
        request
    }

    /// Asks, and waits.
    pub(super) fn ask(&self, credential: &str) -> Code {
        let header = format!("Bearer {credential}");
        self.auth.authenticate(&self.request(&header)).map_or_else(|error| error.code(), |_| Code::Ok)
    }

    pub(super) fn expect_granted(&self, credential: &str) -> Result<(), Failure> {
        let code = self.ask(credential);
        expect(code == Code::Ok, || format!("a good key got {}", code.name()))
    }

    /// Asks, and does not.
    pub(super) fn ask_no_wait(&self, credential: &str) -> Result<Answer, Failure> {
        let header = format!("Bearer {credential}");
        match self.auth.authenticate_no_wait(&self.request(&header)) {
            Attempt::Pending(ticket) => Ok(Answer::Pending(ticket)),
            Attempt::Done(Ok(_)) => Ok(Answer::Granted),
            Attempt::Done(Err(error)) => match error.code() {
                Code::Busy => Ok(Answer::Busy),
                Code::InvalidCredential => Ok(Answer::Wrong),
                other => Err(format!("a request got {}", other.name()).into()),
            },
        }
    }

    /// The library's own figure of this name, less `inspire_`.
    pub(super) fn metric(&self, name: &str) -> Result<u64, Failure> {
        let text = self.auth.metrics_text();
        let line = text.lines().find_map(|line| line.strip_prefix("inspire_")?.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("there is no metric {name}"))?.parse()?)
    }

    /// Slow hashes so far.
    pub(super) fn runs(&self) -> Result<u64, Failure> {
        self.metric("hash_runs_total")
    }
}

/// A thread that uses a good key all the while, a few hundred times in each half of a millisecond, and times each check.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Times, Failure>>,
}

impl Watch {
    pub(super) fn begin(host: &Host) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (auth, any, header) = (host.auth.clone(), host.any.clone(), format!("Bearer {}", host.good));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut request = Request::new(Presented::Authorization(header.as_bytes()), &any);
            request.channel = Channel::Secure;
            let mut times = Times::default();
            while !stopped.load(Ordering::Relaxed) {
                for _ in 0..200 {
                    let start = Instant::now();
                    let decided = auth.authenticate(&request);
                    let took = start.elapsed();
                    if let Err(error) = decided {
                        return Err(format!("a good warm key was refused: {error}").into());
                    }
                    times.add(u64::try_from(took.as_nanos())?);
                }
                thread::sleep(Duration::from_micros(500));
            }
            Ok(times)
        });
        Self { stop, thread }
    }

    pub(super) fn end(self) -> Result<Times, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the watching thread panicked")?
    }
}

/// What the process takes of the machine's memory (RSS), at most, from a moment on.
pub(super) struct PeakMemory {
    before: Option<u64>,
}

impl PeakMemory {
    pub(super) fn begin() -> Self {
        // Linux keeps the peak, and forgets it when told so.
        let forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self { before: forgotten.then(|| status("VmRSS:")).flatten() }
    }

    /// By how much it rose, in bytes; nothing where the system does not say.
    pub(super) fn risen(&self) -> Option<u64> {
        Some(status("VmHWM:")?.saturating_sub(self.before?))
    }
}

fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 = text.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// The figures of a table of times in us, which are few.
pub(super) fn in_millis(times: &Times) -> String {
    let millis = |micros: u64| micros as f64 / 1000.0;
    let (median, most) = (millis(times.permille(500)), millis(times.longest()));
    format!("p50 {median:.2} ms, most {most:.2} ms ({} of them)", times.total())
}

/// The figures of a table of times in ns.
pub(super) fn in_micros(times: &Times) -> String {
    let micros = |nanos: u64| nanos as f64 / 1000.0;
    format!(
        "p50 {:.2} us, p99 {:.2} us, p99.9 {:.2} us, most {:.0} us ({} of them)",
        micros(times.permille(500)),
        micros(times.permille(990)),
        micros(times.permille(999)),
        micros(times.longest()),
        times.total()
    )
}

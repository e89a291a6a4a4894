//! Several machines on one PostgreSQL: how soon a revocation is obeyed elsewhere, and that none is missed, whatever happens to
//! the connection or to the order of the commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use inspire_auth_core::{
    Code, HashParameters, Id, InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
    store::{KeyChanges, KeyRow, PostgresOptions, PostgresStore, Store},
};
use inspire_auth_test_postgres::{Proxy, Server, psql, signal};

use crate::{
    Outcome, Sweep,
    children::{Process, enlist, wait_for},
    progress::Run,
};

/// From a revocation's return on one machine to its being obeyed by another process, by real requests.
pub const LATENCY: Sweep =
    Sweep { name: "latency", about: "how soon another machine obeys a revocation, on PostgreSQL", run: latency };
/// Connections that are lost in every way, with writes going on.
pub const DISCONNECTS: Sweep = Sweep {
    name: "disconnects",
    about: "connections to PostgreSQL are lost in every way; no revocation may be",
    run: disconnects,
};
/// Commits that overlap, and end in another order than they began.
pub const COMMITS: Sweep =
    Sweep { name: "commits", about: "overlapping commits on PostgreSQL; a follower misses none", run: commits };

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a node goes by what it knows.
const STALENESS: Duration = Duration::from_secs(1);

fn open(url: &str) -> Result<PostgresStore, Failure> {
    Ok(PostgresStore::open(PostgresOptions::parse(url)?)?)
}

/// A server with a store on it.
pub(crate) fn store() -> Result<(Server, String), Failure> {
    let server = Server::start()?;
    let url = server.url();
    PostgresStore::migrate(&PostgresOptions::parse(&url)?, &[])?;
    Ok((server, url))
}

pub(crate) fn handle(url: &str) -> Result<InspireAuth, Failure> {
    let mut options = Options::new(StoreLocation::parse(url));
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    Ok(InspireAuth::open(options)?)
}

/// Nanoseconds of a clock that all processes share and nobody sets.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Says something to another process, whole or not at all.
fn say(path: &Path, what: &str) -> Outcome {
    let new = path.with_extension("new");
    fs::write(&new, what)?;
    Ok(fs::rename(new, path)?)
}

fn latency(run: &mut Run) -> Outcome {
    run.goal("revocations", 2_000);
    let (_server, url) = store()?;
    let folder = run.scratch()?;
    let at = |name: &str| folder.path().join(name);
    let arguments = [url.clone(), folder.path().to_string_lossy().into_owned()];
    let mut node = Process::start(&run.program()?, "node", &arguments)?;
    let mut heard = |path: PathBuf| -> Result<String, Failure> {
        wait_for("the node says something", || {
            if let Some(status) = node.ended()? {
                return Err(format!("the node ended with {status}").into());
            }
            Ok(path.exists())
        })?;
        let said = fs::read_to_string(&path)?;
        fs::remove_file(path)?;
        Ok(said)
    };
    let auth = handle(&url)?;
    let caller = Caller::system();
    let mut random = Rng::new();
    while run.goes_on() {
        let made = auth.keys().create(&NewKey::named("victim"), &caller)?;
        say(&at("key"), made.credential().as_str())?;
        heard(at("granted"))?;
        // Not in step with anything.
        thread::sleep(Duration::from_micros(random.u64(0..20_000)));
        let begun = now();
        auth.keys().delete("victim", None, &caller)?;
        let returned = now();
        let refused: u64 = heard(at("refused"))?.parse()?;
        if refused < begun {
            return Err("the node refused a key before it was revoked".into());
        }
        run.add("revocations", 1);
        run.sample("us after its return", refused.saturating_sub(returned) / 1_000);
        run.sample("us with the write", refused.saturating_sub(begun) / 1_000);
    }
    Ok(())
}

/// The other machine: asks without a pause, and says when it was granted first, and refused first.
///
/// # Errors
/// What a check answered that it should not have.
pub fn play(arguments: &[String]) -> Outcome {
    let [url, folder] = enlist(arguments)? else { return Err("a node has a URL and a folder".into()) };
    let at = |name: &str| Path::new(folder).join(name);
    let auth = handle(url)?;
    let any = Requirement::compile(&"Authenticated".parse()?)?;
    loop {
        let Ok(key) = fs::read_to_string(at("key")) else {
            thread::sleep(Duration::from_micros(200));
            continue;
        };
        fs::remove_file(at("key"))?;
        let header = format!("Bearer {key}");
        let ask = || {
            let mut request = Request::new(Presented::Authorization(header.as_bytes()), &any);
            request.channel = Channel::Secure;
            auth.authenticate(&request).map(drop).map_err(|error| error.code())
        };
        while ask() == Err(Code::InvalidCredential) {}
        ask().map_err(|code| format!("granted first, and then {code:?}"))?;
        say(&at("granted"), "")?;
        let refused = loop {
            match ask() {
                Ok(()) => {}
                Err(Code::InvalidCredential) => break now(),
                Err(code) => return Err(format!("a check answers {code:?}").into()),
            }
        };
        say(&at("refused"), &refused.to_string())?;
    }
}

/// What a handle keeps of a store that it follows.
struct Node {
    store: PostgresStore,
    keys: BTreeSet<Id>,
    generation: u64,
}

impl Node {
    fn new(store: PostgresStore) -> Result<Self, Failure> {
        let mut node = Self { store, keys: BTreeSet::new(), generation: 0 };
        node.load()?;
        Ok(node)
    }

    fn load(&mut self) -> Result<(), inspire_auth_core::Error> {
        let mut keys = BTreeSet::new();
        self.generation = self.store.load(&mut |key| {
            keys.insert(key.key.id);
            Ok(())
        })?;
        self.keys = keys;
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), inspire_auth_core::Error> {
        if self.store.generation()? <= self.generation {
            return Ok(());
        }
        let changes = self.store.changes_since(self.generation)?;
        let KeyChanges::Only(keys) = changes.keys else { return self.load() };
        for (id, key) in keys {
            if key.is_some() {
                self.keys.insert(id)
            } else {
                self.keys.remove(&id)
            };
        }
        self.generation = changes.generation;
        Ok(())
    }
}

fn key(name: String) -> Result<KeyRow, Failure> {
    Ok(KeyRow {
        id: Id::random()?,
        kind: "basic-token".into(),
        name,
        description: String::new(),
        levels: Vec::new(),
        require_secure: true,
        enabled: true,
        created_at: 1,
        updated_at: 1,
        expires_at: None,
        revision: 1,
        seal: None,
        seal_key_id: None,
    })
}

/// What the writer has acknowledged.
#[derive(Default)]
struct Said {
    /// When each key was revoked.
    revoked: BTreeMap<Id, Instant>,
    living: BTreeSet<Id>,
}

fn disconnects(run: &mut Run) -> Outcome {
    run.goal("disconnects", 1_000);
    let (mut server, url) = store()?;
    let proxy = Proxy::start(server.port())?;
    let behind = format!("{}&max_staleness={}ms", proxy.url(), STALENESS.as_millis());
    let said = Mutex::new(Said::default());
    let said = || said.lock().unwrap_or_else(PoisonError::into_inner);
    let (over, worst) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    // Before anything is lost: who opens a store waits for nobody.
    let (store, mut node) = (open(&url)?, Node::new(open(&behind)?)?);
    thread::scope(|scope| {
        let writer = scope.spawn(|| -> Result<u64, Failure> {
            let mut writes = 0;
            let mut random = Rng::new();
            while !over.load(Ordering::Acquire) {
                let row = key(format!("{writes}"))?;
                // It may be between two lives of the server.
                if store.write(&mut |tx| tx.insert_key(&row)).is_err() {
                    continue;
                }
                said().living.insert(row.id);
                writes += 1;
                thread::sleep(Duration::from_millis(random.u64(0..10)));
                let old = random.choice(said().living.iter().copied().collect::<Vec<_>>());
                if let Some(id) = old.filter(|_| said().living.len() > 20) {
                    // One whose end is not known is neither.
                    said().living.remove(&id);
                    if store.write(&mut |tx| tx.delete_key(id)).is_ok() {
                        said().revoked.insert(id, Instant::now());
                        writes += 1;
                    }
                }
            }
            Ok(writes)
        });
        let watcher = scope.spawn(|| -> Result<(u64, u64, u64), Failure> {
            let (mut checks, mut stale) = (0, 0);
            while !over.load(Ordering::Acquire) {
                let begun = Instant::now();
                checks += 1;
                if let Err(error) = node.refresh() {
                    if !matches!(error.code(), Code::StoreStale | Code::StoreUnavailable) {
                        return Err(format!("a check answers {error:?}").into());
                    }
                    stale += 1;
                    continue;
                }
                for (id, at) in &said().revoked {
                    if node.keys.contains(id) {
                        // Accepted, at a time at which it was known to be revoked.
                        let late = begun.saturating_duration_since(*at);
                        let mut worst = worst.lock().unwrap_or_else(PoisonError::into_inner);
                        *worst = (*worst).max(late);
                        if late >= STALENESS {
                            return Err(format!("a key is accepted {late:?} after its revocation").into());
                        }
                    }
                }
            }
            // What was said last arrives.
            let until = Instant::now() + Duration::from_secs(60);
            loop {
                let is_level = node.refresh().is_ok() && said().revoked.keys().all(|id| !node.keys.contains(id));
                if is_level && said().living.iter().all(|id| node.keys.contains(id)) {
                    return Ok((checks, stale, said().revoked.len() as u64));
                }
                if Instant::now() > until {
                    return Err("a change was missed".into());
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let mut random = Rng::new();
        let broken = (|| -> Outcome {
            while run.goes_on() && !writer.is_finished() && !watcher.is_finished() {
                disconnect(&mut server, &proxy, &url, &mut random)?;
                run.add("disconnects", 1);
                thread::sleep(Duration::from_millis(random.u64(0..300)));
            }
            Ok(())
        })();
        over.store(true, Ordering::Release);
        let gone = |_| Failure::from("a thread panicked");
        let (writes, watched) = (writer.join().map_err(gone)?, watcher.join().map_err(gone)?);
        broken?;
        let ((checks, stale, revoked), writes) = (watched?, writes?);
        run.add("checks", checks);
        run.add("of them answered STORE_STALE", stale);
        run.add("writes", writes);
        run.add("revocations", revoked);
        run.at_least("missed", 0);
        let worst = worst.lock().unwrap_or_else(PoisonError::into_inner).as_millis();
        run.at_least("ms accepted at most after a revocation", u64::try_from(worst)?);
        Ok(())
    })
}

/// Loses the node's connections in one of the ways in which they are lost.
fn disconnect(server: &mut Server, proxy: &Proxy, url: &str, random: &mut Rng) -> Outcome {
    let pause = |random: &mut Rng| thread::sleep(Duration::from_millis(random.u64(1..1_500)));
    // The ways that take long are rarer.
    match random.u8(0..20) {
        0..6 => proxy.cut(),
        6..12 => drop(psql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port > 0")),
        12..15 => {
            proxy.be_silent(true);
            pause(random);
            proxy.be_silent(false);
            proxy.cut();
        }
        15..17 => {
            proxy.refuse(true);
            proxy.cut();
            pause(random);
            proxy.refuse(false);
        }
        17..19 => {
            let first = server.pid().ok_or("the server is gone")?;
            let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
            let all: Vec<u32> = children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            for process in all.iter().chain([&first]) {
                let _ = signal(*process, "STOP");
            }
            pause(random);
            for process in all.iter().chain([&first]) {
                let _ = signal(*process, "CONT");
            }
        }
        _ => {
            if random.bool() {
                server.stop()?
            } else {
                server.crash()?
            }
            server.resume()?;
        }
    }
    Ok(())
}

fn commits(run: &mut Run) -> Outcome {
    /// Threads that write, with a connection each.
    const WRITERS: usize = 8;
    /// Commits of each thread between two looks.
    const ROUND: u64 = 250;
    run.goal("commits", 100_000);
    let (_server, url) = store()?;
    let mut node = Node::new(open(&url)?)?;
    let stores = (0..WRITERS).map(|_| open(&url)).collect::<Result<Vec<_>, _>>()?;
    while run.goes_on() {
        let over = AtomicBool::new(false);
        thread::scope(|scope| -> Outcome {
            let writers: Vec<_> = stores
                .iter()
                .enumerate()
                .map(|(number, store)| {
                    scope.spawn(move || -> Outcome {
                        let mut random = Rng::with_seed(number as u64);
                        let mut mine: Vec<Id> = Vec::new();
                        for _ in 0..ROUND {
                            let old = (mine.len() > 3).then(|| mine.swap_remove(random.usize(0..mine.len())));
                            let row = key(Id::random()?.to_string())?;
                            store.write(&mut |tx| match old {
                                Some(old) => tx.delete_key(old),
                                None => tx.insert_key(&row),
                            })?;
                            if old.is_none() {
                                mine.push(row.id);
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            let follower = scope.spawn(|| -> Outcome {
                while !over.load(Ordering::Acquire) {
                    node.refresh()?;
                }
                Ok(())
            });
            let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            over.store(true, Ordering::Release);
            let gone = |_| Failure::from("a thread panicked");
            follower.join().map_err(gone)??;
            ended.into_iter().try_for_each(|ended| ended.map_err(gone)?)
        })?;
        run.add("commits", WRITERS as u64 * ROUND);
        let last: u64 = psql(&url, "SELECT generation FROM inspire_auth.meta")?.parse()?;
        wait_for("the follower is level", || {
            node.refresh()?;
            Ok(node.generation >= last)
        })?;
        let there = Node::new(open(&url)?)?;
        let missed = there.keys.symmetric_difference(&node.keys).count();
        if missed > 0 {
            return Err(format!("{missed} changes were missed").into());
        }
    }
    run.at_least("missed", 0);
    Ok(())
}

//! The first use of many keys at once, and floods of guesses: what they cost, and what good keys notice of them.
//!
//! In one process, by the library's own counters (`metrics_text`). Whatever must hold is checked, in the short form too;
//! times are told, and judged in the long form only.

mod flood;
mod host;

use std::time::{Duration, Instant};

use inspire_auth_core::HashParameters;

use self::{
    flood::{Guesser, Kind},
    host::{Failure, Host, Watch},
};
use crate::{Outcome, Sweep, progress::Run, times::Times};

/// The sweep.
pub const SWEEP: Sweep = Sweep {
    name: "herd",
    about: "10,000 cold keys at once, floods of guesses: memory, BUSY, and good keys meanwhile",
    run,
};

/// The defaults of the library.
const REAL: HashParameters = HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };
/// What a warm check may take, for 99 of 100, while anything else goes on. In ns.
const MOST_P99: u64 = 50_000;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Cold keys at once, with a cheap hash.
    pub cold: usize,
    /// Cold keys at once, with the hash that is the default.
    pub cold_real: usize,
    /// Wrong secrets for names of generated keys.
    pub wrong: u64,
    /// Guesses for a key without a tag.
    pub guesses: u64,
    /// Guesses in a second.
    pub pace: u64,
    /// Cold keys of others that are used meanwhile, one after another.
    pub bystanders: usize,
    /// The hash of all keys but those of `cold_real`.
    pub cheap: HashParameters,
}

impl Scale {
    /// What the figures are stated for.
    pub const LONG: Self = Self {
        cold: 10_000,
        cold_real: 500,
        wrong: 100_000,
        guesses: 100_000,
        pace: 10_000,
        bystanders: 100,
        cheap: HashParameters { memory_kib: 1024, iterations: 2, parallelism: 1 },
    };
    /// A few seconds.
    pub const SHORT: Self = Self {
        cold: 300,
        cold_real: 8,
        wrong: 2_000,
        guesses: 1_000,
        pace: 10_000,
        bystanders: 10,
        cheap: HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 },
    };
}

fn run(run: &mut Run) -> Outcome {
    for part in PARTS {
        run.goal(part.0, 1);
    }
    let mut slow = Vec::new();
    for (name, part) in PARTS {
        // A part that an earlier slice finished is not begun again.
        if run.count(name) > 0 || !run.goes_on() {
            continue;
        }
        println!("  {name}");
        for (what, warm) in part(&Scale::LONG)? {
            if warm.permille(990) > MOST_P99 {
                slow.push(format!("{what}: p99 {} ns", warm.permille(990)));
            }
        }
        run.add(name, 1);
    }
    if slow.is_empty() { Ok(()) } else { Err(format!("good warm keys were slowed down: {}", slow.join(", ")).into()) }
}

/// What warm keys took meanwhile, by what was going on.
type Warm = Vec<(String, Times)>;
/// A part, and what it is called where the sweep stands.
type Part = (&'static str, fn(&Scale) -> Result<Warm, Failure>);

const PARTS: [Part; 4] = [
    ("cold herd, cheap hash", |scale| cold_herd(scale.cold, scale.cheap)),
    ("cold herd, default hash", |scale| cold_herd(scale.cold_real, REAL)),
    ("wrong secrets for generated keys", wrong_secrets),
    ("guesser on an untagged key", guessers),
];

/// Every part, at this scale: what must hold holds.
///
/// # Errors
/// What does not hold.
pub fn brief(scale: &Scale) -> Outcome {
    PARTS.iter().try_for_each(|(name, part)| part(scale).map(drop).map_err(|error| format!("{name}: {error}").into()))
}

/// So many keys that this process has not seen before are used at once; whoever is told `BUSY` asks again a second later,
/// as `Retry-After` says.
fn cold_herd(keys: usize, hash: HashParameters) -> Result<Warm, Failure> {
    let host = Host::new(hash, |_| {})?;
    let credentials = host.create("cold", keys)?;
    let prepared = host.runs()?;
    let watch = Watch::begin(&host);
    let memory = host::PeakMemory::begin();
    let start = Instant::now();
    let (mut asking, mut waiting): (Vec<_>, Vec<_>) = (credentials.iter().map(|c| (c, start)).collect(), Vec::new());
    let (mut busy, mut granted) = (0_u64, 0);
    while granted < keys {
        let now = Instant::now();
        let mut later = Vec::new();
        for (credential, due) in asking {
            if due > now {
                later.push((credential, due));
                continue;
            }
            match host.ask_no_wait(credential)? {
                host::Answer::Granted => granted += 1,
                host::Answer::Pending(ticket) => waiting.push(ticket),
                host::Answer::Busy => {
                    busy += 1;
                    later.push((credential, due + Duration::from_secs(1)));
                }
                host::Answer::Wrong => return Err("a good key was refused".into()),
            }
        }
        asking = later;
        let before = waiting.len();
        let mut refused = None;
        waiting.retain(|ticket| match ticket.poll() {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => {
                refused = Some(error);
                false
            }
        });
        if let Some(error) = refused {
            return Err(format!("a good key was refused: {error}").into());
        }
        granted += before - waiting.len();
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = start.elapsed();
    let risen = memory.risen();
    let warm = watch.end()?;
    let (peak, limit, runs) =
        (host.metric("hash_memory_peak_bytes")?, host.metric("hash_memory_limit_bytes")?, host.runs()?);
    println!(
        "    {keys} keys (m={} KiB, t={}): all granted after {:.1} s, {:.0} a second; BUSY {busy} times; hash memory at most \
         {:.1} of {:.1} MiB, RSS up by {:.1} MiB",
        hash.memory_kib,
        hash.iterations,
        took.as_secs_f64(),
        keys as f64 / took.as_secs_f64(),
        mib(peak),
        mib(limit),
        mib(risen.unwrap_or(0)),
    );
    host::expect(peak <= limit, || format!("{peak} bytes of hash memory, {limit} are allowed"))?;
    host::expect(runs - prepared == keys as u64, || format!("{} hashes for {keys} keys", runs - prepared))?;
    // What is not a hash's: tickets, and what the allocator keeps.
    let slack = (32 << 20) + keys as u64 * 2048;
    host::expect(risen.is_none_or(|risen| risen <= limit + slack), || format!("RSS rose by {risen:?} bytes"))?;
    Ok(vec![tell("cold herd", warm)])
}

/// Wrong secrets, well made, for names that exist: of keys in use and of keys that this process has not seen.
fn wrong_secrets(scale: &Scale) -> Result<Warm, Failure> {
    let host = Host::new(scale.cheap, |_| {})?;
    let names = host.create("known", 100)?;
    for credential in names.iter().take(50) {
        host.expect_granted(credential)?;
    }
    let runs = host.runs()?;
    let watch = Watch::begin(&host);
    let start = Instant::now();
    flood::wrong_secrets(&host, &names, scale.wrong)?;
    let took = start.elapsed();
    let warm = watch.end()?;
    let hashed = host.runs()? - runs;
    println!(
        "    {} wrong secrets for {} names: {hashed} hashes; {:.0} refusals a second",
        scale.wrong,
        names.len(),
        scale.wrong as f64 / took.as_secs_f64()
    );
    host::expect(hashed == 0, || format!("{hashed} hashes for wrong secrets of generated keys"))?;
    Ok(vec![tell("wrong secrets", warm)])
}

/// One guesser on one key that anybody can make us hash for, of each kind that there is.
fn guessers(scale: &Scale) -> Result<Warm, Failure> {
    let mut warm = Vec::new();
    let alone = {
        let host = Host::new(scale.cheap, |_| {})?;
        flood::bystanders(&host, &host.create("bystander", scale.bystanders)?)?
    };
    println!("    cold keys of others, with nobody guessing: {}", host::in_millis(&alone));
    for kind in [Kind::ChosenWithMemo, Kind::Chosen, Kind::Random] {
        let host = Host::new(scale.cheap, |options| options.memo_chosen = kind == Kind::ChosenWithMemo)?;
        let bystanders = host.create("bystander", scale.bystanders)?;
        let guesser = Guesser::new(&host, kind)?;
        let watch = Watch::begin(&host);
        let told = guesser.flood(scale, &bystanders)?;
        let what = format!("guesser, {}", kind.name());
        warm.push(tell(&what, watch.end()?));
        println!(
            "    {what}: {} guesses, {} hashed, {} BUSY; the owner asked {} times, {} BUSY; cold keys of others: {}",
            told.guesses,
            told.hashed,
            told.busy,
            told.owner_asked,
            told.owner_busy,
            host::in_millis(&told.bystanders)
        );
        guesser.judge(&told)?;
    }
    Ok(warm)
}

fn tell(what: &str, warm: Times) -> (String, Times) {
    println!("    good warm keys meanwhile ({what}): {}", host::in_micros(&warm));
    (what.to_owned(), warm)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

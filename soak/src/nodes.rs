//! Four gateways on one PostgreSQL for ten minutes: a write a second, checks by all, no wrong answer, flat memory.
//!
//! What is right is told by a number for each key, in memory that all share: the answer, and since when it has been the answer for
//! whoever made the change. A node may be late by as much as it may be stale, and no more.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use inspire_auth_core::{
    Code, InspireAuth,
    keys::{Caller, Channel, Import, ImportFormat, KeyUpdate, NewKey, Presented, Request, Requirement},
    store::Strength,
};

use crate::{
    Outcome, Sweep,
    children::{Process, enlist, wait_for},
    cluster::{Failure, handle, now, store},
    progress::Run,
    words::Words,
};

/// Several machines for ten minutes.
pub const SWEEP: Sweep =
    Sweep { name: "nodes", about: "four gateways on one PostgreSQL, a write a second, for ten minutes", run };

const NODES: usize = 4;
const KEYS: usize = 100_000;
const SHORT: usize = 1_000;
/// How many keys are imported in one transaction.
const BATCH: usize = 5_000;
/// How long a node may go by what it knew.
const STALENESS: Duration = Duration::from_secs(5);
/// The numbers of the keys that were changed last, before those of the keys.
const RECENT: usize = 64;
/// For each node: its checks, its wrong answers, what it answered while it was stale, the longest lag in microseconds.
const OF_NODE: usize = 4;
const FIRST: usize = RECENT + NODES * OF_NODE;
/// The level that is required, and the one that a key has instead.
const REQUIRED: &str = "Soak/Reader";
const OTHER: &str = "Soak/Other";
/// The secret of every key, until it is rotated.
const SECRET: &str = "the-secret-of-all-keys-of-this-sweep";

/// The right answer to a check of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Granted,
    Invalid,
    Insufficient,
    /// A change is under way: it may be that of before or of after.
    Either,
}

impl Answer {
    const fn number(self) -> u64 {
        match self {
            Self::Granted => 0,
            Self::Invalid => 1,
            Self::Insufficient => 2,
            Self::Either => 3,
        }
    }

    /// As one number, with the microsecond from which on it is right.
    const fn since(self, at: u64) -> u64 {
        at << 2 | self.number()
    }

    const fn of(word: u64) -> (Self, u64) {
        let answer = match word & 3 {
            0 => Self::Granted,
            1 => Self::Invalid,
            2 => Self::Insufficient,
            _ => Self::Either,
        };
        (answer, word >> 2)
    }
}

fn micros() -> u64 {
    now() / 1_000
}

fn name(number: usize) -> String {
    format!("key-{number}")
}

fn run(run: &mut Run) -> Outcome {
    run.goal("seconds", 600);
    let keys = if run.is_brief() { SHORT } else { KEYS };
    let (_server, url) = store()?;
    let url = format!("{url}?max_staleness={}ms", STALENESS.as_millis());
    let folder = run.scratch()?;
    let path = folder.path().join("answers");
    let words = Words::open(&path, FIRST + keys)?;
    let auth = handle(&url)?;
    import(&auth, keys)?;
    let arguments =
        |node: usize| [url.clone(), path.to_string_lossy().into_owned(), keys.to_string(), node.to_string()];
    let program = run.program()?;
    let mut nodes =
        (0..NODES).map(|node| Process::start(&program, "gateway", &arguments(node))).collect::<Result<Vec<_>, _>>()?;
    let counted = |what: usize| (0..NODES).map(|node| of_node(&words, node, what)).sum::<u64>();
    let are_well = |nodes: &mut [Process]| -> Outcome {
        for node in nodes {
            if let Some(status) = node.ended()? {
                return Err(format!("a node ended with {status}").into());
            }
        }
        Ok(())
    };
    let have_all_checked = |checks: u64| (0..NODES).all(|node| of_node(&words, node, 0) > checks);
    wait_for("every node checks", || {
        are_well(&mut nodes)?;
        Ok(have_all_checked(0))
    })?;
    let mut random = Rng::new();
    let (mut recent, mut made) = (0, keys);
    let pace = if run.is_brief() { Duration::from_millis(50) } else { Duration::from_secs(1) };
    let (mut due, began, mut warm) = (Instant::now(), Instant::now(), None);
    let (mut told, mut first, mut later) = (0, Vec::new(), Vec::new());
    while run.goes_on() {
        let key = random.usize(0..keys);
        let words_of_key = &words[FIRST + key];
        let (before, _) = Answer::of(words_of_key.load(Ordering::Acquire));
        words[recent % RECENT].store(key as u64, Ordering::Release);
        recent += 1;
        words_of_key.store(Answer::Either.since(micros()), Ordering::Release);
        let begun = Instant::now();
        let after = change(&auth, key, before, &mut random)?;
        run.sample("write us", u64::try_from(begun.elapsed().as_micros())?);
        words_of_key.store(after.since(micros()), Ordering::Release);
        made += usize::from(after != before);
        run.add("writes", 1);
        due += pace;
        while Instant::now() < due {
            are_well(&mut nodes)?;
            thread::sleep(Duration::from_millis(10));
        }
        // Memory is looked at from when every node has used every key.
        if warm.is_none() && have_all_checked(keys as u64) {
            warm = Some(Instant::now());
        }
        if let Some(warm) = warm {
            let (what, sizes) = if warm.elapsed() < Duration::from_secs(60) {
                ("KiB of a node at first", &mut first)
            } else {
                ("KiB of a node later", &mut later)
            };
            for node in &nodes {
                sizes.push(resident(node.id())?);
                run.sample(what, *sizes.last().unwrap_or(&0));
            }
        }
        let seconds = began.elapsed().as_secs();
        run.add("seconds", seconds - told);
        told = seconds;
        if counted(1) > 0 {
            return Err("a node gave a wrong answer (it says which one)".into());
        }
    }
    if !later.is_empty() && median(&mut later) > median(&mut first) * 21 / 20 {
        return Err("a node grows".into());
    }
    run.at_least("keys", keys as u64);
    run.at_least("changed", (made - keys) as u64);
    run.at_least("checks", counted(0));
    run.at_least("wrong answers", counted(1));
    run.at_least("answers that the node was stale", counted(2));
    let lag = (0..NODES).map(|node| of_node(&words, node, 3)).max().unwrap_or(0);
    run.at_least("us of lag at most", lag);
    Ok(())
}

fn of_node(words: &Words, node: usize, what: usize) -> u64 {
    words[RECENT + node * OF_NODE + what].load(Ordering::Acquire)
}

fn median(sizes: &mut [u64]) -> u64 {
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().unwrap_or(0)
}

/// Makes all keys, with one secret.
fn import(auth: &InspireAuth, keys: usize) -> Outcome {
    let hash = hash()?;
    let imports: Vec<_> = (0..keys).map(|number| imported(number, &hash)).collect();
    for batch in imports.chunks(BATCH) {
        auth.keys().import_all(batch, &Caller::system())?;
    }
    Ok(())
}

fn imported(number: usize, hash: &str) -> Import {
    Import {
        key: NewKey { levels: vec![REQUIRED.to_owned()], ..NewKey::named(name(number)) },
        format: ImportFormat::Phc,
        hash: hash.to_owned(),
        strength: Strength::Random,
    }
}

/// Of the secret of all keys, quickly made.
fn hash() -> Result<String, Failure> {
    let salt = [7; 16];
    let parameters = argon2::Params::new(64, 1, 1, Some(32)).map_err(|error| error.to_string())?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut hash = [0; 32];
    argon2.hash_password_into(SECRET.as_bytes(), &salt, &mut hash).map_err(|error| error.to_string())?;
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
    Ok(format!("$argon2id$v=19$m=64,t=1,p=1${}${}", encode(&salt), encode(&hash)))
}

/// Changes a key in one of the ways in which keys are changed, and returns the right answer from now on.
fn change(auth: &InspireAuth, key: usize, before: Answer, random: &mut Rng) -> Result<Answer, Failure> {
    let (keys, system, name) = (auth.keys(), Caller::system(), name(key));
    let record = match keys.get(&name) {
        // What was deleted is made again, under its name.
        Err(error) if error.code() == Code::NotFound => {
            keys.import(&imported(key, &hash()?), &system)?;
            return Ok(Answer::Granted);
        }
        found => found?,
    };
    let relevel = |level: &str| -> Outcome {
        let update = KeyUpdate { levels: Some(vec![level.to_owned()]), ..KeyUpdate::default() };
        Ok(keys.update(&name, record.revision, &update, &system).map(drop)?)
    };
    Ok(match before {
        Answer::Insufficient => {
            relevel(REQUIRED)?;
            Answer::Granted
        }
        // What is disabled is enabled again; what was rotated is deleted.
        Answer::Invalid if !record.enabled => {
            keys.set_enabled(&name, true, None, &system)?;
            Answer::Granted
        }
        Answer::Invalid | Answer::Either => {
            keys.delete(&name, None, &system)?;
            Answer::Invalid
        }
        Answer::Granted => match random.u8(0..4) {
            0 => {
                relevel(OTHER)?;
                Answer::Insufficient
            }
            1 => {
                keys.set_enabled(&name, false, None, &system)?;
                Answer::Invalid
            }
            2 => {
                keys.rotate(&name, 0, None, &system)?;
                Answer::Invalid
            }
            _ => {
                keys.delete(&name, None, &system)?;
                Answer::Invalid
            }
        },
    })
}

/// KiB of memory that a process has.
fn resident(process: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// A gateway: checks, and compares with what is right.
///
/// # Errors
/// What it could not do.
#[allow(clippy::print_stderr, reason = "what was wrong is to be seen")]
pub fn play(arguments: &[String]) -> Outcome {
    let [url, path, keys, node] = enlist(arguments)? else { return Err("a gateway has four arguments".into()) };
    let (keys, node): (usize, usize) = (keys.parse()?, node.parse()?);
    let words = Words::open(&PathBuf::from(Path::new(path)), FIRST + keys)?;
    let auth = handle(url)?;
    let required = Requirement::compile(&REQUIRED.parse()?)?;
    let ask = |name: &str, secret: &str| {
        let header = format!("Bearer {name}:{secret}");
        let mut request = Request::new(Presented::Authorization(header.as_bytes()), &required);
        request.channel = Channel::Secure;
        match auth.authenticate(&request).map_err(|error| error.code()) {
            Ok(_) => Ok(Answer::Granted),
            Err(Code::InvalidCredential) => Ok(Answer::Invalid),
            Err(Code::InsufficientLevel) => Ok(Answer::Insufficient),
            Err(code) => Err(code),
        }
    };
    let counter = |what: usize| &words[RECENT + node * OF_NODE + what];
    let mut random = Rng::with_seed(node as u64);
    // What was obeyed of the keys that are changed: whoever has obeyed a change does not go back.
    let mut obeyed = HashMap::new();
    let mut turn = 0;
    loop {
        turn += 1;
        // All of them once, in order; then any, and those that were changed last.
        let key = match random.u8(0..4) {
            _ if turn <= keys => turn - 1,
            0 => random.usize(0..keys),
            _ => usize::try_from(words[random.usize(0..RECENT)].load(Ordering::Acquire))?,
        };
        let before = words[FIRST + key].load(Ordering::Acquire);
        let begun = micros();
        let is_guess = turn > keys && random.u8(0..32) == 0;
        let answer = if is_guess { ask(&name(key), "some-other-secret") } else { ask(&name(key), SECRET) };
        let is_settled = words[FIRST + key].load(Ordering::Acquire) == before;
        counter(0).fetch_add(1, Ordering::AcqRel);
        let (right, since) = if is_guess { (Answer::Invalid, 0) } else { Answer::of(before) };
        match answer {
            Err(Code::StoreStale | Code::Busy) => drop(counter(2).fetch_add(1, Ordering::AcqRel)),
            Err(code) => return Err(format!("a check answers {code:?}").into()),
            Ok(answer) if answer != right && right != Answer::Either && is_settled => {
                let late = begun.saturating_sub(since);
                counter(3).fetch_max(late, Ordering::AcqRel);
                if u128::from(late) >= STALENESS.as_micros() || obeyed.get(&key) == Some(&before) {
                    eprintln!("node {node}: {} is {answer:?}, {right:?} since {late} us", name(key));
                    counter(1).fetch_add(1, Ordering::AcqRel);
                }
            }
            Ok(answer) if answer == right && is_settled && since > 0 && !is_guess => {
                obeyed.insert(key, before);
            }
            Ok(_) => {}
        }
        if turn % 256 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

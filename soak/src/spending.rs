//! Credits that four gateways spend with eight threads each, while gateways are killed and sessions are ended: never more than
//! there are, and each operation once.
//!
//! A round is a month. Each gateway writes down what it is about to do, and what was answered; whatever it was told is in the book
//! at the end, and the book's sums are those of its operations.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use inspire_auth_core::{
    Code, InspireAuth, Options, StoreLocation,
    keys::Caller,
    license::{
        Kind,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
};
use inspire_auth_test_postgres::psql;

use crate::{
    Outcome, Sweep,
    children::{PATIENCE, Process, enlist},
    cluster::{Failure, store},
    progress::Run,
};

/// Several machines that spend one allocation.
pub const SWEEP: Sweep =
    Sweep { name: "credits", about: "four gateways with eight threads spend one allocation, and are killed", run };

const NODES: usize = 4;
const THREADS: usize = 8;
const AMOUNT: i64 = 3;
/// A month's, which a round uses up.
const ALLOCATION: i64 = 10_000;
const SHORT: i64 = 1_500;
/// The first round's, Unix seconds. Each further round is 31 days later.
const NOW: i64 = 1_800_000_000;
const MONTH: i64 = 31 * 86_400;
const KEY: &str = "KEY-KEY-KEY";

fn open(url: &str) -> Result<InspireAuth, Failure> {
    let mut options = Options::new(StoreLocation::parse(url));
    options.trusted_keys = vec![TrustedKey::new("vendor", SigningKey::from_seed(&[7; 32]).public())?];
    options.machine_id = Some("cluster".to_owned());
    Ok(InspireAuth::open(options)?)
}

fn run(run: &mut Run) -> Outcome {
    run.goal("kills", 300);
    let allocation = if run.is_brief() { SHORT } else { ALLOCATION };
    let (_server, url) = store()?;
    let auth = open(&url)?;
    let mut license = LicenseDescription::new("l1", KEY);
    license.fingerprint = Some("cluster".to_owned());
    license.entitlements = Some(vec!["OFFLINE_LICENSING".to_owned()]);
    license.limits.insert("AI_CREDITS_MONTHLY".to_owned(), allocation);
    let file = sign(&SigningKey::from_seed(&[7; 32]), &license, Kind::Machine, true, Some(NOW))?;
    let caller = Caller { now: Some(NOW), ..Caller::system() };
    auth.license().activate_offline(KEY, file.as_bytes(), false, &caller)?;
    let mut random = Rng::new();
    let mut month = NOW;
    while run.goes_on() {
        let folder = run.scratch()?;
        round(run, &url, month, folder.path(), &mut random)?;
        audit(run, &auth, &url, month, folder.path(), allocation)?;
        run.add("rounds", 1);
        month += MONTH;
    }
    run.at_least("over the allocation", 0);
    Ok(())
}

/// Gateways spend until nothing is left, whatever is done to them.
fn round(run: &mut Run, url: &str, month: i64, folder: &Path, random: &mut Rng) -> Outcome {
    let program = run.program()?;
    let mut number = 0;
    let mut start = || {
        number += 1;
        let journal = folder.join(format!("{number}"));
        let arguments = [url.to_owned(), month.to_string(), journal.to_string_lossy().into_owned(), number.to_string()];
        Process::start(&program, "spender", &arguments)
    };
    let mut nodes = (0..NODES).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    loop {
        // Not in step with anything; a gateway needs some of it to begin.
        thread::sleep(Duration::from_millis(random.u64(20..600)));
        let mut ended = 0;
        for node in &mut nodes {
            if let Some(status) = node.ended()? {
                if !status.success() {
                    return Err(format!("a gateway ended with {status}").into());
                }
                ended += 1;
            }
        }
        if ended > 0 {
            // Nothing is left: the others find that out, too.
            return nodes.iter_mut().try_for_each(|node| match node.wait()? {
                status if status.success() => Ok(()),
                status => Err(format!("a gateway ended with {status}").into()),
            });
        }
        if random.u8(0..4) == 0 {
            psql(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'",
            )?;
            run.add("times all sessions were ended", 1);
        } else {
            let victim = random.usize(0..NODES);
            nodes[victim].kill()?;
            nodes[victim] = start()?;
            run.add("kills", 1);
        }
        if begun.elapsed() > PATIENCE * 5 {
            return Err("the allocation is not used up".into());
        }
    }
}

/// Compares what was answered with the book.
fn audit(run: &mut Run, auth: &InspireAuth, url: &str, month: i64, folder: &Path, allocation: i64) -> Outcome {
    let mut said: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for journal in fs::read_dir(folder)? {
        for line in fs::read_to_string(journal?.path())?.lines() {
            let words = ["asks", "granted", "returns", "returned"];
            if let Some((word, operation)) = line.split_once(' ')
                && let Some(word) = words.into_iter().find(|known| *known == word)
            {
                said.entry(word).or_default().insert(operation.to_owned());
            }
        }
    }
    let none = BTreeSet::new();
    let said = |word: &str| said.get(word).unwrap_or(&none);
    // It takes the lock of the book: what a dead gateway had asked for is done by now, or never is.
    let balance = auth.license().balance(None, Some(month))?;
    let period = "(SELECT max(period) FROM inspire_auth.credit_periods)";
    let listed =
        psql(url, &format!("SELECT id, amount, refunded FROM inspire_auth.credit_operations WHERE period = {period}"))?;
    let mut book: BTreeMap<&str, bool> = BTreeMap::new();
    let mut sum = 0;
    for line in listed.lines() {
        let mut fields = line.split('|');
        let (Some(id), Some(amount), Some(refunded)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if amount.parse() != Ok(AMOUNT) {
            return Err(format!("{id} is {amount} in the book").into());
        }
        let is_refunded = refunded == "t";
        sum += if is_refunded { 0 } else { AMOUNT };
        book.insert(id, is_refunded);
    }
    let used = balance.used;
    if used != sum || used > allocation {
        return Err(format!("{used} are used, the operations' sum is {sum}, {allocation} may be").into());
    }
    // What was given back may have come too late for anybody to spend.
    let returned = book.values().filter(|is_refunded| **is_refunded).count();
    if used + AMOUNT * i64::try_from(returned)? + AMOUNT <= allocation {
        return Err(format!("the gateways ended with {used} of {allocation} used, and {returned} given back").into());
    }
    for operation in said("granted") {
        match book.get(operation.as_str()) {
            None => return Err(format!("{operation} was granted, and is not in the book").into()),
            Some(true) if !said("returns").contains(operation) => {
                return Err(format!("{operation} was given back by nobody").into());
            }
            Some(_) => {}
        }
    }
    if let Some(lost) = said("returned").iter().find(|operation| book.get(operation.as_str()) != Some(&true)) {
        return Err(format!("{lost} was given back, and the book does not say so").into());
    }
    if let Some(nobodys) = book.keys().find(|operation| !said("asks").contains(**operation)) {
        return Err(format!("{nobodys} is in the book, and nobody asked for it").into());
    }
    run.add("operations", book.len() as u64);
    run.add("given back", said("returned").len() as u64);
    Ok(())
}

/// What the journals beside this one say was asked, and do not say was granted.
fn unanswered(journal: &Path) -> Result<BTreeSet<String>, Failure> {
    let (mut asked, mut granted) = (BTreeSet::new(), BTreeSet::new());
    for other in fs::read_dir(journal.parent().ok_or("no folder")?)? {
        let lines = fs::read_to_string(other?.path())?;
        // The last line may be under way.
        let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (word, operation) in whole.lines().filter_map(|line| line.split_once(' ')) {
            match word {
                "asks" => drop(asked.insert(operation.to_owned())),
                "granted" => drop(granted.insert(operation.to_owned())),
                _ => {}
            }
        }
    }
    Ok(&asked - &granted)
}

/// A gateway: spends until nothing is left, and writes down what it asks and hears.
///
/// # Errors
/// What it was answered and should not have been.
pub fn play(arguments: &[String]) -> Outcome {
    let [url, month, path, number] = enlist(arguments)? else { return Err("a spender has four arguments".into()) };
    let month: i64 = month.parse()?;
    let journal = OpenOptions::new().create(true).append(true).open(path)?;
    // A line at a time, whole or not at all.
    let note = |word: &str, operation: &str| (&journal).write_all(format!("{word} {operation}\n").as_bytes());
    let auth = loop {
        match open(url) {
            Ok(auth) => break auth,
            // Its session was ended before it began.
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    };
    // Whoever was told nothing asks again, by the same name.
    let persist = |ask: &dyn Fn() -> inspire_auth_core::Result<()>| -> Result<Option<Code>, Failure> {
        loop {
            match ask().map_err(|error| error.code()) {
                Ok(()) => return Ok(None),
                Err(Code::StoreUnavailable | Code::StoreLocked | Code::StoreStale) => {}
                Err(code @ (Code::LimitExceeded | Code::Conflict)) => return Ok(Some(code)),
                Err(code) => return Err(format!("a gateway is answered {code:?}").into()),
            }
        }
    };
    let consume = |operation: &str| {
        auth.license().consume(AMOUNT, operation, None, Some(month)).map(|balance| {
            assert!(balance.used <= balance.limit, "{balance:?}");
        })
    };
    // Whatever others asked and heard nothing of is asked again: some of them are dead, some are asking now.
    for operation in unanswered(Path::new(path))? {
        match persist(&|| consume(&operation))? {
            None => note("granted", &operation)?,
            // Whoever asked is alive, and has given it back.
            Some(Code::Conflict) => {}
            Some(_) => return Ok(()),
        }
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|at| {
                let (auth, note, persist, consume) = (&auth, &note, &persist, &consume);
                scope.spawn(move || -> Outcome {
                    let mut random = Rng::new();
                    for n in 0.. {
                        let operation = format!("{month}-{number}-{at}-{n}");
                        note("asks", &operation)?;
                        match persist(&|| consume(&operation))? {
                            None => {}
                            Some(Code::LimitExceeded) => return Ok(()),
                            Some(code) => return Err(format!("{operation} is answered {code:?}").into()),
                        }
                        note("granted", &operation)?;
                        if random.u8(0..20) == 0 {
                            note("returns", &operation)?;
                            persist(&|| auth.license().refund(&operation, None, Some(month)).map(drop))?;
                            note("returned", &operation)?;
                        } else if random.u8(0..20) == 0 {
                            // The same again is the same.
                            persist(&|| consume(&operation))?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| Failure::from("a thread panicked"))?)
    })
}

//! A million keys: how long a store takes to open, what a key takes of memory, what a look-up among them costs, how soon another
//! process's change is seen, and what a second thread adds. One JSON object a line.

use std::{
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use inspire_auth_core::{
    Id, InspireAuth, Options, Pepper, StoreLocation,
    keys::{Caller, Channel, KeyUpdate, Presented, Request, Requirement},
    store::{CredentialRow, KeyRow, Origin, Scheme, Strength},
};
use inspire_auth_platform::{sqlite::Scan, words};
use rusqlite::Connection;
use sha2::Sha256;

const PEPPER: &[u8] = b"the pepper of a benchmark's store";
/// What a stored `hmac-sha256` is made over, before the key.
const CONTEXT: &[u8] = b"inspire-auth/key/v1\0";
/// Requests of one round of look-ups: picked before it, so that only the library's own memory is far away.
const BATCH: usize = 4096;

pub(crate) fn run(arguments: &[String]) {
    let keys =
        if arguments.iter().any(|argument| argument.trim_start_matches('-') == "quick") { 100_000 } else { 1_000_000 };
    match arguments.first().map(String::as_str) {
        Some("open") => open_once(Path::new(&arguments[1])),
        Some("scan") => scan_once(Path::new(&arguments[1])),
        Some("fill") => fill(Path::new(&arguments[1]), keys, Scheme::Argon2),
        Some("change") => changed(Path::new(&arguments[1]), keys),
        Some("follow") => follow(Path::new(&arguments[1])),
        _ => all(keys),
    }
}

fn all(keys: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (slow, quick) = (folder.path().join("argon2.db"), folder.path().join("hmac.db"));
    fill(&slow, keys, Scheme::Argon2);
    open(&slow, keys);
    changed(&slow, keys);
    drop(std::fs::remove_file(&slow));
    fill(&quick, keys, Scheme::HmacSha256);
    look_ups(&quick, keys);
}

/// A figure: the median of these samples, in ns, bytes or times, and the least of them.
fn tell(measure: &str, who: &str, unit: &str, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    let (least, median) = (samples[0], samples[samples.len() / 2]);
    println!(
        "{{\"suite\":\"million\",\"measure\":\"{measure}\",\"who\":\"{who}\",\"{unit}\":{median:.3},\"least\":{least:.3},\
         \"rounds\":{}}}",
        samples.len()
    );
}

fn options(path: &Path) -> Options {
    let mut options = Options::new(StoreLocation::Path(path.to_owned()));
    if path.ends_with("hmac.db") {
        options.peppers = vec![Pepper { id: "p".into(), secret: PEPPER.to_vec().into() }];
        options.scheme = Scheme::HmacSha256;
    }
    options
}

fn name(n: u64) -> String {
    format!("client-{n:09}")
}

/// A key that differs from all others, in the alphabet of keys.
fn secret(n: u64) -> String {
    format!("secret-{:043}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn hash(n: u64, scheme: Scheme) -> String {
    let bytes: [u8; 32] = std::array::from_fn(|at| (n >> (at % 8 * 8)) as u8);
    if scheme == Scheme::Argon2 {
        // Of no secret at all: nobody will ask for it.
        return format!(
            "$argon2id$v=19$m=19456,t=2,p=1${}${}",
            &"c2FsdHNhbHRzYWx0c2FsdA"[..22],
            URL_SAFE_NO_PAD.encode(bytes).replace(['-', '_'], "a")
        );
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(PEPPER).expect("HMAC takes any key");
    mac.update(CONTEXT);
    mac.update(secret(n).as_bytes());
    format!("$hmac-sha256${}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A store with so many keys, sealed where there is a pepper.
fn fill(path: &Path, keys: u64, scheme: Scheme) {
    let auth = InspireAuth::open(options(path)).expect("a store");
    auth.store()
        .write(&mut |tx| {
            for n in 0..keys {
                let key = KeyRow {
                    id: Id::random()?,
                    kind: "basic-token".into(),
                    name: name(n),
                    description: "made for a benchmark".into(),
                    levels: vec![format!("Authenticated/Ops/{}", n % 8)],
                    require_secure: true,
                    enabled: true,
                    created_at: 1_800_000_000,
                    updated_at: 1_800_000_000,
                    expires_at: None,
                    revision: 1,
                    seal: None,
                    seal_key_id: None,
                };
                let credential = CredentialRow {
                    id: Id::random()?,
                    key_id: key.id,
                    scheme,
                    hash: hash(n, scheme),
                    tag: None,
                    tag_key_id: None,
                    pepper_id: (scheme == Scheme::HmacSha256).then(|| "p".into()),
                    origin: Origin::Generated,
                    strength: Strength::Random,
                    not_after: None,
                    created_at: 1_800_000_000,
                };
                tx.insert_key(&key)?;
                tx.insert_credential(&credential)?;
            }
            Ok(())
        })
        .expect("keys");
    if scheme == Scheme::HmacSha256 {
        auth.keys().seal_all(&Caller::system()).expect("seals");
    }
}

/// Opens the store in processes of their own: the wall time, and what the process's memory grew by. Beside it what SQLite alone takes
/// for the same rows.
fn open(path: &Path, keys: u64) {
    let (mut opened, mut scanned, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let [seconds, grown] = once("open", path);
        opened.push(seconds * 1e9);
        bytes.push(grown / keys as f64);
        scanned.push(once("scan", path)[0] * 1e9);
    }
    tell("open", "ours", "ns", opened);
    tell("open", "SQLite alone, the same rows", "ns", scanned);
    tell("memory", "ours", "bytes", bytes);
}

/// What this program says when it is run so: seconds, and bytes.
fn once(what: &str, path: &Path) -> [f64; 2] {
    let output = command(what, path).output().expect("this program, again");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    std::array::from_fn(|_| numbers.next().expect("a number"))
}

/// Reads what a load reads, and does nothing with it.
fn scan_once(path: &Path) {
    let start = Instant::now();
    let connection = Connection::open(path).expect("a store");
    let tables = [
        "SELECT id, kind, name, levels, require_secure, enabled, expires_at, revision, seal, seal_key_id FROM keys ORDER BY rowid",
        "SELECT id, key_id, scheme, hash, tag, tag_key_id, pepper_id, origin, strength, not_after, created_at FROM credentials \
         ORDER BY rowid",
    ];
    let mut tables = tables.map(|sql| {
        (Scan::new(&connection, sql).expect("a table"), sql.split(" FROM").next().unwrap_or(sql).split(',').count())
    });
    let mut rows = 0_u64;
    loop {
        let mut is_over = true;
        for (table, columns) in &mut tables {
            let Some(row) = table.next().expect("a row") else { continue };
            (0..*columns).for_each(|column| {
                black_box(row.value(column));
            });
            (is_over, rows) = (false, rows + 1);
        }
        if is_over {
            break;
        }
    }
    println!("{} {rows}", start.elapsed().as_secs_f64());
}

fn command(what: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("million").arg(what).arg(path);
    command
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split_whitespace().nth(1).expect("pages").parse::<u64>().expect("a number") * 4096
}

fn open_once(path: &Path) {
    let before = resident();
    let start = Instant::now();
    let auth = InspireAuth::open(options(path)).expect("a store");
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds} {}", resident() - before);
    drop(auth);
}

/// One key of all is changed here; another process, which has them all open, times its next check: all that the change costs it.
fn changed(path: &Path, keys: u64) {
    let mut child = command("follow", path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program");
    let (mut ask, mut answers) =
        (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
    let mut line = String::new();
    answers.read_line(&mut line).expect("it is open");
    let auth = InspireAuth::open(options(path)).expect("a store");
    let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
    for round in 0..200_u64 {
        let name = name(round * 31 % keys);
        let revision = auth.keys().get(&name).expect("a key").revision;
        let update = KeyUpdate { description: Some(format!("changed in round {round}")), ..KeyUpdate::default() };
        auth.keys().update(&name, revision, &update, &Caller::system()).expect("a change");
        changed.push(next_check(&mut ask, &mut answers));
        unchanged.push(next_check(&mut ask, &mut answers));
    }
    drop(ask);
    child.wait().expect("its end");
    tell("change", "ours", "ns", changed);
    tell("change", "ours, nothing changed", "ns", unchanged);
}

fn next_check(ask: &mut impl std::io::Write, answers: &mut impl std::io::BufRead) -> f64 {
    writeln!(ask, "go").expect("it listens");
    let mut line = String::new();
    answers.read_line(&mut line).expect("an answer");
    line.trim().parse().expect("a number")
}

fn follow(path: &Path) {
    let auth = InspireAuth::open(options(path)).expect("a store");
    let any = auth.requirement(&"Authenticated".parse().expect("a requirement")).expect("a requirement");
    println!("open");
    for line in std::io::stdin().lines() {
        let _ = line.expect("text");
        let request = Request::new(Presented::Legacy(b"nobody:nothing"), &any);
        let start = Instant::now();
        assert!(black_box(auth.authenticate(&request)).is_err());
        println!("{}", start.elapsed().as_nanos());
    }
}

/// A picked key's header and nothing else that is far away.
struct Host {
    auth: InspireAuth,
    required: Requirement,
}

impl Host {
    fn granted(&self, value: &[u8]) -> bool {
        let mut request = Request::new(Presented::Authorization(value), &self.required);
        request.channel = Channel::Secure;
        black_box(self.auth.authenticate(black_box(&request))).is_ok()
    }
}

fn header(n: u64) -> Vec<u8> {
    format!("Bearer {}:{}", name(n), secret(n)).into_bytes()
}

fn look_ups(path: &Path, keys: u64) {
    let auth = InspireAuth::open(options(path)).expect("a store");
    let required = auth.requirement(&"any(Authenticated/Ops, Authenticated)".parse().expect("one")).expect("one");
    let host = Host { auth, required };
    for n in 0..keys {
        assert!(host.granted(&header(n)), "key {n}");
    }
    // A million last uses are not to be written meanwhile.
    host.auth.flush().expect("room for them");
    let mut random = fastrand::Rng::with_seed(1);
    let mut batch = move || -> Vec<Vec<u8>> { (0..BATCH).map(|_| header(random.u64(0..keys))).collect() };
    let hot = vec![header(keys / 2); BATCH];
    let (mut one_hot, mut at_random) = (Vec::new(), Vec::new());
    for _ in 0..301 {
        let picked = batch();
        for (requests, samples) in [(&hot, &mut one_hot), (&picked, &mut at_random)] {
            // The requests themselves are in the cache, as a host's are.
            black_box(requests.iter().flatten().fold(0_u8, |sum, byte| sum ^ byte));
            let start = Instant::now();
            for value in requests {
                assert!(host.granted(value));
            }
            samples.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    }
    tell("look-up", "ours, one key", "ns", one_hot);
    tell("look-up", "ours, random", "ns", at_random);
    tell("look-up", "two loads alone, one after the other, from as much memory", "ns", two_loads(keys));

    let sets = [batch(), batch()];
    let ratios = (0..15).map(|_| {
        let one = throughput(&host, &sets[..1]);
        throughput(&host, &sets) / one
    });
    tell("threads", "ours, two threads", "times", ratios.collect());
    let ratios = (0..15).map(|_| {
        let alone = throughput(&host, &sets);
        beside_a_writer(&host, keys, || throughput(&host, &sets)) / alone
    });
    tell("threads", "ours, two threads beside a writer, against without", "times", ratios.collect());
}

/// What the memory itself takes for a look-up among so many keys: a word of a table, and the two cache lines that it says, each time
/// others.
fn two_loads(keys: u64) -> Vec<f64> {
    let count = usize::try_from(keys).expect("a number");
    let (table, records) = (words::zeroed((count * 4 / 3).next_power_of_two()), words::zeroed(count * 16));
    let mut random = fastrand::Rng::with_seed(2);
    table.iter().for_each(|word| word.store(random.u64(0..keys), Ordering::Relaxed));
    records.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    let samples = (0..301).map(|_| {
        let picked: Vec<usize> = (0..BATCH).map(|_| random.usize(0..table.len())).collect();
        let start = Instant::now();
        let mut before = 0;
        for at in &picked {
            // What was loaded before is 0, which the processor does not know.
            let at = table[at ^ before].load(Ordering::Relaxed) as usize * 16;
            before = (records[at].load(Ordering::Relaxed) | records[at + 8].load(Ordering::Relaxed)) as usize;
        }
        black_box(before);
        start.elapsed().as_nanos() as f64 / BATCH as f64
    });
    samples.collect()
}

/// While a third thread changes one key after another, up to a hundred a second.
fn beside_a_writer<T>(host: &Host, keys: u64, work: impl FnOnce() -> T) -> T {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for name in (0..keys).cycle().map(name).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                let revision = host.auth.keys().get(&name).expect("a key").revision;
                let update = KeyUpdate { description: Some(format!("after {revision}")), ..KeyUpdate::default() };
                host.auth.keys().update(&name, revision, &update, &Caller::system()).expect("a change");
                thread::sleep(Duration::from_millis(10));
            }
        });
        let done = work();
        is_done.store(true, Ordering::Relaxed);
        done
    })
}

/// Checks a second, by one thread for each set of requests.
fn throughput(host: &Host, sets: &[Vec<Vec<u8>>]) -> f64 {
    const TIME: Duration = Duration::from_millis(200);
    let begin = Barrier::new(sets.len());
    let rates = thread::scope(|scope| {
        let threads: Vec<_> = sets
            .iter()
            .map(|requests| {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    let (start, mut done) = (Instant::now(), 0_usize);
                    while start.elapsed() < TIME {
                        for value in requests {
                            assert!(host.granted(value));
                        }
                        done += requests.len();
                    }
                    done as f64 / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a rate")).collect::<Vec<f64>>()
    });
    rates.iter().sum()
}

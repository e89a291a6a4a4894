//! Measurements, one a name: `cargo run --release -p inspire-auth-bench -- prf` (or `warm`, `page`, `calls`, `instructions`). What
//! stands beside peers is in `benches/peers`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // its output is its purpose
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used)] // nothing here is untrusted

mod host;
mod instructions;
mod million;

use std::{hint::black_box, process::ExitCode, time::Instant};

use host::Host;
use inspire_auth_core::{
    StoreLocation,
    store::{PostgresOptions, PostgresStore},
};
use inspire_auth_platform::{
    clock::monotonic_millis,
    page::{NewPage, Page},
};
use inspire_auth_test_postgres::Server;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip128::{SipHasher13, SipHasher24};

const ROUNDS: usize = 31;
const CALLS: u32 = 20_000;

fn main() -> ExitCode {
    let measure = match std::env::args().nth(1).as_deref() {
        Some("prf") => prf,
        Some("warm") => warm,
        Some("page") => page,
        Some("calls") => calls,
        Some("instructions") => instructions::run,
        Some("million") => {
            million::run(&std::env::args().skip(2).collect::<Vec<_>>());
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!(
                "usage: inspire-auth-bench prf | warm | page | million [--quick] | calls [number [memory | sqlite [wrong | unknown]]] | instructions"
            );
            return ExitCode::from(2);
        }
    };
    measure();
    ExitCode::SUCCESS
}

/// One candidate: its name, and one call of it.
type Candidate<'a> = (&'a str, &'a dyn Fn());

/// The times of each candidate, sorted, in ns a call: so many samples of so many calls. Interleaved, so that a slow moment
/// of the machine slows all of them.
fn interleaved(candidates: &[Candidate<'_>], samples: usize, calls: u32) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(samples); candidates.len()];
    for _ in 0..samples {
        for ((_, call), times) in candidates.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call)();
            }
            times.push(start.elapsed().as_nanos() as f64 / f64::from(calls));
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times
}

/// The candidates for the memo's and the tag's keyed function, over a generated key (53 bytes) and over the longest one.
fn prf() {
    let key = [7_u8; 32];
    let (faster, sip) = (SipHasher13::new_with_key(&[7; 16]), SipHasher24::new_with_key(&[7; 16]));
    let hmac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
    for length in [53, 200] {
        let secret = vec![b'a'; length];
        let candidates: [Candidate<'_>; 4] = [
            ("SipHash-1-3-128", &|| {
                black_box(faster.hash(black_box(&secret)));
            }),
            ("SipHash-2-4-128", &|| {
                black_box(sip.hash(black_box(&secret)));
            }),
            ("BLAKE3 keyed, 256 bits", &|| {
                black_box(blake3::keyed_hash(&key, black_box(&secret)));
            }),
            ("HMAC-SHA-256, key schedule kept", &|| {
                let mut mac = hmac.clone();
                mac.update(black_box(&secret));
                black_box(mac.finalize().into_bytes());
            }),
        ];
        println!("{length}-byte secret, median of {ROUNDS} interleaved rounds of {CALLS} calls:");
        for ((name, _), times) in candidates.iter().zip(interleaved(&candidates, ROUNDS, CALLS)) {
            println!("  {name:<34} {:7.1} ns", times[ROUNDS / 2]);
        }
    }
}

/// How many samples of one kind of check are taken, and of how many calls: short enough that many fall into moments in
/// which nothing else disturbs.
const SAMPLES: usize = 2_000;
const SAMPLE: u32 = 500;

/// One request, decided again and again, on each store: the right secret, a wrong one, a name that does not exist.
fn warm() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start().expect("a PostgreSQL server");
    let options = PostgresOptions::parse(&server.url()).expect("a URL");
    PostgresStore::migrate(&options, &[]).expect("a store");
    let hosts = [
        ("memory", Host::new(StoreLocation::Memory)),
        ("sqlite", Host::new(StoreLocation::Path(folder.path().join("warm.db")))),
        ("postgres", Host::new(StoreLocation::parse(&server.url()))),
    ];
    println!("ns a check, all stores in turns: the least and the median of {SAMPLES} samples of {SAMPLE} calls");
    for (at, what) in ["granted", "wrong secret", "unknown name"].into_iter().enumerate() {
        let requests: Vec<_> = hosts.iter().map(|(_, host)| (host, host.request(host.values()[at]))).collect();
        let expected: Vec<_> = requests.iter().map(|(host, request)| host.auth.authenticate(request).is_ok()).collect();
        let checks: Vec<_> = requests
            .iter()
            .zip(expected)
            .map(|((host, request), expected)| {
                move || assert_eq!(black_box(host.auth.authenticate(black_box(request))).is_ok(), expected)
            })
            .collect();
        let candidates: Vec<Candidate<'_>> =
            hosts.iter().zip(&checks).map(|((store, _), check)| (*store, check as &dyn Fn())).collect();
        for ((store, _), samples) in candidates.iter().zip(interleaved(&candidates, SAMPLES, SAMPLE)) {
            println!("{store:<9} {what:<14} {:8.1} {:8.1}", samples[0], samples[SAMPLES / 2]);
        }
    }
}

/// What a check asks in order to know that nothing newer was committed, piece by piece: the revocation page, whose two
/// counters are read where every process maps them, and the clock that says whether a poll is due.
fn page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, database) = (folder.path().join("db.gen"), folder.path().join("db"));
    std::fs::write(&database, "").expect("a file");
    let new = NewPage { store: [1; 16], id: [2; 16], committed: 7, floor: 7, settled: true };
    let page = Page::create(&path, &database, &new).expect("a page");
    let nothing = || {
        black_box(7_u64);
    };
    let shows = || assert!(black_box(&page).counters().shows(black_box(7)));
    let clock = || {
        black_box(monotonic_millis());
    };
    let pieces: [Candidate<'_>; 3] = [("an empty call", &nothing), ("the page", &shows), ("the clock", &clock)];
    println!("ns a call, that of the empty call included: the least and the median of {SAMPLES} samples of {SAMPLE}");
    for ((name, _), samples) in pieces.iter().zip(interleaved(&pieces, SAMPLES, SAMPLE)) {
        println!("{name:<14} {:6.2} {:6.2}", samples[0], samples[SAMPLES / 2]);
    }
}

/// So many checks (20000, unless the next argument says otherwise) on the store in memory (unless the one after says
/// `sqlite`) and nothing else: granted ones, unless the one after that says `wrong` or `unknown`. To be run under a profiler.
fn calls() {
    let argument = |at| std::env::args().nth(at);
    let number = argument(2).map_or(CALLS, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::new(match argument(3).as_deref() {
        Some("sqlite") => StoreLocation::Path(folder.path().join("calls.db")),
        _ => StoreLocation::Memory,
    });
    let (value, granted) = match argument(4).as_deref() {
        Some("wrong") => (&host.wrong, false),
        Some("unknown") => (&host.unknown, false),
        _ => (&host.right, true),
    };
    let request = host.request(value);
    for _ in 0..number {
        assert_eq!(black_box(host.auth.authenticate(black_box(&request))).is_ok(), granted);
    }
}

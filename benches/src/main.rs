//! Measurements behind the decisions, one a name: `cargo run --release -p inspire-auth-bench -- prf`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // its output is its purpose
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used)] // nothing here is untrusted

use std::{hint::black_box, process::ExitCode, time::Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip128::SipHasher24;

const ROUNDS: usize = 31;
const CALLS: u32 = 20_000;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("prf") => {
            prf();
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: inspire-auth-bench prf");
            ExitCode::from(2)
        }
    }
}

/// The candidates for the memo's and the tag's keyed function, over a generated key (53 bytes) and over the longest one.
fn prf() {
    let key = [7_u8; 32];
    let sip = SipHasher24::new_with_key(&[7; 16]);
    let hmac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes any key");
    for length in [53, 200] {
        let secret = vec![b'a'; length];
        let candidates: [(&str, &dyn Fn(&[u8])); 3] = [
            ("SipHash-2-4-128", &|s| {
                black_box(sip.hash(s));
            }),
            ("BLAKE3 keyed, 256 bits", &|s| {
                black_box(blake3::keyed_hash(&key, s));
            }),
            ("HMAC-SHA-256, key schedule kept", &|s| {
                let mut mac = hmac.clone();
                mac.update(s);
                black_box(mac.finalize().into_bytes());
            }),
        ];
        let mut samples = vec![Vec::with_capacity(ROUNDS); candidates.len()];
        // Interleaved, so that a slow moment of the machine slows all of them.
        for _ in 0..ROUNDS {
            for (at, (_, run)) in candidates.iter().enumerate() {
                let start = Instant::now();
                for _ in 0..CALLS {
                    run(black_box(&secret));
                }
                samples[at].push(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
            }
        }
        println!("{length}-byte secret, median of {ROUNDS} interleaved rounds of {CALLS} calls:");
        for ((name, _), times) in candidates.iter().zip(&mut samples) {
            times.sort_by(f64::total_cmp);
            println!("  {name:<34} {:7.1} ns", times[ROUNDS / 2]);
        }
    }
}

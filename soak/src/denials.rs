//! Whether the time of a refusal tells why it was refused.
//!
//! Five causes, a wrong secret each: a name that does not exist, a key that nobody used yet, one that is in use, one that
//! is disabled, one that has expired. They are asked in random order, each request is timed, and every two causes are
//! compared: by the area under the curve (AUC) of the best guess from one time, which is 0.5 where nothing is learnt, and
//! by the gap of their medians.

use std::{hint::black_box, sync::Arc, time::Instant};

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, Pepper, StoreLocation,
    keys::{Caller, Channel, KeyUpdate, NewKey, Presented, Request, Requirement},
    store::{MemoryStore, Scheme, Store},
};

use fastrand::Rng;

use crate::{Outcome, Sweep, progress::Run, times::Times};

/// The sweep.
pub const SWEEP: Sweep =
    Sweep { name: "denials", about: "whether the time of a refusal tells why: five causes, every two compared", run };

/// Samples of each cause.
const SAMPLES: u64 = 1_000_000;
/// Samples of each cause from one handle, and those before that are not counted.
const BATCH: u64 = 20_000;
const WARMING: u64 = 2_000;
/// The most by which a guess from one time may be better than chance, and the medians apart.
const MOST_AUC: f64 = 0.55;
const MOST_GAP: u64 = 20;

const CAUSES: [&str; 5] = ["unknown", "cold", "warm", "disabled", "expired"];
/// Keys of each cause.
const KEYS: u64 = 64;
/// Wrong secrets, shared by all causes.
const SECRETS: u64 = 4096;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn run(run: &mut Run) -> Outcome {
    for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
        run.goal(&counted(scheme), SAMPLES);
    }
    let mut told = Vec::new();
    for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
        let counted = counted(scheme);
        let mut times = CAUSES.map(|_| Times::default());
        let mut random = Rng::with_seed(1);
        // What an earlier slice counted is not kept: times of two runs are not to be mixed.
        let mut samples = 0;
        while samples < SAMPLES && run.goes_on() {
            // Made anew again and again: where keys lie in memory is worth some nanoseconds, to whichever it happens.
            let host = Host::new(scheme)?;
            host.sample(&mut CAUSES.map(|_| Times::default()), &mut random, WARMING)?;
            host.sample(&mut times, &mut random, BATCH)?;
            samples += BATCH;
            run.at_least(&counted, samples);
        }
        if samples == 0 {
            break;
        }
        println!("{} keys, ns a refusal:\n{}", scheme_name(scheme), table(&times));
        let (auc, gap) = worst(&times);
        println!("  worst AUC {auc:.4} (goal <= {MOST_AUC}), worst gap of medians {gap} ns (goal <= {MOST_GAP})");
        if samples >= SAMPLES && (auc > MOST_AUC || gap > MOST_GAP) {
            told.push(format!("{}: AUC {auc:.4}, gap of medians {gap} ns", scheme_name(scheme)));
        }
    }
    if told.is_empty() { Ok(()) } else { Err(format!("a refusal tells its cause: {}", told.join("; ")).into()) }
}

fn scheme_name(scheme: Scheme) -> &'static str {
    if scheme == Scheme::Argon2 { "argon2" } else { "hmac-sha256" }
}

fn counted(scheme: Scheme) -> String {
    format!("samples of each cause, {}", scheme_name(scheme))
}

/// A handle with keys of every cause.
struct Host {
    auth: InspireAuth,
    any: Requirement,
    secrets: Vec<String>,
}

impl Host {
    fn new(scheme: Scheme) -> Result<Self, Failure> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new()?);
        let open = |scheme| InspireAuth::open(options(scheme, &store));
        let system = Caller::system();
        // Other keys, as there are in any store, so that one that does not exist is looked for among keys. Their secrets
        // are the wrong ones.
        let others = open(Scheme::HmacSha256)?;
        let secrets = (0..SECRETS)
            .map(|n| Ok(others.keys().create(&NewKey::named(format!("other-{n}")), &system)?.key.to_string()))
            .collect::<Result<_, Failure>>()?;
        let manager = open(scheme)?;
        let mut warm = Vec::new();
        for n in 0..KEYS {
            for (at, cause) in CAUSES.iter().enumerate().skip(1) {
                let name = name(at, n);
                let created = manager.keys().create(&NewKey::named(name.clone()), &system)?;
                match *cause {
                    "warm" => warm.push(format!("Bearer {}", created.credential().as_str())),
                    "disabled" => drop(manager.keys().set_enabled(&name, false, None, &system)?),
                    "expired" => {
                        let past = KeyUpdate { expires_at: Some(Some(1)), ..KeyUpdate::default() };
                        drop(manager.keys().update(&name, 1, &past, &system)?);
                    }
                    _ => {}
                }
            }
        }
        // A handle of its own reads them all at once: none lies elsewhere in memory for what was done to it.
        let auth = open(scheme)?;
        let any = auth.requirement(&"Authenticated".parse()?)?;
        for header in &warm {
            auth.authenticate(&request(header, &any))?;
        }
        Ok(Self { auth, any, secrets })
    }

    /// So many refusals of each cause, on average, in random order.
    fn sample(&self, times: &mut [Times; CAUSES.len()], random: &mut Rng, each: u64) -> Outcome {
        let mut header = String::with_capacity(128);
        for _ in 0..each * CAUSES.len() as u64 {
            let cause = random.u64(..CAUSES.len() as u64) as usize;
            let secret = self.secrets.get(random.u64(..SECRETS) as usize).ok_or("no secret")?;
            header.clear();
            header.push_str("Bearer ");
            header.push_str(&name(cause, random.u64(..KEYS)));
            header.push(':');
            header.push_str(secret);
            let request = request(&header, &self.any);
            let start = Instant::now();
            let decided = black_box(self.auth.authenticate(black_box(&request)));
            let took = start.elapsed();
            match decided {
                Err(error) if error.code() == Code::InvalidCredential && error.detail().is_none() => {}
                other => return Err(format!("a wrong secret got {other:?}").into()),
            }
            if let Some(times) = times.get_mut(cause) {
                times.add(u64::try_from(took.as_nanos())?);
            }
        }
        Ok(())
    }
}

fn options(scheme: Scheme, store: &Arc<dyn Store>) -> Options {
    let mut options = Options::new(StoreLocation::Custom(Arc::clone(store)));
    options.scheme = scheme;
    // No secret that is refused is ever hashed: making the keys is all that this is for.
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.peppers = vec![Pepper { id: "p".into(), secret: b"a pepper of some length".to_vec().into() }];
    options
}

/// Names of one length and kind, whatever becomes of them.
fn name(cause: usize, n: u64) -> String {
    format!("client-{:03}", cause as u64 * KEYS + n)
}

fn request<'a>(header: &'a str, any: &'a Requirement) -> Request<'a> {
    let mut request = Request::new(Presented::Authorization(header.as_bytes()), any);
    request.channel = Channel::Secure;
    request
}

/// The AUC that is farthest from chance, in whichever direction, and the widest gap of medians.
fn worst(times: &[Times]) -> (f64, u64) {
    let mut worst = (0.5_f64, 0);
    for (at, one) in times.iter().enumerate() {
        for other in times.iter().skip(at + 1) {
            let auc = one.auc(other);
            worst.0 = worst.0.max(auc).max(1.0 - auc);
            worst.1 = worst.1.max(one.permille(500).abs_diff(other.permille(500)));
        }
    }
    worst
}

fn table(times: &[Times; CAUSES.len()]) -> String {
    let mut text =
        String::from("            samples     p1    p10    p25    p50    p75    p90    p99  p99.9   AUC against");
    for cause in CAUSES {
        text.push_str(&format!(" {cause:>8}"));
    }
    for (cause, one) in CAUSES.iter().zip(times) {
        text.push_str(&format!("\n  {cause:<9}{:>8}", one.total()));
        for share in [10, 100, 250, 500, 750, 900, 990, 999] {
            text.push_str(&format!(" {:>6}", one.permille(share)));
        }
        text.push_str("              ");
        for other in times {
            text.push_str(&format!(" {:>8.4}", one.auc(other)));
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test fails by panicking, and these numbers are exact")]
mod tests {
    use super::*;

    fn times(nanos: &[u64]) -> Times {
        let mut times = Times::default();
        nanos.iter().for_each(|nanos| times.add(*nanos));
        times
    }

    #[test]
    fn the_worst_pair_counts_in_either_direction() {
        let same = || times(&[10, 20, 30]);
        assert_eq!(worst(&[same(), same(), same()]), (0.5, 0));
        for odd in [[40, 50, 60], [1, 2, 3]] {
            let (auc, gap) = worst(&[same(), times(&odd), same()]);
            assert_eq!((auc, gap), (1.0, 20_u64.abs_diff(odd[1])));
        }
    }

    /// All five causes are what they are called, and show the same; how long each takes is for the long form to say.
    #[test]
    fn five_causes_get_one_answer() {
        for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
            let host = Host::new(scheme).unwrap();
            let mut times = CAUSES.map(|_| Times::default());
            host.sample(&mut times, &mut Rng::with_seed(1), 500).unwrap();
            assert!(times.iter().all(|times| times.total() > 0));
            host.auth.flush().unwrap();
            let reasons: std::collections::BTreeSet<_> = host
                .auth
                .audit(1000)
                .unwrap()
                .into_iter()
                .filter(|event| event.event == "key.refused")
                .map(|event| event.detail)
                .collect();
            assert!(reasons.iter().eq(["the secret is wrong", "there is no key of this name"]), "{reasons:?}");
        }
    }
}

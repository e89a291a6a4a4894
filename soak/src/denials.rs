//! Whether the time of a refusal tells why it was refused.
//!
//! Five causes, a wrong secret each: a name that does not exist, a key that nobody used yet, one that is in use, one that
//! is disabled, one that has expired. They are asked in random order, each request is timed, and every two causes are
//! compared: by the area under the curve (AUC) of the best guess from one time, which is 0.5 where nothing is learnt, and
//! by the gap of their medians.

use std::{hint::black_box, time::Instant};

use inspire_auth_core::{
    Code, InspireAuth, Options, Pepper, StoreLocation,
    keys::{Caller, Channel, KeyUpdate, NewKey, Presented, Request, Requirement},
    store::Scheme,
};

use crate::{Outcome, Sweep, progress::Run};

/// The sweep.
pub const SWEEP: Sweep =
    Sweep { name: "denials", about: "whether the time of a refusal tells why: five causes, every two compared", run };

/// Samples of each cause.
const SAMPLES: u64 = 1_000_000;
/// What is reached between two looks at the clock.
const BATCH: u64 = 10_000;
/// The most by which a guess from one time may be better than chance, and the medians apart.
const MOST_AUC: f64 = 0.55;
const MOST_GAP: u64 = 20;

const CAUSES: [&str; 5] = ["unknown", "cold", "warm", "disabled", "expired"];
/// Keys of each cause.
const KEYS: u64 = 16;
/// Wrong secrets, shared by all causes.
const SECRETS: u64 = 4096;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn run(run: &mut Run) -> Outcome {
    for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
        run.goal(&counted(scheme), SAMPLES);
    }
    for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
        let counted = counted(scheme);
        let host = Host::new(scheme)?;
        let mut times = CAUSES.map(|_| Times::new());
        let mut random = Random::new();
        // What an earlier slice counted is not kept: times of two runs are not to be mixed.
        let mut samples = 0;
        // The machine's own warming up.
        host.sample(&mut CAUSES.map(|_| Times::new()), &mut random, BATCH)?;
        while samples < SAMPLES && run.goes_on() {
            host.sample(&mut times, &mut random, BATCH)?;
            samples += BATCH;
            run.at_least(&counted, samples);
        }
        println!("{} keys, ns a refusal:\n{}", scheme_name(scheme), table(&times));
        let (auc, gap) = worst(&times);
        println!("  worst AUC {auc:.4} (goal <= {MOST_AUC}), worst gap of medians {gap} ns (goal <= {MOST_GAP})");
        if samples >= SAMPLES && (auc > MOST_AUC || gap > MOST_GAP) {
            return Err(format!("a refusal tells its cause: AUC {auc:.4}, gap of medians {gap} ns").into());
        }
    }
    Ok(())
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
        let auth = InspireAuth::open(options(scheme))?;
        let any = auth.requirement(&"Authenticated".parse()?)?;
        let system = Caller::system();
        // Secrets of the right shape, and no key's here.
        let elsewhere = InspireAuth::open(options(Scheme::HmacSha256))?;
        let secrets = (0..SECRETS)
            .map(|n| Ok(elsewhere.keys().create(&NewKey::named(format!("{n}")), &system)?.key.to_string()))
            .collect::<Result<_, Failure>>()?;
        for (at, cause) in CAUSES.iter().enumerate().skip(1) {
            for n in 0..KEYS {
                let name = name(at, n);
                let created = auth.keys().create(&NewKey::named(name.clone()), &system)?;
                match *cause {
                    "warm" => {
                        let header = format!("Bearer {}", created.credential().as_str());
                        auth.authenticate(&request(&header, &any))?;
                    }
                    "disabled" => drop(auth.keys().set_enabled(&name, false, None, &system)?),
                    "expired" => {
                        let past = KeyUpdate { expires_at: Some(Some(1)), ..KeyUpdate::default() };
                        drop(auth.keys().update(&name, 1, &past, &system)?);
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { auth, any, secrets })
    }

    /// So many refusals of each cause, on average, in random order.
    fn sample(&self, times: &mut [Times; CAUSES.len()], random: &mut Random, each: u64) -> Outcome {
        let mut header = String::with_capacity(128);
        for _ in 0..each * CAUSES.len() as u64 {
            let cause = random.below(CAUSES.len() as u64) as usize;
            let secret = self.secrets.get(random.below(SECRETS) as usize).ok_or("no secret")?;
            header.clear();
            header.push_str("Bearer ");
            header.push_str(&name(cause, random.below(KEYS)));
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

fn options(scheme: Scheme) -> Options {
    let mut options = Options::new(StoreLocation::Memory);
    options.scheme = scheme;
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

/// xorshift64* (Vigna, 2016): the same order in every run.
struct Random(u64);

impl Random {
    const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// How often each time was seen, in ns; whatever is longer counts as the longest.
struct Times {
    counts: Vec<u32>,
}

impl Times {
    const LONGEST: usize = 20_000;

    fn new() -> Self {
        Self { counts: vec![0; Self::LONGEST + 1] }
    }

    fn add(&mut self, nanos: u64) {
        let at = usize::try_from(nanos).unwrap_or(Self::LONGEST).min(Self::LONGEST);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
    }

    fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The least time that so many of a thousand do not exceed.
    fn permille(&self, share: u64) -> u64 {
        let wanted = self.total() * share / 1000;
        let mut seen = 0;
        for (nanos, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen > wanted || (share == 1000 && seen == wanted) {
                return nanos as u64;
            }
        }
        Self::LONGEST as u64
    }

    /// How likely a time of `self` is the longer one of two, ties counting half: the statistic of Mann and Whitney over
    /// the number of pairs.
    fn auc(&self, other: &Self) -> f64 {
        let (mut shorter, mut pairs) = (0_u64, 0.0);
        for (mine, theirs) in self.counts.iter().zip(&other.counts) {
            pairs += f64::from(*mine) * (shorter as f64 + f64::from(*theirs) / 2.0);
            shorter += u64::from(*theirs);
        }
        pairs / (self.total() as f64 * shorter as f64)
    }
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
        let mut times = Times::new();
        nanos.iter().for_each(|nanos| times.add(*nanos));
        times
    }

    /// By counting pairs one by one.
    fn auc(one: &[u64], other: &[u64]) -> f64 {
        let wins = |a: &u64| other.iter().map(|b| f64::from(a > b) + f64::from(a == b) / 2.0).sum::<f64>();
        one.iter().map(wins).sum::<f64>() / (one.len() * other.len()) as f64
    }

    #[test]
    fn the_area_is_the_share_of_pairs() {
        let mut random = Random::new();
        for (spread, shift) in [(1, 0), (5, 0), (5, 1), (100, 10), (10, 100), (30_000, 0)] {
            let one: Vec<u64> = (0..200).map(|_| random.below(spread)).collect();
            let other: Vec<u64> = (0..150).map(|_| random.below(spread) + shift).collect();
            let longest = |list: &[u64]| list.iter().map(|n| (*n).min(20_000)).collect::<Vec<_>>();
            let expected = auc(&longest(&one), &longest(&other));
            assert!((times(&one).auc(&times(&other)) - expected).abs() < 1e-9, "{spread} {shift}");
        }
        assert_eq!(times(&[1, 2, 3]).auc(&times(&[4, 5])), 0.0);
        assert_eq!(times(&[4, 5]).auc(&times(&[1, 2, 3])), 1.0);
        assert_eq!(times(&[7, 7]).auc(&times(&[7])), 0.5);
    }

    #[test]
    fn shares_are_of_all_samples() {
        let hundred = times(&(1..=100).collect::<Vec<_>>());
        assert_eq!((hundred.permille(0), hundred.permille(500), hundred.permille(990)), (1, 51, 100));
        assert_eq!(hundred.permille(1000), 100);
        assert_eq!(times(&[1_000_000]).permille(500), 20_000, "what is longer counts as the longest");
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
            let mut times = CAUSES.map(|_| Times::new());
            host.sample(&mut times, &mut Random::new(), 500).unwrap();
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

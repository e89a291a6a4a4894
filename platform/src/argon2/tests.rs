//! That it is Argon2: bit for bit what another implementation computes, by every back end that this processor has.

use argon2::{Argon2, AssociatedData, ParamsBuilder};
use argon2_rust::__internal::{
    Backend, Blake2bBackend, backend, blake2b_backend, blake2b_long, blake2b_long_with_backend,
    fill_memory_blocks_traced,
};
use fastrand::Rng;

use super::*;

/// One hash that both can compute.
#[derive(Debug)]
struct Case {
    parameters: Parameters,
    password: Vec<u8>,
    salt: Vec<u8>,
    secret: Vec<u8>,
    data: Vec<u8>,
    length: usize,
}

impl Case {
    fn random(rng: &mut Rng, parameters: Parameters) -> Self {
        let mut bytes = |least: usize, most: usize| {
            let mut bytes = vec![0; rng.usize(least..=most)];
            rng.fill(&mut bytes);
            bytes
        };
        let (password, salt, secret, data) = (bytes(0, 300), bytes(8, 64), bytes(0, 64), bytes(0, 32));
        // What is stored has 16 to 64 bytes; above 64 the last digest is another function.
        let length = if rng.u8(..8) == 0 { rng.usize(4..=1100) } else { rng.usize(16..=64) };
        Self { parameters, password, salt, secret, data, length }
    }

    fn small(rng: &mut Rng) -> Self {
        let parallelism = if rng.bool() { 1 } else { rng.u32(2..=16) };
        let parameters = Parameters {
            algorithm: [Algorithm::D, Algorithm::I, Algorithm::Id][rng.usize(..3)],
            version: [Version::V16, Version::V19][rng.usize(..2)],
            memory_kib: parallelism.saturating_mul(8).saturating_add(rng.u32(0..=72)),
            iterations: rng.u32(1..=4),
            parallelism,
        };
        Self::random(rng, parameters)
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs { password: &self.password, salt: &self.salt, secret: &self.secret, data: &self.data }
    }

    fn ours(&self, spare: &mut Spare) -> Vec<u8> {
        let mut output = vec![0; self.length];
        hash(&self.parameters, &self.inputs(), spare, &mut output).unwrap();
        output
    }

    fn ours_by(&self, backend: Backend) -> Vec<u8> {
        assert!(backend.is_available());
        // SAFETY: this processor has what the back end needs.
        let fill = |instance: &Instance| unsafe { fill_memory_blocks_traced(instance, backend, None) };
        let mut output = vec![0; self.length];
        compute(&self.parameters, &self.inputs(), &mut Spare::default(), &mut output, fill).unwrap();
        output
    }

    fn theirs(&self) -> Vec<u8> {
        let Parameters { algorithm, version, memory_kib, iterations, parallelism } = self.parameters;
        let algorithm = match algorithm {
            Algorithm::D => argon2::Algorithm::Argon2d,
            Algorithm::I => argon2::Algorithm::Argon2i,
            Algorithm::Id => argon2::Algorithm::Argon2id,
        };
        let version = match version {
            Version::V16 => argon2::Version::V0x10,
            Version::V19 => argon2::Version::V0x13,
        };
        let mut parameters = ParamsBuilder::new();
        parameters.m_cost(memory_kib).t_cost(iterations).p_cost(parallelism).output_len(self.length);
        parameters.data(AssociatedData::new(&self.data).unwrap());
        let parameters = parameters.build().unwrap();
        let context = Argon2::new_with_secret(&self.secret, algorithm, version, parameters).unwrap();
        let mut output = vec![0; self.length];
        context.hash_password_into(&self.password, &self.salt, &mut output).unwrap();
        output
    }
}

fn backends() -> Vec<Backend> {
    Backend::ALL.iter().copied().filter(|backend| backend.is_available()).collect()
}

/// Other inputs each time; `INSPIRE_SEED` repeats one.
fn seed() -> u64 {
    std::env::var("INSPIRE_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

#[test]
fn ten_thousand_random_hashes_are_what_another_implementation_computes() {
    let (seed, backends) = (seed(), backends());
    let mut rng = Rng::with_seed(seed);
    let mut spare = Spare::default();
    for number in 0..10_000 {
        let case = Case::small(&mut rng);
        let expected = case.theirs();
        assert_eq!(case.ours(&mut spare), expected, "INSPIRE_SEED={seed}, hash {number}: {case:?}");
        let backend = backends[number % backends.len()];
        assert_eq!(case.ours_by(backend), expected, "INSPIRE_SEED={seed}, hash {number} by {backend}: {case:?}");
    }
}

#[test]
fn so_are_large_ones() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut spare = Spare::default();
    // The default; more lanes than divide the memory; the most lanes; the most passes.
    for (memory_kib, iterations, parallelism) in [(19_456, 2, 1), (19_453, 1, 3), (16_384, 1, 16), (256, 64, 2)] {
        for version in [Version::V16, Version::V19] {
            let parameters = Parameters { algorithm: Algorithm::Id, version, memory_kib, iterations, parallelism };
            let case = Case::random(&mut rng, parameters);
            let expected = case.theirs();
            for round in 0..2 {
                assert_eq!(case.ours(&mut spare), expected, "INSPIRE_SEED={seed}, round {round}: {case:?}");
            }
            for backend in backends() {
                assert_eq!(case.ours_by(backend), expected, "INSPIRE_SEED={seed}, by {backend}: {case:?}");
            }
        }
    }
}

/// The digests before and after the memory have back ends of their own.
#[test]
fn the_digest_around_it_is_the_same_by_every_back_end() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    for _ in 0..2000 {
        let mut input = vec![0; rng.usize(0..=1100)];
        rng.fill(&mut input);
        let mut expected = vec![0; rng.usize(1..=1100)];
        blake2b_long(&mut expected, &input).unwrap();
        for &backend in Blake2bBackend::ALL.iter().filter(|backend| backend.is_available()) {
            let mut output = vec![0; expected.len()];
            // SAFETY: this processor has what the back end needs.
            unsafe { blake2b_long_with_backend(&mut output, &input, backend) }.unwrap();
            assert_eq!(output, expected, "INSPIRE_SEED={seed}, {backend}, {} of {}", output.len(), input.len());
        }
    }
}

/// What is compared above is what is used, and it is the widest that there is.
#[test]
fn the_back_end_is_the_best_of_this_processor() {
    assert!(backends().contains(&backend()));
    assert!(Blake2bBackend::ALL.contains(&blake2b_backend()));
    #[cfg(target_arch = "x86_64")]
    {
        let best = if is_x86_feature_detected!("avx512f") {
            Backend::Avx512
        } else if is_x86_feature_detected!("avx2") {
            Backend::Avx2
        } else {
            Backend::Sse2
        };
        assert_eq!(backend(), best);
    }
}

#[test]
fn what_argon2_does_not_know_is_none() {
    let parameters =
        Parameters { algorithm: Algorithm::Id, version: Version::V19, memory_kib: 64, iterations: 1, parallelism: 1 };
    let inputs = Inputs { password: b"password", salt: b"somesalt", secret: b"", data: b"" };
    let ask = |parameters: Parameters, inputs: &Inputs<'_>, length: usize| {
        let mut output = vec![7; length];
        let answer = hash(&parameters, inputs, &mut Spare::default(), &mut output);
        assert!(answer.is_some() || output.iter().all(|&byte| byte == 7));
        answer
    };
    assert_eq!(ask(parameters, &inputs, 16), Some(()));
    assert_eq!(ask(parameters, &inputs, 4), Some(()));
    for length in [0, 3] {
        assert_eq!(ask(parameters, &inputs, length), None);
    }
    for salt in [&b""[..], b"sevenbs"] {
        assert_eq!(ask(parameters, &Inputs { salt, ..inputs }, 16), None);
    }
    for (memory_kib, iterations, parallelism) in
        [(0, 1, 1), (7, 1, 1), (64, 0, 1), (64, 1, 0), (64, 1, 9), (64, 1, u32::MAX), (u32::MAX, 1, 1 << 24)]
    {
        let odd = Parameters { memory_kib, iterations, parallelism, ..parameters };
        assert_eq!(ask(odd, &inputs, 16), None, "{odd:?}");
    }
}

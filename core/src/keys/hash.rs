//! From a secret to what is kept of it, and back to a yes or no.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use inspire_auth_platform::{
    argon2::{self, Algorithm, Inputs, Version},
    memory::Spare,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    mac::KeyedHmac,
    phc::{Phc, check_parameters, memory_bytes},
};
use crate::{
    error::{Code, Error, Result},
    id::fill_random,
    options::{HashParameters, Options, Pepper},
    store::{CredentialRow, Scheme},
};

/// Shorter secrets could be guessed from a hash or a seal.
const MIN_PEPPER: usize = 16;
const HMAC_PREFIX: &str = "$hmac-sha256$";
const HMAC_CONTEXT: &[u8] = b"inspire-auth/key/v1\0";
const IGNITION_PREFIX: &str = "$ignition$";

/// What the host decided about hashing.
pub(crate) struct Hasher {
    parameters: HashParameters,
    scheme: Scheme,
    peppers: Vec<Pepper>,
    max_memory: u64,
    /// What a new Argon2 hash begins with.
    usual: String,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("parameters", &self.parameters)
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

/// What is kept of a new secret.
pub(crate) struct Hashed {
    pub(crate) scheme: Scheme,
    pub(crate) hash: String,
    pub(crate) pepper_id: Option<String>,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the right secret.
    Right {
        /// The stored hash is weaker than what new ones get, and wants to be renewed.
        renew: bool,
    },
    /// It is another secret.
    Wrong,
    /// The stored hash can't be checked; the reason is for the audit only.
    Unusable(&'static str),
    /// There is no memory at the moment.
    NoMemory,
    /// The stored hash is not the one that was looked up.
    Moved,
    /// The store could not be read.
    Failed(Code),
}

impl Hasher {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        check_parameters(&options.hash, options.max_hash_memory)?;
        for (at, pepper) in options.peppers.iter().enumerate() {
            let named = !pepper.id.is_empty()
                && pepper.id.len() <= 32
                && pepper.id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !named || options.peppers.iter().skip(at.saturating_add(1)).any(|other| other.id == pepper.id) {
                return Err(Error::with(
                    Code::InvalidArgument,
                    "a pepper needs a name of its own: 1 to 32 of [A-Za-z0-9._-]",
                ));
            }
            let first = pepper.secret.first();
            if pepper.secret.len() < MIN_PEPPER || pepper.secret.iter().all(|b| Some(b) == first) {
                return Err(Error::with(
                    Code::InvalidArgument,
                    "a pepper needs at least 16 bytes that are not all the same",
                ));
            }
        }
        match options.scheme {
            Scheme::Argon2 => {}
            Scheme::HmacSha256 if !options.peppers.is_empty() => {}
            Scheme::HmacSha256 => return Err(Error::with(Code::InvalidArgument, "hmac-sha256 needs a pepper")),
            Scheme::Ignition | Scheme::Unknown => {
                return Err(Error::with(Code::InvalidArgument, "new keys are made by argon2 or hmac-sha256"));
            }
        }
        let HashParameters { memory_kib, iterations, parallelism } = options.hash;
        Ok(Self {
            usual: format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}$"),
            parameters: options.hash,
            scheme: options.scheme,
            peppers: options.peppers.clone(),
            max_memory: options.max_hash_memory,
        })
    }

    /// The pepper that new hashes and seals are made with.
    pub(crate) fn current_pepper(&self) -> Option<&Pepper> {
        self.peppers.first()
    }

    pub(crate) fn pepper(&self, id: &str) -> Option<&Pepper> {
        self.peppers.iter().find(|pepper| pepper.id == id)
    }

    /// Bytes of memory that a new hash for `scheme` takes.
    pub(crate) fn cost_of_new(&self, scheme: Scheme) -> u64 {
        if scheme == Scheme::HmacSha256 { 0 } else { memory_bytes(self.parameters.memory_kib) }
    }

    /// The scheme of newly generated keys.
    pub(crate) fn scheme_for_generated(&self) -> Scheme {
        self.scheme
    }

    /// Hashes a secret by `scheme`, under the current pepper, in what memory is in `spare`.
    ///
    /// # Errors
    /// `BUSY` when there is no memory, `INTERNAL`.
    pub(crate) fn hash(&self, scheme: Scheme, secret: &[u8], spare: &mut Spare) -> Result<Hashed> {
        let pepper = self.current_pepper();
        let hash = match (scheme, pepper) {
            (Scheme::HmacSha256, Some(pepper)) => {
                let mac = KeyedHmac::new(&pepper.secret)?.compute(&[HMAC_CONTEXT, secret]);
                format!("{HMAC_PREFIX}{}", URL_SAFE_NO_PAD.encode(mac))
            }
            (Scheme::Argon2, pepper) => {
                let mut salt = vec![0_u8; 16];
                fill_random(&mut salt)?;
                let mut phc = Phc {
                    algorithm: Algorithm::Id,
                    version: Version::V19,
                    parameters: self.parameters,
                    salt,
                    output: vec![0; 32],
                };
                let output = argon2(&phc, secret, pepper, spare).ok_or(Error::new(Code::Busy))?;
                phc.output = output.to_vec();
                phc.print()
            }
            _ => return Err(Error::new(Code::Internal)),
        };
        Ok(Hashed { scheme, hash, pepper_id: pepper.map(|p| p.id.clone()) })
    }

    /// Reads a PHC string that somebody else made.
    ///
    /// # Errors
    /// `INVALID_HASH`.
    pub(crate) fn import_phc(&self, text: &str) -> Result<Hashed> {
        let phc = Phc::parse(text, self.max_memory)?;
        Ok(Hashed { scheme: Scheme::Argon2, hash: phc.print(), pepper_id: None })
    }

    /// Reads a token hash of an Ignition token file: base64url of SHA-256 over the 32 decoded bytes of the token.
    ///
    /// # Errors
    /// `INVALID_HASH`.
    pub(crate) fn import_ignition(text: &str) -> Result<Hashed> {
        decode_32(text.as_bytes()).ok_or(Error::new(Code::InvalidHash))?;
        Ok(Hashed { scheme: Scheme::Ignition, hash: format!("{IGNITION_PREFIX}{text}"), pepper_id: None })
    }

    /// As [`Hasher::cost_of`], of which it may know at once: for a text that begins as new hashes do, what these take. Should it not
    /// be readable further on, its check says so before any memory is taken.
    pub(crate) fn cost_at_a_glance(&self, row: &CredentialRow) -> u64 {
        if row.scheme == Scheme::Argon2 && row.hash.starts_with(&self.usual) {
            return self.cost_of_new(Scheme::Argon2);
        }
        self.cost_of(row)
    }

    /// Bytes of memory that checking this credential takes: 0 when it needs no slow hash, or is refused without one.
    pub(crate) fn cost_of(&self, row: &CredentialRow) -> u64 {
        match row.scheme {
            Scheme::Argon2 => {
                Phc::parse(&row.hash, self.max_memory).map_or(0, |phc| memory_bytes(phc.parameters.memory_kib))
            }
            Scheme::HmacSha256 | Scheme::Ignition | Scheme::Unknown => 0,
        }
    }

    /// Checks a presented secret against what is kept, in what memory is in `spare`.
    pub(crate) fn verify(&self, row: &CredentialRow, secret: &[u8], spare: &mut Spare) -> Verdict {
        let pepper = match &row.pepper_id {
            None => None,
            Some(id) => match self.pepper(id) {
                Some(pepper) => Some(pepper),
                None => return Verdict::Unusable("its pepper is not configured"),
            },
        };
        match row.scheme {
            Scheme::Argon2 => self.verify_argon2(row, secret, pepper, spare),
            Scheme::HmacSha256 => {
                let Some(pepper) = pepper else { return Verdict::Unusable("it needs a pepper") };
                let Some(stored) = row.hash.strip_prefix(HMAC_PREFIX).and_then(|text| decode_32(text.as_bytes()))
                else {
                    return Verdict::Unusable("its hash can't be read");
                };
                match KeyedHmac::new(&pepper.secret) {
                    Ok(mac) if mac.verify(&[HMAC_CONTEXT, secret], stored.as_ref()) => {
                        Verdict::Right { renew: self.is_retired(pepper) }
                    }
                    Ok(_) => Verdict::Wrong,
                    Err(_) => Verdict::Unusable("its pepper can't be used"),
                }
            }
            Scheme::Ignition => {
                let Some(stored) = row.hash.strip_prefix(IGNITION_PREFIX).and_then(|text| decode_32(text.as_bytes()))
                else {
                    return Verdict::Unusable("its hash can't be read");
                };
                // Only the canonical spelling counts: several texts decode to the same 32 bytes.
                let Some(bytes) = decode_32(secret) else { return Verdict::Wrong };
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(bytes.as_ref())));
                if same(digest.as_ref(), stored.as_ref()) { Verdict::Right { renew: true } } else { Verdict::Wrong }
            }
            Scheme::Unknown => Verdict::Unusable("its scheme is not known"),
        }
    }

    fn verify_argon2(&self, row: &CredentialRow, secret: &[u8], pepper: Option<&Pepper>, spare: &mut Spare) -> Verdict {
        let Ok(phc) = Phc::parse(&row.hash, self.max_memory) else {
            return Verdict::Unusable("its hash can't be read, or is out of bounds");
        };
        let Some(output) = argon2(&phc, secret, pepper, spare) else { return Verdict::NoMemory };
        if same(&output, &phc.output) { Verdict::Right { renew: self.is_weaker(&phc, pepper) } } else { Verdict::Wrong }
    }

    /// Whether a hash is weaker than what a new one gets.
    fn is_weaker(&self, phc: &Phc, pepper: Option<&Pepper>) -> bool {
        let (old, new) = (&phc.parameters, &self.parameters);
        phc.algorithm != Algorithm::Id
            || phc.version != Version::V19
            || old.memory_kib < new.memory_kib
            || (old.memory_kib == new.memory_kib && old.iterations < new.iterations)
            || phc.output.len() < 32
            || phc.salt.len() < 16
            || pepper.map(|p| p.id.as_str()) != self.current_pepper().map(|p| p.id.as_str())
    }

    fn is_retired(&self, pepper: &Pepper) -> bool {
        self.current_pepper().is_none_or(|current| current.id != pepper.id)
    }
}

/// The Argon2 output, or `None` when there is no memory for it.
fn argon2(phc: &Phc, secret: &[u8], pepper: Option<&Pepper>, spare: &mut Spare) -> Option<Zeroizing<Vec<u8>>> {
    let HashParameters { memory_kib, iterations, parallelism } = phc.parameters;
    let (algorithm, version) = (phc.algorithm, phc.version);
    let parameters = argon2::Parameters { algorithm, version, memory_kib, iterations, parallelism };
    let pepper = pepper.map_or(&[][..], |pepper| &pepper.secret);
    let inputs = Inputs { password: secret, salt: &phc.salt, secret: pepper, data: &[] };
    let mut output = Zeroizing::new(vec![0_u8; phc.output.len()]);
    argon2::hash(&parameters, &inputs, spare, &mut output).map(|()| output)
}

/// The 32 bytes of canonical, unpadded base64url, or `None`.
fn decode_32(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 43 {
        return None;
    }
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
    (length == 32).then_some(bytes)
}

/// Compares in constant time for its length, which is not secret.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0_u8, |all, (a, b)| all | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Id,
        options::StoreLocation,
        store::{Origin, Strength},
    };

    fn hasher(change: impl FnOnce(&mut Options)) -> Hasher {
        let mut options = Options::new(StoreLocation::Memory);
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        change(&mut options);
        Hasher::new(&options).unwrap()
    }

    impl Hasher {
        /// Without memory of an earlier hash.
        fn check(&self, row: &CredentialRow, secret: &[u8]) -> Verdict {
            self.verify(row, secret, &mut Spare::default())
        }

        fn make(&self, scheme: Scheme, secret: &[u8]) -> Result<Hashed> {
            self.hash(scheme, secret, &mut Spare::default())
        }
    }

    fn pepper(id: &str) -> Pepper {
        Pepper { id: id.to_owned(), secret: Zeroizing::new(format!("{id}-secret-of-a-pepper").into_bytes()) }
    }

    fn row(hashed: Hashed) -> CredentialRow {
        CredentialRow {
            id: Id::NIL,
            key_id: Id::NIL,
            scheme: hashed.scheme,
            hash: hashed.hash,
            tag: None,
            tag_key_id: None,
            pepper_id: hashed.pepper_id,
            origin: Origin::Generated,
            strength: Strength::Random,
            not_after: None,
            created_at: 0,
        }
    }

    #[test]
    fn the_right_secret_is_right_and_any_other_is_wrong() {
        for scheme in [Scheme::Argon2, Scheme::HmacSha256] {
            let hasher = hasher(|o| {
                o.peppers = vec![pepper("a")];
                o.scheme = scheme;
            });
            let row = row(hasher.make(scheme, b"secret").unwrap());
            assert_eq!(hasher.check(&row, b"secret"), Verdict::Right { renew: false });
            for wrong in [&b"Secret"[..], b"secre", b"secrets", b"", row.hash.as_bytes()] {
                assert_eq!(hasher.check(&row, wrong), Verdict::Wrong);
            }
        }
    }

    #[test]
    fn two_hashes_of_one_secret_differ() {
        let hasher = hasher(|_| {});
        assert_ne!(hasher.make(Scheme::Argon2, b"x").unwrap().hash, hasher.make(Scheme::Argon2, b"x").unwrap().hash);
    }

    #[test]
    fn a_pepper_is_needed_retired_ones_are_read_and_renewed() {
        let old = hasher(|o| o.peppers = vec![pepper("old")]);
        let kept = row(old.make(Scheme::Argon2, b"secret").unwrap());
        assert_eq!(kept.pepper_id.as_deref(), Some("old"));
        let both = hasher(|o| o.peppers = vec![pepper("new"), pepper("old")]);
        assert_eq!(both.check(&kept, b"secret"), Verdict::Right { renew: true });
        assert_eq!(both.check(&kept, b"other"), Verdict::Wrong);
        let without = hasher(|o| o.peppers = vec![pepper("new")]);
        assert!(matches!(without.check(&kept, b"secret"), Verdict::Unusable(_)));
        let mut stripped = kept;
        stripped.pepper_id = None;
        assert_eq!(both.check(&stripped, b"secret"), Verdict::Wrong);
    }

    #[test]
    fn a_default_or_short_pepper_is_refused() {
        for secret in [&b""[..], b"short", &[0; 32], &[b'a'; 64]] {
            let mut options = Options::new(StoreLocation::Memory);
            options.peppers = vec![Pepper { id: "p".into(), secret: Zeroizing::new(secret.to_vec()) }];
            assert_eq!(Hasher::new(&options).unwrap_err().code(), Code::InvalidArgument);
        }
    }

    #[test]
    fn weaker_parameters_want_renewal() {
        let strong = hasher(|o| o.hash = HashParameters { memory_kib: 128, iterations: 2, parallelism: 1 });
        for (text, renew) in [
            (HashParameters { memory_kib: 64, iterations: 2, parallelism: 1 }, true),
            (HashParameters { memory_kib: 128, iterations: 1, parallelism: 1 }, true),
            (HashParameters { memory_kib: 128, iterations: 2, parallelism: 1 }, false),
            (HashParameters { memory_kib: 256, iterations: 2, parallelism: 1 }, false),
        ] {
            let row = row(hasher(|o| o.hash = text).make(Scheme::Argon2, b"secret").unwrap());
            assert_eq!(strong.check(&row, b"secret"), Verdict::Right { renew });
        }
    }

    /// A published capture of a gateway's own `generate` call can't be had here; the rule is recomputed instead.
    #[test]
    fn an_ignition_token_is_hashed_over_its_decoded_bytes() {
        let hasher = hasher(|_| {});
        let bytes: Vec<u8> = (0..32).collect();
        let token = URL_SAFE_NO_PAD.encode(&bytes);
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
        let row = row(Hasher::import_ignition(&hash).unwrap());
        assert_eq!(hasher.check(&row, token.as_bytes()), Verdict::Right { renew: true });
        // T8: the stored hash is no key.
        assert_eq!(hasher.check(&row, hash.as_bytes()), Verdict::Wrong);
        // T12: other spellings of the same bytes.
        let last = token.as_bytes()[42];
        for other in [last + 1, last + 2, last + 3] {
            let mut text = token.clone().into_bytes();
            text[42] = other;
            assert_eq!(hasher.check(&row, &text), Verdict::Wrong);
        }
        for other in [format!("{token}="), format!("{token}A"), token[1..].to_owned(), String::new()] {
            assert_eq!(hasher.check(&row, other.as_bytes()), Verdict::Wrong);
        }
        for bad in ["", "short", &hash[1..], &format!("{hash}="), &hash.replace(|c: char| c.is_ascii_alphabetic(), "+")]
        {
            assert_eq!(Hasher::import_ignition(bad).err().map(|e| e.code()), Some(Code::InvalidHash));
        }
    }

    #[test]
    fn parameters_above_the_ceiling_can_not_be_configured() {
        let mut options = Options::new(StoreLocation::Memory);
        options.max_hash_memory = 1024;
        assert_eq!(Hasher::new(&options).unwrap_err().code(), Code::InvalidArgument);
        options.max_hash_memory = 64 << 20;
        options.scheme = Scheme::HmacSha256;
        assert_eq!(Hasher::new(&options).unwrap_err().code(), Code::InvalidArgument);
    }
}

//! One Argon2id with m = 19456 KiB, t = 2, p = 1 and a tag of 32 bytes: what the first use of a key costs.
//!
//! Libraries in C are loaded by path, each with its symbols to itself: libsodium and libargon2 both have an
//! `argon2id_hash_raw`. `PEER_<NAME>` names a library; one that is not named is not measured.

use std::ffi::{c_char, c_int, c_ulonglong, c_void};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use inspire_auth_core::{
    InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, Import, ImportFormat, NewKey, Presented, Request},
    store::Strength,
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

use crate::measure::{Candidate, Clock, candidate, interleaved};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const SECRET: &[u8] = b"a-secret-of-sixty-bytes-as-long-as-a-generated-key-would-be-";
const SALT: &[u8; 16] = b"sixteen bytes 16";

pub(crate) fn run(rounds: usize) {
    let rustcrypto =
        Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, 1, Some(32)).expect("ours"));
    let mut expected = [0; 32];
    rustcrypto.hash_password_into(SECRET, SALT, &mut expected).expect("a tag");
    let check = |tag: &[u8; 32]| assert_eq!(*tag, expected);

    let c = [
        ("PEER_REFERENCE_AVX512", "reference C, AVX-512"),
        ("PEER_REFERENCE_AVX2", "reference C, AVX2"),
        ("PEER_LIBARGON2", "libargon2 of Debian"),
    ];
    let libraries: Vec<(&str, Reference)> =
        c.iter().filter_map(|&(variable, who)| Some((who, Reference::load(variable)?))).collect();
    let sodium = Sodium::load("PEER_LIBSODIUM");
    let ours = Ours::new(&expected);
    let mut blocks = vec![Block::default(); MEMORY_KIB as usize];
    let params = argon2_rust::Params::builder()
        .memory(argon2_rust::params::Memory::kib(u64::from(MEMORY_KIB)))
        .passes(PASSES)
        .build()
        .expect("parameters");
    let other = argon2_rust::Argon2::new(argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13, params);
    let mut hasher = other.hasher();
    let mut candidates: Vec<Candidate<'_>> = vec![
        candidate("ours", || ours.decide()),
        candidate("RustCrypto argon2", || {
            let mut tag = [0; 32];
            rustcrypto.hash_password_into(SECRET, SALT, &mut tag).expect("a tag");
            check(&tag);
        }),
        candidate("RustCrypto argon2, memory kept", || {
            let mut tag = [0; 32];
            rustcrypto.hash_password_into_with_memory(SECRET, SALT, &mut tag, &mut blocks).expect("a tag");
            check(&tag);
        }),
        candidate("argon2-rust", || {
            let mut tag = [0; 32];
            other.hash_into(SECRET, SALT, &mut tag).expect("a tag");
            check(&tag);
        }),
        candidate("argon2-rust, memory kept", || {
            let mut tag = [0; 32];
            hasher.hash_into(SECRET, SALT, &mut tag).expect("a tag");
            check(&tag);
        }),
    ];
    for (who, library) in &libraries {
        candidates.push(candidate(who, || check(&library.hash())));
    }
    if let Some(sodium) = &sodium {
        candidates.push(candidate("libsodium", || check(&sodium.hash())));
    }
    interleaved("argon2", "cold", Clock::Process, rounds, candidates);
}

/// A key whose secret a person chose is hashed at every use, so each is a cold one: the whole request, from the header's
/// value to the principal, with the pool's thread that does the work.
struct Ours {
    auth: InspireAuth,
    value: String,
}

impl Ours {
    fn new(tag: &[u8]) -> Self {
        let auth = InspireAuth::open(Options::new(StoreLocation::Memory)).expect("a store");
        let hash = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${}${}", base64(SALT), base64(tag));
        let key = NewKey::named("imported");
        let import = Import { key, format: ImportFormat::Phc, hash, strength: Strength::Chosen };
        auth.keys().import(&import, &Caller::system()).expect("a key");
        Self { auth, value: format!("Bearer imported:{}", String::from_utf8_lossy(SECRET)) }
    }

    fn decide(&self) {
        let required = self.auth.requirement(&"Authenticated".parse().expect("one")).expect("a requirement");
        let mut request = Request::new(Presented::Authorization(self.value.as_bytes()), &required);
        request.channel = Channel::Secure;
        self.auth.authenticate(&request).expect("granted");
    }
}

/// As PHC strings have it: no padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

fn load(variable: &str) -> Option<Library> {
    let path = std::env::var_os(variable)?;
    // SAFETY: what it runs when it is loaded is a compiler's.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
    Some(library.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The reference implementation's interface.
struct Reference {
    hash: Symbol<HashRaw>,
    _library: Library,
}

type HashRaw =
    unsafe extern "C" fn(u32, u32, u32, *const c_void, usize, *const c_void, usize, *mut c_void, usize) -> c_int;

impl Reference {
    fn load(variable: &str) -> Option<Self> {
        let library = load(variable)?;
        // SAFETY: the type is that of argon2.h.
        let hash = unsafe { library.get::<HashRaw>(b"argon2id_hash_raw\0") }.expect("argon2id_hash_raw");
        Some(Self { hash, _library: library })
    }

    fn hash(&self) -> [u8; 32] {
        let mut tag = [0_u8; 32];
        let (secret, salt) = (SECRET.as_ptr().cast(), SALT.as_ptr().cast());
        // SAFETY: pointers with the lengths of what they point to.
        let result = unsafe {
            (self.hash)(
                PASSES,
                MEMORY_KIB,
                1,
                secret,
                SECRET.len(),
                salt,
                SALT.len(),
                tag.as_mut_ptr().cast(),
                tag.len(),
            )
        };
        assert_eq!(result, 0);
        tag
    }
}

struct Sodium {
    hash: Symbol<CryptoPwhash>,
    _library: Library,
}

type CryptoPwhash = unsafe extern "C" fn(
    *mut u8,
    c_ulonglong,
    *const c_char,
    c_ulonglong,
    *const u8,
    c_ulonglong,
    usize,
    c_int,
) -> c_int;

impl Sodium {
    fn load(variable: &str) -> Option<Self> {
        let library = load(variable)?;
        // SAFETY: the types are those of sodium.h; `sodium_init` finds out what the processor has.
        let hash = unsafe {
            let init = library.get::<unsafe extern "C" fn() -> c_int>(b"sodium_init\0").expect("sodium_init");
            assert!(init() >= 0, "libsodium can't be used");
            library.get::<CryptoPwhash>(b"crypto_pwhash\0").expect("crypto_pwhash")
        };
        Some(Self { hash, _library: library })
    }

    fn hash(&self) -> [u8; 32] {
        /// `crypto_pwhash_ALG_ARGON2ID13`
        const ARGON2ID13: c_int = 2;
        let mut tag = [0_u8; 32];
        let memory = MEMORY_KIB as usize * 1024;
        // SAFETY: pointers with the lengths of what they point to, and a salt of 16 bytes.
        let result = unsafe {
            (self.hash)(
                tag.as_mut_ptr(),
                tag.len() as c_ulonglong,
                SECRET.as_ptr().cast(),
                SECRET.len() as c_ulonglong,
                SALT.as_ptr(),
                c_ulonglong::from(PASSES),
                memory,
                ARGON2ID13,
            )
        };
        assert_eq!(result, 0);
        tag
    }
}

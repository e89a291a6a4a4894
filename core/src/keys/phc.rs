//! PHC strings of Argon2 (<https://github.com/P-H-C/phc-string-format>), read strictly and within bounds.
//!
//! A stored string chooses how much memory and time a check takes, so its parameters are bounded before anything is
//! allocated: a planted `m=4194304` must be an error, not four gigabytes.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use inspire_auth_platform::argon2::{Algorithm, Version};

use crate::{
    error::{Code, Error, Result},
    options::HashParameters,
};

/// 1 GiB.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_ITERATIONS: u32 = 64;
const MAX_PARALLELISM: u32 = 16;
/// Longer than any string within the bounds.
const MAX_LENGTH: usize = 256;

/// A readable Argon2 string, within bounds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Phc {
    pub(crate) algorithm: Algorithm,
    pub(crate) version: Version,
    pub(crate) parameters: HashParameters,
    pub(crate) salt: Vec<u8>,
    pub(crate) output: Vec<u8>,
}

/// Checks parameters against Argon2's own minimum and this library's bounds.
///
/// # Errors
/// `INVALID_ARGUMENT` with what is out of range.
pub(crate) fn check_parameters(parameters: &HashParameters, max_memory: u64) -> Result<()> {
    let HashParameters { memory_kib, iterations, parallelism } = *parameters;
    let out = |what| Err(Error::with(Code::InvalidArgument, what));
    if !(1..=MAX_PARALLELISM).contains(&parallelism) {
        return out("parallelism must be 1 to 16");
    }
    if !(1..=MAX_ITERATIONS).contains(&iterations) {
        return out("iterations must be 1 to 64");
    }
    if memory_kib < parallelism.saturating_mul(8) || memory_kib > MAX_MEMORY_KIB {
        return out("memory must be at least 8 KiB a lane, and at most 1 GiB");
    }
    if memory_bytes(memory_kib) > max_memory {
        return out("memory is above max_hash_memory");
    }
    Ok(())
}

/// What a hash with `m` KiB takes, in bytes.
pub(crate) fn memory_bytes(memory_kib: u32) -> u64 {
    u64::from(memory_kib).saturating_mul(1024)
}

impl Phc {
    /// Reads `$argon2{id,i,d}[$v=N]$m=N,t=N,p=N$salt$output`, nothing more and nothing less.
    ///
    /// # Errors
    /// `INVALID_HASH` for another shape, or parameters out of bounds.
    pub(crate) fn parse(text: &str, max_memory: u64) -> Result<Self> {
        Self::read(text)
            .filter(|phc| check_parameters(&phc.parameters, max_memory).is_ok())
            .ok_or(Error::new(Code::InvalidHash))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut fields = text.strip_prefix('$')?.split('$');
        let algorithm = match fields.next()? {
            "argon2id" => Algorithm::Id,
            "argon2i" => Algorithm::I,
            "argon2d" => Algorithm::D,
            _ => return None,
        };
        let mut field = fields.next()?;
        let version = match field.strip_prefix("v=") {
            Some(version) => {
                field = fields.next()?;
                match version {
                    "16" => Version::V16,
                    "19" => Version::V19,
                    _ => return None,
                }
            }
            // Before version 19 the field did not exist.
            None => Version::V16,
        };
        let mut parameters = field.split(',');
        let memory_kib = number(parameters.next()?.strip_prefix("m=")?)?;
        let iterations = number(parameters.next()?.strip_prefix("t=")?)?;
        let parallelism = number(parameters.next()?.strip_prefix("p=")?)?;
        // `keyid` and `data` are inputs this library does not have.
        if parameters.next().is_some() {
            return None;
        }
        let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let output = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let fits = fields.next().is_none() && (8..=64).contains(&salt.len()) && (16..=64).contains(&output.len());
        fits.then_some(Self {
            algorithm,
            version,
            parameters: HashParameters { memory_kib, iterations, parallelism },
            salt,
            output,
        })
    }

    /// The PHC string.
    pub(crate) fn print(&self) -> String {
        let HashParameters { memory_kib, iterations, parallelism } = self.parameters;
        let algorithm = match self.algorithm {
            Algorithm::Id => "argon2id",
            Algorithm::I => "argon2i",
            Algorithm::D => "argon2d",
        };
        let version = match self.version {
            Version::V16 => 16,
            Version::V19 => 19,
        };
        format!(
            "${algorithm}$v={version}$m={memory_kib},t={iterations},p={parallelism}${}${}",
            STANDARD_NO_PAD.encode(&self.salt),
            STANDARD_NO_PAD.encode(&self.output)
        )
    }
}

/// A decimal number in its one spelling: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const GOOD: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";

    fn code(text: &str) -> Option<Code> {
        Phc::parse(text, GIB).err().map(|e| e.code())
    }

    #[test]
    fn a_string_prints_as_it_reads() {
        assert_eq!(Phc::parse(GOOD, GIB).unwrap().print(), GOOD);
        let old = Phc::parse(&GOOD.replace("$v=19", ""), GIB).unwrap();
        assert_eq!(old.version, Version::V16);
        assert_eq!(old.print(), GOOD.replace("v=19", "v=16"));
        for (from, to) in [("v=19", "v=16"), ("argon2id", "argon2i"), ("argon2id", "argon2d")] {
            let other = GOOD.replace(from, to);
            assert_eq!(Phc::parse(&other, GIB).unwrap().print(), other);
        }
    }

    #[test]
    fn what_is_just_within_bounds_is_read() {
        let read = |from: &str, to: &str| Phc::parse(&GOOD.replace(from, to), u64::MAX).is_ok();
        for (from, to) in [
            ("m=64", "m=8"),
            ("m=64", "m=1048576"),
            ("t=1", "t=64"),
            ("p=1", "p=8"),
            ("m=64,t=1,p=1", "m=128,t=1,p=16"),
        ] {
            assert!(read(from, to), "{to}");
        }
        for (from, to) in [("m=64", "m=7"), ("m=64", "m=1048577"), ("m=64,t=1,p=1", "m=127,t=1,p=16")] {
            assert!(!read(from, to), "{to}");
        }
    }

    /// T13: hostile parameters are an error before any memory is taken.
    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for (from, to) in [
            ("m=64", "m=1048577"),
            ("m=64", "m=4294967295"),
            ("m=64", "m=4294967296"),
            ("m=64", "m=99999999999999999999"),
            ("m=64", "m=7"),
            ("t=1", "t=65"),
            ("t=1", "t=4294967295"),
            ("t=1", "t=0"),
            ("p=1", "p=17"),
            ("p=1", "p=4294967295"),
            ("p=1", "p=0"),
            ("p=1", "p=9"),
            ("c29tZXNhbHQ", ""),
            ("c29tZXNhbHQ", "c2hvcnQ"),
            ("MDEyMzQ1Njc4OWFiY2RlZg", "MDEyMzQ1Njc4OWFiY2Rl"),
        ] {
            assert_eq!(code(&GOOD.replace(from, to)), Some(Code::InvalidHash), "{to}");
        }
        assert_eq!(code(&format!("{GOOD}{}", "A".repeat(10_000))), Some(Code::InvalidHash));
        assert!(Phc::parse(GOOD, 64 * 1024).is_ok());
        assert!(Phc::parse(GOOD, 64 * 1024 - 1).is_err());
    }

    #[test]
    fn another_shape_is_refused() {
        for bad in [
            "",
            "$",
            "x",
            "$argon2id",
            "argon2id$v=19",
            &GOOD[1..],
            "$bcrypt$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg",
        ] {
            assert_eq!(code(bad), Some(Code::InvalidHash), "{bad}");
        }
        for (from, to) in [
            ("v=19", "v=18"),
            ("v=19", "v=019"),
            ("m=64,t=1", "t=1,m=64"),
            ("m=64", "m=064"),
            ("m=64", "m=+64"),
            ("m=64", "m= 64"),
            ("p=1", "p=1,keyid=AAAA"),
            ("p=1", "p=1,data=AAAA"),
            ("p=1", "p=1,p=1"),
            ("c29tZXNhbHQ", "c29tZXNhbHQ="),
            ("c29tZXNhbHQ", "c29tZXNhbHR"),
            ("c29tZXNhbHQ", "c29t_XNhbHQ"),
            ("ZWY", "ZWY$"),
        ] {
            if GOOD.contains(from) {
                assert_eq!(code(&GOOD.replace(from, to)), Some(Code::InvalidHash), "{to}");
            }
        }
        assert_eq!(code(&format!("{GOOD}$")), Some(Code::InvalidHash));
        assert_eq!(code(&format!(" {GOOD}")), Some(Code::InvalidHash));
    }
}

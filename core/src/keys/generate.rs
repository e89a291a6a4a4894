//! Generated keys: `isk_`, 43 characters of base64url over 32 random bytes, 6 characters of base62 CRC-32.
//!
//! The prefix and the checksum let secret scanners recognise a leaked key without asking anybody.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{error::Result, id::fill_random};

/// What every generated key begins with.
pub(crate) const PREFIX: &str = "isk_";
/// The length of a generated key.
pub(crate) const LENGTH: usize = 53;
const CHECKED: usize = LENGTH - CHECKSUM;
const CHECKSUM: usize = 6;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A fresh key from the operating system's randomness: 256 bits.
pub(crate) fn generate() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    fill_random(bytes.as_mut())?;
    // Reserved whole: a growing string would leave copies of the secret behind.
    let mut key = Zeroizing::new(String::with_capacity(LENGTH));
    key.push_str(PREFIX);
    let mut body = [0_u8; 43];
    if URL_SAFE_NO_PAD.encode_slice(bytes.as_ref(), &mut body).is_ok() {
        key.extend(body.iter().map(|b| char::from(*b)));
    }
    body.zeroize();
    let sum = checksum(key.as_bytes());
    key.extend(sum.iter().map(|b| char::from(*b)));
    Ok(key)
}

/// CRC-32/ISO-HDLC in base62, most significant digit first, zero-padded.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

/// Whether a key that begins with `isk_` has the right length and checksum; anything else is not ours to judge.
pub(crate) fn is_plausible(key: &[u8]) -> bool {
    if !key.starts_with(PREFIX.as_bytes()) {
        return true;
    }
    match key.split_at_checked(CHECKED) {
        Some((checked, sum)) => sum.len() == CHECKSUM && checksum(checked) == sum,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_has_its_shape_and_checksum() {
        for _ in 0..1000 {
            let key = generate().unwrap();
            assert_eq!(key.len(), LENGTH);
            assert!(key.starts_with(PREFIX));
            assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            assert!(is_plausible(key.as_bytes()));
            let body = URL_SAFE_NO_PAD.decode(&key[4..47]).unwrap();
            assert_eq!(body.len(), 32);
        }
    }

    #[test]
    fn every_single_character_change_is_noticed() {
        let key = generate().unwrap();
        for at in 4..LENGTH {
            let mut changed = key.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!is_plausible(&changed), "at {at}");
        }
        assert!(!is_plausible(&key.as_bytes()[..52]));
        assert!(!is_plausible(b"isk_"));
        assert!(is_plausible(b"some-other-key"));
    }

    #[test]
    fn the_checksum_is_the_standard_one() {
        // CRC-32/ISO-HDLC of "123456789" is 0xCBF43926 = 3421780262; in base62 (0-9A-Za-z) that is 3jZQdO.
        let mut value = 0_u64;
        for digit in checksum(b"123456789") {
            value = value * 62 + BASE62.iter().position(|b| *b == digit).unwrap() as u64;
        }
        assert_eq!(value, 0xCBF4_3926);
    }

    /// T10: no two keys are alike, and their bits are even.
    #[test]
    fn a_hundred_thousand_keys_are_distinct_and_even() {
        let mut seen = std::collections::HashSet::new();
        let mut ones = [0_u32; 256];
        let rounds = 100_000_u32;
        for _ in 0..rounds {
            let key = generate().unwrap();
            let body = URL_SAFE_NO_PAD.decode(&key[4..47]).unwrap();
            for (at, count) in ones.iter_mut().enumerate() {
                *count += u32::from(body[at / 8] >> (at % 8) & 1);
            }
            assert!(seen.insert(body));
        }
        // Seven standard deviations around one half: chance would miss it once in 10^9 runs over all 256 bits.
        let (half, slack) = (rounds / 2, 1107);
        assert!(ones.iter().all(|count| count.abs_diff(half) < slack), "{ones:?}");
    }
}

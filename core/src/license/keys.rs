//! Trusted public keys: whose signatures on license files are believed.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

use super::hex;
use crate::error::{Code, Error, Result};

/// The DER of an Ed25519 `SubjectPublicKeyInfo` up to the key itself (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The canonical encodings of the points of small order (1, 2, 4, 4, 8, 8, 8 and 8).
const SMALL_ORDER: [[u8; 32]; 8] = {
    const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        [bytes[0], bytes[31]] = [first, last];
        bytes
    }
    const fn signed(mut bytes: [u8; 32]) -> [u8; 32] {
        bytes[31] |= 0x80;
        bytes
    }
    const ONE: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    const OTHER: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    let [minus_one, zero] = [ends(0xec, 0xff, 0x7f), [0; 32]];
    [ends(1, 0, 0), minus_one, zero, signed(zero), ONE, signed(ONE), OTHER, signed(OTHER)]
};

/// A sound Ed25519 public key: canonically encoded and not of small order.
///
/// A signature under a small-order key can be made without any secret, and a non-canonical encoding gives one key two
/// spellings; so neither can become a `PublicKey` in the first place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key with these 32 bytes (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// `WEAK_TRUSTED_KEY` when they are not a point of the curve, not its canonical encoding, or of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        if !is_canonical(bytes) {
            return Err(Error::with(Code::WeakTrustedKey, "the encoding is not canonical"));
        }
        let key = VerifyingKey::from_bytes(bytes)
            .map_err(|_| Error::with(Code::WeakTrustedKey, "not a point of the curve"))?;
        if key.is_weak() {
            return Err(Error::with(Code::WeakTrustedKey, "a point of small order"));
        }
        Ok(Self(key))
    }

    /// The public half of a signing key: always sound.
    pub(super) fn of(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key())
    }

    /// Reads 64 hexadecimal digits, or the base64 of a `SubjectPublicKeyInfo` (`MCowBQYDK2VwAyEA...`), as Keygen shows it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for any other text, `WEAK_TRUSTED_KEY` as in [`PublicKey::from_bytes`].
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = match hex::decode_32(text) {
            Some(bytes) => bytes,
            None => STANDARD
                .decode(text)
                .ok()
                .and_then(|der| der.strip_prefix(&SPKI_PREFIX).and_then(|key| <[u8; 32]>::try_from(key).ok()))
                .ok_or_else(|| {
                    Error::with(
                        Code::InvalidArgument,
                        "public_key is neither 64 hexadecimal digits nor the base64 of an Ed25519 SubjectPublicKeyInfo",
                    )
                })?,
        };
        Self::from_bytes(&bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// 64 lower-case hexadecimal digits: the form that [`PublicKey::parse`] reads and Keygen's SDKs take.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.to_bytes())
    }

    /// Whether `signature` is this key's over `message`, by the strict rule: canonical `R` and `S`, no point of small
    /// order, no cofactor. See research/reliability.md, section 5.2, for how verifiers differ.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // `verify_strict` decompresses `R`, an eighth of its time, only to see that it is not of small order. This key is not
        // (or it would not be here), and a good `R` is byte for byte the canonical encoding of a computed point, of which
        // those of small order are eight.
        let signature = Signature::from_bytes(signature);
        !SMALL_ORDER.contains(signature.r_bytes()) && self.0.verify(message, &signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_hex())
    }
}

/// Whether the y coordinate is below 2^255 - 19. The one other non-canonical encoding, a set sign bit at x = 0, has
/// small order and is refused as such.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    // In little endian, the numbers from 2^255 - 19 on are: a last byte of 0x7f, 30 bytes of 0xff, a first from 0xed.
    let [first, middle @ .., last] = bytes;
    *first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// A public key whose signatures on license files are believed, perhaps only for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// Its name: 1 to 64 characters, unique among the configured keys. The signed-time mark is kept under it.
    pub id: String,
    /// The key.
    pub public_key: PublicKey,
    /// Unix seconds from which the key is no longer believed, whatever it signed and whenever it says it did: a leaked
    /// key can backdate `issued`. `None` is never.
    pub not_after: Option<i64>,
}

impl TrustedKey {
    /// A key from 64 hexadecimal digits, trusted without an end.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `id` or the digits are not valid, `WEAK_TRUSTED_KEY` when the key is not sound.
    pub fn from_hex(id: &str, digits: &str) -> Result<Self> {
        let bytes = hex::decode_32(digits)
            .ok_or_else(|| Error::with(Code::InvalidArgument, "public_key is not 64 hexadecimal digits"))?;
        Self::new(id, PublicKey::from_bytes(&bytes)?)
    }

    /// A key from 64 hexadecimal digits or base64 `SubjectPublicKeyInfo`, trusted without an end.
    ///
    /// # Errors
    /// As [`TrustedKey::from_hex`].
    pub fn parse(id: &str, text: &str) -> Result<Self> {
        Self::new(id, PublicKey::parse(text)?)
    }

    /// A key that is already read, trusted without an end.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `id` is empty, longer than 64 characters, or holds a control character.
    pub fn new(id: &str, public_key: PublicKey) -> Result<Self> {
        check_id(id)?;
        Ok(Self { id: id.to_owned(), public_key, not_after: None })
    }

    /// The same key, believed only before `not_after` (Unix seconds).
    #[must_use]
    pub fn until(mut self, not_after: i64) -> Self {
        self.not_after = Some(not_after);
        self
    }

    /// Whether the key is believed at `now`.
    pub(crate) fn in_force(&self, now: i64) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

/// Refuses ids that are not fit for a name, and two keys of one id.
pub(crate) fn check_configuration(keys: &[TrustedKey]) -> Result<()> {
    let mut ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    ids.iter().try_for_each(|id| check_id(id))?;
    ids.sort_unstable();
    if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(Error::with(Code::InvalidArgument, "trusted_keys: two keys have the same id"));
    }
    Ok(())
}

fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.chars().count() > 64 || id.chars().any(char::is_control) {
        return Err(Error::with(Code::InvalidArgument, "a trusted key's id is 1 to 64 printable characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keygen's published example key, in the two forms its documentation shows.
    const HEX: &str = "e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788";
    const SPKI: &str = "MCowBQYDK2VwAyEA6GAeSLaTg7pSAkX9B5cemD0G0ixCV8/YIwRgFHnO54g=";

    #[test]
    fn both_spellings_are_one_key() {
        let key = PublicKey::parse(HEX).unwrap();
        assert_eq!(PublicKey::parse(SPKI).unwrap(), key);
        assert_eq!(PublicKey::parse(&HEX.to_uppercase()).unwrap(), key);
        assert_eq!(key.to_hex(), HEX);
        assert_eq!(PublicKey::from_bytes(&key.to_bytes()).unwrap(), key);
    }

    #[test]
    fn other_texts_are_not_keys() {
        let rsa_like = STANDARD.encode([0x30_u8; 44]);
        for bad in ["", "00", &HEX[1..], &format!("{HEX}0"), &format!(" {HEX}"), &SPKI[..59], &rsa_like] {
            assert_eq!(PublicKey::parse(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
            assert_eq!(TrustedKey::from_hex("k", bad).unwrap_err().code(), Code::InvalidArgument);
        }
        assert_eq!(TrustedKey::from_hex("k", SPKI).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn weak_and_non_canonical_keys_are_refused_when_configured() {
        // The eight points of small order, and every encoding of y from 2^255 - 19 on, with and without the sign bit.
        let small = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        for text in small {
            assert_eq!(TrustedKey::from_hex("k", text).unwrap_err().code(), Code::WeakTrustedKey, "{text}");
        }
        for first in 0xed..=0xff_u8 {
            for last in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                bytes[0] = first;
                bytes[31] = last;
                assert!(!is_canonical(&bytes));
                assert_eq!(PublicKey::from_bytes(&bytes).unwrap_err().code(), Code::WeakTrustedKey);
            }
        }
        // Each byte that is less makes it a number below the prime.
        for (at, byte) in [(0, 0xec), (1, 0xfe), (15, 0), (30, 0xfe), (31, 0x7e), (31, 0xfe)] {
            let mut bytes = [0xff; 32];
            bytes[31] = 0x7f;
            bytes[at] = byte;
            assert!(is_canonical(&bytes), "{byte} at {at}");
        }
        // y = 2 is not on the curve.
        let mut off = [0; 32];
        off[0] = 2;
        assert_eq!(PublicKey::from_bytes(&off).unwrap_err().code(), Code::WeakTrustedKey);
    }

    /// There are eight points whose order divides the cofactor, so eight different ones are all.
    #[test]
    fn the_points_of_small_order_are_these_eight() {
        for bytes in &SMALL_ORDER {
            let key = VerifyingKey::from_bytes(bytes).unwrap();
            assert!(key.is_weak() && is_canonical(bytes), "{bytes:x?}");
            assert_eq!(key.to_bytes(), *bytes);
            assert_eq!(SMALL_ORDER.iter().filter(|other| *other == bytes).count(), 1);
        }
    }

    #[test]
    fn ids_are_names_and_unique() {
        let key = |id: &str| TrustedKey::from_hex(id, HEX);
        for bad in ["", "a\n", &"x".repeat(65)] {
            assert_eq!(key(bad).unwrap_err().code(), Code::InvalidArgument);
        }
        assert!(key(&"x".repeat(64)).is_ok() && key(&"\u{e9}".repeat(64)).is_ok());
        assert!(check_configuration(&[key("a").unwrap(), key("b").unwrap()]).is_ok());
        let twice = check_configuration(&[key("a").unwrap(), key("b").unwrap(), key("a").unwrap()]);
        assert_eq!(twice.unwrap_err().code(), Code::InvalidArgument);
        // The fields are open, so the configuration is checked again.
        let mut unnamed = key("a").unwrap();
        unnamed.id.clear();
        assert_eq!(check_configuration(&[unnamed]).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn an_end_date_ends_at_its_second() {
        let key = TrustedKey::from_hex("a", HEX).unwrap();
        assert!(key.in_force(i64::MAX));
        let key = key.until(100);
        assert!(key.in_force(99) && !key.in_force(100));
    }
}

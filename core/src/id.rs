//! Identifiers: 128 random bits, shown as a version 4 UUID (RFC 9562, section 5.4).

use std::fmt;

use crate::error::{Code, Error, Result};

/// The identity of a key, a credential or a store: random, independent of any name or secret, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(u128);

impl Id {
    /// The identity of nothing; no record ever has it.
    pub const NIL: Self = Self(0);

    /// A fresh identity from the operating system's randomness.
    ///
    /// # Errors
    /// `INTERNAL` when the operating system refuses randomness.
    pub fn random() -> Result<Self> {
        let mut bytes = [0_u8; 16];
        fill_random(&mut bytes)?;
        let value = u128::from_be_bytes(bytes);
        // Version 4, variant 10: so that tools which know UUIDs accept it.
        let value = (value & !(0xf << 76)) | (0x4 << 76);
        let value = (value & !(0x3 << 62)) | (0x2 << 62);
        Ok(Self(value))
    }

    /// The 16 bytes, most significant first.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The identity with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The upper and the lower 64 bits.
    #[inline]
    pub(crate) const fn to_halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    #[inline]
    pub(crate) const fn from_halves(upper: u64, lower: u64) -> Self {
        Self((upper as u128) << 64 | lower as u128)
    }

    /// Reads the 36-character form; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut value = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = match byte {
                b'0'..=b'9' => byte.wrapping_sub(b'0'),
                b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
                _ => return None,
            };
            value = (value << 4) | u128::from(digit);
        }
        Some(Self(value))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fills `bytes` from the operating system, each time anew: a forked child never repeats its parent's randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::with(Code::Internal, "the operating system gave no randomness"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_a_version_4_uuid_and_reads_back() {
        for _ in 0..1000 {
            let id = Id::random().unwrap();
            let text = id.to_string();
            assert_eq!(text.as_bytes()[14], b'4');
            assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
            assert_eq!(Id::parse(&text), Some(id));
            assert_eq!(Id::from_bytes(id.to_bytes()), id);
        }
        for bad in ["", "x", "00000000-0000-0000-0000-00000000000g", "00000000x0000-0000-0000-000000000000"] {
            assert_eq!(Id::parse(bad), None);
        }
    }
}

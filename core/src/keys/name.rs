//! A key's name, in place.

use std::fmt;

use super::credential::MAX_NAME;

/// A key's name, as a principal holds it: copied whole, in a few instructions, and never followed to another
/// place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// Zero behind the name.
    bytes: [u8; MAX_NAME],
    length: u8,
}

impl Name {
    /// Nobody's.
    pub(crate) const NONE: Self = Self { bytes: [0; MAX_NAME], length: 0 };

    /// `name`, or nobody's when it is longer than a name can be: what a foreign writer misnamed so is in no look-up's
    /// reach, since no credential has an empty name.
    pub(crate) fn new(name: &str) -> Self {
        Self::from_bytes(name.as_bytes())
    }

    /// As [`Name::new`], from bytes that are text if they are a name.
    #[inline]
    pub(crate) fn from_bytes(name: &[u8]) -> Self {
        let mut bytes = [0; MAX_NAME];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(to), Ok(length)) => {
                to.copy_from_slice(name);
                Self { bytes, length }
            }
            _ => Self::NONE,
        }
    }

    /// As [`Name::new`], of up to 16 bytes, which are given as two words in little-endian order with zeros behind.
    #[inline]
    pub(crate) const fn from_words(words: (u64, u64), length: u8) -> Self {
        let mut bytes = [0; MAX_NAME];
        if let Some((first, rest)) = bytes.split_first_chunk_mut()
            && let Some(second) = rest.first_chunk_mut()
        {
            (*first, *second) = (words.0.to_le_bytes(), words.1.to_le_bytes());
        }
        Self { bytes, length }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// All of it, zero behind its end, and its length.
    #[inline]
    pub(crate) const fn padded(&self) -> (&[u8; MAX_NAME], u8) {
        (&self.bytes, self.length)
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_whole_or_not_at_all() {
        let longest = "n".repeat(MAX_NAME);
        for name in ["", "n", "reporting", "\u{e4}\u{20ac}", &longest] {
            assert_eq!(Name::new(name).as_str(), name);
        }
        for long in [longest.clone() + "n", "n".repeat(256), "n".repeat(256 + 5)] {
            assert_eq!(Name::new(&long), Name::NONE);
        }
    }
}

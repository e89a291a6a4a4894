//! What stands for a key's name in the index.

use foldhash::quality::FixedState;
use siphasher::sip128::SipHasher13;
use std::hash::BuildHasher as _;

use crate::{
    error::Result,
    id::{Id, fill_random},
};

/// The longest name that is its own tag.
const SHORT: usize = 16;

/// A name of up to 16 bytes itself; of a longer one 128 bits of digest, which no two names share. Equal iff the names are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NameTag {
    pub(super) words: (u64, u64),
    /// Of the name, in bytes.
    pub(super) length: u8,
}

impl NameTag {
    /// Nobody's: no credential has an empty name.
    pub(super) const NONE: Self = Self { words: (0, 0), length: 0 };

    /// The name itself, when it is short: in two words in little-endian order, with zeros behind it.
    #[inline]
    pub(super) const fn short(self) -> Option<(u64, u64)> {
        if self.length as usize <= SHORT { Some(self.words) } else { None }
    }
}

/// Makes tags, and hashes them, under random keys: nobody can choose names that fall together.
pub(super) struct NameTags {
    long: SipHasher13,
    /// It decides where something is looked for, and nothing else.
    places: FixedState,
}

impl NameTags {
    pub(super) fn new() -> Result<Self> {
        let (mut key, mut seed) = ([0; 16], [0; 8]);
        fill_random(&mut key)?;
        fill_random(&mut seed)?;
        Ok(Self { long: SipHasher13::new_with_key(&key), places: FixedState::with_seed(u64::from_le_bytes(seed)) })
    }

    #[inline]
    pub(super) fn of(&self, name: &[u8]) -> NameTag {
        match short(name) {
            Some(words) => NameTag { words, length: name.len() as u8 },
            None => self.of_long(name),
        }
    }

    #[inline(never)]
    fn of_long(&self, name: &[u8]) -> NameTag {
        let hash = self.long.hash(name);
        // What is longer than a name can be is nobody's either.
        NameTag { words: (hash.h1, hash.h2), length: u8::try_from(name.len()).unwrap_or(u8::MAX) }
    }

    #[inline]
    pub(super) fn hash(&self, tag: NameTag) -> u64 {
        self.places.hash_one(u128::from(tag.words.0) << 64 | u128::from(tag.words.1))
    }

    pub(super) fn hash_of_id(&self, id: Id) -> u64 {
        self.places.hash_one(u128::from_be_bytes(id.to_bytes()))
    }

    /// How tags are hashed.
    pub(super) fn places(&self) -> FixedState {
        self.places.clone()
    }
}

/// The bytes of a short name, with zeros behind them: read as two words that may overlap.
#[inline]
fn short(name: &[u8]) -> Option<(u64, u64)> {
    if name.len() > SHORT {
        return None;
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let overlap = SHORT.wrapping_sub(name.len()).wrapping_mul(8) as u32;
        let second = u64::from_le_bytes(*last).checked_shr(overlap).unwrap_or(0);
        return Some((u64::from_le_bytes(*first), second));
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let behind = name.len().wrapping_sub(4).wrapping_mul(8) as u32;
        let last = u64::from(u32::from_le_bytes(*last)).wrapping_shl(behind);
        return Some((u64::from(u32::from_le_bytes(*first)) | last, 0));
    }
    let word = name.iter().rev().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
    Some((word, 0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn another_name_has_another_tag() {
        let tags = NameTags::new().unwrap();
        let mut seen = HashSet::new();
        let mut met = |name: &[u8]| {
            let tag = tags.of(name);
            let elsewhere = [name, b"x"].concat();
            assert_eq!(tag, tags.of(&elsewhere[..name.len()]));
            assert_eq!(tags.hash(tag), tags.hash(tags.of(name)));
            assert!(seen.insert((tag.words, tag.length)), "{name:?}");
        };
        for length in 0..=300 {
            met(&vec![0; length]);
            for at in 0..length.min(70) {
                for byte in [b'a', 0xff] {
                    let mut name = vec![0; length];
                    name[at] = byte;
                    met(&name);
                }
            }
        }
    }

    #[test]
    fn a_short_name_is_its_own_tag() {
        let letters = b"abcdefghijklmnopqrst";
        for length in 0..=SHORT {
            let (first, second) = short(&letters[..length]).unwrap();
            let mut padded = [first.to_le_bytes(), second.to_le_bytes()].concat();
            padded.truncate(length);
            assert_eq!(padded, &letters[..length]);
        }
        assert!(short(&letters[..17]).is_none());
    }
}

//! Memory that only grows and never moves, so that it can be read while it grows.

use std::sync::{OnceLock, atomic::AtomicU64};

use inspire_auth_platform::words;

/// Items in the first segment; each further one is as long as all before it together.
const FIRST: u32 = 64;
/// Together they hold more than a `u32` can count.
const SEGMENTS: usize = 27;

/// Items numbered from 0, each at one address for as long as this lives: nothing is freed before, so whoever has read a
/// number may look at its item at any time, and finds there what is now.
pub(super) struct Segments<T> {
    segments: [OnceLock<T>; SEGMENTS],
}

impl<T> Segments<T> {
    pub(super) const fn new() -> Self {
        Self { segments: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// The segment of item `at`, and where in it.
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<(&T, usize)> {
        let (segment, within, _) = place(at);
        Some((self.segments.get(segment)?.get()?, within))
    }

    /// As [`Segments::get`], but makes the segment if it is not there, by `make` of how many items it holds.
    pub(super) fn get_or_make(&self, at: u32, make: impl FnOnce(usize) -> T) -> Option<(&T, usize)> {
        let (segment, within, length) = place(at);
        Some((self.segments.get(segment)?.get_or_init(|| make(length)), within))
    }
}

/// Item `at`'s segment, its place in it, and that segment's length.
#[inline]
const fn place(at: u32) -> (usize, usize, usize) {
    // Segment 0 holds 0 to 63, segment 1 holds 64 to 127, segment 2 holds 128 to 255, and so on.
    let above = at / FIRST;
    if above == 0 {
        return (0, at as usize, FIRST as usize);
    }
    let power = above.ilog2();
    let length = FIRST << power;
    (power.wrapping_add(1) as usize, at.wrapping_sub(length) as usize, length as usize)
}

/// The words of one item.
pub(super) const WORDS: usize = 16;
/// Two cache lines, which some processors fetch as one.
const ALIGNMENT: usize = 128;

/// One segment of items of [`WORDS`] words, each on two cache lines of its own.
pub(super) struct Words {
    words: Box<[AtomicU64]>,
    /// The word at which the first item begins.
    first: usize,
}

impl Words {
    pub(super) fn new(items: usize) -> Self {
        let words = words::zeroed(items.saturating_add(1).saturating_mul(WORDS));
        let past = (words.as_ptr() as usize) % ALIGNMENT;
        let missing = if past == 0 { 0 } else { ALIGNMENT.wrapping_sub(past) };
        let first = missing.checked_div(size_of::<AtomicU64>()).unwrap_or(0);
        Self { words, first }
    }

    #[inline]
    pub(super) fn item(&self, at: usize) -> Option<&[AtomicU64; WORDS]> {
        let from = self.first.wrapping_add(at.wrapping_mul(WORDS));
        self.words.get(from..)?.first_chunk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place() {
        let mut next = vec![0; SEGMENTS];
        for at in 0..100_000 {
            let (segment, within, length) = place(at);
            assert_eq!(within, next[segment], "{at}");
            assert!(within < length);
            next[segment] += 1;
        }
        let (segment, within, length) = place(u32::MAX);
        assert!(segment == SEGMENTS - 1 && within == length - 1);
    }

    #[test]
    fn items_lie_on_cache_lines_of_their_own_and_stay() {
        let segments = Segments::new();
        let item = |at| {
            let (words, within): (&Words, _) = segments.get_or_make(at, Words::new).unwrap();
            words.item(within).unwrap()
        };
        let first: Vec<usize> = (0..500).map(|at| std::ptr::from_ref(item(at)) as usize).collect();
        assert!(first.iter().all(|address| address % ALIGNMENT == 0));
        let mut distinct = first.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), first.len());
        item(50_000);
        assert_eq!((0..500).map(|at| std::ptr::from_ref(item(at)) as usize).collect::<Vec<_>>(), first);
        assert!(segments.get(49_999).is_some() && segments.get(500_000).is_none());
    }
}

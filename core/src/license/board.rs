//! The answers that are asked for most, on a board that is read without writing anything.
//!
//! A guard on the snapshot costs two locked instructions, more than the whole question should; a reader of the board
//! takes none ([`seqlock`]). The board knows only a license that is active, and only names that fit; whatever it does
//! not say, the snapshot does.

use std::{
    array,
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::seqlock;

/// What the installed license answers, while it is active.
#[derive(Debug)]
pub(super) struct Board {
    /// Of all that follows (see [`seqlock`]).
    version: AtomicU64,
    /// Unix seconds from which the license is active.
    from: AtomicI64,
    /// Unix seconds at which it is no more.
    until: AtomicI64,
    entitlements: Table,
    limits: Table,
}

/// What is to be written on the board.
pub(super) struct Notice<'a> {
    pub(super) active: Range<i64>,
    /// Granted codes, in capitals.
    pub(super) entitlements: &'a [String],
    /// Limits by name, in capitals.
    pub(super) limits: &'a BTreeMap<String, i64>,
}

impl Board {
    /// A board that says nothing.
    pub(super) fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            from: AtomicI64::new(0),
            until: AtomicI64::new(0),
            entitlements: Table::new(),
            limits: Table::new(),
        }
    }

    /// Says this from now on, or nothing. One caller at a time; a child that was forked in the middle finds the version odd,
    /// and so nothing, until it writes here itself.
    pub(super) fn write(&self, notice: Option<Notice<'_>>) {
        seqlock::write(&self.version, || self.put(notice));
    }

    fn put(&self, notice: Option<Notice<'_>>) {
        let active = notice.as_ref().map_or(0..0, |notice| notice.active.clone());
        self.from.store(active.start, Ordering::Relaxed);
        self.until.store(active.end, Ordering::Relaxed);
        match notice {
            Some(notice) => {
                self.entitlements.write(notice.entitlements.iter().map(|code| (code.as_str(), 1)));
                self.limits.write(notice.limits.iter().map(|(name, limit)| (name.as_str(), *limit)));
            }
            None => {
                self.entitlements.write([]);
                self.limits.write([]);
            }
        }
    }

    /// Whether the active license grants `code`, in any case; `None` when the board does not say. No lock, no shared write,
    /// no allocation.
    #[inline]
    pub(super) fn grants(&self, code: &str, now: i64) -> Option<bool> {
        self.read(&self.entitlements, code, now).map(|found| found.is_some())
    }

    /// The active license's limit of this name, in any case; `None` when the board does not say.
    #[inline]
    pub(super) fn limit(&self, name: &str, now: i64) -> Option<i64> {
        // Another spelling may still be one of its names.
        self.read(&self.limits, name, now).flatten()
    }

    /// What a table says, if it says anything now: `Some(None)` is that it has no such name.
    #[inline]
    fn read(&self, table: &Table, name: &str, now: i64) -> Option<Option<i64>> {
        let version = seqlock::begin(&self.version)?;
        let is_active = now >= self.from.load(Ordering::Relaxed) && now < self.until.load(Ordering::Relaxed);
        if !is_active {
            return None;
        }
        let found = table.find(&Name::of(name)?)?;
        seqlock::is_still(&self.version, version).then_some(found)
    }
}

/// The longest name that fits, in bytes.
const MAX_NAME: usize = 32;
/// Places; a power of two.
const SLOTS: usize = 64;
/// So many names at most, lest a search grow long.
const MAX_NAMES: usize = 32;

/// Numbers by name.
#[derive(Debug)]
struct Table {
    slots: [Slot; SLOTS],
    /// 1 when every name that fits is there, so that one that is not found is not there.
    is_whole: AtomicU64,
}

/// One of them; beside what follows it on a cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    /// 0 is a free place.
    length: AtomicU64,
    words: [AtomicU64; MAX_NAME / 8],
    value: AtomicI64,
}

impl Table {
    fn new() -> Self {
        Self { slots: array::from_fn(|_| Slot::default()), is_whole: AtomicU64::new(0) }
    }

    fn write<'a>(&self, entries: impl IntoIterator<Item = (&'a str, i64)>) {
        for slot in &self.slots {
            slot.length.store(0, Ordering::Relaxed);
        }
        let (mut is_whole, mut count) = (true, 0_usize);
        for (text, value) in entries {
            // A question of such a length is not answered here either.
            let Some(name) = Name::of(text).map(Name::in_capitals) else { continue };
            count = count.saturating_add(1);
            if count > MAX_NAMES {
                is_whole = false;
                break;
            }
            let free = self.places(&name).find(|slot| slot.length.load(Ordering::Relaxed) == 0);
            let Some(slot) = free else { continue };
            for (to, word) in slot.words.iter().zip(name.words) {
                to.store(word, Ordering::Relaxed);
            }
            slot.value.store(value, Ordering::Relaxed);
            slot.length.store(name.length, Ordering::Relaxed);
        }
        self.is_whole.store(u64::from(is_whole), Ordering::Relaxed);
    }

    /// `None` when it can't be told.
    #[inline]
    fn find(&self, name: &Name) -> Option<Option<i64>> {
        for slot in self.places(name) {
            let length = slot.length.load(Ordering::Relaxed);
            if length == 0 {
                break;
            }
            // Nearly always it is asked for as it is written.
            if length == name.length && (slot.holds(name) || slot.holds_in_capitals(name)) {
                return Some(Some(slot.value.load(Ordering::Relaxed)));
            }
        }
        (self.is_whole.load(Ordering::Relaxed) == 1).then_some(None)
    }

    /// All places, beginning with the name's own.
    #[inline]
    fn places(&self, name: &Name) -> impl Iterator<Item = &Slot> {
        let first = name.place();
        (0..SLOTS).filter_map(move |at| self.slots.get(first.wrapping_add(at) % SLOTS))
    }
}

impl Slot {
    #[inline]
    fn holds(&self, name: &Name) -> bool {
        let [a, b, c, d] = &self.words;
        let [e, f, g, h] = name.words;
        let differs = |here: &AtomicU64, word: u64| here.load(Ordering::Relaxed) ^ word;
        differs(a, e) | differs(b, f) | differs(c, g) | differs(d, h) == 0
    }

    #[cold]
    #[inline(never)]
    fn holds_in_capitals(&self, name: &Name) -> bool {
        self.holds(&name.in_capitals())
    }
}

/// A name of 1 to 32 bytes as numbers: two are equal exactly when the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    length: u64,
    words: [u64; MAX_NAME / 8],
}

impl Name {
    #[inline]
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let length = bytes.len() as u64;
        // Its beginning and its end, which overlap unless it is of full length: no loop, and no copy of unknown size.
        let words = if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
            if bytes.len() > MAX_NAME {
                return None;
            }
            let ([a, b], [c, d]) = (halves(*first), halves(*last));
            [a, b, c, d]
        } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            [u64::from_le_bytes(*first), u64::from_le_bytes(*last), 0, 0]
        } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)), 0, 0]
        } else {
            // 1 to 3: the first, the last, and the one between.
            let (first, last) = (bytes.first()?, bytes.last()?);
            let middle = bytes.get(bytes.len() / 2)?;
            [u64::from(*first), u64::from(*last), u64::from(*middle), 0]
        };
        Some(Self { length, words })
    }

    fn in_capitals(self) -> Self {
        Self { length: self.length, words: self.words.map(capitals) }
    }

    /// Where it stands, if nothing else does; in whatever case it is written.
    #[inline]
    fn place(&self) -> usize {
        // 2^64 divided by the golden ratio: its upper bits depend on all of what it is multiplied with.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        /// Without the bit by which small letters differ.
        const CASELESS: u64 = 0xdfdf_dfdf_dfdf_dfdf;
        const BITS: u32 = u64::BITS - SLOTS.ilog2();
        let [a, b, c, d] = self.words;
        let (first, second) = ((a ^ c.rotate_left(24)) & CASELESS, (b ^ d.rotate_left(24)) & CASELESS);
        let place = ((first ^ self.length).wrapping_mul(SPREAD) ^ second).wrapping_mul(SPREAD) >> BITS;
        // 6 bits.
        #[allow(clippy::cast_possible_truncation)]
        let place = place as usize;
        place
    }
}

#[inline]
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let all = u128::from_le_bytes(bytes);
    // Two halves of it, each cut to its own 64 bits.
    #[allow(clippy::cast_possible_truncation)]
    let halves = [all as u64, (all >> 64) as u64];
    halves
}

/// `to_ascii_uppercase` of eight bytes at once.
#[inline]
fn capitals(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    /// What lifts a byte from `a` on, and one beyond `z`, above 0x7f.
    const TO_A: u64 = (0x80 - b'a' as u64) * ONES;
    const BEYOND_Z: u64 = (0x7f - b'z' as u64) * ONES;
    // Without their highest bits no sum of two bytes reaches into the next.
    let low = word & !HIGH;
    let from_a = low.wrapping_add(TO_A);
    let beyond_z = low.wrapping_add(BEYOND_Z);
    let is_small = from_a & !beyond_z & !word & HIGH;
    // 0x80 for each of them becomes the 0x20 by which it differs.
    word ^ (is_small >> 2)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::*;

    fn write(board: &Board, active: Range<i64>, codes: &[&str], limits: &[(&str, i64)]) {
        let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
        let limits = limits.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect();
        board.write(Some(Notice { active, entitlements: &codes, limits: &limits }));
    }

    #[test]
    fn it_says_what_was_written_and_only_while_that_is_so() {
        let board = Board::new();
        assert_eq!((board.grants("MFA", 0), board.limit("SEATS", 0)), (None, None));
        write(&board, 10..20, &["MFA", "A_LONGER_ONE_OF_THEM"], &[("SEATS", 7), ("MORE", -1)]);
        for (now, says) in [(9, None), (10, Some(true)), (19, Some(true)), (20, None)] {
            assert_eq!(board.grants("mfa", now), says, "{now}");
            assert_eq!(board.limit("Seats", now), says.map(|_| 7), "{now}");
        }
        assert_eq!((board.grants("MF", 15), board.grants("A_longer_one_of_them", 15)), (Some(false), Some(true)));
        assert_eq!((board.limit("more", 15), board.limit("LESS", 15)), (Some(-1), None));
        write(&board, 10..20, &[], &[]);
        assert_eq!((board.grants("MFA", 15), board.limit("SEATS", 15)), (Some(false), None));
        board.write(None);
        assert_eq!((board.grants("MFA", 15), board.limit("SEATS", 15)), (None, None));
    }

    #[test]
    fn what_does_not_fit_is_not_answered() {
        let board = Board::new();
        let (long, longest) = ("L".repeat(33), "L".repeat(32));
        write(&board, 0..1, &[&long, &longest, ""], &[]);
        assert_eq!((board.grants(&long, 0), board.grants("", 0)), (None, None));
        assert_eq!((board.grants(&longest, 0), board.grants(&longest[1..], 0)), (Some(true), Some(false)));
        let many: Vec<String> = (0..40).map(|n| format!("CODE_{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        write(&board, 0..1, &many, &[]);
        for (at, code) in many.iter().enumerate() {
            assert_eq!(board.grants(code, 0), (at < MAX_NAMES).then_some(true), "{code}");
        }
        assert_eq!(board.grants("NONE", 0), None);
    }

    #[test]
    fn a_board_that_is_being_written_says_nothing() {
        let board = Board::new();
        write(&board, 0..1, &["MFA"], &[]);
        // As a child finds it that was forked in the middle.
        board.version.fetch_add(1, Ordering::Relaxed);
        assert_eq!(board.grants("MFA", 0), None);
        write(&board, 0..1, &["MFA"], &[]);
        assert_eq!(board.grants("MFA", 0), Some(true));
    }

    #[test]
    fn readers_see_one_writing_or_the_other() {
        let board = Board::new();
        let (first, second) = (["A", "B", "C", "D"], ["E", "F", "G", "A"]);
        let (done, seen) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        // At 5 the one is active, at 15 the other, and both hold A.
                        for (now, yes, no) in [(5, "C", "F"), (15, "F", "C")] {
                            assert_ne!(board.grants("A", now), Some(false));
                            assert_ne!(board.grants(yes, now), Some(false));
                            assert_ne!(board.grants(no, now), Some(true));
                        }
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let mut written = 0_u64;
            while written < 2_000 || seen.load(Ordering::Relaxed) < 100 {
                write(&board, 0..10, &first, &[]);
                write(&board, 10..20, &second, &[]);
                written += 1;
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    proptest! {
        #[test]
        fn names_are_equal_when_they_are_but_for_their_case(
            (one, other) in ("\\PC{0,12}|[a-cA-C]{0,4}|[a-bA-B_]{1,34}", "\\PC{0,12}|[a-cA-C]{0,4}|[a-bA-B_]{1,34}")
        ) {
            for (one, other) in [(&one, &other), (&one, &one.to_ascii_lowercase()), (&one, &one.to_ascii_uppercase())] {
                let fits = |text: &str| (1..=MAX_NAME).contains(&text.len());
                match (Name::of(one), Name::of(other)) {
                    (Some(a), Some(b)) => {
                        prop_assert!(fits(one) && fits(other));
                        prop_assert_eq!(a == b, one == other);
                        prop_assert_eq!(a.in_capitals() == b.in_capitals(), one.eq_ignore_ascii_case(other));
                        prop_assert!(a.in_capitals() != b.in_capitals() || a.place() == b.place());
                        prop_assert!(a.place() < SLOTS);
                    }
                    (a, b) => prop_assert_eq!((a.is_some(), b.is_some()), (fits(one), fits(other))),
                }
            }
        }

        #[test]
        fn capitals_are_those_of_each_byte(bytes in any::<[u8; 8]>()) {
            let expected = bytes.map(|byte| byte.to_ascii_uppercase());
            prop_assert_eq!(capitals(u64::from_le_bytes(bytes)).to_le_bytes(), expected);
        }
    }
}

//! One credential of a key, with all that a check needs to know of the key, in two cache lines.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{name_tag::NameTag, segments::WORDS};
use crate::{
    id::Id,
    keys::{levels::Requirement, mac::Digest, name::Name},
    seqlock,
    store::Scheme,
};

/// What stands in a slot, copied out of it: as it was at one moment.
///
/// A key's name is not here when it is long, but as a digest of it: whoever presents a name has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// The digest of the right secret; nothing is learnt yet where either half is 0.
    pub(super) memo: (u64, u64),
    pub(super) name: NameTag,
    pub(crate) id: Id,
    pub(crate) credential: Id,
    pub(crate) revision: u64,
    pub(super) flags: u8,
    /// Unix seconds from which the key has expired, or its credential has ended; `i64::MAX` is never.
    pub(super) end: i64,
    /// Unix seconds of the last use that was noted; `i64::MIN` is none.
    pub(crate) last_used: i64,
    /// Of the stored hash: another hash is another secret, for all that is known here.
    pub(crate) mark: Mark,
    pub(super) tag: u32,
    /// KiB of memory that checking the stored hash takes; 0 when it is quick.
    pub(super) cost_kib: u32,
    /// What the key's levels satisfy, of the first 64 paths that this process knows.
    pub(super) first_levels: u64,
    pub(super) levels: u32,
    /// The slot of the key's next credential, plus one; 0 is none.
    pub(super) next: u32,
}

/// A digest of a stored hash, under a key of this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mark(pub(super) u64);

impl Mark {
    pub(crate) const fn of(digest: Digest) -> Self {
        Self(digest.to_bits().0)
    }
}

/// What is true of a key or its credential, a bit each.
pub(super) mod flag {
    pub(crate) const ENABLED: u8 = 1;
    pub(crate) const REQUIRE_SECURE: u8 = 1 << 1;
    /// Its record was not written by somebody who holds the pepper.
    pub(crate) const UNSEALED: u8 = 1 << 2;
    /// It has a tag, under the store's tag key.
    pub(crate) const TAGGED: u8 = 1 << 3;
    /// A person chose the secret.
    pub(crate) const CHOSEN: u8 = 1 << 4;
    /// The credential ends, and not its key.
    pub(crate) const CREDENTIAL_ENDS: u8 = 1 << 5;
    /// It is checked by HMAC-SHA-256.
    pub(crate) const HMAC: u8 = 1 << 6;
    /// It has levels beyond the first 64 paths.
    pub(crate) const MORE_LEVELS: u8 = 1 << 7;
}

impl Record {
    /// Nobody's.
    pub(super) const NONE: Self = Self {
        memo: (0, 0),
        name: NameTag::NONE,
        id: Id::NIL,
        credential: Id::NIL,
        revision: 0,
        flags: 0,
        end: 0,
        last_used: i64::MIN,
        mark: Mark(0),
        tag: 0,
        cost_kib: 0,
        first_levels: 0,
        levels: 0,
        next: 0,
    };

    /// The key's name, which is `presented` if the record does not hold it itself.
    #[inline]
    pub(crate) fn name(&self, presented: &[u8]) -> Name {
        match self.name.short() {
            Some(words) => Name::from_words(words, self.name.length),
            None => Name::from_bytes(presented),
        }
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        self.has(flag::ENABLED)
    }

    pub(crate) const fn requires_secure(&self) -> bool {
        self.has(flag::REQUIRE_SECURE)
    }

    pub(crate) const fn is_unsealed(&self) -> bool {
        self.has(flag::UNSEALED)
    }

    /// Whether it has a tag of this store's.
    pub(crate) const fn is_tagged(&self) -> bool {
        self.has(flag::TAGGED)
    }

    pub(crate) const fn is_chosen(&self) -> bool {
        self.has(flag::CHOSEN)
    }

    pub(crate) const fn has_more_levels(&self) -> bool {
        self.has(flag::MORE_LEVELS)
    }

    /// How its hash is renewed.
    pub(crate) const fn renewal(&self) -> Scheme {
        if self.has(flag::HMAC) { Scheme::HmacSha256 } else { Scheme::Argon2 }
    }

    /// Whether its key's levels satisfy this, as far as the first 64 paths tell.
    #[inline]
    pub(crate) fn satisfies_at_once(&self, requirement: &Requirement) -> bool {
        requirement.is_satisfied_by_first(self.first_levels)
    }

    /// Whether the credential, as apart from its key, is still valid.
    #[inline]
    pub(crate) const fn is_alive(&self, now: i64) -> bool {
        !self.has(flag::CREDENTIAL_ENDS) | (now < self.end)
    }

    /// Unix seconds from which its secret is refused; `i64::MAX` is never.
    pub(crate) const fn end(&self) -> i64 {
        self.end
    }

    /// Bytes of memory that checking the stored hash takes; 0 when it is quick.
    pub(crate) const fn cost(&self) -> u64 {
        (self.cost_kib as u64).wrapping_mul(1024)
    }

    /// Whether the right secret is known, and what its digest is: for whoever must not branch on it.
    #[inline]
    pub(crate) const fn memo(&self) -> (bool, Digest) {
        ((self.memo.0 != 0) & (self.memo.1 != 0), Digest::from_bits(self.memo))
    }

    /// Whether the right secret is known and is the one of this digest. Takes the same time for every wrong one, known
    /// or not: nothing branches on the parts of the answer.
    #[inline]
    pub(crate) const fn is_known_by(&self, digest: Digest) -> bool {
        let (is_known, memo) = self.memo();
        is_known & memo.ct_eq(digest)
    }

    /// Whether the tag of a presented secret does not rule it out.
    #[inline]
    pub(crate) const fn may_have_tag(&self, tag: u32) -> bool {
        !self.is_tagged() | (self.tag == tag)
    }

    const fn to_words(self) -> [u64; WORDS] {
        const fn pair(high: u32, low: u32) -> u64 {
            (high as u64) << 32 | low as u64
        }
        let (id, credential) = (self.id.to_halves(), self.credential.to_halves());
        [
            0,
            self.memo.0,
            self.memo.1,
            self.name.words.0,
            self.name.words.1,
            self.first_levels,
            self.end.cast_unsigned(),
            (self.flags as u64) << 56 | (self.name.length as u64) << REVISION_BITS | self.revision & REVISION,
            id.0,
            id.1,
            credential.0,
            credential.1,
            self.last_used.cast_unsigned(),
            self.mark.0,
            pair(self.tag, self.cost_kib),
            pair(self.levels, self.next),
        ]
    }

    #[inline]
    const fn from_words(words: [u64; WORDS]) -> Self {
        let [_, memo0, memo1, name0, name1, first_levels, end, flags, id0, id1, cred0, cred1, used, mark, tag, levels] =
            words;
        Self {
            memo: (memo0, memo1),
            name: NameTag { words: (name0, name1), length: (flags >> REVISION_BITS) as u8 },
            id: Id::from_halves(id0, id1),
            credential: Id::from_halves(cred0, cred1),
            revision: flags & REVISION,
            flags: (flags >> 56) as u8,
            end: end.cast_signed(),
            last_used: used.cast_signed(),
            mark: Mark(mark),
            tag: (tag >> 32) as u32,
            cost_kib: tag as u32,
            first_levels,
            levels: (levels >> 32) as u32,
            next: levels as u32,
        }
    }
}

/// A revision counts what people do to one key.
const REVISION_BITS: u32 = 48;
const REVISION: u64 = (1 << REVISION_BITS) - 1;

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("revision", &self.revision).finish_non_exhaustive()
    }
}

// Words of a slot that are written on their own.
const VERSION: usize = 0;
const MEMO: usize = 1;
const MORE_OF_MEMO: usize = 2;
const LAST_USED: usize = 12;

/// A place for a record, read without a lock while one thread writes it (see [`seqlock`]).
///
/// Two things are learnt while checking, and are written into the record as it stands: the memo and the last use.
#[derive(Clone, Copy)]
pub(super) struct Slot<'i>(pub(super) &'i [AtomicU64; WORDS]);

/// Which record of a slot was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version(u64);

impl Version {
    /// Of what stands nowhere.
    pub(super) const NONE: Self = Self(0);
}

impl Slot<'_> {
    /// What stands here; `None` while it is being written.
    #[inline(always)]
    pub(super) fn read(self) -> Option<(Record, Version)> {
        let version = seqlock::begin(&self.0[VERSION])?;
        let words = self.0.each_ref().map(|word| word.load(Ordering::Relaxed));
        seqlock::is_still(&self.0[VERSION], version).then(|| (Record::from_words(words), Version(version)))
    }

    /// What stands here, for the thread that writes.
    pub(super) fn read_own(self) -> Record {
        Record::from_words(self.0.each_ref().map(|word| word.load(Ordering::Relaxed)))
    }

    pub(super) fn write(self, record: &Record) {
        let [version, places @ ..] = self.0;
        let [_, words @ ..] = record.to_words();
        seqlock::write(version, || {
            for (place, word) in places.iter().zip(words) {
                place.store(word, Ordering::Relaxed);
            }
        });
    }

    /// Whether that record still stands here. Only the thread that may write can rely on it.
    pub(super) fn holds(self, version: Version) -> bool {
        self.0[VERSION].load(Ordering::Relaxed) == version.0
    }

    /// Fills in the memo, unless it is; only by the thread that may write. A check in between sees half of it, which is none.
    pub(super) fn learn(self, digest: Digest) {
        let (high, low) = digest.to_bits();
        for (word, half) in [(&self.0[MEMO], high), (&self.0[MORE_OF_MEMO], low)] {
            if word.load(Ordering::Relaxed) == 0 {
                word.store(half, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn set_last_used(self, at: i64) {
        self.0[LAST_USED].store(at.cast_unsigned(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicBool, thread};

    use super::*;

    fn record(seed: u64) -> Record {
        let half = |n: u64| seed.wrapping_mul(n).wrapping_add(n);
        Record {
            memo: (half(1), half(2)),
            name: NameTag { words: (half(3), half(4)), length: half(19) as u8 },
            id: Id::from_halves(half(5), half(6)),
            credential: Id::from_halves(half(7), half(8)),
            revision: half(9) & REVISION,
            flags: half(10) as u8,
            end: half(11).cast_signed(),
            last_used: half(12).cast_signed(),
            mark: Mark(half(13)),
            tag: half(14) as u32,
            cost_kib: half(15) as u32,
            first_levels: half(16),
            levels: half(17) as u32,
            next: half(18) as u32,
        }
    }

    fn empty() -> [AtomicU64; WORDS] {
        [const { AtomicU64::new(0) }; WORDS]
    }

    #[test]
    fn a_record_is_kept_whole() {
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, u64::MAX] {
            let words = empty();
            let slot = Slot(&words);
            slot.write(&record(seed));
            let (read, version) = slot.read().unwrap();
            assert_eq!(read, record(seed));
            assert!(slot.holds(version) && slot.read_own() == read);
            slot.write(&record(seed));
            assert!(!slot.holds(version), "another writing is another record");
        }
    }

    #[test]
    fn a_memo_is_filled_once_and_known_only_whole() {
        let words = empty();
        let slot = Slot(&words);
        slot.write(&Record::NONE);
        let right = Digest::from_bits((7, 11));
        let is_known = |digest| slot.read().unwrap().0.is_known_by(digest);
        assert!(!is_known(Digest::from_bits((0, 0))), "what it holds before is no digest");
        // What a fork may leave in the child: somebody was in the middle of it, and will never go on.
        words[MEMO].store(7, Ordering::Relaxed);
        assert!(!is_known(right) && !slot.read().unwrap().0.memo().0);
        slot.learn(right);
        slot.learn(Digest::from_bits((1, 2)));
        assert!(is_known(right) && !is_known(Digest::from_bits((1, 2))));
    }

    /// No reader ever sees parts of two records.
    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        let words = empty();
        let slot = Slot(&words);
        slot.write(&record(0));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for seed in 0..200_000 {
                    slot.write(&record(seed));
                }
                done.store(true, Ordering::Relaxed);
            });
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                if let Some((read, _)) = slot.read() {
                    let seed = read.memo.0.wrapping_sub(1);
                    assert_eq!(read, record(seed));
                    assert!(seed >= last, "an older one came back");
                    last = seed;
                }
            }
        });
    }

    /// A writer that a fork left behind: nobody reads what it left, until it is written again.
    #[test]
    fn what_was_left_half_written_is_not_read() {
        let words = empty();
        let slot = Slot(&words);
        slot.write(&record(3));
        words[VERSION].fetch_or(1, Ordering::Relaxed);
        assert!(slot.read().is_none());
        slot.write(&record(4));
        assert_eq!(slot.read().unwrap().0, record(4));
    }
}

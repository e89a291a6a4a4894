//! From a hash to a number, read without a lock while it changes.
//!
//! Open addressing with linear probing. A bucket is one word: the upper half of the hash, and the number plus one. Whoever
//! finds a number looks at the item itself, so that a bucket which is being moved can mislead nobody; only that *nothing* was
//! found has to be sure, and is when no bucket was moved meanwhile.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use inspire_auth_platform::words;

use crate::seqlock;

/// Buckets of the first array; each further one has twice as many.
const FEWEST: usize = 64;
const ARRAYS: usize = 27;

const EMPTY: u64 = 0;

/// Changed by one thread at a time.
pub(super) struct Table {
    /// Arrays of which the last one made is in use. Former ones stay, for whoever still reads them: together they are no
    /// larger than it.
    arrays: [OnceLock<Box<[AtomicU64]>>; ARRAYS],
    /// Which array is in use.
    in_use: AtomicU32,
    /// The version of where the buckets are (see [`seqlock`]).
    moves: AtomicU64,
    filled: AtomicU64,
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looked<T> {
    Found(T),
    /// There is no such item.
    Nothing,
    /// Buckets were moved meanwhile: there may be one.
    Unsure,
}

/// What a bucket for this number holds.
#[inline]
const fn bucket(hash: u64, number: u32) -> u64 {
    (hash & 0xffff_ffff_0000_0000) | (number.wrapping_add(1) as u64)
}

/// The number in a bucket that is not empty.
#[inline]
const fn number_in(bucket: u64) -> u32 {
    (bucket as u32).wrapping_sub(1)
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            arrays: [const { OnceLock::new() }; ARRAYS],
            in_use: AtomicU32::new(0),
            moves: AtomicU64::new(0),
            filled: AtomicU64::new(0),
        }
    }

    #[inline]
    fn array(&self) -> Option<&[AtomicU64]> {
        self.arrays.get(self.in_use.load(Ordering::Acquire) as usize)?.get().map(|array| &**array)
    }

    /// Looks at the items that may be the one of this hash, until `is_it` makes something of one.
    #[inline(always)]
    pub(super) fn find<T>(&self, hash: u64, mut is_it: impl FnMut(u32) -> Option<T>) -> Looked<T> {
        let before = seqlock::begin(&self.moves);
        let array = self.array().unwrap_or_default();
        let mut at = home(hash, array.len());
        for _ in 0..array.len() {
            let held = array.get(at).map_or(EMPTY, |bucket| bucket.load(Ordering::Acquire));
            if held == EMPTY {
                break;
            }
            if (held ^ hash) >> 32 == 0
                && let Some(found) = is_it(number_in(held))
            {
                return Looked::Found(found);
            }
            at = home(at.wrapping_add(1) as u64, array.len());
        }
        if before.is_some_and(|before| seqlock::is_still(&self.moves, before)) {
            Looked::Nothing
        } else {
            Looked::Unsure
        }
    }

    /// All buckets, from the one in which an item of this hash belongs.
    #[inline]
    fn run(&self, hash: u64) -> impl Iterator<Item = &AtomicU64> {
        let array = self.array().unwrap_or_default();
        let (before, from) = array.split_at_checked(home(hash, array.len())).unwrap_or((array, &[]));
        from.iter().chain(before)
    }

    /// Has the bucket of a hash brought near. Whoever is about to ask for many hashes does this for all of them first: the buckets
    /// then come beside one another, and not one after another.
    #[inline]
    pub(super) fn touch(&self, hash: u64) {
        let array = self.array().unwrap_or_default();
        std::hint::black_box(array.get(home(hash, array.len())).map(|bucket| bucket.load(Ordering::Relaxed)));
    }

    /// Puts a number in the place of `former`, or else into a bucket of its own. `hash_of` tells the hash of a number that is
    /// there.
    pub(super) fn put(&self, hash: u64, number: u32, former: Option<u32>, hash_of: impl Fn(u32) -> u64) {
        if let Some(bucket) = former.and_then(|former| self.bucket_of(hash, former)) {
            bucket.store(self::bucket(hash, number), Ordering::Release);
            return;
        }
        let filled = self.filled.load(Ordering::Relaxed).saturating_add(1);
        self.make_room_for(filled, hash_of);
        self.fill(hash, number);
        self.filled.store(filled, Ordering::Relaxed);
    }

    fn fill(&self, hash: u64, number: u32) {
        if let Some(free) = self.run(hash).find(|bucket| bucket.load(Ordering::Relaxed) == EMPTY) {
            free.store(bucket(hash, number), Ordering::Release);
        }
    }

    fn bucket_of(&self, hash: u64, number: u32) -> Option<&AtomicU64> {
        let wanted = bucket(hash, number);
        self.run(hash)
            .map(|bucket| (bucket, bucket.load(Ordering::Relaxed)))
            .take_while(|(_, held)| *held != EMPTY)
            .find_map(|(bucket, held)| (held == wanted).then_some(bucket))
    }

    /// Sees to it that so many numbers fill no more than three quarters of the buckets.
    pub(super) fn make_room_for(&self, filled: u64, hash_of: impl Fn(u32) -> u64) {
        let present = self.array();
        let mut power = self.in_use.load(Ordering::Relaxed);
        let is_enough = |power: u32| {
            let buckets = (FEWEST as u64).wrapping_shl(power);
            filled <= buckets.wrapping_sub(buckets / 4)
        };
        if present.is_some() && is_enough(power) {
            return;
        }
        while !is_enough(power) && (power as usize) < ARRAYS.wrapping_sub(1) {
            power = power.wrapping_add(1);
        }
        let Some(slot) = self.arrays.get(power as usize) else { return };
        // Moved, so that whoever still reads the former array trusts no more that something is not there: what is put from now on is
        // only in the new one.
        self.move_buckets(|| {
            let larger = slot.get_or_init(|| words::zeroed(FEWEST.wrapping_shl(power)));
            for held in present.unwrap_or_default().iter().map(|bucket| bucket.load(Ordering::Relaxed)) {
                if held != EMPTY {
                    let at = home(hash_of(number_in(held)), larger.len());
                    let free =
                        larger.iter().skip(at).chain(larger).find(|bucket| bucket.load(Ordering::Relaxed) == EMPTY);
                    if let Some(free) = free {
                        free.store(held, Ordering::Relaxed);
                    }
                }
            }
            self.in_use.store(power, Ordering::Release);
        });
    }

    /// Removes a number. `hash_of` tells the hash of a number that is there.
    pub(super) fn remove(&self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let (Some(array), wanted) = (self.array(), bucket(hash, number)) else { return };
        let next = |at: usize| if at.wrapping_add(1) >= array.len() { 0 } else { at.wrapping_add(1) };
        let held_at = |at: usize| array.get(at).map_or(EMPTY, |bucket| bucket.load(Ordering::Relaxed));
        let mut hole = home(hash, array.len());
        while held_at(hole) != wanted {
            if held_at(hole) == EMPTY {
                return;
            }
            hole = next(hole);
        }
        self.move_buckets(|| {
            // Whatever was pushed past this bucket, because it was full, moves up; else it would not be found any more.
            let mut at = next(hole);
            while held_at(at) != EMPTY {
                let belongs = home(hash_of(number_in(held_at(at))), array.len());
                // How far it is from where it belongs, and from the hole, going round.
                let far = |from: usize| at.wrapping_sub(from) & array.len().wrapping_sub(1);
                if far(belongs) >= far(hole) {
                    set(array, hole, held_at(at));
                    hole = at;
                }
                at = next(at);
            }
            set(array, hole, EMPTY);
        });
        self.filled.store(self.filled.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let array = self.array().unwrap_or_default();
        self.move_buckets(|| array.iter().for_each(|bucket| bucket.store(EMPTY, Ordering::Relaxed)));
        self.filled.store(0, Ordering::Relaxed);
    }

    /// Moves buckets, so that nobody trusts that there is nothing meanwhile.
    fn move_buckets(&self, work: impl FnOnce()) {
        seqlock::write(&self.moves, work);
    }
}

fn set(array: &[AtomicU64], at: usize, held: u64) {
    if let Some(bucket) = array.get(at) {
        bucket.store(held, Ordering::Relaxed);
    }
}

/// The bucket in which an item of this hash belongs. `buckets` is a power of two.
#[inline]
const fn home(hash: u64, buckets: usize) -> usize {
    hash as usize & buckets.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, thread};

    use proptest::prelude::*;

    use super::*;

    fn look(table: &Table, hash: u64, wanted: u32) -> bool {
        match table.find(hash, |number| (number == wanted).then_some(())) {
            Looked::Found(()) => true,
            Looked::Nothing => false,
            Looked::Unsure => panic!("nobody changes it"),
        }
    }

    proptest! {
        /// A table is a map, also where hashes fall together and go round its end.
        #[test]
        fn it_holds_what_was_put_and_not_removed(
            steps in prop::collection::vec((any::<bool>(), 0..100_u32), 1..300),
            spread in prop::sample::select(vec![1_u64, 7, 61, 0x9e37_79b9_7f4a_7c15]),
        ) {
            let table = Table::new();
            let hash = |number: u32| u64::from(number / 3).wrapping_mul(spread) | 0x3c;
            let model = RefCell::new(BTreeMap::new());
            for (adds, number) in steps {
                let is_there = model.borrow().contains_key(&number);
                if adds && !is_there {
                    table.put(hash(number), number, None, hash);
                    model.borrow_mut().insert(number, ());
                } else if !adds {
                    table.remove(hash(number), number, hash);
                    model.borrow_mut().remove(&number);
                }
                for number in [number, number / 2, number + 1] {
                    prop_assert_eq!(look(&table, hash(number), number), model.borrow().contains_key(&number));
                }
            }
            for number in 0..100 {
                prop_assert_eq!(look(&table, hash(number), number), model.borrow().contains_key(&number));
            }
            table.clear();
            prop_assert!((0..100).all(|number| !look(&table, hash(number), number)));
        }
    }

    #[test]
    fn a_number_takes_the_place_of_another() {
        let table = Table::new();
        table.put(5, 1, None, |_| 5);
        table.put(5, 2, Some(1), |_| 5);
        assert!(look(&table, 5, 2) && !look(&table, 5, 1));
        assert_eq!(table.filled.load(Ordering::Relaxed), 1);
    }

    /// Whoever began to look in the former array may miss what has been put into the new one since.
    #[test]
    fn nothing_is_sure_while_the_array_is_replaced() {
        let table = Table::new();
        let hash = |number: u32| u64::from(number);
        (0..48).for_each(|number| table.put(hash(number), number, None, hash));
        let before = table.in_use.load(Ordering::Relaxed);
        let looked = table.find(hash(7), |_| {
            if table.in_use.load(Ordering::Relaxed) == before {
                table.put(hash(48), 48, None, hash);
                assert_ne!(table.in_use.load(Ordering::Relaxed), before);
            }
            None::<()>
        });
        assert_eq!(looked, Looked::Unsure);
        assert!((0..49).all(|number| look(&table, hash(number), number)));
    }

    /// While others come and go beside it, what stays is found, or not surely missing.
    #[test]
    fn what_stays_is_never_missing() {
        let table = Table::new();
        let hash = |number: u32| u64::from(number % 8);
        table.put(hash(7), 7, None, hash);
        thread::scope(|scope| {
            let changes = scope.spawn(|| {
                for _ in 0..2_000 {
                    for number in 8..40 {
                        table.put(hash(number), number, None, hash);
                    }
                    for number in 8..40 {
                        table.remove(hash(number), number, hash);
                    }
                }
            });
            while !changes.is_finished() {
                assert_ne!(table.find(hash(7), |number| (number == 7).then_some(())), Looked::Nothing);
            }
        });
    }
}

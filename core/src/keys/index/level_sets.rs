//! The level sets that keys have, each kept once, however many keys share it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use siphasher::sip::SipHasher13;

use super::{
    segments::Segments,
    table::{Looked, Table},
};
use crate::keys::levels::LevelSet;

#[derive(Default)]
struct Cell {
    set: ArcSwapOption<LevelSet>,
    /// How many records have it.
    users: AtomicU64,
    /// The next free cell, plus one, when this is one.
    next_free: AtomicU32,
}

/// Changed by one thread at a time.
pub(super) struct LevelSets {
    cells: Segments<Box<[Cell]>>,
    by_grants: Table,
    used: AtomicU32,
    /// The first free cell, plus one; 0 is none.
    free: AtomicU32,
    hasher: SipHasher13,
}

impl LevelSets {
    pub(super) fn new(hasher: SipHasher13) -> Self {
        Self {
            cells: Segments::new(),
            by_grants: Table::new(),
            used: AtomicU32::new(0),
            free: AtomicU32::new(0),
            hasher,
        }
    }

    /// The set of this number: what it is now.
    pub(super) fn get(&self, number: u32) -> Option<Arc<LevelSet>> {
        self.cell(number)?.set.load_full()
    }

    fn cell(&self, number: u32) -> Option<&Cell> {
        let (cells, within) = self.cells.get(number)?;
        cells.get(within)
    }

    fn hash(&self, set: &LevelSet) -> u64 {
        // No path has a NUL.
        let text = set.grants().collect::<Vec<_>>().join("\0");
        self.hasher.hash(text.as_bytes())
    }

    fn hash_of(&self, number: u32) -> u64 {
        self.get(number).map_or(0, |set| self.hash(&set))
    }

    /// The number of this set, which whoever asks does not [hold](Self::hold) yet.
    pub(super) fn intern(&self, set: LevelSet) -> u32 {
        let hash = self.hash(&set);
        let found = self.by_grants.find(hash, |number| {
            self.get(number).is_some_and(|other| other.grants().eq(set.grants())).then_some(number)
        });
        if let Looked::Found(number) = found {
            return number;
        }
        let number = match self.free.load(Ordering::Relaxed).checked_sub(1) {
            Some(number) => {
                let next = self.cell(number).map_or(0, |cell| cell.next_free.load(Ordering::Relaxed));
                self.free.store(next, Ordering::Relaxed);
                number
            }
            None => self.used.fetch_add(1, Ordering::Relaxed),
        };
        let made = self.cells.get_or_make(number, |length| (0..length).map(|_| Cell::default()).collect());
        if let Some(cell) = made.and_then(|(cells, within)| cells.get(within)) {
            cell.set.store(Some(Arc::new(set)));
        }
        self.by_grants.put(hash, number, None, |number| self.hash_of(number));
        number
    }

    /// Notes one more record that has this set.
    pub(super) fn hold(&self, number: u32) {
        if let Some(cell) = self.cell(number) {
            cell.users.store(cell.users.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Notes one less, and forgets a set that none has.
    pub(super) fn release(&self, number: u32) {
        let Some(cell) = self.cell(number) else { return };
        let left = cell.users.load(Ordering::Relaxed).saturating_sub(1);
        cell.users.store(left, Ordering::Relaxed);
        if left == 0 {
            self.forget(number, cell);
        }
    }

    fn forget(&self, number: u32, cell: &Cell) {
        self.by_grants.remove(self.hash_of(number), number, |number| self.hash_of(number));
        cell.set.store(None);
        cell.next_free.store(self.free.load(Ordering::Relaxed), Ordering::Relaxed);
        self.free.store(number.wrapping_add(1), Ordering::Relaxed);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.by_grants.clear();
        for number in 0..self.used.swap(0, Ordering::Relaxed) {
            if let Some(cell) = self.cell(number) {
                cell.set.store(None);
                cell.users.store(0, Ordering::Relaxed);
            }
        }
        self.free.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::LevelMode;

    fn set(levels: &[&str]) -> LevelSet {
        LevelSet::of_key(&levels.iter().map(|level| (*level).to_owned()).collect::<Vec<_>>(), LevelMode::Default)
    }

    fn sets() -> LevelSets {
        LevelSets::new(SipHasher13::new_with_key(&[3; 16]))
    }

    fn grants(sets: &LevelSets, number: u32) -> Option<Vec<String>> {
        Some(sets.get(number)?.grants().map(str::to_owned).collect())
    }

    #[test]
    fn equal_sets_are_kept_once_as_long_as_somebody_has_them() {
        let sets = sets();
        let (a, b) = (sets.intern(set(&["A", "B"])), sets.intern(set(&["A"])));
        assert_ne!(a, b);
        assert_eq!(sets.intern(set(&["B", "A"])), a);
        for number in [a, a, b] {
            sets.hold(number);
        }
        sets.release(a);
        assert_eq!(grants(&sets, a), Some(vec!["A".to_owned(), "B".to_owned()]));
        sets.release(a);
        assert_eq!(grants(&sets, a), None);
        assert_eq!(sets.intern(set(&["C"])), a, "its place is used again");
        assert_eq!(grants(&sets, b), Some(vec!["A".to_owned()]));
        sets.clear();
        assert!(grants(&sets, a).is_none() && grants(&sets, b).is_none());
    }

    #[test]
    fn many_sets_come_and_go() {
        let sets = sets();
        for round in 0..3 {
            let numbers: Vec<u32> = (0..1000).map(|n| sets.intern(set(&[&format!("T/{round}/{n}")]))).collect();
            numbers.iter().for_each(|number| sets.hold(*number));
            for (n, number) in numbers.iter().enumerate() {
                assert_eq!(grants(&sets, *number), Some(vec![format!("T/{round}/{n}")]));
            }
            numbers.iter().for_each(|number| sets.release(*number));
        }
        assert_eq!(sets.used.load(Ordering::Relaxed), 1000);
    }
}

//! What is counted, and how it is told: OpenMetrics text.
//!
//! Everything counts from zero in each process, in a forked child too. What is counted on each check is counted for
//! each thread by itself ([`threads`]); what is rare is one number for all. [`text`] writes them down.

mod gauges;
mod text;
mod threads;

#[cfg(test)]
pub(crate) mod parse;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    audit::MUTATIONS,
    error::{Code, TABLE},
    per_process::PerProcess,
};
use threads::{DROPPED, Threads};

/// The counters of one handle.
#[derive(Debug)]
pub(crate) struct Metrics {
    decisions: Threads,
    rare: PerProcess<Rare>,
}

/// What is counted so seldom that threads can share it.
#[derive(Debug)]
struct Rare {
    mutations: [AtomicU64; MUTATIONS.len()],
    audit_dropped: AtomicU64,
    audit_failures: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            decisions: Threads::new(),
            rare: PerProcess::new(|| Rare {
                mutations: [const { AtomicU64::new(0) }; MUTATIONS.len()],
                audit_dropped: AtomicU64::new(0),
                audit_failures: AtomicU64::new(0),
            }),
        }
    }

    /// Counts a grant. Writes no cache line that another thread writes.
    #[inline]
    pub(crate) fn granted(&self) {
        self.decisions.count(GRANTED, None);
    }

    /// Counts a denial, and whether somebody will read of it.
    #[inline]
    pub(crate) fn denied(&self, code: Code, is_noted: bool) {
        self.decisions.count(row_of(code), (!is_noted).then_some(DROPPED));
    }

    /// Counts a change that was made; `event` is one of [`MUTATIONS`].
    pub(crate) fn mutated(&self, event: &str) {
        let counters = &self.rare.get().mutations;
        if let Some((_, counter)) = MUTATIONS.iter().zip(counters).find(|((name, _), _)| *name == event) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a refusal that nobody will read of. Writes no cache line that another thread writes: a flood is counted so.
    pub(crate) fn refusal_dropped(&self) {
        self.decisions.count(DROPPED, None);
    }

    /// How many were counted so.
    pub(crate) fn refusals_dropped(&self) -> u64 {
        self.decisions.sums().get(DROPPED).copied().unwrap_or(0)
    }

    /// Counts events that nobody will read.
    pub(crate) fn audit_dropped(&self, events: u64) {
        self.rare.get().audit_dropped.fetch_add(events, Ordering::Relaxed);
    }

    /// Counts a failure to write the audit file.
    pub(crate) fn audit_failed(&self) {
        self.rare.get().audit_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests got each code, in the order of the table; those that none got are left out, but for `OK`.
    fn verifications(&self) -> Vec<(Code, u64)> {
        let sums = self.decisions.sums();
        let all = TABLE.iter().map(|entry| entry.code).zip(sums);
        all.filter(|(code, count)| *count > 0 || *code == Code::Ok).collect()
    }

    fn mutations(&self) -> Vec<(&'static str, u64)> {
        let rare = self.rare.get();
        let counts = rare.mutations.iter().map(|count| count.load(Ordering::Relaxed));
        MUTATIONS.iter().map(|(event, _)| *event).zip(counts).collect()
    }

    fn audit(&self) -> (u64, u64) {
        let rare = self.rare.get();
        let dropped = rare.audit_dropped.load(Ordering::Relaxed).saturating_add(self.refusals_dropped());
        (dropped, rare.audit_failures.load(Ordering::Relaxed))
    }
}

/// The row of the table that a grant is counted in.
const GRANTED: usize = 0;
/// One more than the largest number of a code.
const NUMBERS: usize = 1024;
/// Where each code's row is in the table, by its number.
const ROWS: [u8; NUMBERS] = {
    let mut rows = [0; NUMBERS];
    let mut row = 0;
    while row < TABLE.len() {
        #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a mistake here does not compile")]
        {
            #[allow(clippy::cast_possible_truncation, reason = "checked by the line after")]
            let small = row as u8;
            assert!(small as usize == row);
            rows[TABLE[row].number as usize] = small;
            row += 1;
        }
    }
    rows
};
const _: () = assert!(matches!(TABLE.first(), Some(entry) if matches!(entry.code, Code::Ok)));

/// The row of a code in the table.
#[inline]
fn row_of(code: Code) -> usize {
    let row = usize::try_from(code.number()).ok().and_then(|number| ROWS.get(number));
    row.map_or(GRANTED, |row| usize::from(*row))
}

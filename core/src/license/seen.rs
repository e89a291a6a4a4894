//! The newest time that this installation has seen, which tells a clock that was set back.
//!
//! A hint, never evidence: nobody signed it, and whoever can write the store can remove it. So it warns and locks nothing,
//! and a clock that was set forward by mistake must not make it warn for years: within one boot it goes no further than the
//! time that has passed since.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use inspire_auth_platform::clock::{self, Boot};

use super::checks::CLOCK_TOLERANCE;
use crate::store::{SeenRow, Store};

/// The stored time is raised when it is so far behind, in seconds: with the tolerance, an hour that was taken back shows.
const STEP: i64 = 54 * 60;
/// How far clocks that are read one after the other, and corrected in between, may disagree, in seconds.
const SLACK: i64 = CLOCK_TOLERANCE;
/// After a failure, in milliseconds.
const PAUSE: u64 = 60_000;

/// The newest time seen, as this handle knows it.
pub(crate) struct Seen {
    store: Arc<dyn Store>,
    /// Unix seconds; the smallest number as long as nothing was read.
    mark: AtomicI64,
    /// Not to be looked at before, by a clock that nobody sets, in milliseconds.
    next: AtomicU64,
    /// Whether there is a license whose clock it could be.
    wanted: AtomicBool,
}

impl Seen {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, mark: AtomicI64::new(i64::MIN), next: AtomicU64::new(0), wanted: AtomicBool::new(false) }
    }

    /// Says whether anything is installed.
    pub(crate) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// Looks at the clock, and remembers it now and then. Best effort: it is worth no failed call.
    pub(crate) fn look(&self) {
        let (now, mark) = (clock::unix_seconds(), self.mark.load(Ordering::Relaxed));
        if !self.wanted.load(Ordering::Relaxed) || !is_due(mark, now) {
            return;
        }
        let ticks = clock::monotonic_millis();
        let next = self.next.load(Ordering::Relaxed);
        let later = ticks.saturating_add(PAUSE);
        if ticks < next || self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        self.keep(|former| advanced(former, now, clock::boot()));
    }

    /// Believes the clock as it is: somebody has just signed a time that it agrees with.
    pub(super) fn believe(&self) {
        let row = anchored(clock::unix_seconds(), clock::boot());
        self.keep(|_| Some(row.clone()));
    }

    fn keep(&self, change: impl Fn(Option<&SeenRow>) -> Option<SeenRow>) {
        let mut mark = None;
        let kept = self.store.account(&mut |ledger| {
            let former = ledger.seen()?;
            let row = match change(former.as_ref()) {
                Some(row) => {
                    ledger.set_seen(&row)?;
                    Some(row)
                }
                None => former,
            };
            mark = row.map(|row| row.at);
            Ok(())
        });
        if let (Ok(()), Some(mark)) = (kept, mark) {
            self.mark.store(mark, Ordering::Relaxed);
        }
    }

    /// Whether the system's clock is behind what was seen, or is shown to this process otherwise than to others.
    pub(super) fn is_suspect(&self) -> bool {
        is_behind(self.mark.load(Ordering::Relaxed), clock::unix_seconds()) || clock::is_faked()
    }
}

/// Whether there is something to be kept, or nothing was read yet.
fn is_due(mark: i64, now: i64) -> bool {
    mark == i64::MIN || now >= mark.saturating_add(STEP)
}

/// Whether a clock is behind what was seen, by more than clocks are when they are corrected.
fn is_behind(mark: i64, now: i64) -> bool {
    now < mark.saturating_sub(CLOCK_TOLERANCE)
}

fn anchored(now: i64, boot: Option<Boot>) -> SeenRow {
    let Boot { id, uptime } = boot.unwrap_or_default();
    SeenRow { at: now, boot: id, anchor: now, uptime }
}

/// What is to be kept at `now`; `None` leaves it as it is.
fn advanced(former: Option<&SeenRow>, now: i64, boot: Option<Boot>) -> Option<SeenRow> {
    let Some(former) = former else { return Some(anchored(now, boot)) };
    if now <= former.at {
        return None;
    }
    match boot {
        // The same boot: no further than the time since.
        Some(boot) if boot.id == former.boot && boot.uptime >= former.uptime => {
            let passed = boot.uptime.saturating_sub(former.uptime);
            let limit = former.anchor.saturating_add(passed).saturating_add(SLACK);
            let at = now.min(limit);
            (at > former.at).then(|| SeenRow { at, ..former.clone() })
        }
        boot => Some(anchored(now, boot)),
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("mark", &self.mark).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn boot(id: &str, uptime: i64) -> Option<Boot> {
        Some(Boot { id: id.to_owned(), uptime })
    }

    /// The mark after these looks: the clock, the boot, and its uptime.
    fn after(looks: &[(i64, &str, i64)]) -> i64 {
        let mut row = None;
        for (now, id, uptime) in looks {
            row = advanced(row.as_ref(), *now, boot(id, *uptime)).or(row);
        }
        row.unwrap().at
    }

    #[test]
    fn it_follows_the_clock_and_never_goes_back() {
        assert_eq!(after(&[(NOW, "a", 10)]), NOW);
        assert_eq!(after(&[(NOW, "a", 10), (NOW + DAY, "a", 10 + DAY)]), NOW + DAY);
        for back in [1, 3601, DAY, 3650 * DAY] {
            assert_eq!(after(&[(NOW, "a", 10), (NOW - back, "a", 11)]), NOW, "{back}");
            assert_eq!(after(&[(NOW, "a", 10), (NOW - back, "b", 11)]), NOW, "{back}");
        }
    }

    #[test]
    fn within_a_boot_a_clock_that_was_set_forward_is_not_followed() {
        let jump = [(NOW, "a", 10), (NOW + 3650 * DAY, "a", 20)];
        assert_eq!(after(&jump), NOW + 10 + SLACK);
        // However often it is looked at.
        let again: Vec<_> = jump.into_iter().chain((0..50).map(|at| (NOW + 3650 * DAY + at, "a", 20 + at))).collect();
        assert_eq!(after(&again), NOW + 59 + SLACK);
        // Set right, it goes on.
        assert_eq!(after(&[jump[0], jump[1], (NOW + DAY, "a", 10 + DAY)]), NOW + DAY);
    }

    #[test]
    fn a_machine_that_slept_or_was_off_is_believed() {
        // Uptime counts a suspend.
        assert_eq!(after(&[(NOW, "a", 10), (NOW + 30 * DAY, "a", 10 + 30 * DAY)]), NOW + 30 * DAY);
        assert_eq!(after(&[(NOW, "a", 10), (NOW + 400 * DAY, "b", 5)]), NOW + 400 * DAY);
        // A clock without a battery: behind until it is set, and then believed.
        assert_eq!(after(&[(NOW, "a", 10), (0, "b", 5), (NOW + DAY, "b", 60)]), NOW + DAY);
        // A system that does not tell its boots.
        assert_eq!(advanced(Some(&anchored(NOW, None)), NOW + DAY, None).unwrap().at, NOW + DAY);
    }

    /// An installation that looks at its clock every ten minutes of a life: what it has kept, and whether it ever said
    /// that the clock is behind.
    struct Life {
        row: Option<SeenRow>,
        reported: bool,
        boots: u32,
        booted: i64,
    }

    impl Life {
        /// Passes so much time, of which the clock shows what `clock` makes of it.
        fn pass(&mut self, from: i64, time: i64, clock: impl Fn(i64) -> i64) -> i64 {
            for real in (from..from + time).step_by(600) {
                self.look(real, clock(real));
            }
            from + time
        }

        fn look(&mut self, real: i64, shown: i64) {
            let mark = self.row.as_ref().map_or(i64::MIN, |row| row.at);
            self.reported |= is_behind(mark, shown);
            if is_due(mark, shown) {
                let row = advanced(self.row.as_ref(), shown, boot(&self.boots.to_string(), real - self.booted));
                self.row = row.or(self.row.take());
            }
        }

        fn reboot(&mut self, real: i64) {
            (self.boots, self.booted) = (self.boots + 1, real);
        }
    }

    fn life() -> (Life, i64) {
        let mut life = Life { row: None, reported: false, boots: 0, booted: NOW - 1000 };
        let now = life.pass(NOW, 3 * DAY, |real| real);
        (life, now)
    }

    #[test]
    fn every_rollback_of_more_than_an_hour_is_reported() {
        for lived in [0, 599, 1800, 3239, 3240, 3241, 7777, DAY] {
            for back in [3601, 3660, 2 * 3600, DAY, 30 * DAY, 3650 * DAY] {
                for reboots in [false, true] {
                    let (mut life, now) = life();
                    let now = life.pass(now, lived, |real| real);
                    life.look(now, now);
                    if reboots {
                        life.reboot(now);
                    }
                    life.look(now, now - back);
                    assert!(life.reported, "{back} s back after {lived} s, reboot: {reboots}");
                }
            }
        }
    }

    #[test]
    fn an_honest_clock_is_never_reported() {
        // Corrections, either way, at any moment.
        for step in [-300, -120, -1, 1, 120, 300] {
            let (mut life, now) = life();
            let now = life.pass(now, DAY, |real| real + step);
            let now = life.pass(now, DAY, |real| real);
            life.pass(now, DAY, |real| real - step);
            assert!(!life.reported, "{step}");
        }
        // Asleep for a month, off for a year, set forward by a decade for an hour and set right again.
        let (mut life, now) = life();
        let now = life.pass(now + 30 * DAY, DAY, |real| real);
        life.reboot(now + 365 * DAY);
        let now = life.pass(now + 365 * DAY, DAY, |real| real);
        let now = life.pass(now, 3600, |real| real + 3650 * DAY);
        life.pass(now, DAY, |real| real);
        assert!(!life.reported);
    }

    #[test]
    fn no_time_overflows() {
        for odd in [i64::MIN, -1, 0, i64::MAX] {
            for former in [i64::MIN, -1, 0, i64::MAX] {
                let row = SeenRow { at: former, boot: "a".into(), anchor: former, uptime: odd };
                let _ = advanced(Some(&row), odd, boot("a", former));
            }
        }
    }

    #[test]
    fn what_was_seen_is_told_and_a_signed_time_clears_it() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
        let seen = Seen::new(Arc::clone(&store));
        seen.look();
        let kept = || {
            let mut row = None;
            store
                .account(&mut |ledger| {
                    row = ledger.seen()?;
                    Ok(())
                })
                .unwrap();
            row
        };
        assert_eq!(kept(), None, "nothing is installed whose clock it could be");
        seen.want(true);
        seen.look();
        assert!(kept().is_some() && !seen.is_suspect());
        let later = |by| {
            let at = clock::unix_seconds() + by;
            let row = SeenRow { at, boot: String::new(), anchor: at, uptime: 0 };
            store.account(&mut |ledger| ledger.set_seen(&row)).unwrap();
            let another = Seen::new(Arc::clone(&store));
            another.want(true);
            another.look();
            another
        };
        assert!(!later(CLOCK_TOLERANCE - 30).is_suspect());
        let set_back = later(3601);
        assert!(set_back.is_suspect());
        set_back.believe();
        assert!(!set_back.is_suspect());
        assert!((kept().unwrap().at - clock::unix_seconds()).abs() < 60);
    }
}

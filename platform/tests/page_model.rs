//! The protocol of the revocation page under a model checker: every order in which three writers and two readers can
//! run, up to a number of preemptions, with the reorderings that the memory model allows.
//!
//! Runs only as `RUSTFLAGS="--cfg loom" cargo test --release -p inspire-auth-platform --test page_model`. The protocol
//! is the very file that ships; around it stands a database of one number and a write lock. That the model would notice
//! is shown by breaking the protocol in each way that looks harmless.
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::result_unit_err,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, missing_docs, reason = "the model needs less than the store")]
#[path = "../src/page/protocol.rs"]
mod protocol;

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use self::protocol::Counters;

/// For what is too large to be explored in full: every order with at most this many preemptions.
const PREEMPTIONS: usize = 2;

/// What becomes of a writer.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Returns,
    CommitFails,
    KilledBeforeCommit,
    KilledAfterCommit,
}

/// The page's counters, or a broken version of them.
trait Page: Send + Sync + 'static {
    fn new() -> Self;
    fn floor(&self) -> u64;
    fn commit(&self, generation: u64, commit: &mut dyn FnMut() -> Result<(), ()>) -> Result<(), ()>;
    fn shows(&self, verified: u64) -> bool;
    fn clean(&self) -> u64;
    fn repair(&self, verified: u64);
}

impl Page for Counters {
    fn new() -> Self {
        Counters::new(1, 1)
    }
    fn floor(&self) -> u64 {
        Counters::floor(self).unwrap()
    }
    fn commit(&self, generation: u64, commit: &mut dyn FnMut() -> Result<(), ()>) -> Result<(), ()> {
        Counters::commit(self, generation, commit)
    }
    fn shows(&self, verified: u64) -> bool {
        Counters::shows(self, verified)
    }
    fn clean(&self) -> u64 {
        Counters::clean(self)
    }
    fn repair(&self, verified: u64) {
        Counters::repair(self, verified);
    }
}

struct World<P> {
    page: P,
    /// What a reader of the database sees: the generation of the newest commit. 1 in the beginning.
    committed: AtomicU64,
    /// SQLite's write lock, which a commit releases.
    write_lock: Mutex<()>,
}

impl<P: Page> World<P> {
    fn new() -> Self {
        Self { page: P::new(), committed: AtomicU64::new(1), write_lock: Mutex::new(()) }
    }

    fn write(&self, fate: Fate) {
        let mut lock = Some(self.write_lock.lock().unwrap());
        let generation = self.committed.load(Ordering::Acquire).max(self.page.floor()) + 1;
        let _ = self.page.commit(generation, &mut || {
            if matches!(fate, Fate::Returns | Fate::KilledAfterCommit) {
                self.committed.store(generation, Ordering::Release);
            }
            // Whatever comes later, the next writer may be faster.
            drop(lock.take());
            if fate == Fate::Returns { Ok(()) } else { Err(()) }
        });
    }
}

/// A process that checks, and knows the store as it was in the beginning.
struct Reader {
    verified: u64,
    clean: u64,
}

impl Reader {
    fn new() -> Self {
        Self { verified: 1, clean: 0 }
    }

    fn check<P: Page>(&mut self, world: &World<P>) {
        // What the check must not be behind: more than is promised, a commit of a writer that has not returned yet, or
        // never will.
        let before = world.committed.load(Ordering::Acquire);
        if !world.page.shows(self.verified) {
            self.verified = world.committed.load(Ordering::Acquire);
            world.page.repair(self.verified);
        }
        assert!(self.verified >= before, "decided by {}, but {before} had been committed", self.verified);
        let clean = world.page.clean();
        assert!(clean >= self.clean, "a counter fell");
        self.clean = clean;
        assert!(clean <= world.committed.load(Ordering::Acquire), "{clean} was never committed");
    }
}

/// Writers, and a reader that checks beside them and after them. Every order, unless there are more than two writers.
fn writers<P: Page, const N: usize>(fates: [Fate; N]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = (N > 2).then_some(PREEMPTIONS);
    model.check(move || {
        let world = Arc::new(World::<P>::new());
        let writers = fates.map(|fate| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.write(fate))
        });
        let mut reader = Reader::new();
        reader.check(&world);
        reader.check(&world);
        for writer in writers {
            writer.join().unwrap();
        }
        reader.check(&world);
    });
}

/// Two readers that repair at the same time, beside a writer that was killed and one that may overtake it.
fn two_readers<P: Page>() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(|| {
        let world = Arc::new(World::<P>::new());
        let spawn = |body: fn(&World<P>)| {
            let world = Arc::clone(&world);
            thread::spawn(move || body(&world))
        };
        let others = [
            spawn(|world| world.write(Fate::KilledAfterCommit)),
            spawn(|world| world.write(Fate::Returns)),
            spawn(|world| Reader::new().check(world)),
        ];
        let mut reader = Reader::new();
        reader.check(&world);
        reader.check(&world);
        for other in others {
            other.join().unwrap();
        }
        reader.check(&world);
    });
}

/// One writer is overtaken between its commit and its raise of `clean`, by one that fails and by one that is killed.
#[test]
fn no_check_is_behind_what_was_committed() {
    writers::<Counters, 3>([Fate::Returns, Fate::CommitFails, Fate::KilledAfterCommit]);
}

#[test]
fn nor_when_one_is_killed_before_its_commit() {
    writers::<Counters, 3>([Fate::Returns, Fate::Returns, Fate::KilledBeforeCommit]);
}

#[test]
fn two_writers_in_every_order() {
    let fates = [Fate::Returns, Fate::CommitFails, Fate::KilledBeforeCommit, Fate::KilledAfterCommit];
    for (at, first) in fates.into_iter().enumerate() {
        for second in fates.into_iter().skip(at) {
            writers::<Counters, 2>([first, second]);
        }
    }
}

#[test]
fn repairs_harm_nobody() {
    two_readers::<Counters>();
}

#[test]
fn after_a_killed_writer_one_check_repairs_the_page() {
    loom::model(|| {
        let (world, mut reader) = (World::<Counters>::new(), Reader::new());
        world.write(Fate::KilledAfterCommit);
        assert!(!world.page.shows(1) && !world.page.shows(2));
        reader.check(&world);
        assert!(world.page.shows(2));
        // A number that was announced in vain can't be taken back; the next writer goes above it.
        world.write(Fate::CommitFails);
        reader.check(&world);
        assert!(!world.page.shows(2));
        world.write(Fate::Returns);
        assert!(world.page.shows(4));
    });
}

/// The protocol, broken in one way.
struct Broken<const HOW: u8> {
    pending: AtomicU64,
    clean: AtomicU64,
}

/// `store` where only `fetch_max` is right: a writer that was overtaken takes the others' number back.
const STORES: u8 = 0;
/// `clean` is raised before the commit.
const CLEAN_FIRST: u8 = 1;
/// Nothing is announced: both counters are raised after the commit.
const AFTERWARDS: u8 = 2;
/// One counter for both purposes, raised before the commit.
const SINGLE: u8 = 3;
/// A commit that failed puts `pending` back.
const TAKES_BACK: u8 = 4;
/// Only a reader's repair stores.
const REPAIR_STORES: u8 = 5;

impl<const HOW: u8> Broken<HOW> {
    fn raise(counter: &AtomicU64, to: u64) {
        if HOW == STORES {
            counter.store(to, Ordering::SeqCst);
        } else {
            counter.fetch_max(to, Ordering::SeqCst);
        }
    }
}

impl<const HOW: u8> Page for Broken<HOW> {
    fn new() -> Self {
        Self { pending: AtomicU64::new(1), clean: AtomicU64::new(1) }
    }
    fn floor(&self) -> u64 {
        self.pending.load(Ordering::Acquire).max(self.clean.load(Ordering::Acquire))
    }
    fn commit(&self, generation: u64, commit: &mut dyn FnMut() -> Result<(), ()>) -> Result<(), ()> {
        let before = self.pending.load(Ordering::Acquire);
        if HOW != AFTERWARDS {
            Self::raise(&self.pending, generation);
        }
        if matches!(HOW, CLEAN_FIRST | SINGLE) {
            Self::raise(&self.clean, generation);
        }
        let done = commit();
        match HOW {
            TAKES_BACK if done.is_err() => self.pending.store(before, Ordering::SeqCst),
            AFTERWARDS if done.is_ok() => Self::raise(&self.pending, generation),
            _ => {}
        }
        if done.is_ok() {
            Self::raise(&self.clean, generation);
        }
        done
    }
    fn shows(&self, verified: u64) -> bool {
        self.pending.load(Ordering::Acquire) == verified && self.clean.load(Ordering::Acquire) == verified
    }
    fn clean(&self) -> u64 {
        self.clean.load(Ordering::Acquire)
    }
    fn repair(&self, verified: u64) {
        for counter in [&self.pending, &self.clean] {
            if HOW == REPAIR_STORES {
                counter.store(verified, Ordering::SeqCst);
            } else if counter.load(Ordering::Acquire) < verified {
                Self::raise(counter, verified);
            }
        }
    }
}

#[test]
#[should_panic(expected = "a counter fell")]
fn a_store_is_found_out() {
    writers::<Broken<STORES>, 2>([Fate::Returns, Fate::Returns]);
}

#[test]
#[should_panic(expected = "was never committed")]
fn clean_before_the_commit_is_found_out() {
    writers::<Broken<CLEAN_FIRST>, 2>([Fate::Returns, Fate::CommitFails]);
}

#[test]
#[should_panic(expected = "had been committed")]
fn an_announcement_after_the_commit_is_found_out() {
    writers::<Broken<AFTERWARDS>, 2>([Fate::CommitFails, Fate::KilledAfterCommit]);
}

#[test]
#[should_panic(expected = "was never committed")]
fn a_single_counter_is_found_out() {
    writers::<Broken<SINGLE>, 2>([Fate::Returns, Fate::CommitFails]);
}

#[test]
#[should_panic(expected = "had been committed")]
fn a_number_that_is_taken_back_is_found_out() {
    writers::<Broken<TAKES_BACK>, 2>([Fate::CommitFails, Fate::KilledAfterCommit]);
}

#[test]
#[should_panic(expected = "had been committed")]
fn a_repair_that_stores_is_found_out() {
    two_readers::<Broken<REPAIR_STORES>>();
}

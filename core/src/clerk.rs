//! One thread a process for what its handles do on the side, whatever their number: one for what they write, and one for
//! what they ask licensing servers by themselves, since that may take seconds.
//!
//! Not the pool's: a flood of wrong secrets fills the pool's queue, which is when there is most to write. And not one a
//! handle: a host may open hundreds. It begins with the first errand, and ends when there has been none for a while, or
//! with the last handle that had any.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use inspire_auth_platform::fork;

use crate::lock::lock;

/// How long the thread stays without work.
const IDLE: Duration = Duration::from_secs(10);

/// Something that is done once when its time has come, if it is still there.
pub(crate) trait Errand: Send + Sync {
    /// Does it.
    fn run(&self);
}

#[derive(Default)]
struct Desk {
    errands: Vec<(Instant, Weak<dyn Errand>)>,
    /// The thread, and what tells it to go home: it alone, not one that takes its place.
    thread: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
    /// The errand that the thread is out on.
    busy: Option<Weak<dyn Errand>>,
}

struct Clerk {
    epoch: u32,
    desk: Mutex<Desk>,
    work: Condvar,
    /// An errand is done, and the thread holds nothing of it any more.
    done: Condvar,
}

/// A thread's place, whether or not there is a thread.
pub(crate) struct Office {
    /// The thread's name.
    name: &'static str,
    /// This process's; a child's begins anew, since a thread that stayed in the parent may hold the inherited one's lock.
    clerk: ArcSwapOption<Clerk>,
}

/// For what handles write on the side.
pub(crate) static LOG: Office = Office::new("inspire-auth-log");
/// For what handles ask their licensing servers by themselves.
pub(crate) static SERVER: Office = Office::new("inspire-auth-net");

impl Office {
    const fn new(name: &'static str) -> Self {
        Self { name, clerk: ArcSwapOption::const_empty() }
    }

    fn present(&self) -> Option<Arc<Clerk>> {
        self.clerk.load_full().filter(|clerk| clerk.epoch == fork::epoch())
    }

    fn clerk(&self) -> Option<Arc<Clerk>> {
        if let Some(clerk) = self.present() {
            return Some(clerk);
        }
        fork::watch();
        let fresh = Arc::new(Clerk {
            epoch: fork::epoch(),
            desk: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let former = self.clerk.rcu(|present| match present {
            Some(clerk) if clerk.epoch == fresh.epoch => Some(Arc::clone(clerk)),
            _ => Some(Arc::clone(&fresh)),
        });
        if former.as_ref().is_some_and(|former| former.epoch != fresh.epoch) {
            std::mem::forget(former);
        }
        self.present()
    }

    /// Has `errand` run at `due`. `false` when there is no thread to be had.
    pub(crate) fn send(&self, errand: Weak<dyn Errand>, due: Instant) -> bool {
        self.put(errand, due, false)
    }

    /// As [`Office::send`], and not at any other time.
    pub(crate) fn send_alone(&self, errand: Weak<dyn Errand>, due: Instant) -> bool {
        self.put(errand, due, true)
    }

    fn put(&self, errand: Weak<dyn Errand>, due: Instant, alone: bool) -> bool {
        let Some(clerk) = self.clerk() else { return false };
        let mut desk = lock(&clerk.desk);
        if desk.thread.is_none() {
            let home = Arc::new(AtomicBool::new(false));
            let (its, goes) = (Arc::clone(&clerk), Arc::clone(&home));
            let begun = thread::Builder::new().name(self.name.to_owned()).spawn(move || its.serve(&goes));
            let Ok(thread) = begun else { return false };
            desk.thread = Some((thread, home));
        }
        if alone {
            desk.errands.retain(|(_, other)| !same(other, &errand));
        }
        desk.errands.push((due, errand));
        clerk.work.notify_one();
        true
    }

    /// Calls `errand` off, and waits until the thread holds nothing of it: for whoever owns what the errand keeps alive,
    /// and must be the one to give it back. On the thread itself there is nothing to wait for.
    pub(crate) fn call_off(&self, errand: &Weak<dyn Errand>) {
        let Some(clerk) = self.present() else { return };
        let mut desk = lock(&clerk.desk);
        desk.errands.retain(|(_, other)| !same(other, errand));
        if desk.thread.as_ref().is_some_and(|(thread, _)| thread.thread().id() == thread::current().id()) {
            return;
        }
        while desk.busy.as_ref().is_some_and(|busy| same(busy, errand)) {
            desk = clerk.done.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the thread go home, and waits for it, when there is nothing else to do: for whoever had errands and is going
    /// away, so that nothing of ours runs when a host has given back all that it had.
    pub(crate) fn leave(&self) {
        let Some(clerk) = self.present() else { return };
        let thread = {
            let mut desk = lock(&clerk.desk);
            desk.errands.retain(|(_, errand)| errand.strong_count() > 0);
            if desk.busy.is_some() || !desk.errands.is_empty() {
                return;
            }
            let Some((thread, home)) = desk.thread.take() else { return };
            home.store(true, Ordering::Relaxed);
            clerk.work.notify_all();
            thread
        };
        // The last handle may go on the thread itself.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// Whether both are one errand; not asked of the table of its methods, of which there may be several.
fn same(one: &Weak<dyn Errand>, other: &Weak<dyn Errand>) -> bool {
    std::ptr::addr_eq(one.as_ptr(), other.as_ptr())
}

impl Clerk {
    /// The life of the thread.
    fn serve(&self, home: &AtomicBool) {
        let mut desk = lock(&self.desk);
        while !home.load(Ordering::Relaxed) {
            let now = Instant::now();
            // The one that is due first: where several are late, none overtakes another.
            let next = desk.errands.iter().enumerate().map(|(at, (due, _))| (*due, at)).min();
            if let Some((_, at)) = next.filter(|(due, _)| *due <= now) {
                let (_, errand) = desk.errands.swap_remove(at);
                desk.busy = Some(Weak::clone(&errand));
                drop(desk);
                if let Some(errand) = errand.upgrade() {
                    // A store of the host's that panics must not end the writing for good.
                    let _ = catch_unwind(AssertUnwindSafe(|| errand.run()));
                }
                desk = lock(&self.desk);
                desk.busy = None;
                self.done.notify_all();
                continue;
            }
            let left = next.map_or(IDLE, |(due, _)| due.saturating_duration_since(now));
            let (woken, waited) = self.work.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner);
            desk = woken;
            if waited.timed_out() && desk.errands.is_empty() && !home.load(Ordering::Relaxed) {
                // Whoever sends the next errand finds no thread, under the same lock, and begins one.
                desk.thread = None;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Ring(Mutex<Sender<&'static str>>, &'static str);

    impl Errand for Ring {
        fn run(&self) {
            lock(&self.0).send(self.1).unwrap();
            assert!(self.1 != "panics", "on purpose");
        }
    }

    /// Goes on when it is told to.
    struct Slow(Mutex<(Sender<()>, Receiver<()>)>, AtomicBool);

    impl Errand for Slow {
        fn run(&self) {
            let slow = lock(&self.0);
            slow.0.send(()).unwrap();
            slow.1.recv().unwrap();
            self.1.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_errand_that_is_called_off_is_let_go_of() {
        let (begun, begins) = channel();
        let (go, goes) = channel();
        let slow = Arc::new(Slow(Mutex::new((begun, goes)), AtomicBool::new(false)));
        let errand = {
            let errand: Arc<dyn Errand> = slow.clone();
            Arc::downgrade(&errand)
        };
        let now = Instant::now();
        assert!(LOG.send(errand.clone(), now));
        begins.recv().unwrap();
        assert!(LOG.send(errand.clone(), now), "a second time, which is called off");
        assert_eq!(Arc::strong_count(&slow), 2);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                LOG.call_off(&errand);
                (slow.1.load(Ordering::SeqCst), Arc::strong_count(&slow))
            });
            // Not before it is called off: the second run would wait for a second word.
            let waits = |clerk: &Clerk| lock(&clerk.desk).errands.iter().any(|(_, other)| same(other, &errand));
            while LOG.present().is_some_and(|clerk| waits(&clerk)) {
                thread::yield_now();
            }
            go.send(()).unwrap();
            assert_eq!(other.join().unwrap(), (true, 1), "it came back before the errand was over");
        });
        drop(go);
        assert!(begins.try_recv().is_err());
        LOG.leave();
    }

    #[test]
    fn errands_run_in_their_time_on_one_thread_and_a_panic_ends_none_of_them() {
        let (rung, heard) = channel();
        let ring = |name| Arc::new(Ring(Mutex::new(rung.clone()), name));
        let (first, panics, last, gone, never) =
            (ring("first"), ring("panics"), ring("last"), ring("gone"), ring("never"));
        let weak = |ring: &Arc<Ring>| {
            let ring: Arc<dyn Errand> = ring.clone();
            Arc::downgrade(&ring)
        };
        let now = Instant::now();
        let later = now.checked_add(Duration::from_millis(50)).unwrap();
        assert!(LOG.send(weak(&never), now.checked_add(Duration::from_hours(1)).unwrap()));
        assert!(LOG.send(weak(&gone), now));
        drop(gone);
        assert!(LOG.send(weak(&panics), now));
        assert!(LOG.send(weak(&first), now));
        assert!(LOG.send(weak(&last), later));
        // One that was dropped may have been in time; then it is heard of, too.
        let mut early = [heard.recv().unwrap(), heard.recv().unwrap()];
        if early.contains(&"gone") {
            early = [early.into_iter().find(|name| *name != "gone").unwrap(), heard.recv().unwrap()];
        }
        early.sort_unstable();
        assert_eq!(early, ["first", "panics"]);
        assert_eq!(heard.recv().unwrap(), "last");
        assert!(Instant::now() >= later, "before its time");
        drop(never);
        LOG.leave();
        assert!(LOG.send(weak(&first), now), "after it went home it comes back");
        assert_eq!(heard.recv().unwrap(), "first");
    }
}

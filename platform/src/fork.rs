//! Noticing that this process is a copy of another one.
//!
//! After `fork` only the forking thread lives on, every lock that another thread held stays held for ever, and what
//! both processes inherited (connections above all) belongs to neither. Three things make that harmless:
//!
//! * Whoever owns something that must not cross a fork implements [`ForkAware`] and [`register`]s. Just before each
//!   `fork` (`pthread_atfork`'s *prepare*), it is asked to close it and to hold everybody else off; in the parent the
//!   answer is dropped, which lets them on again; in the child it is forgotten, and the owner starts anew because
//! * [`epoch`] has moved: one number that differs on the two sides, for the cost of one load.
//! * A raw `clone` runs no handler. The child of one is known by a page that the kernel wipes on each fork
//!   (`MADV_WIPEONFORK`, Linux 4.14): it reads zero unless our handler ran. See [`Lineage`].
//!
//! `getpid` would notice too, at over 100 ns a call.

use std::{
    any::Any,
    cell::RefCell,
    os::fd::RawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
    },
};

use crate::unshared;

/// Something that must not cross a fork: it is closed before, and opened again after, on both sides.
pub trait ForkAware: Send + Sync {
    /// Closes what must not be inherited and holds off whoever would open it again.
    ///
    /// What is returned is dropped in the parent, after the fork, on the same thread: its `Drop` is what lets others
    /// on again. In the child it is *forgotten*, so nothing that it locked is ever unlocked there: the child must
    /// abandon such locks, which [`epoch`] tells it to.
    fn before_fork(&self) -> Box<dyn Any>;
}

static EPOCH: AtomicU32 = AtomicU32::new(0);
static LINEAGE: AtomicU32 = AtomicU32::new(0);
static REGISTRY: Mutex<Vec<Weak<dyn ForkAware>>> = Mutex::new(Vec::new());

/// A number that differs between a parent and each of its children, once [`watch`] has been called: those made by a raw
/// `clone` too, where the kernel has `MADV_WIPEONFORK`.
#[must_use]
pub fn epoch() -> u32 {
    if let Some(page) = page() {
        begin_line(page);
    }
    EPOCH.load(Ordering::Acquire)
}

/// Has forks noticed from now on: whoever keeps an [`epoch`] to compare calls this before.
pub fn watch() {
    install();
}

/// Asks for [`ForkAware::before_fork`] before each fork from now on, for as long as `owner` lives.
pub fn register(owner: Weak<dyn ForkAware>) {
    install();
    let mut registry = lock_registry();
    registry.retain(|other| other.strong_count() > 0);
    registry.push(owner);
}

/// Keeps this process from forking while it lives.
#[derive(Debug)]
pub struct HoldOff {
    _registry: MutexGuard<'static, Vec<Weak<dyn ForkAware>>>,
}

/// Has every fork wait until what is returned is dropped, and waits for one that has begun: for what must be closed for
/// good, which nobody would close before a fork any more.
///
/// Not to be called with a lock that a [`ForkAware::before_fork`] takes, nor in one.
#[must_use]
pub fn hold_off() -> HoldOff {
    HoldOff { _registry: lock_registry() }
}

/// Which line of ordinarily forked processes this one belongs to; a raw `clone` begins none.
///
/// Taken when something is opened and asked before each use: what a process inherited through a raw `clone` is not
/// its own, while what it opened itself is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage(u32);

impl Lineage {
    /// The line of the calling process. In a child made by a raw `clone` the first call begins a new line.
    #[must_use]
    pub fn current() -> Self {
        install();
        if let Some(page) = page() {
            begin_line(page);
        }
        Self(LINEAGE.load(Ordering::Acquire))
    }

    /// Whether this was taken by an ancestor from which a raw `clone` lies between. Always `false` where the kernel
    /// has no `MADV_WIPEONFORK`. Two loads.
    #[must_use]
    pub fn inherited_by_clone(self) -> bool {
        match page() {
            Some(page) => page.load(Ordering::Acquire) != WATCHED || LINEAGE.load(Ordering::Acquire) != self.0,
            None => false,
        }
    }
}

/// The page of a process that is known: its own handler, or [`begin_line`], has run. The kernel makes it [`WIPED`].
const WATCHED: u32 = 1;
const WIPED: u32 = 0;
/// Somebody begins the line at this moment.
const BEGINNING: u32 = 2;

/// Begins a line of its own in a child that was made by a raw `clone`: once, and before anybody goes on.
fn begin_line(page: &AtomicU32) {
    while page.load(Ordering::Acquire) != WATCHED {
        if page.compare_exchange(WIPED, BEGINNING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            LINEAGE.fetch_add(1, Ordering::AcqRel);
            EPOCH.fetch_add(1, Ordering::AcqRel);
            page.store(WATCHED, Ordering::Release);
            return;
        }
        std::thread::yield_now();
    }
}

/// The wiped page, once [`install`] has run, where the kernel has such pages.
fn page() -> Option<&'static AtomicU32> {
    // SAFETY: the pointer is null or was published by `install`, which had it from a reference that lives for ever.
    unsafe { PAGE.load(Ordering::Acquire).as_ref() }
}

static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Installs the handlers and the page.
///
/// Nobody waits for anybody here, since the thread that one would wait for may have stayed in the parent: several that
/// come first each do the whole. The handlers may therefore be there several times, and must not mind; one page stays.
fn install() {
    if INSTALLED.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: the three handlers are `extern "C"` functions that live as long as the program (a library that is
    // unloaded has its handlers removed by the C library), never unwind, and take no arguments.
    //
    // If there was no memory for them, the page alone tells, since nothing sets it again in a child: each child is
    // then refused as a raw clone would be.
    let _ = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    if let Some(mapped) = page().is_none().then(map_wiped_page).flatten() {
        // One page too many stays mapped when somebody else's was first.
        let _ = PAGE.compare_exchange(
            ptr::null_mut(),
            ptr::from_ref(mapped).cast_mut(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }
    INSTALLED.store(true, Ordering::Release);
}

#[cfg(target_os = "linux")]
fn map_wiped_page() -> Option<&'static AtomicU32> {
    // SAFETY: sysconf has no preconditions.
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    // Some emulators answer success to any advice without doing anything: advice that can't exist must fail.
    // SAFETY: the range is exactly the mapping made above; an unknown advice changes nothing.
    let honest = unsafe { libc::madvise(address, size, -1) } != 0;
    // SAFETY: as above; the advice only affects what a child sees in this one page.
    if !honest || unsafe { libc::madvise(address, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: the range is exactly the mapping made above, and no reference into it exists.
        unsafe { libc::munmap(address, size) };
        return None;
    }
    // SAFETY: the mapping is readable, writable, page-aligned, zeroed, larger than an AtomicU32, never unmapped from
    // here on, and only ever accessed through this shared reference.
    let page = unsafe { &*address.cast::<AtomicU32>() };
    page.store(WATCHED, Ordering::Release);
    Some(page)
}

#[cfg(not(target_os = "linux"))]
fn map_wiped_page() -> Option<&'static AtomicU32> {
    None
}

/// What *prepare* leaves for the handler that runs after the fork, on the same thread.
struct Held {
    // Dropped in this order: first the owners' answers (which let others on), then the registry's lock, and only then
    // the owners: the last reference to one may be dropped here, and its Drop may register, hold off or fork.
    answers: Vec<Box<dyn Any>>,
    registry: MutexGuard<'static, Vec<Weak<dyn ForkAware>>>,
    sockets: MutexGuard<'static, Vec<RawFd>>,
    owners: Vec<Arc<dyn ForkAware>>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

fn lock_registry() -> MutexGuard<'static, Vec<Weak<dyn ForkAware>>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn prepare() {
    let _ = catch_unwind(|| {
        // The handlers are there twice: this one has run, and holds the registry.
        if HELD.try_with(|slot| slot.borrow().is_some()).unwrap_or(false) {
            return;
        }
        let registry = lock_registry();
        let owners: Vec<_> = registry.iter().filter_map(Weak::upgrade).collect();
        let answers = owners
            .iter()
            // One owner that panics must not keep the others from closing.
            .filter_map(|owner| catch_unwind(AssertUnwindSafe(|| owner.before_fork())).ok())
            .collect();
        let held = Held { answers, registry, sockets: unshared::lock(), owners };
        // A thread whose locals are already gone can't keep anything: the guards are dropped at once, and others may
        // run on; the connections are closed all the same.
        let _ = HELD.try_with(|slot| *slot.borrow_mut() = Some(held));
    });
}

extern "C" fn parent() {
    let _ = catch_unwind(|| {
        drop(HELD.try_with(|slot| slot.borrow_mut().take()));
    });
}

extern "C" fn child() {
    let _ = catch_unwind(|| {
        EPOCH.fetch_add(1, Ordering::AcqRel);
        if let Some(page) = page() {
            page.store(WATCHED, Ordering::Release);
        }
        let held = HELD.try_with(|slot| slot.borrow_mut().take()).ok().flatten();
        if let Some(Held { answers, registry, mut sockets, owners }) = held {
            std::mem::forget(answers);
            std::mem::forget(owners);
            // The two lists are what the child goes on using: this thread locked them, so this thread may unlock them.
            unshared::close(&mut sockets);
            drop((sockets, registry));
        }
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Owner {
        closed: AtomicUsize,
        resumed: Arc<AtomicUsize>,
    }

    struct Resume(Arc<AtomicUsize>);

    impl Drop for Resume {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl ForkAware for Owner {
        fn before_fork(&self) -> Box<dyn Any> {
            self.closed.fetch_add(1, Ordering::SeqCst);
            Box::new(Resume(Arc::clone(&self.resumed)))
        }
    }

    /// Forks concern the whole process: where tests are threads of one, these take turns.
    pub(crate) fn alone() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    struct Panics;

    impl ForkAware for Panics {
        fn before_fork(&self) -> Box<dyn Any> {
            panic!("must not leave the handler");
        }
    }

    /// Runs `body` in a forked child and returns whether it said yes within the C library's own means.
    pub(crate) fn in_child(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child runs only `body`, which touches atomics and our registry, and leaves by `_exit`.
        match unsafe { libc::fork() } {
            0 => {
                let yes = catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
                // SAFETY: ends the child without running the test harness's exit handlers.
                unsafe { libc::_exit(i32::from(!yes)) }
            }
            pid => {
                assert!(pid > 0);
                let mut status = 0;
                // SAFETY: `pid` is our own child and `status` is valid for writing.
                assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
                libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
            }
        }
    }

    #[test]
    fn a_fork_asks_each_owner_and_moves_the_epoch_in_the_child_only() {
        let _turn = alone();
        let owner = Arc::new(Owner::default());
        let panics = Arc::new(Panics);
        let as_dyn: Arc<dyn ForkAware> = panics.clone();
        register(Arc::downgrade(&as_dyn));
        let as_dyn: Arc<dyn ForkAware> = owner.clone();
        register(Arc::downgrade(&as_dyn));
        drop(as_dyn);
        let before = epoch();
        let lineage = Lineage::current();

        let child_ok = in_child(|| {
            let forgotten = owner.resumed.load(Ordering::SeqCst) == 0;
            let another: Arc<dyn ForkAware> = Arc::new(Owner::default());
            // The registry is usable, and a grandchild works the same.
            register(Arc::downgrade(&another));
            let here = epoch();
            let grandchild = in_child(|| ![before, here].contains(&epoch()) && !lineage.inherited_by_clone());
            here != before && here == epoch() && forgotten && grandchild && !lineage.inherited_by_clone()
        });
        assert!(child_ok);
        assert_eq!(epoch(), before);
        assert_eq!(owner.closed.load(Ordering::SeqCst), 1);
        assert_eq!(owner.resumed.load(Ordering::SeqCst), 1);
    }

    /// As [`in_child`], without the C library: no handler runs.
    #[cfg(target_os = "linux")]
    fn in_clone(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: a clone with no flags but the exit signal is fork without the C library: the child only reads and
        // writes atomics and leaves by `_exit`.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if pid == 0 {
            let yes = body();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!yes)) }
        }
        let pid = libc::pid_t::try_from(pid).unwrap();
        assert!(pid > 0);
        let mut status = 0;
        // SAFETY: `pid` is our own child and `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    /// What is kept for each process is made anew in a clone, too, whatever it asks first.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_raw_clone_has_an_epoch_of_its_own() {
        let _turn = alone();
        let lineage = Lineage::current();
        if page().is_none() {
            return; // as below
        }
        let before = epoch();
        assert!(in_clone(|| epoch() == before + 1 && lineage.inherited_by_clone() && epoch() == before + 1));
        assert_eq!(epoch(), before);
    }

    #[test]
    fn no_fork_comes_between_while_it_is_held_off() {
        let _turn = alone();
        watch();
        for _ in 0..20 {
            let closed = AtomicBool::new(false);
            let forking = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let held = hold_off();
                let forker = scope.spawn(|| {
                    forking.store(true, Ordering::SeqCst);
                    in_child(|| closed.load(Ordering::SeqCst))
                });
                while !forking.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                // The other thread may not be in `fork` yet: then this round shows nothing, but it is never wrong.
                for _ in 0..100 {
                    std::thread::yield_now();
                }
                closed.store(true, Ordering::SeqCst);
                drop(held);
                assert!(forker.join().unwrap());
            });
        }
    }

    #[test]
    fn handlers_that_are_there_twice_run_once() {
        let _turn = alone();
        let owner = Arc::new(Owner::default());
        let as_dyn: Arc<dyn ForkAware> = owner.clone();
        register(Arc::downgrade(&as_dyn));
        // What two threads do that come first at once.
        INSTALLED.store(false, Ordering::SeqCst);
        install();
        let before = epoch();
        assert!(in_child(|| epoch() != before && owner.resumed.load(Ordering::SeqCst) == 0));
        assert_eq!(epoch(), before);
        assert_eq!((owner.closed.load(Ordering::SeqCst), owner.resumed.load(Ordering::SeqCst)), (1, 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_raw_clone_is_recognised_until_it_begins_a_line_of_its_own() {
        let _turn = alone();
        let lineage = Lineage::current();
        if page().is_none() {
            return; // no MADV_WIPEONFORK on this kernel: documented as "always false"
        }
        assert!(!lineage.inherited_by_clone());
        assert!(in_clone(|| {
            let inherited = lineage.inherited_by_clone();
            let own = Lineage::current();
            inherited && !own.inherited_by_clone() && lineage.inherited_by_clone()
        }));
        assert!(!lineage.inherited_by_clone());
    }
}

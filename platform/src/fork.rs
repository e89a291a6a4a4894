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
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

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

/// A number that differs between a parent and each of its forked children, once [`watch`] has been called.
#[must_use]
pub fn epoch() -> u32 {
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
            // Exactly one caller sees the wiped page: it begins the line.
            if page.swap(1, Ordering::AcqRel) == 0 {
                LINEAGE.fetch_add(1, Ordering::AcqRel);
                EPOCH.fetch_add(1, Ordering::AcqRel);
            }
        }
        Self(LINEAGE.load(Ordering::Acquire))
    }

    /// Whether this was taken by an ancestor from which a raw `clone` lies between. Always `false` where the kernel
    /// has no `MADV_WIPEONFORK`. Two loads.
    #[must_use]
    pub fn inherited_by_clone(self) -> bool {
        match page() {
            Some(page) => page.load(Ordering::Relaxed) == 0 || LINEAGE.load(Ordering::Acquire) != self.0,
            None => false,
        }
    }
}

/// The wiped page, once [`install`] has run, where the kernel has such pages.
fn page() -> Option<&'static AtomicU32> {
    PAGE.get().copied().flatten()
}

static PAGE: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();

/// Installs the handlers and the page, once.
fn install() {
    PAGE.get_or_init(|| {
        // SAFETY: the three handlers are `extern "C"` functions that live as long as the program (a library that is
        // unloaded has its handlers removed by the C library), never unwind, and take no arguments.
        //
        // If there was no memory for them, the page alone tells, since nothing sets it again in a child: each child is
        // then refused as a raw clone would be.
        let _ = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        map_wiped_page()
    });
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
    page.store(1, Ordering::Release);
    Some(page)
}

#[cfg(not(target_os = "linux"))]
fn map_wiped_page() -> Option<&'static AtomicU32> {
    None
}

/// What *prepare* leaves for the handler that runs after the fork, on the same thread.
struct Held {
    // Dropped in this order: first the owners' answers (which let others on), then the registry's lock.
    answers: Vec<Box<dyn Any>>,
    owners: Vec<Arc<dyn ForkAware>>,
    registry: MutexGuard<'static, Vec<Weak<dyn ForkAware>>>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

fn lock_registry() -> MutexGuard<'static, Vec<Weak<dyn ForkAware>>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn prepare() {
    let _ = catch_unwind(|| {
        let registry = lock_registry();
        let owners: Vec<_> = registry.iter().filter_map(Weak::upgrade).collect();
        let answers = owners
            .iter()
            // One owner that panics must not keep the others from closing.
            .filter_map(|owner| catch_unwind(AssertUnwindSafe(|| owner.before_fork())).ok())
            .collect();
        let held = Held { answers, owners, registry };
        // A thread whose locals are already gone can't keep anything: the guards are dropped at once, and others may
        // run on; the connections are closed all the same.
        let _ = HELD.try_with(|slot| *slot.borrow_mut() = Some(held));
    });
}

extern "C" fn parent() {
    let _ = catch_unwind(|| {
        let held = HELD.try_with(|slot| slot.borrow_mut().take()).ok().flatten();
        if let Some(Held { answers, owners, registry }) = held {
            drop(answers);
            // Before the owners: the last reference to one may be dropped here, and its Drop may register or fork.
            drop(registry);
            drop(owners);
        }
    });
}

extern "C" fn child() {
    let _ = catch_unwind(|| {
        EPOCH.fetch_add(1, Ordering::AcqRel);
        if let Some(page) = page() {
            page.store(1, Ordering::Release);
        }
        let held = HELD.try_with(|slot| slot.borrow_mut().take()).ok().flatten();
        if let Some(Held { answers, owners, registry }) = held {
            std::mem::forget(answers);
            std::mem::forget(owners);
            // The registry is the one thing that the child goes on using: this thread locked it, so this thread may
            // unlock it.
            drop(registry);
        }
    });
}

#[cfg(test)]
mod tests {
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

    struct Panics;

    impl ForkAware for Panics {
        fn before_fork(&self) -> Box<dyn Any> {
            panic!("must not leave the handler");
        }
    }

    /// Runs `body` in a forked child and returns whether it said yes within the C library's own means.
    fn in_child(body: impl FnOnce() -> bool) -> bool {
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
            let grandchild = in_child(|| epoch() == before.wrapping_add(2) && !lineage.inherited_by_clone());
            epoch() == before.wrapping_add(1) && forgotten && grandchild && !lineage.inherited_by_clone()
        });
        assert!(child_ok);
        assert_eq!(epoch(), before);
        assert_eq!(owner.closed.load(Ordering::SeqCst), 1);
        assert_eq!(owner.resumed.load(Ordering::SeqCst), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_raw_clone_is_recognised_until_it_begins_a_line_of_its_own() {
        let lineage = Lineage::current();
        if page().is_none() {
            return; // no MADV_WIPEONFORK on this kernel: documented as "always false"
        }
        assert!(!lineage.inherited_by_clone());
        // SAFETY: a clone with no flags but the exit signal is fork without the C library: the child only reads and
        // writes atomics and leaves by `_exit`.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if pid == 0 {
            let inherited = lineage.inherited_by_clone();
            let own = Lineage::current();
            let yes = inherited && !own.inherited_by_clone() && lineage.inherited_by_clone();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!yes)) }
        }
        let pid = libc::pid_t::try_from(pid).unwrap();
        let mut status = 0;
        // SAFETY: `pid` is our own child and `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
        assert!(!lineage.inherited_by_clone());
    }
}

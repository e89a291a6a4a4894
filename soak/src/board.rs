//! Memory that a sweep's processes share: what is true of each key, and what each thread has seen.
//!
//! The processes tell each other through atomics in one mapping. That is what makes the promise testable to the last
//! nanosecond: a writer *acknowledges* by a `Release` store after the library's call returned, and a reader begins a
//! check after an `Acquire` load that saw this store. So the call's return happens before the check, and the check
//! must not decide by the old record.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::keys::Slot;

/// Keys of a store: few, so that each is asked often.
pub const SLOTS: usize = 16;
/// Threads that check, at most.
pub const THREADS: usize = 256;
/// Questions about a key after a death: its credential, its former one, and the one it would have had.
pub const QUESTIONS: usize = 3;
/// The library's codes are below this.
const CODES: usize = 1_000;

/// The order that ends a reader.
pub const STOP: u64 = u64::MAX;

/// Text that is written by one process at a time; what is read while it is written is cut short or mixed, never unsafe.
#[repr(C)]
pub struct Text<const WORDS: usize> {
    length: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Text<WORDS> {
    /// Writes as much of `bytes` as there is room for.
    pub fn set(&self, bytes: &[u8]) {
        let mut length = 0;
        for (word, chunk) in self.words.iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
            length += chunk.len() as u64;
        }
        self.length.store(length, Ordering::Release);
    }

    /// What is there.
    pub fn get(&self) -> Vec<u8> {
        let length = self.length.load(Ordering::Acquire) as usize;
        let mut bytes: Vec<u8> =
            self.words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }
}

/// A number in a cache line of its own.
#[repr(C, align(128))]
pub struct Lone(pub AtomicU64);

/// What one thread that checks says. Only it writes here.
#[repr(C, align(128))]
pub struct Seat {
    /// Checks done.
    pub checks: AtomicU64,
    /// Of those, granted.
    pub granted: AtomicU64,
    /// Checks during which a change was made, so that two answers were right.
    pub overlapped: AtomicU64,
    /// The longest that a batch of checks took, in nanoseconds.
    pub slowest: AtomicU64,
    /// Above 0 once it runs; the last order that it has carried out.
    pub carried_out: AtomicU64,
    /// The table of the last odd order.
    pub table: [[AtomicU64; QUESTIONS]; SLOTS],
}

impl Seat {
    /// What this thread answered last.
    pub fn answers(&self) -> [[u64; QUESTIONS]; SLOTS] {
        std::array::from_fn(|slot| std::array::from_fn(|at| self.table[slot][at].load(Ordering::Relaxed)))
    }
}

/// The whole of it.
#[repr(C)]
pub struct Board {
    /// What readers are to do: even, check; odd, answer the table once and wait; [`STOP`], end.
    pub order: Lone,
    /// Changes announced so far.
    pub announced: Lone,
    /// Changes acknowledged so far.
    pub acknowledged: Lone,
    /// How long the last change took, in nanoseconds.
    pub took: Lone,
    /// Which process is to make one change: its number from 1. It puts 0 back when that is done.
    pub turn: Lone,
    /// Answers by code that are no decision: `BUSY`, `STORE_LOCKED`. They are asked again.
    pub codes: [AtomicU64; CODES],
    /// 0: all is well. 1: somebody is writing. 2: `failure` says what went wrong.
    failed: Lone,
    failure: Text<128>,
    /// The keys.
    pub slots: [Slot; SLOTS],
    /// The threads.
    pub seats: [Seat; THREADS],
}

impl Board {
    /// Says what went wrong; the first to do so is heard.
    pub fn fail(&self, what: &str) {
        if self.failed.0.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            self.failure.set(what.as_bytes());
            self.failed.0.store(2, Ordering::Release);
        }
    }

    /// What went wrong, if anything did.
    ///
    /// # Errors
    /// Exactly that.
    pub fn check(&self) -> crate::Outcome {
        if self.failed.0.load(Ordering::Acquire) == 2 {
            return Err(String::from_utf8_lossy(&self.failure.get()).into_owned().into());
        }
        Ok(())
    }

    /// Counts an answer that is no decision.
    pub fn count(&self, code: inspire_auth_core::Code) {
        if let Some(count) = self.codes.get(code.number() as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The board, mapped into this process.
pub struct Mapped {
    board: NonNull<Board>,
    /// Kept open, since it is how other processes come to the board.
    file: OwnedFd,
}

// SAFETY: the board is made of atomics only.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// A new board, all zero. It has no name: the processes that this one starts inherit it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new() -> io::Result<Self> {
        use std::sync::atomic::AtomicU32;
        static BOARDS: AtomicU32 = AtomicU32::new(0);
        let name = format!("/inspire-soak-{}-{}\0", std::process::id(), BOARDS.fetch_add(1, Ordering::Relaxed));
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        // SAFETY: the name ends with NUL and outlives both calls.
        let descriptor = unsafe { libc::shm_open(name.as_ptr().cast(), flags, 0o600) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened, and nobody else has it.
        let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: as for `shm_open`. Gone at once: nothing is left behind, whatever happens.
        unsafe { libc::shm_unlink(name.as_ptr().cast()) };
        let length = libc::off_t::try_from(size_of::<Board>()).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open; the second call clears `FD_CLOEXEC`, so that children have it too.
        if unsafe { libc::ftruncate(descriptor, length) < 0 || libc::fcntl(descriptor, libc::F_SETFD, 0) < 0 } {
            return Err(io::Error::last_os_error());
        }
        Self::map(file)
    }

    /// The board that this process inherited.
    ///
    /// # Errors
    /// When it inherited none.
    pub fn inherited(descriptor: RawFd) -> io::Result<Self> {
        // SAFETY: an open descriptor that nothing else in this process knows of, or a bad one, which `fstat` tells.
        let mut status = unsafe { std::mem::zeroed::<libc::stat>() };
        // SAFETY: `status` is valid and writable for the call.
        let known = unsafe { libc::fstat(descriptor, &raw mut status) } == 0;
        if !known || u64::try_from(status.st_size).ok() != Some(size_of::<Board>() as u64) {
            return Err(io::Error::other("no board was inherited"));
        }
        // SAFETY: it is open, as was just seen, and this process was started to own it.
        Self::map(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    fn map(file: OwnedFd) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the system's choice, of a file that is exactly so long and stays so.
        let place = unsafe {
            libc::mmap(std::ptr::null_mut(), size_of::<Board>(), protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let board = NonNull::new(place.cast::<Board>()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { board, file })
    }

    /// By which number children find it.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl std::ops::Deref for Mapped {
    type Target = Board;

    fn deref(&self) -> &Board {
        // SAFETY: mapped for as long as the value lives, page-aligned, and made of atomics, for which every bit pattern
        // is valid and which other processes may change at any time.
        unsafe { self.board.as_ref() }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length in `map`, and no reference outlives the value.
        unsafe { libc::munmap(self.board.as_ptr().cast(), size_of::<Board>()) };
    }
}

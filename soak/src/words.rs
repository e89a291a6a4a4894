//! Numbers that several processes read and write: a file in memory, mapped by each of them.

use std::{fs::OpenOptions, io, os::fd::AsRawFd, path::Path, ptr::NonNull, slice, sync::atomic::AtomicU64};

/// The numbers, all 0 at first.
#[derive(Debug)]
pub struct Words {
    first: NonNull<AtomicU64>,
    length: usize,
}

// SAFETY: it is shared memory made of atomics, which any thread may use at any time.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps the file at `path`, which is made where there is none, as so many numbers.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path, length: usize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = length * size_of::<AtomicU64>();
        file.set_len(bytes as u64)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the system's choice, of a file that is exactly so long and stays so.
        let place =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(place.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { first, length })
    }
}

impl std::ops::Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: mapped for as long as the value lives, page-aligned, and made of atomics, for which every bit pattern is valid
        // and which other processes may change at any time.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length in `open`, and no reference outlives the value.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.length * size_of::<AtomicU64>()) };
    }
}

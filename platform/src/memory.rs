//! Memory for one slow hash: the system's own, and really given back.
//!
//! A hash takes megabytes for milliseconds. From the C library's heap they would not come back: glibc raises the size
//! from which it maps memory to that of the largest block that was ever freed, and keeps blocks below it in a heap per
//! thread, so that a process comes to hold several times what its hashes take at any one moment. A mapping of its own
//! ends with the hash. It also can be kept out of core dumps and of children, and be of huge pages, which is worth more
//! than what mapping costs (`docs/decisions/0015`).

use std::ptr::NonNull;

use argon2::Block;
use zeroize::Zeroize as _;

/// Bytes from which a hash gets a mapping: where huge pages begin. Below, a mapping costs more than it is worth (half of a
/// hash of 64 KiB), and a heap that keeps such a block keeps little.
const MAPPED: usize = 2 << 20;

/// Lends `count` blocks of zeros to `work`, returns what it returns, wipes them and gives them back to the system; also
/// when `work` panics. `None` when there is no memory for them: `work` was not called then.
///
/// From 2 MiB on (on Linux, as far as the kernel can) they are not in core dumps, nor in children: whoever forks inside
/// `work` may not touch them in the child.
pub fn with_blocks<R>(count: usize, work: impl FnOnce(&mut [Block]) -> R) -> Option<R> {
    if count.checked_mul(Block::SIZE)? < MAPPED {
        let mut heap = Vec::new();
        // Reserved by hand: an allocation that fails must not abort the host.
        heap.try_reserve_exact(count).ok()?;
        heap.resize(count, Block::new());
        return Some(wiped_after(&mut heap, work));
    }
    let mut mapping = Mapping::new(count)?;
    Some(wiped_after(mapping.blocks(), work))
}

fn wiped_after<R>(blocks: &mut [Block], work: impl FnOnce(&mut [Block]) -> R) -> R {
    struct Wiped<'a>(&'a mut [Block]);
    impl Drop for Wiped<'_> {
        fn drop(&mut self) {
            self.0.iter_mut().zeroize();
        }
    }
    let blocks = Wiped(blocks);
    work(&mut *blocks.0)
}

/// Blocks in an anonymous mapping, at least one.
struct Mapping {
    address: NonNull<Block>,
    count: usize,
    length: usize,
}

// The kernel hands out zeros, and zeros are a block: this reads every byte of one, and does not compile otherwise.
const _: () = {
    // SAFETY: the sizes are the same, or this does not compile; padding, which has no value, would not either.
    let zeros: [u8; Block::SIZE] = unsafe { std::mem::transmute(Block::new()) };
    let mut at = 0;
    while at < Block::SIZE {
        #[allow(clippy::indexing_slicing, reason = "the compiler runs this")]
        let zero = zeros[at] == 0;
        assert!(zero);
        at = at.saturating_add(1);
    }
    // A page's alignment is one for them, whatever the page's size.
    assert!(align_of::<Block>() <= 4096);
};

impl Mapping {
    fn new(count: usize) -> Option<Self> {
        let length = count.checked_mul(Block::SIZE).filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())?;
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory of ours.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return None;
        }
        // From here on its drop unmaps it.
        let mapping = Self { address: NonNull::new(address.cast::<Block>())?, count, length };
        mapping.is_ready().then_some(mapping)
    }

    /// Asks the kernel for what is good for a hash. Only a lack of memory is a reason not to go on.
    #[cfg(target_os = "linux")]
    fn is_ready(&self) -> bool {
        // Huge pages come before the pages themselves.
        self.advise(libc::MADV_HUGEPAGE);
        self.advise(libc::MADV_DONTDUMP);
        self.advise(libc::MADV_DONTFORK);
        // All pages at once cost less than a fault for each; before Linux 5.14 they come one by one.
        self.advise(libc::MADV_POPULATE_WRITE) || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOMEM)
    }

    #[cfg(target_os = "linux")]
    fn advise(&self, advice: libc::c_int) -> bool {
        // SAFETY: the range is exactly the mapping, to which nobody has a reference yet; these advices change none of
        // the bytes that this process sees.
        unsafe { libc::madvise(self.address.as_ptr().cast(), self.length, advice) == 0 }
    }

    #[cfg(not(target_os = "linux"))]
    fn is_ready(&self) -> bool {
        true
    }

    fn blocks(&mut self) -> &mut [Block] {
        // SAFETY: the mapping is page-aligned, readable and writable until the drop, `count` blocks long and not longer
        // than `isize::MAX`; it began as zeros, which are valid blocks, and the borrow is unique as that of `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; what `blocks` lent ended with its borrow. In a child, which has
        // none, no `Mapping` is dropped: it lives in `with_blocks` alone, on the thread that hashes.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use super::*;

    /// Small enough for the heap, the least that is not, and more than a few huge pages.
    const SIZES: [usize; 4] = [8, MAPPED / Block::SIZE - 1, MAPPED / Block::SIZE, 19_456];

    /// Where tests are threads of one process, what one unmaps may be mapped by another.
    fn alone() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn words(block: &Block) -> &[u64] {
        block.as_ref()
    }

    #[test]
    fn blocks_are_zeros_each_time_and_their_own() {
        let _turn = alone();
        for count in SIZES {
            for round in 1..=2 {
                let sum = with_blocks(count, |blocks| {
                    assert_eq!(blocks.len(), count);
                    assert!(blocks.iter().all(|block| words(block).iter().all(|&word| word == 0)));
                    for (block, value) in blocks.iter_mut().zip(1_u64..) {
                        block.as_mut().fill(value * round);
                    }
                    blocks.iter().map(|block| words(block)[127]).sum::<u64>()
                });
                let count = count as u64;
                assert_eq!(sum, Some(round * count * (count + 1) / 2));
            }
        }
    }

    #[test]
    fn what_can_not_be_had_is_none_and_nothing_is_called() {
        let _turn = alone();
        for count in [usize::MAX, usize::MAX / Block::SIZE, isize::MAX as usize / Block::SIZE] {
            assert_eq!(with_blocks(count, |_| ()), None);
        }
        assert_eq!(with_blocks(0, |blocks| blocks.len()), Some(0));
    }

    #[test]
    fn blocks_are_wiped_also_by_a_panic() {
        let mut blocks = vec![Block::new(); 3];
        let dirty = |blocks: &mut [Block]| blocks.iter_mut().for_each(|block| block.as_mut().fill(7));
        wiped_after(&mut blocks, |blocks| dirty(blocks));
        assert!(blocks.iter().all(|block| words(block).iter().all(|&word| word == 0)));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            wiped_after(&mut blocks, |blocks| {
                dirty(blocks);
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
        assert!(blocks.iter().all(|block| words(block).iter().all(|&word| word == 0)));
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use super::*;

        /// The flags of the mapping that has this address, as `/proc` names them.
        fn flags(address: usize) -> Option<Vec<String>> {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let mut inside = false;
            for line in smaps.lines() {
                let ends = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
                if let Some((Ok(from), Ok(to))) =
                    ends.map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)))
                {
                    inside = (from..to).contains(&address);
                } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                    return Some(flags.split_whitespace().map(str::to_owned).collect());
                }
            }
            None
        }

        /// Not in dumps ("dd"), not in children ("dc").
        fn is_ours(address: usize) -> bool {
            flags(address).is_some_and(|flags| ["dd", "dc"].iter().all(|flag| flags.iter().any(|has| has == flag)))
        }

        #[test]
        fn a_mapping_is_private_while_it_lasts_and_gone_after() {
            let _turn = alone();
            let address = with_blocks(19_456, |blocks| {
                let address = blocks.as_ptr() as usize;
                assert!(is_ours(address));
                address
            });
            assert!(!is_ours(address.unwrap()));

            let mut address = 0;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                with_blocks(19_456, |blocks| {
                    address = blocks.as_ptr() as usize;
                    assert!(is_ours(address));
                    panic!("on purpose");
                });
            }));
            assert!(panicked.is_err() && address != 0);
            assert!(!is_ours(address));
        }

        #[test]
        fn a_child_has_none_of_it() {
            let _turn = alone();
            let status = with_blocks(MAPPED / Block::SIZE, |blocks| {
                let address = blocks.as_mut_ptr();
                // SAFETY: a clone with no flags but the exit signal is fork without the C library and its handlers: the
                // child makes two system calls and touches no memory but its own stack.
                let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
                if pid == 0 {
                    let mut resident = 0_u8;
                    // SAFETY: asks about one page, which is answered in one byte; ENOMEM says that nothing is there.
                    // Then the child ends at once.
                    unsafe {
                        let there = libc::mincore(address.cast(), 1, (&raw mut resident).cast()) == 0;
                        libc::_exit(i32::from(there))
                    }
                }
                let mut status = -1;
                let pid = libc::pid_t::try_from(pid).unwrap();
                // SAFETY: `pid` is our own child and `status` is valid for writing.
                assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
                status
            });
            assert_eq!(status, Some(0));
        }
    }
}

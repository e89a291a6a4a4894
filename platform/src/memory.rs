//! Memory for one slow hash: the system's own, and really given back.
//!
//! A hash takes megabytes for milliseconds. From the C library's heap they would not come back: glibc raises the size
//! from which it maps memory to that of the largest block that was ever freed, and keeps blocks below it in a heap per
//! thread, so that a process comes to hold several times what its hashes take at any one moment. A mapping is the
//! system's again when we say so. It also can be kept out of core dumps and of children, and be of huge pages, which is
//! worth more than what mapping costs (`docs/decisions/0015`). Who hashes again soon keeps it in a [`Spare`].

use std::ptr::NonNull;

use crate::fork;

/// Bytes from which a hash gets a mapping: where huge pages begin. Below, a mapping costs more than it is worth (half of a
/// hash of 64 KiB), and a heap that keeps such a block keeps little.
const MAPPED: usize = 2 << 20;

/// 1 KiB, what Argon2 counts in; at the boundary of a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Block([u64; 128]);

impl Block {
    /// Bytes.
    pub const SIZE: usize = 1024;
    const ZERO: Self = Self([0; 128]);
}

/// What a hash has left for the next one: at most one mapping, wiped. Dropped, it is the system's again.
#[derive(Default)]
pub struct Spare(Option<Mapping>);

impl Spare {
    /// Bytes that are held here.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |mapping| mapping.length)
    }

    /// The mapping, when it is of so many blocks; another one is given back first.
    fn take(&mut self, count: usize) -> Option<Mapping> {
        self.0.take().filter(|mapping| mapping.count == count && mapping.is_here())
    }
}

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Spare").field(&self.bytes()).finish()
    }
}

/// Lends `count` blocks of zeros to `work`, returns what it returns and wipes them, also when `work` panics. `None` when
/// there is no memory for them: `work` was not called then.
///
/// From 2 MiB on they are those in `spare` if these are as many, and are in `spare` afterwards, but for a panic; whoever
/// drops that gives them back to the system. (On Linux, as far as the kernel can) they are not in core dumps, nor in
/// children: whoever forks inside `work` may not touch them in the child.
pub fn with_blocks<R>(count: usize, spare: &mut Spare, work: impl FnOnce(&mut [Block]) -> R) -> Option<R> {
    if count.checked_mul(Block::SIZE)? < MAPPED {
        let mut heap = Vec::new();
        // Reserved by hand: an allocation that fails must not abort the host.
        heap.try_reserve_exact(count).ok()?;
        heap.resize(count, Block::ZERO);
        return Some(wiped_after(&mut heap, work));
    }
    let mut mapping = match spare.take(count) {
        Some(mapping) => mapping,
        None => Mapping::new(count)?,
    };
    let result = wiped_after(mapping.blocks(), work);
    *spare = Spare(Some(mapping));
    Some(result)
}

fn wiped_after<R>(blocks: &mut [Block], work: impl FnOnce(&mut [Block]) -> R) -> R {
    struct Wiped<'a>(&'a mut [Block]);
    impl Drop for Wiped<'_> {
        fn drop(&mut self) {
            self.0.fill(Block::ZERO);
            // As `zeroize` does it, but as wide as the processor writes: word by word it took a tenth of a hash.
            zeroize::optimization_barrier(&*self.0);
        }
    }
    let blocks = Wiped(blocks);
    work(&mut *blocks.0)
}

/// Blocks in an anonymous mapping, at least one.
struct Mapping {
    address: NonNull<Block>,
    count: usize,
    /// Of the mapping, in bytes.
    length: usize,
    /// The process that it is in.
    epoch: u32,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this is the only way to it.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(count: usize) -> Option<Self> {
        let length = count.checked_mul(Block::SIZE).filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())?;
        fork::watch();
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
        let mapping = Self { address: NonNull::new(address.cast::<Block>())?, count, length, epoch: fork::epoch() };
        mapping.is_ready().then_some(mapping)
    }

    /// Whether this is the process that has it: a child does not.
    fn is_here(&self) -> bool {
        self.epoch == fork::epoch()
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
        // SAFETY: the mapping is page-aligned, which is enough for a block, readable and writable until the drop,
        // `count` blocks long and not longer than `isize::MAX`; it began as zeros, and any bytes are a valid block; the
        // borrow is unique as that of `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.address.as_ptr(), self.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a child there is none, and what is at its address may be somebody else's.
        if self.is_here() {
            // SAFETY: exactly the mapping made in `new`; what `blocks` lent ended with its borrow.
            unsafe { libc::munmap(self.address.as_ptr().cast(), self.length) };
        }
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
        &block.0
    }

    /// Without anything left of an earlier one, nor for a later one.
    fn alone_with<R>(count: usize, work: impl FnOnce(&mut [Block]) -> R) -> Option<R> {
        with_blocks(count, &mut Spare::default(), work)
    }

    #[test]
    fn blocks_are_zeros_each_time_and_their_own() {
        let _turn = alone();
        for count in SIZES {
            for round in 1..=2 {
                let sum = alone_with(count, |blocks| {
                    assert_eq!(blocks.len(), count);
                    assert!(blocks.iter().all(|block| words(block).iter().all(|&word| word == 0)));
                    for (block, value) in blocks.iter_mut().zip(1_u64..) {
                        block.0.fill(value * round);
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
            assert_eq!(alone_with(count, |_| ()), None);
        }
        assert_eq!(alone_with(0, |blocks| blocks.len()), Some(0));
    }

    #[test]
    fn blocks_are_wiped_also_by_a_panic() {
        let mut blocks = vec![Block::ZERO; 3];
        let dirty = |blocks: &mut [Block]| blocks.iter_mut().for_each(|block| block.0.fill(7));
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

    #[test]
    fn what_is_spared_is_wiped_and_used_again() {
        let _turn = alone();
        let mut spare = Spare::default();
        let mut round =
            |count| with_blocks(count, &mut spare, |blocks| blocks.as_ptr() as usize).map(|at| (at, spare.bytes()));
        assert_eq!(round(MAPPED / Block::SIZE - 1).unwrap().1, 0, "the heap's is not kept");
        let (first, bytes) = round(19_456).unwrap();
        assert_eq!(bytes, 19_456 * Block::SIZE);
        assert_eq!(round(19_456), Some((first, bytes)));
        assert_eq!(round(8).unwrap().1, bytes, "a small one leaves it alone");
        assert_eq!(round(19_456), Some((first, bytes)));
        assert_eq!(round(2048).unwrap().1, 2048 * Block::SIZE, "one mapping at most");

        with_blocks(2048, &mut spare, |blocks| blocks.iter_mut().for_each(|block| block.0.fill(7)));
        let idle = spare.0.as_mut().unwrap().blocks();
        assert!(idle.iter().all(|block| words(block).iter().all(|&word| word == 0)));

        let panicked = catch_unwind(AssertUnwindSafe(|| with_blocks(2048, &mut spare, |_| panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!(spare.bytes(), 0, "nothing is kept of what went wrong");
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
            let address = alone_with(19_456, |blocks| {
                let address = blocks.as_ptr() as usize;
                assert!(is_ours(address));
                address
            });
            assert!(!is_ours(address.unwrap()));

            let mut address = 0;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                alone_with(19_456, |blocks| {
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
            let status = alone_with(MAPPED / Block::SIZE, |blocks| {
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

        #[test]
        fn what_is_spared_is_private_too_and_gone_with_the_spare() {
            let _turn = alone();
            let mut spare = Spare::default();
            let address = with_blocks(19_456, &mut spare, |blocks| blocks.as_ptr() as usize).unwrap();
            assert!(is_ours(address));
            let other = with_blocks(2048, &mut spare, |blocks| {
                assert!(blocks.as_ptr() as usize == address || !is_ours(address), "it was given back first");
                blocks.as_ptr() as usize
            });
            drop(spare);
            assert!(!is_ours(address) && !is_ours(other.unwrap()));
        }

        /// A child that inherits a spare leaves alone what is at its address, and hashes in memory of its own.
        #[test]
        fn a_child_neither_uses_nor_unmaps_what_is_spared() {
            let _turn = alone();
            let mut spare = Spare::default();
            let address = with_blocks(2048, &mut spare, |blocks| blocks.as_mut_ptr().cast::<u8>()).unwrap();
            // SAFETY: the child touches only what it maps itself, and leaves by `_exit`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                let is_right = catch_unwind(AssertUnwindSafe(|| {
                    let protection = libc::PROT_READ | libc::PROT_WRITE;
                    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED_NOREPLACE;
                    // SAFETY: nothing of this process is at that address, or this fails.
                    let foreign = unsafe { libc::mmap(address.cast(), 4096, protection, flags, -1, 0) };
                    assert_eq!(foreign, address.cast());
                    // SAFETY: just mapped, and a byte.
                    unsafe { address.write(7) };
                    let sum = with_blocks(2048, &mut spare, |blocks| {
                        blocks.iter_mut().for_each(|block| block.0.fill(1));
                        blocks.iter().map(|block| words(block)[127]).sum::<u64>()
                    });
                    drop(spare);
                    // SAFETY: mapped above; were it not any more, the signal would be the answer.
                    sum == Some(2048) && unsafe { address.read() } == 7
                }));
                // SAFETY: ends the child without running the test harness's exit handlers.
                unsafe { libc::_exit(i32::from(!is_right.unwrap_or(false))) }
            }
            let mut status = -1;
            // SAFETY: `pid` is our own child and `status` is valid for writing.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0);
            assert!(is_ours(address as usize), "the parent's is untouched");
        }
    }
}

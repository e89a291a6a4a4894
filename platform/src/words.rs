//! Large arrays of words that many threads read while one writes.

use std::{
    alloc::{Layout, alloc_zeroed, handle_alloc_error},
    sync::atomic::AtomicU64,
};

/// Bytes from which an array asks for huge pages: then it holds some whole ones.
const LARGE: usize = 8 << 20;

/// So many words, all zero. Where the system hands out zeroed pages, one that is not touched takes no memory.
///
/// A large array is of huge pages, where the system has them: whoever looks things up at random then misses the processor's
/// table of pages less often.
#[must_use]
pub fn zeroed(count: usize) -> Box<[AtomicU64]> {
    let (Ok(layout), true) = (Layout::array::<AtomicU64>(count), count > 0) else { return Box::default() };
    // SAFETY: the layout's size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    #[cfg(target_os = "linux")]
    if layout.size() >= LARGE {
        prefer_huge_pages(memory, layout.size());
    }
    // SAFETY: the memory was allocated just now, by the global allocator, with the layout of exactly this slice; zeros are
    // `AtomicU64`s.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(memory.cast(), count)) }
}

#[cfg(target_os = "linux")]
fn prefer_huge_pages(memory: *mut u8, length: usize) {
    /// No system of ours has larger small pages.
    const PAGE: usize = 1 << 16;
    let skipped = memory.align_offset(PAGE);
    let whole = length.saturating_sub(skipped) & !(PAGE - 1);
    if whole > 0 {
        // SAFETY: the range lies within the allocation, which is ours alone so far; the advice changes no byte of it. That the
        // system may not follow it does not matter.
        unsafe { libc::madvise(memory.wrapping_add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_zeros_and_can_be_written() {
        for count in [0, 1, 1000, 3 * LARGE / 8 + 7] {
            let words = zeroed(count);
            assert_eq!(words.len(), count);
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            for (word, value) in words.iter().zip(1..) {
                word.store(value, Ordering::Relaxed);
            }
            assert!(words.iter().zip(1..).all(|(word, value)| word.load(Ordering::Relaxed) == value));
        }
    }
}

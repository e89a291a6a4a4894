//! Short texts, read without an allocation.

use std::{mem::MaybeUninit, slice};

use napi::sys;

/// Room for a text of up to `WORDS` times 8 bytes, less five; wiped afterwards, since it may be a secret.
pub(super) struct Short<const WORDS: usize> {
    words: [MaybeUninit<u64>; WORDS],
    /// Bytes that were written.
    length: usize,
}

impl<const WORDS: usize> Short<WORDS> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { words: [MaybeUninit::uninit(); WORDS], length: 0 }
    }

    /// Reads a value as UTF-8, which keeps ASCII, and keeps anything else apart from it; `None` when it is no string, or
    /// has no room.
    #[inline]
    pub(super) fn read(&mut self, env: sys::napi_env, value: sys::napi_value) -> Option<&[u8]> {
        let room = size_of_val(&self.words);
        let bytes = self.words.as_mut_ptr();
        // SAFETY: a value of this environment; the buffer has the room that is said, the terminator's included.
        let status = unsafe { sys::napi_get_value_string_utf8(env, value, bytes.cast(), room, &raw mut self.length) };
        // What nearly fills it may have been cut short, by a terminator and half a character.
        if status != sys::Status::napi_ok || self.length.saturating_add(4) >= room {
            return None;
        }
        // SAFETY: so many bytes were written.
        Some(unsafe { slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), self.length) })
    }
}

impl<const WORDS: usize> Drop for Short<WORDS> {
    #[inline]
    fn drop(&mut self) {
        for word in self.words.iter_mut().take(self.length.div_ceil(8)) {
            // SAFETY: a word of the local buffer; volatile, so that it is not taken for a useless write.
            unsafe { std::ptr::write_volatile(word, MaybeUninit::new(0)) };
        }
    }
}

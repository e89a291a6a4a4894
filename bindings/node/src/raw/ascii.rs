//! Short texts, read without an allocation.

use std::mem::MaybeUninit;

use napi::sys;

/// Room for a text of less than `N` ASCII characters; wiped, since it may be a secret.
pub(super) struct Ascii<const N: usize> {
    bytes: [MaybeUninit<u8>; N],
    length: usize,
}

impl<const N: usize> Ascii<N> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { bytes: [MaybeUninit::uninit(); N], length: 0 }
    }

    /// Reads a value; `None` when it is no string, has another character, or no room.
    #[inline]
    pub(super) fn read(&mut self, env: sys::napi_env, value: sys::napi_value) -> Option<&str> {
        // SAFETY: a value of this environment; the buffer has room for `N` bytes, the terminator among them. UTF-8 keeps
        // ASCII, and anything else apart from it.
        let status = unsafe {
            sys::napi_get_value_string_utf8(env, value, self.bytes.as_mut_ptr().cast(), N, &raw mut self.length)
        };
        // What fills it may have been cut short, and by up to three bytes more.
        if status != sys::Status::napi_ok || self.length.saturating_add(4) >= N {
            return None;
        }
        // SAFETY: so many bytes were written.
        let bytes = unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast::<u8>(), self.length) };
        // SAFETY: ASCII is UTF-8.
        bytes.is_ascii().then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
    }
}

impl<const N: usize> Drop for Ascii<N> {
    #[inline]
    fn drop(&mut self) {
        // Whole words, which a short text needs few of; volatile, so that they are not taken for useless writes.
        let used = self.length.saturating_add(1).min(N);
        for chunk in self.bytes.get_mut(..used).unwrap_or_default().chunks_mut(8) {
            if let Ok(word) = <&mut [MaybeUninit<u8>; 8]>::try_from(&mut *chunk) {
                // SAFETY: eight bytes of the local buffer.
                unsafe { std::ptr::write_volatile(word, [MaybeUninit::new(0); 8]) };
            } else {
                for byte in chunk {
                    // SAFETY: a byte of the local buffer.
                    unsafe { std::ptr::write_volatile(byte, MaybeUninit::new(0)) };
                }
            }
        }
    }
}

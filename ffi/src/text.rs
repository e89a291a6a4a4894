//! Strings and lists of strings.

use std::ffi::c_char;

use zeroize::Zeroizing;

use crate::{boundary::infallible, ptr};

/// A string, or bytes: a pointer and a length.
///
/// As an input it need not end with NUL; a length of 0 makes the pointer irrelevant, and where a string need not be
/// given, `{NULL, 0}` means that it is not. Text is UTF-8, and is checked; header values are bytes.
///
/// As an output it is valid UTF-8 without NUL inside, and a NUL follows its end, so that `%s` prints it. It is
/// borrowed: it lives as long as the handle that it came from. `{NULL, 0}` is "there is none".
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_str {
    /// The first byte.
    pub data: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

impl inspire_str {
    /// There is none.
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };
}

/// A string that is ready to be lent to C. Wiped when dropped, since some are secret.
pub(crate) struct Text(Zeroizing<Vec<u8>>);

impl Text {
    /// A copy of `text`. NUL, which would end it early in C, becomes U+FFFD.
    pub(crate) fn new(text: &str) -> Self {
        if text.contains('\0') {
            return Self::new(&text.replace('\0', "\u{fffd}"));
        }
        Self::of_bytes(text.as_bytes())
    }

    /// A copy of bytes, whatever they are.
    pub(crate) fn of_bytes(from: &[u8]) -> Self {
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(from.len().saturating_add(1)));
        bytes.extend_from_slice(from);
        bytes.push(0);
        Self(bytes)
    }

    /// Lends it out, without its NUL.
    pub(crate) fn lend(&self) -> inspire_str {
        inspire_str { data: self.0.as_ptr().cast(), len: self.0.len().saturating_sub(1) }
    }
}

/// Lends out what there may be.
pub(crate) fn lend(text: Option<&Text>) -> inspire_str {
    text.map_or(inspire_str::NONE, Text::lend)
}

/// A list of strings.
pub struct inspire_str_list {
    items: Vec<Text>,
}

impl inspire_str_list {
    pub(crate) fn new<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self { items: items.into_iter().map(|item| Text::new(item.as_ref())).collect() }
    }
}

/// The string of a C string that ends with NUL.
///
/// \param text may be NULL
/// \return what is before the NUL, borrowed from `text`; `{NULL, 0}` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_str_from(text: *const c_char) -> inspire_str {
    infallible(inspire_str::NONE, || {
        if text.is_null() {
            return inspire_str::NONE;
        }
        // SAFETY: not NULL, so it is readable up to and including a NUL.
        let len = unsafe { std::ffi::CStr::from_ptr(text) }.count_bytes();
        inspire_str { data: text, len }
    })
}

/// How many strings a list holds.
///
/// \param list may be NULL
/// \return the number; 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_str_list_count(list: *const inspire_str_list) -> usize {
    // SAFETY: NULL or a live list.
    infallible(0, || unsafe { ptr::optional(list) }.map_or(0, |list| list.items.len()))
}

/// One string of a list.
///
/// \param list may be NULL
/// \param index from 0
/// \return the string, borrowed from the list; `{NULL, 0}` beyond its end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_str_list_at(list: *const inspire_str_list, index: usize) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live list.
        lend(unsafe { ptr::optional(list) }.and_then(|list| list.items.get(index)))
    })
}

/// Frees a list that a function gave through an output parameter. A list that was returned as `const` is borrowed, and
/// not freed.
///
/// \param list NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_str_list_free(list: *mut inspire_str_list) {
    // SAFETY: NULL, or a list that the caller owns and gives up.
    unsafe { ptr::free(list) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_ends_with_nul_and_holds_none() {
        for (given, shown) in [("", ""), ("a", "a"), ("a\0b", "a\u{fffd}b")] {
            let text = Text::new(given);
            let lent = text.lend();
            assert_eq!(lent.len, shown.len());
            // SAFETY: `text` lives, and a NUL follows its end.
            let c = unsafe { std::ffi::CStr::from_ptr(lent.data) };
            assert_eq!(c.to_str().unwrap(), shown);
        }
    }
}

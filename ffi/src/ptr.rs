//! The one place where what a C program passes becomes something that Rust may look at.
//!
//! Each function checks what can be checked, and says in its `# Safety` what is left to the caller.

use std::{ffi::OsStr, mem::MaybeUninit, path::Path, slice};

use inspire_auth_core::{Code, Error, Result};

use crate::text::inspire_str;

/// No structure of this library, in whatever version, is larger: a greater `struct_size` was never initialised.
const MAX_STRUCT_SIZE: usize = 4096;

pub(crate) fn null(what: &'static str) -> Error {
    Error::with(Code::NullParameter, what)
}

fn invalid(what: &'static str) -> Error {
    Error::with(Code::InvalidArgument, what)
}

/// The object behind a pointer that must not be NULL.
///
/// # Safety
/// `object` is NULL, or points to a live `T` that nobody changes (but through its own atomics and locks) during `'a`.
pub(crate) unsafe fn object<'a, T>(object: *const T) -> Result<&'a T> {
    if !object.is_aligned() {
        return Err(invalid("a pointer is not aligned"));
    }
    // SAFETY: aligned; if not NULL, live, by this function's contract.
    unsafe { object.as_ref() }.ok_or_else(|| null("a handle is NULL"))
}

/// The object of an accessor, which has no way to fail: NULL gives `None`.
///
/// # Safety
/// As [`object`].
pub(crate) unsafe fn optional<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: the same contract.
    unsafe { object(pointer) }.ok()
}

/// Takes back a handle that was given away; NULL is nothing.
///
/// # Safety
/// `handle` is NULL, or came out of [`HandleOut::give`], and nobody uses it any more.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        crate::boundary::infallible((), || {
            // SAFETY: it was a `Box`, by this function's contract, and is nobody's now.
            drop(unsafe { Box::from_raw(handle) });
        });
    }
}

/// The elements of an array. A count of 0 makes the pointer irrelevant.
///
/// # Safety
/// With a `count` above 0, `first` is NULL or points to so many live `T`, which nobody changes during `'a`.
pub(crate) unsafe fn array<'a, T>(first: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(null("an array with a count above 0 is NULL"));
    }
    let fits = count.checked_mul(size_of::<T>()).is_some_and(|bytes| isize::try_from(bytes).is_ok());
    if !fits || !first.is_aligned() {
        return Err(invalid("an array is not aligned, or larger than memory"));
    }
    // SAFETY: not NULL, aligned, no larger than `isize::MAX`; live by this function's contract.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// The bytes of a string. A length of 0 makes the pointer irrelevant.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn bytes<'a>(text: inspire_str) -> Result<&'a [u8]> {
    // SAFETY: the same contract; `char` and `u8` have the same layout.
    unsafe { array(text.data.cast::<u8>(), text.len) }
}

/// The text of a string; `what` names it in the error.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn text<'a>(text: inspire_str, what: &'static str) -> Result<&'a str> {
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(text)? };
    std::str::from_utf8(bytes).map_err(|_| Error::with(Code::InvalidArgument, format!("{what} is not UTF-8")))
}

/// The text of a string that need not be given: NULL with length 0 is "not given", anything else is.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn optional_text<'a>(string: inspire_str, what: &'static str) -> Result<Option<&'a str>> {
    if string.data.is_null() && string.len == 0 {
        return Ok(None);
    }
    // SAFETY: the same contract.
    unsafe { text(string, what) }.map(Some)
}

/// A path: on Unix any bytes, elsewhere UTF-8.
///
/// # Safety
/// As [`array`].
pub(crate) unsafe fn path<'a>(string: inspire_str, what: &'static str) -> Result<&'a Path> {
    // SAFETY: the same contract.
    let bytes = unsafe { bytes(string)? };
    #[cfg(unix)]
    let path = Ok(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
    #[cfg(not(unix))]
    let path = std::str::from_utf8(bytes).map(OsStr::new);
    path.map(Path::new)
        .map_err(|_: std::str::Utf8Error| Error::with(Code::InvalidArgument, format!("{what} is not UTF-8")))
}

/// The texts of an array of strings, copied.
///
/// # Safety
/// As [`array`], for the array and for each string in it.
pub(crate) unsafe fn texts(first: *const inspire_str, count: usize, what: &'static str) -> Result<Vec<String>> {
    // SAFETY: the same contract.
    let strings = unsafe { array(first, count)? };
    // SAFETY: the same contract.
    strings.iter().map(|string| unsafe { text(*string, what) }.map(str::to_owned)).collect()
}

/// A structure that begins with `size_t struct_size` and grows only at its end.
///
/// # Safety
/// Every bit pattern is a valid value (fields are integers and pointers), `struct_size: usize` is the first field, and
/// zero is each field's default.
pub(crate) unsafe trait Growing: Copy {
    /// The size of its first released version.
    const FIRST_SIZE: usize;
}

/// How much of a structure its caller has.
///
/// # Safety
/// `pointer` is NULL or readable for a `usize`.
unsafe fn struct_size<T: Growing>(pointer: *const T) -> Result<usize> {
    if pointer.is_null() {
        return Err(null("a structure is NULL"));
    }
    // SAFETY: not NULL, so readable; `struct_size` comes first; no alignment is asked.
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    // No version's size is another: it would cut a pointer in two.
    let is_whole = size.is_multiple_of(align_of::<usize>());
    if is_whole && (T::FIRST_SIZE..=MAX_STRUCT_SIZE).contains(&size) {
        Ok(size)
    } else {
        Err(invalid("a structure's struct_size is not right: begin with its _INIT macro"))
    }
}

/// Copies a structure that may come from an older or a newer header: what is missing is zero, what is too much must be.
///
/// # Safety
/// `pointer` is NULL, or readable for a `usize` and for as many bytes as that says, which nobody changes meanwhile.
pub(crate) unsafe fn sized<T: Growing>(pointer: *const T) -> Result<T> {
    // SAFETY: the same contract.
    let size = unsafe { struct_size(pointer)? };
    if size == size_of::<T>() {
        // SAFETY: readable for its whole size, and every bit pattern is a `T`.
        return Ok(unsafe { pointer.read_unaligned() });
    }
    // SAFETY: readable for `size` bytes.
    let given = unsafe { slice::from_raw_parts(pointer.cast::<u8>(), size) };
    if given.get(size_of::<T>()..).is_some_and(|tail| tail.iter().any(|byte| *byte != 0)) {
        return Err(Error::new(Code::UnsupportedOption));
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: both are at least as long as the smaller of the two, and can't overlap: one is a local.
    unsafe {
        std::ptr::copy_nonoverlapping(given.as_ptr(), value.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>()));
    }
    // SAFETY: zeroed, then overwritten with bytes: every bit pattern is a `T`.
    Ok(unsafe { value.assume_init() })
}

/// A structure that the caller has room for, to be filled on success.
#[derive(Clone, Copy)]
pub(crate) struct StructOut<T> {
    to: *mut T,
    size: usize,
}

impl<T: Growing> StructOut<T> {
    /// Fills as much of it as the caller has; `value`'s own `struct_size` is not written.
    pub(crate) fn give(self, value: &T) {
        let from = std::ptr::from_ref(value).cast::<u8>();
        if self.size == size_of::<T>() {
            // As below; a length that the compiler knows needs no call.
            let length = const { size_of::<T>().saturating_sub(size_of::<usize>()) };
            // SAFETY: as below.
            unsafe {
                let to = self.to.cast::<u8>().add(size_of::<usize>());
                std::ptr::copy_nonoverlapping(from.add(size_of::<usize>()), to, length);
            }
            return;
        }
        let length = self.size.min(size_of::<T>()).saturating_sub(size_of::<usize>());
        // SAFETY: both are valid for `length` bytes behind their first field: `value` has its own size, and `to` the
        // one that `struct_out` was promised.
        unsafe {
            let to = self.to.cast::<u8>().add(size_of::<usize>());
            std::ptr::copy_nonoverlapping(from.add(size_of::<usize>()), to, length);
        }
    }
}

/// A structure to be filled.
///
/// # Safety
/// `to` is NULL, or readable for a `usize` and writable for as many bytes as that says, until it has been given.
pub(crate) unsafe fn struct_out<T: Growing>(to: *mut T) -> Result<StructOut<T>> {
    // SAFETY: the same contract.
    let size = unsafe { struct_size(to.cast_const())? };
    Ok(StructOut { to, size })
}

/// Where a handle is to be put on success; NULL until then.
pub(crate) struct HandleOut<T>(*mut *mut T);

impl<T> HandleOut<T> {
    /// Gives the caller a handle, which it must free.
    pub(crate) fn give(self, value: T) {
        // SAFETY: `handle_out` was promised that this may be written.
        unsafe { self.0.write_unaligned(Box::into_raw(Box::new(value))) };
    }
}

/// A place for a handle.
///
/// # Safety
/// `to` is NULL or writable, until it has been given.
pub(crate) unsafe fn handle_out<T>(to: *mut *mut T) -> Result<HandleOut<T>> {
    if to.is_null() {
        return Err(null("the place for a result is NULL"));
    }
    // So that a careless free after a failure does nothing.
    // SAFETY: not NULL, so writable.
    unsafe { to.write_unaligned(std::ptr::null_mut()) };
    Ok(HandleOut(to))
}

/// Where a plain value is to be put on success.
pub(crate) struct ValueOut<T>(*mut T);

impl<T: Copy> ValueOut<T> {
    /// Gives the caller a value.
    pub(crate) fn give(self, value: T) {
        // SAFETY: `value_out` was promised that this may be written.
        unsafe { self.0.write_unaligned(value) };
    }
}

/// A place for a plain value.
///
/// # Safety
/// As [`handle_out`].
pub(crate) unsafe fn value_out<T: Copy>(to: *mut T) -> Result<ValueOut<T>> {
    if to.is_null() { Err(null("the place for a result is NULL")) } else { Ok(ValueOut(to)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(C)]
    struct Now {
        struct_size: usize,
        first: u64,
        second: u64,
    }

    // SAFETY: integers, `struct_size` first.
    unsafe impl Growing for Now {
        const FIRST_SIZE: usize = 16;
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Later {
        now: Now,
        third: u64,
    }

    fn read(size: usize, third: u64) -> Result<Now, Code> {
        let later = Later { now: Now { struct_size: size, first: 1, second: 2 }, third };
        // SAFETY: valid for every size up to that of `Later`; larger ones are not among the tests that pass the check.
        unsafe { sized((&raw const later).cast::<Now>()) }.map_err(|error| error.code())
    }

    #[test]
    fn structures_of_other_versions_are_read() {
        assert_eq!(read(24, 9).unwrap().second, 2);
        assert_eq!(read(16, 9).unwrap(), Now { struct_size: 16, first: 1, second: 0 });
        assert_eq!(read(32, 0).unwrap().second, 2);
        assert_eq!(read(32, 1), Err(Code::UnsupportedOption));
        for wrong in [0, 1, 8, 15, 17, 20, 23, 25, 4097, usize::MAX] {
            assert_eq!(read(wrong, 0), Err(Code::InvalidArgument));
        }
    }

    #[test]
    fn structures_of_other_versions_are_filled_and_nothing_else() {
        for (size, second, third) in [(16, 7, 7), (24, 2, 7), (32, 2, 7)] {
            let mut later = Later { now: Now { struct_size: size, first: 7, second: 7 }, third: 7 };
            // SAFETY: valid for every one of these sizes.
            let out = unsafe { struct_out((&raw mut later).cast::<Now>()) }.unwrap();
            out.give(&Now { struct_size: 99, first: 1, second: 2 });
            assert_eq!(later.now, Now { struct_size: size, first: 1, second });
            assert_eq!(later.third, third);
        }
    }

    #[test]
    fn null_and_nonsense_are_codes() {
        // SAFETY: each pointer is NULL, or refused before it is read.
        unsafe {
            assert_eq!(object::<u64>(std::ptr::null()).unwrap_err().code(), Code::NullParameter);
            assert_eq!(object::<u64>(std::ptr::without_provenance(1)).unwrap_err().code(), Code::InvalidArgument);
            assert_eq!(array::<u64>(std::ptr::null(), 1).unwrap_err().code(), Code::NullParameter);
            assert_eq!(array::<u64>(std::ptr::null(), 0).unwrap(), [0_u64; 0]);
            let one = 1_u64;
            assert_eq!(array(&raw const one, usize::MAX).unwrap_err().code(), Code::InvalidArgument);
            assert!(handle_out::<u64>(std::ptr::null_mut()).is_err());
            free::<u64>(std::ptr::null_mut());
        }
    }
}

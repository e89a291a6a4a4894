//! What stands between a C caller and everything else: no panic crosses it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use inspire_auth_core::{Code, Error, Result};

use crate::{error::inspire_error, result::inspire_result};

/// What a body can end with.
pub(crate) trait Answer {
    /// The code that the C caller gets.
    fn code(self) -> Code;
}

impl Answer for () {
    fn code(self) -> Code {
        Code::Ok
    }
}

impl Answer for Code {
    fn code(self) -> Code {
        self
    }
}

/// Runs the body of a fallible export: an error becomes its number and, if `err` is not NULL, an object; a panic
/// becomes `INTERNAL`. What the panic said is not passed on, since nobody can vouch for it.
///
/// # Safety
/// `err` is NULL or valid for a write.
pub(crate) unsafe fn boundary<A: Answer>(
    err: *mut *mut inspire_error,
    body: impl FnOnce() -> Result<A>,
) -> inspire_result {
    // What a body leaves half done is its own: handles keep their state behind locks and atomics.
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Dropping a payload runs foreign code, which might panic in its turn.
        std::mem::forget(payload);
        Err(Error::new(Code::Internal))
    });
    match outcome {
        Ok(answer) => answer.code().number(),
        Err(error) => {
            let number = error.code().number();
            if !err.is_null() {
                let object = Box::into_raw(Box::new(inspire_error::new(&error)));
                // SAFETY: not NULL, hence valid for a write; `write_unaligned` asks nothing more of it.
                unsafe { err.write_unaligned(object) };
            }
            number
        }
    }
}

/// Runs the body of an export that can't fail; a panic gives `fallback`.
pub(crate) fn infallible<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        fallback
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_internal() {
        let mut err = std::ptr::null_mut();
        // SAFETY: `err` is a local.
        let result = unsafe { boundary(&raw mut err, || -> Result<()> { panic!("the secret is isk_x") }) };
        assert_eq!(result, Code::Internal.number());
        // SAFETY: just made by `boundary`, and owned from here on.
        let error = unsafe { Box::from_raw(err) };
        assert_eq!(error.message(), Code::Internal.entry().message);
        assert_eq!(infallible(7, || panic!("on purpose")), 7);
    }

    #[test]
    fn an_error_object_is_made_only_when_asked_for() {
        let fail = || -> Result<()> { Err(Error::with(Code::NotFound, "why")) };
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { boundary(std::ptr::null_mut(), fail) }, Code::NotFound.number());
        let mut err = std::ptr::null_mut();
        // SAFETY: `err` is a local.
        assert_eq!(unsafe { boundary(&raw mut err, || Ok(Code::Pending)) }, Code::Pending.number());
        assert!(err.is_null());
    }
}

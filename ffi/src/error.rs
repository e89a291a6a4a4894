//! Error objects: what a code does not say.

use inspire_auth_core::Error;

use crate::{
    boundary::infallible,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// Why a call failed: a code and, where it helps, a detail. Holds no key, hash, license bytes or machine id.
pub struct inspire_error {
    code: inspire_result,
    message: Text,
    detail: Option<Text>,
}

impl inspire_error {
    pub(crate) fn new(error: &Error) -> Self {
        Self {
            code: error.code().number(),
            message: Text::new(&error.to_string()),
            detail: error.detail().map(Text::new),
        }
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        let lent = self.message.lend();
        // SAFETY: borrowed from `self`, and made from a `str`.
        unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(lent.data.cast(), lent.len)) }
    }
}

/// The code of an error: what the call returned.
///
/// \param err may be NULL
/// \return the code; `INSPIRE_RESULT_OK` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_error_code(err: *const inspire_error) -> inspire_result {
    // SAFETY: NULL or a live error.
    infallible(0, || unsafe { ptr::optional(err) }.map_or(0, |err| err.code))
}

/// What happened: the message of the code, then the detail if there is one. In English, in lower case, without a full
/// stop.
///
/// \param err may be NULL
/// \return borrowed from `err`; `{NULL, 0}` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_error_message(err: *const inspire_error) -> inspire_str {
    // SAFETY: NULL or a live error.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(err) }.map(|err| &err.message)))
}

/// What the code does not say, such as the level that is missing.
///
/// \param err may be NULL
/// \return borrowed from `err`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_error_detail(err: *const inspire_error) -> inspire_str {
    // SAFETY: NULL or a live error.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(err) }.and_then(|err| err.detail.as_ref())))
}

/// Frees an error.
///
/// \param err NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_error_free(err: *mut inspire_error) {
    // SAFETY: NULL, or an error that the caller owns and gives up.
    unsafe { ptr::free(err) };
}

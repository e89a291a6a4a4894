//! License keys that are signed themselves.

use inspire_auth_core::license::SignedKey;

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    key_spec::INSPIRE_NEVER,
    license_keys::{inspire_trusted_key, trusted_keys},
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// What a signed license key says: what was so when the key was made. Wiped when freed.
pub struct inspire_signed_key {
    core: SignedKey,
    key_id: Text,
    dataset: Text,
    license: Option<Text>,
    product: Option<Text>,
}

impl inspire_signed_key {
    fn new(core: SignedKey) -> Self {
        Self {
            key_id: Text::new(&core.key_id),
            dataset: Text::of_bytes(&core.dataset),
            license: core.license.as_deref().map(Text::new),
            product: core.product.as_deref().map(Text::new),
            core,
        }
    }
}

/// Reads a license key that is signed itself ("key/DATASET.SIGNATURE"), and verifies it. Needs no handle, and activates
/// nothing: a renewal or a suspension comes later than the key, and is not in it.
///
/// \param license_key the license key
/// \param trusted public keys whose signatures are believed. With none, no key verifies
/// \param trusted_count how many
/// \param now Unix seconds; 0 is the system's clock
/// \param key set to what it says; `inspire_signed_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `LICENSE_MALFORMED` for what is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM`;
/// `LICENSE_SIGNATURE_INVALID`; `WEAK_TRUSTED_KEY`, `INVALID_ARGUMENT` for trusted keys that can't be used
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_read(
    license_key: inspire_str,
    trusted: *const inspire_trusted_key,
    trusted_count: usize,
    now: i64,
    key: *mut *mut inspire_signed_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let license_key = ptr::text(license_key, "the license key")?;
            let trusted = trusted_keys(trusted, trusted_count)?;
            out.give(inspire_signed_key::new(SignedKey::read(license_key, &trusted, Some(now))?));
            Ok(())
        })
    }
}

/// # Safety
/// `key` is NULL or live.
unsafe fn text(key: *const inspire_signed_key, of: impl FnOnce(&inspire_signed_key) -> Option<&Text>) -> inspire_str {
    // SAFETY: the same contract.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(key) }.and_then(of)))
}

/// # Safety
/// `key` is NULL or live.
unsafe fn time(key: *const inspire_signed_key, of: impl FnOnce(&SignedKey) -> Option<i64>) -> i64 {
    infallible(INSPIRE_NEVER, || {
        // SAFETY: the same contract.
        unsafe { ptr::optional(key) }.and_then(|key| of(&key.core)).unwrap_or(INSPIRE_NEVER)
    })
}

/// The id of the trusted key that signed it.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_key_id(key: *const inspire_signed_key) -> inspire_str {
    // SAFETY: NULL or live.
    unsafe { text(key, |key| Some(&key.key_id)) }
}

/// Everything that was signed: what the vendor put in. Bytes, which need not be text, and may hold NUL.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_dataset(key: *const inspire_signed_key) -> inspire_str {
    // SAFETY: NULL or live.
    unsafe { text(key, |key| Some(&key.dataset)) }
}

/// The license's id, where the dataset is the one that Keygen writes by itself.
///
/// \param key may be NULL
/// \return borrowed from `key`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_license(key: *const inspire_signed_key) -> inspire_str {
    // SAFETY: NULL or live.
    unsafe { text(key, |key| key.license.as_ref()) }
}

/// The product's id, in such a dataset.
///
/// \param key may be NULL
/// \return borrowed from `key`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_product(key: *const inspire_signed_key) -> inspire_str {
    // SAFETY: NULL or live.
    unsafe { text(key, |key| key.product.as_ref()) }
}

/// When the license was made, in such a dataset.
///
/// \param key may be NULL
/// \return Unix seconds; `INSPIRE_NEVER` when it is not told
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_created_at(key: *const inspire_signed_key) -> i64 {
    // SAFETY: NULL or live.
    unsafe { time(key, |key| key.created) }
}

/// When the license was to end as the key was made, in such a dataset.
///
/// \param key may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`, also when it is not told
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_expires_at(key: *const inspire_signed_key) -> i64 {
    // SAFETY: NULL or live.
    unsafe { time(key, |key| key.expires) }
}

/// Frees it.
///
/// \param key NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signed_key_free(key: *mut inspire_signed_key) {
    // SAFETY: NULL, or one that the caller owns and gives up.
    unsafe { ptr::free(key) };
}

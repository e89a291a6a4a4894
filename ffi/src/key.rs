//! Keys as they are shown, and the one time that a secret is.

use inspire_auth_core::{
    keys::{Created, KeyRecord},
    store::Origin,
};

use crate::{
    boundary::infallible,
    key_spec::INSPIRE_NEVER,
    ptr,
    text::{Text, inspire_str, inspire_str_list, lend},
};

/// Who made a key's newest secret.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_origin {
    /// This library.
    INSPIRE_ORIGIN_GENERATED = 0,
    /// Somebody else; only its hash was given.
    INSPIRE_ORIGIN_IMPORTED = 1,
}

/// A key as it was when it was read: no secret, no hash. It does not change with the key.
pub struct inspire_key {
    record: KeyRecord,
    id: Text,
    kind: Text,
    name: Text,
    description: Text,
    levels: inspire_str_list,
}

impl inspire_key {
    pub(crate) fn new(record: KeyRecord) -> Self {
        Self {
            id: Text::new(&record.id.to_string()),
            kind: Text::new(&record.kind),
            name: Text::new(&record.name),
            description: Text::new(&record.description),
            levels: inspire_str_list::new(&record.levels),
            record,
        }
    }
}

/// Several keys.
pub struct inspire_keys {
    items: Vec<inspire_key>,
}

impl inspire_keys {
    pub(crate) fn new(records: Vec<KeyRecord>) -> Self {
        Self { items: records.into_iter().map(inspire_key::new).collect() }
    }
}

/// A key that was just given a secret, with that secret: it is nowhere else, ever again.
pub struct inspire_created_key {
    key: inspire_key,
    secret: Text,
    credential: Text,
    rfc6750: Text,
    ignored_levels: inspire_str_list,
}

impl inspire_created_key {
    pub(crate) fn new(created: Created) -> Self {
        Self {
            secret: Text::new(&created.key),
            credential: Text::new(&created.credential()),
            rfc6750: Text::new(&created.rfc6750_credential()),
            ignored_levels: inspire_str_list::new(&created.ignored_levels),
            key: inspire_key::new(created.record),
        }
    }
}

/// # Safety
/// `key` is NULL or a live key.
unsafe fn string(key: *const inspire_key, of: fn(&inspire_key) -> &Text) -> inspire_str {
    // SAFETY: the same contract.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(key) }.map(of)))
}

/// # Safety
/// `key` is NULL or a live key.
unsafe fn value<T: Copy>(key: *const inspire_key, none: T, of: impl FnOnce(&KeyRecord) -> T) -> T {
    // SAFETY: the same contract.
    infallible(none, || unsafe { ptr::optional(key) }.map_or(none, |key| of(&key.record)))
}

/// A key's identity, as a UUID: random, independent of name and secret; a rename keeps it.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_id(key: *const inspire_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    unsafe { string(key, |key| &key.id) }
}

/// A key's type: "basic-token".
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_type(key: *const inspire_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    unsafe { string(key, |key| &key.kind) }
}

/// A key's name.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_name(key: *const inspire_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    unsafe { string(key, |key| &key.name) }
}

/// A key's description.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_description(key: *const inspire_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    unsafe { string(key, |key| &key.description) }
}

/// The security levels that a key is granted, byte-sorted, without repeats.
///
/// \param key may be NULL
/// \return borrowed from `key`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_levels(key: *const inspire_key) -> *const inspire_str_list {
    // SAFETY: NULL or a live key.
    infallible(std::ptr::null(), || unsafe { ptr::optional(key) }.map_or(std::ptr::null(), |key| &raw const key.levels))
}

/// Whether a key may only be used over a secure channel.
///
/// \param key may be NULL
/// \return true for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_require_secure(key: *const inspire_key) -> bool {
    // SAFETY: NULL or a live key.
    unsafe { value(key, true, |record| record.require_secure) }
}

/// Whether a key may be used at all.
///
/// \param key may be NULL
/// \return false for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_enabled(key: *const inspire_key) -> bool {
    // SAFETY: NULL or a live key.
    unsafe { value(key, false, |record| record.enabled) }
}

/// When a key was made.
///
/// \param key may be NULL
/// \return Unix seconds
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_created_at(key: *const inspire_key) -> i64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, INSPIRE_NEVER, |record| record.created_at) }
}

/// When a key was last changed. Being used is no change.
///
/// \param key may be NULL
/// \return Unix seconds
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_updated_at(key: *const inspire_key) -> i64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, INSPIRE_NEVER, |record| record.updated_at) }
}

/// From when on a key is expired.
///
/// \param key may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_expires_at(key: *const inspire_key) -> i64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, INSPIRE_NEVER, |record| record.expires_at.unwrap_or(INSPIRE_NEVER)) }
}

/// From when on the secret before the newest is refused: the end of a rotation's overlap. Stays as a past moment until
/// the next rotation.
///
/// \param key may be NULL
/// \return Unix seconds; `INSPIRE_NEVER` when the key has only one secret
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_overlap_ends_at(key: *const inspire_key) -> i64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, INSPIRE_NEVER, |record| record.overlap_ends_at.unwrap_or(INSPIRE_NEVER)) }
}

/// When a key was last used, as far as it was noted: at most once a minute.
///
/// \param key may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_last_used_at(key: *const inspire_key) -> i64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, INSPIRE_NEVER, |record| record.last_used_at.unwrap_or(INSPIRE_NEVER)) }
}

/// A key's revision: begins at 1, and each change adds one.
///
/// \param key may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_revision(key: *const inspire_key) -> u64 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, 0, |record| record.revision) }
}

/// Who made a key's newest secret.
///
/// \param key may be NULL
/// \return one of `INSPIRE_ORIGIN_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_origin(key: *const inspire_key) -> u32 {
    // SAFETY: NULL or a live key.
    unsafe { value(key, 0, |record| u32::from(record.origin == Origin::Imported)) }
}

/// Frees a key that a function gave through an output parameter. A key that was returned as `const` is borrowed, and
/// not freed.
///
/// \param key NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_free(key: *mut inspire_key) {
    // SAFETY: NULL, or a key that the caller owns and gives up.
    unsafe { ptr::free(key) };
}

/// How many keys there are.
///
/// \param keys may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_keys_count(keys: *const inspire_keys) -> usize {
    // SAFETY: NULL or live keys.
    infallible(0, || unsafe { ptr::optional(keys) }.map_or(0, |keys| keys.items.len()))
}

/// One of several keys.
///
/// \param keys may be NULL
/// \param index from 0
/// \return borrowed from `keys`, not to be freed; NULL beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_keys_at(keys: *const inspire_keys, index: usize) -> *const inspire_key {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or live keys.
        unsafe { ptr::optional(keys) }
            .and_then(|keys| keys.items.get(index))
            .map_or(std::ptr::null(), std::ptr::from_ref)
    })
}

/// Frees several keys.
///
/// \param keys NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_keys_free(keys: *mut inspire_keys) {
    // SAFETY: NULL, or keys that the caller owns and gives up.
    unsafe { ptr::free(keys) };
}

/// The record of a key that was just made.
///
/// \param created may be NULL
/// \return borrowed from `created`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_record(created: *const inspire_created_key) -> *const inspire_key {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or a live created key.
        unsafe { ptr::optional(created) }.map_or(std::ptr::null(), |created| &raw const created.key)
    })
}

/// The secret itself, "isk_...": 53 characters. The host wipes its own copies.
///
/// \param created may be NULL
/// \return borrowed from `created`, and wiped with it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_secret(created: *const inspire_created_key) -> inspire_str {
    // SAFETY: NULL or a live created key.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(created) }.map(|created| &created.secret)))
}

/// `<name>:<key>`, as it stands behind `Authorization: Bearer ` or in `X-Ignition-API-Token`.
///
/// \param created may be NULL
/// \return borrowed from `created`, and wiped with it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_credential(created: *const inspire_created_key) -> inspire_str {
    // SAFETY: NULL or a live created key.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(created) }.map(|created| &created.credential)))
}

/// `<name>~<key>`, for middleboxes that let only RFC 6750's alphabet through behind `Bearer `.
///
/// \param created may be NULL
/// \return borrowed from `created`, and wiped with it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_rfc6750(created: *const inspire_created_key) -> inspire_str {
    // SAFETY: NULL or a live created key.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(created) }.map(|created| &created.rfc6750)))
}

/// Levels that were granted, but are ignored in this mode (`INSPIRE_LEVEL_MODE_IGNITION`): a person should be told.
///
/// \param created may be NULL
/// \return borrowed from `created`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_ignored_levels(
    created: *const inspire_created_key,
) -> *const inspire_str_list {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or a live created key.
        unsafe { ptr::optional(created) }.map_or(std::ptr::null(), |created| &raw const created.ignored_levels)
    })
}

/// Frees a created key, and wipes its secret.
///
/// \param created NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_created_key_free(created: *mut inspire_created_key) {
    // SAFETY: NULL, or a created key that the caller owns and gives up.
    unsafe { ptr::free(created) };
}

//! What a key is to be, what of it is to change, and which are listed.

use inspire_auth_core::{
    Code, Error, Result,
    keys::{Import, ImportFormat, KeyUpdate, ListFilter, NewKey},
    store::Strength,
};

use crate::{
    options::{check_flags, unknown},
    ptr::{self, Growing},
    text::inspire_str,
};

/// As a result: there is no such time. As an input: the same as 0.
///
/// cbindgen:ignore
pub const INSPIRE_NEVER: i64 = i64::MIN;

/// As a `revision`: whichever the key has.
pub const INSPIRE_REVISION_ANY: u64 = u64::MAX;

/// `inspire_key_spec.flags`: the key may also be used over a channel that is not secure.
pub const INSPIRE_KEY_ALLOW_INSECURE: u32 = 1;
/// `inspire_key_spec.flags`: the key begins disabled.
pub const INSPIRE_KEY_DISABLED: u32 = 2;

/// `inspire_key_changes.set`: the description changes.
pub const INSPIRE_SET_DESCRIPTION: u32 = 1;
/// `inspire_key_changes.set`: the levels change.
pub const INSPIRE_SET_LEVELS: u32 = 2;
/// `inspire_key_changes.set`: whether a secure channel is required changes.
pub const INSPIRE_SET_REQUIRE_SECURE: u32 = 4;
/// `inspire_key_changes.set`: whether the key is enabled changes.
pub const INSPIRE_SET_ENABLED: u32 = 8;
/// `inspire_key_changes.set`: the time from which the key is expired changes.
pub const INSPIRE_SET_EXPIRES_AT: u32 = 16;

/// What an imported hash is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_hash_format {
    /// A PHC string of Argon2id, Argon2i or Argon2d.
    INSPIRE_HASH_PHC = 1,
    /// The hash of an Ignition token file.
    INSPIRE_HASH_IGNITION = 2,
}

/// How strong an imported secret is said to be.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_strength {
    /// Chosen by a person, or not known: not remembered in memory, and with a budget of wrong secrets a minute.
    INSPIRE_STRENGTH_CHOSEN = 0,
    /// At least 128 bits from a random source.
    INSPIRE_STRENGTH_RANDOM = 1,
}

/// What a new key is to be. Begin with `INSPIRE_KEY_SPEC_INIT`; all fields but `name` may stay as they are.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_key_spec {
    /// `sizeof(inspire_key_spec)`, as `INSPIRE_KEY_SPEC_INIT` sets it.
    pub struct_size: usize,
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    pub name: inspire_str,
    /// Free text, at most 4096 bytes, without NUL.
    pub description: inspire_str,
    /// Granted security levels, at most 1024.
    pub levels: *const inspire_str,
    /// How many.
    pub level_count: usize,
    /// Unix seconds from which the key is expired; 0 is never.
    pub expires_at: i64,
    /// `INSPIRE_KEY_...` flags, or-ed.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: integers and pointers; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_key_spec {
    const FIRST_SIZE: usize = 72;
}
const _: () = assert!(size_of::<inspire_key_spec>() == 72 || size_of::<usize>() != 8);

/// A key whose secret was made elsewhere, as one of many: only its hash is known. It never grows; what it points to may.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_import {
    /// What the key is to be, begun with `INSPIRE_KEY_SPEC_INIT`.
    pub spec: *const inspire_key_spec,
    /// The hash.
    pub hash: inspire_str,
    /// What `hash` is: one of `INSPIRE_HASH_...`.
    pub format: u32,
    /// How strong the secret is said to be: one of `INSPIRE_STRENGTH_...`.
    pub strength: u32,
}
const _: () = assert!(size_of::<inspire_import>() == 32 || size_of::<usize>() != 8);

/// What of a key is to change. Begin with `INSPIRE_KEY_CHANGES_INIT`; only fields named in `set` are looked at.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_key_changes {
    /// `sizeof(inspire_key_changes)`, as `INSPIRE_KEY_CHANGES_INIT` sets it.
    pub struct_size: usize,
    /// Free text, at most 4096 bytes, without NUL.
    pub description: inspire_str,
    /// Granted security levels: all of them, at most 1024.
    pub levels: *const inspire_str,
    /// How many.
    pub level_count: usize,
    /// Unix seconds from which the key is expired; 0 is never.
    pub expires_at: i64,
    /// `INSPIRE_SET_...` flags, or-ed.
    pub set: u32,
    /// Whether the key needs a secure channel: 0 or 1.
    pub require_secure: u32,
    /// Whether the key may be used at all: 0 or 1.
    pub enabled: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: integers and pointers; `struct_size` first; zero changes nothing.
unsafe impl Growing for inspire_key_changes {
    const FIRST_SIZE: usize = 64;
}
const _: () = assert!(size_of::<inspire_key_changes>() == 64 || size_of::<usize>() != 8);

/// Which keys to list. Begin with `INSPIRE_KEY_FILTER_INIT`, which is all of them.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_key_filter {
    /// `sizeof(inspire_key_filter)`, as `INSPIRE_KEY_FILTER_INIT` sets it.
    pub struct_size: usize,
    /// Only names after this one, in byte order: the last of the page before. Not given: from the first.
    pub after: inspire_str,
    /// Only keys whose grants satisfy this level. Not given: all.
    pub level: inspire_str,
    /// At most so many; 0 is all.
    pub limit: usize,
}

// SAFETY: integers and pointers; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_key_filter {
    const FIRST_SIZE: usize = 48;
}
const _: () = assert!(size_of::<inspire_key_filter>() == 48 || size_of::<usize>() != 8);

fn time(at: i64) -> Option<i64> {
    (at != 0 && at != INSPIRE_NEVER).then_some(at)
}

/// A flag that stands for yes or no.
pub(crate) fn yes_or_no(value: u32, what: &'static str) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(unknown(what)),
    }
}

/// The core's description of a new key.
///
/// # Safety
/// `spec` is as [`ptr::sized`] needs it, and its pointers as the comments of its fields say.
pub(crate) unsafe fn new_key(spec: *const inspire_key_spec) -> Result<NewKey> {
    // SAFETY: the same contract.
    unsafe {
        let spec = ptr::sized(spec)?;
        check_flags(spec.flags, INSPIRE_KEY_ALLOW_INSECURE | INSPIRE_KEY_DISABLED, "spec.flags")?;
        check_flags(spec.reserved, 0, "spec.reserved")?;
        Ok(NewKey {
            name: ptr::text(spec.name, "spec.name")?.to_owned(),
            description: ptr::text(spec.description, "spec.description")?.to_owned(),
            levels: ptr::texts(spec.levels, spec.level_count, "a level")?,
            require_secure: spec.flags & INSPIRE_KEY_ALLOW_INSECURE == 0,
            enabled: spec.flags & INSPIRE_KEY_DISABLED == 0,
            expires_at: time(spec.expires_at),
        })
    }
}

/// The core's description of a key whose secret was made elsewhere.
///
/// # Safety
/// As [`new_key`].
pub(crate) unsafe fn import(import: &inspire_import) -> Result<Import> {
    // SAFETY: the same contract.
    unsafe {
        Ok(Import {
            key: new_key(import.spec)?,
            format: format(import.format)?,
            hash: ptr::text(import.hash, "the hash")?.to_owned(),
            strength: strength(import.strength)?,
        })
    }
}

/// The core's description of many.
///
/// # Safety
/// `first` and `count` are as [`ptr::array`] needs them, and each of the imports is as [`import`] does.
pub(crate) unsafe fn imports(first: *const inspire_import, count: usize) -> Result<Vec<Import>> {
    // SAFETY: the same contract.
    let imports = unsafe { ptr::array(first, count)? };
    // SAFETY: the same contract.
    let read = |(at, each)| unsafe { import(each) }.map_err(|error| error.of_item(at, &format!("import {at}")));
    imports.iter().enumerate().map(read).collect()
}

/// The core's description of a change.
///
/// # Safety
/// As [`new_key`].
pub(crate) unsafe fn update(changes: *const inspire_key_changes) -> Result<KeyUpdate> {
    const SET: u32 = INSPIRE_SET_DESCRIPTION
        | INSPIRE_SET_LEVELS
        | INSPIRE_SET_REQUIRE_SECURE
        | INSPIRE_SET_ENABLED
        | INSPIRE_SET_EXPIRES_AT;
    // SAFETY: the same contract.
    unsafe {
        let changes = ptr::sized(changes)?;
        check_flags(changes.set, SET, "changes.set")?;
        check_flags(changes.reserved, 0, "changes.reserved")?;
        let set = |flag: u32| changes.set & flag != 0;
        let mut update = KeyUpdate::default();
        if set(INSPIRE_SET_DESCRIPTION) {
            update.description = Some(ptr::text(changes.description, "changes.description")?.to_owned());
        }
        if set(INSPIRE_SET_LEVELS) {
            update.levels = Some(ptr::texts(changes.levels, changes.level_count, "a level")?);
        }
        if set(INSPIRE_SET_REQUIRE_SECURE) {
            update.require_secure = Some(yes_or_no(changes.require_secure, "changes.require_secure")?);
        }
        if set(INSPIRE_SET_ENABLED) {
            update.enabled = Some(yes_or_no(changes.enabled, "changes.enabled")?);
        }
        if set(INSPIRE_SET_EXPIRES_AT) {
            update.expires_at = Some(time(changes.expires_at));
        }
        Ok(update)
    }
}

/// The core's filter; NULL is all keys.
///
/// # Safety
/// As [`new_key`].
pub(crate) unsafe fn filter(filter: *const inspire_key_filter) -> Result<ListFilter> {
    if filter.is_null() {
        return Ok(ListFilter::default());
    }
    // SAFETY: the same contract.
    unsafe {
        let filter = ptr::sized(filter)?;
        Ok(ListFilter {
            after: ptr::optional_text(filter.after, "filter.after")?.map(str::to_owned),
            limit: (filter.limit != 0).then_some(filter.limit),
            level: ptr::optional_text(filter.level, "filter.level")?.map(str::to_owned),
        })
    }
}

fn format(value: u32) -> Result<ImportFormat> {
    match value {
        1 => Ok(ImportFormat::Phc),
        2 => Ok(ImportFormat::Ignition),
        _ => Err(unknown("format")),
    }
}

fn strength(value: u32) -> Result<Strength> {
    match value {
        0 => Ok(Strength::Chosen),
        1 => Ok(Strength::Random),
        _ => Err(unknown("strength")),
    }
}

/// A revision that may be left open. 0 is no revision, and no key has it.
pub(crate) fn revision(value: u64) -> Option<u64> {
    (value != INSPIRE_REVISION_ANY).then_some(value)
}

/// A revision that must be said.
pub(crate) fn exact_revision(value: u64) -> Result<u64> {
    revision(value).ok_or(Error::with(Code::InvalidArgument, "an update needs the revision that it changes"))
}

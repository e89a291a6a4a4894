//! Managing keys: every change says who makes it.

use crate::{
    auth::inspire_auth,
    boundary::boundary,
    caller::{self, inspire_caller},
    error::inspire_error,
    key::{inspire_created_key, inspire_key, inspire_keys},
    key_spec::{self, inspire_import, inspire_key_changes, inspire_key_filter, inspire_key_spec, yes_or_no},
    ptr,
    result::inspire_result,
    text::inspire_str,
};

/// Makes a key. Its secret is in `created`, and nowhere else, ever again.
///
/// \param auth the handle
/// \param spec what it is to be, begun with `INSPIRE_KEY_SPEC_INIT`
/// \param caller who makes it; a principal needs the write requirement, and every level that it grants
/// \param created set to the key and its secret; `inspire_created_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_NAME`, `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NAME_TAKEN`, `BUSY`; a
/// `STORE_...` code; `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_create(
    auth: *const inspire_auth,
    spec: *const inspire_key_spec,
    caller: *const inspire_caller,
    created: *mut *mut inspire_created_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(created)?;
            let auth = ptr::object(auth)?;
            let (spec, caller) = (key_spec::new_key(spec)?, caller::read(caller)?);
            out.give(inspire_created_key::new(auth.core.keys().create(&spec, &caller.as_core())?));
            Ok(())
        })
    }
}

/// Adds a key whose secret was made elsewhere: only its hash is given.
///
/// \param auth the handle
/// \param spec what it is to be, begun with `INSPIRE_KEY_SPEC_INIT`
/// \param format one of `INSPIRE_HASH_...`
/// \param hash the hash
/// \param strength one of `INSPIRE_STRENGTH_...`
/// \param caller who adds it; a principal needs the write requirement, and every level that it grants
/// \param key set to the key; `inspire_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return as `inspire_key_create`; `INVALID_HASH`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_import(
    auth: *const inspire_auth,
    spec: *const inspire_key_spec,
    format: u32,
    hash: inspire_str,
    strength: u32,
    caller: *const inspire_caller,
    key: *mut *mut inspire_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let auth = ptr::object(auth)?;
            let import = key_spec::import(&inspire_import { spec, hash, format, strength })?;
            let caller = caller::read(caller)?;
            out.give(inspire_key::new(auth.core.keys().import(&import, &caller.as_core())?));
            Ok(())
        })
    }
}

/// Adds many keys whose secrets were made elsewhere, in one transaction: all of them, or none.
///
/// \param auth the handle
/// \param imports the keys and their hashes
/// \param import_count how many; none are 0, and nothing is written
/// \param caller who adds them; a principal needs the write requirement, and every level that they grant
/// \param imported set to how many were added
/// \param err set on failure; may be NULL. Its detail says which one can't be added, counted from 0, and its name
/// \return as `inspire_key_import`, of the first that can't be added; `NAME_TAKEN` also when two have one name
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_import_all(
    auth: *const inspire_auth,
    imports: *const inspire_import,
    import_count: usize,
    caller: *const inspire_caller,
    imported: *mut u64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::value_out(imported)?;
            let auth = ptr::object(auth)?;
            let imports = key_spec::imports(imports, import_count)?;
            let caller = caller::read(caller)?;
            out.give(auth.core.keys().import_all(&imports, &caller.as_core())?);
            Ok(())
        })
    }
}

/// Reads one key.
///
/// \param auth the handle
/// \param name its name
/// \param key set to the key; `inspire_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `NOT_FOUND`; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_get(
    auth: *const inspire_auth,
    name: inspire_str,
    key: *mut *mut inspire_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let auth = ptr::object(auth)?;
            out.give(inspire_key::new(auth.core.keys().get(ptr::text(name, "the name")?)?));
            Ok(())
        })
    }
}

/// Lists keys, sorted by name in byte order.
///
/// \param auth the handle
/// \param filter which, begun with `INSPIRE_KEY_FILTER_INIT`; NULL is all
/// \param keys set to the keys; `inspire_keys_free` frees them; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_LEVEL`; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_list(
    auth: *const inspire_auth,
    filter: *const inspire_key_filter,
    keys: *mut *mut inspire_keys,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(keys)?;
            let auth = ptr::object(auth)?;
            out.give(inspire_keys::new(auth.core.keys().list(&key_spec::filter(filter)?)?));
            Ok(())
        })
    }
}

/// Reads all keys, as records: what can be kept elsewhere without keeping a secret.
///
/// \param auth the handle
/// \param keys set to the keys; `inspire_keys_free` frees them; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_export(
    auth: *const inspire_auth,
    keys: *mut *mut inspire_keys,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(keys)?;
            out.give(inspire_keys::new(ptr::object(auth)?.core.keys().export()?));
            Ok(())
        })
    }
}

/// Changes a key that still has this revision. Once this has returned, no check that begins later, in any process,
/// decides by what the key was.
///
/// \param auth the handle
/// \param name its name
/// \param revision the one that the caller has seen; not `INSPIRE_REVISION_ANY`
/// \param changes what is to change, begun with `INSPIRE_KEY_CHANGES_INIT`
/// \param caller who changes it; a principal needs the write requirement, and for levels, `require_secure`,
/// `expires_at` and enabling, every level that the key has before and after
/// \param key set to the key as it is then; `inspire_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_LEVEL`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_update(
    auth: *const inspire_auth,
    name: inspire_str,
    revision: u64,
    changes: *const inspire_key_changes,
    caller: *const inspire_caller,
    key: *mut *mut inspire_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let auth = ptr::object(auth)?;
            let name = ptr::text(name, "the name")?;
            let revision = key_spec::exact_revision(revision)?;
            let (update, caller) = (key_spec::update(changes)?, caller::read(caller)?);
            out.give(inspire_key::new(auth.core.keys().update(name, revision, &update, &caller.as_core())?));
            Ok(())
        })
    }
}

/// Gives a key another name. Its secret and identity stay; the old name is unknown from then on.
///
/// \param auth the handle
/// \param name its name
/// \param new_name its name from then on
/// \param revision the one that the caller has seen, or `INSPIRE_REVISION_ANY`
/// \param caller who changes it; a principal needs the write requirement
/// \param key set to the key as it is then; `inspire_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_NAME`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `NAME_TAKEN`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_rename(
    auth: *const inspire_auth,
    name: inspire_str,
    new_name: inspire_str,
    revision: u64,
    caller: *const inspire_caller,
    key: *mut *mut inspire_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let auth = ptr::object(auth)?;
            let (name, new_name) = (ptr::text(name, "the name")?, ptr::text(new_name, "the new name")?);
            let caller = caller::read(caller)?;
            let record = auth.core.keys().rename(name, new_name, key_spec::revision(revision), &caller.as_core())?;
            out.give(inspire_key::new(record));
            Ok(())
        })
    }
}

/// Enables or disables a key.
///
/// \param auth the handle
/// \param name its name
/// \param enabled 0 or 1
/// \param revision the one that the caller has seen, or `INSPIRE_REVISION_ANY`
/// \param caller who changes it; a principal needs the write requirement, and to enable, every level of the key
/// \param key set to the key as it is then; `inspire_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_set_enabled(
    auth: *const inspire_auth,
    name: inspire_str,
    enabled: u32,
    revision: u64,
    caller: *const inspire_caller,
    key: *mut *mut inspire_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            let auth = ptr::object(auth)?;
            let name = ptr::text(name, "the name")?;
            let enabled = yes_or_no(enabled, "enabled")?;
            let caller = caller::read(caller)?;
            let revision = key_spec::revision(revision);
            out.give(inspire_key::new(auth.core.keys().set_enabled(name, enabled, revision, &caller.as_core())?));
            Ok(())
        })
    }
}

/// Makes a key with all the settings of another, a new name and a new secret.
///
/// \param auth the handle
/// \param name the name of the other
/// \param new_name the new key's name
/// \param revision the other's that the caller has seen, or `INSPIRE_REVISION_ANY`
/// \param caller who makes it; a principal needs the write requirement, and every level of the key
/// \param created set to the new key and its secret; `inspire_created_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return as `inspire_key_create`; `NOT_FOUND`, `CONFLICT`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_duplicate(
    auth: *const inspire_auth,
    name: inspire_str,
    new_name: inspire_str,
    revision: u64,
    caller: *const inspire_caller,
    created: *mut *mut inspire_created_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(created)?;
            let auth = ptr::object(auth)?;
            let (name, new_name) = (ptr::text(name, "the name")?, ptr::text(new_name, "the new name")?);
            let caller = caller::read(caller)?;
            let revision = key_spec::revision(revision);
            let copy = auth.core.keys().duplicate(name, new_name, revision, &caller.as_core())?;
            out.give(inspire_created_key::new(copy));
            Ok(())
        })
    }
}

/// Gives a key a new secret. The one before stays good beside it for a while, if that is asked for; older ones are
/// refused at once.
///
/// \param auth the handle
/// \param name its name
/// \param overlap_seconds how long the old secret stays good beside the new one, at most 31536000 (a year), and never
/// beyond its own end or the key's; with 0 it is refused from then on
/// \param revision the one that the caller has seen, or `INSPIRE_REVISION_ANY`
/// \param caller who changes it; a principal needs the write requirement, and every level of the key
/// \param created set to the key as it is then and its new secret; `inspire_created_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`, `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`, `BUSY`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_rotate(
    auth: *const inspire_auth,
    name: inspire_str,
    overlap_seconds: u64,
    revision: u64,
    caller: *const inspire_caller,
    created: *mut *mut inspire_created_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(created)?;
            let auth = ptr::object(auth)?;
            let name = ptr::text(name, "the name")?;
            let caller = caller::read(caller)?;
            let revision = key_spec::revision(revision);
            let rotated = auth.core.keys().rotate(name, overlap_seconds, revision, &caller.as_core())?;
            out.give(inspire_created_key::new(rotated));
            Ok(())
        })
    }
}

/// Deletes a key. It is revoked at once, for every process, and can't be brought back.
///
/// \param auth the handle
/// \param name its name
/// \param revision the one that the caller has seen, or `INSPIRE_REVISION_ANY`
/// \param caller who deletes it; a principal needs the write requirement
/// \param err set on failure; may be NULL
/// \return `OK`; `PERMISSION_DENIED`, `NOT_FOUND`, `CONFLICT`; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_delete(
    auth: *const inspire_auth,
    name: inspire_str,
    revision: u64,
    caller: *const inspire_caller,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let auth = ptr::object(auth)?;
            let name = ptr::text(name, "the name")?;
            let caller = caller::read(caller)?;
            auth.core.keys().delete(name, key_spec::revision(revision), &caller.as_core())
        })
    }
}

/// Seals every key anew under the current pepper, whatever its seal says: after a first pepper was configured, or after
/// a look at the store.
///
/// \param auth the handle
/// \param caller `INSPIRE_ACTOR_SYSTEM`: only the host itself may vouch for every key
/// \param count set to how many were sealed
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT` without a pepper, `PERMISSION_DENIED` for a principal; a `STORE_...` code;
/// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_key_seal_all(
    auth: *const inspire_auth,
    caller: *const inspire_caller,
    count: *mut u64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::value_out(count)?;
            let auth = ptr::object(auth)?;
            out.give(auth.core.keys().seal_all(&caller::read(caller)?.as_core())?);
            Ok(())
        })
    }
}

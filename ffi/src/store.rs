//! Backups of an SQLite store.

use inspire_auth_core::store::{LicenseRestored, RestoreOptions, RestoreReport, SqliteStore};

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    options::check_flags,
    ptr,
    result::inspire_result,
    text::{inspire_str, inspire_str_list},
};

/// `inspire_store_restore`: keys that the live store has no history of come back as they were, instead of disabled. For
/// a new machine, when the operator knows that none of them was revoked since.
pub const INSPIRE_RESTORE_ACCEPT_REVIVED: u32 = 1;

/// What became of the license in a restore.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_restored_license {
    /// Neither store has one.
    INSPIRE_RESTORED_LICENSE_NONE = 0,
    /// The live store's stays.
    INSPIRE_RESTORED_LICENSE_KEPT = 1,
    /// The backup's was installed.
    INSPIRE_RESTORED_LICENSE_RESTORED = 2,
    /// The backup's was left out, since a license was deactivated here: install its newest file.
    INSPIRE_RESTORED_LICENSE_LEFT_OUT = 3,
}

/// What a restore did, in numbers of keys.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct inspire_restore_counts {
    /// In both stores, and the live one at least as new: untouched.
    pub kept: u64,
    /// Older in the live store: taken from the backup.
    pub updated: u64,
    /// Unknown to the live store: inserted as they were.
    pub revived: u64,
    /// Those that the restore disabled, to be enabled by an operator.
    pub disabled: u64,
    /// Deleted in the live store since the backup: stay deleted.
    pub stayed_deleted: u64,
    /// Left out, since another live key has the name.
    pub name_taken: u64,
    /// In the live store only: deleted.
    pub deleted: u64,
}

/// What a restore did.
pub struct inspire_restore_report {
    core: RestoreReport,
    deleted: inspire_str_list,
}

/// Copies a store to a new file, while it is in use.
///
/// \param store the path of the store
/// \param to the path of the copy, which must not exist
/// \param err set on failure; may be NULL
/// \return `OK`, or a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_store_backup(
    store: inspire_str,
    to: inspire_str,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let (store, to) = (ptr::path(store, "the path of the store")?, ptr::path(to, "the path of the copy")?);
            SqliteStore::open(store)?.backup(to)
        })
    }
}

/// Brings a backup back into a store, through SQLite: it revives nothing that was revoked since, and what nothing is
/// known of comes back disabled.
///
/// \param store the path of the store
/// \param from the path of the backup
/// \param flags 0 or `INSPIRE_RESTORE_ACCEPT_REVIVED`
/// \param report set to what was done; `inspire_restore_report_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_store_restore(
    store: inspire_str,
    from: inspire_str,
    flags: u32,
    report: *mut *mut inspire_restore_report,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(report)?;
            let (store, from) =
                (ptr::path(store, "the path of the store")?, ptr::path(from, "the path of the backup")?);
            check_flags(flags, INSPIRE_RESTORE_ACCEPT_REVIVED, "flags")?;
            let options = RestoreOptions { accept_revived: flags & INSPIRE_RESTORE_ACCEPT_REVIVED != 0 };
            let core = SqliteStore::open(store)?.restore(from, options)?;
            out.give(inspire_restore_report { deleted: inspire_str_list::new(&core.deleted), core });
            Ok(())
        })
    }
}

/// What a restore did, in numbers of keys.
///
/// \param report may be NULL
/// \return all zero for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_restore_report_counts(
    report: *const inspire_restore_report,
) -> inspire_restore_counts {
    infallible(inspire_restore_counts::default(), || {
        // SAFETY: NULL or a live report.
        unsafe { ptr::optional(report) }.map_or_else(inspire_restore_counts::default, |report| inspire_restore_counts {
            kept: report.core.kept,
            updated: report.core.updated,
            revived: report.core.revived,
            disabled: report.core.disabled,
            stayed_deleted: report.core.stayed_deleted,
            name_taken: report.core.name_taken,
            deleted: u64::try_from(report.core.deleted.len()).unwrap_or(u64::MAX),
        })
    })
}

/// The names of the keys that a restore deleted.
///
/// \param report may be NULL
/// \return borrowed from `report`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_restore_report_deleted(
    report: *const inspire_restore_report,
) -> *const inspire_str_list {
    infallible(std::ptr::null(), || {
        // SAFETY: NULL or a live report.
        unsafe { ptr::optional(report) }.map_or(std::ptr::null(), |report| &raw const report.deleted)
    })
}

/// What became of the license.
///
/// \param report may be NULL
/// \return one of `INSPIRE_RESTORED_LICENSE_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_restore_report_license(report: *const inspire_restore_report) -> u32 {
    infallible(0, || {
        // SAFETY: NULL or a live report.
        match unsafe { ptr::optional(report) }.map_or(LicenseRestored::None, |report| report.core.license) {
            LicenseRestored::None => 0,
            LicenseRestored::Kept => 1,
            LicenseRestored::Restored => 2,
            LicenseRestored::LeftOut => 3,
        }
    })
}

/// Frees a report.
///
/// \param report NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_restore_report_free(report: *mut inspire_restore_report) {
    // SAFETY: NULL, or a report that the caller owns and gives up.
    unsafe { ptr::free(report) };
}

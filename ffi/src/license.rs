//! The installed license: what a status page shows.

use inspire_auth_core::license::{Mode, State, Status};

use crate::{
    boundary::infallible,
    key_spec::INSPIRE_NEVER,
    limit::inspire_limits,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, inspire_str_list, lend},
};

/// Whether the license may be used.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_license_states {
    /// No license is installed.
    INSPIRE_LICENSE_UNLICENSED = 0,
    /// The license is good.
    INSPIRE_LICENSE_ACTIVE = 1,
    /// The license, or its file, has expired.
    INSPIRE_LICENSE_EXPIRED = 2,
    /// The vendor has suspended the license.
    INSPIRE_LICENSE_SUSPENDED = 3,
    /// The license can't be used for another reason.
    INSPIRE_LICENSE_INVALID = 4,
}

/// How the license was activated.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_license_modes {
    /// No license is installed.
    INSPIRE_LICENSE_MODE_NONE = 0,
    /// Against a licensing server, which gave a lease.
    INSPIRE_LICENSE_MODE_ONLINE = 1,
    /// From a file.
    INSPIRE_LICENSE_MODE_OFFLINE = 2,
}

/// The license as it was at one moment. It does not change with the license.
pub struct inspire_license {
    status: Status,
    name: Option<Text>,
    key: Option<Text>,
    limits: inspire_limits,
    entitlements: inspire_str_list,
    warnings: inspire_str_list,
}

impl inspire_license {
    pub(crate) fn new(status: Status) -> Self {
        Self {
            name: status.name.as_deref().map(Text::new),
            key: status.key.as_deref().map(Text::new),
            limits: inspire_limits::new(&status.limits),
            entitlements: inspire_str_list::new(&status.entitlements),
            warnings: inspire_str_list::new(status.warnings.iter().map(|warning| warning.as_str())),
            status,
        }
    }
}

/// # Safety
/// `license` is NULL or a live license.
unsafe fn value<T: Copy>(license: *const inspire_license, none: T, of: impl FnOnce(&Status) -> T) -> T {
    // SAFETY: the same contract.
    infallible(none, || unsafe { ptr::optional(license) }.map_or(none, |license| of(&license.status)))
}

/// # Safety
/// `license` is NULL or a live license.
unsafe fn part<T>(license: *const inspire_license, of: fn(&inspire_license) -> &T) -> *const T {
    infallible(std::ptr::null(), || {
        // SAFETY: the same contract.
        unsafe { ptr::optional(license) }.map_or(std::ptr::null(), |license| std::ptr::from_ref(of(license)))
    })
}

/// Whether the license may be used.
///
/// \param license may be NULL
/// \return one of `INSPIRE_LICENSE_...`; `INSPIRE_LICENSE_UNLICENSED` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_state(license: *const inspire_license) -> u32 {
    let of = |status: &Status| match status.state {
        State::Unlicensed => 0,
        State::Active => 1,
        State::Expired => 2,
        State::Suspended => 3,
        State::Invalid => 4,
    };
    // SAFETY: NULL or a live license.
    unsafe { value(license, 0, of) }
}

/// Why the license may not be used: the first check that fails.
///
/// \param license may be NULL
/// \return `INSPIRE_RESULT_OK` when it is active; `INSPIRE_RESULT_UNLICENSED` when there is none, and for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_reason(license: *const inspire_license) -> inspire_result {
    use inspire_auth_core::Code;
    // SAFETY: NULL or a live license.
    unsafe { value(license, Code::Unlicensed.number(), |status| status.reason.unwrap_or(Code::Ok).number()) }
}

/// The license's name.
///
/// \param license may be NULL
/// \return borrowed from `license`; `{NULL, 0}` when it has none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_name(license: *const inspire_license) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live license.
        lend(unsafe { ptr::optional(license) }.and_then(|license| license.name.as_ref()))
    })
}

/// The license key, masked: "********" and its last 4 characters.
///
/// \param license may be NULL
/// \return borrowed from `license`; `{NULL, 0}` when no license is installed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_key(license: *const inspire_license) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live license.
        lend(unsafe { ptr::optional(license) }.and_then(|license| license.key.as_ref()))
    })
}

/// How the license was activated.
///
/// \param license may be NULL
/// \return one of `INSPIRE_LICENSE_MODE_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_mode(license: *const inspire_license) -> u32 {
    let of = |status: &Status| match status.mode {
        None => 0,
        Some(Mode::Online) => 1,
        Some(Mode::Offline) => 2,
    };
    // SAFETY: NULL or a live license.
    unsafe { value(license, 0, of) }
}

/// When the license ends.
///
/// \param license may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_expires_at(license: *const inspire_license) -> i64 {
    // SAFETY: NULL or a live license.
    unsafe { value(license, INSPIRE_NEVER, |status| status.expires_at.unwrap_or(INSPIRE_NEVER)) }
}

/// When the installed file ends, for whatever reason.
///
/// \param license may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_lease_expires_at(license: *const inspire_license) -> i64 {
    // SAFETY: NULL or a live license.
    unsafe { value(license, INSPIRE_NEVER, |status| status.lease_expires_at.unwrap_or(INSPIRE_NEVER)) }
}

/// When the license was last installed, or validated with success.
///
/// \param license may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_last_validated_at(license: *const inspire_license) -> i64 {
    // SAFETY: NULL or a live license.
    unsafe { value(license, INSPIRE_NEVER, |status| status.last_validated_at.unwrap_or(INSPIRE_NEVER)) }
}

/// When the licensing server was last asked in vain, since the license was last validated.
///
/// \param license may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_last_attempt_at(license: *const inspire_license) -> i64 {
    // SAFETY: NULL or a live license.
    unsafe { value(license, INSPIRE_NEVER, |status| status.last_attempt.map_or(INSPIRE_NEVER, |attempt| attempt.at)) }
}

/// Why it was in vain.
///
/// \param license may be NULL
/// \return such as `INSPIRE_RESULT_NETWORK_TIMEOUT`; `INSPIRE_RESULT_OK` when it was not
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_last_attempt_code(license: *const inspire_license) -> inspire_result {
    // SAFETY: NULL or a live license.
    unsafe { value(license, 0, |status| status.last_attempt.map_or(0, |attempt| attempt.code.number())) }
}

/// The limits in force: all 0 unless the license is active.
///
/// \param license may be NULL
/// \return borrowed from `license`; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_limits(license: *const inspire_license) -> *const inspire_limits {
    // SAFETY: NULL or a live license.
    unsafe { part(license, |license| &license.limits) }
}

/// The codes of the entitlements in force, byte-sorted: none unless the license is active.
///
/// \param license may be NULL
/// \return borrowed from `license`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_entitlements(license: *const inspire_license) -> *const inspire_str_list {
    // SAFETY: NULL or a live license.
    unsafe { part(license, |license| &license.entitlements) }
}

/// What will need attention: "EXPIRES_SOON", "LEASE_ENDS_SOON", "CLOCK_SUSPECT", "NOT_MACHINE_BOUND".
///
/// \param license may be NULL
/// \return borrowed from `license`, not to be freed; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_warnings(license: *const inspire_license) -> *const inspire_str_list {
    // SAFETY: NULL or a live license.
    unsafe { part(license, |license| &license.warnings) }
}

/// Frees a license.
///
/// \param license NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_license_free(license: *mut inspire_license) {
    // SAFETY: NULL, or a license that the caller owns and gives up.
    unsafe { ptr::free(license) };
}

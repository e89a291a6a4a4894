//! Reading a license file without installing it.

use inspire_auth_core::{
    Error,
    license::{InspectOptions, Inspection, Kind, inspect},
};

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    key_spec::INSPIRE_NEVER,
    license_keys::{inspire_trusted_key, trusted_keys},
    limit::inspire_limits,
    options::check_flags,
    ptr::{self, Growing},
    result::inspire_result,
    text::{Text, inspire_str, inspire_str_list, lend},
};

/// What a license file was issued for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_file_kind {
    /// Not known: header and footer can't be read.
    INSPIRE_FILE_UNKNOWN = 0,
    /// A license file: names no machine.
    INSPIRE_FILE_LICENSE = 1,
    /// A machine file: good on the machine whose fingerprint it holds.
    INSPIRE_FILE_MACHINE = 2,
}

/// `inspire_inspect_options.flags`: the file must be fit for an offline installation.
pub const INSPIRE_INSPECT_OFFLINE: u32 = 1;

/// What a file is inspected against. Begin with `INSPIRE_INSPECT_OPTIONS_INIT`; what is not given is not judged.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_inspect_options {
    /// `sizeof(inspire_inspect_options)`, as `INSPIRE_INSPECT_OPTIONS_INIT` sets it.
    pub struct_size: usize,
    /// Public keys whose signatures are believed. With none, no file verifies.
    pub trusted_keys: *const inspire_trusted_key,
    /// How many.
    pub trusted_key_count: usize,
    /// The license key: decrypts the file, and must be the one in it.
    pub license_key: inspire_str,
    /// A machine's fingerprint: decrypts a machine file, and must be the one in it. Never that of this machine, unless
    /// it is given.
    pub machine_id: inspire_str,
    /// The product id that the license must be for.
    pub product: inspire_str,
    /// Unix seconds; 0 is the system's clock.
    pub now: i64,
    /// `INSPIRE_INSPECT_...` flags, or-ed.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: integers and pointers; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_inspect_options {
    const FIRST_SIZE: usize = 88;
}
const _: () = assert!(size_of::<inspire_inspect_options>() == 88 || size_of::<usize>() != 8);

/// What a file says, and what is wrong with it.
pub struct inspire_inspection {
    core: Inspection,
    fingerprint: Option<Text>,
    license: Option<License>,
}

/// The license in a file, ready for C.
struct License {
    id: Text,
    key: Option<Text>,
    name: Option<Text>,
    status: Option<Text>,
    expires_at: Option<i64>,
    limits: inspire_limits,
    entitlements: inspire_str_list,
    metadata: Text,
}

impl inspire_inspection {
    fn new(core: Inspection) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Text::new);
        let license = core.license.as_ref().map(|license| License {
            id: Text::new(&license.id),
            key: text(&license.key),
            name: text(&license.name),
            status: text(&license.status),
            expires_at: license.expires_at,
            limits: inspire_limits::new(&license.limits),
            entitlements: inspire_str_list::new(&license.entitlements),
            metadata: Text::new(&license.metadata.to_string()),
        });
        Self { fingerprint: text(&core.machine_fingerprint), license, core }
    }
}

/// Reads a license file, and runs every check on it, without installing anything. Needs no handle.
///
/// \param file the bytes of the `.lic` file
/// \param options what it is judged against, begun with `INSPIRE_INSPECT_OPTIONS_INIT`
/// \param inspection set to what was found, *also when checks fail*; `inspire_inspection_free` frees it; NULL only when
/// the arguments can't be read
/// \param err set on failure; may be NULL
/// \return `OK`; the first check that fails; `WEAK_TRUSTED_KEY`, `INVALID_ARGUMENT` for options that can't be used
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_run(
    file: inspire_str,
    options: *const inspire_inspect_options,
    inspection: *mut *mut inspire_inspection,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(inspection)?;
            let file = ptr::bytes(file)?;
            let options = ptr::sized(options)?;
            check_flags(options.flags, INSPIRE_INSPECT_OFFLINE, "options.flags")?;
            check_flags(options.reserved, 0, "options.reserved")?;
            let trusted_keys = trusted_keys(options.trusted_keys, options.trusted_key_count)?;
            let found = inspect(
                file,
                &InspectOptions {
                    trusted_keys: &trusted_keys,
                    license_key: ptr::optional_text(options.license_key, "options.license_key")?,
                    machine_id: ptr::optional_text(options.machine_id, "options.machine_id")?,
                    product: ptr::optional_text(options.product, "options.product")?,
                    now: Some(options.now),
                    offline: options.flags & INSPIRE_INSPECT_OFFLINE != 0,
                },
            );
            let failure = found.failures.first().copied();
            out.give(inspire_inspection::new(found));
            failure.map_or(Ok(()), |code| Err(Error::new(code)))
        })
    }
}

/// # Safety
/// `inspection` is NULL or a live inspection.
unsafe fn text(
    inspection: *const inspire_inspection,
    of: impl FnOnce(&inspire_inspection) -> Option<&Text>,
) -> inspire_str {
    // SAFETY: the same contract.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(inspection) }.and_then(of)))
}

/// # Safety
/// `inspection` is NULL or a live inspection.
unsafe fn license_text(
    inspection: *const inspire_inspection,
    of: impl FnOnce(&License) -> Option<&Text>,
) -> inspire_str {
    // SAFETY: the same contract.
    unsafe { text(inspection, |inspection| inspection.license.as_ref().and_then(of)) }
}

/// # Safety
/// `inspection` is NULL or a live inspection.
unsafe fn time(inspection: *const inspire_inspection, of: impl FnOnce(&inspire_inspection) -> Option<i64>) -> i64 {
    // SAFETY: the same contract.
    infallible(INSPIRE_NEVER, || unsafe { ptr::optional(inspection) }.and_then(of).unwrap_or(INSPIRE_NEVER))
}

/// # Safety
/// `inspection` is NULL or a live inspection.
unsafe fn license_part<T>(inspection: *const inspire_inspection, of: fn(&License) -> &T) -> *const T {
    infallible(std::ptr::null(), || {
        // SAFETY: the same contract.
        let license = unsafe { ptr::optional(inspection) }.and_then(|inspection| inspection.license.as_ref());
        license.map_or(std::ptr::null(), |license| std::ptr::from_ref(of(license)))
    })
}

/// How many checks failed.
///
/// \param inspection may be NULL
/// \return 0 when the file is good; 1 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_failure_count(inspection: *const inspire_inspection) -> usize {
    // SAFETY: NULL or a live inspection.
    infallible(1, || unsafe { ptr::optional(inspection) }.map_or(1, |found| found.core.failures.len()))
}

/// One check that failed, in the order of checking; each stands once.
///
/// \param inspection may be NULL
/// \param index from 0
/// \return a code; `INSPIRE_RESULT_OK` beyond the end; `INSPIRE_RESULT_NULL_PARAMETER` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_failure_at(
    inspection: *const inspire_inspection,
    index: usize,
) -> inspire_result {
    use inspire_auth_core::Code;
    let code = infallible(Code::Internal, || {
        // SAFETY: NULL or a live inspection.
        unsafe { ptr::optional(inspection) }
            .map_or(Code::NullParameter, |found| found.core.failures.get(index).copied().unwrap_or(Code::Ok))
    });
    code.number()
}

/// What the file was issued for.
///
/// \param inspection may be NULL
/// \return one of `INSPIRE_FILE_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_kind(inspection: *const inspire_inspection) -> u32 {
    infallible(0, || {
        // SAFETY: NULL or a live inspection.
        match unsafe { ptr::optional(inspection) }.and_then(|found| found.core.kind) {
            None => 0,
            Some(Kind::License) => 1,
            Some(Kind::Machine) => 2,
        }
    })
}

/// When the file was issued.
///
/// \param inspection may be NULL
/// \return Unix seconds; `INSPIRE_NEVER` when the payload was not read
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_issued_at(inspection: *const inspire_inspection) -> i64 {
    // SAFETY: NULL or a live inspection.
    unsafe { time(inspection, |found| found.core.issued_at) }
}

/// When the file ends, as it says itself.
///
/// \param inspection may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`, also when the payload was not read
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_file_expires_at(inspection: *const inspire_inspection) -> i64 {
    // SAFETY: NULL or a live inspection.
    unsafe { time(inspection, |found| found.core.file_expires_at) }
}

/// The fingerprint of the machine that a machine file was made for.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_machine_fingerprint(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { text(inspection, |found| found.fingerprint.as_ref()) }
}

/// Whether the license in the file was read. The functions below say nothing otherwise.
///
/// \param inspection may be NULL
/// \return false for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_has_license(inspection: *const inspire_inspection) -> bool {
    // SAFETY: NULL or a live inspection.
    infallible(false, || unsafe { ptr::optional(inspection) }.is_some_and(|found| found.license.is_some()))
}

/// The license's id at its issuer.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_license_id(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { license_text(inspection, |license| Some(&license.id)) }
}

/// The license key, not masked.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_license_key(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { license_text(inspection, |license| license.key.as_ref()) }
}

/// The license's name.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_license_name(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { license_text(inspection, |license| license.name.as_ref()) }
}

/// The status that the issuer wrote, such as "ACTIVE".
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_license_status(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { license_text(inspection, |license| license.status.as_ref()) }
}

/// When the license ends.
///
/// \param inspection may be NULL
/// \return Unix seconds; `INSPIRE_NEVER`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_license_expires_at(inspection: *const inspire_inspection) -> i64 {
    // SAFETY: NULL or a live inspection.
    unsafe { time(inspection, |found| found.license.as_ref().and_then(|license| license.expires_at)) }
}

/// The limits that the license names.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; NULL when there is no license
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_limits(inspection: *const inspire_inspection) -> *const inspire_limits {
    // SAFETY: NULL or a live inspection.
    unsafe { license_part(inspection, |license| &license.limits) }
}

/// The codes of the license's entitlements, byte-sorted; none also when they were not included.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`, not to be freed; NULL when there is no license
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_entitlements(
    inspection: *const inspire_inspection,
) -> *const inspire_str_list {
    // SAFETY: NULL or a live inspection.
    unsafe { license_part(inspection, |license| &license.entitlements) }
}

/// The license's metadata, as it stands in the file: a JSON object.
///
/// \param inspection may be NULL
/// \return borrowed from `inspection`; `{NULL, 0}` when there is no license
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_metadata(inspection: *const inspire_inspection) -> inspire_str {
    // SAFETY: NULL or a live inspection.
    unsafe { license_text(inspection, |license| Some(&license.metadata)) }
}

/// Frees an inspection.
///
/// \param inspection NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_inspection_free(inspection: *mut inspire_inspection) {
    // SAFETY: NULL, or an inspection that the caller owns and gives up.
    unsafe { ptr::free(inspection) };
}

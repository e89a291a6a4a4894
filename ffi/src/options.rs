//! What a host decides once, when it opens a handle.

use std::{
    ffi::c_void,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use inspire_auth_core::{
    AuditFailure, AuditFile, Code, Enforcement, Error, HashParameters, LevelMode, Options, Pepper, Result,
    StoreLocation, keys::RequirementSpec, store::Scheme,
};
use zeroize::Zeroizing;

use crate::{
    audit::{inspire_audit_event, sink},
    key_spec::yes_or_no,
    license_keys::{inspire_trusted_key, trusted_keys},
    ptr::{self, Growing},
    server::{self, inspire_server},
    text::inspire_str,
};

/// Which reading of security levels applies.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_level_mode {
    /// Every grant counts.
    INSPIRE_LEVEL_MODE_DEFAULT = 0,
    /// As in Ignition: grants under "Authenticated/Roles" and "SecurityZones" are ignored.
    INSPIRE_LEVEL_MODE_IGNITION = 1,
}

/// What a gate does when the license does not allow something.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_enforcement {
    /// Refuse.
    INSPIRE_ENFORCEMENT_STRICT = 0,
    /// Grant, with a warning on the principal.
    INSPIRE_ENFORCEMENT_WARN = 1,
    /// Grant, with an audit event.
    INSPIRE_ENFORCEMENT_REPORT_ONLY = 2,
}

/// What happens to a change that the audit file can't record.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_audit_failure {
    /// It is made all the same; the failure is counted.
    INSPIRE_AUDIT_FAILURE_WARN = 0,
    /// It is refused with `AUDIT_UNAVAILABLE`, and nothing is changed.
    INSPIRE_AUDIT_FAILURE_DENY_MUTATIONS = 1,
}

/// How generated keys are hashed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_scheme {
    /// Argon2id.
    INSPIRE_SCHEME_ARGON2 = 0,
    /// HMAC-SHA-256 under the current pepper: for fleets that restart with thousands of active keys.
    INSPIRE_SCHEME_HMAC_SHA256 = 1,
}

/// What a requirement asks for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_require {
    /// There is no requirement: what it guards is closed to every principal.
    INSPIRE_REQUIRE_NONE = 0,
    /// At least one of the levels. An empty list is satisfied by nobody.
    INSPIRE_REQUIRE_ANY = 1,
    /// All of the levels. An empty list is satisfied by nobody.
    INSPIRE_REQUIRE_ALL = 2,
}

/// `inspire_auth_options.flags`: the channel `INSPIRE_CHANNEL_LOCAL` satisfies keys that need a secure one.
pub const INSPIRE_AUTH_LOCAL_IS_SECURE: u32 = 1;
/// `inspire_auth_options.flags`: imported secrets that people chose are remembered in memory after their first success.
pub const INSPIRE_AUTH_REMEMBER_CHOSEN: u32 = 2;
/// `inspire_auth_options.flags`: a license file, which names no machine, may be installed.
pub const INSPIRE_AUTH_ALLOW_UNBOUND: u32 = 4;
/// `inspire_auth_options.flags`: license refusals answer HTTP 402 instead of 403.
pub const INSPIRE_AUTH_PAYMENT_REQUIRED: u32 = 8;

/// A list of security levels, and how many of them are needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_requirement_spec {
    /// One of `INSPIRE_REQUIRE_...`.
    pub kind: u32,
    /// The levels, such as "Authenticated/Ops/Write".
    pub levels: *const inspire_str,
    /// How many.
    pub level_count: usize,
}

/// A secret of the host's that is mixed into hashes and seals, and kept outside the store.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_pepper {
    /// Its name, kept with each hash: 1 to 32 characters of `[A-Za-z0-9._-]`.
    pub id: inspire_str,
    /// At least 16 bytes; copied, and wiped when the handle is freed.
    pub secret: inspire_str,
}

/// Receives audit events as they happen, on whatever thread caused them, several at once. It must not block, must not
/// call a function on the handle, and must not unwind (throw) or `longjmp` out.
///
/// `event` lives as long as the call. `userdata` is that of the options, and must live as long as the handle.
pub type inspire_audit_fn = Option<unsafe extern "C" fn(userdata: *mut c_void, event: *const inspire_audit_event)>;

/// What a host decides once. Begin with `INSPIRE_AUTH_OPTIONS_INIT`; zero is the default of every field but `store`.
/// Everything is copied: nothing that is pointed to need outlive the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_auth_options {
    /// `sizeof(inspire_auth_options)`, as `INSPIRE_AUTH_OPTIONS_INIT` sets it.
    pub struct_size: usize,
    /// Where keys and license state are kept: the path of an SQLite file, made with mode 0600 if it is not there; the
    /// URL of a PostgreSQL database ("postgresql://...", docs/clusters.md); or ":memory:".
    pub store: inspire_str,
    /// The realm in challenges: 1 to 200 printable ASCII characters without `"` and `\`. Not given: "inspire".
    pub realm: inspire_str,
    /// Header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`.
    pub extra_headers: *const inspire_str,
    /// How many.
    pub extra_header_count: usize,
    /// One of `INSPIRE_LEVEL_MODE_...`.
    pub level_mode: u32,
    /// One of `INSPIRE_ENFORCEMENT_...`.
    pub enforcement: u32,
    /// One of `INSPIRE_SCHEME_...`, for keys that are generated from now on.
    pub scheme: u32,
    /// `INSPIRE_AUTH_...` flags, or-ed.
    pub flags: u32,
    /// Argon2id memory for new hashes, in KiB, up to 1 GiB. 0: 19456.
    pub hash_memory_kib: u32,
    /// Argon2id passes for new hashes, up to 64. 0: 2.
    pub hash_iterations: u32,
    /// Argon2id lanes for new hashes, up to 16. 0: 1.
    pub hash_parallelism: u32,
    /// Wrong secrets a minute, for each imported key with a chosen secret, before it answers `BUSY`. 0: 10.
    pub chosen_failures_per_minute: u32,
    /// Bytes of memory that all hashing of this handle may take together; at least one hash's. 0: 64 MiB.
    pub max_hash_memory: u64,
    /// How long a license file is good after it was issued, in seconds, when its license does not hold
    /// `OFFLINE_LICENSING`. 0: 30 days.
    pub max_lease: u64,
    /// Peppers: the first is current, the others are retired and only read.
    pub peppers: *const inspire_pepper,
    /// How many.
    pub pepper_count: usize,
    /// What an actor needs to change keys.
    pub write_requirement: inspire_requirement_spec,
    /// What an actor needs to change the license.
    pub admin_requirement: inspire_requirement_spec,
    /// Public keys whose signatures on license files are believed.
    pub trusted_keys: *const inspire_trusted_key,
    /// How many.
    pub trusted_key_count: usize,
    /// The product id that a license must be for. Not given: any.
    pub product: inspire_str,
    /// The machine's fingerprint, when the host knows better. Not given: from the operating system.
    pub machine_id: inspire_str,
    /// Receives audit events as they happen, besides the store; NULL for none. See `inspire_audit_fn`.
    pub audit: inspire_audit_fn,
    /// Passed to `audit`.
    pub audit_userdata: *mut c_void,
    /// A file that every change and every denial is written to, one JSON object a line; made with mode 0600 when it is
    /// not there. Any number of processes may write it. Not given: none, and then nothing below may be given either.
    /// `docs/audit.md` has its schema.
    pub audit_file: inspire_str,
    /// The file is renamed to `<path>.1` (and so on) before it would grow past so many bytes; at least 64 KiB. 0: 64 MiB.
    pub audit_max_bytes: u64,
    /// How many renamed files are kept, up to 1000. 0: 10.
    pub audit_keep: u32,
    /// 1: each line of the file holds the SHA-256 of the one before it, which `inspire-auth audit verify` checks.
    pub audit_chain: u32,
    /// One of `INSPIRE_AUDIT_FAILURE_...`.
    pub audit_on_failure: u32,
    /// The licensing server. NULL: licenses are installed from files, and nothing ever connects anywhere.
    pub server: *const inspire_server,
}

// SAFETY: integers and pointers, an optional function pointer among them; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_auth_options {
    const FIRST_SIZE: usize = 232;
}
const _: () = assert!(size_of::<inspire_auth_options>() == 280 || size_of::<usize>() != 8);

impl inspire_requirement_spec {
    /// What it asks for; `None` when there is no requirement.
    ///
    /// # Safety
    /// Its pointer is as [`ptr::texts`] needs it.
    pub(crate) unsafe fn read(&self) -> Result<Option<RequirementSpec>> {
        // SAFETY: the same contract.
        let levels = || unsafe { ptr::texts(self.levels, self.level_count, "a level") };
        match self.kind {
            0 => Ok(None),
            1 => Ok(Some(RequirementSpec::Any(levels()?))),
            2 => Ok(Some(RequirementSpec::All(levels()?))),
            _ => Err(unknown("the kind of a requirement")),
        }
    }
}

/// An enumerator or a flag that this version does not know.
pub(crate) fn unknown(what: &'static str) -> Error {
    Error::with(Code::InvalidArgument, format!("{what} has a value that is not defined"))
}

/// Refuses flags that are not defined.
pub(crate) fn check_flags(flags: u32, defined: u32, what: &'static str) -> Result<()> {
    if flags & !defined == 0 { Ok(()) } else { Err(unknown(what)) }
}

/// The core's options.
///
/// # Safety
/// Every pointer in `options` is as the comments of its fields say.
pub(crate) unsafe fn read(options: &inspire_auth_options) -> Result<Options> {
    const FLAGS: u32 = INSPIRE_AUTH_LOCAL_IS_SECURE
        | INSPIRE_AUTH_REMEMBER_CHOSEN
        | INSPIRE_AUTH_ALLOW_UNBOUND
        | INSPIRE_AUTH_PAYMENT_REQUIRED;
    check_flags(options.flags, FLAGS, "options.flags")?;
    // SAFETY: for every use below, the same contract.
    let text = |string, what| unsafe { ptr::optional_text(string, what) };
    if options.store.data.is_null() {
        return Err(Error::with(Code::InvalidArgument, "options.store is not given"));
    }
    // SAFETY: the same contract.
    let path = unsafe { ptr::path(options.store, "options.store")? };
    let store = path.to_str().map_or_else(|| StoreLocation::Path(path.to_owned()), StoreLocation::parse);
    let mut read = Options::new(store);
    if let Some(realm) = text(options.realm, "options.realm")? {
        realm.clone_into(&mut read.realm);
    }
    // SAFETY: the same contract.
    read.extra_headers =
        unsafe { ptr::texts(options.extra_headers, options.extra_header_count, "a name in options.extra_headers")? };
    read.mode = match options.level_mode {
        0 => LevelMode::Default,
        1 => LevelMode::Ignition,
        _ => return Err(unknown("options.level_mode")),
    };
    read.enforcement = match options.enforcement {
        0 => Enforcement::Strict,
        1 => Enforcement::Warn,
        2 => Enforcement::ReportOnly,
        _ => return Err(unknown("options.enforcement")),
    };
    read.scheme = match options.scheme {
        0 => Scheme::Argon2,
        1 => Scheme::HmacSha256,
        _ => return Err(unknown("options.scheme")),
    };
    let or = |value: u32, default: u32| NonZeroU32::new(value).map_or(default, NonZeroU32::get);
    read.hash = HashParameters {
        memory_kib: or(options.hash_memory_kib, read.hash.memory_kib),
        iterations: or(options.hash_iterations, read.hash.iterations),
        parallelism: or(options.hash_parallelism, read.hash.parallelism),
    };
    read.chosen_failures_per_minute = or(options.chosen_failures_per_minute, read.chosen_failures_per_minute);
    read.max_hash_memory = NonZeroU64::new(options.max_hash_memory).map_or(read.max_hash_memory, NonZeroU64::get);
    read.max_lease = NonZeroU64::new(options.max_lease).map_or(read.max_lease, |s| Duration::from_secs(s.get()));
    read.local_is_secure = options.flags & INSPIRE_AUTH_LOCAL_IS_SECURE != 0;
    read.memo_chosen = options.flags & INSPIRE_AUTH_REMEMBER_CHOSEN != 0;
    read.allow_unbound = options.flags & INSPIRE_AUTH_ALLOW_UNBOUND != 0;
    read.payment_required = options.flags & INSPIRE_AUTH_PAYMENT_REQUIRED != 0;
    // SAFETY: the same contract.
    unsafe {
        read.peppers = peppers(options)?;
        read.write_requirement = options.write_requirement.read()?;
        read.admin_requirement = options.admin_requirement.read()?;
        read.trusted_keys = trusted_keys(options.trusted_keys, options.trusted_key_count)?;
    }
    read.product = text(options.product, "options.product")?.map(str::to_owned);
    read.machine_id = text(options.machine_id, "options.machine_id")?.map(str::to_owned);
    if let Some(callback) = options.audit {
        // SAFETY: what the options promise of `audit` and `audit_userdata`.
        read.audit = Some(Arc::new(unsafe { sink(callback, options.audit_userdata) }));
    }
    // SAFETY: the same contract.
    unsafe {
        read.audit_file = audit_file(options)?;
        read.server = server::read(options.server)?;
    }
    Ok(read)
}

/// # Safety
/// As [`read`].
unsafe fn audit_file(options: &inspire_auth_options) -> Result<Option<AuditFile>> {
    let chain = yes_or_no(options.audit_chain, "options.audit_chain")?;
    let on_failure = match options.audit_on_failure {
        0 => AuditFailure::Warn,
        1 => AuditFailure::DenyMutations,
        _ => return Err(unknown("options.audit_on_failure")),
    };
    if options.audit_file.data.is_null() {
        let more = chain || options.audit_on_failure != 0 || options.audit_max_bytes != 0 || options.audit_keep != 0;
        // A host that says how the file is to be kept believes that there is one.
        return match options.audit_file.len {
            0 if more => Err(Error::with(Code::InvalidArgument, "options.audit_... without options.audit_file")),
            0 => Ok(None),
            _ => Err(ptr::null("options.audit_file")),
        };
    }
    // SAFETY: the same contract.
    let mut file = AuditFile::at(unsafe { ptr::path(options.audit_file, "options.audit_file")? });
    file.max_bytes = NonZeroU64::new(options.audit_max_bytes).map_or(file.max_bytes, NonZeroU64::get);
    file.keep = NonZeroU32::new(options.audit_keep).map_or(file.keep, NonZeroU32::get);
    (file.chain, file.on_failure) = (chain, on_failure);
    Ok(Some(file))
}

/// # Safety
/// As [`read`].
unsafe fn peppers(options: &inspire_auth_options) -> Result<Vec<Pepper>> {
    // SAFETY: the same contract.
    let peppers = unsafe { ptr::array(options.peppers, options.pepper_count)? };
    peppers
        .iter()
        .map(|pepper| {
            // SAFETY: the same contract.
            let (id, secret) = unsafe { (ptr::text(pepper.id, "a pepper's id")?, ptr::bytes(pepper.secret)?) };
            Ok(Pepper { id: id.to_owned(), secret: Zeroizing::new(secret.to_vec()) })
        })
        .collect()
}

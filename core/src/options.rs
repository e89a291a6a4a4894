//! What a host decides once, when it opens a handle.

use std::{fmt, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    keys::levels::RequirementSpec,
    license::{keys::TrustedKey, online::Server},
    store::{AuditEvent, Scheme, Store},
};

/// Where keys and license state are kept.
#[derive(Debug, Clone)]
pub enum StoreLocation {
    /// In memory, gone with the handle.
    Memory,
    /// An SQLite file, made if it is not there, with mode 0600.
    Path(PathBuf),
    /// A PostgreSQL database, which several machines may use: see `PostgresOptions::parse`.
    Postgres(PostgresUrl),
    /// A store of the host's, or one shared by several handles.
    Custom(Arc<dyn Store>),
}

impl StoreLocation {
    /// `:memory:` is [`StoreLocation::Memory`], what begins with `postgresql://` or `postgres://` is
    /// [`StoreLocation::Postgres`]; anything else is a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == ":memory:" {
            Self::Memory
        } else if text.starts_with("postgresql://") || text.starts_with("postgres://") {
            Self::Postgres(PostgresUrl::new(text))
        } else {
            Self::Path(PathBuf::from(text))
        }
    }
}

/// A PostgreSQL connection URL, which may have a password.
#[derive(Clone)]
pub struct PostgresUrl(Zeroizing<String>);

impl PostgresUrl {
    /// Takes a URL as it is; what it says is read when the store is opened.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(Zeroizing::new(url.to_owned()))
    }

    /// The URL, whole.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl")
    }
}

/// Argon2id parameters for new hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParameters {
    /// Memory in KiB: at least `8 * parallelism`, at most 1 GiB.
    pub memory_kib: u32,
    /// Passes: 1 to 64.
    pub iterations: u32,
    /// Lanes: 1 to 16.
    pub parallelism: u32,
}

impl Default for HashParameters {
    /// OWASP's m=19456 KiB, t=2, p=1.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// A host-supplied secret mixed into hashes and seals, kept outside the store.
#[derive(Clone)]
pub struct Pepper {
    /// Its name, kept with each hash: 1 to 32 characters of `[A-Za-z0-9._-]`.
    pub id: String,
    /// At least 16 bytes.
    pub secret: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Which reading of security levels applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LevelMode {
    /// Every grant counts.
    #[default]
    Default,
    /// As in Ignition: grants under `Authenticated/Roles` and `SecurityZones` are ignored.
    Ignition,
}

/// What a gate does when the license does not allow something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// Refuse.
    #[default]
    Strict,
    /// Grant, with a warning on the principal.
    Warn,
    /// Grant, with an audit event.
    ReportOnly,
}

/// Receives audit events as they happen, on the thread that caused them, which may be one of the library's own. It must not block, and
/// not call the handle.
pub type AuditSink = Arc<dyn Fn(&AuditEvent) + Send + Sync>;

/// What a host decides once, when it opens a handle. `Options::new(store)` is the default of everything else.
#[derive(Clone)]
pub struct Options {
    /// Where keys and license state are kept.
    pub store: StoreLocation,
    /// The realm in challenges; printable ASCII without `"` and `\`. Default `inspire`.
    pub realm: String,
    /// Header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`.
    pub extra_headers: Vec<String>,
    /// Which reading of security levels applies.
    pub mode: LevelMode,
    /// Whether the channel `Local` satisfies `require_secure`. Default false.
    pub local_is_secure: bool,
    /// Argon2id parameters for new hashes.
    pub hash: HashParameters,
    /// The scheme for generated keys: `Argon2` (default) or `HmacSha256`, which needs a pepper.
    pub scheme: Scheme,
    /// Bytes of memory that all hashing of this handle may take together, in each process that uses it. Default 64 MiB; at
    /// least one hash's. Each handle of a process has its own: they add up.
    pub max_hash_memory: u64,
    /// Threads that may hash at once. `None`: as many as there are cores. A host with one thread that must never wait for
    /// a core, such as an event loop's, leaves it one.
    pub hash_threads: Option<NonZeroUsize>,
    /// Peppers: the first is current, the others are retired and only read.
    pub peppers: Vec<Pepper>,
    /// What an actor needs to change keys. `None`: no principal may.
    pub write_requirement: Option<RequirementSpec>,
    /// What an actor needs to change the license. `None`: no principal may.
    pub admin_requirement: Option<RequirementSpec>,
    /// Whether human-chosen imported secrets are remembered in memory after their first success. Default false.
    pub memo_chosen: bool,
    /// Wrong secrets a minute, for each human-chosen imported key, before it answers `BUSY`. Default 10.
    pub chosen_failures_per_minute: u32,
    /// Public keys whose signatures on license files are believed.
    pub trusted_keys: Vec<TrustedKey>,
    /// The product id that a license must be for. `None`: any.
    pub product: Option<String>,
    /// The machine's fingerprint, when the host knows better. `None`: from the operating system.
    pub machine_id: Option<String>,
    /// Whether a license file, which names no machine, may be installed. Default false.
    pub allow_unbound: bool,
    /// How long a file may be used after `issued` when its license does not hold `OFFLINE_LICENSING`.
    /// Default 30 days.
    pub max_lease: Duration,
    /// The licensing server. `None`: licenses are installed from files, and nothing ever connects anywhere.
    pub server: Option<Server>,
    /// What a gate does when the license does not allow something.
    pub enforcement: Enforcement,
    /// Whether license refusals answer HTTP 402 instead of 403. Default false.
    pub payment_required: bool,
    /// Receives audit events as they happen, besides the store.
    pub audit: Option<AuditSink>,
    /// Writes audit events to a file, besides the store. Default none.
    pub audit_file: Option<AuditFile>,
}

/// What happens to a mutation that the audit file can't record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditFailure {
    /// It is made all the same; the failure is counted (`inspire_audit_failures_total`).
    #[default]
    Warn,
    /// It is refused with `AUDIT_UNAVAILABLE`, and nothing is changed.
    DenyMutations,
}

/// A file that every mutation and every denial is written to, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFile {
    /// The file; made with mode 0600 when it is not there. Any number of processes may write it.
    pub path: PathBuf,
    /// The file is renamed to `<path>.1` (and so on) before it would grow past so many bytes. Default 64 MiB; at
    /// least 64 KiB.
    pub max_bytes: u64,
    /// How many renamed files are kept. Default 10; 1 to 1000. Where there are more, because another writer keeps more or
    /// did so once, they stay: one goes for each one that is added. All writers of a file need the same numbers.
    pub keep: u32,
    /// Whether each line holds the SHA-256 of the one before it, so that `inspire-auth audit verify` shows what was
    /// changed, removed or inserted. Default false; a chain that is there already goes on all the same.
    pub chain: bool,
    /// What happens to a mutation that can't be recorded.
    pub on_failure: AuditFailure,
}

impl AuditFile {
    /// The largest [`AuditFile::max_bytes`] (1 PiB): the file is never renamed, as far as this writer is concerned.
    pub const MAX_BYTES: u64 = 1 << 50;

    /// The defaults, at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 64 << 20, keep: 10, chain: false, on_failure: AuditFailure::Warn }
    }
}

impl Options {
    /// The defaults, on this store.
    #[must_use]
    pub fn new(store: StoreLocation) -> Self {
        Self {
            store,
            realm: "inspire".to_owned(),
            extra_headers: Vec::new(),
            mode: LevelMode::Default,
            local_is_secure: false,
            hash: HashParameters::default(),
            scheme: Scheme::Argon2,
            max_hash_memory: 64 << 20,
            hash_threads: None,
            peppers: Vec::new(),
            write_requirement: None,
            admin_requirement: None,
            memo_chosen: false,
            chosen_failures_per_minute: 10,
            trusted_keys: Vec::new(),
            product: None,
            machine_id: None,
            allow_unbound: false,
            max_lease: Duration::from_secs(30 * 24 * 3600),
            server: None,
            enforcement: Enforcement::Strict,
            payment_required: false,
            audit: None,
            audit_file: None,
        }
    }

    /// The defaults, on an SQLite file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::new(StoreLocation::Path(path.into()))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("store", &self.store)
            .field("mode", &self.mode)
            .field("hash", &self.hash)
            .field("scheme", &self.scheme)
            .field("max_hash_memory", &self.max_hash_memory)
            .field("peppers", &self.peppers)
            .field("trusted_keys", &self.trusted_keys)
            .finish_non_exhaustive()
    }
}

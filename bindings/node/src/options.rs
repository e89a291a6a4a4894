//! What a host decides once, when it opens a handle.

use std::{num::NonZeroUsize, thread, time::Duration};

use inspire_auth_core::{
    AuditFailure, AuditFile as CoreAuditFile, Enforcement, LevelMode, Options, Pepper as CorePepper, Result,
    StoreLocation,
    keys::{Channel, RequirementSpec},
    license::keys::TrustedKey as CoreTrustedKey,
    store::Scheme,
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    arguments::{Bytes, invalid, is_given, member, object, read_or_default},
    audit,
    requirement::requirement,
    server::Server,
};

/// Argon2id parameters for new hashes. More costs whoever has stolen the store more, and each key's first use too.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashParameters {
    /// Memory in KiB: at least `8 * parallelism`, at most 1048576 (1 GiB). Default 19456.
    pub memory_kib: Option<u32>,
    /// Passes: 1 to 64. Default 2.
    pub iterations: Option<u32>,
    /// Lanes: 1 to 16. Default 1.
    pub parallelism: Option<u32>,
}

/// A secret of the host's that is mixed into hashes and seals, and kept outside the store.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pepper {
    /// Its name, kept with each hash: 1 to 32 characters of `[A-Za-z0-9._-]`.
    pub id: String,
    /// At least 16 bytes; copied.
    #[napi(ts_type = "Uint8Array")]
    pub secret: Bytes,
}

/// A public key whose signatures on license files are believed.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedKey {
    /// Its name: 1 to 64 printable characters, unique among the configured keys.
    pub id: String,
    /// Ed25519: 64 hexadecimal digits, or the base64 of a `SubjectPublicKeyInfo` (`MCowBQYDK2VwAyEA...`).
    pub public_key: String,
    /// Unix seconds from which the key is no longer believed, whatever it signed. Not given: never.
    pub not_after: Option<i64>,
}

/// A file that every change and every denial is written to, one JSON object a line, besides the store. Any number of
/// processes may write one file. It holds no secret.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditFile {
    /// The file; made with mode 0600 when it is not there.
    pub path: String,
    /// It is renamed to `<path>.1` (and that one to `.2`, and so on) before it would grow past so many bytes; at least
    /// 65536. Default 67108864 (64 MiB).
    #[napi(ts_type = "number")]
    pub max_bytes: Option<u64>,
    /// How many renamed files are kept: 1 to 1000. Default 10.
    pub keep: Option<u32>,
    /// Whether each line holds the SHA-256 of the one before it, which shows what was changed, removed or inserted.
    /// Default false.
    pub chain: Option<bool>,
    /// What happens to a change that can't be recorded: it is made all the same, and counted in
    /// `inspire_audit_failures_total` (`warn`, default), or refused with `AUDIT_UNAVAILABLE` (`deny_mutations`). Requests
    /// are decided either way.
    #[napi(ts_type = "'warn' | 'deny_mutations'")]
    pub on_failure: Option<String>,
}

impl AuditFile {
    fn read(self) -> Result<CoreAuditFile> {
        let default = CoreAuditFile::at(self.path);
        Ok(CoreAuditFile {
            max_bytes: self.max_bytes.unwrap_or(default.max_bytes),
            keep: self.keep.unwrap_or(default.keep),
            chain: self.chain.unwrap_or(default.chain),
            on_failure: match self.on_failure.as_deref() {
                None | Some("warn") => AuditFailure::Warn,
                Some("deny_mutations") => AuditFailure::DenyMutations,
                Some(_) => return Err(undefined("auditFile.onFailure")),
            },
            path: default.path,
        })
    }
}

/// What a host decides once. What is not given has its default; a name that is not known is refused.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenOptions {
    /// The realm in challenges: 1 to 200 printable ASCII characters without `"` and `\`. Default `inspire`.
    pub realm: Option<String>,
    /// Header names, besides `Authorization` and `X-Ignition-API-Token`, that carry `<name>:<key>`.
    pub extra_headers: Option<Vec<String>>,
    /// Which reading of security levels applies: `default` (every grant counts), or `ignition` (grants under
    /// `Authenticated/Roles` and `SecurityZones` are ignored, as Ignition does).
    #[napi(ts_type = "'default' | 'ignition'")]
    pub mode: Option<String>,
    /// Whether the channel `local` satisfies keys that need a secure one. Default false.
    pub local_is_secure: Option<bool>,
    /// Argon2id parameters for new hashes.
    pub hash: Option<HashParameters>,
    /// How generated keys are hashed: `argon2` (default), or `hmac-sha256`, which needs a pepper: for fleets that
    /// restart with thousands of active keys.
    #[napi(ts_type = "'argon2' | 'hmac-sha256'")]
    pub scheme: Option<String>,
    /// Bytes of memory that all hashing of this handle may take together; at least one hash's. Default 67108864
    /// (64 MiB).
    #[napi(ts_type = "number")]
    pub max_hash_memory: Option<u64>,
    /// Peppers: the first is current, the others are retired and only read.
    pub peppers: Option<Vec<Pepper>>,
    /// What an actor needs to change keys. Not given: no principal may, only `SYSTEM`.
    #[napi(ts_type = "RequirementLike")]
    #[allow(dead_code)] // read one by one, below
    pub write_requirement: Option<IgnoredAny>,
    /// What an actor needs to change the license. Not given: no principal may, only `SYSTEM`.
    #[napi(ts_type = "RequirementLike")]
    #[allow(dead_code)] // read one by one, below
    pub admin_requirement: Option<IgnoredAny>,
    /// Whether imported secrets that people chose are remembered in memory after their first success. Default false.
    pub memo_chosen: Option<bool>,
    /// Wrong secrets a minute, for each imported key with a chosen secret, before it answers `BUSY`. Default 10.
    pub chosen_failures_per_minute: Option<u32>,
    /// Public keys whose signatures on license files are believed. With none, no license can be activated.
    pub trusted_keys: Option<Vec<TrustedKey>>,
    /// The product id that a license must be for. Not given: any.
    pub product: Option<String>,
    /// The machine's fingerprint, when the host knows better. Not given: from the operating system.
    pub machine_id: Option<String>,
    /// Whether a license file, which names no machine, may be installed. Default false.
    pub allow_unbound: Option<bool>,
    /// How long a license file is good after it was issued, in seconds, when its license does not hold
    /// `OFFLINE_LICENSING`. Default 2592000 (30 days).
    #[napi(ts_type = "number")]
    pub max_lease: Option<u64>,
    /// Where the license is activated and re-validated online. Not given: nowhere, and nothing ever connects.
    pub server: Option<Server>,
    /// What a gate does when the license does not allow something: refuse (`strict`, default), grant with a warning on
    /// the principal (`warn`), or grant with an audit event (`report-only`).
    #[napi(ts_type = "'strict' | 'warn' | 'report-only'")]
    pub enforcement: Option<String>,
    /// Whether license refusals answer HTTP 402 instead of 403. Default false.
    pub payment_required: Option<bool>,
    /// Receives audit events, besides the store: on the event loop, soon after they happened. It does not keep the
    /// process alive, and when thousands of events wait for a busy event loop, further ones go to the store only.
    #[napi(ts_type = "(event: AuditEvent) => void")]
    #[allow(dead_code)] // read one by one, below
    pub audit: Option<IgnoredAny>,
    /// Writes audit events to a file, besides the store. Not given: none.
    pub audit_file: Option<AuditFile>,
}

/// Reads the options; the number of the function that receives audit events stands beside them.
///
/// # Errors
/// `INVALID_ARGUMENT`, `INVALID_LEVEL`, `WEAK_TRUSTED_KEY`.
pub(crate) fn read(env: &Env, store: &str, value: Unknown<'_>) -> Result<(Options, Option<u32>)> {
    let given: OpenOptions = read_or_default(env, value, "options")?;
    let mut options = Options::new(StoreLocation::parse(store));
    // The event loop keeps a core, so that its timers are not late while keys are seen for the first time.
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    options.hash_threads = NonZeroUsize::new(cores.saturating_sub(1).max(1));
    macro_rules! take {
        ($($name:ident),*) => { $(if let Some(value) = given.$name { options.$name = value; })* };
    }
    take!(
        realm,
        extra_headers,
        local_is_secure,
        max_hash_memory,
        memo_chosen,
        chosen_failures_per_minute,
        allow_unbound,
        payment_required
    );
    options.product = given.product;
    options.machine_id = given.machine_id;
    if let Some(seconds) = given.max_lease {
        options.max_lease = Duration::from_secs(seconds);
    }
    if let Some(hash) = given.hash {
        options.hash.memory_kib = hash.memory_kib.unwrap_or(options.hash.memory_kib);
        options.hash.iterations = hash.iterations.unwrap_or(options.hash.iterations);
        options.hash.parallelism = hash.parallelism.unwrap_or(options.hash.parallelism);
    }
    options.mode = match given.mode.as_deref() {
        None | Some("default") => LevelMode::Default,
        Some("ignition") => LevelMode::Ignition,
        Some(_) => return Err(undefined("mode")),
    };
    options.scheme = match given.scheme.as_deref() {
        None | Some("argon2") => Scheme::Argon2,
        Some("hmac-sha256") => Scheme::HmacSha256,
        Some(_) => return Err(undefined("scheme")),
    };
    options.enforcement = match given.enforcement.as_deref() {
        None | Some("strict") => Enforcement::Strict,
        Some("warn") => Enforcement::Warn,
        Some("report-only") => Enforcement::ReportOnly,
        Some(_) => return Err(undefined("enforcement")),
    };
    let pepper = |pepper: Pepper| CorePepper { id: pepper.id, secret: pepper.secret.0 };
    options.peppers = given.peppers.unwrap_or_default().into_iter().map(pepper).collect();
    options.audit_file = given.audit_file.map(AuditFile::read).transpose()?;
    options.trusted_keys = trusted_keys(given.trusted_keys.unwrap_or_default())?;
    let mut sink = None;
    if is_given(&value) {
        let members = object(env, &value, "options")?;
        options.write_requirement = optional_requirement(env, member(&members, "writeRequirement")?)?;
        options.admin_requirement = optional_requirement(env, member(&members, "adminRequirement")?)?;
        if let Some(server) = given.server {
            options.server = Some(server.read(env, &member(&members, "server")?)?);
        }
        let function = member(&members, "audit")?;
        if is_given(&function) {
            let (number, receive) = audit::sink(env, &function)?;
            options.audit = Some(receive);
            sink = Some(number);
        }
    }
    Ok((options, sink))
}

/// # Errors
/// `INVALID_ARGUMENT`, `WEAK_TRUSTED_KEY`.
pub(crate) fn trusted_keys(given: Vec<TrustedKey>) -> Result<Vec<CoreTrustedKey>> {
    let key = |key: TrustedKey| {
        let read = CoreTrustedKey::parse(&key.id, &key.public_key)?;
        Ok(match key.not_after {
            Some(end) => read.until(end),
            None => read,
        })
    };
    given.into_iter().map(key).collect()
}

fn optional_requirement(env: &Env, value: Unknown<'_>) -> Result<Option<RequirementSpec>> {
    if !is_given(&value) {
        return Ok(None);
    }
    Ok(Some(requirement(env, value, "a requirement in options")?.spec().clone()))
}

fn undefined(name: &str) -> inspire_auth_core::Error {
    invalid(format!("options.{name} has a value that is not defined"))
}

/// The name of a channel.
pub(crate) const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Plain => "plain",
        Channel::Secure => "secure",
        Channel::Local => "local",
    }
}

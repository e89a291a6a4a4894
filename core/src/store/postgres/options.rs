//! What a PostgreSQL store is told: where it is, who answers there, and how old what it knows may become.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::{
    error::{Code, Error, Result},
    license::machine::fingerprint,
};

/// The schema, unless another one is named.
pub const DEFAULT_SCHEMA: &str = "inspire_auth";
/// How long at most a change by another machine stays unseen, unless something else is said.
pub const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(5);
/// How often what is known is compared with what is there, unless something else is said.
pub const DEFAULT_RECONCILE: Duration = Duration::from_mins(10);
const RECONCILE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// What is less could not be kept over a network; what is more is no bound.
const STALENESS: std::ops::RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_hours(1);

/// What checks answer when nothing has been heard of the database for the longest time allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpired {
    /// `STORE_STALE` (503).
    #[default]
    Deny,
    /// As before, by what was known last: a key that was revoked meanwhile is accepted. The audit log and the metrics say so.
    AllowKnown,
}

/// Whose license is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LicenseScope {
    /// One for all machines: the host gives each the same machine id.
    #[default]
    Cluster,
    /// One for each machine.
    Machine,
}

/// Where a PostgreSQL store is, and how it is followed.
#[derive(Clone)]
pub struct PostgresOptions {
    /// For everything but listening; may be a pooler's.
    pub(super) main: Endpoint,
    /// For listening: the database's own.
    pub(super) listen: Endpoint,
    pub(super) schema: String,
    pub(super) max_staleness: Duration,
    pub(super) on_expired: OnExpired,
    pub(super) license: LicenseScope,
    pub(super) reconcile: Duration,
    /// What tells this machine from the others; `None` where that is not known.
    pub(super) machine: Option<String>,
}

/// Where to connect to, and by whose word it is the right one.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) config: Config,
    /// `None`: in the clear, since the URL says so or nothing leaves the machine.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the configuration: it has a password.
        f.debug_struct("PostgresOptions")
            .field("hosts", &self.main.config.get_hosts())
            .field("schema", &self.schema)
            .field("max_staleness", &self.max_staleness)
            .field("on_expired", &self.on_expired)
            .finish_non_exhaustive()
    }
}

fn wrong(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::with(Code::InvalidArgument, what)
}

impl PostgresOptions {
    /// Reads a connection URL (PostgreSQL 15, section 34.1.1.2): `postgresql://user:password@host:port/database?name=value&...`.
    /// Several hosts are tried in order, and only one that takes writes is used.
    ///
    /// Besides the client's own parameters (`host`, `port`, `user`, `connect_timeout`, `application_name`, `options`, ...):
    ///
    /// | parameter | meaning | default |
    /// |---|---|---|
    /// | `sslmode` | `verify-full` or `disable`; nothing in between shows who answers | `verify-full`; none over a Unix socket |
    /// | `sslrootcert` | a PEM file of authorities, or `system` | `system` |
    /// | `listen_url` | where to listen, when the URL is that of a pooler that shares connections between transactions | the URL |
    /// | `schema` | where the tables are: `[a-z_][a-z0-9_]*`, at most 63 characters | `inspire_auth` |
    /// | `max_staleness` | how long at most a change by another machine stays unseen: `200ms` to `60m` | `5s` |
    /// | `on_expired` | `deny` or `allow_known`, when nothing has been heard for so long | `deny` |
    /// | `license` | `cluster` or `machine`: whose license is kept | `cluster` |
    /// | `machine` | what tells this machine from the others, in a container | made of the operating system's machine id |
    /// | `reconcile` | how often all keys are compared, also without a word of a change: `1s` to `1440m` | `10m` |
    ///
    /// Without a password there, the environment's `PGPASSWORD` is used.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; `FINGERPRINT_UNAVAILABLE` for `license=machine` when nothing tells which machine this is.
    pub fn parse(url: &str) -> Result<Self> {
        let mut extras = Extras::default();
        let main = extras.endpoint(url, true)?;
        let listen = match extras.listen_url.take() {
            Some(url) => Extras::default().endpoint(&url, false)?,
            None => main.clone(),
        };
        let Extras { schema, max_staleness, on_expired, license, reconcile, machine, .. } = extras;
        let license = license.unwrap_or_default();
        let machine = match machine {
            Some(machine) => Some(machine),
            // A container's machine id is often its image's.
            None => fingerprint(None, None).ok().filter(|it| it.container.is_none()).map(|it| it.fingerprint),
        };
        if license == LicenseScope::Machine && machine.is_none() {
            return Err(Error::with(Code::FingerprintUnavailable, "license=machine needs machine=NAME here"));
        }
        Ok(Self {
            main,
            listen,
            schema: schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            max_staleness: max_staleness.unwrap_or(DEFAULT_MAX_STALENESS),
            on_expired: on_expired.unwrap_or_default(),
            license,
            machine,
            reconcile: reconcile.unwrap_or(DEFAULT_RECONCILE),
        })
    }
}

/// What a URL says beyond what the client understands.
#[derive(Default)]
struct Extras {
    schema: Option<String>,
    max_staleness: Option<Duration>,
    on_expired: Option<OnExpired>,
    license: Option<LicenseScope>,
    reconcile: Option<Duration>,
    machine: Option<String>,
    listen_url: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Extras {
    fn endpoint(&mut self, url: &str, is_main: bool) -> Result<Endpoint> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut passed = String::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = percent_decode_str(value).decode_utf8().map_err(|_| wrong("the URL is not UTF-8"))?.into_owned();
            match name {
                "sslmode" => self.sslmode = Some(text),
                "sslrootcert" => self.sslrootcert = Some(text),
                "schema" if is_main => self.schema = Some(schema(text)?),
                "max_staleness" if is_main => {
                    let wrong = "max_staleness is 200ms to 60m, such as 500ms, 5s or 1m";
                    self.max_staleness = Some(duration(&text, &STALENESS, wrong)?);
                }
                "on_expired" if is_main => self.on_expired = Some(on_expired(&text)?),
                "license" if is_main => self.license = Some(license(&text)?),
                "reconcile" if is_main => {
                    let wrong = "reconcile is 1s to 1440m, such as 30s or 10m";
                    self.reconcile = Some(duration(&text, &RECONCILE, wrong)?);
                }
                "machine" if is_main => self.machine = Some(machine(text)?),
                "listen_url" if is_main => self.listen_url = Some(text),
                _ => {
                    passed.push(if passed.is_empty() { '?' } else { '&' });
                    passed.push_str(pair);
                }
            }
        }
        // What the parser says of a URL may quote it.
        let mut config: Config =
            format!("{address}{passed}").parse().map_err(|_| wrong("the URL is no PostgreSQL connection URL"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(wrong("the URL names no host"));
        }
        if config.get_user().is_none() {
            return Err(wrong("the URL names no user"));
        }
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("libinspire_auth");
        }
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let is_local =
            config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) && config.get_hostaddrs().is_empty();
        let tls = match self.sslmode.as_deref() {
            None if is_local => None,
            Some("disable") => None,
            None | Some("verify-full") => Some(Arc::new(tls(self.sslrootcert.as_deref())?)),
            Some(_) => {
                return Err(wrong("sslmode is verify-full or disable: no other one shows who answers"));
            }
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Endpoint { config, tls })
    }
}

fn schema(text: String) -> Result<String> {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_name = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if begins && is_name && text.len() <= 63 && !text.starts_with("pg_") {
        Ok(text)
    } else {
        Err(wrong("schema is [a-z_][a-z0-9_]*, at most 63 characters, and does not begin with pg_"))
    }
}

fn duration(text: &str, within: &std::ops::RangeInclusive<Duration>, otherwise: &'static str) -> Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let read = digits.parse::<u32>().ok().and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(u64::from(number))),
        "s" => Some(Duration::from_secs(u64::from(number))),
        "m" => Some(Duration::from_secs(u64::from(number).saturating_mul(60))),
        _ => None,
    });
    read.filter(|read| within.contains(read)).ok_or_else(|| wrong(otherwise))
}

fn on_expired(text: &str) -> Result<OnExpired> {
    match text {
        "deny" => Ok(OnExpired::Deny),
        "allow_known" => Ok(OnExpired::AllowKnown),
        _ => Err(wrong("on_expired is deny or allow_known")),
    }
}

fn license(text: &str) -> Result<LicenseScope> {
    match text {
        "cluster" => Ok(LicenseScope::Cluster),
        "machine" => Ok(LicenseScope::Machine),
        _ => Err(wrong("license is cluster or machine")),
    }
}

fn machine(text: String) -> Result<String> {
    let is_name = !text.is_empty() && text.len() <= 255 && !text.contains(char::is_control);
    if is_name { Ok(text) } else { Err(wrong("machine is 1 to 255 bytes, without control characters")) }
}

/// Trusts the authorities of a PEM file, or else the system's.
fn tls(authorities: Option<&str>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None | Some("system") => {
            // One that can't be read is one that is not trusted.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let unusable = |_| wrong("sslrootcert can't be read as PEM");
            for certificate in CertificateDer::pem_file_iter(Path::new(file)).map_err(unusable)? {
                roots
                    .add(certificate.map_err(unusable)?)
                    .map_err(|_| wrong("sslrootcert has no usable certificate"))?;
            }
        }
    }
    if roots.is_empty() {
        return Err(wrong("no authority is trusted: sslrootcert names a PEM file"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::new(Code::Internal))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_of_the_store_is_not_passed_on() {
        let options = PostgresOptions::parse(
            "postgresql://me:secret@%2Frun%2Fpg:5433/db?schema=keys_1&max_staleness=500ms&on_expired=allow_known\
             &license=machine&machine=gateway%201&reconcile=30s&connect_timeout=3&listen_url=postgres%3A%2F%2Fme%40%252Frun%252Fdirect%2Fdb",
        )
        .unwrap();
        assert_eq!(
            (options.schema.as_str(), options.max_staleness, options.on_expired, options.license),
            ("keys_1", Duration::from_millis(500), OnExpired::AllowKnown, LicenseScope::Machine)
        );
        assert_eq!(options.machine.as_deref(), Some("gateway 1"));
        assert_eq!(options.reconcile, Duration::from_secs(30));
        assert_eq!(options.main.config.get_hosts(), [Host::Unix("/run/pg".into())]);
        assert_eq!(options.listen.config.get_hosts(), [Host::Unix("/run/direct".into())]);
        assert_eq!(options.main.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert!(options.main.tls.is_none(), "nothing leaves the machine");
        assert!(!format!("{options:?}").contains("secret"));
        let plain = PostgresOptions::parse("postgresql://me@/db?host=/run/pg").unwrap();
        assert_eq!((plain.schema.as_str(), plain.max_staleness), (DEFAULT_SCHEMA, DEFAULT_MAX_STALENESS));
        assert_eq!((plain.on_expired, plain.license), (OnExpired::Deny, LicenseScope::Cluster));
    }

    #[test]
    fn what_does_not_show_who_answers_is_refused() {
        for mode in ["prefer", "require", "allow", "verify-ca", ""] {
            let error = PostgresOptions::parse(&format!("postgresql://me@db/x?sslmode={mode}")).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{mode}");
        }
        assert!(PostgresOptions::parse("postgresql://me@db/x?sslmode=disable").unwrap().main.tls.is_none());
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for wrong in [
            "nonsense",
            "postgresql:///db",
            "postgresql://db/x?sslmode=disable",
            "postgresql://me@%2Frun/x?schema=Keys",
            "postgresql://me@%2Frun/x?schema=pg_keys",
            "postgresql://me@%2Frun/x?schema=a%22b",
            "postgresql://me@%2Frun/x?max_staleness=5",
            "postgresql://me@%2Frun/x?max_staleness=100ms",
            "postgresql://me@%2Frun/x?max_staleness=61m",
            "postgresql://me@%2Frun/x?reconcile=999ms",
            "postgresql://me@%2Frun/x?reconcile=1441m",
            "postgresql://me@%2Frun/x?reconcile=never",
            "postgresql://me@%2Frun/x?on_expired=maybe",
            "postgresql://me@%2Frun/x?license=mine",
            "postgresql://me@%2Frun/x?machine=",
            "postgresql://me@%2Frun/x?machine=a%00b",
            "postgresql://me@%2Frun/x?unheard_of=1",
            "postgresql://me@%2Frun/x?listen_url=nonsense",
            "postgresql://me@db/x?sslrootcert=/nowhere.pem",
        ] {
            let error = PostgresOptions::parse(wrong).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{wrong}");
        }
    }
}

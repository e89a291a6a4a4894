//! The command line: what can be said, and how it is explained.
#![allow(rustdoc::bare_urls, rustdoc::broken_intra_doc_links, reason = "what documents an argument is its help")]

use std::path::PathBuf;

use clap::{
    ArgMatches, Args, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
    parser::ValueSource,
};

use crate::commands::{audit, issuer, keys, license, machine, routes, serve, shell, store};

/// API keys and licenses of hosts that use libinspire_auth.
#[derive(Debug, Parser)]
#[command(name = "inspire-auth", disable_version_flag = true, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = "\
Examples:
  export INSPIRE_AUTH_STORE=gateway.db
  inspire-auth keys create reporting --level Authenticated/Ops/Read --expires 90d
  inspire-auth keys list
  inspire-auth license activate --key-file license.key --file site.lic --trusted-keys-file vendor.pub

Exit codes:
  0 ok   1 internal or I/O   2 usage   3 credential or signature rejected   4 licensed, but not usable
  5 unlicensed   6 not found   7 not possible in this state   8 network   9 refused by the server
  10 permission or lock   130 interrupted")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// The store: an SQLite file, or a PostgreSQL database (`postgresql://USER@HOST/DATABASE`; the password in PGPASSWORD)
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "INSPIRE_AUTH_STORE",
        hide_env_values = true,
        value_parser = path(),
        help_heading = "Every command"
    )]
    pub(crate) store: Option<PathBuf>,
    /// One JSON document on standard output; on failure {"error": ...} on standard error
    #[arg(long, global = true, help_heading = "Every command")]
    pub(crate) json: bool,
    /// No colours (so does NO_COLOR)
    #[arg(long, global = true, help_heading = "Every command")]
    pub(crate) no_color: bool,
    /// No notes on standard error
    #[arg(short, long, global = true, help_heading = "Every command")]
    pub(crate) quiet: bool,
    /// Never ask; what would ask is refused unless --yes says it
    #[arg(long, global = true, help_heading = "Every command")]
    pub(crate) no_input: bool,

    /// A pepper: its name, and the file whose bytes it is; the first is current, others are retired
    #[arg(long, global = true, value_name = "ID=PATH", help_heading = "Secrets")]
    pub(crate) pepper_file: Vec<String>,

    /// Record every change in this file, as the hosts of the store do
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "INSPIRE_AUTH_AUDIT_FILE",
        hide_env_values = true,
        value_parser = path(),
        help_heading = "Audit"
    )]
    pub(crate) audit_file: Option<PathBuf>,
    /// Each line holds the hash of the one before it; a chain that is there goes on without this
    #[arg(long, global = true, help_heading = "Audit")]
    pub(crate) audit_chain: bool,
    /// Change nothing that can't be recorded
    #[arg(long, global = true, help_heading = "Audit")]
    pub(crate) audit_required: bool,
    /// Rename the file before it grows past so many bytes [default: never, the hosts do it; 67108864 with --audit-keep]
    #[arg(long, global = true, value_name = "BYTES", help_heading = "Audit", hide_short_help = true)]
    pub(crate) audit_max_bytes: Option<u64>,
    /// Keep so many renamed files [default: 10 with --audit-max-bytes]
    #[arg(long, global = true, value_name = "N", help_heading = "Audit", hide_short_help = true)]
    pub(crate) audit_keep: Option<u32>,

    /// A public key whose signatures are believed (64 hex digits, or base64 SubjectPublicKeyInfo)
    #[arg(long, global = true, value_name = "ID=HEX", help_heading = "Licensing")]
    pub(crate) trusted_key: Vec<String>,
    /// A file of such keys, `ID HEX` a line, as `issuer keygen` writes it
    #[arg(long, global = true, value_name = "PATH", help_heading = "Licensing")]
    pub(crate) trusted_keys_file: Vec<PathBuf>,
    /// The product id that the license must be for
    #[arg(long, global = true, value_name = "ID", help_heading = "Licensing")]
    pub(crate) product: Option<String>,
    /// This machine's fingerprint, instead of the one the system tells
    #[arg(long, global = true, value_name = "TEXT", help_heading = "Licensing", conflicts_with = "machine_id_file")]
    pub(crate) machine_id: Option<String>,
    /// A file with this machine's fingerprint, such as one kept in a volume
    #[arg(long, global = true, value_name = "PATH", help_heading = "Licensing")]
    pub(crate) machine_id_file: Option<PathBuf>,
    /// How long a file may be used whose license does not hold OFFLINE_LICENSING [default: 30d]
    #[arg(long, global = true, value_name = "LENGTH", help_heading = "Licensing")]
    pub(crate) max_lease: Option<String>,

    /// The licensing server, such as https://licensing.example/v1; http only on this machine
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "INSPIRE_AUTH_SERVER",
        hide_env_values = true,
        help_heading = "Licensing server"
    )]
    pub(crate) server: Option<String>,
    /// The account's id or slug, where the server has many vendors
    #[arg(long, global = true, value_name = "ID", help_heading = "Licensing server")]
    pub(crate) account: Option<String>,
    /// The host name that the server signs, where a proxy shows it another one
    #[arg(long, global = true, value_name = "HOST", help_heading = "Licensing server", hide_short_help = true)]
    pub(crate) signing_host: Option<String>,
    /// Certificates (PEM) of authorities that are trusted besides the system's
    #[arg(long, global = true, value_name = "PATH", help_heading = "Licensing server")]
    pub(crate) ca_file: Option<PathBuf>,
    /// A file with the proxy's address, http://[user:password@]host:port; `none` is none [default: as HTTPS_PROXY says]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Licensing server")]
    pub(crate) proxy_file: Option<PathBuf>,
    /// How long a call may take in all [default: 10s]
    #[arg(long, global = true, value_name = "LENGTH", help_heading = "Licensing server")]
    pub(crate) timeout: Option<String>,

    /// How security levels are read: as the host reads them
    #[arg(
        long,
        global = true,
        value_name = "MODE",
        default_value = "default",
        help_heading = "Advanced",
        hide_short_help = true
    )]
    pub(crate) level_mode: Mode,
    /// How generated keys are hashed; hmac-sha256 needs a pepper
    #[arg(
        long,
        global = true,
        value_name = "SCHEME",
        default_value = "argon2",
        help_heading = "Advanced",
        hide_short_help = true
    )]
    pub(crate) scheme: Scheme,
    /// Argon2id memory in KiB for new hashes [default: 19456]
    #[arg(long, global = true, value_name = "KIB", help_heading = "Advanced", hide_short_help = true)]
    pub(crate) hash_m: Option<u32>,
    /// Argon2id passes for new hashes [default: 2]
    #[arg(long, global = true, value_name = "N", help_heading = "Advanced", hide_short_help = true)]
    pub(crate) hash_t: Option<u32>,
    /// Argon2id lanes for new hashes [default: 1]
    #[arg(long, global = true, value_name = "N", help_heading = "Advanced", hide_short_help = true)]
    pub(crate) hash_p: Option<u32>,
}

/// A path, which may be empty: what that means depends on where it is from.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

impl Globals {
    /// A variable that is set to nothing is not set, as `docker compose` makes them.
    pub(crate) fn forget_empty_variables(&mut self, matches: &ArgMatches) {
        for (name, value) in [("store", &mut self.store), ("audit_file", &mut self.audit_file)] {
            let is_empty = value.as_ref().is_some_and(|path| path.as_os_str().is_empty());
            if is_empty && matches.value_source(name) == Some(ValueSource::EnvVariable) {
                *value = None;
            }
        }
    }
}

/// How security levels are read.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Every grant counts
    Default,
    /// As in Ignition: grants under Authenticated/Roles and SecurityZones are ignored
    Ignition,
}

/// How generated keys are hashed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scheme {
    /// Argon2id
    Argon2,
    /// HMAC-SHA-256 under the current pepper
    HmacSha256,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// API keys: create, list, change, revoke, verify
    #[command(subcommand, arg_required_else_help = true)]
    Keys(keys::Command),
    /// The license of this installation
    #[command(subcommand, arg_required_else_help = true)]
    License(license::Command),
    /// Route tables: check one, and ask what it would do
    #[command(subcommand, arg_required_else_help = true)]
    Routes(routes::Command),
    /// Answer gateways that ask over HTTP: nginx, Envoy, Caddy, Traefik, HAProxy
    Serve(serve::Serve),
    /// What this machine is to a license
    #[command(subcommand, arg_required_else_help = true)]
    Machine(machine::Command),
    /// For vendors: signing keys and license files
    #[command(subcommand, arg_required_else_help = true)]
    Issuer(issuer::Command),
    /// Backup, restore, and the store's history
    #[command(subcommand, arg_required_else_help = true)]
    Store(store::Command),
    /// The audit log: read it, and verify that nobody touched it
    #[command(subcommand, arg_required_else_help = true)]
    Audit(audit::Command),
    /// A completion script for a shell
    Completion(shell::Completion),
    /// The version of the command and of the library's ABI
    Version,
}

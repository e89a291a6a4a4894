//! `issuer ...`: for vendors.

mod license;
mod proof;
mod serve;
mod sign;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use inspire_auth_core::license::{
    InspectOptions,
    issue::SigningKey,
    keys::{PublicKey, TrustedKey},
};
use serde_json::json;

use super::license::inspected;
use crate::{
    context::Context,
    failure::{Failure, Result},
    files::{self, Audience, NewFile},
    report::Report,
    table::Facts,
};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a signing key and its public half
    Keygen(Keygen),
    /// Sign a license file or a machine file, also as the answer to a request
    Sign(sign::Sign),
    /// Make a license key that is signed itself
    SignKey(sign::SignKey),
    /// Check the receipt of a deactivation
    AcceptProof(proof::AcceptProof),
    /// Show the public half of a signing key, or check a file or a signed license key against it
    Inspect(Inspect),
    /// Run a licensing server, for development, tests and small vendors
    Serve(serve::Serve),
    /// The licenses of a licensing server
    #[command(subcommand, arg_required_else_help = true)]
    License(license::Command),
}

/// `issuer keygen`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer keygen --out-dir keys --id acme-2026

Writes ID.key (the secret: PEM PKCS#8, mode 0600; keep it offline) and ID.pub (`ID HEX`, as --trusted-keys-file reads
it; it goes into the products). Neither is ever overwritten.")]
pub(crate) struct Keygen {
    /// The folder for the two files; made if it is not there
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// The key's name [default: the first 16 digits of the public key]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// `issuer inspect`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer inspect --key keys/acme-2026.key
  inspire-auth issuer inspect --key keys/acme-2026.key site.lic --license-key-file license.key")]
pub(crate) struct Inspect {
    /// The signing key
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    /// A license file, or a signed license key, to check against it
    file: Option<PathBuf>,
    /// A file with the license key, for an encrypted file
    #[arg(long, value_name = "PATH")]
    license_key_file: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Keygen(arguments) => keygen(context, &arguments),
        Command::Sign(arguments) => sign::sign(context, &arguments),
        Command::SignKey(arguments) => sign::sign_key(context, &arguments),
        Command::AcceptProof(arguments) => proof::accept(context, &arguments),
        Command::Inspect(arguments) => inspect(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::License(command) => license::run(context, command),
    }
}

fn keygen(context: &Context, arguments: &Keygen) -> Result<Report> {
    let key = SigningKey::generate()?;
    let public = key.public();
    let id = arguments.id.clone().unwrap_or_else(|| public.to_hex().chars().take(16).collect());
    let named = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if !named || id.len() > 64 || !id.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(Failure::usage(
            "--id is 1 to 64 letters, digits, `.`, `_` or `-`, and begins with a letter or a digit",
        ));
    }
    let folder = arguments.out_dir.as_path();
    std::fs::create_dir_all(folder).map_err(|error| Failure::io(folder.display().to_string(), error))?;
    let (secret_path, public_path) = (folder.join(format!("{id}.key")), folder.join(format!("{id}.pub")));
    // Both or neither.
    let secret_file = NewFile::create(&secret_path, Audience::Owner)?;
    let public_file = NewFile::create(&public_path, Audience::Anyone)?;
    secret_file.keep(key.to_pem().as_bytes())?;
    let line = format!("{id} {}\n", public.to_hex());
    public_file.keep(line.as_bytes()).inspect_err(|_| {
        let _ = std::fs::remove_file(&secret_path);
    })?;
    context.note(&format!("Keep {} secret: whoever has it can make licenses.", secret_path.display()));
    let shown = |path: &Path| path.display().to_string();
    let mut facts = Facts::new();
    facts
        .add("Id", &id)
        .add("Public key", public.to_hex())
        .add("Secret file", shown(&secret_path))
        .add("Public file", shown(&public_path));
    let document = json!({
        "id": id,
        "public_key": public.to_hex(),
        "secret_file": shown(&secret_path),
        "public_file": shown(&public_path),
    });
    Ok(Report::new(document, facts.render(context.page)))
}

fn signing_key(path: &Path) -> Result<SigningKey> {
    let text = files::read_text(path)?;
    SigningKey::from_seed_file(&text).map_err(|error| Failure::from(error).about(files::name(path)))
}

fn inspect(context: &Context, arguments: &Inspect) -> Result<Report> {
    let public: PublicKey = signing_key(&arguments.key)?.public();
    let Some(path) = &arguments.file else {
        let mut facts = Facts::new();
        facts.add("Public key", public.to_hex());
        return Ok(Report::new(json!({"public_key": public.to_hex()}), facts.render(context.page)));
    };
    let file = files::read(path)?;
    let license_key = arguments.license_key_file.as_deref().map(files::read_text).transpose()?;
    let trusted = [TrustedKey::new("signing-key", public)?];
    let machine_id = context.machine_id()?;
    let options = InspectOptions {
        trusted_keys: &trusted,
        license_key: license_key.as_ref().map(|key| key.as_str()),
        machine_id: machine_id.as_deref(),
        product: context.globals.product.as_deref(),
        ..InspectOptions::default()
    };
    Ok(inspected(&file, &options, context.page))
}

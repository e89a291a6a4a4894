//! `issuer sign` and `issuer sign-key`: files and license keys, as a vendor hands them out.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use inspire_auth_core::license::{
    Kind,
    issue::{self, LicenseDescription, Request},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::signing_key;
use crate::{
    context::Context,
    failure::{Failure, Result},
    files::{self, Audience, NewFile},
    report::Report,
    time,
};

/// `issuer sign`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer sign --key keys/acme-2026.key --in license.json --out site.lic
  inspire-auth issuer sign --key keys/acme-2026.key --in - --kind machine --encrypt < license.json > site.lic
  inspire-auth issuer sign --key keys/acme-2026.key --in license.json --request site.req --out site.lic

With --request the file is for the machine that asks (`license request`): the request's signature is checked, its
fingerprint is taken, and its product and license key where the description has none. What contradicts it is refused.
Anybody can make a request: that the license key in it is one that you sold, the description says.

The description is JSON; unknown members are refused:
  id            the license's id (required)
  key           the license key that the customer types (required)
  name          what status pages show
  expiry        when the license ends, such as 2030-01-01T00:00:00Z; absent: never
  entitlements  list of codes, such as [\"VIDEO_WALL_SYNC\", \"OFFLINE_LICENSING\"]; the latter for offline activation
  limits        numbers by name, such as {\"MAX_DISPLAYS\": 25, \"AI_CREDITS_MONTHLY\": -1}; -1: unlimited
  fingerprint   the machine, as its `machine id` shows it (required for a machine file)
  ttl           how many seconds the file is good; absent: as long as the license
  product       the product's id
  policy, status, suspended, metadata, issued, machine, require_heartbeat

  {\"id\": \"5f0e\", \"key\": \"ABCD-EFGH\", \"name\": \"Plant 3\", \"expiry\": \"2030-01-01T00:00:00Z\",
   \"limits\": {\"MAX_DISPLAYS\": 25}, \"entitlements\": [\"MFA\", \"OFFLINE_LICENSING\"], \"fingerprint\": \"9c1f...\"}")]
pub(crate) struct Sign {
    /// The signing key, as `issuer keygen` or `openssl genpkey -algorithm ed25519` writes it
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    /// The description; - is standard input
    #[arg(long = "in", value_name = "PATH")]
    input: PathBuf,
    /// The request that it answers; - is standard input
    #[arg(long, value_name = "FILE.req")]
    request: Option<PathBuf>,
    /// What to make [default: machine when the description has a fingerprint, else license]
    #[arg(long, value_name = "KIND")]
    kind: Option<FileKind>,
    /// Encrypt it, so that only whoever has the license key (and, for a machine file, the machine) can read it
    #[arg(long)]
    encrypt: bool,
    /// Write to a new file instead of standard output
    #[arg(long, value_name = "FILE.lic")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileKind {
    /// For any machine
    License,
    /// For one machine
    Machine,
}

/// `issuer sign-key`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer sign-key --key keys/acme-2026.key --id 5f0e --product gateway --expires 365d --out license.key
  inspire-auth issuer sign-key --key keys/acme-2026.key --dataset customer.txt
  inspire-auth license inspect license.key --trusted-keys-file keys/acme-2026.pub

The key is `key/DATASET.SIGNATURE`, as Keygen makes it (scheme ED25519_SIGN): it shows who made it, before anybody is
asked. It activates nothing by itself: give it as `key` to `issuer sign`, or as --key-file to `issuer license create`.")]
pub(crate) struct SignKey {
    /// The signing key, as `issuer keygen` writes it
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    /// The license's id
    #[arg(long, value_name = "ID", required_unless_present = "dataset")]
    id: Option<String>,
    /// When the license ends: 2030-01-31T12:00:00Z, or from now: 365d [default: never]
    #[arg(long, value_name = "WHEN", conflicts_with = "dataset")]
    expires: Option<String>,
    /// Sign these bytes instead; - is standard input
    #[arg(long, value_name = "PATH", conflicts_with = "id")]
    dataset: Option<PathBuf>,
    /// Write to a new file instead of standard output
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

pub(super) fn sign(context: &Context, arguments: &Sign) -> Result<Report> {
    let key = signing_key(&arguments.key)?;
    if arguments.request.as_deref() == Some(Path::new("-")) && arguments.input == Path::new("-") {
        return Err(Failure::usage("--in and --request can't both be standard input"));
    }
    let request = arguments.request.as_deref().map(|path| read_request(context, path, arguments.kind)).transpose()?;
    let text = files::read(&arguments.input)?;
    let about = |error| {
        Failure::from(error).about(files::name(&arguments.input)).advise("see `inspire-auth issuer sign --help`")
    };
    let description = match &request {
        Some(request) => request.describe(&text),
        None => LicenseDescription::parse(&text),
    }
    .map_err(about)?;
    let kind = match arguments.kind {
        Some(FileKind::License) => Kind::License,
        Some(FileKind::Machine) => Kind::Machine,
        None if description.fingerprint.is_some() => Kind::Machine,
        None => Kind::License,
    };
    let file = issue::sign(&key, &description, kind, arguments.encrypt, None).map_err(about)?;
    let kind = if kind == Kind::Machine { "machine" } else { "license" };
    let offline = description.entitlements.iter().flatten().any(|code| code.eq_ignore_ascii_case("OFFLINE_LICENSING"));
    if !offline {
        context.note("note: without OFFLINE_LICENSING among its entitlements, it can't be activated offline");
    }
    if kind == "license" {
        context.note("note: a license file names no machine; hosts refuse it unless they allow that");
    }
    if let Some(request) = &request {
        context.note(&format!("The installation {} asks for it.", request.installation.to_hex()));
    }
    let report = match &arguments.out {
        None => Report::new(json!({"kind": kind, "encrypted": arguments.encrypt, "file": file}), file),
        Some(path) => {
            NewFile::create(path, Audience::Anyone)?.keep(file.as_bytes())?;
            let path = path.display().to_string();
            context.note(&format!("Signed {path} ({kind} file)."));
            Report::new(json!({"kind": kind, "encrypted": arguments.encrypt, "out": path}), "")
        }
    };
    Ok(match &request {
        Some(request) => report.with("request", document(request)),
        None => report,
    })
}

/// Reads a request, and refuses what the command line says otherwise.
fn read_request(context: &Context, path: &Path, kind: Option<FileKind>) -> Result<Request> {
    let about = |failure: Failure| failure.about(files::name(path));
    let request = Request::read(&files::read(path)?).map_err(|error| about(error.into()))?;
    if kind == Some(FileKind::License) {
        return Err(about(Failure::usage("a request is for a machine file")));
    }
    let (machine, product) = (context.machine_id()?, context.globals.product.as_deref());
    if machine.is_some_and(|machine| machine != request.fingerprint) {
        return Err(about(Failure::usage("the request is of another machine than the one that is given")));
    }
    if let (Some(given), Some(asked)) = (product, &request.product)
        && given != asked
    {
        return Err(about(Failure::usage("the request is of another product than the one that is given")));
    }
    Ok(request)
}

/// A request, for programs. Its license key stays in it.
fn document(request: &Request) -> Value {
    json!({
        "installation": request.installation.to_hex(),
        "fingerprint": request.fingerprint,
        "product": request.product,
        "created_at": request.created,
    })
}

pub(super) fn sign_key(context: &Context, arguments: &SignKey) -> Result<Report> {
    let key = signing_key(&arguments.key)?;
    let dataset = arguments.dataset.as_deref().map(files::read).transpose()?;
    let mut license = LicenseDescription::new(arguments.id.clone().unwrap_or_default(), "");
    license.product.clone_from(&context.globals.product);
    if let Some(expires) = &arguments.expires {
        let end = time::moment(expires)?;
        let end = Timestamp::from_second(end).map_err(|_| Failure::usage(format!("{expires} is too far away")))?;
        license.expiry = Some(end.to_string());
    }
    if arguments.id.as_deref() == Some("") {
        return Err(Failure::usage("--id is empty"));
    }
    let made = Zeroizing::new(issue::sign_key(&key, &license, dataset.as_ref().map(|bytes| &bytes[..]), None)?);
    let Some(path) = &arguments.out else {
        let line = Zeroizing::new(format!("{}\n", made.as_str()));
        return Ok(Report::secret(json!({"license_key": made.as_str()}), line));
    };
    NewFile::create(path, Audience::Owner)?.keep(format!("{}\n", made.as_str()).as_bytes())?;
    let path = path.display().to_string();
    context.note(&format!("Signed {path} (license key)."));
    Ok(Report::new(json!({"out": path}), ""))
}

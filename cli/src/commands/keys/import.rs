//! `import`: a key by its hash.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inspire_auth_core::{
    keys::{self, Caller, ImportFormat},
    store,
};
use serde_json::json;

use super::{Settings, view};
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
};

/// `keys import NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys import scada --format ignition --hash-file scada.hash --strength random --level Authenticated/Ops
  grep -o '[$]argon2id[^ ]*' dump.txt | inspire-auth keys import legacy --hash-file -

Formats:
  phc       a PHC string of Argon2id, Argon2i or Argon2d: $argon2id$v=19$m=19456,t=2,p=1$...$...
  ignition  the tokenHash of an Ignition API token: 43 characters of base64url

The hash is replaced by one of this store's own making at the key's first use.")]
pub(crate) struct Import {
    /// The key's name
    name: String,
    /// A file that holds the hash and nothing else; - is standard input
    #[arg(long, value_name = "PATH")]
    hash_file: PathBuf,
    /// What the hash is
    #[arg(long, value_name = "FORMAT", default_value = "phc")]
    format: Format,
    /// Whether the secret came from a random source; chosen ones are checked more slowly and guarded against guessing
    #[arg(long, value_name = "STRENGTH", default_value = "chosen")]
    strength: Strength,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A PHC string
    Phc,
    /// Ignition's tokenHash
    Ignition,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Strength {
    /// At least 128 bits from a random source
    Random,
    /// Chosen by a person, or not known
    Chosen,
}

pub(super) fn import(context: &Context, arguments: &Import) -> Result<Report> {
    let key = arguments.settings.key(context, &arguments.name)?;
    let hash = files::read_text(&arguments.hash_file)?;
    let auth = context.open(Opening::MayCreate)?;
    let import = keys::Import {
        key,
        format: match arguments.format {
            Format::Phc => ImportFormat::Phc,
            Format::Ignition => ImportFormat::Ignition,
        },
        hash: hash.as_str().to_owned(),
        strength: match arguments.strength {
            Strength::Random => store::Strength::Random,
            Strength::Chosen => store::Strength::Chosen,
        },
    };
    let record =
        auth.keys().import(&import, &Caller::system()).map_err(|error| Failure::from(error).about(&arguments.name))?;
    context.note(&format!("Imported {}.", record.name));
    Ok(Report::new(json!({"record": view::json(&record)}), ""))
}

//! `import-all`: many keys by their hashes, in one transaction.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::{
    keys::{Caller, Import, ImportFormat, NewKey},
    store::Strength,
};
use serde::Deserialize;
use serde_json::{Value, error::Category, json};

use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
    text::count,
    time,
};

/// `keys import-all FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys import-all keys.jsonl
  jq -c '.users[] | {name, hash, levels: [\"Authenticated/\" + .role]}' dump.json | inspire-auth keys import-all -

A line:
  {\"name\": \"legacy\", \"hash\": \"$argon2id$v=19$m=19456,t=2,p=1$...$...\", \"levels\": [\"Authenticated/Ops\"]}

Members; all but the first two may be left out:
  name            the key's name
  hash            the hash
  format          what the hash is: \"phc\" (default) or \"ignition\", as of `keys import`
  strength        \"chosen\" (default), or \"random\" for secrets of at least 128 bits from a random source
  description     what the key is for
  levels          a list of the security levels to grant
  require_secure  false accepts the key over connections that are not secure, too
  enabled         false makes it disabled
  expires_at      2030-01-31T12:00:00Z, or from now: 90d, 12h, 30m; or Unix seconds, or null

All keys are added, or none: the first line that can't be is told. The audit log has one event of them all.")]
pub(crate) struct ImportAll {
    /// A file with one JSON object a line; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    hash: String,
    format: Option<Format>,
    strength: Option<How>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    levels: Vec<String>,
    #[serde(default = "yes")]
    require_secure: bool,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    expires_at: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Phc,
    Ignition,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Chosen,
    Random,
}

const fn yes() -> bool {
    true
}

impl Line {
    fn read(line: &[u8]) -> Result<Self> {
        // A list would do for serde, by the order of the members.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(Failure::usage(NO_OBJECT));
        }
        serde_json::from_slice(line)
            .map_err(|error| Failure::usage(format!("column {}: {}", error.column(), problem(&error))))
    }

    fn import(self) -> Result<Import> {
        let no_time = || Failure::usage(NO_TIME);
        let expires_at = match self.expires_at {
            Value::Null => None,
            Value::String(text) => Some(time::moment(&text).map_err(|_| no_time())?),
            Value::Number(seconds) => Some(seconds.as_i64().ok_or_else(no_time)?),
            _ => return Err(no_time()),
        };
        Ok(Import {
            key: NewKey {
                name: self.name,
                description: self.description,
                levels: self.levels,
                require_secure: self.require_secure,
                enabled: self.enabled,
                expires_at,
            },
            format: match self.format {
                None | Some(Format::Phc) => ImportFormat::Phc,
                Some(Format::Ignition) => ImportFormat::Ignition,
            },
            hash: self.hash,
            strength: match self.strength {
                None | Some(How::Chosen) => Strength::Chosen,
                Some(How::Random) => Strength::Random,
            },
        })
    }
}

const NO_OBJECT: &str = "that is no JSON object";
const NO_TIME: &str = "expires_at is neither a time such as 2030-01-31T12:00:00Z nor a length such as 90d or 12h";

/// What is wrong, without the value at fault, which may be a hash in the wrong place.
fn problem(error: &serde_json::Error) -> String {
    if error.classify() != Category::Data {
        return NO_OBJECT.to_owned();
    }
    let message = error.to_string();
    let mut words = message.split('`');
    match (words.next(), words.next()) {
        (Some(kind @ ("unknown field " | "missing field " | "duplicate field ")), Some(member)) => {
            format!("{}member {member}", kind.trim_end_matches("field "))
        }
        (Some("unknown variant "), _) => "a value that is not defined".to_owned(),
        _ => "a value of the wrong type".to_owned(),
    }
}

pub(super) fn import_all(context: &Context, arguments: &ImportAll) -> Result<Report> {
    let mut imports = Vec::new();
    // Where each of them stands: blank lines are passed over.
    let mut places = Vec::new();
    files::lines(&arguments.file, &mut |number, line| {
        if !line.trim_ascii().is_empty() {
            imports.push(Line::read(line)?.import()?);
            places.push(number);
        }
        Ok(())
    })?;
    let now = time::now();
    let expired = imports.iter().filter(|import| import.key.expires_at.is_some_and(|end| end <= now)).count();
    if expired > 0 {
        context.note(&format!("warning: {} expired already", count(expired as u64, "key has", "keys have")));
    }
    let auth = context.open(Opening::MayCreate)?;
    let imported = auth.keys().import_all(&imports, &Caller::system()).map_err(|error| {
        let place = error.position().and_then(|at| places.get(at));
        let about = place.map_or_else(|| files::name(&arguments.file), |number| files::line(&arguments.file, *number));
        Failure::from(error).about(about)
    })?;
    context.note(&format!("Imported {}.", count(imported, "key", "keys")));
    Ok(Report::new(json!({"imported": imported}), ""))
}

//! `create`, `duplicate`, `rotate`: the verbs that make a secret, and show it once.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::keys::{Caller, Created};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Settings, view};
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files::{Audience, NewFile},
    report::Report,
    time,
};

/// `keys create NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys create reporting --level Authenticated/Ops/Read --expires 90d
  inspire-auth keys create deploy --level Authenticated/Ops/Write --out deploy.key
  inspire-auth keys create probe --allow-insecure --json

The credential NAME:KEY goes to standard output, once. It is sent as one of
  Authorization: Bearer NAME:KEY
  X-Ignition-API-Token: NAME:KEY")]
pub(crate) struct Create {
    /// Letters, digits, `.`, `_` and `-`; begins with a letter or a digit; at most 64
    name: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    out: Out,
}

/// `keys duplicate NAME NEW`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys duplicate reporting reporting-2")]
pub(crate) struct Duplicate {
    /// The key whose settings are taken
    name: String,
    /// The new key's name
    new_name: String,
    /// Only if the key still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    #[command(flatten)]
    out: Out,
}

/// `keys rotate NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys rotate reporting
  inspire-auth keys rotate reporting --overlap 24h
  inspire-auth keys rotate reporting --yes --out reporting.key

With an overlap both secrets are good until it ends, or the key itself: time to bring the new one to whatever uses it.
`keys show` tells until when. An older secret that still overlapped is refused at once.")]
pub(crate) struct Rotate {
    /// The key
    name: String,
    /// Only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// How long the present secret stays good beside the new one: 24h, 30m, 7d; at most a year [default: 0s]
    #[arg(long, value_name = "LENGTH")]
    overlap: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    out: Out,
}

/// Where the secret goes.
#[derive(Debug, Args)]
struct Out {
    /// Write the credential to a new file (mode 0600) instead of standard output
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

pub(super) fn create(context: &Context, arguments: &Create) -> Result<Report> {
    let key = arguments.settings.key(context, &arguments.name)?;
    let auth = context.open(Opening::MayCreate)?;
    arguments.out.deliver(context, "Created", &arguments.name, || Ok(auth.keys().create(&key, &Caller::system())?))
}

pub(super) fn duplicate(context: &Context, arguments: &Duplicate) -> Result<Report> {
    let Duplicate { name, new_name, revision, out } = arguments;
    let auth = context.open(Opening::Existing)?;
    out.deliver(context, "Created", new_name, || {
        auth.keys()
            .duplicate(name, new_name, *revision, &Caller::system())
            .map_err(|error| Failure::from(error).about(format!("{name} as {new_name}")))
    })
}

pub(super) fn rotate(context: &Context, arguments: &Rotate) -> Result<Report> {
    let Rotate { name, revision, overlap, yes, out } = arguments;
    let overlap = overlap.as_deref().map_or(Ok(0), overlap_seconds)?;
    let auth = context.open(Opening::Existing)?;
    let record = auth.keys().get(name).map_err(|error| Failure::from(error).about(name))?;
    let question = if overlap == 0 {
        format!("Rotate {name}? Whatever uses its present secret is refused at once.")
    } else {
        let end = time::now().saturating_add(i64::try_from(overlap).unwrap_or(i64::MAX));
        let end = time::absolute(end.min(record.expires_at.unwrap_or(i64::MAX)));
        format!("Rotate {name}? Whatever uses its present secret is refused from {end} on, older ones at once.")
    };
    context.confirm(&question, *yes)?;
    // What was asked about is what is rotated.
    let revision = revision.unwrap_or(record.revision);
    out.deliver(context, "Rotated", name, || {
        let created = auth
            .keys()
            .rotate(name, overlap, Some(revision), &Caller::system())
            .map_err(|error| Failure::from(error).about(name))?;
        if let Some(end) = created.record.overlap_ends_at {
            context.note(&format!("The old secret is {}.", view::overlap(end, time::now())));
        }
        Ok(created)
    })
}

/// `24h` in seconds. How long it may be is the library's to say.
fn overlap_seconds(text: &str) -> Result<u64> {
    let seconds = time::length(text).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.ok_or_else(|| Failure::usage("--overlap is a length of time such as 24h, 30m or 7d"))
}

impl Out {
    /// Makes the secret, and puts it where it is wanted: the one place where it is ever seen.
    fn deliver(
        &self,
        context: &Context,
        did: &str,
        name: &str,
        make: impl FnOnce() -> Result<Created>,
    ) -> Result<Report> {
        // First the file, so that no secret is made that has nowhere to go.
        let file = self.out.as_deref().map(|path| NewFile::create(path, Audience::Owner)).transpose()?;
        let created =
            make().map_err(|failure| if failure.is_about_something() { failure } else { failure.about(name) })?;
        let lost = format!("the secret of {name} is lost: get a new one with `inspire-auth keys rotate {name}`");
        for level in &created.ignored_levels {
            context.note(&format!("warning: {level} is granted, but ignored in Ignition mode"));
        }
        let record = view::json(&created.record);
        let mut credential = created.credential();
        credential.push('\n');
        if let (Some(file), Some(path)) = (file, &self.out) {
            file.keep(credential.as_bytes()).map_err(|failure| failure.advise(lost))?;
            let path = path.display().to_string();
            context.note(&format!("{did} {name}. Its credential is in {path}, and nowhere else."));
            return Ok(Report::new(json!({"record": record, "out": path}), ""));
        }
        context.note(&format!("{did} {name}. This is the only time its secret is shown: keep it now."));
        let document = json!({
            "record": record,
            "key": created.key.as_str(),
            "credential": created.credential().as_str(),
        });
        Ok(Report::secret(document, Zeroizing::clone(&credential)).only_copy(lost))
    }
}

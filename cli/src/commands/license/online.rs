//! `license revalidate`, `request`, `refresh` and `release`: what passes between an installation and its vendor.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::{keys::Caller, license::online::Cancel};
use serde_json::json;

use super::status;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
};

/// `license revalidate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license revalidate --server https://licensing.example/v1 --trusted-keys-file vendor.pub

A renewal, or a change of what is licensed, arrives this way. When the server can't be reached nothing changes.")]
pub(crate) struct Revalidate {}

/// `license request`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license request --out site.req
  inspire-auth license request --key-file license.key --out site.req

Send the file to your vendor, who makes a license file of it (`issuer sign --request`). It has this machine's
fingerprint and nothing else of it.")]
pub(crate) struct Request {
    /// A file with the license key, to be sent along; - is standard input
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// Where to write the request, a new file [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// `license refresh`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license refresh --file site-2028.lic --trusted-keys-file vendor.pub

The license key is the one that is installed.")]
pub(crate) struct Refresh {
    /// The newer file
    #[arg(long, value_name = "FILE.lic")]
    file: PathBuf,
}

/// `license release`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license release --server https://licensing.example/v1 --trusted-keys-file vendor.pub

Frees what a deactivation could not free, because the server was not reached.")]
pub(crate) struct Release {}

pub(super) fn revalidate(context: &Context, _: &Revalidate) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let status = auth.license().revalidate(&Caller::system())?;
    context.note("The license was validated, and its lease is fresh.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

pub(super) fn request(context: &Context, arguments: &Request) -> Result<Report> {
    let key = arguments.key_file.as_deref().map(files::read_text).transpose()?;
    let out = arguments.out.as_ref().map(|path| files::NewFile::create(path, files::Audience::Anyone)).transpose()?;
    let auth = context.open(Opening::MayCreate)?;
    let request = auth.license().request(key.as_ref().map(|key| key.as_str()), &Caller::system())?;
    let Some(file) = out else { return Ok(Report::new(json!({"request": request}), request)) };
    file.keep(request.as_bytes())?;
    let name = arguments.out.as_deref().map(files::name).unwrap_or_default();
    context.note("Send the file to your vendor.");
    Ok(Report::new(json!({"file": name, "request": request}), ""))
}

pub(super) fn refresh(context: &Context, arguments: &Refresh) -> Result<Report> {
    let file = files::read(&arguments.file)?;
    let auth = context.open(Opening::Existing)?;
    let refreshed = auth.license().refresh(&file, &Caller::system());
    let status = refreshed.map_err(|error| Failure::from(error).about(files::name(&arguments.file)))?;
    context.note("The newer file is installed.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

pub(super) fn release(context: &Context, _: &Release) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let released = auth.license().release_pending(&Cancel::default(), &Caller::system())?;
    let text = match released {
        0 => "Nothing is left to be released.\n".to_owned(),
        1 => "One machine was released.\n".to_owned(),
        many => format!("{many} machines were released.\n"),
    };
    Ok(Report::new(json!({"released": released}), text))
}

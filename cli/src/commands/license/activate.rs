//! `license activate` and `license deactivate`.

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Args;
use inspire_auth_core::{keys::Caller, license::Release};
use zeroize::Zeroizing;

use super::status;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
};

/// `license activate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license activate --key-file license.key --server https://licensing.example/v1 --trusted-keys-file vendor.pub
  inspire-auth license activate --key-file license.key --file site.lic --trusted-keys-file vendor.pub
  echo ABCD-EFGH | inspire-auth license activate --key-file - --file site.lic --trusted-keys-file vendor.pub

The license key never stands on the command line, where others could read it. On a terminal it is asked for.")]
pub(crate) struct Activate {
    /// The license file, as the vendor sent it; without one the licensing server is asked
    #[arg(long, value_name = "FILE.lic")]
    file: Option<PathBuf>,
    /// A file with the license key; - is standard input
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// Install it although a newer file of the same license is installed
    #[arg(long, requires = "file")]
    force: bool,
    /// Accept a license file that names no machine
    #[arg(long, requires = "file")]
    allow_unbound: bool,
}

/// `license deactivate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license deactivate
  inspire-auth license deactivate --yes --receipt-out receipt.txt

A license that was activated online is then released at the licensing server. Should that fail, it stays noted: see
`license release`. The receipt is for the vendor: this installation's word that it took the license out.

The installed file can't be installed here again; a newer one can.")]
pub(crate) struct Deactivate {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Say nothing to the licensing server, now or later
    #[arg(long)]
    local_only: bool,
    /// Where to write the receipt, a new file
    #[arg(long, value_name = "PATH")]
    receipt_out: Option<PathBuf>,
}

pub(super) fn activate(context: &Context, arguments: &Activate) -> Result<Report> {
    let Some(path) = &arguments.file else { return activate_online(context, arguments) };
    let file = files::read(path)?;
    let key = license_key(context, arguments)?;
    let auth = context.open_with(Opening::MayCreate, |options| options.allow_unbound = arguments.allow_unbound)?;
    let status = auth
        .license()
        .activate_offline(&key, &file, arguments.force, &Caller::system())
        .map_err(|error| Failure::from(error).about(files::name(path)))?;
    context.note("The license is installed.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

fn activate_online(context: &Context, arguments: &Activate) -> Result<Report> {
    if context.globals.server.as_deref().unwrap_or_default().is_empty() {
        let missing = Failure::usage("neither a license file nor a licensing server is named");
        return Err(missing.advise("give --file FILE.lic, or --server URL (or set INSPIRE_AUTH_SERVER)"));
    }
    let key = license_key(context, arguments)?;
    let auth = context.open(Opening::MayCreate)?;
    let status = auth.license().activate_online(&key, &Caller::system())?;
    context.note("This machine is activated.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

/// The license key: from a file, or asked for.
fn license_key(context: &Context, arguments: &Activate) -> Result<Zeroizing<String>> {
    if let Some(path) = &arguments.key_file {
        return files::read_text(path);
    }
    if context.globals.no_input || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the license key is missing").advise("give --key-file PATH, or --key-file -"));
    }
    context.ask("License key: ")
}

pub(super) fn deactivate(context: &Context, arguments: &Deactivate) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let name = auth.license().status(None)?.name.unwrap_or_else(|| "the license".to_owned());
    context.confirm(&format!("Deactivate {name}? Features are restricted at once."), arguments.yes)?;
    // Made before anything is changed: a path that can't be written is found out in time.
    let receipt_file =
        arguments.receipt_out.as_ref().map(|path| files::NewFile::create(path, files::Audience::Anyone)).transpose()?;
    let license = auth.license();
    let done = if arguments.local_only {
        license.deactivate_locally(&Caller::system())?
    } else {
        license.deactivate(&Caller::system())?
    };
    context.note("The license is removed from this machine.");
    match (done.release, &done.problem) {
        (Release::Server, _) => context.note("The licensing server has freed its place."),
        (Release::Pending, problem) => {
            let why = problem.as_ref().map(ToString::to_string).unwrap_or_default();
            context.note(&format!("Its place at the licensing server is still to be freed: {why}"));
            context.note("  try: `inspire-auth license release`, when the server can be reached");
        }
        (Release::None, _) => {}
    }
    match (receipt_file, &done.receipt) {
        (Some(file), Some(receipt)) => file.keep(receipt.as_bytes())?,
        (Some(_), None) => context.note("There is no receipt: the license's file could not be read on this machine."),
        (None, _) => {}
    }
    let report = status::report(&done.status, &license.entitlements(None)?, context.page);
    Ok(report.with("release", done.release.as_str()).with("receipt", done.receipt))
}

//! `license activate` and `license deactivate`.

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Args;
use inspire_auth_core::keys::Caller;
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
  inspire-auth license activate --key-file license.key --file site.lic --trusted-keys-file vendor.pub
  echo ABCD-EFGH | inspire-auth license activate --key-file - --file site.lic --trusted-keys-file vendor.pub

The license key never stands on the command line, where others could read it. On a terminal it is asked for.")]
pub(crate) struct Activate {
    /// The license file, as the vendor sent it
    #[arg(long, value_name = "FILE.lic")]
    file: PathBuf,
    /// A file with the license key; - is standard input
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// Install it although a newer file of the same license is installed
    #[arg(long)]
    force: bool,
    /// Accept a license file that names no machine
    #[arg(long)]
    allow_unbound: bool,
}

/// `license deactivate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license deactivate
  inspire-auth license deactivate --yes

The installed file can't be installed here again; a newer one can.")]
pub(crate) struct Deactivate {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn activate(context: &Context, arguments: &Activate) -> Result<Report> {
    let file = files::read(&arguments.file)?;
    let key = license_key(context, arguments)?;
    let auth = context.open_with(Opening::MayCreate, |options| options.allow_unbound = arguments.allow_unbound)?;
    let status = auth
        .license()
        .activate_offline(&key, &file, arguments.force, &Caller::system())
        .map_err(|error| Failure::from(error).about(files::name(&arguments.file)))?;
    context.note("The license is installed.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

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
    let status = auth.license().deactivate(&Caller::system())?.status;
    context.note("The license is removed from this machine.");
    Ok(status::report(&status, &auth.license().entitlements(None)?, context.page))
}

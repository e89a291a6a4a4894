//! `license ...`: the license of this installation.

mod activate;
mod inspect;
mod questions;
mod status;

use clap::Subcommand;

use crate::{context::Context, failure::Result, report::Report};

pub(super) use inspect::report as inspection_report;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What this installation is licensed for
    Status(status::Status),
    /// Install a license file
    Activate(activate::Activate),
    /// Read a license file and list every check, without installing it
    Inspect(inspect::Inspect),
    /// Ask whether the license grants entitlements
    Check(questions::Check),
    /// Ask for a limit, or whether what is in use fits it
    Limit(questions::Limit),
    /// Free this machine: remove the license
    Deactivate(activate::Deactivate),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Status(arguments) => status::status(context, &arguments),
        Command::Activate(arguments) => activate::activate(context, &arguments),
        Command::Inspect(arguments) => inspect::inspect(context, &arguments),
        Command::Check(arguments) => questions::check(context, &arguments),
        Command::Limit(arguments) => questions::limit(context, &arguments),
        Command::Deactivate(arguments) => activate::deactivate(context, &arguments),
    }
}

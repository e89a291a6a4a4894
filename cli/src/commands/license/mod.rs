//! `license ...`: the license of this installation.

mod activate;
mod credits;
mod doctor;
mod inspect;
mod online;
mod questions;
mod status;

use clap::Subcommand;

use crate::{context::Context, failure::Result, report::Report};

pub(super) use inspect::inspected;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What this installation is licensed for
    Status(status::Status),
    /// Activate this machine: at the licensing server, or from a license file
    Activate(activate::Activate),
    /// Ask the licensing server again, and fetch a fresh lease
    Revalidate(online::Revalidate),
    /// Write a request for a license file, for the vendor
    Request(online::Request),
    /// Install a newer file of the installed license
    Refresh(online::Refresh),
    /// Read a license file, or a signed license key, and list every check, without installing it
    Inspect(inspect::Inspect),
    /// Ask whether the license grants entitlements
    Check(questions::Check),
    /// Ask for a limit, or whether what is in use fits it
    Limit(questions::Limit),
    /// Credits: what is left this month, consume, refund
    #[command(subcommand, arg_required_else_help = true)]
    Credits(credits::Command),
    /// Free this machine: remove the license
    Deactivate(activate::Deactivate),
    /// Try again to free this machine at the licensing server
    Release(online::Release),
    /// Find out what is wrong: store, machine, keys, clock, and each step to the licensing server
    Doctor(doctor::Doctor),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Status(arguments) => status::status(context, &arguments),
        Command::Activate(arguments) => activate::activate(context, &arguments),
        Command::Revalidate(arguments) => online::revalidate(context, &arguments),
        Command::Request(arguments) => online::request(context, &arguments),
        Command::Refresh(arguments) => online::refresh(context, &arguments),
        Command::Credits(command) => credits::run(context, command),
        Command::Release(arguments) => online::release(context, &arguments),
        Command::Doctor(arguments) => doctor::run(context, &arguments),
        Command::Inspect(arguments) => inspect::inspect(context, &arguments),
        Command::Check(arguments) => questions::check(context, &arguments),
        Command::Limit(arguments) => questions::limit(context, &arguments),
        Command::Deactivate(arguments) => activate::deactivate(context, &arguments),
    }
}

//! The commands, a module a noun.

pub(crate) mod audit;
pub(crate) mod issuer;
pub(crate) mod keys;
pub(crate) mod license;
pub(crate) mod machine;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod shell;
pub(crate) mod store;

use crate::{cli::Command, context::Context, failure::Result, report::Report};

/// Does what was asked.
pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Keys(command) => keys::run(context, command),
        Command::License(command) => license::run(context, command),
        Command::Routes(command) => routes::run(context, command),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Machine(command) => machine::run(context, command),
        Command::Issuer(command) => issuer::run(context, command),
        Command::Store(command) => store::run(context, command),
        Command::Audit(command) => audit::run(context, command),
        Command::Completion(arguments) => Ok(shell::completion(&arguments)),
        Command::Version => Ok(shell::version()),
    }
}

//! `inspire-auth`: API keys and licenses on the command line.
//!
//! What a command found or did goes to standard output, in one piece and only when it succeeded; talk and errors go to
//! standard error. The exit code says what kind of failure it was (see [`failure::Failure::exit`]).

mod cli;
mod commands;
mod context;
mod failure;
mod files;
mod place;
mod report;
mod table;
mod text;
mod time;

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::{ColorChoice, CommandFactory, FromArgMatches};
use inspire_auth_core::{Code, Error};

use cli::Cli;
use context::Context;
use failure::Failure;
use report::Report;

fn main() -> ExitCode {
    // At a prompt, or anywhere else: SQLite undoes what was under way. `true`: from the first signal on.
    let interrupted = Arc::new(AtomicBool::new(true));
    let _ =
        signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 130, Arc::clone(&interrupted));

    let manners = Manners::of_arguments();
    let parsed = Cli::command()
        .color(if manners.color { ColorChoice::Auto } else { ColorChoice::Never })
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let cli = match parsed {
        Ok((mut cli, matches)) => {
            cli.globals.forget_empty_variables(&matches);
            cli
        }
        Err(error) => return usage(&error, manners),
    };
    let context = Context::new(cli.globals, interrupted);
    let done = catch_unwind(AssertUnwindSafe(|| commands::run(&context, cli.command)));
    match done.unwrap_or_else(|_| Err(Failure::from(Error::new(Code::Internal)))) {
        Ok(report) => {
            context.tell_unrecorded();
            finish(&context, &report, manners)
        }
        Err(failure) => fail(&failure, manners),
    }
}

/// How failures are told, known before the arguments are: a usage error must be told in the same manner.
#[derive(Clone, Copy)]
struct Manners {
    json: bool,
    color: bool,
}

impl Manners {
    fn of_arguments() -> Self {
        let arguments: Vec<_> = std::env::args_os().skip(1).take_while(|argument| argument != "--").collect();
        let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
        Self { json: given("--json"), color: !given("--no-color") }
    }
}

/// Prints what a command has to say.
fn finish(context: &Context, report: &Report, manners: Manners) -> ExitCode {
    let text = if context.globals.json { report.as_json() } else { report.as_text() };
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Ok(()) => ExitCode::from(report.exit),
        // Whoever read it has seen enough, unless it was the one copy of a secret.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && report.lost.is_none() => ExitCode::from(report.exit),
        Err(error) => {
            let failure = Failure::io("standard output", error);
            fail(&report.lost.iter().fold(failure, |failure, advice| failure.advise(advice.clone())), manners)
        }
    }
}

fn fail(failure: &Failure, manners: Manners) -> ExitCode {
    let text = if manners.json { failure.as_json() } else { failure.as_text() };
    // There is nowhere left to say that standard error can't be written.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(failure.exit())
}

/// Help and version, which are answers; and everything that clap can't make sense of.
fn usage(error: &clap::Error, manners: Manners) -> ExitCode {
    if error.exit_code() == 0 || !manners.json {
        return match error.print() {
            Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                fail(&Failure::io("standard output", problem), manners)
            }
            _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
        };
    }
    // What is wrong stands before the first empty line; usage and hints follow.
    let text = error.render().to_string();
    let what: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    fail(&Failure::usage(what.join(" ").trim_start_matches("error: ")), manners)
}

//! `cargo xtask`: the one entry for people and CI.
//!
//! One verb a file, under [`verbs`]; what `cargo xtask test` runs is under [`stages`]; the generator of the
//! conformance vectors is under [`vectors`]. A verb that was called wrongly exits with 2, one that failed with 1.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a development tool talks to its terminal, its sums are of line counts and seconds, and what it indexes is \
              JSON that it has just made"
)]

mod args;
mod cli;
mod gateways;
mod need;
mod node;
mod platform;
mod project;
mod python;
mod run;
mod stages;
mod symbols;
mod text;
mod vectors;
mod verbs;

use std::process::ExitCode;

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was called wrongly: the verb's help is shown, and the exit code is 2.
    Usage(String),
    /// It tried and failed: the exit code is 1.
    Failed(String),
}

/// What a verb, or a part of one, comes to.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Failed(message.to_owned())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

/// One thing that `cargo xtask` can do.
pub(crate) struct Verb {
    /// What is typed.
    pub name: &'static str,
    /// One line, for the list.
    pub summary: &'static str,
    /// The arguments and what they mean, for `--help`.
    pub help: &'static str,
    /// Does it.
    pub run: fn(Vec<String>) -> Outcome,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        eprint!("{}", overview());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    }
    let Some(verb) = verbs::ALL.iter().find(|verb| verb.name == name) else {
        eprint!("There is no verb `{name}`.\n\n{}", overview());
        return ExitCode::from(2);
    };
    let rest: Vec<String> = arguments.collect();
    if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("cargo xtask {}: {}\n\n{}\n", verb.name, verb.summary, verb.help.trim());
        return ExitCode::SUCCESS;
    }
    match (verb.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("{message}\n\n{}", verb.help.trim());
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("cargo xtask {}: {message}", verb.name);
            ExitCode::from(1)
        }
    }
}

fn overview() -> String {
    let mut text = String::from("Usage: cargo xtask VERB [ARGUMENTS]\n\n");
    for verb in verbs::ALL {
        text.push_str(&format!("  {:<9} {}\n", verb.name, verb.summary));
    }
    text.push_str("\n`cargo xtask VERB --help` says more.\n");
    text
}

//! `license doctor`: what is right and what is not, one line a check.

mod installation;
mod requests;
mod server;

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::{Code, Error};
use serde_json::{Value, json};

use crate::{
    context::Context,
    failure::{Failure, Result},
    report::Report,
    table::{Page, Table},
};

/// `license doctor`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license doctor --trusted-keys-file vendor.pub
  inspire-auth license doctor --server https://licensing.example/v1 --trusted-keys-file vendor.pub --json
  inspire-auth license doctor --server https://licensing.example/v1 --show-request
  inspire-auth license doctor --server https://licensing.example/v1 --show-request --key-file license.key

Give it what the host has: its store, its trusted keys, its product, its server. Without --server no connection is made.
With one, each step to it is tried, within --timeout: how a license stands that nobody has is asked, and nothing of this
installation's is sent. No license is changed, here or there.

--show-request prints what a re-validation of the installed license would send, or with --key-file what an activation
would, and sends nothing. What HTTP itself adds (Host, Content-Length) is left out, and so is what a proxy is sent.

Exits 0 when no check fails; warnings are no failures. Else the exit code is that of the first check that fails, as of
every command: 2 for an address, 3 for what can't be believed, 4 for a license that can't be used, 6 for a store that is
not there, 7 for a machine without an identity, 8 for the network, 9 for a server that refuses, 10 for permissions.")]
pub(crate) struct Doctor {
    /// Print what would be sent to the licensing server, and send nothing
    #[arg(long)]
    show_request: bool,
    /// A file with the license key of an activation, for --show-request; - is standard input
    #[arg(long, value_name = "PATH", requires = "show_request")]
    key_file: Option<PathBuf>,
    /// Show the license key in it, which is masked otherwise
    #[arg(long, requires = "show_request")]
    reveal: bool,
}

pub(super) fn run(context: &Context, arguments: &Doctor) -> Result<Report> {
    if arguments.show_request {
        return requests::show(context, arguments.key_file.as_deref(), arguments.reveal);
    }
    let keys = context.trusted_keys()?;
    let server = context.server()?;
    let mut checks = installation::checks(context, &keys)?;
    let clock_offset = server::checks(&mut checks, server.as_ref(), &keys);
    Ok(report(&checks, clock_offset, context.page))
}

/// Characters.
const MOST_OF_A_CAUSE: usize = 160;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    Warn,
    Fail,
    Skipped,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// One line of the list.
struct Check {
    name: &'static str,
    outcome: Outcome,
    found: String,
    code: Option<Code>,
    /// What to do.
    action: String,
    /// The exit code, where it failed.
    exit: u8,
}

impl Check {
    fn new(name: &'static str, outcome: Outcome, found: impl Into<String>) -> Self {
        Self { name, outcome, found: found.into(), code: None, action: String::new(), exit: 0 }
    }

    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Outcome::Ok, found)
    }

    fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped, why)
    }

    fn warn(name: &'static str, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self { action: action.into(), ..Self::new(name, Outcome::Warn, found) }
    }

    fn fail(name: &'static str, failure: &Failure) -> Self {
        let (code, action, exit) = (failure.code(), failure.action(), failure.exit());
        Self { code, action, exit, ..Self::new(name, Outcome::Fail, failure.message()) }
    }

    /// A failure, and what caused it, in the words of whoever noticed.
    fn failed(name: &'static str, error: Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let mut check = Self::fail(name, &Failure::from(error));
        if let Some(cause) = cause {
            let cause = cause.split(" (os error").next().unwrap_or_default();
            // A certificate may have any number of names.
            let shown: String = cause.chars().take(MOST_OF_A_CAUSE).collect();
            check.found.push_str(": ");
            check.found.push_str(&shown);
            if shown.len() < cause.len() {
                check.found.push_str(" ...");
            }
        }
        // The table's advice, but for going where one is already.
        if let Some((action, _)) = check.action.split_once("; `license doctor`") {
            check.action = action.to_owned();
        }
        check
    }

    fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
}

fn report(checks: &[Check], clock_offset: Option<i64>, page: Page) -> Report {
    let document: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "check": check.name,
                "outcome": check.outcome.as_str(),
                "found": check.found,
                "code": check.code.map(Code::name),
                "action": Some(&check.action).filter(|action| !action.is_empty()),
            })
        })
        .collect();
    let has = |outcome| checks.iter().any(|check| check.outcome == outcome);
    let result = match (has(Outcome::Fail), has(Outcome::Warn)) {
        (true, _) => Outcome::Fail,
        (false, true) => Outcome::Warn,
        (false, false) => Outcome::Ok,
    };
    let mut table = Table::new(&["CHECK", "OUTCOME", "FOUND", "WHAT TO DO"]);
    for check in checks {
        let outcome = if check.outcome == Outcome::Fail { "FAIL" } else { check.outcome.as_str() };
        let code = check.code.map(|code| format!(" ({})", code.name())).unwrap_or_default();
        let found = format!("{}{code}", check.found);
        table.row(vec![check.name.into(), outcome.into(), found.into(), check.action.as_str().into()]);
    }
    let document = json!({"result": result.as_str(), "checks": document, "clock_offset": clock_offset});
    let exit = checks.iter().find(|check| check.outcome == Outcome::Fail).map_or(0, |check| check.exit);
    Report::new(document, table.render(page)).verdict(exit)
}

//! `audit ...`: the audit log, read and verified.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use inspire_auth_core::{Code, audit, store::AuditEvent};
use serde_json::{Value, json};

use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
    table::{Facts, Table},
    text::count,
    time,
};

/// The exit code of a log that does not hold: as for a signature that does not.
const BROKEN: u8 = 3;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Whether the chain of an audit file holds: nothing was changed, removed, inserted or moved
    Verify(Verify),
    /// The newest events in the store's own log, newest first
    #[command(visible_alias = "tail")]
    List(List),
}

/// `audit verify FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth audit verify /var/log/gateway/audit.log
  inspire-auth audit verify /var/log/gateway/audit.log --head 3f2c...

Follows the chain from the oldest file that rotation has left (FILE.10, ...) to FILE, while hosts go on writing. Exits 3
when it breaks, and says where. Keep the head that it prints somewhere else: given back with --head, it shows that
nothing was cut off since. Without it nobody can tell that the newest lines are missing.")]
pub(crate) struct Verify {
    /// The audit file
    file: PathBuf,
    /// The SHA-256 of a line that must still be there: the head of an earlier verification
    #[arg(long, value_name = "HEX")]
    head: Option<String>,
}

/// `audit list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth audit list
  inspire-auth audit list --limit 100 --event key.refused
  inspire-auth audit list --subject reporting --json

The store keeps the newest million events, also where hosts write no audit file. `key.refused` has the exact reason that
callers are not told.")]
pub(crate) struct List {
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Only events of this name, or whose name begins with it and a dot
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only what happened to this key or license
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Verify(arguments) => verify(context, &arguments),
        Command::List(arguments) => list(context, &arguments),
    }
}

fn verify(context: &Context, arguments: &Verify) -> Result<Report> {
    let file = &arguments.file;
    let found = match &arguments.head {
        Some(head) => audit::verify_with_head(file, head.trim()),
        None => audit::verify(file),
    };
    let verified = match found {
        Ok(verified) => verified,
        Err(error) if error.code() == Code::Conflict => {
            let why = error.detail().unwrap_or_default();
            context.note("Keep a copy of all files before anything else writes them.");
            let mut facts = Facts::new();
            facts.add("Chain", "broken").add("Where", why);
            return Ok(Report::new(json!({"intact": false, "broken": why}), facts.render(context.page)).verdict(BROKEN));
        }
        Err(error) => return Err(Failure::from(error).about(files::name(file))),
    };
    let torn = verified.first_torn.as_ref().map(|(file, line)| format!("{}:{line}", file.display()));
    let mut facts = Facts::new();
    facts.add("Chain", "intact").add("Lines", verified.lines.to_string());
    facts.add("Files", count(verified.files.len() as u64, "file", "files")).add("Head", verified.head.as_str());
    let begins =
        if verified.from_the_beginning { "with the first line ever written" } else { "after lines that are gone" };
    if verified.unchained > 0 {
        facts.add("Unchained", format!("{}, before the chain began", count(verified.unchained, "line", "lines")));
    } else {
        facts.add("Begins", begins);
    }
    if let Some(first) = &torn {
        let number = count(verified.torn, "line that a crash tore", "lines that a crash tore");
        facts.add("Torn", format!("{number}, the first at {first}"));
    }
    let document = json!({
        "intact": true,
        "lines": verified.lines,
        "files": verified.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "head": verified.head,
        "from_the_beginning": verified.from_the_beginning,
        "unchained": verified.unchained,
        "torn": verified.torn,
        "first_torn": torn,
    });
    Ok(Report::new(document, facts.render(context.page)))
}

fn list(context: &Context, arguments: &List) -> Result<Report> {
    // What is filtered is looked for among all that the store keeps.
    let filtered = arguments.event.is_some() || arguments.subject.is_some();
    let most = if filtered { usize::MAX >> 1 } else { arguments.limit };
    let events = context.open(Opening::Existing)?.audit(most)?;
    let wanted: Vec<&AuditEvent> = events.iter().filter(|event| arguments.wants(event)).take(arguments.limit).collect();
    let mut table = Table::new(&["TIME", "EVENT", "CODE", "ACTOR", "SUBJECT", "DETAIL"]).spare(&["ACTOR", "CODE"]);
    for event in &wanted {
        table.row(vec![
            time::absolute(event.at).into(),
            event.event.as_str().into(),
            event.code.name().into(),
            event.actor.as_str().into(),
            event.subject.as_str().into(),
            event.detail.as_str().into(),
        ]);
    }
    let document: Vec<Value> = wanted.iter().map(|event| document(event)).collect();
    let text = if wanted.is_empty() { String::new() } else { table.render(context.page) };
    Ok(Report::new(json!({"events": document}), text))
}

impl List {
    fn wants(&self, event: &AuditEvent) -> bool {
        let named = |name: &String| {
            event.event.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.event.as_ref().is_none_or(named) && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }
}

fn document(event: &AuditEvent) -> Value {
    json!({
        "at": event.at,
        "event": event.event,
        "code": event.code.name(),
        "actor": event.actor,
        "subject": event.subject,
        "detail": event.detail,
    })
}

//! `routes ...`: route tables, checked before a host loads them, and asked what they would do.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use inspire_auth_core::{
    InspireAuth, Options, StoreLocation,
    keys::{Channel, RequirementSpec},
    routes::{Routes, Rule},
};
use serde_json::{Value, json};

use crate::{
    context::{Context, Opening},
    failure::{Failure, Result, exit_of},
    files,
    report::Report,
    table::{Facts, Table},
    text::count,
};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Whether a route table can be used, and what it says
    Check(Check),
    /// What a request would get: the rule that decides, the levels it lacks, and why
    Explain(Explain),
}

/// `routes check FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth routes check routes.json

A table is {\"routes\": [{\"prefix\": \"/data/api/v1\", \"methods\": [\"GET\"],
\"require\": {\"any\": [\"Authenticated/Config/Read\"]}, \"entitlement\": \"DEVICE_GROUPS\"}]}. The longest prefix of whole
segments decides, alone; whatever it does not list is denied. \"ignore_case\": true is for hosts whose router ignores
case, such as Express; \"ignore_suffix\": true for those that take /users.json to /users, such as Django REST Framework.")]
pub(crate) struct Check {
    /// The table, as JSON; - is standard input
    file: PathBuf,
}

/// `routes explain FILE METHOD PATH`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth routes explain routes.json GET /data/api/v1/resources --key reporting
  inspire-auth routes explain routes.json PUT '/data/api/v1/modes?force=1'

Exits 0 when the request would be granted, and as the refusal would otherwise (3, 4 or 5). A key is taken by its name, as
if its right secret had been sent; without --key it is a request without a credential, and then no store is needed.
Nothing is noted: no use of the key, and no audit event.")]
pub(crate) struct Explain {
    /// The table, as JSON; - is standard input
    file: PathBuf,
    /// The method, such as GET
    method: String,
    /// The path as it is sent: percent-encoded
    path: String,
    /// The key that asks
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// How the request comes
    #[arg(long, value_name = "CHANNEL", default_value = "secure")]
    channel: Way,
    /// As a host that takes local connections for secure ones
    #[arg(long)]
    local_is_secure: bool,
}

/// How a request comes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// Over TLS
    Secure,
    /// Over anything
    Plain,
    /// Over loopback or a Unix socket
    Local,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Check(arguments) => check(context, &arguments),
        Command::Explain(arguments) => explain(context, &arguments),
    }
}

fn check(context: &Context, arguments: &Check) -> Result<Report> {
    let routes = read(&arguments.file)?;
    let mut table = Table::new(&["PREFIX", "METHODS", "REQUIRES", "ENTITLEMENT"]);
    for rule in routes.rules() {
        if let Some(warning) = warning(rule) {
            context.note(&format!("warning: {} {}: {warning}", methods(rule).join(", "), rule.prefix()));
        }
        table.row(vec![
            rule.prefix().into(),
            methods(rule).as_slice().into(),
            rule.requirement().spec().to_string().as_str().into(),
            rule.entitlement().unwrap_or_default().into(),
        ]);
    }
    let rules: Vec<Value> = routes.rules().map(document).collect();
    let number = rules.len() as u64;
    let case = if routes.ignores_case() { ", without regard to case" } else { "" };
    let suffix = if routes.ignores_suffix() { ", without regard to suffixes" } else { "" };
    context.note(&format!("{}{case}{suffix}; everything else is denied", count(number, "route", "routes")));
    let text = if number == 0 { String::new() } else { table.render(context.page) };
    let (case, suffix) = (routes.ignores_case(), routes.ignores_suffix());
    Ok(Report::new(json!({"ignore_case": case, "ignore_suffix": suffix, "routes": rules}), text))
}

fn explain(context: &Context, arguments: &Explain) -> Result<Report> {
    let Explain { file, method, path, key, channel, local_is_secure } = arguments;
    let routes = read(file)?;
    let auth = if key.is_none() && context.globals.store.is_none() {
        InspireAuth::open(Options::new(StoreLocation::Memory))?
    } else {
        context.open_with(Opening::Existing, |options| options.local_is_secure = *local_is_secure)?
    };
    let channel = match channel {
        Way::Secure => Channel::Secure,
        Way::Plain => Channel::Plain,
        Way::Local => Channel::Local,
    };
    let found = auth
        .would_allow(&routes, key.as_deref(), method, path.as_bytes(), channel, None)
        .map_err(|error| Failure::from(error).about(key.as_deref().unwrap_or(method)))?;
    let mut facts = Facts::new();
    facts.add("Answer", found.code.name());
    if let Some((prefix, methods)) = &found.rule {
        facts.add("Route", prefix).add("Methods", methods.join(", "));
    }
    if !found.missing.is_empty() {
        facts.add_all("Lacks", &found.missing, "");
    }
    facts.add("Why", &found.reason);
    let rule = found.rule.as_ref().map(|(prefix, methods)| json!({"prefix": prefix, "methods": methods}));
    let document = json!({
        "code": found.code.name(),
        "http": auth.http(found.code).status,
        "rule": rule,
        "missing": found.missing,
        "reason": found.reason,
    });
    Ok(Report::new(document, facts.render(context.page)).verdict(exit_of(found.code)))
}

pub(crate) fn read(path: &Path) -> Result<Routes> {
    let text = files::read_text(path)?;
    Routes::parse(&text).map_err(|error| {
        Failure::from(error)
            .about(files::name(path))
            .advise("correct the table: see `inspire-auth routes check --help`")
    })
}

/// What a table may say, but hardly means.
fn warning(rule: &Rule) -> Option<&'static str> {
    let (RequirementSpec::Any(levels) | RequirementSpec::All(levels)) = rule.requirement().spec();
    if levels.is_empty() {
        return Some("requires nothing that anybody holds, which denies everyone");
    }
    let lower = |method: &str| method.bytes().any(|byte| byte.is_ascii_lowercase());
    rule.methods().any(lower).then_some("methods are case-sensitive, and those of HTTP are in capital letters")
}

fn methods(rule: &Rule) -> Vec<String> {
    rule.methods().map(str::to_owned).collect()
}

/// A rule, as it stands in a table.
fn document(rule: &Rule) -> Value {
    let require = match rule.requirement().spec() {
        RequirementSpec::Any(levels) => json!({"any": levels}),
        RequirementSpec::All(levels) => json!({"all": levels}),
    };
    json!({
        "prefix": rule.prefix(),
        "methods": methods(rule),
        "require": require,
        "entitlement": rule.entitlement(),
    })
}

//! `issuer license ...`: what a licensing server knows.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use inspire_auth_issuer::{License, Machine, NewLicense, Store};
use serde_json::{Value, json};

use crate::{
    context::Context,
    failure::{Failure, Result},
    files,
    report::Report,
    table::{Facts, Page, Table},
    text::count,
    time,
};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a license
    Create(Create),
    /// Every license
    List(List),
    /// One license, and the machines that use it
    Show(Show),
    /// Take licenses out of use, from their next validation on
    Suspend(Several),
    /// End a suspension
    Reinstate(Several),
    /// Give a license another end
    Renew(Renew),
    /// Grant entitlements, and take others away
    Entitle(Entitle),
    /// Set limits, and how many machines may use a license
    Limit(Limit),
    /// Take a machine off a license, so that another can use it
    RemoveMachine(RemoveMachine),
}

#[derive(Debug, Args)]
struct Db {
    /// The file with the licenses, as `issuer serve` has it
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
}

/// `issuer license create`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license create --db licenses.db --name 'Plant 3' --max-machines 2 --expires 365d \\
      --limit MAX_DISPLAYS=25 --limit AI_CREDITS_MONTHLY=-1 --entitle MFA --entitle VIDEO_WALL_SYNC
  inspire-auth issuer license create --db licenses.db --product gateway --json | jq -r .license.key

The license key is shown; the customer types it. The file is made if it is not there. --product names the product.")]
pub(crate) struct Create {
    #[command(flatten)]
    db: Db,
    /// What status pages show
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A file with the license key; - is standard input [default: a random one is made]
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// When it ends: 2030-01-31T12:00:00Z, or from now: 365d; or never
    #[arg(long, value_name = "WHEN", default_value = "never")]
    expires: String,
    /// How many machines may use it at once [default: any number]
    #[arg(long, value_name = "N")]
    max_machines: Option<u32>,
    /// More machines than that are registered all the same
    #[arg(long)]
    allow_overrun: bool,
    /// Machine files say that a machine which falls silent is taken off: products then register it again by themselves
    #[arg(long)]
    require_heartbeat: bool,
    /// A limit; -1 is unlimited; may be repeated
    #[arg(long = "limit", value_name = "NAME=N", value_parser = limit)]
    limits: Vec<(String, Option<i64>)>,
    /// Grant this entitlement; may be repeated
    #[arg(long, value_name = "CODE")]
    entitle: Vec<String>,
}

/// `issuer license list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license list --db licenses.db
  inspire-auth issuer license list --db licenses.db --json | jq -r '.licenses[].id'")]
pub(crate) struct List {
    #[command(flatten)]
    db: Db,
}

/// `issuer license show ID`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license show --db licenses.db 5f0e...
  inspire-auth issuer license show --db licenses.db 5f0e... --show-key")]
pub(crate) struct Show {
    #[command(flatten)]
    db: Db,
    /// The license's id
    id: String,
    /// Show the license key, too
    #[arg(long)]
    show_key: bool,
}

/// `issuer license suspend ID...`, `issuer license reinstate ID...`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license suspend --db licenses.db 5f0e...
  inspire-auth issuer license reinstate --db licenses.db 5f0e...")]
pub(crate) struct Several {
    #[command(flatten)]
    db: Db,
    /// The licenses' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// `issuer license renew ID`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license renew --db licenses.db 5f0e... --expires 365d
  inspire-auth issuer license renew --db licenses.db 5f0e... --expires never")]
pub(crate) struct Renew {
    #[command(flatten)]
    db: Db,
    /// The license's id
    id: String,
    /// When it ends: 2030-01-31T12:00:00Z, or from now: 365d; or never
    #[arg(long, value_name = "WHEN")]
    expires: String,
}

/// `issuer license entitle ID`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license entitle --db licenses.db 5f0e... --add VIDEO_WALL_SYNC --remove MFA")]
#[command(group(clap::ArgGroup::new("change").multiple(true).required(true)))]
pub(crate) struct Entitle {
    #[command(flatten)]
    db: Db,
    /// The license's id
    id: String,
    /// Grant this entitlement; may be repeated
    #[arg(long, value_name = "CODE", group = "change")]
    add: Vec<String>,
    /// Take this entitlement away; may be repeated
    #[arg(long, value_name = "CODE", group = "change")]
    remove: Vec<String>,
}

/// `issuer license limit ID`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license limit --db licenses.db 5f0e... --set MAX_DISPLAYS=50 --set MAX_AGILES=none
  inspire-auth issuer license limit --db licenses.db 5f0e... --max-machines 3")]
#[command(group(clap::ArgGroup::new("change").multiple(true).required(true)))]
pub(crate) struct Limit {
    #[command(flatten)]
    db: Db,
    /// The license's id
    id: String,
    /// A limit: -1 is unlimited, none takes it away; may be repeated
    #[arg(long = "set", value_name = "NAME=N", value_parser = limit, group = "change")]
    limits: Vec<(String, Option<i64>)>,
    /// How many machines may use it at once, or any
    #[arg(long, value_name = "N", value_parser = machines, group = "change")]
    max_machines: Option<MaxMachines>,
}

/// How many machines may use a license.
#[derive(Debug, Clone, Copy)]
struct MaxMachines(Option<u32>);

/// `issuer license remove-machine ID MACHINE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth issuer license remove-machine --db licenses.db 5f0e... 9c1f...")]
pub(crate) struct RemoveMachine {
    #[command(flatten)]
    db: Db,
    /// The license's id
    id: String,
    /// The machine's id or fingerprint
    machine: String,
}

/// `NAME=N`, or `NAME=none`.
fn limit(text: &str) -> Result<(String, Option<i64>), String> {
    let (name, number) = text.split_once('=').ok_or("a limit is NAME=N, such as MAX_DISPLAYS=25")?;
    let limit = match number {
        "none" => None,
        number => Some(number.parse().map_err(|_| format!("{number:?} is neither a number nor none"))?),
    };
    Ok((name.to_owned(), limit))
}

fn machines(text: &str) -> Result<MaxMachines, String> {
    match text {
        "any" => Ok(MaxMachines(None)),
        number => number.parse().map(|number| MaxMachines(Some(number))).map_err(|_| "a number, or any".to_owned()),
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Create(arguments) => create(context, &arguments),
        Command::List(arguments) => list(context, &arguments),
        Command::Show(arguments) => show(context, &arguments),
        Command::Suspend(arguments) => several(context, &arguments, "Suspended", Store::suspend),
        Command::Reinstate(arguments) => several(context, &arguments, "Reinstated", Store::reinstate),
        Command::Renew(arguments) => renew(context, &arguments),
        Command::Entitle(arguments) => entitle(context, &arguments),
        Command::Limit(arguments) => limits(context, &arguments),
        Command::RemoveMachine(arguments) => remove_machine(context, &arguments),
    }
}

impl Db {
    /// A misspelt path must not become an empty store.
    fn existing(&self) -> Result<Store> {
        std::fs::metadata(&self.db).map_err(|error| Failure::io(self.name(), error))?;
        self.open()
    }

    fn open(&self) -> Result<Store> {
        Store::open(&self.db).map_err(|error| Failure::from(error).about(self.name()))
    }

    fn name(&self) -> String {
        self.db.display().to_string()
    }
}

/// The end of a license; `None` is never.
fn end(text: &str) -> Result<Option<i64>> {
    if text == "never" { Ok(None) } else { time::moment(text).map(Some) }
}

fn create(context: &Context, arguments: &Create) -> Result<Report> {
    let key = arguments.key_file.as_deref().map(files::read_text).transpose()?;
    let limits: BTreeMap<String, i64> =
        arguments.limits.iter().filter_map(|(name, limit)| Some((name.clone(), (*limit)?))).collect();
    let new = NewLicense {
        key: key.map(|key| key.as_str().to_owned()),
        name: arguments.name.clone(),
        product: context.globals.product.clone(),
        expires_at: end(&arguments.expires)?,
        max_machines: arguments.max_machines,
        allow_overrun: arguments.allow_overrun,
        require_heartbeat: arguments.require_heartbeat,
        limits,
        entitlements: arguments.entitle.clone(),
    };
    let store = arguments.db.open()?;
    let license = store.create(&new, time::now())?;
    context.note("Created.");
    Ok(report(&license, &[], true, context.page))
}

fn list(context: &Context, arguments: &List) -> Result<Report> {
    let store = arguments.db.existing()?;
    let now = time::now();
    let mut table = Table::new(&["ID", "NAME", "STATUS", "MACHINES", "EXPIRES", "PRODUCT"]).spare(&["PRODUCT"]);
    let mut documents = Vec::new();
    for license in store.licenses()? {
        let machines = store.machines(&license.id)?;
        table.row(vec![
            license.id.as_str().into(),
            license.name.as_deref().unwrap_or_default().into(),
            license.status(now).to_ascii_lowercase().into(),
            in_use(&license, &machines).into(),
            time::brief(license.expires_at, "never", now).as_slice().into(),
            license.product.as_deref().unwrap_or_default().into(),
        ]);
        documents.push(document(&license, &machines, false));
    }
    if documents.is_empty() {
        context.note("There are no licenses yet. Make one with `inspire-auth issuer license create`.");
        return Ok(Report::new(json!({"licenses": []}), ""));
    }
    Ok(Report::new(json!({"licenses": documents}), table.render(context.page)))
}

fn show(context: &Context, arguments: &Show) -> Result<Report> {
    let store = arguments.db.existing()?;
    let license = store.license(&arguments.id).map_err(|error| Failure::from(error).about("the license"))?;
    let machines = store.machines(&license.id)?;
    Ok(report(&license, &machines, arguments.show_key, context.page))
}

fn several(
    context: &Context,
    arguments: &Several,
    word: &str,
    change: fn(&Store, &str, i64) -> inspire_auth_core::Result<License>,
) -> Result<Report> {
    let store = arguments.db.existing()?;
    let mut changed = Vec::new();
    for id in &arguments.ids {
        let license = change(&store, id, time::now()).map_err(|error| Failure::from(error).about("a license"))?;
        changed.push(document(&license, &store.machines(&license.id)?, false));
    }
    context.note(&format!("{word} {}.", count(changed.len() as u64, "license", "licenses")));
    Ok(Report::new(json!({"licenses": changed}), ""))
}

fn renew(context: &Context, arguments: &Renew) -> Result<Report> {
    let expires_at = end(&arguments.expires)?;
    changed(context, &arguments.db, &arguments.id, |license| license.expires_at = expires_at)
}

fn entitle(context: &Context, arguments: &Entitle) -> Result<Report> {
    let store = arguments.db.existing()?;
    let license = store
        .entitle(&arguments.id, &arguments.add, &arguments.remove, time::now())
        .map_err(|error| Failure::from(error).about("the license"))?;
    context.note("Changed.");
    Ok(report(&license, &store.machines(&license.id)?, false, context.page))
}

fn limits(context: &Context, arguments: &Limit) -> Result<Report> {
    changed(context, &arguments.db, &arguments.id, |license| {
        for (name, limit) in &arguments.limits {
            let name = name.to_ascii_uppercase();
            license.limits.remove(&name);
            license.limits.extend(limit.map(|limit| (name, limit)));
        }
        if let Some(MaxMachines(most)) = arguments.max_machines {
            license.max_machines = most;
        }
    })
}

fn changed(context: &Context, db: &Db, id: &str, change: impl FnOnce(&mut License)) -> Result<Report> {
    let store = db.existing()?;
    let license = store.change(id, time::now(), change).map_err(|error| Failure::from(error).about("the license"))?;
    context.note("Changed.");
    Ok(report(&license, &store.machines(&license.id)?, false, context.page))
}

fn remove_machine(context: &Context, arguments: &RemoveMachine) -> Result<Report> {
    let store = arguments.db.existing()?;
    let license = store.license(&arguments.id).map_err(|error| Failure::from(error).about("the license"))?;
    if !store.remove_machine(&license.id, &arguments.machine)? {
        return Err(
            Failure::from(inspire_auth_core::Error::new(inspire_auth_core::Code::NotFound)).about("the machine")
        );
    }
    context.note("Removed.");
    Ok(report(&license, &store.machines(&license.id)?, false, context.page))
}

/// `1 of 2`, `3`.
fn in_use(license: &License, machines: &[Machine]) -> String {
    match license.max_machines {
        Some(most) => format!("{} of {most}", machines.len()),
        None => machines.len().to_string(),
    }
}

/// Times are Unix seconds or null. The key is left out unless it is asked for.
fn document(license: &License, machines: &[Machine], with_key: bool) -> Value {
    let machines: Vec<Value> = machines
        .iter()
        .map(|machine| {
            json!({
                "id": machine.id,
                "fingerprint": machine.fingerprint,
                "name": machine.name,
                "created_at": machine.created_at,
                "pinged_at": machine.pinged_at,
            })
        })
        .collect();
    let mut document = json!({
        "id": license.id,
        "name": license.name,
        "product": license.product,
        "status": license.status(time::now()),
        "expires_at": license.expires_at,
        "max_machines": license.max_machines,
        "allow_overrun": license.allow_overrun,
        "require_heartbeat": license.require_heartbeat,
        "limits": license.limits,
        "entitlements": license.entitlements,
        "machines": machines,
        "created_at": license.created_at,
        "updated_at": license.updated_at,
    });
    if with_key && let Value::Object(members) = &mut document {
        members.insert("key".to_owned(), license.key.as_str().into());
    }
    document
}

fn report(license: &License, machines: &[Machine], with_key: bool, page: Page) -> Report {
    let now = time::now();
    let mut facts = Facts::new();
    facts.add("Id", &license.id);
    if with_key {
        facts.add("License key", &license.key);
    }
    let limits: Vec<String> = license.limits.iter().map(|(name, limit)| format!("{name}={limit}")).collect();
    let machine = |machine: &Machine| {
        let name = machine.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        format!("{}{name}, since {}", machine.fingerprint, time::absolute(machine.created_at))
    };
    let machines_shown: Vec<String> = machines.iter().map(machine).collect();
    facts
        .add("Name", license.name.as_deref().unwrap_or("none"))
        .add("Product", license.product.as_deref().unwrap_or("none"))
        .add("Status", license.status(now).to_ascii_lowercase())
        .add("Expires", time::shown_or(license.expires_at, "never", now))
        .add_all("Entitlements", &license.entitlements, "none")
        .add_all("Limits", &limits, "none")
        .add("Machines in use", in_use(license, machines))
        .add_all("Machines", &machines_shown, "none");
    Report::new(json!({"license": document(license, machines, with_key)}), facts.render(page))
}

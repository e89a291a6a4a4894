//! `store ...`: backups, moves, histories, seals.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use inspire_auth_core::{
    Code,
    keys::Caller,
    store::{
        Copied, LicenseRestored, Movable, PostgresOptions, PostgresStore, RestoreOptions, RestoreReport, SqliteStore,
    },
};
use serde_json::json;

use crate::{
    context::{Context, Opening, event, place},
    failure::{Failure, Result},
    place::Place,
    report::Report,
    table::Facts,
    text::count,
};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a copy of the store, while hosts go on using it
    Backup(Backup),
    /// Bring a backup back, without bringing revoked keys back to life
    Restore(Restore),
    /// Accept the store as it is, after it was replaced under running hosts
    Adopt(Adopt),
    /// Vouch for every key in the store with the current pepper
    Seal(Seal),
    /// Copy all that a store holds into a new one, of either kind
    Copy(Copy),
    /// Make the tables of a store in a PostgreSQL database, or bring them up to date
    Migrate(Migrate),
}

/// `store backup FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store backup /var/backups/gateway-2026-07-01.db

The copy holds hashes and the license key: guard it like the store. Never copy the store's file by other means while a
host has it open.")]
pub(crate) struct Backup {
    /// A new file
    file: PathBuf,
}

/// `store restore FILE`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store restore /var/backups/gateway-2026-07-01.db
  inspire-auth store restore gateway.db --accept-revived --yes

The store is changed through its own locks, so that running hosts notice at once. Keys that were deleted since the
backup stay deleted; keys that were changed since stay as they are; keys of which the store knows nothing come back
disabled, since nothing shows that they were not revoked, unless --accept-revived says so; keys that the backup does not
have are deleted.")]
pub(crate) struct Restore {
    /// A file that `store backup` wrote
    file: PathBuf,
    /// Let keys that the store knows nothing of come back as they were: for a new machine, when none was revoked since
    #[arg(long)]
    accept_revived: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// `store adopt`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store adopt

For when hosts answer STORE_HISTORY_CHANGED, and the change was meant. Keys revoked since the copy was made are valid
again: `store restore` is the way that revives nothing.")]
pub(crate) struct Adopt {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// `store seal`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store seal --pepper-file p1=/etc/gateway/pepper

With a pepper configured, hosts refuse keys that nobody with the pepper has sealed. Do this after the first pepper is
configured, or after a look at every key: whatever stands in the store is vouched for.")]
pub(crate) struct Seal {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// `store copy FROM TO`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store copy gateway.db postgresql://owner@db.example.com/auth
  inspire-auth store copy postgresql://gateway@db.example.com/auth gateway.db

Moves an installation from a file to a database, or back: keys with their hashes, license, consumed credits, last uses, audit
log. Both are compared afterwards. TO is a file that does not exist, or a database after `store migrate`, named by its owner; one
that was ever used is refused. Stop the hosts first, and point them at TO afterwards: what is revoked in FROM later stays good in
TO. The password of a database in PGPASSWORD.")]
pub(crate) struct Copy {
    /// What is copied, and left as it is
    from: PathBuf,
    /// What takes it
    to: PathBuf,
}

/// `store migrate`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth store migrate --store postgresql://owner@db.example.com/auth --role gateway

Done once by the owner of the database, and again after an upgrade. The tables are in a schema of their own (inspire_auth,
unless the URL says schema=NAME). Each --role may then do what a host does, and no more: it can neither write what happened
nor undo it.")]
pub(crate) struct Migrate {
    /// A role that hosts log in as; repeatable
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Backup(arguments) => backup(context, &arguments),
        Command::Restore(arguments) => restore(context, &arguments),
        Command::Adopt(arguments) => adopt(context, &arguments),
        Command::Seal(arguments) => seal(context, &arguments),
        Command::Copy(arguments) => copy(context, &arguments),
        Command::Migrate(arguments) => migrate(context, &arguments),
    }
}

fn open(context: &Context, opening: Opening) -> Result<SqliteStore> {
    let place = context.store(opening)?;
    SqliteStore::open(place.file()?).map_err(|error| Failure::from(error).about(place.shown()))
}

/// A store of either kind, without a handle.
fn open_any(place: &Place) -> Result<Box<dyn Movable>> {
    let opened: inspire_auth_core::Result<Box<dyn Movable>> = match place {
        Place::File(path) => SqliteStore::open(path).map(|store| Box::new(store) as _),
        Place::Postgres(url) => {
            PostgresOptions::parse(url.expose()).and_then(PostgresStore::open).map(|store| Box::new(store) as _)
        }
    };
    opened.map_err(|error| Failure::from(error).about(place.shown()))
}

fn copy(context: &Context, arguments: &Copy) -> Result<Report> {
    let (from, to) = (place(&arguments.from, Opening::Existing)?, place(&arguments.to, Opening::MayCreate)?);
    let copied = inspire_auth_core::store::copy(&*open_any(&from)?, &*open_any(&to)?)
        .map_err(|error| Failure::from(error).about(format!("{} to {}", from.shown(), to.shown())))?;
    context.note(&format!(
        "Copied, and compared. Point the hosts at {}, and keep {} from use.",
        to.shown(),
        from.shown()
    ));
    let Copied { keys, credentials, license, periods, operations, last_uses, events, .. } = copied;
    let document = json!({
        "keys": keys,
        "credentials": credentials,
        "license": license,
        "periods": periods,
        "operations": operations,
        "last_uses": last_uses,
        "events": events,
    });
    let mut facts = Facts::new();
    facts.add("Keys", format!("{keys}, with {}", count(credentials, "credential", "credentials")));
    facts.add("License", if license { "copied" } else { "there is none" });
    facts
        .add("Credits", format!("{}, {}", count(periods, "sum", "sums"), count(operations, "operation", "operations")));
    facts.add("Last uses", last_uses.to_string());
    facts.add("Audit events", events.to_string());
    Ok(Report::new(document, facts.render(context.page)))
}

fn migrate(context: &Context, arguments: &Migrate) -> Result<Report> {
    let place = context.store(Opening::MayCreate)?;
    let about = |error| Failure::from(error).about(place.shown());
    let options = PostgresOptions::parse(place.url()?.expose()).map_err(about)?;
    let roles: Vec<&str> = arguments.roles.iter().map(String::as_str).collect();
    PostgresStore::migrate(&options, &roles).map_err(about)?;
    context.note(&format!("The store at {} is up to date.", place.shown()));
    Ok(Report::new(json!({"migrated": place.shown(), "roles": arguments.roles}), ""))
}

fn backup(context: &Context, arguments: &Backup) -> Result<Report> {
    let path = arguments.file.display().to_string();
    if arguments.file.symlink_metadata().is_ok() {
        return Err(Failure::io(path, std::io::ErrorKind::AlreadyExists.into()));
    }
    open(context, Opening::Existing)?.backup(&arguments.file).map_err(|error| Failure::from(error).about(&path))?;
    context.note(&format!("Wrote {path}. It holds hashes and the license key: guard it like the store."));
    Ok(Report::new(json!({"backup": path}), ""))
}

fn restore(context: &Context, arguments: &Restore) -> Result<Report> {
    let from = arguments.file.display().to_string();
    if let Err(error) = std::fs::metadata(&arguments.file) {
        return Err(Failure::io(from, error));
    }
    let place = context.store(Opening::MayCreate)?;
    place.file()?;
    let question = format!("Restore {from} into {}? Keys that the backup does not have are deleted.", place.shown());
    context.confirm(&question, arguments.yes)?;
    let store = open(context, Opening::MayCreate)?;
    let options = RestoreOptions { accept_revived: arguments.accept_revived };
    let report = context
        .recorded("store.restored", &format!("from {from}"), || store.restore(&arguments.file, options))
        .map_err(|failure| failure.about(&from))?;
    Ok(restored(context, &report))
}

/// What a restore did, case by case.
fn restored(context: &Context, report: &RestoreReport) -> Report {
    let license = match report.license {
        LicenseRestored::None => ("none", "there is none"),
        LicenseRestored::Kept => ("kept", "the store's own stays"),
        LicenseRestored::Restored => ("restored", "taken from the backup"),
        LicenseRestored::LeftOut => ("left_out", "left out, since one was deactivated here: install its newest file"),
    };
    let keys = |number| count(number, "key", "keys");
    let mut facts = Facts::new();
    for (name, number, meaning) in [
        ("Kept", report.kept, "at least as new in the store as in the backup"),
        ("Updated", report.updated, "newer in the backup"),
        ("Revived", report.revived, "unknown to the store; as they were, as --accept-revived says"),
        ("Disabled", report.disabled, "came back disabled: look at each, then `keys enable NAME`"),
        ("Stayed deleted", report.stayed_deleted, "deleted since the backup"),
        ("Left out", report.name_taken, "another key has the name by now"),
        ("Deleted", u64::try_from(report.deleted.len()).unwrap_or(u64::MAX), "not in the backup"),
    ] {
        if number > 0 {
            facts.add(name, format!("{}: {meaning}", keys(number)));
        }
    }
    if !report.deleted.is_empty() {
        facts.add("", report.deleted.join(", "));
    }
    facts.add("License", license.1);
    let document = json!({
        "kept": report.kept,
        "updated": report.updated,
        "revived": report.revived,
        "disabled": report.disabled,
        "stayed_deleted": report.stayed_deleted,
        "name_taken": report.name_taken,
        "deleted": report.deleted,
        "license": license.0,
    });
    Report::new(document, facts.render(context.page))
}

fn adopt(context: &Context, arguments: &Adopt) -> Result<Report> {
    let store = open_any(&context.store(Opening::Existing)?)?;
    context
        .confirm("Adopt the store as it is? Keys revoked since this copy was made are valid again.", arguments.yes)?;
    context.recorded("store.adopted", "", || {
        store.adopt()?;
        // As a handle does, which could not be opened here. What the log can't take undoes nothing.
        let _ = store.append_audit(&[event("store.adopted", "", Code::Ok)]);
        Ok(())
    })?;
    context.note("Adopted. Running hosts go on with the store as it is now.");
    Ok(Report::new(json!({"adopted": true}), ""))
}

fn seal(context: &Context, arguments: &Seal) -> Result<Report> {
    if context.globals.pepper_file.is_empty() {
        return Err(Failure::usage("there is no pepper to seal with").advise("give --pepper-file ID=PATH"));
    }
    let auth = context.open(Opening::Existing)?;
    context.confirm("Seal every key in the store? Whatever stands there now is vouched for.", arguments.yes)?;
    let number = auth.keys().seal_all(&Caller::system())?;
    context.note(&format!("Sealed {}.", count(number, "key", "keys")));
    Ok(Report::new(json!({"sealed": number}), ""))
}

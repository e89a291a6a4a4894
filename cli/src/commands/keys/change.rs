//! `edit`, `rename`, `enable`, `disable`, `delete`: changes that make no secret.

use clap::Args;
use inspire_auth_core::keys::{Caller, KeyRecord, KeyUpdate};
use serde_json::json;

use super::view;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    report::Report,
    text::count,
    time,
};

/// `keys edit NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys edit reporting --add-level Authenticated/Ops/Write --expires 30d
  inspire-auth keys edit reporting --level Authenticated/Ops/Read --description 'monthly figures'
  inspire-auth keys edit reporting --expires never")]
#[command(group(clap::ArgGroup::new("change").multiple(true).required(true)))]
pub(crate) struct Edit {
    /// The key
    name: String,
    /// What the key is for
    #[arg(long, value_name = "TEXT", group = "change")]
    description: Option<String>,
    /// Grant exactly these levels; may be repeated
    #[arg(long = "level", value_name = "LEVEL", group = "change", conflicts_with_all = ["add_level", "remove_level", "no_levels"])]
    levels: Vec<String>,
    /// Grant this level as well; may be repeated
    #[arg(long, value_name = "LEVEL", group = "change")]
    add_level: Vec<String>,
    /// Take this level away; may be repeated
    #[arg(long, value_name = "LEVEL", group = "change")]
    remove_level: Vec<String>,
    /// Take all levels away
    #[arg(long, group = "change", conflicts_with_all = ["add_level", "remove_level"])]
    no_levels: bool,
    /// Accept the key over secure connections only
    #[arg(long, group = "change", conflicts_with = "allow_insecure")]
    require_secure: bool,
    /// Accept the key over any connection
    #[arg(long, group = "change")]
    allow_insecure: bool,
    /// When it expires: 2030-01-31T12:00:00Z, or from now: 90d, 12h; or never
    #[arg(long, value_name = "WHEN", group = "change")]
    expires: Option<String>,
    /// Only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// `keys rename NAME NEW`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys rename reporting reports
  inspire-auth keys rename reporting reports --revision 3")]
pub(crate) struct Rename {
    /// The key
    name: String,
    /// Its new name
    new_name: String,
    /// Only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// `keys enable NAME`, `keys disable NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys disable reporting
  inspire-auth keys enable reporting")]
pub(crate) struct Switch {
    /// The key
    name: String,
    /// Only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// `keys delete NAME...`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys delete reporting
  inspire-auth keys delete old-1 old-2 --yes")]
pub(crate) struct Delete {
    /// The keys
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn edit(context: &Context, arguments: &Edit) -> Result<Report> {
    let about = |error| Failure::from(error).about(&arguments.name);
    let expires_at = match arguments.expires.as_deref() {
        None => None,
        Some("never") => Some(None),
        Some(when) => Some(Some(time::moment(when)?)),
    };
    let auth = context.open(Opening::Existing)?;
    let record = auth.keys().get(&arguments.name).map_err(about)?;
    let update = KeyUpdate {
        description: arguments.description.clone(),
        levels: arguments.levels(&record)?,
        require_secure: (arguments.require_secure || arguments.allow_insecure).then_some(arguments.require_secure),
        enabled: None,
        expires_at,
    };
    let revision = arguments.revision.unwrap_or(record.revision);
    let changed = auth.keys().update(&arguments.name, revision, &update, &Caller::system()).map_err(about)?;
    Ok(changed_report(context, "Changed", &changed))
}

impl Edit {
    /// The levels that the key is to have; `None` keeps them.
    fn levels(&self, record: &KeyRecord) -> Result<Option<Vec<String>>> {
        if self.no_levels {
            return Ok(Some(Vec::new()));
        }
        if !self.levels.is_empty() {
            return Ok(Some(self.levels.clone()));
        }
        if self.add_level.is_empty() && self.remove_level.is_empty() {
            return Ok(None);
        }
        if let Some(missing) = self.remove_level.iter().find(|level| !record.levels.contains(level)) {
            return Err(Failure::usage(format!("{} does not hold {missing}", record.name))
                .advise(format!("see `inspire-auth keys show {}`", record.name)));
        }
        let mut levels = record.levels.clone();
        levels.retain(|level| !self.remove_level.contains(level));
        levels.extend(self.add_level.iter().cloned());
        Ok(Some(levels))
    }
}

pub(super) fn rename(context: &Context, arguments: &Rename) -> Result<Report> {
    let Rename { name, new_name, revision } = arguments;
    let auth = context.open(Opening::Existing)?;
    let record = auth
        .keys()
        .rename(name, new_name, *revision, &Caller::system())
        .map_err(|error| Failure::from(error).about(format!("{name} as {new_name}")))?;
    context.note(&format!("Renamed {name} to {new_name}. Whatever sends the old name is refused from now on."));
    Ok(Report::new(json!({"record": view::json(&record)}), ""))
}

pub(super) fn switch(context: &Context, arguments: &Switch, enabled: bool) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let record = auth
        .keys()
        .set_enabled(&arguments.name, enabled, arguments.revision, &Caller::system())
        .map_err(|error| Failure::from(error).about(&arguments.name))?;
    Ok(changed_report(context, if enabled { "Enabled" } else { "Disabled" }, &record))
}

fn changed_report(context: &Context, did: &str, record: &KeyRecord) -> Report {
    context.note(&format!("{did} {} (revision {}).", record.name, record.revision));
    Report::new(json!({"record": view::json(record)}), "")
}

pub(super) fn delete(context: &Context, arguments: &Delete) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let mut names = arguments.names.clone();
    names.sort_unstable();
    names.dedup();
    // All of them must be there before the first is gone.
    let mut found = Vec::new();
    for name in &names {
        found.push(auth.keys().get(name).map_err(|error| Failure::from(error).about(name))?);
    }
    let what = match names.as_slice() {
        [name] => name.clone(),
        names => {
            format!("{} ({})", count(u64::try_from(names.len()).unwrap_or(u64::MAX), "key", "keys"), names.join(", "))
        }
    };
    context.confirm(&format!("Delete {what}? Whatever uses it is refused at once, for good."), arguments.yes)?;
    for record in &found {
        // The key that was asked about, not one that got its name meanwhile.
        auth.keys()
            .delete(&record.name, Some(record.revision), &Caller::system())
            .map_err(|error| Failure::from(error).about(&record.name))?;
        context.note(&format!("Deleted {}.", record.name));
    }
    Ok(Report::new(json!({"deleted": names}), ""))
}

//! `list`, `show`, `export`: what is there.

use std::path::PathBuf;

use clap::Args;
use inspire_auth_core::keys::ListFilter;
use serde_json::{Value, json};

use super::view;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files::{Audience, NewFile},
    report::Report,
    table::Table,
    text::count,
    time,
};

/// `keys list`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys list
  inspire-auth keys list --level Authenticated/Ops/Write
  inspire-auth keys list --expired --json | jq -r '.keys[].name'")]
pub(crate) struct List {
    /// Only keys that this level lets through
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Only keys that have expired
    #[arg(long)]
    expired: bool,
}

/// `keys show NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys show reporting
  inspire-auth keys show reporting --json | jq .record.revision")]
pub(crate) struct Show {
    /// The key
    name: String,
}

/// `keys export`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys export --out keys.json

The records hold no secret and no hash: they tell what there was, and can't bring it back. `store backup` can.")]
pub(crate) struct Export {
    /// Write to a new file instead of standard output
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

pub(super) fn list(context: &Context, arguments: &List) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let filter = ListFilter { level: arguments.level.clone(), ..ListFilter::default() };
    let mut records = auth.keys().list(&filter)?;
    let now = time::now();
    if arguments.expired {
        records.retain(|record| record.expires_at.is_some_and(|end| now >= end));
    }
    if records.is_empty() {
        let narrowed = arguments.expired || arguments.level.is_some();
        context.note(if narrowed {
            "No such keys."
        } else {
            "There are no keys yet. Create one with `inspire-auth keys create NAME --level LEVEL`."
        });
        return Ok(Report::new(json!({"keys": []}), ""));
    }
    let mut table =
        Table::new(&["NAME", "STATE", "LEVELS", "CHANNEL", "EXPIRES", "LAST USED", "CREATED", "DESCRIPTION"]).spare(&[
            "CREATED",
            "DESCRIPTION",
            "LAST USED",
            "CHANNEL",
        ]);
    for record in &records {
        table.row(vec![
            record.name.as_str().into(),
            view::state(record, now).into(),
            record.levels.as_slice().into(),
            view::channel(record).into(),
            time::brief(record.expires_at, "never", now).as_slice().into(),
            time::brief(record.last_used_at, "never", now).as_slice().into(),
            time::brief(Some(record.created_at), "", now).as_slice().into(),
            record.description.as_str().into(),
        ]);
    }
    let keys: Vec<Value> = records.iter().map(view::json).collect();
    Ok(Report::new(json!({"keys": keys}), table.render(context.page)))
}

pub(super) fn show(context: &Context, arguments: &Show) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let record = auth.keys().get(&arguments.name).map_err(|error| Failure::from(error).about(&arguments.name))?;
    Ok(Report::new(json!({"record": view::json(&record)}), view::facts(&record, context.page)))
}

pub(super) fn export(context: &Context, arguments: &Export) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let keys: Vec<Value> = auth.keys().export()?.iter().map(view::json).collect();
    let number = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    let document = json!({"keys": keys});
    let text = format!("{document:#}\n");
    let Some(path) = &arguments.out else { return Ok(Report::new(document, text)) };
    NewFile::create(path, Audience::Owner)?.keep(text.as_bytes())?;
    context.note(&format!("Wrote {} to {}.", count(number, "key", "keys"), path.display()));
    Ok(Report::new(json!({"exported": number, "out": path.display().to_string()}), ""))
}

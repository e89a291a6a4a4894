//! `license check` and `license limit`: what a host asks, asked by hand.

use clap::Args;
use inspire_auth_core::{Code, Error};
use serde_json::{Map, Value, json};

use super::status::limit_text;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    report::Report,
    table::Table,
};

/// `license check CODE...`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license check VIDEO_WALL_SYNC MFA

Exits 0 when all of them are granted, 4 when one is not, 5 when there is no license.")]
pub(crate) struct Check {
    /// Entitlements, such as VIDEO_WALL_SYNC
    #[arg(required = true, value_name = "CODE")]
    codes: Vec<String>,
}

/// `license limit NAME`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license limit MAX_DISPLAYS
  inspire-auth license limit MAX_DISPLAYS --in-use 26

Prints the limit; -1 is unlimited. With --in-use, exits 4 when that is more than the license allows.")]
pub(crate) struct Limit {
    /// The limit's name, such as MAX_DISPLAYS
    name: String,
    /// How many are in use, a new one included
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    in_use: Option<i64>,
}

pub(super) fn check(context: &Context, arguments: &Check) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let license = auth.license();
    let mut table = Table::new(&["ENTITLEMENT", "GRANTED"]);
    let mut granted = Map::new();
    for code in &arguments.codes {
        let has = license.has_entitlement(code, None)?;
        table.row(vec![code.as_str().into(), if has { "yes" } else { "no" }.into()]);
        granted.insert(code.clone(), Value::Bool(has));
    }
    let missing: Vec<&str> =
        granted.iter().filter(|(_, has)| **has != Value::Bool(true)).map(|(code, _)| code.as_str()).collect();
    if missing.is_empty() {
        return Ok(Report::new(json!({"entitlements": granted}), table.render(context.page)));
    }
    let reason = license.status(None)?.reason.unwrap_or(Code::NotEntitled);
    Err(Failure::from(Error::new(reason)).about(missing.join(", ")))
}

pub(super) fn limit(context: &Context, arguments: &Limit) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let limit = auth.license().limit(&arguments.name, None)?;
    if let Some(in_use) = arguments.in_use {
        let license = auth.license();
        license.check_limit(&arguments.name, in_use, None).map_err(|error| {
            Failure::from(error).about(format!("{}: {in_use} of {}", arguments.name, limit_text(limit)))
        })?;
    }
    let document = json!({"name": arguments.name, "value": limit, "in_use": arguments.in_use});
    Ok(Report::new(document, format!("{limit}\n")))
}

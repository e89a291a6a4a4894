//! `license check` and `license limit`: what a host asks, asked by hand.

use clap::Args;
use inspire_auth_core::{Code, Error, license::Tenant};
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
  inspire-auth license limit MAX_DISPLAYS --tenant north=10
  inspire-auth license limit MAX_DISPLAYS --tenant north=10 --in-use 7 --in-use-by-all 26

Prints the limit; -1 is unlimited. With --in-use, exits 4 when that is more than the license allows.

With --tenant, the limit is the smaller of the license's and the tenant's, where -1 is the license's; what the tenant has
in use must be within it, and what the whole installation has within the license's.")]
pub(crate) struct Limit {
    /// The limit's name, such as MAX_DISPLAYS
    name: String,
    /// How many are in use, a new one included
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    in_use: Option<i64>,
    /// Of this tenant, which may have so many itself
    #[arg(long, value_name = "NAME=LIMIT")]
    tenant: Option<String>,
    /// How many the whole installation has in use, with all its tenants
    #[arg(long, value_name = "N", allow_negative_numbers = true, requires = "tenant", requires = "in_use")]
    in_use_by_all: Option<i64>,
}

impl Limit {
    fn tenant(&self) -> Result<Option<Tenant<'_>>> {
        let Some(argument) = &self.tenant else { return Ok(None) };
        let wrong = || Failure::usage("--tenant is NAME=LIMIT, such as north=10; -1 is the license's limit");
        let (name, limit) = argument.rsplit_once('=').ok_or_else(wrong)?;
        let limit = limit.parse().ok().filter(|limit| *limit >= -1).ok_or_else(wrong)?;
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Some(Tenant { name, limit }))
    }
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
    let tenant = arguments.tenant()?;
    if tenant.is_some() && arguments.in_use.is_some() != arguments.in_use_by_all.is_some() {
        return Err(Failure::usage("a tenant's use is checked together with --in-use-by-all"));
    }
    let auth = context.open(Opening::Existing)?;
    let license = auth.license();
    let name = arguments.name.as_str();
    let of_license = license.limit(name, None)?;
    let limit = tenant.map_or(of_license, |tenant| tenant.effective(of_license));
    let checked = match (tenant, arguments.in_use, arguments.in_use_by_all) {
        (Some(tenant), Some(in_use), Some(by_all)) => license.check_tenant_limit(name, &tenant, in_use, by_all, None),
        (_, Some(in_use), _) => license.check_limit(name, in_use, None),
        _ => Ok(()),
    };
    checked.map_err(|error| {
        let used = |number: Option<i64>, limit| format!("{} of {}", number.unwrap_or(0), limit_text(limit));
        let of_tenant = format!("{name}: {}", used(arguments.in_use, limit));
        let about = match arguments.in_use_by_all {
            Some(_) => format!("{of_tenant}, and {} in all", used(arguments.in_use_by_all, of_license)),
            None => of_tenant,
        };
        Failure::from(error).about(about)
    })?;
    let document = json!({"name": name, "value": limit, "in_use": arguments.in_use});
    let report = Report::new(document, format!("{limit}\n"));
    let Some(tenant) = tenant else { return Ok(report) };
    let report = report.with("tenant", json!({"name": tenant.name, "limit": tenant.limit}));
    Ok(report.with("license", of_license).with("in_use_by_all", arguments.in_use_by_all))
}

//! `license credits`: the monthly allocation, and what is left of it.

use clap::{Args, Subcommand};
use inspire_auth_core::{
    InspireAuth,
    license::{Balance, Tenant},
};
use serde_json::json;

use super::status::limit_text;
use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    report::Report,
    table::Facts,
    time,
};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What is left this month
    Show(Show),
    /// Consume some, if so many are left
    Consume(Consume),
    /// Give back what an operation consumed
    Refund(Refund),
}

/// `license credits show`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license credits show
  inspire-auth license credits show --tenant north --tenant-limit 100")]
pub(crate) struct Show {
    #[command(flatten)]
    of: Of,
}

/// `license credits consume`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license credits consume 10 --operation image-4711

The same operation again consumes nothing and exits 0. Exits 4 when fewer are left.")]
pub(crate) struct Consume {
    /// How many
    amount: i64,
    /// Your name of what they are for, so that it counts once
    #[arg(long, value_name = "ID")]
    operation: String,
    #[command(flatten)]
    of: Of,
}

/// `license credits refund`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license credits refund image-4711")]
pub(crate) struct Refund {
    /// The operation that consumed them
    operation: String,
    #[command(flatten)]
    of: Of,
}

/// Whose credits.
#[derive(Debug, Args)]
struct Of {
    /// A tenant's, not the whole installation's
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The tenant's own limit; -1 is the license's
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, requires = "tenant")]
    tenant_limit: i64,
}

impl Of {
    fn tenant(&self) -> Option<Tenant<'_>> {
        self.tenant.as_deref().map(|name| Tenant { name, limit: self.tenant_limit })
    }
}

pub(super) fn run(context: &Context, command: Command) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let ask = |of: &Of, ask: &dyn Fn(&InspireAuth, Option<&Tenant<'_>>) -> inspire_auth_core::Result<Balance>| {
        ask(&auth, of.tenant().as_ref())
    };
    let balance = match command {
        Command::Show(Show { of }) => ask(&of, &|auth, tenant| auth.license().balance(tenant, None))?,
        Command::Consume(Consume { amount, operation, of }) => {
            ask(&of, &|auth, tenant| auth.license().consume(amount, &operation, tenant, None))
                .map_err(|error| Failure::from(error).about(operation))?
        }
        Command::Refund(Refund { operation, of }) => {
            ask(&of, &|auth, tenant| auth.license().refund(&operation, tenant, None))
                .map_err(|error| Failure::from(error).about(operation))?
        }
    };
    Ok(report(context, &balance))
}

fn report(context: &Context, balance: &Balance) -> Report {
    let document = json!({"credits": {
        "limit": balance.limit,
        "used": balance.used,
        "left": balance.left,
        "period": balance.period,
        "resets_at": balance.resets_at,
    }});
    let mut facts = Facts::new();
    facts
        .add("Month", &balance.period)
        .add("Limit", limit_text(balance.limit))
        .add("Used", balance.used.to_string())
        .add("Left", limit_text(balance.left))
        .add("Resets", time::shown(balance.resets_at, time::now()));
    Report::new(document, facts.render(context.page))
}

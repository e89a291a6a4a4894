//! `license status`: the status page.

use clap::Args;
use inspire_auth_core::{
    keys::Caller,
    license::{self, Entitlement},
};
use serde_json::{Value, json};

use crate::{
    context::{Context, Opening},
    failure::{Result, exit_of},
    report::Report,
    table::{Facts, Page, Table},
    time,
};

/// `license status`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth license status --trusted-keys-file vendor.pub
  inspire-auth license status --json | jq .status.state
  inspire-auth license status --show-key

The answer always goes to standard output; the exit code says it again: 0 active, 3 not to be believed,
4 not usable, 5 unlicensed. Give the trusted keys that the host gives: without them no license is believed.")]
pub(crate) struct Status {
    /// Show the license key whole; that it was shown is recorded
    #[arg(long)]
    show_key: bool,
}

pub(super) fn status(context: &Context, arguments: &Status) -> Result<Report> {
    let auth = context.open(Opening::Existing)?;
    let mut status = auth.license().status(None)?;
    if arguments.show_key && status.key.is_some() {
        status.key = Some(auth.license().reveal_key(&Caller::system())?.to_string());
    }
    let entitlements = auth.license().entitlements(None)?;
    if status.reason.is_some() && context.globals.trusted_key.is_empty() && context.globals.trusted_keys_file.is_empty()
    {
        context.note("note: no trusted keys were given, so that no license can be believed");
    }
    Ok(report(&status, &entitlements, context.page).verdict(status.reason.map_or(0, exit_of)))
}

/// The status page, for both kinds of reader.
pub(super) fn report(status: &license::Status, entitlements: &[Entitlement], page: Page) -> Report {
    Report::new(json!({"status": document(status, entitlements)}), text(status, entitlements, page))
}

fn document(status: &license::Status, entitlements: &[Entitlement]) -> Value {
    let features: Vec<Value> = entitlements
        .iter()
        .map(|row| json!({"code": row.code, "feature": row.feature, "granted": row.granted}))
        .collect();
    let warnings: Vec<&str> = status.warnings.iter().map(|warning| warning.as_str()).collect();
    json!({
        "state": status.state.as_str(),
        "reason": status.reason.map(|code| code.name()),
        "name": status.name,
        "key": status.key,
        "mode": status.mode.map(|mode| mode.as_str()),
        "expires_at": status.expires_at,
        "lease_expires_at": status.lease_expires_at,
        "last_validated_at": status.last_validated_at,
        "last_attempt": status.last_attempt.map(|attempt| json!({"code": attempt.code.name(), "at": attempt.at})),
        "limits": status.limits,
        "entitlements": status.entitlements,
        "features": features,
        "warnings": warnings,
    })
}

fn text(status: &license::Status, entitlements: &[Entitlement], page: Page) -> String {
    let now = time::now();
    let mut facts = Facts::new();
    facts.add("Status", status.state.as_str());
    if let Some(code) = status.reason {
        let entry = code.entry();
        facts.add("Reason", format!("{} ({})", entry.message, entry.name)).add("What to do", entry.admin);
    }
    if let Some(name) = &status.name {
        facts.add("Name", name);
    }
    if let Some(key) = &status.key {
        facts.add("License key", key);
    }
    if let Some(mode) = status.mode {
        facts.add("Activated", mode.as_str());
        // A file that can't be believed says nothing, not even that it never ends.
        if status.reason.map_or(0, exit_of) != 3 {
            facts
                .add("Expires", time::shown_or(status.expires_at, "Never", now))
                .add("File ends", time::shown_or(status.lease_expires_at, "Never", now));
        }
        facts.add("Validated", time::shown_or(status.last_validated_at, "never", now));
    }
    if let Some(attempt) = status.last_attempt {
        let entry = attempt.code.entry();
        facts
            .add("Last attempt", format!("{}: {} ({})", time::shown(attempt.at, now), entry.message, entry.name))
            .add("What to do", entry.admin);
    }
    for warning in &status.warnings {
        facts.add("Warning", warning.as_str());
    }
    let mut limits = Table::new(&["LIMIT", "VALUE"]);
    for (name, limit) in &status.limits {
        limits.row(vec![name.as_str().into(), limit_text(*limit).into()]);
    }
    let mut features = Table::new(&["ENTITLEMENT", "GRANTED", "FEATURE"]);
    for row in entitlements {
        let granted = if row.granted { "yes" } else { "no" };
        features.row(vec![row.code.as_str().into(), granted.into(), row.feature.unwrap_or_default().into()]);
    }
    format!("{}\n{}\n{}", facts.render(page), limits.render(page), features.render(page))
}

pub(super) fn limit_text(limit: i64) -> String {
    if limit == license::limits::UNLIMITED { "Unlimited".to_owned() } else { limit.to_string() }
}

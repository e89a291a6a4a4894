//! A key, as it is shown.

use inspire_auth_core::keys::KeyRecord;
use serde_json::{Value, json};

use crate::{
    table::{Facts, Page},
    time,
};

/// The members of a record are those of the language bindings; times are Unix seconds or null.
pub(super) fn json(record: &KeyRecord) -> Value {
    json!({
        "id": record.id.to_string(),
        "type": record.kind,
        "name": record.name,
        "description": record.description,
        "levels": record.levels,
        "require_secure": record.require_secure,
        "enabled": record.enabled,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "expires_at": record.expires_at,
        "last_used_at": record.last_used_at,
        "overlap_ends_at": record.overlap_ends_at,
        "revision": record.revision,
        "origin": record.origin.as_str(),
    })
}

/// `enabled`, `disabled` or `expired`.
pub(super) fn state(record: &KeyRecord, now: i64) -> &'static str {
    match record.expires_at {
        _ if !record.enabled => "disabled",
        Some(end) if now >= end => "expired",
        _ => "enabled",
    }
}

/// Until when the secret before the newest is good, or since when it is not.
pub(super) fn overlap(end: i64, now: i64) -> String {
    let word = if now < end { "good until" } else { "refused since" };
    format!("{word} {}", time::shown(end, now))
}

pub(super) fn channel(record: &KeyRecord) -> &'static str {
    if record.require_secure { "secure" } else { "any" }
}

pub(super) fn facts(record: &KeyRecord, page: Page) -> String {
    let now = time::now();
    let mut facts = Facts::new();
    facts.add("Name", &record.name).add("State", state(record, now));
    if !record.description.is_empty() {
        facts.add("Description", &record.description);
    }
    facts
        .add_all("Levels", &record.levels, "none beyond Authenticated")
        .add("Channel", channel(record))
        .add("Expires", time::shown_or(record.expires_at, "never", now))
        .add("Last used", time::shown_or(record.last_used_at, "never noted", now))
        .add("Created", time::shown(record.created_at, now))
        .add("Changed", time::shown(record.updated_at, now))
        .add("Type", &record.kind)
        .add("Secret", record.origin.as_str());
    if let Some(end) = record.overlap_ends_at {
        facts.add("Old secret", overlap(end, now));
    }
    facts.add("Revision", record.revision.to_string()).add("Id", record.id.to_string());
    facts.render(page)
}

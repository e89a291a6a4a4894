//! Resources, as answers have them: the same that the files hold, made by the same code.

use inspire_auth_core::{
    Error,
    license::{
        Kind,
        issue::{self, LicenseDescription},
    },
};
use serde_json::{Map, Value, json};

use super::{Problem, verdict::is_node_locked};
use crate::{
    store::{License, Machine},
    time,
};

/// What the core needs to know to make a file of a license; with a machine, one for that machine.
pub(super) fn description(license: &License, machine: Option<&Machine>, now: i64) -> LicenseDescription {
    let mut description = LicenseDescription::new(&license.id, &license.key);
    description.name.clone_from(&license.name);
    description.expiry = license.expires_at.map(time::rfc3339);
    description.status = Some(license.status(now).to_owned());
    description.suspended = license.suspended;
    description.product.clone_from(&license.product);
    description.limits.clone_from(&license.limits);
    description.entitlements = Some(license.entitlements.clone());
    description.require_heartbeat = license.require_heartbeat;
    description.machine = machine.map(|machine| machine.id.clone());
    description.fingerprint = machine.map(|machine| machine.fingerprint.clone());
    description
}

/// A license.
pub(super) fn license(license: &License, now: i64) -> Result<Value, Problem> {
    let mut data = member(document(&description(license, None, now), Kind::License, now)?, "data");
    let own = [
        ("maxMachines", license.max_machines.into()),
        ("floating", (!is_node_locked(license)).into()),
        ("strict", true.into()),
        ("lastCheckOut", Value::Null),
        ("created", time::rfc3339(license.created_at).into()),
        ("updated", time::rfc3339(license.updated_at).into()),
    ];
    put(&mut data, own);
    // They are not included here.
    if let Some(Value::Object(entitlements)) = data.pointer_mut("/relationships/entitlements") {
        entitlements.remove("data");
    }
    Ok(data)
}

/// A machine.
pub(super) fn machine(license: &License, machine: &Machine, now: i64) -> Result<Value, Problem> {
    let mut data = member(document(&description(license, Some(machine), now), Kind::Machine, now)?, "data");
    let own = [
        ("name", machine.name.clone().into()),
        ("heartbeatStatus", if machine.pinged_at.is_some() { "ALIVE" } else { "NOT_STARTED" }.into()),
        ("lastHeartbeat", machine.pinged_at.map(time::rfc3339).into()),
        ("lastCheckOut", Value::Null),
        ("created", time::rfc3339(machine.created_at).into()),
        ("updated", time::rfc3339(machine.pinged_at.unwrap_or(machine.created_at)).into()),
    ];
    put(&mut data, own);
    Ok(data)
}

/// The entitlements of a license, in the order of their codes.
pub(super) fn entitlements(license: &License, now: i64) -> Result<Vec<Value>, Problem> {
    match member(document(&description(license, None, now), Kind::License, now)?, "included") {
        Value::Array(entitlements) => Ok(entitlements),
        // None at all are left out.
        _ => Ok(Vec::new()),
    }
}

/// What a check-out answers: the file, and what it says of itself once more.
pub(super) fn check_out(
    kind: Kind,
    certificate: &str,
    algorithm: &str,
    includes: &[&str],
    ttl: Option<u64>,
    now: i64,
) -> Result<Value, Error> {
    let id = inspire_auth_core::Id::random()?.to_string();
    let ends = ttl.map(|ttl| time::rfc3339(now.saturating_add_unsigned(ttl)));
    Ok(json!({"data": {
        "id": id,
        "type": if kind == Kind::Machine { "machine-files" } else { "license-files" },
        "attributes": {
            "certificate": certificate,
            "algorithm": algorithm,
            "includes": includes,
            "ttl": ttl,
            "expiry": ends,
            "issued": time::rfc3339(now),
        },
        "relationships": {},
    }}))
}

fn document(description: &LicenseDescription, kind: Kind, now: i64) -> Result<Map<String, Value>, Problem> {
    let json = issue::document(description, kind, now)?;
    serde_json::from_slice(&json).map_err(|_| Problem::internal())
}

fn member(mut document: Map<String, Value>, name: &str) -> Value {
    document.remove(name).unwrap_or_default()
}

/// Replaces attributes of a resource.
fn put<'a>(resource: &mut Value, own: impl IntoIterator<Item = (&'a str, Value)>) {
    if let Some(Value::Object(attributes)) = resource.get_mut("attributes") {
        attributes.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

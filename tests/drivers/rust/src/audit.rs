//! The audit log and the metrics.

use std::collections::{BTreeMap, BTreeSet};

use inspire_auth_core::{AuditFailure, AuditFile, Result};
use serde_json::{Value, json};

use crate::{
    Answer,
    arguments::{Arguments, unreadable},
    handles::{Handles, path},
    success,
};

pub(crate) fn events(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let limit = arguments.integer("limit")?;
    arguments.end()?;
    let events = auth.audit(limit)?;
    let told = events.iter().map(|event| {
        json!({
            "at": event.at, "event": event.event, "actor": event.actor, "subject": event.subject,
            "detail": event.detail, "code": event.code.name(),
        })
    });
    success([("events", told.collect::<Vec<_>>().into())])
}

/// The families of the text by name, and what requests got.
pub(crate) fn metrics(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    arguments.end()?;
    let text = auth.metrics_text();
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let families: BTreeSet<&str> = names.collect();
    let verifications: BTreeMap<&str, Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("inspire_apikey_verifications_total{result=\"")?.split_once("\"} "))
        .map(|(result, count)| (result, count.parse::<u64>().map_or(Value::Null, Value::from)))
        .collect();
    success([("families", json!(families)), ("verifications", json!(verifications))])
}

/// The member `audit_file`, if it is there.
pub(crate) fn file(arguments: &mut Arguments) -> Result<Option<AuditFile>> {
    let Some(mut given) = arguments.object_or_none("audit_file")? else { return Ok(None) };
    let mut file = AuditFile::at(path(given.bytes("path")?)?);
    file.max_bytes = given.integer_or_none("max_bytes")?.unwrap_or(file.max_bytes);
    file.keep = given.integer_or_none("keep")?.unwrap_or(file.keep);
    file.chain = given.flag_or_none("chain")?.unwrap_or(file.chain);
    file.on_failure = match given.text_or_none("on_failure")?.as_deref() {
        None | Some("warn") => AuditFailure::Warn,
        Some("deny_mutations") => AuditFailure::DenyMutations,
        Some(_) => return Err(unreadable()),
    };
    given.end()?;
    Ok(Some(file))
}

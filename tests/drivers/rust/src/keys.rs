//! The operations on API keys.

use inspire_auth_core::{
    Result,
    keys::{Created, Import, ImportFormat, KeyRecord, KeyUpdate, ListFilter, NewKey},
    store::Strength,
};
use serde_json::{Value, json};

use crate::{
    Answer,
    arguments::{Arguments, integer, unreadable},
    handles::Handles,
    success,
};

pub(crate) fn create(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let key = new_key(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    created(&auth.keys().create(&key, &caller)?)
}

pub(crate) fn get(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    ignored_now(arguments)?;
    arguments.end()?;
    success([("record", record(&auth.keys().get(&name)?))])
}

pub(crate) fn list(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    ignored_now(arguments)?;
    arguments.end()?;
    let records: Vec<Value> = auth.keys().list(&ListFilter::default())?.iter().map(record).collect();
    success([("records", records.into())])
}

pub(crate) fn update(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    let revision = arguments.integer("revision")?;
    let update = KeyUpdate {
        description: arguments.text_or_none("description")?,
        levels: arguments.texts_or_none("levels")?,
        require_secure: arguments.flag_or_none("require_secure")?,
        enabled: arguments.flag_or_none("enabled")?,
        // Here alone null says something: it clears.
        expires_at: match arguments.raw("expires_at") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(value) => Some(Some(integer(value)?)),
        },
    };
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("record", record(&auth.keys().update(&name, revision, &update, &caller)?))])
}

pub(crate) fn rename(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let (name, new_name) = (arguments.text("name")?, arguments.text("new_name")?);
    let revision = arguments.integer_or_none("revision")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("record", record(&auth.keys().rename(&name, &new_name, revision, &caller)?))])
}

pub(crate) fn duplicate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let (name, new_name) = (arguments.text("name")?, arguments.text("new_name")?);
    let revision = arguments.integer_or_none("revision")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    created(&auth.keys().duplicate(&name, &new_name, revision, &caller)?)
}

pub(crate) fn rotate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    let overlap = arguments.integer("overlap_seconds")?;
    let revision = arguments.integer_or_none("revision")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    created(&auth.keys().rotate(&name, overlap, revision, &caller)?)
}

pub(crate) fn delete(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    let revision = arguments.integer_or_none("revision")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    auth.keys().delete(&name, revision, &caller)?;
    success([])
}

pub(crate) fn import(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let import = import_of(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("record", record(&auth.keys().import(&import, &caller)?))])
}

pub(crate) fn import_all(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let read = |mut each: Arguments| {
        let import = import_of(&mut each)?;
        each.end()?;
        Ok(import)
    };
    let imports = arguments.objects("imports")?.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("count", auth.keys().import_all(&imports, &caller)?.into())])
}

fn import_of(arguments: &mut Arguments) -> Result<Import> {
    let format = match arguments.text("format")?.as_str() {
        "phc" => ImportFormat::Phc,
        "ignition" => ImportFormat::Ignition,
        _ => return Err(unreadable()),
    };
    let hash = arguments.text("hash")?;
    let strength = match arguments.text_or_none("strength")? {
        None => Strength::Chosen,
        Some(text) => Strength::parse(&text).ok_or_else(unreadable)?,
    };
    Ok(Import { key: new_key(arguments)?, format, hash, strength })
}

fn new_key(arguments: &mut Arguments) -> Result<NewKey> {
    let mut key = NewKey::named(arguments.text("name")?);
    key.description = arguments.text_or_none("description")?.unwrap_or_default();
    key.levels = arguments.texts("levels")?;
    key.require_secure = arguments.flag_or_none("require_secure")?.unwrap_or(key.require_secure);
    key.expires_at = arguments.integer_or_none("expires_at")?;
    Ok(key)
}

/// Every operation takes `now`; nothing that only reads a record depends on it.
fn ignored_now(arguments: &mut Arguments) -> Result<()> {
    arguments.integer_or_none::<i64>("now").map(|_| ())
}

fn created(created: &Created) -> Answer {
    success([("record", record(&created.record)), ("key", created.key.as_str().into())])
}

fn record(record: &KeyRecord) -> Value {
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

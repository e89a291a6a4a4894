//! The operations on the license.

use inspire_auth_core::license::{self, InspectOptions, Kind, LicenseView, Status};
use serde_json::{Value, json};

use crate::{
    Answer, Fields,
    arguments::Arguments,
    handles::{Handles, trusted_keys},
    success,
};

pub(crate) fn inspect(_: &mut Handles, arguments: &mut Arguments) -> Answer {
    let file = arguments.bytes("lic")?;
    let trusted_keys = trusted_keys(arguments)?;
    let license_key = arguments.text_or_none("license_key")?;
    let machine_id = arguments.text_or_none("machine_id")?;
    let product = arguments.text_or_none("product")?;
    let now = arguments.integer_or_none("now")?;
    let offline = arguments.flag_or_none("offline")?.unwrap_or(false);
    arguments.end()?;

    let inspection = license::inspect(
        &file,
        &InspectOptions {
            trusted_keys: &trusted_keys,
            license_key: license_key.as_deref(),
            machine_id: machine_id.as_deref(),
            product: product.as_deref(),
            now,
            offline,
        },
    );
    let failures: Vec<&str> = inspection.failures.iter().map(|code| code.name()).collect();
    let kind = inspection.kind.map(|kind| match kind {
        Kind::License => "license",
        Kind::Machine => "machine",
    });
    let fields = Fields::from_iter([
        ("failures".to_owned(), failures.into()),
        ("kind".to_owned(), kind.into()),
        ("license".to_owned(), inspection.license.as_ref().map(view).into()),
        ("issued_at".to_owned(), inspection.issued_at.into()),
        ("file_expires_at".to_owned(), inspection.file_expires_at.into()),
        ("machine_fingerprint".to_owned(), inspection.machine_fingerprint.clone().into()),
    ]);
    Ok((inspection.result(), fields))
}

pub(crate) fn activate_offline(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let license_key = arguments.text("license_key")?;
    let file = arguments.bytes("lic")?;
    let force = arguments.flag_or_none("force")?.unwrap_or(false);
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    answer(&auth.license().activate_offline(&license_key, &file, force, &caller)?)
}

pub(crate) fn status(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    answer(&auth.license().status(now)?)
}

pub(crate) fn has(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let entitlement = arguments.text("entitlement")?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    success([("value", auth.license().has_entitlement(&entitlement, now)?.into())])
}

pub(crate) fn limit(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    success([("value", auth.license().limit(&name, now)?.into())])
}

pub(crate) fn revalidate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    answer(&auth.license().revalidate(&caller)?)
}

pub(crate) fn deactivate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    answer(&auth.license().deactivate(&caller)?.status)
}

pub(crate) fn answer(status: &Status) -> Answer {
    success([("status", value_of(status))])
}

pub(crate) fn value_of(status: &Status) -> Value {
    let warnings: Vec<&str> = status.warnings.iter().map(|warning| warning.as_str()).collect();
    json!({
        "state": status.state.as_str(),
        "name": status.name,
        "key": status.key,
        "mode": status.mode.map(|mode| mode.as_str()),
        "expires_at": status.expires_at,
        "lease_expires_at": status.lease_expires_at,
        "last_validated_at": status.last_validated_at,
        "limits": status.limits,
        "entitlements": status.entitlements,
        "warnings": warnings,
    })
}

/// The license in a file, its key not masked.
fn view(license: &LicenseView) -> Value {
    json!({
        "id": license.id,
        "key": license.key,
        "name": license.name,
        "status": license.status,
        "expires_at": license.expires_at,
        "limits": license.limits,
        "entitlements": license.entitlements,
        "metadata": license.metadata,
    })
}

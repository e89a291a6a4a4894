//! What passes between an installation and its licensing server, credits, and license keys that are signed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspire_auth_core::{
    Result,
    license::{
        Balance, SignedKey, Tenant,
        online::{Cancel, Proxy, Server},
    },
};
use serde_json::json;

use crate::{
    Answer,
    arguments::{Arguments, unreadable},
    handles::{self, Handles, trusted_keys},
    license::{answer, value_of},
    success,
};

/// The member `server`, if it is there.
pub(crate) fn server_or_none(arguments: &mut Arguments) -> Result<Option<Server>> {
    let Some(mut given) = arguments.object_or_none("server")? else { return Ok(None) };
    let mut server = Server::at(given.text("url")?);
    server.account = given.text_or_none("account")?;
    server.account_id = given.text_or_none("account_id")?;
    server.signing_host = given.text_or_none("signing_host")?;
    server.allowed_hosts = given.texts_or_none("allowed_hosts")?;
    // Not every door can say this.
    if server.allowed_hosts.as_ref().is_some_and(Vec::is_empty) {
        return Err(unreadable());
    }
    server.proxy = match given.text_or_none("proxy")? {
        None => Proxy::FromEnvironment,
        Some(none) if none.is_empty() => Proxy::None,
        Some(url) => Proxy::Url(url),
    };
    server.ca_file = given.bytes_or_none("ca_file")?.map(handles::path).transpose()?;
    let mut duration = |name: &str, unit: fn(u64) -> Duration, default| match given.integer_or_none(name)? {
        Some(0) => Err(unreadable()),
        given => Ok(given.map_or(default, unit)),
    };
    server.connect_timeout = duration("connect_timeout_ms", Duration::from_millis, server.connect_timeout)?;
    server.timeout = duration("timeout_ms", Duration::from_millis, server.timeout)?;
    server.lease = duration("lease", Duration::from_secs, server.lease)?;
    server.auto_refresh = given.flag_or_none("auto_refresh")?.unwrap_or(false);
    given.end()?;
    Ok(Some(server))
}

pub(crate) fn activate(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let license_key = arguments.text("license_key")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    answer(&auth.license().activate_online(&license_key, &caller)?)
}

pub(crate) fn refresh(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let file = arguments.bytes("lic")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    answer(&auth.license().refresh(&file, &caller)?)
}

pub(crate) fn request(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let license_key = arguments.text_or_none("license_key")?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("value", auth.license().request(license_key.as_deref(), &caller)?.into())])
}

pub(crate) fn reveal_key(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("value", auth.license().reveal_key(&caller)?.as_str().into())])
}

pub(crate) fn deactivate_with(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let local_only = arguments.flag_or_none("local_only")?.unwrap_or(false);
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    let license = auth.license();
    let done = if local_only { license.deactivate_locally(&caller)? } else { license.deactivate(&caller)? };
    success([
        ("status", value_of(&done.status)),
        ("release", done.release.as_str().into()),
        ("problem", done.problem.map(|problem| problem.code().name()).into()),
        ("receipt", done.receipt.into()),
    ])
}

pub(crate) fn release_pending(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let caller = handles.caller(arguments)?;
    arguments.end()?;
    success([("value", auth.license().release_pending(&Cancel::default(), &caller)?.into())])
}

pub(crate) fn tick(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    let tick = auth.license().tick(&Cancel::default(), now)?;
    success([("next", tick.next.into()), ("problem", tick.problem.map(|problem| problem.code().name()).into())])
}

pub(crate) fn last_attempt(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    let attempt = auth.license().status(now)?.last_attempt;
    success([("attempt", attempt.map(|attempt| json!({"code": attempt.code.name(), "at": attempt.at})).into())])
}

/// Whose credits: the member `tenant`.
struct Whose {
    name: String,
    limit: i64,
}

impl Whose {
    fn of(arguments: &mut Arguments) -> Result<Option<Self>> {
        let Some(mut given) = arguments.object_or_none("tenant")? else { return Ok(None) };
        let whose = Self { name: given.text("name")?, limit: given.integer_or_none("limit")?.unwrap_or(-1) };
        given.end()?;
        Ok(Some(whose))
    }

    fn as_tenant(&self) -> Tenant<'_> {
        Tenant { name: &self.name, limit: self.limit }
    }
}

pub(crate) fn consume(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let (amount, operation) = (arguments.integer("amount")?, arguments.text("operation")?);
    let (tenant, now) = (Whose::of(arguments)?, arguments.integer_or_none("now")?);
    arguments.end()?;
    let tenant = tenant.as_ref().map(Whose::as_tenant);
    balanced(&auth.license().consume(amount, &operation, tenant.as_ref(), now)?)
}

pub(crate) fn refund(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let operation = arguments.text("operation")?;
    let (tenant, now) = (Whose::of(arguments)?, arguments.integer_or_none("now")?);
    arguments.end()?;
    let tenant = tenant.as_ref().map(Whose::as_tenant);
    balanced(&auth.license().refund(&operation, tenant.as_ref(), now)?)
}

pub(crate) fn balance(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let (tenant, now) = (Whose::of(arguments)?, arguments.integer_or_none("now")?);
    arguments.end()?;
    let tenant = tenant.as_ref().map(Whose::as_tenant);
    balanced(&auth.license().balance(tenant.as_ref(), now)?)
}

pub(crate) fn tenant_limit(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let auth = handles.get(arguments)?;
    let name = arguments.text("name")?;
    let tenant = Whose::of(arguments)?.ok_or_else(unreadable)?;
    let (in_use, of_all) = (arguments.integer("in_use")?, arguments.integer("in_use_by_all")?);
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    auth.license().check_tenant_limit(&name, &tenant.as_tenant(), in_use, of_all, now)?;
    success([])
}

pub(crate) fn inspect_key(_: &mut Handles, arguments: &mut Arguments) -> Answer {
    let license_key = arguments.text("license_key")?;
    let trusted_keys = trusted_keys(arguments)?;
    let now = arguments.integer_or_none("now")?;
    arguments.end()?;
    let key = SignedKey::read(&license_key, &trusted_keys, now)?;
    success([
        ("key_id", key.key_id.as_str().into()),
        ("dataset", STANDARD.encode(&*key.dataset).into()),
        ("license", key.license.as_deref().into()),
        ("product", key.product.as_deref().into()),
        ("created_at", key.created.into()),
        ("expires_at", key.expires.into()),
    ])
}

fn balanced(left: &Balance) -> Answer {
    let balance = json!({
        "limit": left.limit,
        "used": left.used,
        "left": left.left,
        "period": left.period,
        "resets_at": left.resets_at,
    });
    success([("balance", balance)])
}

//! What is open: handles of the library, and the principals that were granted.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use inspire_auth_core::{
    HashParameters, InspireAuth, LevelMode, Options, Result, StoreLocation,
    keys::{Actor, Caller, Principal},
    license::keys::TrustedKey,
    routes::Routes,
};

use crate::{
    Answer,
    arguments::{Arguments, unreadable},
    audit, online, success,
};

/// Handles, principals and route tables, numbered from one counter so that none is taken for another.
#[derive(Default)]
pub(crate) struct Handles {
    last: u64,
    open: HashMap<u64, InspireAuth>,
    principals: HashMap<u64, Principal>,
    routes: HashMap<u64, Routes>,
}

impl Handles {
    fn next(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// The open handle that `handle` names.
    pub(crate) fn get(&self, arguments: &mut Arguments) -> Result<InspireAuth> {
        self.open.get(&arguments.integer("handle")?).cloned().ok_or_else(unreadable)
    }

    /// Keeps a granted principal, to act later.
    pub(crate) fn keep(&mut self, principal: Principal) -> u64 {
        let number = self.next();
        self.principals.insert(number, principal);
        number
    }

    /// Keeps a route table, for requests.
    pub(crate) fn keep_routes(&mut self, routes: Routes) -> u64 {
        let number = self.next();
        self.routes.insert(number, routes);
        number
    }

    /// The table that `routes` names, if it is given.
    pub(crate) fn routes_or_none(&self, arguments: &mut Arguments) -> Result<Option<Routes>> {
        let Some(number) = arguments.integer_or_none("routes")? else { return Ok(None) };
        self.routes.get(&number).cloned().map(Some).ok_or_else(unreadable)
    }

    /// `actor` and `now`. An absent actor is the host itself, said explicitly.
    pub(crate) fn caller(&self, arguments: &mut Arguments) -> Result<Caller<'_>> {
        let actor = match arguments.integer_or_none("actor")? {
            None => Actor::System,
            Some(number) => Actor::Principal(self.principals.get(&number).ok_or_else(unreadable)?),
        };
        Ok(Caller { actor, now: arguments.integer_or_none("now")? })
    }
}

pub(crate) fn open(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let mut options = Options::new(store(arguments.bytes("store")?)?);
    options.trusted_keys = trusted_keys(arguments)?;
    options.product = arguments.text_or_none("product")?;
    options.machine_id = arguments.text_or_none("machine_id")?;
    options.write_requirement = arguments.requirement_or_none("write_requirement")?;
    options.admin_requirement = arguments.requirement_or_none("admin_requirement")?;
    if let Some(mut hash) = arguments.object_or_none("hash")? {
        options.hash = HashParameters {
            memory_kib: hash.integer("m")?,
            iterations: hash.integer("t")?,
            parallelism: hash.integer("p")?,
        };
        hash.end()?;
    }
    if let Some(bytes) = arguments.integer_or_none("max_hash_memory")? {
        options.max_hash_memory = bytes;
    }
    options.mode = match arguments.text_or_none("mode")?.as_deref() {
        None | Some("default") => LevelMode::Default,
        Some("ignition") => LevelMode::Ignition,
        Some(_) => return Err(unreadable()),
    };
    options.local_is_secure = arguments.flag_or_none("local_is_secure")?.unwrap_or(options.local_is_secure);
    options.allow_unbound = arguments.flag_or_none("allow_unbound")?.unwrap_or(options.allow_unbound);
    if let Some(seconds) = arguments.integer_or_none("max_lease")? {
        options.max_lease = Duration::from_secs(seconds);
    }
    options.audit_file = audit::file(arguments)?;
    options.server = online::server_or_none(arguments)?;
    arguments.end()?;
    let auth = InspireAuth::open(options)?;
    let number = handles.next();
    handles.open.insert(number, auth);
    success([("handle", number.into())])
}

pub(crate) fn close(handles: &mut Handles, arguments: &mut Arguments) -> Answer {
    let number = arguments.integer("handle")?;
    arguments.end()?;
    handles.open.remove(&number).ok_or_else(unreadable)?;
    success([])
}

/// The list `trusted_keys`, which may be empty.
pub(crate) fn trusted_keys(arguments: &mut Arguments) -> Result<Vec<TrustedKey>> {
    arguments
        .objects("trusted_keys")?
        .into_iter()
        .map(|mut key| {
            let (id, public_key) = (key.text("id")?, key.text("public_key")?);
            key.end()?;
            TrustedKey::from_hex(&id, &public_key)
        })
        .collect()
}

fn store(path: Vec<u8>) -> Result<StoreLocation> {
    match std::str::from_utf8(&path) {
        Ok(text) => Ok(StoreLocation::parse(text)),
        Err(_) => Ok(StoreLocation::Path(self::path(path)?)),
    }
}

/// A path of any bytes.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn path(bytes: Vec<u8>) -> Result<PathBuf> {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
pub(crate) fn path(bytes: Vec<u8>) -> Result<PathBuf> {
    Ok(PathBuf::from(String::from_utf8(bytes).map_err(|_| unreadable())?))
}

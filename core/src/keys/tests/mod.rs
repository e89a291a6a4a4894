//! The decision about a request, and the management of keys, as a host meets them.

mod argon2_vectors;
mod cold;
mod decision;
mod denials;
mod faults;
mod herd;
mod import;
mod management;
#[cfg(feature = "sqlite")]
mod reconcile;
mod rotation;
mod seals;

use std::sync::Arc;

use crate::{
    Code, HashParameters, InspireAuth, Options, Result, StoreLocation,
    keys::{Caller, Channel, Created, NewKey, Presented, Principal, Request, Requirement},
    store::{KeyWithCredentials, MemoryStore, Store},
};

/// Options with hashes of half a millisecond.
pub(super) fn options(store: StoreLocation) -> Options {
    let mut options = Options::new(store);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.write_requirement = Some("Authenticated/Write".parse().unwrap());
    options.admin_requirement = Some("Authenticated/Admin".parse().unwrap());
    options
}

pub(super) fn open() -> InspireAuth {
    InspireAuth::open(options(StoreLocation::Memory)).unwrap()
}

/// Two handles on one store, as two processes would be.
pub(super) fn open_two() -> (InspireAuth, InspireAuth) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().unwrap());
    let open = || InspireAuth::open(options(StoreLocation::Custom(Arc::clone(&store)))).unwrap();
    (open(), open())
}

pub(super) fn create(auth: &InspireAuth, name: &str, levels: &[&str]) -> Created {
    let mut key = NewKey::named(name);
    key.levels = levels.iter().map(|level| (*level).to_owned()).collect();
    auth.keys().create(&key, &Caller::system()).unwrap()
}

pub(super) fn requirement(text: &str) -> Requirement {
    Requirement::compile(&text.parse().unwrap()).unwrap()
}

/// A request over a secure channel with this credential (`name:key`).
pub(super) fn ask_for(auth: &InspireAuth, credential: &str, required: &str) -> Result<Principal> {
    let value = format!("Bearer {credential}");
    let requirement = requirement(required);
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &requirement);
    request.channel = Channel::Secure;
    auth.authenticate(&request)
}

pub(super) fn ask(auth: &InspireAuth, credential: &str) -> Result<Principal> {
    ask_for(auth, credential, "Authenticated")
}

pub(super) fn code(result: Result<Principal>) -> Code {
    match result {
        Ok(_) => Code::Ok,
        Err(error) => error.code(),
    }
}

/// The same credential with another, equally plausible key: its checksum is right.
pub(super) fn wrong(created: &Created) -> String {
    format!("{}:{}", created.record.name, super::generate::generate().unwrap().as_str())
}

/// What the store has of a key.
pub(super) fn stored(auth: &InspireAuth, name: &str) -> KeyWithCredentials {
    let mut row = None;
    auth.store()
        .read(&mut |reader| {
            row = reader.key_by_name(name)?;
            Ok(())
        })
        .unwrap();
    row.unwrap()
}

//! A handle without a file goes on across a fork: a process of its own, in which nothing else watches for forks.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod store_support;

use inspire_auth_core::{
    HashParameters, InspireAuth, Options, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Request, Requirement},
};
use store_support::in_child;

#[test]
fn a_cold_key_is_decided_in_the_child() {
    let mut options = Options::new(StoreLocation::Memory);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    let auth = InspireAuth::open(options).unwrap();
    // Its hash starts the pool's threads, which stay in the parent.
    let created = auth.keys().create(&NewKey::named("k"), &Caller::system()).unwrap();
    let value = format!("Bearer {}", created.credential().as_str());
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    assert!(in_child(|| auth.authenticate(&request).is_ok()));
    assert!(auth.authenticate(&request).is_ok());
}

//! Several machines on one database: one license for all of them, or one for each.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Id, InspireAuth, Options, Result, StoreLocation,
    keys::Caller,
    license::{State, keys::TrustedKey, online},
    store::{PostgresOptions, PostgresStore},
};
use inspire_auth_test_postgres::{GIVEN, Server, psql};
use support::{ACCOUNT, Site, signer};

/// Longer than anything here takes on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// A database, and a licensing server.
struct Cluster {
    url: String,
    schema: String,
    site: Site,
    _server: Option<Server>,
}

impl Cluster {
    fn new() -> Self {
        let server = if std::env::var(GIVEN).is_ok() { None } else { Some(Server::start().unwrap()) };
        let url = server.as_ref().map_or_else(|| std::env::var(GIVEN).unwrap(), Server::url);
        let schema = format!("l{}", Id::random().unwrap().to_string().replace('-', ""));
        PostgresStore::migrate(&PostgresOptions::parse(&format!("{url}?schema={schema}")).unwrap(), &[]).unwrap();
        Self { url, schema, site: Site::new(), _server: server }
    }

    /// A gateway on a machine of this name, which shows this fingerprint.
    fn gateway(&self, machine: &str, fingerprint: &str, more: &str) -> InspireAuth {
        let url = format!("{}?schema={}&machine={machine}{more}", self.url, self.schema);
        let mut options = Options::new(StoreLocation::parse(&url));
        options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
        options.machine_id = Some(fingerprint.to_owned());
        options.product = Some("gateway".to_owned());
        let mut server = online::Server::at(self.site.server.url());
        server.proxy = online::Proxy::None;
        server.account = Some(ACCOUNT.to_owned());
        server.account_id = Some(ACCOUNT.to_owned());
        options.server = Some(server);
        InspireAuth::open(options).unwrap()
    }

    fn by(&self) -> Caller<'static> {
        Caller { now: Some(self.site.now()), ..Caller::system() }
    }

    fn machines(&self, license: &str) -> Vec<String> {
        let mut machines: Vec<_> = self
            .site
            .server
            .store()
            .machines(license)
            .unwrap()
            .into_iter()
            .map(|machine| machine.fingerprint)
            .collect();
        machines.sort();
        machines
    }

    /// Waits until a gateway's license stands so.
    fn until(&self, auth: &InspireAuth, state: State) {
        let begun = Instant::now();
        while auth.license().status(Some(self.site.now())).unwrap().state != state {
            assert!(begun.elapsed() < LONG, "not in time: {state:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = psql(&self.url, &format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
    }
}

fn code<T>(result: Result<T>) -> Code {
    result.err().map_or(Code::Ok, |error| error.code())
}

/// What one of them hears from the vendor all of them go by.
#[test]
fn a_cluster_is_one_machine_to_the_vendor() {
    let cluster = Cluster::new();
    let license = cluster.site.license(|new| {
        new.max_machines = Some(1);
        new.limits.insert("AI_CREDITS_MONTHLY".to_owned(), 150);
    });
    let gateways = ["one", "two", "three"].map(|machine| cluster.gateway(machine, "cluster", ""));
    let [one, two, three] = &gateways;
    one.license().activate_online(&license.key, &cluster.by()).unwrap();
    for each in [two, three] {
        cluster.until(each, State::Active);
        assert_eq!(each.license().limit("MAX_DISPLAYS", Some(cluster.site.now())).unwrap(), 4);
    }
    assert_eq!(cluster.machines(&license.id), ["cluster"]);

    // The lease that one of them renews is everybody's.
    cluster.site.clock.fetch_add(10 * 86_400, Ordering::Relaxed);
    let renewed = two.license().revalidate(&cluster.by()).unwrap().lease_expires_at;
    let lease = || three.license().status(Some(cluster.site.now())).unwrap().lease_expires_at;
    let begun = Instant::now();
    while lease() != renewed {
        assert!(begun.elapsed() < LONG, "the lease is not shared");
        std::thread::sleep(Duration::from_millis(2));
    }
    // So is a suspension, and its end.
    let store = cluster.site.server.store();
    store.suspend(&license.id, cluster.site.now()).unwrap();
    assert_eq!(code(three.license().revalidate(&cluster.by())), Code::LicenseSuspended);
    gateways.iter().for_each(|each| cluster.until(each, State::Suspended));
    cluster.site.clock.fetch_add(60, Ordering::Relaxed);
    store.reinstate(&license.id, cluster.site.now()).unwrap();
    one.license().revalidate(&cluster.by()).unwrap();
    gateways.iter().for_each(|each| cluster.until(each, State::Active));

    // A machine that joins later has what is there; one that calls itself something else has no license.
    cluster.until(&cluster.gateway("four", "cluster", ""), State::Active);
    let stranger = cluster.gateway("five", "another", "").license().status(Some(cluster.site.now())).unwrap();
    assert_ne!(stranger.state, State::Active);

    // Credits are one book for all of them.
    let next = |auth: &InspireAuth, operation| auth.license().consume(60, operation, None, Some(cluster.site.now()));
    let before = one.license().balance(None, Some(cluster.site.now())).unwrap();
    let first = next(one, "job 1").unwrap();
    assert_eq!(next(two, "job 1").unwrap(), first, "the same job is counted once");
    next(two, "job 2").unwrap();
    let after = three.license().balance(None, Some(cluster.site.now())).unwrap();
    assert_eq!((before.used, after.used), (0, 120));
    assert_eq!(code(next(three, "job 3")), Code::LimitExceeded);

    two.license().deactivate(&cluster.by()).unwrap();
    gateways.iter().for_each(|each| cluster.until(each, State::Unlicensed));
    assert!(cluster.machines(&license.id).is_empty(), "its seat is free");
}

#[test]
fn each_machine_may_have_a_license_of_its_own() {
    let cluster = Cluster::new();
    let license = cluster.site.license(|new| new.max_machines = Some(2));
    let gateways = ["one", "two", "three"].map(|machine| cluster.gateway(machine, machine, "&license=machine"));
    let [one, two, three] = &gateways;
    for each in [one, two] {
        each.license().activate_online(&license.key, &cluster.by()).unwrap();
    }
    assert_eq!(cluster.machines(&license.id), ["one", "two"]);
    let state = |auth: &InspireAuth| auth.license().status(Some(cluster.site.now())).unwrap().state;
    assert_eq!(state(three), State::Unlicensed);
    assert_eq!(code(three.license().activate_online(&license.key, &cluster.by())), Code::MachineLimitReached);
    two.license().deactivate(&cluster.by()).unwrap();
    assert_eq!([one, two, three].map(state), [State::Active, State::Unlicensed, State::Unlicensed]);
    three.license().activate_online(&license.key, &cluster.by()).unwrap();
    assert_eq!(cluster.machines(&license.id), ["one", "three"]);
    // It is the machine's, not the process's.
    assert_eq!(state(&cluster.gateway("one", "one", "&license=machine")), State::Active);
}

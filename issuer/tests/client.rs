//! The library's own client, against the server.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)] // an overflow in a test is a failed test

mod support;

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, Result, StoreLocation,
    keys::Caller,
    license::{
        Mode, State,
        keys::TrustedKey,
        online::{Proxy, Server},
    },
};
use inspire_auth_issuer::{Failure, License, Step};
use std::sync::atomic::Ordering;
use support::{ACCOUNT, Site, signer};

const DAY: i64 = 86_400;

/// A host on this machine that is licensed by the site.
fn host(site: &Site, fingerprint: &str) -> InspireAuth {
    let mut options = Options::new(StoreLocation::Memory);
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
    options.machine_id = Some(fingerprint.to_owned());
    options.product = Some("gateway".to_owned());
    let mut server = Server::at(site.server.url());
    server.proxy = Proxy::None;
    server.account = Some(ACCOUNT.to_owned());
    server.account_id = Some(ACCOUNT.to_owned());
    options.server = Some(server);
    InspireAuth::open(options).unwrap()
}

fn at(site: &Site) -> Caller<'static> {
    Caller { now: Some(site.now()), ..Caller::system() }
}

fn code<T>(result: Result<T>) -> Code {
    result.err().map_or(Code::Ok, |error| error.code())
}

fn activated(change: impl FnOnce(&mut inspire_auth_issuer::NewLicense)) -> (Site, License, InspireAuth) {
    let site = Site::new();
    let license = site.license(change);
    let auth = host(&site, "fp");
    let status = auth.license().activate_online(&license.key, &at(&site)).unwrap();
    assert_eq!((status.state, status.mode), (State::Active, Some(Mode::Online)));
    (site, license, auth)
}

#[test]
fn a_host_is_activated_and_renewed() {
    let (site, license, auth) = activated(|_| ());
    let machines = site.server.store().machines(&license.id).unwrap();
    assert_eq!((machines.len(), machines[0].fingerprint.as_str()), (1, "fp"));
    let status = auth.license().status(Some(site.now())).unwrap();
    assert_eq!(status.lease_expires_at, Some(site.now() + 14 * DAY));
    assert!(auth.license().has_entitlement("MFA", Some(site.now())).unwrap());
    assert_eq!(auth.license().limit("MAX_DISPLAYS", Some(site.now())).unwrap(), 4);

    // What the vendor changes arrives with the next re-validation.
    site.clock.fetch_add(10 * DAY, Ordering::Relaxed);
    let store = site.server.store();
    store.set_limit(&license.id, "MAX_DISPLAYS", Some(9), site.now()).unwrap();
    store.entitle(&license.id, &["video_wall_sync".to_owned()], &["MFA".to_owned()], site.now()).unwrap();
    let status = auth.license().revalidate(&at(&site)).unwrap();
    assert_eq!(status.lease_expires_at, Some(site.now() + 14 * DAY));
    assert_eq!(status.entitlements, ["AI", "VIDEO_WALL_SYNC"]);
    assert_eq!(auth.license().limit("MAX_DISPLAYS", Some(site.now())).unwrap(), 9);
    assert_eq!(store.machines(&license.id).unwrap(), machines, "it was known already");
}

#[test]
fn a_suspension_acts_at_once_and_is_lifted() {
    let (site, license, auth) = activated(|_| ());
    let store = site.server.store();
    store.suspend(&license.id, site.now()).unwrap();
    assert_eq!(code(auth.license().revalidate(&at(&site))), Code::LicenseSuspended);
    assert_eq!(auth.license().status(Some(site.now())).unwrap().state, State::Suspended);
    assert!(!auth.license().has_entitlement("MFA", Some(site.now())).unwrap());
    site.clock.fetch_add(60, Ordering::Relaxed);
    store.reinstate(&license.id, site.now()).unwrap();
    assert_eq!(auth.license().revalidate(&at(&site)).unwrap().state, State::Active);
}

#[test]
fn an_expired_license_is_renewed() {
    let (site, license, auth) = activated(|new| new.expires_at = Some(support::system_now() + 5 * DAY));
    site.clock.fetch_add(6 * DAY, Ordering::Relaxed);
    assert_eq!(code(auth.license().revalidate(&at(&site))), Code::LicenseExpired);
    site.server.store().renew(&license.id, Some(site.now() + 365 * DAY), site.now()).unwrap();
    let status = auth.license().revalidate(&at(&site)).unwrap();
    assert_eq!((status.state, status.expires_at), (State::Active, Some(site.now() + 365 * DAY)));
}

#[test]
fn refusals_have_their_codes() {
    let (site, license, auth) = activated(|new| new.max_machines = Some(1));
    assert_eq!(
        code(host(&site, "other").license().activate_online(&license.key, &at(&site))),
        Code::MachineLimitReached
    );
    assert_eq!(code(host(&site, "fp").license().activate_online("NOBODYS-KEY", &at(&site))), Code::LicenseUnknown);
    let foreign = site.license(|new| new.product = Some("another".to_owned()));
    let refused = code(host(&site, "fp").license().activate_online(&foreign.key, &at(&site)));
    assert_eq!(refused, Code::LicenseProductMismatch);
    assert!(site.server.store().remove_machine(&license.id, "fp").unwrap());
    assert_eq!(code(auth.license().revalidate(&at(&site))), Code::NotActivated);
    assert_eq!(auth.license().activate_online(&license.key, &at(&site)).unwrap().state, State::Active);
}

#[test]
fn a_machine_that_fell_silent_is_registered_again() {
    let (site, license, auth) = activated(|new| new.require_heartbeat = true);
    site.server.store().remove_machine(&license.id, "fp").unwrap();
    assert_eq!(auth.license().revalidate(&at(&site)).unwrap().state, State::Active);
    assert_eq!(site.server.store().machines(&license.id).unwrap().len(), 1);
}

#[test]
fn failures_on_purpose_change_nothing_but_what_is_said_of_the_attempt() {
    let (site, _, auth) = activated(|_| ());
    for (step, expected) in [
        ("signature=bad", Code::ServerSignatureInvalid),
        ("signature=none", Code::ServerSignatureInvalid),
        ("body=changed", Code::ServerSignatureInvalid),
        ("date=-301", Code::ClockSkew),
        ("date=301", Code::ClockSkew),
        ("status=500", Code::ServerStatus),
        ("status=429,retry-after=100", Code::ServerRateLimited),
        ("redirect=https://elsewhere.example/", Code::ServerStatus),
        ("status=404,path=check-out", Code::ServerStatus),
    ] {
        site.server.script().push(step.parse::<Step>().unwrap());
        assert_eq!(code(auth.license().revalidate(&at(&site))), expected, "{step}");
        assert!(site.server.script().is_empty(), "{step}");
        let status = auth.license().status(Some(site.now())).unwrap();
        assert_eq!((status.state, status.last_attempt.map(|attempt| attempt.code)), (State::Active, Some(expected)));
    }
    for failure in [Failure::Drop, Failure::TruncatedBody] {
        site.server.script().push(Step::from(failure.clone()).times(2));
        assert_ne!(code(auth.license().revalidate(&at(&site))), Code::Ok, "{failure}");
        site.server.script().clear();
        assert_eq!(auth.license().status(Some(site.now())).unwrap().state, State::Active);
    }
    assert_eq!(auth.license().revalidate(&at(&site)).unwrap().last_attempt, None);
}

#[test]
fn a_registration_whose_answer_was_lost_is_found_again() {
    let site = Site::new();
    let license = site.license(|new| new.max_machines = Some(1));
    let auth = host(&site, "fp");
    site.server.script().push(Step::from(Failure::Lose).on("/machines"));
    assert_ne!(code(auth.license().activate_online(&license.key, &at(&site))), Code::Ok);
    assert_eq!(auth.license().activate_online(&license.key, &at(&site)).unwrap().state, State::Active);
    assert_eq!(site.server.store().machines(&license.id).unwrap().len(), 1);
}

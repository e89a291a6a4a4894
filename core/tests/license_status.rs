//! The installed license through the public door: activation, status, limits, deactivation, and several handles on one
//! store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::{Arc, Mutex};

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options, Result, StoreLocation,
    keys::{Caller, Channel, NewKey, Presented, Principal, Request, levels::RequirementSpec},
    license::{
        CATALOGUE, Kind, Mode, State, Status, Warning,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
    store::{MemoryStore, Store},
};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const KEY: &str = "ABCD-EFGH-IJKL";

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new().unwrap())
}

/// A handle on `store` for a machine called `fp`.
fn open_on(store: &Arc<MemoryStore>, change: impl FnOnce(&mut Options)) -> InspireAuth {
    let store: Arc<dyn Store> = store.clone();
    let mut options = Options::new(StoreLocation::Custom(store));
    options.hash = smallest_hash();
    options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
    options.machine_id = Some("fp".into());
    change(&mut options);
    InspireAuth::open(options).unwrap()
}

/// The smallest parameters: these tests are not about hashing.
fn smallest_hash() -> HashParameters {
    HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 }
}

fn open() -> InspireAuth {
    open_on(&store(), |_| ())
}

fn description() -> LicenseDescription {
    let mut license = LicenseDescription::new("l1", KEY);
    license.name = Some("Plant 3".into());
    license.ttl = Some(u64::try_from(100 * DAY).unwrap());
    license.fingerprint = Some("fp".into());
    license.limits.extend([("MAX_DISPLAYS".to_owned(), 5), ("AI_CREDITS_MONTHLY".to_owned(), -1)]);
    license.entitlements = Some(vec!["OFFLINE_LICENSING".into(), "MFA".into(), "CUSTOM".into()]);
    license
}

/// A machine file issued at `issued`, changed before it is signed.
fn file_at(issued: i64, change: impl FnOnce(&mut LicenseDescription)) -> Vec<u8> {
    let mut license = description();
    change(&mut license);
    sign(&signer(), &license, Kind::Machine, true, Some(issued)).unwrap().into_bytes()
}

fn file() -> Vec<u8> {
    file_at(NOW, |_| ())
}

fn system(now: i64) -> Caller<'static> {
    Caller::system().at(now)
}

fn activate(auth: &InspireAuth, file: &[u8], now: i64) -> Result<Status> {
    auth.license().activate_offline(KEY, file, false, &system(now))
}

fn refused(auth: &InspireAuth, file: &[u8], now: i64) -> Code {
    let before = auth.license().status(Some(now)).unwrap();
    let generation = auth.store().generation().unwrap();
    let code = activate(auth, file, now).unwrap_err().code();
    assert_eq!(auth.license().status(Some(now)).unwrap(), before, "a failure changes nothing");
    assert_eq!(auth.store().generation().unwrap(), generation);
    code
}

#[test]
fn from_unlicensed_to_active_and_back() {
    let auth = open();
    let license = auth.license();
    assert_eq!(license.status(Some(NOW)).unwrap().state, State::Unlicensed);
    assert!(!license.has_entitlement("MFA", Some(NOW)).unwrap());
    for error in [license.revalidate(&system(NOW)), license.deactivate(&system(NOW)).map(|done| done.status)] {
        assert_eq!(error.unwrap_err().code(), Code::Unlicensed);
    }

    let status = activate(&auth, &file(), NOW).unwrap();
    assert_eq!(status, license.status(Some(NOW)).unwrap());
    assert_eq!((status.state, status.reason, status.mode), (State::Active, None, Some(Mode::Offline)));
    assert_eq!((status.name.as_deref(), status.key.as_deref()), (Some("Plant 3"), Some("********IJKL")));
    assert_eq!((status.expires_at, status.lease_expires_at), (None, Some(NOW + 100 * DAY)));
    assert_eq!(status.last_validated_at, Some(NOW));
    assert_eq!(status.entitlements, ["CUSTOM", "MFA", "OFFLINE_LICENSING"]);
    assert!(license.has_entitlement("mfa", Some(NOW)).unwrap());
    assert!(!license.has_entitlement("SSO_SAML", Some(NOW)).unwrap());
    assert_eq!(license.revalidate(&system(NOW)).unwrap_err().code(), Code::NotAvailableOffline);

    let status = license.deactivate(&system(NOW)).unwrap().status;
    assert_eq!((status.state, status.key, status.mode), (State::Unlicensed, None, None));
    assert!(!license.has_entitlement("MFA", Some(NOW)).unwrap());
    assert_eq!(license.deactivate(&system(NOW)).unwrap_err().code(), Code::Unlicensed);
}

#[test]
fn expiry_is_noticed_by_a_handle_that_stays_open() {
    let auth = open();
    activate(&auth, &file(), NOW).unwrap();
    let at = |now| auth.license().status(Some(now)).unwrap();
    assert_eq!(at(NOW + 100 * DAY - 1).state, State::Active);
    assert_eq!(at(NOW + 100 * DAY - 1).warnings, [Warning::LeaseEndsSoon]);
    let ended = at(NOW + 100 * DAY);
    assert_eq!((ended.state, ended.reason), (State::Expired, Some(Code::LicenseFileExpired)));
    assert!(ended.entitlements.is_empty() && ended.limits.values().all(|limit| *limit == 0));
    assert!(!auth.license().has_entitlement("MFA", Some(NOW + 100 * DAY)).unwrap());
}

#[test]
fn a_limit_is_checked_against_what_is_in_use() {
    let auth = open();
    let check = |name: &str, in_use, now| auth.license().check_limit(name, in_use, Some(now)).map_err(|e| e.code());
    assert_eq!(check("MAX_DISPLAYS", 1, NOW), Err(Code::LimitExceeded), "unlicensed: every limit is 0");
    assert_eq!(check("MAX_DISPLAYS", 0, NOW), Ok(()));
    activate(&auth, &file(), NOW).unwrap();
    assert_eq!(check("MAX_DISPLAYS", 5, NOW), Ok(()));
    assert_eq!(check("MAX_DISPLAYS", 6, NOW), Err(Code::LimitExceeded));
    assert_eq!(check("maxDisplays", 6, NOW), Err(Code::LimitExceeded));
    assert_eq!(check("AI_CREDITS_MONTHLY", i64::MAX, NOW), Ok(()));
    assert_eq!(check("MAX_AGILES", 1, NOW), Err(Code::LimitExceeded), "not named is 0");
    assert_eq!(check("MAX_DISPLAYS", -1, NOW), Err(Code::InvalidArgument));
    let ended = NOW + 100 * DAY;
    assert_eq!(check("AI_CREDITS_MONTHLY", 1, ended), Err(Code::LimitExceeded));
    let error = auth.license().check_limit("AI_CREDITS_MONTHLY", 1, Some(ended)).unwrap_err();
    assert!(error.to_string().contains("LICENSE_FILE_EXPIRED"), "{error}");
    for (name, limit) in
        [("MAX_DISPLAYS", 5), ("max-displays", 5), ("AI_CREDITS_MONTHLY", -1), ("MAX_AGILES", 0), ("X", 0)]
    {
        assert_eq!(auth.license().limit(name, Some(NOW)).unwrap(), limit, "{name}");
        assert_eq!(auth.license().limit(name, Some(ended)).unwrap(), 0, "{name}");
    }
}

#[test]
fn entitlements_are_the_catalogue_and_then_the_others() {
    let auth = open();
    let rows = auth.license().entitlements(Some(NOW)).unwrap();
    assert_eq!(rows.len(), CATALOGUE.len());
    assert!(rows.iter().all(|row| !row.granted));
    activate(&auth, &file(), NOW).unwrap();
    let rows = auth.license().entitlements(Some(NOW)).unwrap();
    assert_eq!(rows.len(), CATALOGUE.len() + 1);
    let granted: Vec<&str> = rows.iter().filter(|row| row.granted).map(|row| row.code.as_str()).collect();
    assert_eq!(granted, ["MFA", "OFFLINE_LICENSING", "CUSTOM"]);
    assert_eq!(rows.iter().find(|row| row.code == "MFA").unwrap().feature, Some("Multi-factor authentication"));
}

#[test]
fn what_can_not_be_installed_says_why_and_changes_nothing() {
    let auth = open();
    let fresh = file();
    assert_eq!(refused(&auth, b"", NOW), Code::LicenseMalformed);
    let stranger = sign(&SigningKey::from_seed(&[9; 32]), &description(), Kind::Machine, true, Some(NOW)).unwrap();
    assert_eq!(refused(&auth, stranger.as_bytes(), NOW), Code::LicenseSignatureInvalid);
    assert_eq!(refused(&auth, &fresh, NOW - 301), Code::ClockRollback);
    assert_eq!(refused(&auth, &fresh, NOW + 100 * DAY), Code::LicenseFileExpired);
    assert_eq!(
        refused(&auth, &file_at(NOW, |l| l.fingerprint = Some("other".into())), NOW),
        Code::LicenseKeyOrMachineMismatch
    );
    assert_eq!(refused(&auth, &file_at(NOW, |l| l.suspended = true), NOW), Code::LicenseSuspended);
    assert_eq!(refused(&auth, &file_at(NOW, |l| l.entitlements = Some(vec![])), NOW), Code::OfflineNotEntitled);
    assert_eq!(refused(&auth, &file_at(NOW, |l| l.entitlements = None), NOW), Code::EntitlementsNotIncluded);
    let unbound = sign(&signer(), &description(), Kind::License, true, Some(NOW)).unwrap();
    assert_eq!(refused(&auth, unbound.as_bytes(), NOW), Code::NotMachineBound);
    let plain = sign(&signer(), &description(), Kind::Machine, false, Some(NOW)).unwrap();
    let with_key =
        |key: &str| auth.license().activate_offline(key, plain.as_bytes(), false, &system(NOW)).unwrap_err().code();
    assert_eq!(with_key("OTHER"), Code::LicenseKeyMismatch);
    assert_eq!(with_key(""), Code::LicenseKeyRequired);
    assert_eq!(auth.license().status(Some(NOW)).unwrap().state, State::Unlicensed);

    // With several failures the first is the code, and all are listed. No secret is.
    let wrong = file_at(NOW, |l| {
        l.suspended = true;
        l.entitlements = None;
        l.ttl = Some(60);
    });
    let error = activate(&auth, &wrong, NOW + 60).unwrap_err();
    assert_eq!(error.code(), Code::LicenseFileExpired);
    let detail = error.detail().unwrap();
    assert!(detail.ends_with("LICENSE_FILE_EXPIRED, LICENSE_SUSPENDED, ENTITLEMENTS_NOT_INCLUDED"), "{detail}");
    assert!(!format!("{error:?}").contains("ABCD"));
}

#[test]
fn an_unbound_license_needs_leave_and_is_warned_about() {
    let auth = open_on(&store(), |options| options.allow_unbound = true);
    let unbound = sign(&signer(), &description(), Kind::License, true, Some(NOW)).unwrap();
    let status = activate(&auth, unbound.as_bytes(), NOW).unwrap();
    assert_eq!((status.state, status.warnings), (State::Active, vec![Warning::NotMachineBound]));
}

#[test]
fn an_older_file_of_the_same_license_needs_force() {
    let auth = open();
    let (old, new) = (file_at(NOW, |_| ()), file_at(NOW + 100, |_| ()));
    activate(&auth, &new, NOW + 100).unwrap();
    assert_eq!(refused(&auth, &old, NOW + 100), Code::LicenseFileOlder);
    activate(&auth, &new, NOW + 101).unwrap();
    let forced = auth.license().activate_offline(KEY, &old, true, &system(NOW + 102)).unwrap();
    assert_eq!(forced.lease_expires_at, Some(NOW + 100 * DAY));
    activate(&auth, &new, NOW + 103).unwrap();
    // Another license may be older.
    let other = file_at(NOW, |l| l.id = "l2".into());
    activate(&auth, &other, NOW + 104).unwrap();
    activate(&auth, &old, NOW + 105).unwrap();
}

#[test]
fn a_deactivated_file_stays_buried_and_only_a_newer_one_rises() {
    let auth = open();
    let (old, this, newer) = (file_at(NOW - 1, |_| ()), file(), file_at(NOW + 1, |_| ()));
    activate(&auth, &this, NOW).unwrap();
    auth.license().deactivate(&system(NOW)).unwrap();
    for buried in [&old, &this] {
        assert_eq!(refused(&auth, buried, NOW), Code::LicenseFileOlder);
        let forced = auth.license().activate_offline(KEY, buried, true, &system(NOW)).unwrap_err();
        assert_eq!(forced.code(), Code::LicenseFileOlder, "force does not raise the dead");
    }
    activate(&auth, &file_at(NOW, |l| l.id = "l2".into()), NOW).unwrap();
    activate(&auth, &newer, NOW).unwrap();
}

#[test]
fn signed_times_move_only_at_an_install_and_hold_the_clock() {
    let store = store();
    let auth = open_on(&store, |_| ());
    // Looking from the future moves nothing.
    auth.license().status(Some(NOW + 1000 * DAY)).unwrap();
    assert_eq!(refused(&auth, &file_at(NOW + DAY, |_| ()), NOW), Code::ClockRollback);
    activate(&auth, &file(), NOW).unwrap();
    activate(&auth, &file_at(NOW + DAY, |_| ()), NOW + DAY).unwrap();

    let other = file_at(NOW, |l| l.id = "l2".into());
    assert_eq!(
        refused(&auth, &other, NOW + DAY - 301),
        Code::ClockRollback,
        "the mark is of the key, not of the license"
    );
    let status = auth.license().status(Some(NOW + DAY - 301)).unwrap();
    assert_eq!((status.state, status.reason), (State::Invalid, Some(Code::ClockRollback)));
    let status = auth.license().status(Some(NOW + DAY - 300)).unwrap();
    assert_eq!((status.state, status.warnings), (State::Active, vec![Warning::ClockSuspect]));

    // The mark outlives its license, and goes with the trust in its key.
    auth.license().deactivate(&system(NOW + DAY)).unwrap();
    assert_eq!(refused(&auth, &other, NOW), Code::ClockRollback);
    let renamed = open_on(&store, |options| options.trusted_keys[0].id = "another".into());
    activate(&renamed, &other, NOW).unwrap();
}

#[test]
fn two_handles_on_one_store_see_each_other_at_once() {
    let store = store();
    let (one, two) = (open_on(&store, |_| ()), open_on(&store, |_| ()));
    let other_vendor = open_on(&store, |options| options.trusted_keys.clear());
    let elsewhere = open_on(&store, |options| options.machine_id = Some("other".into()));
    let state = |auth: &InspireAuth| auth.license().status(Some(NOW)).unwrap();
    assert_eq!(state(&two).state, State::Unlicensed);
    activate(&one, &file(), NOW).unwrap();
    assert_eq!(state(&two).state, State::Active);
    assert!(two.license().has_entitlement("MFA", Some(NOW)).unwrap());
    // Each believes what it can verify itself.
    assert_eq!(state(&other_vendor).reason, Some(Code::LicenseSignatureInvalid));
    assert_eq!(state(&elsewhere).reason, Some(Code::LicenseKeyOrMachineMismatch));
    assert_eq!(state(&open_on(&store, |_| ())).state, State::Active, "and one that opens later");
    two.license().deactivate(&system(NOW)).unwrap();
    assert_eq!(state(&one).state, State::Unlicensed);
    assert_eq!(refused(&one, &file(), NOW), Code::LicenseFileOlder);
}

/// Whoever can write the store's row grants nothing by it.
#[test]
fn a_tampered_row_is_invalid_at_the_next_query() {
    let auth = open();
    activate(&auth, &file(), NOW).unwrap();
    let tamper = |change: &dyn Fn(&mut inspire_auth_core::store::LicenseRow)| {
        auth.store()
            .write(&mut |tx| {
                let mut row = tx.license()?.unwrap();
                change(&mut row);
                tx.set_license(Some(&row))
            })
            .unwrap();
        let status = auth.license().status(Some(NOW)).unwrap();
        (status.state, status.reason)
    };
    let wider = file_at(NOW, |l| l.entitlements = Some(vec!["OFFLINE_LICENSING".into(), "SSO_SAML".into()]));
    let forged = String::from_utf8(wider).unwrap().replace("MACHINE", "LICENSE").into_bytes();
    assert_eq!(tamper(&|row| row.file = forged.clone()), (State::Invalid, Some(Code::LicenseSignatureInvalid)));
    assert_eq!(tamper(&|row| row.file.clear()), (State::Invalid, Some(Code::LicenseMalformed)));
    assert!(!auth.license().has_entitlement("MFA", Some(NOW)).unwrap());
    let no_offline = file_at(NOW, |l| l.entitlements = Some(vec!["MFA".into()]));
    assert_eq!(tamper(&|row| row.file = no_offline.clone()), (State::Invalid, Some(Code::OfflineNotEntitled)));
    assert_eq!(tamper(&|row| row.mode = "online".into()), (State::Active, None), "as a lease, which it would be");
    let lease = auth.license().status(Some(NOW)).unwrap().lease_expires_at;
    assert_eq!(lease, Some(NOW + 30 * DAY), "and which ends");
    assert_eq!(tamper(&|row| row.file = file()), (State::Active, None));
    // What can't be read can still be taken out.
    tamper(&|row| row.file.clear());
    assert_eq!(auth.license().deactivate(&system(NOW)).unwrap().status.state, State::Unlicensed);
}

fn principal(auth: &InspireAuth, name: &str, level: &str) -> Principal {
    let mut key = NewKey::named(name);
    key.levels = vec![level.into()];
    let created = auth.keys().create(&key, &Caller::system()).unwrap();
    let header = format!("Bearer {}", created.credential().as_str());
    let anyone = auth.requirement(&"any(Authenticated)".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(header.as_bytes()), &anyone);
    request.channel = Channel::Secure;
    auth.authenticate(&request).unwrap()
}

#[test]
fn the_license_is_the_administrators() {
    let auth = open_on(&store(), |options| {
        options.admin_requirement = Some(RequirementSpec::Any(vec!["Authenticated/Admin".into()]));
    });
    let (admin, writer) =
        (principal(&auth, "admin", "Authenticated/Admin"), principal(&auth, "writer", "Authenticated/Write"));
    let install = |caller: Caller<'_>, file: &[u8]| auth.license().activate_offline(KEY, file, false, &caller.at(NOW));
    assert_eq!(install(Caller::by(&writer), &file()).unwrap_err().code(), Code::PermissionDenied);
    // Whoever may not install learns nothing about the file either.
    assert_eq!(install(Caller::by(&writer), b"").unwrap_err().code(), Code::PermissionDenied);
    install(Caller::by(&admin), &file()).unwrap();
    for refused in [
        auth.license().deactivate(&Caller::by(&writer).at(NOW)).map(|done| done.status),
        auth.license().revalidate(&Caller::by(&writer).at(NOW)),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    auth.license().deactivate(&Caller::by(&admin).at(NOW)).unwrap();
}

#[test]
fn installing_and_taking_out_are_audited_without_the_key() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let auth = open_on(&store(), |options| {
        options.audit = Some(Arc::new(move |event| sink.lock().unwrap().push(event.clone())));
    });
    activate(&auth, &file(), NOW).unwrap();
    refused(&auth, b"", NOW);
    auth.license().deactivate(&system(NOW + 5)).unwrap();
    let events = events.lock().unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.at, event.event.as_str(), event.actor.as_str(), event.subject.as_str()))
        .collect();
    assert_eq!(seen, [(NOW, "license.activated", "system", "l1"), (NOW + 5, "license.deactivated", "system", "l1")]);
    assert!(!format!("{events:?}").contains("ABCD"));
}

#[test]
fn a_gate_on_an_entitlement_gives_the_licenses_reason() {
    let auth = open();
    let created = auth.keys().create(&NewKey::named("caller"), &Caller::system()).unwrap();
    let header = format!("Bearer {}", created.credential().as_str());
    let anyone = auth.requirement(&"any(Authenticated)".parse().unwrap()).unwrap();
    let gate = |entitlement, now| {
        let mut request = Request::new(Presented::Authorization(header.as_bytes()), &anyone);
        (request.channel, request.entitlement, request.now) = (Channel::Secure, Some(entitlement), Some(now));
        auth.authenticate(&request).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(gate("MFA", NOW), Err(Code::Unlicensed));
    activate(&auth, &file(), NOW).unwrap();
    assert_eq!(gate("MFA", NOW), Ok(()));
    assert_eq!(gate("mfa", NOW), Ok(()));
    assert_eq!(gate("SSO_SAML", NOW), Err(Code::NotEntitled));
    assert_eq!(gate("MFA", NOW + 100 * DAY), Err(Code::LicenseFileExpired));
}

#[test]
fn the_machine_is_the_one_that_the_host_names() {
    assert_eq!(open().license().machine().unwrap().fingerprint, "fp");
}

#[test]
fn options_are_refused_when_they_can_not_be_right() {
    let opened = |change: fn(&mut Options)| {
        let mut options = Options::new(StoreLocation::Memory);
        options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
        change(&mut options);
        InspireAuth::open(options).map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(opened(|_| ()), Ok(()));
    assert_eq!(
        opened(|options| options.trusted_keys.push(options.trusted_keys[0].clone())),
        Err(Code::InvalidArgument)
    );
    assert_eq!(opened(|options| options.product = Some(String::new())), Err(Code::InvalidArgument));
}

#[test]
fn the_key_is_masked_until_somebody_asks_for_it_and_who_did_is_recorded() {
    let auth = open();
    assert_eq!(auth.license().reveal_key(&system(NOW)).unwrap_err().code(), Code::Unlicensed);
    auth.license().activate_offline(KEY, &file(), false, &system(NOW)).unwrap();
    assert_eq!(auth.license().status(Some(NOW)).unwrap().key.as_deref(), Some("********IJKL"));
    assert_eq!(auth.license().reveal_key(&system(NOW + 5)).unwrap().as_str(), KEY);
    let events = auth.audit(1).unwrap();
    assert_eq!((events[0].event.as_str(), events[0].at), ("license.key_revealed", NOW + 5));
    assert!(!format!("{events:?}").contains(KEY), "the log must not tell it, too");
}

//! The state machine alone, on rows that anyone may have written.

use std::{cell::Cell, time::Duration};

use super::*;
use crate::{
    id::Id,
    license::{
        issue::{LicenseDescription, SigningKey, sign},
        status::State,
        warnings::Warning,
    },
    options::StoreLocation,
    store::{CredentialRow, KeyWithCredentials, ReleaseRow},
};

pub(in crate::license) const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A reader of a store that holds what it is told.
#[derive(Default)]
pub(in crate::license) struct Fake {
    row: Option<LicenseRow>,
    marks: Vec<(String, i64)>,
    burial: Option<(String, i64)>,
    broken: Cell<bool>,
}

impl Fake {
    pub(in crate::license) fn installed(file: &str) -> Self {
        let row = LicenseRow {
            file: file.as_bytes().to_vec(),
            license_key: "KEY-KEY-KEY".into(),
            mode: "offline".into(),
            installed_at: NOW,
            validated_at: NOW,
            refusal: None,
            attempt: None,
        };
        Self { row: Some(row), ..Self::default() }
    }

    fn row(&mut self) -> &mut LicenseRow {
        self.row.as_mut().unwrap()
    }
}

impl Reader for Fake {
    fn generation(&self) -> Result<u64> {
        Ok(1)
    }
    fn key_by_name(&self, _: &str) -> Result<Option<KeyWithCredentials>> {
        Ok(None)
    }
    fn key_by_id(&self, _: Id) -> Result<Option<KeyWithCredentials>> {
        Ok(None)
    }
    fn keys_after(&self, _: Option<&str>, _: usize) -> Result<Vec<KeyWithCredentials>> {
        Ok(Vec::new())
    }
    fn credential(&self, _: Id) -> Result<Option<CredentialRow>> {
        Ok(None)
    }
    fn license(&self) -> Result<Option<LicenseRow>> {
        if self.broken.get() { Err(Error::new(Code::StoreUnavailable)) } else { Ok(self.row.clone()) }
    }
    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        Ok(self.marks.clone())
    }
    fn license_burial(&self, license_id: &str) -> Result<Option<i64>> {
        Ok(self.burial.as_ref().filter(|(id, _)| id == license_id).map(|(_, issued)| *issued))
    }
    fn releases(&self) -> Result<Vec<ReleaseRow>> {
        Ok(Vec::new())
    }
    fn installation_key(&self) -> Result<Option<zeroize::Zeroizing<[u8; 32]>>> {
        Ok(None)
    }
}

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// A half that trusts the tests' key on a machine called `fp`.
pub(in crate::license) fn half(change: impl FnOnce(&mut Options), machine: Option<Machine>) -> LicenseHalf {
    let mut options = Options::new(StoreLocation::Memory);
    options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
    options.machine_id = Some("fp".into());
    change(&mut options);
    let mut half = LicenseHalf::new(&options).unwrap();
    if let Some(machine) = machine {
        half.rules.machine = machine;
    }
    half
}

fn description() -> LicenseDescription {
    let mut license = LicenseDescription::new("l1", "KEY-KEY-KEY");
    license.name = Some("Plant 3".into());
    license.product = Some("gateway".into());
    license.expiry = Some("2027-03-15T08:00:00Z".into()); // 59 days after NOW
    license.ttl = Some(u64::try_from(40 * DAY).unwrap());
    license.fingerprint = Some("fp".into());
    license.limits.insert("MAX_DISPLAYS".into(), 5);
    license.limits.insert("SEATS".into(), -1);
    license.entitlements = Some(vec!["OFFLINE_LICENSING".into(), "MFA".into()]);
    license
}

fn file(kind: Kind, change: impl FnOnce(&mut LicenseDescription)) -> String {
    let mut license = description();
    change(&mut license);
    sign(&signer(), &license, kind, true, Some(NOW)).unwrap()
}

fn machine_file() -> String {
    file(Kind::Machine, |_| ())
}

/// The state and the reason of `fake` on the ordinary half, a minute after the issue.
fn judged(fake: &Fake) -> (State, Option<Code>) {
    judged_by(&half(|_| (), None), fake)
}

fn judged_by(half: &LicenseHalf, fake: &Fake) -> (State, Option<Code>) {
    half.reload(fake).unwrap();
    let status = half.status(NOW + 60);
    let gate = half.gate("MFA", NOW + 60);
    assert_eq!(gate.err(), status.reason, "a gate and the status give one reason");
    if status.state != State::Active {
        assert!(status.entitlements.is_empty() && status.limits.values().all(|limit| *limit == 0));
    }
    (status.state, status.reason)
}

const ACTIVE: (State, Option<Code>) = (State::Active, None);

fn invalid(code: Code) -> (State, Option<Code>) {
    (State::Invalid, Some(code))
}

#[test]
fn without_a_license_everything_is_refused() {
    let half = half(|_| (), None);
    for _ in 0..2 {
        let status = half.status(NOW);
        assert_eq!(
            (status.state, status.reason, status.key, status.mode),
            (State::Unlicensed, Some(Code::Unlicensed), None, None)
        );
        assert_eq!(status.limits.into_values().collect::<Vec<_>>(), [0, 0, 0]);
        assert_eq!(half.gate("MFA", NOW), Err(Code::Unlicensed));
        assert_eq!(half.limit("MAX_DISPLAYS", NOW), Err(Code::Unlicensed));
        half.reload(&Fake::default()).unwrap();
    }
}

#[test]
fn a_good_file_is_active_and_says_what_it_grants() {
    let half = half(|options| options.product = Some("gateway".into()), None);
    half.reload(&Fake::installed(&machine_file())).unwrap();
    let status = half.status(NOW);
    assert_eq!((status.state, status.reason, status.mode), (State::Active, None, Some(Mode::Offline)));
    assert_eq!((status.name.as_deref(), status.key.as_deref()), (Some("Plant 3"), Some("********-KEY")));
    assert_eq!((status.expires_at, status.lease_expires_at), (Some(NOW + 59 * DAY), Some(NOW + 40 * DAY)));
    assert_eq!(status.last_validated_at, Some(NOW));
    assert_eq!(status.entitlements, ["MFA", "OFFLINE_LICENSING"]);
    let limits: Vec<_> = status.limits.iter().map(|(name, limit)| (name.as_str(), *limit)).collect();
    assert_eq!(limits, [("AI_CREDITS_MONTHLY", 0), ("MAX_AGILES", 0), ("MAX_DISPLAYS", 5), ("SEATS", -1)]);
    assert_eq!(status.warnings, []);
    for code in ["MFA", "mfa", "Mfa"] {
        assert_eq!(half.gate(code, NOW), Ok(()));
    }
    for code in ["SSO_SAML", "", "MF"] {
        assert_eq!(half.gate(code, NOW), Err(Code::NotEntitled));
    }
    assert_eq!(half.limit("maxDisplays", NOW), Ok(5));
    assert_eq!(half.limit("seats", NOW), Ok(-1));
    assert_eq!(half.limit("unnamed", NOW), Ok(0));
}

#[test]
fn expiry_is_judged_at_each_query_and_not_at_the_load() {
    let half = half(|_| (), None);
    half.reload(&Fake::installed(&machine_file())).unwrap();
    assert_eq!(half.gate("MFA", NOW + 40 * DAY - 1), Ok(()));
    assert_eq!(half.gate("MFA", NOW + 40 * DAY), Err(Code::LicenseFileExpired));
    let status = half.status(NOW + 40 * DAY);
    assert_eq!((status.state, status.reason), (State::Expired, Some(Code::LicenseFileExpired)));
    assert_eq!(status.name.as_deref(), Some("Plant 3"), "what it was is still said");
    assert_eq!(status.limits["SEATS"], 0);
    assert_eq!(half.status(NOW - 301).reason, Some(Code::ClockRollback));
    assert_eq!(half.gate("MFA", NOW), Ok(()), "and the clock set right is enough");

    half.reload(&Fake::installed(&file(Kind::Machine, |l| l.ttl = None))).unwrap();
    assert_eq!(half.gate("MFA", NOW + 59 * DAY - 1), Ok(()));
    assert_eq!(half.gate("MFA", NOW + 59 * DAY), Err(Code::LicenseExpired));
}

#[test]
fn a_trusted_keys_end_is_judged_at_each_query_too() {
    let half = half(|options| options.trusted_keys[0].not_after = Some(NOW + 100), None);
    half.reload(&Fake::installed(&machine_file())).unwrap();
    assert_eq!(half.gate("MFA", NOW + 99), Ok(()));
    assert_eq!(half.gate("MFA", NOW + 100), Err(Code::LicenseSignatureInvalid));
    let status = half.status(NOW + 100);
    assert_eq!(status.state, State::Invalid);
    assert_eq!(
        (status.name, status.expires_at, status.lease_expires_at),
        (None, None, None),
        "nothing below is looked at"
    );
    assert_eq!(status.key.as_deref(), Some("********-KEY"));
}

#[test]
fn states_follow_the_first_failure() {
    type Change = fn(&mut LicenseDescription);
    let cases: [(Change, State, Code); 6] = [
        (|l| l.suspended = true, State::Suspended, Code::LicenseSuspended),
        (|l| l.status = Some("BANNED".into()), State::Suspended, Code::LicenseSuspended),
        (|l| l.status = Some("EXPIRED".into()), State::Expired, Code::LicenseExpired),
        (|l| l.ttl = Some(1), State::Expired, Code::LicenseFileExpired),
        (
            |l| {
                l.ttl = Some(1);
                l.suspended = true;
            },
            State::Expired,
            Code::LicenseFileExpired,
        ),
        (
            |l| {
                l.suspended = true;
                l.status = Some("EXPIRED".into());
            },
            State::Suspended,
            Code::LicenseSuspended,
        ),
    ];
    for (change, state, reason) in cases {
        assert_eq!(judged(&Fake::installed(&file(Kind::Machine, change))), (state, Some(reason)));
    }
}

#[test]
fn a_row_stands_on_its_file_and_on_nothing_else() {
    assert_eq!(judged(&Fake::installed(&machine_file())), ACTIVE);

    let text = machine_file();
    let mut middle = text.clone().into_bytes();
    middle[200] ^= 1;
    let mut tampered = Fake::installed(&text);
    tampered.row().file = middle;
    let (state, reason) = judged(&tampered);
    assert_eq!(state, State::Invalid);
    assert!(matches!(reason, Some(Code::LicenseSignatureInvalid | Code::LicenseMalformed)), "{reason:?}");

    assert_eq!(judged(&Fake::installed("")), invalid(Code::LicenseMalformed));
    let stranger = SigningKey::from_seed(&[9; 32]);
    let forged = sign(&stranger, &description(), Kind::Machine, true, Some(NOW)).unwrap();
    assert_eq!(judged(&Fake::installed(&forged)), invalid(Code::LicenseSignatureInvalid));

    let mut other_key = Fake::installed(&text);
    other_key.row().license_key = "OTHER".into();
    assert_eq!(judged(&other_key), invalid(Code::LicenseKeyOrMachineMismatch));
    let plain = sign(&signer(), &description(), Kind::Machine, false, Some(NOW)).unwrap();
    let mut other_key = Fake::installed(&plain);
    other_key.row().license_key = "OTHER".into();
    assert_eq!(judged(&other_key), invalid(Code::LicenseKeyMismatch));
}

#[test]
fn each_process_judges_by_its_own_rules() {
    let fake = Fake::installed(&machine_file());
    let by = |change: fn(&mut Options)| judged_by(&half(change, None), &fake);
    assert_eq!(by(|_| ()), ACTIVE);
    assert_eq!(by(|options| options.trusted_keys.clear()), invalid(Code::LicenseSignatureInvalid));
    assert_eq!(by(|options| options.product = Some("gateway".into())), ACTIVE);
    assert_eq!(by(|options| options.product = Some("other".into())), invalid(Code::LicenseProductMismatch));
    assert_eq!(by(|options| options.machine_id = Some("other".into())), invalid(Code::LicenseKeyOrMachineMismatch));
    let plain = Fake::installed(&sign(&signer(), &description(), Kind::Machine, false, Some(NOW)).unwrap());
    let elsewhere = half(|options| options.machine_id = Some("other".into()), None);
    assert_eq!(judged_by(&elsewhere, &plain), invalid(Code::MachineMismatch));
}

#[test]
fn the_mode_of_a_row_is_no_evidence() {
    let without = |change: fn(&mut LicenseDescription)| {
        file(Kind::Machine, |l| {
            l.entitlements = Some(vec!["MFA".into()]);
            l.ttl = None;
            change(l);
        })
    };
    let mut fake = Fake::installed(&without(|_| ()));
    assert_eq!(judged(&fake), invalid(Code::OfflineNotEntitled));
    fake.row().mode = "something".into();
    assert_eq!(judged(&fake), invalid(Code::OfflineNotEntitled));
    let silent = Fake::installed(&without(|l| l.entitlements = None));
    assert_eq!(judged(&silent), invalid(Code::EntitlementsNotIncluded));

    // Called online, it is a lease, and ends as one.
    fake.row().mode = "online".into();
    let half = half(|options| options.max_lease = Duration::from_secs(7 * 86_400), None);
    assert_eq!(judged_by(&half, &fake), ACTIVE);
    assert_eq!(half.status(NOW).lease_expires_at, Some(NOW + 7 * DAY));
    assert_eq!(half.gate("MFA", NOW + 7 * DAY - 1), Ok(()));
    assert_eq!(half.gate("MFA", NOW + 7 * DAY), Err(Code::LicenseFileExpired));
    // The signed entitlement frees it.
    half.reload(&Fake::installed(&file(Kind::Machine, |l| l.ttl = None))).unwrap();
    assert_eq!(half.status(NOW).lease_expires_at, None);
}

#[test]
fn a_planted_file_meets_the_rules_of_the_installation() {
    let unbound = Fake::installed(&file(Kind::License, |_| ()));
    assert_eq!(judged(&unbound), invalid(Code::NotMachineBound));
    let lenient = half(|options| options.allow_unbound = true, None);
    assert_eq!(judged_by(&lenient, &unbound), ACTIVE);
    assert_eq!(lenient.status(NOW).warnings, [Warning::NotMachineBound]);

    let mut buried = Fake::installed(&machine_file());
    for (id, issued, expected) in [
        ("l1", NOW - 1, ACTIVE),
        ("l1", NOW, invalid(Code::LicenseFileOlder)),
        ("l1", NOW + 1, invalid(Code::LicenseFileOlder)),
        ("l2", NOW + 1, ACTIVE),
    ] {
        buried.burial = Some((id.into(), issued));
        assert_eq!(judged(&buried), expected, "{id} {issued}");
    }
}

#[test]
fn signed_times_hold_the_clock() {
    let mut fake = Fake::installed(&machine_file());
    let mut at = |id: &str, mark| {
        fake.marks = vec![(id.into(), mark)];
        let half = half(|_| (), None);
        half.reload(&fake).unwrap();
        (half.status(NOW).reason, half.status(NOW).warnings)
    };
    assert_eq!(at("vendor", NOW), (None, vec![]));
    assert_eq!(at("vendor", NOW + 300), (None, vec![Warning::ClockSuspect]));
    assert_eq!(at("vendor", NOW + 301), (Some(Code::ClockRollback), vec![]));
    assert_eq!(at("no longer trusted", NOW + 301), (None, vec![]));

    // A key that ends takes its mark with it, from that moment on.
    fake.marks = vec![("vendor".into(), NOW), ("leaked".into(), NOW + 10 * DAY)];
    let leaked = TrustedKey::new("leaked", SigningKey::from_seed(&[9; 32]).public()).unwrap().until(NOW + DAY);
    let half = half(|options| options.trusted_keys.push(leaked), None);
    half.reload(&fake).unwrap();
    assert_eq!(half.gate("MFA", NOW + DAY - 1), Err(Code::ClockRollback));
    assert_eq!(half.gate("MFA", NOW + DAY), Ok(()));
}

#[test]
fn what_will_end_is_announced_while_it_is_active() {
    let half = half(|_| (), None);
    half.reload(&Fake::installed(&machine_file())).unwrap();
    let at = |now| half.status(now).warnings;
    assert_eq!(at(NOW + 29 * DAY - 1), []);
    assert_eq!(at(NOW + 29 * DAY), [Warning::ExpiresSoon { days: 30 }]);
    assert_eq!(at(NOW + 33 * DAY), [Warning::ExpiresSoon { days: 30 }, Warning::LeaseEndsSoon]);
    assert_eq!(at(NOW + 40 * DAY), []);
    let codes: Vec<&str> = at(NOW + 33 * DAY).into_iter().map(Warning::as_str).collect();
    assert_eq!(codes, ["EXPIRES_SOON", "LEASE_ENDS_SOON"]);
}

#[test]
fn a_store_that_fails_leaves_the_last_reading() {
    let half = half(|_| (), None);
    let fake = Fake::installed(&machine_file());
    half.reload(&fake).unwrap();
    fake.broken.set(true);
    assert_eq!(half.reload(&fake).unwrap_err().code(), Code::StoreUnavailable);
    assert_eq!(half.gate("MFA", NOW), Ok(()));
}

#[test]
fn options_are_checked() {
    let refused = |change: fn(&mut Options)| {
        let mut options = Options::new(StoreLocation::Memory);
        options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
        change(&mut options);
        LicenseHalf::new(&options).unwrap_err().code()
    };
    assert_eq!(refused(|o| o.trusted_keys.push(o.trusted_keys[0].clone())), Code::InvalidArgument);
    assert_eq!(refused(|o| o.product = Some(String::new())), Code::InvalidArgument);
    assert_eq!(refused(|o| o.machine_id = Some(String::new())), Code::InvalidArgument);
}

#[test]
fn no_key_is_shown_by_debug() {
    let half = half(|_| (), None);
    half.reload(&Fake::installed(&machine_file())).unwrap();
    let shown = format!("{half:?} {:?}", half.status(NOW));
    assert!(!shown.contains("KEY-KEY") && !shown.contains("\"fp\""), "{shown}");
}

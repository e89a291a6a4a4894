//! Rows 5b to 13 of the checks: what a readable, signed file must fulfil to be good here and now.
//!
//! What does not depend on the time is decided once, when the file is read; what does is decided at each query, by a
//! few comparisons that allocate nothing. One list serves inspection, installation and every later query.

use std::ops::Range;

use super::{
    catalogue::{self, OFFLINE_LICENSING},
    payload::{LicenseDocument, Payload},
    secret,
};
use crate::error::Code;

/// How far clocks may disagree, in seconds, in either direction.
pub(super) const CLOCK_TOLERANCE: i64 = 300;

/// What a file is judged against.
#[derive(Default)]
pub(super) struct Circumstances<'a> {
    /// The product that the license must be for.
    pub(super) product: Option<&'a str>,
    /// The license key that was given with the file.
    pub(super) license_key: Option<&'a str>,
    /// The fingerprint of the machine, where it is known.
    pub(super) fingerprint: Option<&'a str>,
    /// Whether the file is installed, or to be installed, offline.
    pub(super) offline: bool,
    /// Signed times that this installation has accepted.
    pub(super) marks: Vec<Mark>,
    /// How long after `issued` a file is good whose license does not hold `OFFLINE_LICENSING`, in seconds.
    pub(super) max_lease: Option<i64>,
    /// Whether a file that names no machine is refused.
    pub(super) machine_bound_only: bool,
    /// Whether a newer file took this one's place, or a deactivation buried it.
    pub(super) older: bool,
}

/// A signed time that was accepted under a trusted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Unix seconds.
    pub(super) at: i64,
    /// Unix seconds from which the key, and so the mark, no longer counts.
    pub(super) until: Option<i64>,
}

impl Mark {
    pub(super) fn counts(self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A file's checks, ready to be asked at any time.
pub(super) struct Checks {
    not_included: bool,
    other_product: bool,
    issued: i64,
    marks: Vec<Mark>,
    /// The end of the file: `meta.expiry`, or that of the lease where it comes first.
    pub(super) ends: Option<i64>,
    suspended: bool,
    status_expired: bool,
    expires_at: Option<i64>,
    other_key: bool,
    other_machine: bool,
    offline: Option<Code>,
    unbound: bool,
    older: bool,
}

impl Checks {
    /// Judges what does not depend on the time.
    pub(super) fn of(payload: &Payload, circumstances: Circumstances<'_>) -> Self {
        let license = payload.license.as_ref();
        let machine = payload.machine.as_ref();
        let product = license
            .and_then(|license| license.product.as_deref())
            .or_else(|| machine.and_then(|machine| machine.product.as_deref()));
        let status = license.and_then(|license| license.status.as_deref());
        Self {
            not_included: license.is_none(),
            other_product: circumstances.product.is_some_and(|wanted| product != Some(wanted)),
            issued: payload.issued,
            marks: circumstances.marks,
            ends: file_end(payload, circumstances.max_lease),
            suspended: license.is_some_and(|license| license.suspended)
                || !matches!(status, None | Some("ACTIVE" | "INACTIVE" | "EXPIRING" | "EXPIRED")),
            status_expired: status == Some("EXPIRED"),
            expires_at: license.and_then(|license| license.expires_at),
            other_key: license
                .zip(circumstances.license_key)
                .is_some_and(|(license, given)| !license.key.as_deref().is_some_and(|key| secret::equal(key, given))),
            other_machine: machine.zip(circumstances.fingerprint).is_some_and(|(machine, given)| {
                !machine.fingerprint.as_deref().is_some_and(|fingerprint| secret::equal(fingerprint, given))
            }),
            offline: license.filter(|_| circumstances.offline).and_then(offline_failure),
            unbound: circumstances.machine_bound_only && machine.is_none(),
            older: circumstances.older,
        }
    }

    /// Every failure at `now`, in the order of the checks, each once.
    pub(super) fn failures(&self, now: i64) -> impl Iterator<Item = Code> {
        let rows = [
            self.not_included.then_some(Code::LicenseNotIncluded),
            self.other_product.then_some(Code::LicenseProductMismatch),
            self.clock_is_behind(now).then_some(Code::ClockRollback),
            self.ends.is_some_and(|end| now >= end).then_some(Code::LicenseFileExpired),
            self.suspended.then_some(Code::LicenseSuspended),
            (self.status_expired || self.expires_at.is_some_and(|end| now >= end)).then_some(Code::LicenseExpired),
            self.other_key.then_some(Code::LicenseKeyMismatch),
            self.other_machine.then_some(Code::MachineMismatch),
            self.offline,
            self.unbound.then_some(Code::NotMachineBound),
            self.older.then_some(Code::LicenseFileOlder),
        ];
        rows.into_iter().flatten()
    }

    /// The moments at which nothing fails, Unix seconds; `None` when there are none. Says the same as
    /// [`Checks::failures`], but for the last second that there is.
    pub(super) fn good_during(&self) -> Option<Range<i64>> {
        let timeless = [
            self.not_included,
            self.other_product,
            self.suspended,
            self.status_expired,
            self.other_key,
            self.other_machine,
            self.offline.is_some(),
            self.unbound,
            self.older,
        ];
        if timeless.contains(&true) {
            return None;
        }
        let earliest = |at: i64| at.saturating_sub(CLOCK_TOLERANCE);
        let marks = self.marks.iter().map(|mark| mark.until.unwrap_or(i64::MAX).min(earliest(mark.at)));
        let from = marks.fold(earliest(self.issued), i64::max);
        let until = [self.ends, self.expires_at].into_iter().flatten().min().unwrap_or(i64::MAX);
        (from < until).then_some(from..until)
    }

    /// Whether the clock is behind an accepted time, but less than would be refused.
    pub(super) fn clock_is_suspect(&self, now: i64) -> bool {
        !self.clock_is_behind(now) && self.marks.iter().any(|mark| mark.counts(now) && now < mark.at)
    }

    fn clock_is_behind(&self, now: i64) -> bool {
        let latest = now.saturating_add(CLOCK_TOLERANCE);
        self.issued > latest || self.marks.iter().any(|mark| mark.counts(now) && mark.at > latest)
    }
}

/// The end of the file, Unix seconds: `meta.expiry`, but no later than `max_lease` after `issued` unless the *signed*
/// license holds `OFFLINE_LICENSING`. A column of the store is no evidence of the mode; a signature is.
fn file_end(payload: &Payload, max_lease: Option<i64>) -> Option<i64> {
    let offline = payload.license.as_ref().is_some_and(holds_offline);
    let lease = max_lease.filter(|_| !offline).map(|seconds| payload.issued.saturating_add(seconds));
    [payload.file_expires, lease].into_iter().flatten().min()
}

fn offline_failure(license: &LicenseDocument) -> Option<Code> {
    match &license.entitlements {
        None => Some(Code::EntitlementsNotIncluded),
        Some(_) if holds_offline(license) => None,
        Some(_) => Some(Code::OfflineNotEntitled),
    }
}

fn holds_offline(license: &LicenseDocument) -> bool {
    catalogue::holds(license.entitlements(), OFFLINE_LICENSING)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::{
        super::{armour::Kind, payload::Machine},
        *,
    };

    const DAY: i64 = 86_400;
    const NOW: i64 = 1_800_000_000;

    /// A machine file that passes everything.
    fn payload() -> Payload {
        Payload {
            kind: Kind::Machine,
            issued: NOW,
            file_expires: Some(NOW + 10 * DAY),
            machine: Some(Machine {
                id: "m1".into(),
                fingerprint: Some("fp".into()),
                product: Some("machine's".into()),
                requires_heartbeat: false,
            }),
            license: Some(LicenseDocument {
                id: "l1".into(),
                key: Some(Zeroizing::new("KEY".to_owned())),
                name: None,
                status: Some("ACTIVE".into()),
                suspended: false,
                expires_at: Some(NOW + 20 * DAY),
                product: Some("p".into()),
                metadata: json!({}),
                limits: BTreeMap::new(),
                entitlements: Some(vec![OFFLINE_LICENSING.to_owned()]),
            }),
        }
    }

    fn here() -> Circumstances<'static> {
        Circumstances {
            product: Some("p"),
            license_key: Some("KEY"),
            fingerprint: Some("fp"),
            offline: true,
            max_lease: Some(30 * DAY),
            machine_bound_only: true,
            ..Circumstances::default()
        }
    }

    fn failures(change: impl FnOnce(&mut Payload, &mut Circumstances<'static>), now: i64) -> Vec<Code> {
        let (mut payload, mut here) = (payload(), here());
        change(&mut payload, &mut here);
        Checks::of(&payload, here).failures(now).collect()
    }

    fn with_license(change: impl FnOnce(&mut LicenseDocument)) -> Vec<Code> {
        failures(|payload, _| change(payload.license.as_mut().unwrap()), NOW)
    }

    #[test]
    fn a_good_file_passes_until_its_moments_come() {
        assert_eq!(failures(|_, _| (), NOW), []);
        assert_eq!(failures(|_, _| (), NOW + 10 * DAY - 1), []);
        assert_eq!(failures(|_, _| (), NOW + 10 * DAY), [Code::LicenseFileExpired]);
        assert_eq!(failures(|_, _| (), NOW + 20 * DAY), [Code::LicenseFileExpired, Code::LicenseExpired]);
        assert_eq!(failures(|p, _| p.file_expires = None, NOW + 20 * DAY - 1), []);
        assert_eq!(failures(|p, _| p.file_expires = None, NOW + 20 * DAY), [Code::LicenseExpired]);
    }

    #[test]
    fn all_failures_are_reported_in_order_and_once() {
        let everything = failures(
            |payload, here| {
                let license = payload.license.as_mut().unwrap();
                license.suspended = true;
                license.status = Some("BANNED".into());
                license.expires_at = Some(0);
                license.entitlements = None;
                payload.machine.as_mut().unwrap().fingerprint = None;
                payload.file_expires = Some(1);
                here.product = Some("other");
                here.license_key = Some("KEZ");
                here.marks = vec![Mark { at: i64::MAX, until: None }; 2];
                here.older = true;
            },
            NOW - 301,
        );
        assert_eq!(
            everything,
            [
                Code::LicenseProductMismatch,
                Code::ClockRollback,
                Code::LicenseFileExpired,
                Code::LicenseSuspended,
                Code::LicenseExpired,
                Code::LicenseKeyMismatch,
                Code::MachineMismatch,
                Code::EntitlementsNotIncluded,
                Code::LicenseFileOlder,
            ]
        );
    }

    #[test]
    fn statuses() {
        for usable in [None, Some("ACTIVE"), Some("INACTIVE"), Some("EXPIRING")] {
            assert_eq!(with_license(|l| l.status = usable.map(str::to_owned)), []);
        }
        for refused in ["SUSPENDED", "BANNED", "active", "", "SOMETHING_NEW"] {
            assert_eq!(with_license(|l| l.status = Some(refused.into())), [Code::LicenseSuspended], "{refused}");
        }
        assert_eq!(with_license(|l| l.status = Some("EXPIRED".into())), [Code::LicenseExpired]);
        assert_eq!(with_license(|l| l.suspended = true), [Code::LicenseSuspended]);
    }

    #[test]
    fn the_product_is_the_licenses_and_without_one_the_machines() {
        assert_eq!(failures(|_, here| here.product = None, NOW), []);
        let without = |p: &mut Payload| p.license.as_mut().unwrap().product = None;
        assert_eq!(failures(|p, _| without(p), NOW), [Code::LicenseProductMismatch]);
        assert_eq!(
            failures(
                |p, here| {
                    without(p);
                    here.product = Some("machine's");
                },
                NOW
            ),
            []
        );
        assert_eq!(failures(|_, here| here.product = Some("machine's"), NOW), [Code::LicenseProductMismatch]);
        let absent = |p: &mut Payload, _: &mut Circumstances<'_>| {
            without(p);
            p.machine.as_mut().unwrap().product = None;
        };
        assert_eq!(failures(absent, NOW), [Code::LicenseProductMismatch]);
    }

    #[test]
    fn without_its_license_the_license_rows_are_skipped() {
        let codes = failures(
            |payload, here| {
                payload.license = None;
                here.product = Some("machine's");
                here.license_key = Some("any");
                here.fingerprint = Some("other");
            },
            NOW,
        );
        assert_eq!(codes, [Code::LicenseNotIncluded, Code::MachineMismatch]);
    }

    #[test]
    fn clocks_may_disagree_by_five_minutes() {
        assert_eq!(failures(|_, _| (), NOW - 300), []);
        assert_eq!(failures(|_, _| (), NOW - 301), [Code::ClockRollback]);
        let mark =
            |at, until| move |_: &mut Payload, here: &mut Circumstances<'_>| here.marks = vec![Mark { at, until }];
        assert_eq!(failures(mark(NOW + 300, None), NOW), []);
        assert_eq!(failures(mark(NOW + 301, None), NOW), [Code::ClockRollback]);
        assert_eq!(failures(mark(NOW + 301, Some(NOW + 1)), NOW), [Code::ClockRollback]);
        assert_eq!(failures(mark(NOW + 301, Some(NOW)), NOW), [], "a key that has ended takes its mark with it");
        let suspect =
            |mark: Mark| Checks::of(&payload(), Circumstances { marks: vec![mark], ..here() }).clock_is_suspect(NOW);
        for (at, until, expected) in [
            (NOW, None, false),
            (NOW + 1, None, true),
            (NOW + 300, None, true),
            (NOW + 301, None, false),
            (NOW + 1, Some(NOW), false),
        ] {
            assert_eq!(suspect(Mark { at, until }), expected, "{at}");
        }
    }

    #[test]
    fn a_lease_ends_early_unless_the_signed_license_may_be_used_offline() {
        let ends = |entitlements: Option<Vec<String>>, file_expires| {
            let mut payload = payload();
            payload.license.as_mut().unwrap().entitlements = entitlements;
            payload.file_expires = file_expires;
            Checks::of(&payload, Circumstances { max_lease: Some(5 * DAY), ..Circumstances::default() }).ends
        };
        let offline = || Some(vec![OFFLINE_LICENSING.to_owned()]);
        assert_eq!(ends(offline(), None), None);
        assert_eq!(ends(offline(), Some(NOW + 9 * DAY)), Some(NOW + 9 * DAY));
        for other in [None, Some(vec![]), Some(vec!["MFA".to_owned()])] {
            assert_eq!(ends(other.clone(), None), Some(NOW + 5 * DAY));
            assert_eq!(ends(other.clone(), Some(NOW + 9 * DAY)), Some(NOW + 5 * DAY));
            assert_eq!(ends(other, Some(NOW + DAY)), Some(NOW + DAY));
        }
    }

    #[test]
    fn offline_needs_its_entitlement_and_not_included_is_said_so() {
        assert_eq!(with_license(|l| l.entitlements = None), [Code::EntitlementsNotIncluded]);
        assert_eq!(with_license(|l| l.entitlements = Some(vec![])), [Code::OfflineNotEntitled]);
        let online = |p: &mut Payload, here: &mut Circumstances<'_>| {
            p.license.as_mut().unwrap().entitlements = None;
            here.offline = false;
        };
        assert_eq!(failures(online, NOW), []);
    }

    #[test]
    fn a_file_that_names_no_machine_needs_permission() {
        let license_file = |bound_only| {
            move |p: &mut Payload, here: &mut Circumstances<'_>| {
                p.machine = None;
                here.machine_bound_only = bound_only;
            }
        };
        assert_eq!(failures(license_file(true), NOW), [Code::NotMachineBound]);
        assert_eq!(failures(license_file(false), NOW), []);
    }

    proptest! {
        #[test]
        fn it_is_good_when_nothing_fails(
            (product, suspended, older) in (0..20, 0..20, 0..20),
            issued in -400_i64..400,
            ends in (proptest::option::of(-700_i64..700), proptest::option::of(-700_i64..700)),
            marks in proptest::collection::vec((-700_i64..700, proptest::option::of(-700_i64..700)), 0..3),
            times in proptest::collection::vec(-1_000_i64..1_000, 40),
        ) {
            let (mut payload, mut here) = (payload(), here());
            let license = payload.license.as_mut().unwrap();
            (license.suspended, license.expires_at) = (suspended == 0, ends.0);
            (payload.issued, payload.file_expires) = (issued, ends.1);
            here.product = Some(if product == 0 { "other" } else { "p" });
            here.older = older == 0;
            here.marks = marks.into_iter().map(|(at, until)| Mark { at, until }).collect();
            let checks = Checks::of(&payload, here);
            let good = checks.good_during();
            for now in times.into_iter().chain([i64::MIN, i64::MAX - 1]) {
                let is_good = good.as_ref().is_some_and(|good| good.contains(&now));
                prop_assert_eq!(is_good, checks.failures(now).next().is_none(), "{} in {:?}", now, good);
            }
        }
    }
}

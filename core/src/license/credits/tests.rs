//! The book of credits, on both stores.

use std::sync::Arc;

use super::*;
use crate::{
    InspireAuth, Options, StoreLocation,
    keys::Caller,
    license::{
        Kind,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
    store::{MemoryStore, Store},
};

const NOW: i64 = 1_800_000_000; // 2027-01-15
const KEY: &str = "KEY-KEY-KEY";
const DAY: i64 = 86_400;

struct Plant {
    _folder: Arc<tempfile::TempDir>,
    store: Arc<dyn Store>,
}

fn plants() -> Vec<Plant> {
    let folder = tempfile::tempdir().unwrap();
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::new(MemoryStore::new().unwrap())];
    #[cfg(feature = "sqlite")]
    stores.push(Arc::new(crate::store::SqliteStore::open(folder.path().join("store.db")).unwrap()));
    let folder = Arc::new(folder);
    stores.into_iter().map(|store| Plant { _folder: Arc::clone(&folder), store }).collect()
}

impl Plant {
    /// A handle on a license of so many credits.
    fn open(&self, credits: i64) -> InspireAuth {
        let signer = SigningKey::from_seed(&[7; 32]);
        let mut options = Options::new(StoreLocation::Custom(Arc::clone(&self.store)));
        options.trusted_keys = vec![TrustedKey::new("vendor", signer.public()).unwrap()];
        options.machine_id = Some("fp".into());
        let auth = InspireAuth::open(options).unwrap();
        let mut license = LicenseDescription::new(format!("l{credits}"), KEY);
        license.fingerprint = Some("fp".into());
        license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]);
        license.limits.insert("AI_CREDITS_MONTHLY".into(), credits);
        let file = sign(&signer, &license, Kind::Machine, true, Some(NOW)).unwrap();
        let caller = Caller { now: Some(NOW), ..Caller::system() };
        auth.license().activate_offline(KEY, file.as_bytes(), false, &caller).unwrap();
        auth
    }
}

fn consume(auth: &InspireAuth, amount: i64, operation: &str, now: i64) -> Result<i64, Code> {
    let balance = auth.license().consume(amount, operation, None, Some(now));
    balance.map(|balance| balance.left).map_err(|error| error.code())
}

#[test]
fn what_is_consumed_is_gone_until_the_month_ends() {
    for plant in plants() {
        let auth = plant.open(100);
        assert_eq!(consume(&auth, 30, "a", NOW), Ok(70));
        assert_eq!(consume(&auth, 70, "b", NOW), Ok(0));
        assert_eq!(consume(&auth, 1, "c", NOW), Err(Code::LimitExceeded));
        let balance = auth.license().balance(None, Some(NOW)).unwrap();
        let resets_at = 1_801_440_000; // 2027-02-01
        assert_eq!(balance, Balance { limit: 100, used: 100, left: 0, period: "2027-01".into(), resets_at });
        assert_eq!(consume(&auth, 1, "c", resets_at - 1), Err(Code::LimitExceeded));
        assert_eq!(consume(&auth, 1, "c", resets_at), Ok(99), "and nothing rolls over");
        // Back in the former month by the clock: it is over all the same.
        assert_eq!(consume(&auth, 1, "d", NOW), Ok(98));
        assert_eq!(auth.license().balance(None, Some(NOW)).unwrap().period, "2027-02");
    }
}

#[test]
fn an_operation_counts_once() {
    for plant in plants() {
        let auth = plant.open(100);
        assert_eq!(consume(&auth, 40, "a", NOW), Ok(60));
        assert_eq!(consume(&auth, 40, "a", NOW), Ok(60));
        assert_eq!(consume(&auth, 41, "a", NOW), Err(Code::Conflict));
        assert_eq!(consume(&auth, 61, "b", NOW), Err(Code::LimitExceeded));
        assert_eq!(consume(&auth, 60, "b", NOW), Ok(0), "a refusal is not remembered");
        assert_eq!(consume(&auth, 40, "a", NOW), Ok(0), "what was granted stays granted");
        // Kept this month and the next.
        assert_eq!(consume(&auth, 40, "a", NOW + 31 * DAY), Ok(100));
        assert_eq!(consume(&auth, 5, "c", NOW + 31 * DAY), Ok(95));
        assert_eq!(consume(&auth, 5, "c", NOW + 62 * DAY), Ok(100));
        assert_eq!(consume(&auth, 1, "d", NOW + 62 * DAY), Ok(99));
        assert_eq!(consume(&auth, 40, "a", NOW + 62 * DAY), Ok(59), "forgotten by now");
    }
}

#[test]
fn what_is_refunded_can_be_consumed_again_by_another_operation() {
    for plant in plants() {
        let auth = plant.open(100);
        let refund = |operation: &str, now| {
            auth.license().refund(operation, None, Some(now)).map(|balance| balance.left).map_err(|error| error.code())
        };
        assert_eq!(consume(&auth, 100, "a", NOW), Ok(0));
        assert_eq!(refund("a", NOW), Ok(100));
        assert_eq!(refund("a", NOW), Ok(100), "once");
        assert_eq!(refund("b", NOW), Err(Code::NotFound));
        assert_eq!(consume(&auth, 100, "a", NOW), Err(Code::Conflict));
        assert_eq!(consume(&auth, 100, "b", NOW), Ok(0));
        // Given back to the month that it was taken from.
        assert_eq!(refund("b", NOW + 31 * DAY), Ok(100));
        assert_eq!(auth.license().balance(None, Some(NOW + 31 * DAY)).unwrap().used, 0);
    }
}

#[test]
fn a_tenant_has_its_own_limit_and_shares_the_licenses() {
    for plant in plants() {
        let auth = plant.open(100);
        let (a, b) = (Tenant { name: "a", limit: 60 }, Tenant { name: "b", limit: -1 });
        let consume = |tenant: &Tenant<'_>, amount, operation: &str| {
            let balance = auth.license().consume(amount, operation, Some(tenant), Some(NOW));
            balance.map(|balance| (balance.limit, balance.used, balance.left)).map_err(|error| error.code())
        };
        assert_eq!(consume(&a, 50, "1"), Ok((60, 50, 10)));
        assert_eq!(consume(&a, 11, "2"), Err(Code::LimitExceeded));
        assert_eq!(consume(&b, 45, "3"), Ok((100, 45, 5)));
        assert_eq!(consume(&a, 6, "4"), Err(Code::LimitExceeded), "the sum over the installation");
        assert_eq!(consume(&b, 50, "1"), Err(Code::Conflict), "another tenant's operation");
        assert_eq!(auth.license().refund("1", Some(&b), Some(NOW)).unwrap_err().code(), Code::Conflict);
        let all = auth.license().balance(None, Some(NOW)).unwrap();
        assert_eq!((all.limit, all.used, all.left), (100, 95, 5));
        assert_eq!(auth.license().refund("1", Some(&a), Some(NOW)).unwrap().left, 55);
    }
}

#[test]
fn the_effective_limit() {
    for (license, tenant, effective) in
        [(-1, -1, -1), (-1, 5, 5), (5, -1, 5), (5, 3, 3), (3, 5, 3), (0, -1, 0), (-1, 0, 0)]
    {
        assert_eq!(Tenant { name: "t", limit: tenant }.effective(license), effective, "{license} {tenant}");
    }
    let auth = plants()[0].open(10);
    let check = |limit, in_use, by_all| {
        let tenant = Tenant { name: "t", limit };
        let checked = auth.license().check_tenant_limit("AI_CREDITS_MONTHLY", &tenant, in_use, by_all, Some(NOW));
        checked.map_err(|error| error.code())
    };
    assert_eq!((check(5, 5, 10), check(-1, 10, 10)), (Ok(()), Ok(())));
    assert_eq!((check(5, 6, 6), check(5, 5, 11)), (Err(Code::LimitExceeded), Err(Code::LimitExceeded)));
    assert_eq!(check(5, -1, 5), Err(Code::InvalidArgument));
}

#[test]
fn without_a_license_there_is_nothing_and_without_a_limit_no_end() {
    for plant in plants() {
        let auth = plant.open(-1);
        assert_eq!(consume(&auth, i64::MAX, "a", NOW), Ok(-1));
        assert_eq!(consume(&auth, i64::MAX, "b", NOW), Ok(-1), "and no overflow");
        auth.license().deactivate(&Caller { now: Some(NOW), ..Caller::system() }).unwrap();
        assert_eq!(consume(&auth, 1, "c", NOW), Err(Code::LimitExceeded));
        let balance = auth.license().balance(None, Some(NOW)).unwrap();
        assert_eq!((balance.limit, balance.left), (0, 0));
        for (amount, operation) in [(0, "x"), (-1, "x"), (1, ""), (1, &*"x".repeat(256))] {
            assert_eq!(consume(&auth, amount, operation, NOW), Err(Code::InvalidArgument));
        }
        let nobody = Tenant { name: "", limit: 1 };
        assert!(auth.license().balance(Some(&nobody), Some(NOW)).is_err());
    }
}

#[test]
fn the_month_does_not_go_back_and_a_far_one_does_not_lock() {
    for plant in plants() {
        let auth = plant.open(100);
        // A clock that was ten years ahead for a moment.
        assert_eq!(consume(&auth, 100, "a", NOW + 3650 * DAY), Ok(0));
        assert_eq!(consume(&auth, 10, "b", NOW), Ok(90));
        assert_eq!(consume(&auth, 10, "c", NOW), Ok(80), "what this month's row says counts");
        // One that is before the signed time of the license: that counts.
        assert_eq!(auth.license().balance(None, Some(NOW - 40 * DAY)).unwrap().period, "2027-01");
        assert_eq!(consume(&auth, 10, "d", NOW + 31 * DAY), Ok(90));
        assert_eq!(consume(&auth, 10, "e", NOW), Ok(80), "and still no way back");
    }
}

#[test]
fn consuming_moves_no_generation() {
    for plant in plants() {
        let auth = plant.open(100);
        let before = plant.store.generation().unwrap();
        assert_eq!(consume(&auth, 10, "a", NOW), Ok(90));
        assert_eq!(plant.store.generation().unwrap(), before);
    }
}

#[test]
fn threads_never_consume_more_than_there_is() {
    for plant in plants() {
        let auth = plant.open(50);
        let granted: i64 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|worker| {
                    let auth = &auth;
                    scope.spawn(move || {
                        let tries = (0..20).filter(|n| consume(auth, 3, &format!("{worker}-{n}"), NOW).is_ok());
                        i64::try_from(tries.count()).unwrap() * 3
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(granted, 48);
        assert_eq!(auth.license().balance(None, Some(NOW)).unwrap().left, 2);
    }
}

//! How a license stands, in Keygen's codes and order.
//!
//! As Keygen under a strict policy that revokes access when a license expires.

use super::scope::Scope;
use crate::store::{License, Machine};

/// How a license stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_valid: bool,
    pub(super) code: &'static str,
    pub(super) detail: &'static str,
}

const fn refused(code: &'static str, detail: &'static str) -> Verdict {
    Verdict { is_valid: false, code, detail }
}

/// No license has the key.
pub(super) const NOT_FOUND: Verdict = refused("NOT_FOUND", "does not exist");
const VALID: Verdict = Verdict { is_valid: true, code: "VALID", detail: "is valid" };

/// How a license with these machines stands to what is asked.
pub(super) fn judge(license: &License, machines: &[Machine], scope: &Scope, now: i64) -> Verdict {
    of_itself(license, now)
        .or_else(|| of_scope(license, scope))
        .or_else(|| of_machines(license, machines, scope))
        .unwrap_or(VALID)
}

fn of_itself(license: &License, now: i64) -> Option<Verdict> {
    match license.status(now) {
        "BANNED" => Some(refused("BANNED", "is banned")),
        "SUSPENDED" => Some(refused("SUSPENDED", "is suspended")),
        "EXPIRED" => Some(refused("EXPIRED", "is expired")),
        _ => None,
    }
}

fn of_scope(license: &License, scope: &Scope) -> Option<Verdict> {
    if scope.product.is_some() && scope.product != license.product {
        return Some(refused("PRODUCT_SCOPE_MISMATCH", "product scope does not match"));
    }
    if let Some((code, detail)) = scope.unknown {
        return Some(refused(code, detail));
    }
    let wanted = scope.entitlements.as_ref()?;
    let is_granted = |code: &String| license.entitlements.iter().any(|granted| granted.eq_ignore_ascii_case(code));
    match wanted.as_slice() {
        [] => Some(refused("ENTITLEMENTS_SCOPE_EMPTY", "entitlements scope is empty")),
        codes if codes.iter().all(is_granted) => None,
        _ => Some(refused("ENTITLEMENTS_MISSING", "is missing one or more required entitlements")),
    }
}

fn of_machines(license: &License, machines: &[Machine], scope: &Scope) -> Option<Verdict> {
    if let Some(id) = &scope.machine
        && !machines.iter().any(|machine| machine.id == *id)
    {
        let mismatch = "machine is not activated (does not match any associated machines)";
        return Some(elsewhere(license, machines, refused("MACHINE_SCOPE_MISMATCH", mismatch)));
    }
    if let Some(fingerprints) = &scope.fingerprints {
        if fingerprints.is_empty() {
            return Some(refused("FINGERPRINT_SCOPE_EMPTY", "fingerprint scope is empty"));
        }
        if !machines.iter().any(|machine| fingerprints.contains(&machine.fingerprint)) {
            let mismatch = "fingerprint is not activated (does not match any associated machines)";
            return Some(elsewhere(license, machines, refused("FINGERPRINT_SCOPE_MISMATCH", mismatch)));
        }
    }
    if machines.is_empty() {
        return Some(no_machine(license, "must have an associated machine"));
    }
    let most = license.max_machines.and_then(|most| usize::try_from(most).ok())?;
    let (code, detail) = ("TOO_MANY_MACHINES", "has too many associated machines");
    (machines.len() > most).then_some(Verdict { is_valid: license.allow_overrun, code, detail })
}

/// That a license has no machine at all is another answer than that it has only others.
fn elsewhere(license: &License, machines: &[Machine], mismatch: Verdict) -> Verdict {
    if machines.is_empty() { no_machine(license, "is not activated (has no associated machines)") } else { mismatch }
}

const fn no_machine(license: &License, detail: &'static str) -> Verdict {
    refused(if is_node_locked(license) { "NO_MACHINE" } else { "NO_MACHINES" }, detail)
}

/// Whether it is for one machine: what Keygen calls not floating.
pub(super) const fn is_node_locked(license: &License) -> bool {
    matches!(license.max_machines, Some(1))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{NewLicense, Store};

    const NOW: i64 = 1_800_000_000;

    /// The verdict on a license of product `p` that grants `AI`, with two machines of at most two.
    fn verdict(scope: &Value, change: impl FnOnce(&mut License, &mut Vec<Machine>)) -> (&'static str, bool) {
        let store = Store::in_memory().unwrap();
        let new = NewLicense {
            product: Some("p".into()),
            expires_at: Some(NOW + 10),
            max_machines: Some(2),
            entitlements: vec!["AI".into()],
            ..NewLicense::default()
        };
        let mut license = store.create(&new, NOW).unwrap();
        for fingerprint in ["a", "b"] {
            store.register(&license.id, fingerprint, None, NOW).unwrap();
        }
        let mut machines = store.machines(&license.id).unwrap();
        change(&mut license, &mut machines);
        let verdict = judge(&license, &machines, &Scope::read(Some(scope)).unwrap(), NOW);
        (verdict.code, verdict.is_valid)
    }

    #[test]
    fn codes_are_keygens() {
        let here = json!({"fingerprint": "a"});
        let as_it_is = |scope: Value| verdict(&scope, |_, _| ());
        assert_eq!(as_it_is(json!({})), ("VALID", true));
        assert_eq!(as_it_is(here.clone()), ("VALID", true));
        for (scope, code) in [
            (json!({"fingerprint": "c"}), "FINGERPRINT_SCOPE_MISMATCH"),
            (json!({"fingerprints": ["c", "b"]}), "VALID"),
            (json!({"fingerprints": []}), "FINGERPRINT_SCOPE_EMPTY"),
            (json!({"machine": "m"}), "MACHINE_SCOPE_MISMATCH"),
            (json!({"product": "p"}), "VALID"),
            (json!({"product": "q", "fingerprint": "c"}), "PRODUCT_SCOPE_MISMATCH"),
            (json!({"entitlements": ["ai"]}), "VALID"),
            (json!({"entitlements": ["ai", "mfa"]}), "ENTITLEMENTS_MISSING"),
            (json!({"entitlements": []}), "ENTITLEMENTS_SCOPE_EMPTY"),
            (json!({"policy": "x"}), "POLICY_SCOPE_MISMATCH"),
            (json!({"policy": null}), "VALID"),
            (json!({"version": "1.0.0"}), "VERSION_SCOPE_MISMATCH"),
        ] {
            assert_eq!(as_it_is(scope.clone()), (code, code == "VALID"), "{scope}");
        }
        assert_eq!(verdict(&here, |license, _| license.expires_at = Some(NOW)), ("EXPIRED", false));
        assert_eq!(verdict(&here, |license, _| license.suspended = true), ("SUSPENDED", false));
        assert_eq!(verdict(&here, |license, _| license.banned = true), ("BANNED", false));
    }

    #[test]
    fn machines_are_counted() {
        let here = json!({"fingerprint": "a"});
        for scope in [&here, &json!({}), &json!({"machine": "m"})] {
            assert_eq!(verdict(scope, |_, machines| machines.clear()), ("NO_MACHINES", false));
            let locked = verdict(scope, |license, machines| {
                machines.clear();
                license.max_machines = Some(1);
            });
            assert_eq!(locked, ("NO_MACHINE", false));
        }
        assert_eq!(verdict(&here, |license, _| license.max_machines = Some(1)), ("TOO_MANY_MACHINES", false));
        assert_eq!(verdict(&here, |license, _| license.max_machines = None), ("VALID", true));
        let overrun = verdict(&here, |license, _| (license.max_machines, license.allow_overrun) = (Some(1), true));
        assert_eq!(overrun, ("TOO_MANY_MACHINES", true));
    }

    #[test]
    fn a_scope_that_nobody_knows_is_no_scope() {
        for bad in
            [json!([]), json!("a"), json!({"finger": "a"}), json!({"fingerprint": 1}), json!({"fingerprints": [1]})]
        {
            assert!(Scope::read(Some(&bad)).is_err(), "{bad}");
        }
    }
}

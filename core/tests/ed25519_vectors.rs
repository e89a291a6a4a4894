//! Which signatures are accepted, pinned whole against three published sets.
//!
//! Wycheproof alone does not tell verifiers apart; "Taming the many EdDSAs" and CCTV do. A change of library, version or
//! flag that moves one bit of these shows here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use inspire_auth_core::{Code, license::keys::PublicKey};
use serde_json::Value;

mod support;

/// What becomes of a signature: the key is refused when configured, or the signature is, or it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    WeakKey,
    Refused,
    Accepted,
}

fn outcome(key: &[u8], message: &[u8], signature: &[u8]) -> Outcome {
    let key = match PublicKey::from_bytes(key.try_into().unwrap()) {
        Ok(key) => key,
        Err(error) => {
            assert_eq!(error.code(), Code::WeakTrustedKey);
            return Outcome::WeakKey;
        }
    };
    // Any other length is malformed before it gets here.
    let Ok(signature) = signature.try_into() else { return Outcome::Refused };
    let accepted = key.verifies(message, signature);
    assert_eq!(accepted, by_dalek(&key).verify_strict(message, &Signature::from_bytes(signature)).is_ok());
    if accepted { Outcome::Accepted } else { Outcome::Refused }
}

/// The same key, for the library's own strict rule, to which ours comes.
fn by_dalek(key: &PublicKey) -> VerifyingKey {
    VerifyingKey::from_bytes(&key.to_bytes()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn wycheproof_is_matched_case_by_case() {
    let set = support::json("ed25519/wycheproof/ed25519_test.json");
    let mut accepted = 0;
    let mut seen = 0;
    for group in set["testGroups"].as_array().unwrap() {
        let key = hex(&group["publicKey"]["pk"]);
        for test in group["tests"].as_array().unwrap() {
            let outcome = outcome(&key, &hex(&test["msg"]), &hex(&test["sig"]));
            let valid = test["result"] == "valid";
            assert_eq!(outcome == Outcome::Accepted, valid, "tcId {}: {}", test["tcId"], test["comment"]);
            assert_ne!(outcome, Outcome::WeakKey, "tcId {}", test["tcId"]);
            seen += 1;
            accepted += usize::from(valid);
        }
    }
    assert_eq!((seen, accepted), (151, 88));
}

#[test]
fn of_speccheck_exactly_case_3_is_accepted() {
    use Outcome::{Accepted, Refused, WeakKey};
    let set = support::json("ed25519/speccheck/cases.json");
    let outcomes: Vec<Outcome> = set
        .as_array()
        .unwrap()
        .iter()
        .map(|case| outcome(&hex(&case["pub_key"]), &hex(&case["message"]), &hex(&case["signature"])))
        .collect();
    assert_eq!(
        outcomes,
        [WeakKey, WeakKey, Refused, Accepted, Refused, Refused, Refused, Refused, Refused, Refused, WeakKey, WeakKey]
    );
}

/// The numbers of the accepted CCTV cases. All have mixed-order points, which decide nothing about a key that its owner
/// made honestly; none has a point of small order or a non-canonical one.
const CCTV_ACCEPTED: [u64; 43] = [
    7, 29, 50, 117, 139, 161, 182, 249, 305, 411, 425, 438, 465, 473, 481, 489, 497, 511, 525, 538, 565, 573, 581, 589,
    597, 611, 625, 638, 665, 673, 681, 689, 697, 711, 725, 738, 765, 773, 781, 789, 797, 832, 899,
];

#[test]
fn of_cctv_exactly_these_are_accepted() {
    let set = support::json("ed25519/cctv/ed25519vectors.json");
    let cases = set.as_array().unwrap();
    assert_eq!(cases.len(), 914);
    let mut accepted = Vec::new();
    let mut weak_keys = 0;
    let mut only_strictly_refused = 0;
    for case in cases {
        let flags: Vec<&str> =
            case["flags"].as_array().into_iter().flatten().map(|flag| flag.as_str().unwrap()).collect();
        let (key, message, signature) =
            (hex(&case["key"]), case["msg"].as_str().unwrap().as_bytes(), hex(&case["sig"]));
        let outcome = outcome(&key, message, &signature);
        if outcome == Outcome::Refused {
            let key = by_dalek(&PublicKey::from_bytes(key.as_slice().try_into().unwrap()).unwrap());
            let signature = Signature::from_slice(&signature).unwrap();
            only_strictly_refused += usize::from(key.verify(message, &signature).is_ok());
        }
        let unsound = flags.iter().any(|flag| matches!(*flag, "low_order_A" | "non_canonical_A"));
        assert_eq!(outcome == Outcome::WeakKey, unsound, "case {}: {flags:?}", case["number"]);
        weak_keys += usize::from(unsound);
        if outcome == Outcome::Accepted {
            assert!(
                flags.iter().all(|flag| matches!(*flag, "low_order_component_A" | "low_order_component_R")),
                "case {}: {flags:?}",
                case["number"]
            );
            accepted.push(case["number"].as_u64().unwrap());
        }
    }
    assert_eq!(accepted, CCTV_ACCEPTED);
    assert!(only_strictly_refused > 0, "some have a point of small order as R, and are good otherwise");
    assert_eq!(weak_keys, 526);
}

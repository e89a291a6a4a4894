//! Every real file, through the public door: what it says, and when and why it is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::fs;

use inspire_auth_core::{
    Code,
    license::{InspectOptions, Inspection, Kind, inspect, keys::TrustedKey},
};
use serde_json::Value;

mod support;

struct Vector {
    name: String,
    file: Vec<u8>,
    keys: [TrustedKey; 1],
    license_key: Option<String>,
    fingerprint: Option<String>,
    expected: Value,
}

impl Vector {
    fn inspect<'a>(&'a self, change: impl FnOnce(&mut InspectOptions<'a>)) -> Inspection {
        let mut options = InspectOptions {
            trusted_keys: &self.keys,
            license_key: self.license_key.as_deref(),
            machine_id: self.fingerprint.as_deref(),
            now: Some(self.issued() + 1),
            ..InspectOptions::default()
        };
        change(&mut options);
        inspect(&self.file, &options)
    }

    /// The license inside `expected.json`, wherever this kind of file has it.
    fn license(&self) -> &Value {
        match self.fingerprint {
            None => &self.expected["data"],
            Some(_) => self.expected["included"].as_array().unwrap().iter().find(|r| r["type"] == "licenses").unwrap(),
        }
    }

    fn issued(&self) -> i64 {
        seconds(&self.expected["meta"]["issued"]).unwrap()
    }

    fn file_expires(&self) -> Option<i64> {
        seconds(&self.expected["meta"]["expiry"])
    }
}

/// A time as Keygen writes it, by the calendar's plainest rules: a second opinion.
fn seconds(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days: i64 = (1970..year).map(|y| if leap(y) { 366 } else { 365 }).sum::<i64>()
        + months[..usize::try_from(month).unwrap() - 1].iter().sum::<i64>()
        + day
        - 1;
    assert!(text.ends_with('Z'));
    Some(((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19))
}

fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = fs::read_dir(support::vectors("keygen"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("license.lic").exists())
        .map(|path| {
            let text = |name: &str| fs::read_to_string(path.join(name)).ok().map(|text| text.trim_end().to_owned());
            Vector {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                file: fs::read(path.join("license.lic")).unwrap(),
                keys: [TrustedKey::parse("vendor", &text("pubkey.hex").unwrap()).unwrap()],
                license_key: text("key.txt"),
                fingerprint: text("fingerprint.txt"),
                expected: serde_json::from_str(&text("expected.json").unwrap()).unwrap(),
            }
        })
        .collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(vectors.len(), 19, "the vectors are incomplete");
    vectors
}

fn genuine() -> impl Iterator<Item = Vector> {
    vectors().into_iter().filter(|vector| !vector.name.contains("ferrite"))
}

#[test]
fn every_file_says_what_it_should_inside_its_life() {
    for vector in genuine() {
        let found = vector.inspect(|_| ());
        let (license, attributes) = (vector.license(), &vector.license()["attributes"]);
        let name = &vector.name;
        assert_eq!(found.failures, [], "{name}");
        assert_eq!(found.result(), Code::Ok);
        assert_eq!(
            found.kind,
            Some(if vector.fingerprint.is_some() { Kind::Machine } else { Kind::License }),
            "{name}"
        );
        assert_eq!(found.issued_at, Some(vector.issued()), "{name}");
        assert_eq!(found.file_expires_at, vector.file_expires(), "{name}");
        assert_eq!(found.machine_fingerprint, vector.fingerprint, "{name}");
        let view = found.license.unwrap();
        assert_eq!(view.id, license["id"].as_str().unwrap(), "{name}");
        assert_eq!(view.key.as_deref(), attributes["key"].as_str(), "{name}");
        assert_eq!(view.name.as_deref(), attributes["name"].as_str(), "{name}");
        assert_eq!(view.status.as_deref(), attributes["status"].as_str(), "{name}");
        assert_eq!(view.expires_at, seconds(&attributes["expiry"]), "{name}");
        assert_eq!(view.metadata, attributes["metadata"], "{name}");
        let mut codes: Vec<&str> = vector.expected["included"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|resource| resource["type"] == "entitlements")
            .map(|resource| resource["attributes"]["code"].as_str().unwrap())
            .collect();
        codes.sort_unstable();
        assert_eq!(view.entitlements, codes, "{name}");
        assert_eq!(view.limits.values().collect::<Vec<_>>(), [&0, &0, &0], "{name}: no limits, so the known three");
    }
}

#[test]
fn every_file_is_refused_outside_its_life() {
    for vector in genuine() {
        let at = |now| vector.inspect(|options| options.now = Some(now)).failures;
        let (name, issued) = (&vector.name, vector.issued());
        assert_eq!(at(issued - 300), [], "{name}");
        assert_eq!(at(issued - 301), [Code::ClockRollback], "{name}");
        let ends = [
            (vector.file_expires(), Code::LicenseFileExpired),
            (seconds(&vector.license()["attributes"]["expiry"]), Code::LicenseExpired),
        ];
        let past = |now| -> Vec<Code> {
            ends.iter().filter(|(end, _)| end.is_some_and(|end| now >= end)).map(|(_, code)| *code).collect()
        };
        for end in ends.iter().filter_map(|(end, _)| *end) {
            for now in [end - 1, end, end + 1_000_000] {
                assert_eq!(at(now), past(now), "{name} at {now}");
            }
        }
        assert_eq!(at(4_000_000_000), past(4_000_000_000), "{name}: what has no end lasts");
    }
}

#[test]
fn wrong_keys_products_and_machines_are_told_apart() {
    let other =
        [TrustedKey::from_hex("other", "e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788").unwrap()];
    for vector in genuine() {
        let name = &vector.name;
        assert_eq!(vector.inspect(|o| o.trusted_keys = &[]).failures, [Code::LicenseSignatureInvalid], "{name}");
        if vector.keys[0].public_key != other[0].public_key {
            assert_eq!(vector.inspect(|o| o.trusted_keys = &other).failures, [Code::LicenseSignatureInvalid], "{name}");
        }
        let ended = [vector.keys[0].clone().until(vector.issued() + 1)];
        assert_eq!(vector.inspect(|o| o.trusted_keys = &ended).failures, [Code::LicenseSignatureInvalid], "{name}");
        assert_eq!(vector.inspect(|o| o.license_key = None).failures, [Code::LicenseKeyRequired], "{name}");
        let wrong = vector.inspect(|o| o.license_key = Some("wrong"));
        assert_eq!(wrong.failures, [Code::LicenseKeyOrMachineMismatch], "{name}");
        assert!(wrong.license.is_none() && wrong.kind.is_some() && wrong.issued_at.is_none(), "{name}");
        assert_eq!(vector.inspect(|o| o.product = Some("other")).failures, [Code::LicenseProductMismatch], "{name}");
        let product = vector.license()["relationships"]["product"]["data"]["id"].as_str();
        assert_eq!(vector.inspect(|o| o.product = product).failures, [], "{name}");
        let offline = vector.inspect(|o| o.offline = true).failures;
        let included = vector.license()["relationships"]["entitlements"]["data"].is_array();
        let expected = if included { Code::OfflineNotEntitled } else { Code::EntitlementsNotIncluded };
        assert_eq!(offline, [expected], "{name}");
        if vector.fingerprint.is_some() {
            assert_eq!(vector.inspect(|o| o.machine_id = None).failures, [Code::LicenseKeyRequired], "{name}");
            let wrong = vector.inspect(|o| o.machine_id = Some("wrong")).failures;
            assert_eq!(wrong, [Code::LicenseKeyOrMachineMismatch], "{name}");
        } else {
            assert_eq!(vector.inspect(|o| o.machine_id = Some("any")).failures, [], "{name} names no machine");
        }
    }
}

/// A third party's files in base64url without padding: their signatures would hold.
#[test]
fn base64url_without_padding_is_malformed() {
    let mut seen = 0;
    for vector in vectors().into_iter().filter(|vector| vector.name.contains("ferrite")) {
        let found = vector.inspect(|_| ());
        assert_eq!(found.failures, [Code::LicenseMalformed], "{}", vector.name);
        assert!(found.kind.is_some() && found.license.is_none());
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn swapped_armour_and_changed_algorithms_are_refused() {
    for vector in genuine() {
        let text = String::from_utf8(vector.file.clone()).unwrap();
        let (from, to) = if vector.fingerprint.is_some() { ("MACHINE", "LICENSE") } else { ("LICENSE", "MACHINE") };
        let swapped = Vector { file: text.replace(from, to).into_bytes(), ..vector };
        assert_eq!(swapped.inspect(|_| ()).failures, [Code::LicenseSignatureInvalid], "{}", swapped.name);
    }
}

/// Every single bit of the whole outer file, for the smallest license file, and one bit of each byte for the smallest
/// machine file; with `INSPIRE_SOAK` set, every single bit of every file (minutes: `cargo xtask soak`).
#[test]
fn a_flipped_bit_anywhere_in_the_file_is_refused() {
    if std::env::var_os("INSPIRE_SOAK").is_some() {
        return genuine().for_each(|vector| flip(vector, |_| (0..8).collect()));
    }
    let smallest = |kind| genuine().filter(|v| v.name.starts_with(kind)).min_by_key(|v| v.file.len()).unwrap();
    flip(smallest("lic-"), |_| (0..8).collect());
    flip(smallest("mach-"), |at| vec![at % 8]);
}

fn flip(mut vector: Vector, bits: impl Fn(usize) -> Vec<usize>) {
    assert_eq!(vector.inspect(|_| ()).failures, []);
    for at in 0..vector.file.len() {
        for bit in bits(at) {
            vector.file[at] ^= 1 << bit;
            let failures = vector.inspect(|_| ()).failures;
            assert!(
                matches!(
                    failures[..],
                    [Code::LicenseMalformed | Code::LicenseSignatureInvalid | Code::LicenseUnsupportedAlgorithm]
                ),
                "{}: byte {at} bit {bit}: {failures:?}",
                vector.name
            );
            vector.file[at] ^= 1 << bit;
        }
    }
}

#[test]
fn a_cut_file_is_malformed() {
    for mut vector in genuine() {
        vector.file.truncate(vector.file.trim_ascii_end().len());
        while let Some(shorter) = vector.file.len().checked_sub(97) {
            vector.file.truncate(shorter);
            assert_eq!(vector.inspect(|_| ()).failures, [Code::LicenseMalformed], "{} at {shorter}", vector.name);
        }
    }
}

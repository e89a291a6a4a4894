//! A license file is read: armour, envelope, signature, payload, and whether it is good now.

use std::path::Path;

use inspire_auth_core::license::{
    InspectOptions, Kind, inspect,
    issue::{Encryption, LicenseDescription, SigningKey, sign_license_file, sign_payload},
    keys::TrustedKey,
};
use keygen_rs::{license::LicenseFileAlgorithm, license_file::LicenseFile};

use crate::measure::{Clock, candidate, interleaved};

const LICENSE_KEY: &str = "C1B6DE-39A6E3-DE1529-8559A0-4AF593-V3";
const ENTITLEMENTS: [&str; 4] = ["AI", "MFA", "OFFLINE_LICENSING", "VIDEO_WALL_SYNC"];

fn signer() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(crate) fn run(rounds: usize) {
    let signer = signer();
    let public = signer.public();
    let trusted = [TrustedKey::new("vendor", signer.public()).expect("a key")];
    let hex = public.to_hex();
    let (plain, sealed, full) = (small(&signer, false), small(&signer, true), full(&signer));
    let message = vec![b'm'; plain.len() / 4 * 3];
    let signature = signer.sign(&message);
    let ours = |file: &str| {
        let options =
            InspectOptions { trusted_keys: &trusted, license_key: Some(LICENSE_KEY), ..InspectOptions::default() };
        let found = inspect(file.as_bytes(), &options);
        assert!(found.failures.is_empty(), "{:?}", found.failures);
        assert_eq!(found.license.as_ref().map(|license| license.entitlements.len()), Some(ENTITLEMENTS.len()));
        found
    };
    // `from_cert` takes encrypted files only. What else it would fill in is not looked at.
    let theirs = |certificate: &str, key: Option<&str>| {
        let read = LicenseFile {
            id: String::new(),
            certificate: certificate.to_owned(),
            issued: Default::default(),
            expiry: Default::default(),
            ttl: 0,
        };
        let dataset = match key {
            None => read.verify_and_decode(&hex, LicenseFileAlgorithm::Base64Ed25519),
            Some(key) => read.verify_and_decrypt(&hex, key, LicenseFileAlgorithm::Aes256GcmEd25519),
        };
        let dataset = dataset.expect("a good file");
        assert_eq!(dataset.offline_entitlements().map(Vec::len), Some(ENTITLEMENTS.len()));
        dataset
    };
    let measure = |name, candidates| interleaved("license", name, Clock::Thread, rounds, candidates);
    measure(
        "file",
        vec![
            candidate("ours", || ours(&plain)),
            candidate("keygen-rs", || theirs(&plain, None)),
            candidate("ours, encrypted", || ours(&sealed)),
            candidate("keygen-rs, encrypted", || theirs(&sealed, Some(LICENSE_KEY))),
            candidate("ours, 6 KB", || ours(&full)),
            candidate("keygen-rs, 6 KB", || theirs(&full, None)),
            candidate("the signature alone, key at hand", || assert!(public.verifies(&message, &signature))),
        ],
    );
}

/// What the suites in other languages read: the file of 2 KB, and the key that it is signed with.
pub(crate) fn write(folder: &Path) -> std::io::Result<()> {
    let signer = signer();
    std::fs::write(folder.join("small.lic"), small(&signer, false))?;
    std::fs::write(folder.join("vendor.pub"), signer.public().to_hex())
}

/// A file of 2 KB, as an issuer writes it that leaves out what says nothing.
fn small(signer: &SigningKey, encrypted: bool) -> String {
    const MADE: &str = "2025-01-01T00:00:00Z";
    let included = ENTITLEMENTS.map(|code| {
        format!(
            r#"{{"id":"{code}","type":"entitlements","attributes":{{"code":"{code}","created":"{MADE}","updated":"{MADE}"}},"relationships":{{}}}}"#
        )
    });
    let payload = format!(
        r#"{{"data":{{"id":"5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01","type":"licenses","attributes":{{"name":"Plant 3","key":"{LICENSE_KEY}","expiry":null,"status":"ACTIVE","suspended":false,"metadata":{{"maxDisplays":25,"maxUsers":100}}}},"relationships":{{}}}},"included":[{}],"meta":{{"issued":"{MADE}","expiry":"2075-01-01T00:00:00Z","ttl":1577836800}}}}"#,
        included.join(",")
    );
    let encryption = Encryption { iv: [7; 12], license_key: LICENSE_KEY, fingerprint: "" };
    let encryption = encrypted.then_some(encryption);
    sign_payload(signer, Kind::License, payload.as_bytes(), encryption).expect("a file")
}

/// The same license as this project's issuer writes it: with all of Keygen's attributes, 6 KB.
fn full(signer: &SigningKey) -> String {
    let mut description = LicenseDescription::new("5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01", LICENSE_KEY);
    description.name = Some("Plant 3".to_owned());
    description.ttl = Some(10 * 365 * 86_400);
    description.limits = [("MAX_DISPLAYS".to_owned(), 25), ("MAX_USERS".to_owned(), 100)].into();
    description.entitlements = Some(ENTITLEMENTS.map(str::to_owned).to_vec());
    sign_license_file(signer, &description, false, None).expect("a file")
}

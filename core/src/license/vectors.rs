//! Files that Keygen's servers made, byte for byte: plaintext, and what becomes of it when a bit changes.

use std::{fs, path::PathBuf};

use super::{
    envelope::{Encoding, Envelope},
    keys::TrustedKey,
    open::Secrets,
};
use crate::error::Code;

struct Vector {
    name: String,
    file: Vec<u8>,
    keys: [TrustedKey; 1],
    license_key: Option<String>,
    fingerprint: Option<String>,
    expected: Vec<u8>,
}

impl Vector {
    fn secrets(&self) -> Secrets<'_> {
        Secrets { license_key: self.license_key.as_deref(), fingerprint: self.fingerprint.as_deref() }
    }
}

/// Every folder with a `license.lic`, but for the two of a third party that are not base64 as it should be.
fn vectors() -> Vec<Vector> {
    let folder = std::env::var_os("INSPIRE_VECTORS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from)
        .join("keygen");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!(
            "the test vectors are not at {}: {error}\nset INSPIRE_VECTORS_DIR to the folder that holds keygen/ and ed25519/",
            folder.display()
        )
    });
    let mut vectors: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("license.lic").exists() && !path.to_string_lossy().contains("ferrite"))
        .map(|path| {
            let text = |name: &str| fs::read_to_string(path.join(name)).ok().map(|text| text.trim_end().to_owned());
            Vector {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                file: fs::read(path.join("license.lic")).unwrap(),
                keys: [TrustedKey::from_hex("vendor", &text("pubkey.hex").unwrap()).unwrap()],
                license_key: text("key.txt"),
                fingerprint: text("fingerprint.txt"),
                expected: fs::read(path.join("expected.json")).unwrap(),
            }
        })
        .collect();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(vectors.len(), 17, "the vectors are incomplete");
    vectors
}

#[test]
fn every_real_file_yields_exactly_its_plaintext() {
    for vector in vectors() {
        let verified = Envelope::parse(&vector.file).unwrap().verify(&vector.keys, None).unwrap();
        let opened = verified.open(vector.secrets()).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(opened.plaintext.as_slice(), vector.expected, "{}", vector.name);
        opened.payload().unwrap_or_else(|error| panic!("{}: {error}", vector.name));
    }
}

#[test]
fn wrong_secrets_do_not_open() {
    for vector in vectors() {
        let open = |secrets| {
            let verified = Envelope::parse(&vector.file).unwrap().verify(&vector.keys, None).unwrap();
            assert_eq!(verified.encoding, Encoding::Aes256Gcm);
            verified.open(secrets).err().map(|error| error.code())
        };
        let right = vector.secrets();
        assert_eq!(open(right), None);
        let mismatch = Some(Code::LicenseKeyOrMachineMismatch);
        assert_eq!(open(Secrets { license_key: Some("wrong"), ..right }), mismatch, "{}", vector.name);
        assert_eq!(open(Secrets { license_key: None, ..right }), Some(Code::LicenseKeyRequired), "{}", vector.name);
        if vector.fingerprint.is_some() {
            assert_eq!(open(Secrets { fingerprint: Some("wrong"), ..right }), mismatch, "{}", vector.name);
            assert_eq!(open(Secrets { fingerprint: None, ..right }), Some(Code::LicenseKeyRequired), "{}", vector.name);
        }
    }
}

/// Every single bit of the `enc` text and of the signature, in every file.
#[test]
fn every_flipped_bit_of_enc_and_sig_is_a_bad_signature() {
    let vectors = vectors();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for share in 0..threads {
            let vectors = &vectors;
            scope.spawn(move || {
                for vector in vectors.iter().skip(share).step_by(threads) {
                    flip(vector, |_| (0..8).map(|bit| 1 << bit).collect());
                }
            });
        }
    });
}

fn flip(vector: &Vector, masks: impl Fn(usize) -> Vec<u8>) {
    let envelope = Envelope::parse(&vector.file).unwrap();
    let (kind, enc, good) = envelope.parts();
    let prefix = kind.signed_prefix();
    let key = vector.keys[0].public_key;
    let mut message = [prefix.as_bytes(), enc.as_bytes()].concat();
    assert!(key.verifies(&message, &good), "{}", vector.name);
    for at in prefix.len()..message.len() {
        for mask in masks(at) {
            message[at] ^= mask;
            assert!(!key.verifies(&message, &good), "{}: byte {at} ^ {mask:#x}", vector.name);
            message[at] ^= mask;
        }
    }
    for bit in 0..512 {
        let mut signature = good;
        signature[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verifies(&message, &signature), "{}: bit {bit} of the signature", vector.name);
    }
}

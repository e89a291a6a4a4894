//! Secrets and their hashes, from fixed seeds.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sha2::{Digest as _, Sha256};

/// A key that can be imported: the vectors know its secret.
pub(super) struct Fixed {
    pub name: String,
    pub secret: String,
    pub phc: String,
}

impl Fixed {
    /// A key with a generated-looking secret and the cheapest Argon2id hash.
    pub(super) fn new(name: &str) -> Self {
        Self::with_secret(name, &generated(name))
    }

    /// A key with a secret of one's own.
    pub(super) fn with_secret(name: &str, secret: &str) -> Self {
        Self { name: name.to_owned(), secret: secret.to_owned(), phc: phc(&Hash::default(), secret) }
    }

    /// `name:secret`.
    pub(super) fn credential(&self) -> String {
        format!("{}:{}", self.name, self.secret)
    }
}

/// 32 bytes that depend on the label alone.
pub(super) fn seed(label: &str) -> [u8; 32] {
    Sha256::digest(format!("libinspire_auth conformance vectors: {label}")).into()
}

/// A key as the library would generate it: `isk_`, 43 characters, a checksum of 6.
pub(super) fn generated(label: &str) -> String {
    let body = format!("isk_{}", URL_SAFE_NO_PAD.encode(seed(label)));
    let sum = base62(crc32(body.as_bytes()));
    body + &sum
}

/// CRC-32/ISO-HDLC, bit by bit.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Six digits, the most significant first.
fn base62(mut number: u32) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let mut text = Vec::new();
    for _ in 0..6 {
        text.push(digits.get(number as usize % 62).copied().unwrap_or('0'));
        number /= 62;
    }
    text.iter().rev().collect()
}

/// What an Argon2 hash is made with.
pub(super) struct Hash {
    pub algorithm: Algorithm,
    pub version: Version,
    pub m: u32,
    pub t: u32,
    pub p: u32,
    pub salt: usize,
    pub output: usize,
}

impl Default for Hash {
    fn default() -> Self {
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, m: 64, t: 1, p: 1, salt: 16, output: 32 }
    }
}

/// The salt of this length.
fn salt(length: usize) -> Vec<u8> {
    [seed("salt"), seed("more salt")].concat().into_iter().take(length).collect()
}

/// The output of Argon2; empty when the parameters are not Argon2's.
fn output(hash: &Hash, secret: &str) -> Vec<u8> {
    let mut output = vec![0; hash.output];
    let made = Params::new(hash.m, hash.t, hash.p, Some(hash.output)).and_then(|parameters| {
        let argon2 = Argon2::new(hash.algorithm, hash.version, parameters);
        argon2.hash_password_into(secret.as_bytes(), &salt(hash.salt), &mut output)
    });
    made.map(|()| output).unwrap_or_default()
}

/// The PHC string of a secret.
pub(super) fn phc(hash: &Hash, secret: &str) -> String {
    let version = match hash.version {
        Version::V0x10 => "v=16",
        Version::V0x13 => "v=19",
    };
    format!(
        "${}${version}$m={},t={},p={}${}${}",
        hash.algorithm.as_str(),
        hash.m,
        hash.t,
        hash.p,
        STANDARD_NO_PAD.encode(salt(hash.salt)),
        STANDARD_NO_PAD.encode(output(hash, secret))
    )
}

/// An Ignition token: its secret, and the hash that its file holds.
pub(super) fn ignition(label: &str) -> (String, String) {
    let bytes = seed(label);
    (URL_SAFE_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_iso_hdlc() {
        // The check value of the CRC catalogue.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(base62(0), "000000");
        assert_eq!(base62(61), "00000z");
        assert_eq!(base62(62), "000010");
        assert_eq!(generated("x").len(), 53);
    }
}

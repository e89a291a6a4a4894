//! The issuer's secret.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::super::{hex, keys::PublicKey};
use crate::{
    error::{Code, Error, Result},
    id::fill_random,
};

/// The DER of an Ed25519 PKCS#8 private key up to the seed itself (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PEM_HEADER: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_FOOTER: &str = "-----END PRIVATE KEY-----";

/// An Ed25519 signing key. Wiped when dropped; its `Debug` shows the public half only.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new key, from the operating system's randomness.
    ///
    /// # Errors
    /// `INTERNAL` when the operating system refuses randomness.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        fill_random(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key with this seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads what a key file holds: PEM PKCS#8 as [`SigningKey::to_pem`] and `openssl genpkey -algorithm ed25519` write
    /// it, or the seed as 64 hexadecimal digits. White space around either is ignored.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn from_seed_file(text: &str) -> Result<Self> {
        let text = text.trim_ascii();
        let mut seed = match hex::decode_32(text) {
            Some(seed) => seed,
            None => seed_of_pem(text).ok_or_else(|| {
                Error::with(
                    Code::InvalidArgument,
                    "the signing key is neither an unencrypted PKCS#8 PEM of Ed25519 nor 64 hexadecimal digits",
                )
            })?,
        };
        let key = Self::from_seed(&seed);
        seed.zeroize();
        Ok(key)
    }

    /// PEM PKCS#8, with a final newline.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = Zeroizing::new([PKCS8_PREFIX.as_slice(), self.0.as_bytes()].concat());
        let base64 = Zeroizing::new(STANDARD.encode(&*der));
        // 48 bytes are 64 characters: exactly one line.
        Zeroizing::new([PEM_HEADER, "\n", &base64, "\n", PEM_FOOTER, "\n"].concat())
    }

    /// The seed.
    pub(in crate::license) fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The seed as 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_bytes()))
    }

    /// The public half, which goes into the products.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.0)
    }

    /// The signature of a message (RFC 8032, section 5.1.6), as a licensing server puts it on its answers.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

fn seed_of_pem(text: &str) -> Option<[u8; 32]> {
    let body = text.strip_prefix(PEM_HEADER)?.strip_suffix(PEM_FOOTER)?.trim_ascii();
    let der = Zeroizing::new(STANDARD.decode(body).ok()?);
    der.strip_prefix(&PKCS8_PREFIX)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3: the example of a private key without attributes.
    const RFC_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn key_files_read_back() {
        let key = SigningKey::generate().unwrap();
        for text in [key.to_pem(), key.to_hex()] {
            let padded = format!("\r\n {}\n", text.as_str());
            for text in [text.as_str(), &padded, &text.replace('\n', "\r\n")] {
                assert_eq!(SigningKey::from_seed_file(text).unwrap().public(), key.public());
            }
        }
        assert_ne!(SigningKey::generate().unwrap().public(), key.public());
    }

    #[test]
    fn the_rfcs_example_is_read_and_written() {
        let key = SigningKey::from_seed_file(RFC_PEM).unwrap();
        assert_eq!(key.to_pem().as_str(), RFC_PEM);
        // RFC 8410, section 10.1: its public key.
        let public = PublicKey::parse("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
        assert_eq!(key.public(), public);
    }

    #[test]
    fn other_texts_are_refused_without_being_shown() {
        let hex = "ab".repeat(32);
        for bad in [
            "",
            &hex[1..],
            &format!("{hex}00"),
            &RFC_PEM.replace("MC4C", "MC5C"),
            &RFC_PEM.replace("PRIVATE", "PUBLIC"),
            &RFC_PEM.replace("VhC\n", "Vh\n"),
            "-----BEGIN PRIVATE KEY-----",
            &format!("{RFC_PEM}{RFC_PEM}"),
        ] {
            let error = SigningKey::from_seed_file(bad).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(!error.to_string().contains("abab") && !error.to_string().contains("MC4C"));
        }
        let shown = format!("{:?}", SigningKey::from_seed(&[0xab; 32]));
        assert!(!shown.contains("abab"), "{shown}");
    }
}

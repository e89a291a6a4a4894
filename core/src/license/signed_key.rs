//! License keys that are signed themselves: `key/DATASET.SIGNATURE`, Keygen's scheme `ED25519_SIGN`.
//!
//! What such a key says was written when it was made: a renewal or a suspension comes later and is not in it. It shows that
//! a vendor made the key, before anybody is asked; it activates nothing by itself.

use std::fmt;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{json, keys::TrustedKey, time};
use crate::{
    clock,
    error::{Code, Error, Result},
};

/// The most bytes of a license key that is looked at.
pub(super) const MAX_KEY_BYTES: usize = 16 * 1024;
const PREFIX: &str = "key/";
/// With or without padding: both are found in the wild. (That of the dataset is signed with it.)
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a signed key says. Its `Debug` does not show the dataset, which is most of the key.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedKey {
    /// The trusted key that signed it.
    pub key_id: String,
    /// Everything that was signed, as bytes: what the vendor put in.
    pub dataset: Zeroizing<Vec<u8>>,
    /// The license's id, where the dataset is the one that Keygen writes by itself.
    pub license: Option<String>,
    /// The product's id, in such a dataset.
    pub product: Option<String>,
    /// Unix seconds of the license's creation, in such a dataset.
    pub created: Option<i64>,
    /// Unix seconds of the license's end when the key was made, in such a dataset; `None` is never, or not told.
    pub expires: Option<i64>,
}

impl fmt::Debug for SignedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedKey")
            .field("key_id", &self.key_id)
            .field("license", &self.license)
            .finish_non_exhaustive()
    }
}

/// Whether a license key says that it is a signed one.
#[must_use]
pub fn is_signed(license_key: &str) -> bool {
    license_key.starts_with(PREFIX)
}

impl SignedKey {
    /// Reads a signed license key, and verifies it under the trusted keys in force at `now` (Unix seconds; `None` or 0 is
    /// the system's clock), before its dataset is looked at.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED` for what is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM` for a signature of another length
    /// than Ed25519's; `LICENSE_SIGNATURE_INVALID`.
    pub fn read(license_key: &str, keys: &[TrustedKey], now: Option<i64>) -> Result<Self> {
        let malformed = |what: &'static str| Error::with(Code::LicenseMalformed, what);
        if license_key.len() > MAX_KEY_BYTES {
            return Err(malformed("a license key has at most 16 KiB"));
        }
        let parts = license_key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
        let (dataset, signature) = parts.ok_or_else(|| malformed("a signed key is key/DATASET.SIGNATURE"))?;
        let decode = |text: &str| URL_SAFE.decode(text).map_err(|_| malformed("the key is not URL-safe base64"));
        let signature = <[u8; 64]>::try_from(decode(signature)?);
        let signature = signature.map_err(|_| Error::new(Code::LicenseUnsupportedAlgorithm))?;
        let (message, now) = ([PREFIX, dataset].concat(), clock::resolve(now));
        let signer = keys
            .iter()
            .filter(|key| key.in_force(now))
            .find(|key| key.public_key.verifies(message.as_bytes(), &signature))
            .ok_or(Error::new(Code::LicenseSignatureInvalid))?;
        let dataset = Zeroizing::new(decode(dataset)?);
        let document = json::parse(&dataset).unwrap_or_default();
        let text = |of: &str, name: &str| document.get(of)?.get(name)?.as_str().map(str::to_owned);
        Ok(Self {
            key_id: signer.id.clone(),
            license: text("license", "id"),
            product: text("product", "id"),
            created: text("license", "created").and_then(|text| time::parse(&text)),
            expires: text("license", "expiry").and_then(|text| time::parse(&text)),
            dataset,
        })
    }
}

/// Makes a signed key of a dataset, as Keygen would.
pub(super) fn make(key: &super::issue::SigningKey, dataset: &[u8]) -> String {
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE.encode(bytes);
    let signed = format!("{PREFIX}{}", encode(dataset));
    format!("{signed}.{}", encode(&key.sign(signed.as_bytes())))
}

/// The dataset that Keygen writes by itself, as far as it is known here.
pub(super) fn dataset(license: &str, product: Option<&str>, created: i64, expires: Option<i64>) -> Value {
    let moment = |seconds| time::format(seconds);
    serde_json::json!({
        "product": product.map(|id| serde_json::json!({"id": id})),
        "license": {"id": license, "created": moment(created), "expiry": expires.and_then(moment)},
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use proptest::prelude::*;

    use super::*;
    use crate::license::issue::SigningKey;

    fn code(license_key: &str, keys: &[TrustedKey]) -> Code {
        SignedKey::read(license_key, keys, None).map_or_else(|error| error.code(), |_| Code::Ok)
    }

    fn trusted(key: &SigningKey) -> [TrustedKey; 1] {
        [TrustedKey::new("vendor", key.public()).unwrap()]
    }

    #[test]
    fn keys_that_keygen_made_yield_exactly_their_datasets() {
        let folder = std::env::var_os("INSPIRE_VECTORS_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
        for (name, license, expires) in [
            ("key-ed25519-default-dataset", Some("f3d657de-2b50-4adf-867b-ef03dc86a3fe"), Some(1_634_256_000)),
            ("key-ed25519-in-response", Some("63ac9241-0bff-4a64-83bb-df6aec781b0e"), None),
            ("key-ed25519-test1", None, None),
        ] {
            let read = |file: &str| fs::read(folder.join("keygen").join(name).join(file)).unwrap();
            let text = |file: &str| String::from_utf8(read(file)).unwrap().trim().to_owned();
            let keys = [TrustedKey::from_hex("vendor", &text("pubkey.hex")).unwrap()];
            let key = text("signed_key.txt");
            let signed = SignedKey::read(&key, &keys, None).unwrap();
            assert_eq!(*signed.dataset, read("expected_payload.bin"), "{name}");
            assert_eq!((signed.license.as_deref(), signed.expires), (license, expires), "{name}");
            let unpadded = key.trim_end_matches('=');
            assert_eq!(SignedKey::read(unpadded, &keys, None).unwrap(), signed, "{name}");
            let dot = key.find('.').unwrap();
            for at in PREFIX.len()..key.trim_end_matches('=').len() {
                let mut changed = key.clone().into_bytes();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                assert_ne!(code(&changed, &keys), Code::Ok, "{name}: {at}, of which {dot} is the dot");
            }
        }
    }

    #[test]
    fn what_is_no_signed_key_is_told_apart() {
        let key = SigningKey::from_seed(&[7; 32]);
        let made = make(&key, dataset("l1", Some("p"), 0, Some(86_400)).to_string().as_bytes());
        let signed = SignedKey::read(&made, &trusted(&key), None).unwrap();
        assert_eq!((signed.license.as_deref(), signed.product.as_deref()), (Some("l1"), Some("p")));
        assert_eq!((signed.created, signed.expires), (Some(0), Some(86_400)));
        assert!(is_signed(&made) && !is_signed("KEY-KEY") && !format!("{signed:?}").contains(&made[4..20]));

        for text in ["", "key/", "key/abc", "abc", "KEY/e30.e30", "key/e30.!", &format!("key/{}", "A".repeat(20_000))] {
            assert_eq!(code(text, &trusted(&key)), Code::LicenseMalformed, "{text:.20}");
        }
        assert_eq!(code("key/e30.e30", &trusted(&key)), Code::LicenseUnsupportedAlgorithm);
        assert_eq!(code(&made, &[]), Code::LicenseSignatureInvalid);
        assert_eq!(code(&made, &trusted(&SigningKey::from_seed(&[8; 32]))), Code::LicenseSignatureInvalid);
        let mut ended = trusted(&key);
        ended[0].not_after = Some(100);
        assert_eq!(SignedKey::read(&made, &ended, Some(99)).unwrap(), signed);
        assert_eq!(SignedKey::read(&made, &ended, Some(100)).unwrap_err().code(), Code::LicenseSignatureInvalid);
        // What a vendor signed need not be JSON.
        let plain = make(&key, b"zeke@keygen.example");
        assert_eq!(*SignedKey::read(&plain, &trusted(&key), None).unwrap().dataset, b"zeke@keygen.example");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(key/)?[A-Za-z0-9_=./-]{0,200}", any: String) {
            let keys = trusted(&SigningKey::from_seed(&[7; 32]));
            let _ = SignedKey::read(&text, &keys, None);
            let _ = SignedKey::read(&any, &keys, None);
        }
    }
}

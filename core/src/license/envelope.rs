//! What stands inside the armour: an encoded payload, a signature over it, and the names of both algorithms.
//!
//! The types make the order unskippable. An [`Envelope`] gives its contents to nobody but [`Envelope::verify`]; only a
//! [`Verified`] one can be opened, and only an [`Opened`](super::open::Opened) one has a payload.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    armour::{Armour, Kind, malformed},
    json::{self, Json},
    keys::TrustedKey,
};
use crate::error::{Code, Error, Result};

/// How `enc` was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Base64 of the payload: `base64+ed25519`.
    Base64,
    /// AES-256-GCM under the license key: `aes-256-gcm+ed25519`.
    Aes256Gcm,
}

impl Encoding {
    /// The `alg` member.
    pub(super) const fn algorithm(self) -> &'static str {
        match self {
            Self::Base64 => "base64+ed25519",
            Self::Aes256Gcm => "aes-256-gcm+ed25519",
        }
    }

    fn of(algorithm: &str) -> Option<Self> {
        [Self::Base64, Self::Aes256Gcm].into_iter().find(|encoding| encoding.algorithm() == algorithm)
    }
}

/// A file that has been read, and of which nothing is believed yet.
#[derive(Debug)]
pub(super) struct Envelope {
    kind: Kind,
    encoding: Encoding,
    enc: String,
    signature: [u8; 64],
}

impl Envelope {
    /// Reads a file: rows 1 to 3 of the checks, but for the verification.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`, `LICENSE_UNSUPPORTED_ALGORITHM`.
    pub(super) fn parse(file: &[u8]) -> Result<Self> {
        Self::from_armour(&Armour::read(file)?)
    }

    /// [`Envelope::parse`], for a caller who wants to know the kind of a file that goes no further.
    pub(super) fn from_armour(armour: &Armour) -> Result<Self> {
        let envelope = armour.decode()?;
        let Some(Json::Object(members)) = json::read(&envelope) else {
            return Err(malformed("the envelope is not a JSON object, or a member stands twice"));
        };
        let text = |name| match members.get(name) {
            Some(Json::Text(text)) => Ok(text.as_ref()),
            _ => Err(malformed("the envelope has no text members enc, sig and alg")),
        };
        let (enc, sig, alg) = (text("enc")?, text("sig")?, text("alg")?);
        let encoding = Encoding::of(alg).ok_or_else(|| unsupported(alg))?;
        // 88 canonical characters are 64 bytes, and the other way round.
        let signature = STANDARD
            .decode(sig)
            .ok()
            .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
            .ok_or_else(|| malformed("sig is not 88 characters of canonical base64"))?;
        Ok(Self { kind: armour.kind, encoding, enc: enc.to_owned(), signature })
    }

    /// Verifies the signature over the raw `enc` string, under any of `keys` that is believed at `now`.
    ///
    /// Without `now`, end dates are left to the caller, who must compare [`Verified::trusted_until`] with the time of
    /// each query: that is how one installed file is judged again and again.
    ///
    /// # Errors
    /// `LICENSE_SIGNATURE_INVALID`.
    pub(super) fn verify(self, keys: &[TrustedKey], now: Option<i64>) -> Result<Verified> {
        let message = [self.kind.signed_prefix(), &self.enc].concat();
        let key = keys
            .iter()
            .filter(|key| now.is_none_or(|now| key.in_force(now)))
            .filter(|key| key.public_key.verifies(message.as_bytes(), &self.signature))
            // One key under two ids: the longer trust counts.
            .max_by_key(|key| key.not_after.unwrap_or(i64::MAX))
            .ok_or(Code::LicenseSignatureInvalid)?;
        Ok(Verified {
            kind: self.kind,
            encoding: self.encoding,
            enc: self.enc,
            key_id: key.id.clone(),
            trusted_until: key.not_after,
        })
    }
}

/// A file that a trusted key has signed, byte for byte.
#[derive(Debug)]
pub(super) struct Verified {
    /// What the file was issued for, as the signature says too.
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    pub(super) enc: String,
    /// The trusted key that signed it.
    pub(super) key_id: String,
    /// Unix seconds from which that key is no longer believed.
    pub(super) trusted_until: Option<i64>,
}

/// Algorithms that Keygen knows are named, so that the vendor can be told what to change; others are not echoed.
fn unsupported(algorithm: &str) -> Error {
    let known = ["rsa-pss-sha256", "rsa-sha256", "ecdsa-p256"]
        .into_iter()
        .find(|name| algorithm.split_once('+').is_some_and(|(_, signature)| signature == *name));
    match known {
        Some(name) => Error::with(Code::LicenseUnsupportedAlgorithm, name),
        None => Error::new(Code::LicenseUnsupportedAlgorithm),
    }
}

#[cfg(test)]
impl Envelope {
    /// The parts, for the tests that change them.
    pub(super) fn parts(&self) -> (Kind, &str, [u8; 64]) {
        (self.kind, &self.enc, self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{armour, issue::SigningKey},
        *,
    };

    fn file(kind: Kind, json: &str) -> Vec<u8> {
        armour::write(kind, json.as_bytes()).into_bytes()
    }

    fn refusal(json: &str) -> Code {
        Envelope::parse(&file(Kind::License, json)).unwrap_err().code()
    }

    #[test]
    fn the_members_must_be_there_once_and_be_texts() {
        let sig = "A".repeat(86) + "==";
        let good = format!(r#"{{"enc":"e30=","sig":"{sig}","alg":"base64+ed25519"}}"#);
        assert!(Envelope::parse(&file(Kind::License, &good)).is_ok());
        assert!(Envelope::parse(&file(Kind::License, &good.replace("{\"enc", "{\"v\":[1],\"enc"))).is_ok());
        for bad in [
            String::new(),
            "[]".into(),
            "\"enc\"".into(),
            good.replace("enc", "Enc"),
            good.replace("\"sig\"", "\"s\""),
            good.replace("\"alg\"", "\"a\""),
            good.replace("\"e30=\"", "7"),
            good.replace("\"base64+ed25519\"", "null"),
            good.replace("{\"enc\"", "{\"enc\":\"e30=\",\"enc\""),
            good.replace("{\"enc\"", "{\"alg\":\"base64+ed25519\",\"enc\""),
            good.replace("{\"enc\"", "{\"x\":{\"y\":1,\"y\":1},\"enc\""),
            format!("{good}{good}"),
            // 88 characters that are not canonical, 87, 86 without padding, and 92.
            good.replace("AA==", "AB=="),
            good.replace("AA==", "A=="),
            good.replace("AA==", "AA"),
            good.replace("AA==", "AAAAAA=="),
            good.replace("AAAA==", "AA-_=="),
        ] {
            assert_eq!(refusal(&bad), Code::LicenseMalformed, "{bad}");
        }
    }

    #[test]
    fn other_algorithms_are_recognised_and_refused() {
        let sig = "A".repeat(86) + "==";
        for algorithm in [
            "base64+rsa-pss-sha256",
            "base64+rsa-sha256",
            "base64+ecdsa-p256",
            "aes-256-gcm+rsa-pss-sha256",
            "aes-256-gcm+rsa-sha256",
            "aes-256-gcm+ecdsa-p256",
            "base64+none",
            "none",
            "",
            "ed25519",
            "BASE64+ED25519",
            "base64+ed25519+v2",
            "base64+ed25519 ",
            "aes-128-gcm+ed25519",
        ] {
            let json = format!(r#"{{"enc":"e30=","sig":"{sig}","alg":"{algorithm}"}}"#);
            assert_eq!(refusal(&json), Code::LicenseUnsupportedAlgorithm, "{algorithm}");
        }
        // Those that are known are named.
        for (algorithm, name) in
            [("base64+rsa-sha256", Some("rsa-sha256")), ("a+ecdsa-p256", Some("ecdsa-p256")), ("a+b", None)]
        {
            assert_eq!(unsupported(algorithm).detail(), name);
        }
        // The algorithm is looked at before the signature's form: an RSA signature has another length.
        assert_eq!(refusal(r#"{"enc":"","sig":"","alg":"base64+rsa-sha256"}"#), Code::LicenseUnsupportedAlgorithm);
    }

    #[test]
    fn every_key_is_tried_and_end_dates_are_compared_with_now() {
        let signer = SigningKey::from_seed(&[7; 32]);
        let signature = STANDARD.encode(signer.sign(b"license/e30="));
        let json = format!(r#"{{"enc":"e30=","sig":"{signature}","alg":"base64+ed25519"}}"#);
        let verify = |keys: &[TrustedKey], now| {
            Envelope::parse(&file(Kind::License, &json)).unwrap().verify(keys, now).map(|v| (v.key_id, v.trusted_until))
        };
        let other = TrustedKey::new("other", SigningKey::from_seed(&[9; 32]).public()).unwrap();
        let key = TrustedKey::new("mine", signer.public()).unwrap();
        let refused = |keys: &[TrustedKey], now| verify(keys, now).unwrap_err().code() == Code::LicenseSignatureInvalid;
        assert!(refused(&[], None) && refused(std::slice::from_ref(&other), None));
        assert_eq!(verify(&[other.clone(), key.clone()], Some(5)).unwrap(), ("mine".to_owned(), None));
        let ends = key.clone().until(10);
        assert!(verify(std::slice::from_ref(&ends), Some(9)).is_ok());
        assert!(refused(&[ends.clone(), other], Some(10)));
        assert_eq!(verify(std::slice::from_ref(&ends), None).unwrap().1, Some(10));
        let longer = TrustedKey { id: "longer".into(), ..key.until(20) };
        assert_eq!(verify(&[longer, ends], None).unwrap(), ("longer".to_owned(), Some(20)));
    }

    #[test]
    fn one_kind_never_passes_for_the_other() {
        let signer = SigningKey::from_seed(&[7; 32]);
        let keys = [TrustedKey::new("mine", signer.public()).unwrap()];
        for (signed, armoured, good) in [
            (Kind::License, Kind::License, true),
            (Kind::Machine, Kind::Machine, true),
            (Kind::License, Kind::Machine, false),
            (Kind::Machine, Kind::License, false),
        ] {
            let signature = STANDARD.encode(signer.sign(format!("{}e30=", signed.signed_prefix()).as_bytes()));
            let json = format!(r#"{{"enc":"e30=","sig":"{signature}","alg":"base64+ed25519"}}"#);
            let verified = Envelope::parse(&file(armoured, &json)).unwrap().verify(&keys, None);
            assert_eq!(verified.is_ok(), good, "{signed:?} in {armoured:?}");
        }
        // A signature over `enc` alone, as some look-alikes make it, is none.
        let signature = STANDARD.encode(signer.sign(b"e30="));
        let json = format!(r#"{{"enc":"e30=","sig":"{signature}","alg":"base64+ed25519"}}"#);
        assert!(Envelope::parse(&file(Kind::License, &json)).unwrap().verify(&keys, None).is_err());
    }
}

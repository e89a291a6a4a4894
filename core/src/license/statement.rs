//! What an installation signs with a key of its own: a request for a file, and the receipt of a deactivation.
//!
//! In armour like a license file, and signed over a prefix of its own, so that neither passes for the other or for a
//! license. The public key stands beside the signature: a statement tells its maker apart from others, to whoever has
//! heard of that key before. It is evidence, not proof.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{armour, issue::SigningKey, json, keys::PublicKey};
use crate::{
    error::{Code, Error, Result},
    store::Transaction,
};

/// What is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// That a file is wanted.
    Request,
    /// That a license was taken out.
    Receipt,
}

/// The algorithms, as license files name them.
const ALGORITHM: &str = "base64+ed25519";

impl Subject {
    const ALL: [Self; 2] = [Self::Request, Self::Receipt];

    const fn label(self) -> &'static str {
        match self {
            Self::Request => "LICENSE REQUEST",
            Self::Receipt => "DEACTIVATION RECEIPT",
        }
    }

    const fn signed_prefix(self) -> &'static str {
        match self {
            Self::Request => "request/",
            Self::Receipt => "receipt/",
        }
    }
}

/// Signs a document.
pub(super) fn sign(subject: Subject, key: &SigningKey, document: &Value) -> String {
    let enc = STANDARD.encode(document.to_string());
    let sig = STANDARD.encode(key.sign([subject.signed_prefix(), &enc].concat().as_bytes()));
    let envelope = json!({"enc": enc, "sig": sig, "alg": ALGORITHM, "key": key.public().to_hex()});
    armour::write_labelled(subject.label(), envelope.to_string().as_bytes())
}

/// A statement whose signature holds under the key that it names.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) subject: Subject,
    pub(super) document: Value,
    /// Who signed it.
    pub(super) key: PublicKey,
}

impl Statement {
    /// Reads a statement, and verifies it before its document is looked at.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED` for what is none; `LICENSE_UNSUPPORTED_ALGORITHM`; `LICENSE_SIGNATURE_INVALID`.
    pub(super) fn read(text: &[u8]) -> Result<Self> {
        let malformed = |what| Error::with(Code::LicenseMalformed, what);
        let (subject, envelope) = Subject::ALL
            .into_iter()
            .find_map(|subject| Some((subject, armour::read_labelled(text, subject.label())?)))
            .ok_or_else(|| malformed("the file is neither a request nor a receipt"))?;
        let envelope = json::parse(&envelope?).ok_or_else(|| malformed("the envelope is not JSON"))?;
        let text = |name: &str| envelope.get(name).and_then(Value::as_str);
        let (Some(enc), Some(sig), Some(alg), Some(key)) = (text("enc"), text("sig"), text("alg"), text("key")) else {
            return Err(malformed("the envelope has no text members enc, sig, alg and key"));
        };
        if alg != ALGORITHM {
            return Err(Error::new(Code::LicenseUnsupportedAlgorithm));
        }
        let invalid = || Error::new(Code::LicenseSignatureInvalid);
        let key = PublicKey::parse(key).map_err(|_| invalid())?;
        let signature = STANDARD.decode(sig).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        let signature = signature.ok_or_else(|| malformed("sig is not 88 characters of canonical base64"))?;
        if !key.verifies([subject.signed_prefix(), enc].concat().as_bytes(), &signature) {
            return Err(invalid());
        }
        let document = STANDARD.decode(enc).ok().and_then(|bytes| json::parse(&bytes));
        let document = document.filter(Value::is_object).ok_or_else(|| malformed("what is signed is not JSON"))?;
        Ok(Self { subject, document, key })
    }

    /// A member that must be there as text.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`.
    pub(super) fn text(&self, name: &'static str) -> Result<&str> {
        let text = self.document.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Error::with(Code::LicenseMalformed, format!("{name} is missing")))
    }
}

/// This installation's signing key, made when it is first needed.
///
/// # Errors
/// `INTERNAL` without randomness; a `STORE_*` code.
pub(super) fn installation_key(tx: &mut dyn Transaction) -> Result<SigningKey> {
    if let Some(seed) = tx.installation_key()? {
        return Ok(SigningKey::from_seed(&seed));
    }
    let key = SigningKey::generate()?;
    tx.set_installation_key(&key.seed())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[3; 32])
    }

    fn code(text: &str) -> Code {
        Statement::read(text.as_bytes()).map_or_else(|error| error.code(), |_| Code::Ok)
    }

    #[test]
    fn a_statement_reads_back() {
        for subject in Subject::ALL {
            let text = sign(subject, &key(), &json!({"fingerprint": "fp"}));
            let statement = Statement::read(text.as_bytes()).unwrap();
            assert_eq!((statement.subject, statement.key), (subject, key().public()));
            assert_eq!((statement.text("fingerprint").unwrap(), statement.text("x").is_err()), ("fp", true));
        }
    }

    #[test]
    fn a_request_is_no_receipt_and_neither_a_license() {
        let request = sign(Subject::Request, &key(), &json!({"fingerprint": "fp"}));
        let renamed = request.replace(Subject::Request.label(), Subject::Receipt.label());
        assert_eq!(code(&renamed), Code::LicenseSignatureInvalid);
        assert_eq!(code(&request.replace(Subject::Request.label(), "MACHINE FILE")), Code::LicenseMalformed);
        let license = super::super::issue::sign_payload(&key(), armour::Kind::License, b"{}", None).unwrap();
        assert_eq!(code(&license), Code::LicenseMalformed);
        let passed_off = license.replace("LICENSE FILE", Subject::Request.label());
        assert_eq!(code(&passed_off), Code::LicenseMalformed, "it names no key");
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let change = |change: fn(&mut Value)| {
            let text = sign(Subject::Receipt, &key(), &json!({"license": "l1"}));
            let envelope = armour::read_labelled(text.as_bytes(), Subject::Receipt.label()).unwrap().unwrap();
            let mut envelope: Value = serde_json::from_slice(&envelope).unwrap();
            change(&mut envelope);
            code(&armour::write_labelled(Subject::Receipt.label(), envelope.to_string().as_bytes()))
        };
        assert_eq!(change(|_| ()), Code::Ok);
        assert_eq!(change(|e| e["enc"] = STANDARD.encode("{}").into()), Code::LicenseSignatureInvalid);
        assert_eq!(change(|e| e["sig"] = STANDARD.encode([0; 64]).into()), Code::LicenseSignatureInvalid);
        let another = |e: &mut Value| e["key"] = SigningKey::from_seed(&[4; 32]).public().to_hex().into();
        assert_eq!(change(another), Code::LicenseSignatureInvalid);
        assert_eq!(change(|e| e["key"] = "00".repeat(32).into()), Code::LicenseSignatureInvalid);
        assert_eq!(change(|e| e["alg"] = "rsa".into()), Code::LicenseUnsupportedAlgorithm);
        assert_eq!(change(|e| e["sig"] = "x".into()), Code::LicenseMalformed);
        assert_eq!(change(|e| drop(e.as_object_mut().unwrap().remove("key"))), Code::LicenseMalformed);
    }

    #[test]
    fn an_installation_keeps_its_key() {
        use crate::store::{MemoryStore, Store};
        let store = MemoryStore::new().unwrap();
        let mut made = Vec::new();
        for _ in 0..2 {
            let mut key = None;
            store
                .write(&mut |tx| {
                    key = Some(installation_key(tx)?.public());
                    Ok(())
                })
                .unwrap();
            made.push(key);
        }
        assert_eq!(made[0], made[1]);
    }
}

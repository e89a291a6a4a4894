//! From a verified file to its plaintext: base64, or AES-256-GCM under the license key.
//!
//! The customer knows the license key, so encryption keeps a file's contents from third parties and proves nothing;
//! that is why only a [`Verified`] file can be opened.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload as Sealed},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    armour::{Kind, malformed},
    envelope::{Encoding, Verified},
};
use crate::error::{Code, Error, Result};

/// What may be needed to decrypt a file.
#[derive(Clone, Copy, Default)]
pub(super) struct Secrets<'a> {
    pub(super) license_key: Option<&'a str>,
    /// The machine's fingerprint; for machine files only.
    pub(super) fingerprint: Option<&'a str>,
}

/// A verified file in plain text: the JSON of its payload.
pub(super) struct Opened {
    pub(super) kind: Kind,
    /// Holds the license key, so it is wiped.
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

impl Verified {
    /// Decodes, and where needed decrypts, the payload: row 4 of the checks.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`, `LICENSE_KEY_REQUIRED`, `LICENSE_KEY_OR_MACHINE_MISMATCH`.
    pub(super) fn open(&self, secrets: Secrets<'_>) -> Result<Opened> {
        let plaintext = match self.encoding {
            Encoding::Base64 => decode(&self.enc)?,
            Encoding::Aes256Gcm => self.decrypt(secrets)?,
        };
        Ok(Opened { kind: self.kind, plaintext })
    }

    fn decrypt(&self, secrets: Secrets<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let mut parts = self.enc.split('.');
        let (Some(ciphertext), Some(iv), Some(tag), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("enc is not three parts"));
        };
        let mut sealed = STANDARD.decode(ciphertext).map_err(|_| malformed("enc is not canonical base64"))?;
        let iv: [u8; 12] = exactly(iv).ok_or_else(|| malformed("the initialisation vector is not 12 bytes"))?;
        let tag: [u8; 16] = exactly(tag).ok_or_else(|| malformed("the authentication tag is not 16 bytes"))?;
        sealed.extend_from_slice(&tag);
        let key = derive_key(self.kind, secrets).ok_or(Code::LicenseKeyRequired)?;
        let plaintext = Aes256Gcm::new((&*key).into())
            .decrypt((&iv).into(), Sealed { msg: &sealed, aad: b"" })
            .map_err(|_| Error::new(Code::LicenseKeyOrMachineMismatch))?;
        Ok(Zeroizing::new(plaintext))
    }
}

/// Encrypts a payload as [`Verified::open`] decrypts it, and returns `enc`. `None` when a secret is missing, or the
/// payload is larger than the cipher takes.
pub(super) fn seal(kind: Kind, secrets: Secrets<'_>, iv: [u8; 12], plaintext: &[u8]) -> Option<String> {
    let key = derive_key(kind, secrets)?;
    let sealed = Aes256Gcm::new((&*key).into()).encrypt((&iv).into(), Sealed { msg: plaintext, aad: b"" }).ok()?;
    let (ciphertext, tag) = sealed.split_at_checked(plaintext.len())?;
    Some([STANDARD.encode(ciphertext), STANDARD.encode(iv), STANDARD.encode(tag)].join("."))
}

/// SHA-256 of the license key, for a machine file of the license key followed by the fingerprint: no salt, no
/// separator, as Keygen has it.
fn derive_key(kind: Kind, secrets: Secrets<'_>) -> Option<Zeroizing<[u8; 32]>> {
    let mut hash = Sha256::new();
    hash.update(secrets.license_key?);
    if kind == Kind::Machine {
        hash.update(secrets.fingerprint?);
    }
    let mut digest = hash.finalize();
    let key = Zeroizing::new(digest.into());
    digest.zeroize();
    Some(key)
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text).map(Zeroizing::new).map_err(|_| malformed("enc is not canonical base64"))
}

fn exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Secrets<'static> = Secrets { license_key: Some("ABCD"), fingerprint: Some("fp") };

    fn verified(kind: Kind, encoding: Encoding, enc: &str) -> Verified {
        Verified { kind, encoding, enc: enc.to_owned(), key_id: "k".into(), trusted_until: None }
    }

    fn outcome(kind: Kind, enc: &str, secrets: Secrets<'_>) -> Result<Vec<u8>, Code> {
        match verified(kind, Encoding::Aes256Gcm, enc).open(secrets) {
            Ok(opened) => Ok(opened.plaintext.to_vec()),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn sealed_opens_with_the_same_secrets_and_no_others() {
        for kind in [Kind::License, Kind::Machine] {
            let enc = seal(kind, KEY, [3; 12], b"payload").unwrap();
            assert_eq!(outcome(kind, &enc, KEY), Ok(b"payload".to_vec()));
            let wrong = Secrets { license_key: Some("ABCE"), ..KEY };
            assert_eq!(outcome(kind, &enc, wrong), Err(Code::LicenseKeyOrMachineMismatch));
            assert_eq!(outcome(kind, &enc, Secrets::default()), Err(Code::LicenseKeyRequired));
            let no_key = Secrets { license_key: None, ..KEY };
            assert_eq!(outcome(kind, &enc, no_key), Err(Code::LicenseKeyRequired));
        }
        let enc = seal(Kind::Machine, KEY, [3; 12], b"payload").unwrap();
        let other = Secrets { fingerprint: Some("other"), ..KEY };
        assert_eq!(outcome(Kind::Machine, &enc, other), Err(Code::LicenseKeyOrMachineMismatch));
        let none = Secrets { fingerprint: None, ..KEY };
        assert_eq!(outcome(Kind::Machine, &enc, none), Err(Code::LicenseKeyRequired));
        assert!(seal(Kind::Machine, none, [3; 12], b"payload").is_none());
    }

    #[test]
    fn lengths_of_iv_and_tag_are_exact() {
        let enc = seal(Kind::License, KEY, [3; 12], b"payload").unwrap();
        let parts: Vec<&str> = enc.split('.').collect();
        for iv in [0, 4, 11, 13, 16] {
            let bad = [parts[0], &STANDARD.encode(vec![3; iv]), parts[2]].join(".");
            assert_eq!(outcome(Kind::License, &bad, KEY), Err(Code::LicenseMalformed), "iv of {iv}");
        }
        let tag = STANDARD.decode(parts[2]).unwrap();
        for length in [0, 4, 12, 15] {
            let bad = [parts[0], parts[1], &STANDARD.encode(&tag[..length])].join(".");
            assert_eq!(outcome(Kind::License, &bad, KEY), Err(Code::LicenseMalformed), "tag of {length}");
        }
        for bad in [
            "",
            ".",
            "..",
            "...",
            &parts[..2].join("."),
            &format!("{enc}."),
            &format!("{enc}.AAAA"),
            &enc.replace('=', ""),
            &format!(" {enc}"),
            &format!("{enc}\n"),
            "AA==.BB==.CC==",
        ] {
            assert_eq!(outcome(Kind::License, bad, KEY), Err(Code::LicenseMalformed), "{bad}");
            // The form is judged before the key is missed.
            assert_eq!(outcome(Kind::License, bad, Secrets::default()), Err(Code::LicenseMalformed), "{bad}");
        }
        for flipped in 0..7 {
            let mut ciphertext = STANDARD.decode(parts[0]).unwrap();
            ciphertext[flipped] ^= 1;
            let bad = [&STANDARD.encode(ciphertext), parts[1], parts[2]].join(".");
            assert_eq!(outcome(Kind::License, &bad, KEY), Err(Code::LicenseKeyOrMachineMismatch));
        }
    }

    #[test]
    fn plain_files_are_canonical_base64() {
        for (enc, good) in
            [("e30=", true), ("e30", false), ("e31=", false), ("e30=\n", false), ("e3 0=", false), ("-_-_", false)]
        {
            let opened = verified(Kind::License, Encoding::Base64, enc).open(Secrets::default());
            assert_eq!(opened.is_ok(), good, "{enc}");
        }
    }
}

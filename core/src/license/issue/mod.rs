//! Issuing: signing license and machine files, as Keygen would.

mod describe;
mod document;
mod signing_key;
mod statements;

pub use describe::LicenseDescription;
pub use signing_key::SigningKey;
pub use statements::{Receipt, Request};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    armour::{self, Kind},
    envelope::Encoding,
    open::{self, Opened, Secrets},
    signed_key,
};
use crate::{
    clock,
    error::{Code, Error, Result},
    id::fill_random,
};

/// Signs a file of either kind.
///
/// `encrypted` hides the contents from whoever does not have the license key (and, for a machine file, the
/// fingerprint). `now` (Unix seconds; `None` or 0 is the system's clock) is the time of issue unless the description
/// names one.
///
/// # Errors
/// `INVALID_ARGUMENT` when the description can't make such a file: a machine file without a fingerprint, a limit below
/// -1, a limit or metadata key given twice, a time that is not RFC 3339, or anything that this library would refuse to
/// read. `INTERNAL` when the operating system refuses randomness.
pub fn sign(
    key: &SigningKey,
    license: &LicenseDescription,
    kind: Kind,
    encrypted: bool,
    now: Option<i64>,
) -> Result<String> {
    let mut iv = [0; 12];
    if encrypted {
        fill_random(&mut iv)?;
    }
    sign_with_iv(key, license, kind, encrypted.then_some(iv), now)
}

/// [`sign`] with a chosen initialisation vector (`None`: not encrypted), so that test vectors can be made again byte for
/// byte. An initialisation vector must never be used twice under one license key.
///
/// # Errors
/// As [`sign`].
#[doc(hidden)]
pub fn sign_with_iv(
    key: &SigningKey,
    license: &LicenseDescription,
    kind: Kind,
    iv: Option<[u8; 12]>,
    now: Option<i64>,
) -> Result<String> {
    let plaintext = document::write(license, kind, clock::resolve(now))?;
    let encryption = iv.map(|iv| Encryption {
        iv,
        license_key: &license.key,
        fingerprint: license.fingerprint.as_deref().unwrap_or_default(),
    });
    let file = sign_payload(key, kind, &plaintext, encryption)?;
    // What is issued must be readable here: nothing else says whether the description made sense.
    Opened { kind, plaintext }
        .payload()
        .map_err(|error| Error::with(Code::InvalidArgument, error.detail().unwrap_or_default().to_owned()))?;
    if file.len() > armour::MAX_FILE_BYTES {
        return Err(Error::with(Code::InvalidArgument, "the file would be larger than 256 KiB"));
    }
    Ok(file)
}

/// The JSON:API document that [`sign`] signs, for a server that answers with the same resources.
///
/// # Errors
/// `INVALID_ARGUMENT`, as [`sign`].
#[doc(hidden)]
pub fn document(license: &LicenseDescription, kind: Kind, now: i64) -> Result<Zeroizing<Vec<u8>>> {
    document::write(license, kind, now)
}

/// How [`sign_payload`] encrypts.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Encryption<'a> {
    /// 12 bytes, never twice under one license key.
    pub iv: [u8; 12],
    /// The license key.
    pub license_key: &'a str,
    /// The machine's fingerprint; unused in a license file.
    pub fingerprint: &'a str,
}

impl std::fmt::Debug for Encryption<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").finish_non_exhaustive()
    }
}

/// Signs any payload, readable or not: for the test vectors of what must be refused *after* the signature holds.
///
/// # Errors
/// `INVALID_ARGUMENT` when the payload can't be encrypted.
#[doc(hidden)]
pub fn sign_payload(
    key: &SigningKey,
    kind: Kind,
    payload: &[u8],
    encryption: Option<Encryption<'_>>,
) -> Result<String> {
    let (encoding, enc) = match encryption {
        None => (Encoding::Base64, STANDARD.encode(payload)),
        Some(Encryption { iv, license_key, fingerprint }) => {
            let secrets = Secrets { license_key: Some(license_key), fingerprint: Some(fingerprint) };
            let enc = open::seal(kind, secrets, iv, payload)
                .ok_or_else(|| Error::with(Code::InvalidArgument, "the payload can't be encrypted"))?;
            (Encoding::Aes256Gcm, enc)
        }
    };
    let sig = STANDARD.encode(key.sign([kind.signed_prefix(), &enc].concat().as_bytes()));
    let envelope = Envelope { enc: &enc, sig: &sig, alg: encoding.algorithm() };
    let json = serde_json::to_vec(&envelope).map_err(|error| Error::new(Code::Internal).caused_by(error))?;
    Ok(armour::write(kind, &json))
}

/// Makes a signed license key (scheme `ED25519_SIGN`) of any bytes, as Keygen does; `None`: of what Keygen writes by itself,
/// the description's id, product and expiry, and the time.
///
/// # Errors
/// `INVALID_ARGUMENT` for an expiry that is not RFC 3339, or a key that would be longer than 16 KiB.
pub fn sign_key(
    key: &SigningKey,
    license: &LicenseDescription,
    dataset: Option<&[u8]>,
    now: Option<i64>,
) -> Result<String> {
    let invalid = |what: &'static str| Error::with(Code::InvalidArgument, what);
    let expires = license.expiry.as_deref().map(|text| super::time::parse(text).ok_or(())).transpose();
    let expires = expires.map_err(|()| invalid("expiry is not an RFC 3339 time"))?;
    let own = signed_key::dataset(&license.id, license.product.as_deref(), clock::resolve(now), expires).to_string();
    let made = signed_key::make(key, dataset.unwrap_or(own.as_bytes()));
    if made.len() > signed_key::MAX_KEY_BYTES {
        return Err(invalid("the key would be longer than 16 KiB"));
    }
    Ok(made)
}

/// [`sign`], for a license file.
///
/// # Errors
/// As [`sign`].
pub fn sign_license_file(
    key: &SigningKey,
    license: &LicenseDescription,
    encrypted: bool,
    now: Option<i64>,
) -> Result<String> {
    sign(key, license, Kind::License, encrypted, now)
}

/// [`sign`], for a machine file; the description names the machine's fingerprint.
///
/// # Errors
/// As [`sign`].
pub fn sign_machine_file(
    key: &SigningKey,
    license: &LicenseDescription,
    encrypted: bool,
    now: Option<i64>,
) -> Result<String> {
    sign(key, license, Kind::Machine, encrypted, now)
}

/// Members in Keygen's order.
#[derive(Serialize)]
struct Envelope<'a> {
    enc: &'a str,
    sig: &'a str,
    alg: &'static str,
}

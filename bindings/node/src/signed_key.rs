//! License keys that are signed themselves.

use inspire_auth_core::license::SignedKey;
use napi::{
    Env,
    bindgen_prelude::{Buffer, Unknown},
};
use napi_derive::napi;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    arguments::{read, text},
    boundary::run,
    options::{TrustedKey, trusted_keys},
};

/// What a signed license key is verified with.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectKeyOptions {
    /// Public keys whose signatures are believed.
    pub trusted_keys: Vec<TrustedKey>,
    /// Unix seconds; not given, the system's clock.
    pub now: Option<i64>,
}

/// What a signed license key says. It was written when the key was made: a renewal or a suspension is not in it.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct SignedLicenseKey {
    /// The trusted key that signed it.
    pub key_id: String,
    /// Everything that was signed, as bytes: what the vendor put in.
    #[napi(ts_type = "Uint8Array")]
    pub dataset: Buffer,
    /// The license's id, where the dataset is the one that Keygen writes by itself.
    pub license: Option<String>,
    /// The product's id, in such a dataset.
    pub product: Option<String>,
    /// Unix seconds of the license's creation, in such a dataset.
    pub created_at: Option<i64>,
    /// Unix seconds of the license's end when the key was made, in such a dataset; `null` is never, or not told.
    pub expires_at: Option<i64>,
}

impl From<SignedKey> for SignedLicenseKey {
    fn from(key: SignedKey) -> Self {
        Self {
            dataset: key.dataset.to_vec().into(),
            key_id: key.key_id,
            license: key.license,
            product: key.product,
            created_at: key.created,
            expires_at: key.expires,
        }
    }
}

/// Reads a license key that is signed itself (`key/DATASET.SIGNATURE`, Keygen's `ED25519_SIGN`), and verifies it before its
/// dataset is looked at. It shows that a vendor made the key, before anybody is asked; it activates nothing.
///
/// @throws InspireAuthError `LICENSE_MALFORMED` for what is no signed key; `LICENSE_UNSUPPORTED_ALGORITHM` for a signature of
/// another length than Ed25519's; `LICENSE_SIGNATURE_INVALID`; `INVALID_ARGUMENT` or `WEAK_TRUSTED_KEY` for the trusted keys
/// @example
/// const { license, expiresAt } = inspectLicenseKey(typed, { trustedKeys });
#[napi(ts_args_type = "licenseKey: string, options: InspectKeyOptions")]
pub fn inspect_license_key(
    env: &Env,
    license_key: Unknown<'_>,
    options: Unknown<'_>,
) -> napi::Result<SignedLicenseKey> {
    run(env, || {
        let key = Zeroizing::new(text(env, license_key, "licenseKey")?);
        let given: InspectKeyOptions = read(env, options, "options")?;
        SignedKey::read(&key, &trusted_keys(given.trusted_keys)?, given.now).map(SignedLicenseKey::from)
    })
}

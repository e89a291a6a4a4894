//! Trusted public keys.

use inspire_auth_core::{Result, license::keys::TrustedKey};

use crate::{key_spec::INSPIRE_NEVER, ptr, text::inspire_str};

/// A public key whose signatures on license files are believed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_trusted_key {
    /// Its name: 1 to 64 characters, unique among the configured keys.
    pub id: inspire_str,
    /// 64 hexadecimal digits, or the base64 of an Ed25519 SubjectPublicKeyInfo.
    pub public_key: inspire_str,
    /// Unix seconds from which the key is no longer believed, whatever it signed; 0 is never.
    pub not_after: i64,
}

/// The core's trusted keys.
///
/// # Safety
/// As [`ptr::array`], for the array and for each string in it.
pub(crate) unsafe fn trusted_keys(first: *const inspire_trusted_key, count: usize) -> Result<Vec<TrustedKey>> {
    // SAFETY: the same contract.
    let keys = unsafe { ptr::array(first, count)? };
    keys.iter()
        .map(|key| {
            // SAFETY: the same contract.
            let (id, public_key) =
                unsafe { (ptr::text(key.id, "a trusted key's id")?, ptr::text(key.public_key, "a public key")?) };
            let trusted = TrustedKey::parse(id, public_key)?;
            let ends = key.not_after != 0 && key.not_after != INSPIRE_NEVER;
            Ok(if ends { trusted.until(key.not_after) } else { trusted })
        })
        .collect()
}

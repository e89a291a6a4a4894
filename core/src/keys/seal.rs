//! The seal: a MAC over everything that gives a key its authority, under a pepper.
//!
//! Whoever can write the store file can otherwise mint or widen a key. With a pepper configured, a key without a good
//! seal is refused; rolling the whole file back is not prevented (`SECURITY.md`).

use super::mac::KeyedHmac;
use crate::{
    error::Result,
    options::Pepper,
    store::{CredentialRow, KeyRow},
};

const CONTEXT: &[u8] = b"inspire-auth/seal/v1\0";

/// Makes and checks seals; without a pepper, neither.
#[derive(Default)]
pub(crate) struct Sealer {
    /// By pepper; the first is current.
    keys: Vec<(String, KeyedHmac)>,
}

impl Sealer {
    pub(crate) fn new(peppers: &[Pepper]) -> Result<Self> {
        let keys = peppers.iter().map(|pepper| {
            let key = KeyedHmac::new(&pepper.secret)?.compute(&[CONTEXT]);
            Ok((pepper.id.clone(), KeyedHmac::new(&key)?))
        });
        Ok(Self { keys: keys.collect::<Result<_>>()? })
    }

    /// Seals a key with its credentials, or takes an outdated seal off when there is no pepper to seal with.
    pub(crate) fn seal(&self, key: &mut KeyRow, credentials: &[CredentialRow]) {
        match self.keys.first() {
            Some((id, mac)) => {
                key.seal = Some(mac.compute(&[&canonical(key, credentials)]).to_vec());
                key.seal_key_id = Some(id.clone());
            }
            None => {
                key.seal = None;
                key.seal_key_id = None;
            }
        }
    }

    /// Whether the key carries a good seal, or none is asked for.
    pub(crate) fn is_sealed(&self, key: &KeyRow, credentials: &[CredentialRow]) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let (Some(seal), Some(id)) = (&key.seal, &key.seal_key_id) else { return false };
        self.keys.iter().any(|(name, mac)| name == id && mac.verify(&[&canonical(key, credentials)], seal))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys.len()).finish()
    }
}

/// One byte string for one meaning: every field with its length before it.
fn canonical(key: &KeyRow, credentials: &[CredentialRow]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut field = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    let optional = |value: Option<i64>| value.map_or_else(Vec::new, |v| v.to_be_bytes().to_vec());
    field(&key.id.to_bytes());
    field(key.kind.as_bytes());
    field(key.name.as_bytes());
    field(&(key.levels.len() as u64).to_be_bytes());
    for level in &key.levels {
        field(level.as_bytes());
    }
    field(&[u8::from(key.require_secure), u8::from(key.enabled)]);
    field(&optional(key.expires_at));
    field(&key.revision.to_be_bytes());
    // In an order of their own: a store may return credentials that were made in one second either way round.
    let mut credentials: Vec<&CredentialRow> = credentials.iter().collect();
    credentials.sort_unstable_by_key(|credential| credential.id);
    for credential in credentials {
        field(&credential.id.to_bytes());
        field(&credential.key_id.to_bytes());
        field(credential.scheme.as_str().as_bytes());
        field(credential.hash.as_bytes());
        field(&optional(credential.tag.map(i64::from)));
        field(&optional(credential.tag_key_id.map(i64::from)));
        field(credential.pepper_id.as_deref().unwrap_or_default().as_bytes());
        field(credential.origin.as_str().as_bytes());
        field(credential.strength.as_str().as_bytes());
        field(&optional(credential.not_after));
    }
    out
}

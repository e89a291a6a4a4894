//! Keyed digests of presented secrets: the memo's, in memory, and the tag's, in the store.
//!
//! The memo's is SipHash-1-3, the tag's SipHash-2-4, both with 128 bits of output, under two keys
//! (`docs/decisions/0003-memo-and-tag.md`): the memo's is random, per handle, and never stored; the tag's stands in the
//! store. A tag keeps 32 of 256 bits of a generated key, so even somebody who knows its key learns no more than these 32 bits.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use siphasher::sip128::{SipHasher13, SipHasher24};
use zeroize::Zeroizing;

use crate::{
    error::{Code, Error, Result},
    id::fill_random,
    store::TagKey,
};

/// A 128-bit digest of a secret under a process's own key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64, u64);

impl Digest {
    /// Compares in constant time: no branch depends on where two digests differ.
    pub(crate) const fn ct_eq(self, other: Self) -> bool {
        (self.0 ^ other.0) | (self.1 ^ other.1) == 0
    }

    /// Both halves: for keying flights, where nothing is decided by it, and for keeping.
    #[inline]
    pub(crate) const fn to_bits(self) -> (u64, u64) {
        (self.0, self.1)
    }

    #[inline]
    pub(crate) const fn from_bits((high, low): (u64, u64)) -> Self {
        Self(high, low)
    }
}

/// SipHash-1-3 with 128 bits of output under a random key of this handle.
pub(crate) struct ProcessMac(SipHasher13);

impl ProcessMac {
    pub(crate) fn random() -> Result<Self> {
        let mut key = Zeroizing::new([0_u8; 16]);
        fill_random(key.as_mut())?;
        Ok(Self(SipHasher13::new_with_key(&key)))
    }

    pub(crate) fn digest(&self, secret: &[u8]) -> Digest {
        let hash = self.0.hash(secret);
        Digest(hash.h1, hash.h2)
    }
}

impl std::fmt::Debug for ProcessMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProcessMac")
    }
}

/// HMAC-SHA-256 (RFC 2104) with its key schedule kept.
#[derive(Clone)]
pub(crate) struct KeyedHmac(Hmac<Sha256>);

impl KeyedHmac {
    pub(crate) fn new(key: &[u8]) -> Result<Self> {
        // HMAC takes keys of any length; the error can't happen, and must not panic.
        Hmac::new_from_slice(key).map(Self).map_err(|_| Error::new(Code::Internal))
    }

    pub(crate) fn compute(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn verify(&self, parts: &[&[u8]], expected: &[u8]) -> bool {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.verify_slice(expected).is_ok()
    }
}

/// Makes tags: the upper 32 bits of the first word of SipHash-2-4-128 of a generated key, under the store's tag key.
pub(crate) struct Tagger {
    id: u32,
    mac: SipHasher24,
}

impl Tagger {
    pub(crate) fn new(key: &TagKey) -> Self {
        Self { id: key.id, mac: SipHasher24::new_with_key(&key.secret) }
    }

    pub(crate) const fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn tag(&self, secret: &[u8]) -> u32 {
        (self.mac.hash(secret).h1 >> 32) as u32
    }
}

impl std::fmt::Debug for Tagger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tagger").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T1: no byte of a long secret is left out of the digest or the tag.
    #[test]
    fn every_byte_counts() {
        let mac = ProcessMac::random().unwrap();
        let tagger = Tagger::new(&TagKey { id: 1, secret: Zeroizing::new([7; 16]) });
        for length in 1..=200_usize {
            let secret = vec![b'a'; length];
            let mut other = secret.clone();
            other[length - 1] = b'b';
            assert!(mac.digest(&secret).ct_eq(mac.digest(&secret)));
            assert!(!mac.digest(&secret).ct_eq(mac.digest(&other)));
            assert_ne!(tagger.tag(&secret), tagger.tag(&other));
        }
    }

    /// The first and sixteenth of SipHash's own 128-bit test vectors, as another implementation computes them.
    #[test]
    fn siphash_is_siphash() {
        let key: [u8; 16] = std::array::from_fn(|n| n as u8);
        let input: Vec<u8> = (0..15).collect();
        let hex = |data: &[u8]| -> String {
            SipHasher24::new_with_key(&key).hash(data).as_bytes().iter().map(|b| format!("{b:02x}")).collect()
        };
        assert_eq!(hex(b""), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hex(&input), "5493e99933b0a8117e08ec0f97cfc3d9");
    }

    /// The stored tag's function is final: a change of it would refuse every generated key of every store.
    #[test]
    fn the_tag_is_pinned() {
        let tagger = Tagger::new(&TagKey { id: 1, secret: Zeroizing::new([0; 16]) });
        assert_eq!(tagger.tag(b"isk_example"), 0xac7cc85e);
    }

    #[test]
    fn two_handles_have_two_keys() {
        assert!(!ProcessMac::random().unwrap().digest(b"x").ct_eq(ProcessMac::random().unwrap().digest(b"x")));
    }
}

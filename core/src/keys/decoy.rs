//! What is looked at in the place of a key that does not exist, so that its refusal takes the same steps.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64},
};

use super::{
    index::{Credential, Entry},
    levels::LevelSet,
    mac::Digest,
    memo::Memo,
    name::Name,
};
use crate::{id::Id, store::Scheme};

/// A power of two. Were there one, it would always be in the nearest cache, which keys are not.
const DECOYS: usize = 64;

/// Keys that nobody has: each with one credential of which nothing is ever learnt, and refused whatever is presented.
#[derive(Debug)]
pub(crate) struct Decoys(Box<[Arc<Entry>; DECOYS]>);

impl Decoys {
    /// Decoys for a store whose tags are made under this key.
    pub(crate) fn new(tag_key_id: u32) -> Self {
        Self(Box::new(std::array::from_fn(|_| Arc::new(decoy(tag_key_id)))))
    }

    /// The one that stands in for every name of this hash.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "a remainder is below what it was divided by")]
    pub(crate) fn of(&self, hash: u64) -> &Arc<Entry> {
        &self.0[hash as usize % DECOYS]
    }
}

fn decoy(tag_key_id: u32) -> Entry {
    let credential = Credential {
        id: Id::NIL,
        scheme: Scheme::Unknown,
        tag: Some((tag_key_id, 0)),
        not_after: i64::MAX,
        mark: Digest::from_bits((0, 0)),
        cost: 0,
        memo: Memo::default(),
        renewed: Memo::default(),
        renewing: AtomicBool::new(false),
        failures: None,
    };
    Entry {
        id: Id::NIL,
        name: Name::NONE,
        revision: 0,
        enabled: false,
        require_secure: true,
        expires_at: i64::MIN,
        levels: Arc::new(LevelSet::anonymous()),
        unsealed: true,
        credentials: Box::new([credential]),
        last_used: AtomicI64::new(i64::MAX),
    }
}

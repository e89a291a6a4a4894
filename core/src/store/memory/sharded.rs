//! A map whose copies share all that did not change: copying it copies 256 pointers, and changing one entry afterwards
//! copies one 256th of it.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

const SHARDS: usize = 256;

#[derive(Debug, Clone)]
pub(super) struct Sharded<K, V> {
    shards: Vec<Arc<BTreeMap<K, V>>>,
}

impl<K: Ord + Hash + Clone, V: Clone> Sharded<K, V> {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect() }
    }

    fn at<Q: Hash + ?Sized>(key: &Q) -> usize {
        // Unkeyed: all of these are the host's own data, and a full shard is still a balanced tree.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % 256).unwrap_or(0)
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        self.shards.get(Self::at(key))?.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(shard) = self.shards.get_mut(Self::at(&key)) {
            Arc::make_mut(shard).insert(key, value);
        }
    }

    pub(super) fn remove<Q>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        if let Some(shard) = self.shards.get_mut(Self::at(key)).filter(|shard| shard.contains_key(key)) {
            Arc::make_mut(shard).remove(key);
        }
    }

    /// All values, in no useful order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// At most `limit` entries whose keys follow `after`, in order.
    pub(super) fn after<Q>(&self, after: Option<&Q>, limit: usize) -> Vec<(&K, &V)>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let mut found: Vec<_> =
            self.shards.iter().flat_map(|shard| shard.range::<Q, _>((from, Unbounded)).take(limit)).collect();
        found.sort_unstable_by(|a, b| a.0.cmp(b.0));
        found.truncate(limit);
        found
    }
}

//! What a check needs of every key, in memory.
//!
//! A look-up takes no lock and writes no shared memory. A change replaces one shard (a thousandth of the map), never
//! the whole. PHC strings stay in the store.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};

use super::{
    hash::Hasher,
    levels::LevelSet,
    mac::{Digest, ProcessMac},
    seal::Sealer,
};
use crate::{
    error::Result,
    id::Id,
    lock::lock,
    options::LevelMode,
    store::{CredentialRow, KeyWithCredentials, Origin, Scheme, Strength},
};

/// A power of two. Enough that a shard of a million keys is copied in microseconds, few enough for a small host.
const SHARDS: usize = 1024;

/// A key, as a check sees it. Immutable but for what is learnt while checking.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) name: Arc<str>,
    pub(crate) revision: u64,
    pub(crate) enabled: bool,
    pub(crate) require_secure: bool,
    /// Unix seconds; `i64::MAX` is never.
    pub(crate) expires_at: i64,
    pub(crate) levels: Arc<LevelSet>,
    /// Why this key is refused whatever is presented: its row was not written by somebody who holds the pepper.
    pub(crate) unsealed: bool,
    pub(crate) credentials: Box<[Credential]>,
    /// Unix seconds of the last use that was noted.
    pub(crate) last_used: AtomicI64,
}

/// One of a key's secrets, as a check sees it.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) id: Id,
    pub(crate) scheme: Scheme,
    pub(crate) chosen: bool,
    pub(crate) tag: Option<(u32, u32)>,
    /// Unix seconds; `i64::MAX` is never.
    pub(crate) not_after: i64,
    /// A digest of the stored hash: another hash is another secret, for all that is known here.
    pub(crate) mark: Digest,
    /// Bytes of memory that checking the stored hash takes; 0 when it is quick.
    pub(crate) cost: u64,
    /// The digest of the right secret, after its first success.
    pub(crate) memo: OnceLock<Digest>,
    /// Wrong secrets lately, for human-chosen ones.
    pub(crate) failures: Arc<Failures>,
}

/// A count of wrong secrets within one minute of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<(u64, u32)>);

impl Failures {
    /// Whether more than `allowed` failures happened in the minute that `now_millis` is in.
    pub(crate) fn exhausted(&self, now_millis: u64, allowed: u32) -> bool {
        let state = lock(&self.0);
        state.0 == now_millis / 60_000 && state.1 >= allowed
    }

    pub(crate) fn note(&self, now_millis: u64) {
        let mut state = lock(&self.0);
        let minute = now_millis / 60_000;
        *state = if state.0 == minute { (minute, state.1.saturating_add(1)) } else { (minute, 1) };
    }
}

impl Credential {
    fn new(row: &CredentialRow, compiler: &Compiler, before: Option<&Entry>) -> Self {
        let mark = compiler.mac.digest(row.hash.as_bytes());
        let same_id = before.and_then(|entry| entry.credentials.iter().find(|c| c.id == row.id));
        let memo = OnceLock::new();
        // A memo says what the right secret of this very hash is. Everything else about the key is judged anew.
        if let Some(digest) = same_id.filter(|c| c.mark.ct_eq(mark)).and_then(|c| c.memo.get()) {
            let _ = memo.set(*digest);
        }
        Self {
            id: row.id,
            scheme: row.scheme,
            chosen: row.origin == Origin::Imported && row.strength == Strength::Chosen,
            tag: row.tag_key_id.zip(row.tag),
            not_after: row.not_after.unwrap_or(i64::MAX),
            mark,
            cost: compiler.hasher.cost_of(row),
            memo,
            failures: same_id.map_or_else(Arc::default, |c| Arc::clone(&c.failures)),
        }
    }
}

/// What turns rows into entries.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) mac: ProcessMac,
    pub(crate) mode: LevelMode,
    pub(crate) sealer: Sealer,
    pub(crate) hasher: Arc<Hasher>,
}

impl Compiler {
    fn entry(&self, row: &KeyWithCredentials, before: Option<&Entry>, levels: Arc<LevelSet>) -> Entry {
        let KeyWithCredentials { key, credentials } = row;
        Entry {
            id: key.id,
            name: key.name.as_str().into(),
            revision: key.revision,
            enabled: key.enabled,
            require_secure: key.require_secure,
            expires_at: key.expires_at.unwrap_or(i64::MAX),
            levels,
            unsealed: !self.sealer.is_sealed(key, credentials),
            credentials: credentials.iter().map(|c| Credential::new(c, self, before)).collect(),
            last_used: AtomicI64::new(before.map_or(i64::MIN, |b| b.last_used.load(Ordering::Relaxed))),
        }
    }
}

type Shard<K> = HashMap<K, Arc<Entry>, RandomState>;

/// All keys, by name and by id.
#[derive(Debug)]
pub(crate) struct Index {
    names: Map<Arc<str>>,
    ids: Map<Id>,
    generation: AtomicU64,
}

#[derive(Debug)]
struct Map<K> {
    shards: Box<[ArcSwap<Shard<K>>]>,
    hasher: RandomState,
}

impl<K: Eq + std::hash::Hash + Clone> Map<K> {
    fn new() -> Self {
        let hasher = RandomState::new();
        let empty = Arc::new(HashMap::with_hasher(hasher.clone()));
        Self { shards: (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect(), hasher }
    }

    fn position<Q: std::hash::Hash + ?Sized>(&self, key: &Q) -> usize {
        // The map inside uses the low bits for its buckets and the top ones for its tags: these are neither.
        (self.hasher.hash_one(key) >> 32) as usize % SHARDS
    }

    fn shard<Q: std::hash::Hash + ?Sized>(&self, key: &Q) -> Option<&ArcSwap<Shard<K>>> {
        self.shards.get(self.position(key))
    }

    fn change(&self, key: &K, change: impl Fn(&mut Shard<K>)) {
        if let Some(slot) = self.shard(key) {
            let mut shard = Shard::clone(&slot.load());
            change(&mut shard);
            slot.store(Arc::new(shard));
        }
    }

    fn replace_all(&self, entries: impl Iterator<Item = (K, Arc<Entry>)>) {
        let mut shards: Vec<Shard<K>> = (0..SHARDS).map(|_| HashMap::with_hasher(self.hasher.clone())).collect();
        for (key, entry) in entries {
            if let Some(shard) = shards.get_mut(self.position(&key)) {
                shard.insert(key, entry);
            }
        }
        for (slot, shard) in self.shards.iter().zip(shards) {
            slot.store(Arc::new(shard));
        }
    }
}

/// One shard, held while an entry of it is looked at: no reference count is touched.
pub(crate) struct Held<K>(Guard<Arc<Shard<K>>>);

impl Held<Arc<str>> {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.0.get(name)
    }
}

/// What becomes of one name.
enum NameChange {
    /// The key of this id no longer has it.
    GivenUpBy(Id),
    /// This is its key now.
    TakenBy(Arc<Entry>),
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { names: Map::new(), ids: Map::new(), generation: AtomicU64::new(0) }
    }

    /// The generation of the store that this shows. Entries may already be newer, never older.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Says that everything up to `generation` has been applied.
    pub(crate) fn publish(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }

    /// The shard in which `name` is, if it is anywhere.
    pub(crate) fn hold(&self, name: &str) -> Option<Held<Arc<str>>> {
        self.names.shard(name).map(|slot| Held(slot.load()))
    }

    pub(crate) fn by_id(&self, id: Id) -> Option<Arc<Entry>> {
        self.ids.shard(&id)?.load().get(&id).cloned()
    }

    /// Applies what changed. Only one thread at a time may.
    ///
    /// Checks go on meanwhile, so each name changes in one step: a key that is good before and after is never missing in
    /// between, also when two keys swap their names.
    pub(crate) fn apply(&self, changes: &[(Id, Option<KeyWithCredentials>)], compiler: &Compiler) {
        let mut names: HashMap<Arc<str>, NameChange> = HashMap::new();
        let mut entries = Vec::with_capacity(changes.len());
        for (id, row) in changes {
            let before = self.by_id(*id);
            let entry = row.as_ref().map(|row| {
                let levels = Arc::new(LevelSet::of_key(&row.key.levels, compiler.mode));
                Arc::new(compiler.entry(row, before.as_deref(), levels))
            });
            if let Some(old) = before {
                names.insert(Arc::clone(&old.name), NameChange::GivenUpBy(*id));
            }
            entries.push((id, entry));
        }
        // Whoever takes a name has it, even if it was just given up.
        for entry in entries.iter().filter_map(|(_, entry)| entry.as_ref()) {
            names.insert(Arc::clone(&entry.name), NameChange::TakenBy(Arc::clone(entry)));
        }
        for (name, change) in &names {
            self.names.change(name, |shard| match change {
                NameChange::TakenBy(entry) => {
                    shard.insert(Arc::clone(name), Arc::clone(entry));
                }
                NameChange::GivenUpBy(id) => {
                    if shard.get(name).is_some_and(|entry| entry.id == *id) {
                        shard.remove(name);
                    }
                }
            });
        }
        for (id, entry) in entries {
            self.ids.change(id, |shard| match &entry {
                Some(entry) => {
                    shard.insert(*id, Arc::clone(entry));
                }
                None => {
                    shard.remove(id);
                }
            });
        }
    }

    /// Replaces everything with what `load` gives. Only one thread at a time may. Returns what `load` does.
    pub(crate) fn rebuild(
        &self,
        compiler: &Compiler,
        load: impl FnOnce(&mut dyn FnMut(KeyWithCredentials) -> Result<()>) -> Result<u64>,
    ) -> Result<u64> {
        let mut entries = Vec::new();
        // Keys of one kind share their levels.
        let mut sets: HashMap<Vec<String>, Arc<LevelSet>> = HashMap::new();
        let generation = load(&mut |row| {
            let levels = match sets.get(&row.key.levels) {
                Some(levels) => Arc::clone(levels),
                None => {
                    let levels = Arc::new(LevelSet::of_key(&row.key.levels, compiler.mode));
                    sets.insert(row.key.levels.clone(), Arc::clone(&levels));
                    levels
                }
            };
            let before = self.by_id(row.key.id);
            entries.push(Arc::new(compiler.entry(&row, before.as_deref(), levels)));
            Ok(())
        })?;
        self.names.replace_all(entries.iter().map(|entry| (Arc::clone(&entry.name), Arc::clone(entry))));
        self.ids.replace_all(entries.iter().map(|entry| (entry.id, Arc::clone(entry))));
        Ok(generation)
    }
}

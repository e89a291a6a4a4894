//! What a check needs of every key, in memory.
//!
//! A look-up takes no lock and writes no shared memory. A change replaces one shard (a thousandth of the map), never
//! the whole. PHC strings stay in the store.

use std::{
    collections::HashMap,
    hint::black_box,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::{
    budget::Failures,
    decoy::Decoys,
    hash::Hasher,
    levels::LevelSet,
    mac::{Digest, ProcessMac},
    memo::Memo,
    name::Name,
    seal::Sealer,
};
use crate::{
    error::Result,
    id::{Id, fill_random},
    options::LevelMode,
    store::{CredentialRow, KeyWithCredentials, Origin, Scheme, Strength},
};

/// A power of two. Enough that a shard of a million keys is copied in microseconds, few enough for a small host.
const SHARDS: usize = 1024;

/// A key, as a check sees it. Immutable but for what is learnt while checking.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) name: Name,
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

impl Entry {
    /// The credential whose secret is known to be the one of this digest.
    #[inline]
    pub(crate) fn credential_of(&self, digest: Digest, now: i64) -> Option<&Credential> {
        self.credentials.iter().find(|credential| black_box(credential.is_alive(now) & credential.is_known_by(digest)))
    }
}

/// One of a key's secrets, as a check sees it.
#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) id: Id,
    pub(crate) scheme: Scheme,
    pub(crate) tag: Option<(u32, u32)>,
    /// Unix seconds; `i64::MAX` is never.
    pub(crate) not_after: i64,
    /// A digest of the stored hash: another hash is another secret, for all that is known here.
    pub(crate) mark: Digest,
    /// Bytes of memory that checking the stored hash takes; 0 when it is quick.
    pub(crate) cost: u64,
    /// The digest of the right secret, after its first success.
    pub(crate) memo: Memo,
    /// The mark of the hash that this process renews the stored one to: the same secret's, so that it need not be seen
    /// again.
    pub(crate) renewed: Memo,
    /// Whether this process has taken that on.
    pub(crate) renewing: AtomicBool,
    /// Wrong secrets lately, for a human-chosen one; it outlives every change of the record.
    pub(crate) failures: Option<Arc<Failures>>,
}

impl Credential {
    pub(crate) const fn is_alive(&self, now: i64) -> bool {
        now < self.not_after
    }

    /// Whether the right secret is known and is the one of this digest. Takes the same time for every wrong one, known
    /// or not: nothing branches on the parts of the answer.
    #[inline]
    pub(crate) fn is_known_by(&self, digest: Digest) -> bool {
        let (is_full, memo) = self.memo.read();
        is_full & memo.ct_eq(digest)
    }

    fn new(row: &CredentialRow, compiler: &Compiler, before: Option<&Entry>) -> Self {
        let mark = compiler.mac.digest(row.hash.as_bytes());
        let same_id = before.and_then(|entry| entry.credentials.iter().find(|c| c.id == row.id));
        let memo = Memo::default();
        // A memo says what the right secret of this very hash is. Everything else about the key is judged anew.
        let is_same = |c: &&Credential| c.mark.ct_eq(mark) || c.renewed.get().is_some_and(|to| to.ct_eq(mark));
        if let Some(digest) = same_id.filter(is_same).and_then(|c| c.memo.get()) {
            memo.set(digest);
        }
        let is_chosen = row.origin == Origin::Imported && row.strength == Strength::Chosen;
        Self {
            id: row.id,
            scheme: row.scheme,
            tag: row.tag_key_id.zip(row.tag),
            not_after: row.not_after.unwrap_or(i64::MAX),
            mark,
            cost: compiler.hasher.cost_of(row),
            memo,
            renewed: Memo::default(),
            renewing: AtomicBool::new(false),
            failures: is_chosen.then(|| same_id.and_then(|c| c.failures.clone()).unwrap_or_default()),
        }
    }
}

/// The credentials of a key that count. A key has one, or two while a rotation overlaps; more was not written by us,
/// and each costs every check of the key's name.
fn newest(credentials: &[CredentialRow]) -> &[CredentialRow] {
    const MOST: usize = 8;
    credentials.last_chunk::<MOST>().map_or(credentials, |newest| newest)
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
            name: Name::new(&key.name),
            revision: key.revision,
            enabled: key.enabled,
            require_secure: key.require_secure,
            expires_at: key.expires_at.unwrap_or(i64::MAX),
            levels,
            unsealed: !self.sealer.is_sealed(key, credentials),
            credentials: newest(credentials).iter().map(|c| Credential::new(c, self, before)).collect(),
            last_used: AtomicI64::new(before.map_or(i64::MIN, |b| b.last_used.load(Ordering::Relaxed))),
        }
    }
}

type Shard = HashTable<Arc<Entry>>;

/// All keys, by name and by id.
#[derive(Debug)]
pub(crate) struct Index {
    names: Map<[u8]>,
    ids: Map<Id>,
    generation: AtomicU64,
    decoys: Decoys,
}

/// What an entry is found by.
trait Key: Eq {
    fn of(entry: &Entry) -> &Self;
    fn hash(&self, hasher: &SipHasher13) -> u64;
}

impl Key for [u8] {
    fn of(entry: &Entry) -> &Self {
        entry.name.as_bytes()
    }

    fn hash(&self, hasher: &SipHasher13) -> u64 {
        hasher.hash(self)
    }
}

impl Key for Id {
    fn of(entry: &Entry) -> &Self {
        &entry.id
    }

    fn hash(&self, hasher: &SipHasher13) -> u64 {
        hasher.hash(&self.to_bytes())
    }
}

struct Map<K: ?Sized> {
    shards: Box<[ArcSwap<Shard>]>,
    /// Under a random key, so that nobody can choose names that fall together.
    hasher: SipHasher13,
    key: PhantomData<fn(&K)>,
}

impl<K: Key + ?Sized> Map<K> {
    fn new() -> Result<Self> {
        let mut key = [0; 16];
        fill_random(&mut key)?;
        let empty = Arc::new(Shard::new());
        let shards = (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect();
        Ok(Self { shards, hasher: SipHasher13::new_with_key(&key), key: PhantomData })
    }

    fn hash(&self, key: &K) -> u64 {
        key.hash(&self.hasher)
    }

    /// The shard in which a key of this hash is, if it is anywhere.
    fn shard(&self, hash: u64) -> Option<&ArcSwap<Shard>> {
        self.shards.get(position(hash))
    }

    fn hold(&self, key: &K) -> Option<(Guard<Arc<Shard>>, u64)> {
        let hash = self.hash(key);
        Some((self.shard(hash)?.load(), hash))
    }

    /// Puts an entry in the place of the one that had its key.
    fn put(&self, entry: &Arc<Entry>) {
        self.change(K::of(entry), |shard, hash| self.put_into(shard, hash, entry));
    }

    fn put_into(&self, shard: &mut Shard, hash: u64, entry: &Arc<Entry>) {
        match shard.find_mut(hash, |other| K::of(other) == K::of(entry)) {
            Some(place) => *place = Arc::clone(entry),
            None => {
                shard.insert_unique(hash, Arc::clone(entry), |other| self.hash(K::of(other)));
            }
        }
    }

    /// Removes the entry of this key, if it is the one that is meant.
    fn remove(&self, key: &K, is_meant: impl Fn(&Entry) -> bool) {
        self.change(key, |shard, hash| {
            if let Ok(found) = shard.find_entry(hash, |entry| K::of(entry) == key && is_meant(entry)) {
                found.remove();
            }
        });
    }

    fn change(&self, key: &K, change: impl Fn(&mut Shard, u64)) {
        let hash = self.hash(key);
        if let Some(slot) = self.shard(hash) {
            let mut shard = Shard::clone(&slot.load());
            change(&mut shard, hash);
            slot.store(Arc::new(shard));
        }
    }

    fn replace_all(&self, entries: &[Arc<Entry>]) {
        let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::new()).collect();
        for entry in entries {
            let hash = self.hash(K::of(entry));
            if let Some(shard) = shards.get_mut(position(hash)) {
                self.put_into(shard, hash, entry);
            }
        }
        for (slot, shard) in self.shards.iter().zip(shards) {
            slot.store(Arc::new(shard));
        }
    }
}

impl<K: ?Sized> std::fmt::Debug for Map<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Map")
    }
}

/// Which shard a hash belongs to.
const fn position(hash: u64) -> usize {
    // The table inside uses the low bits for its buckets and the top ones for its tags: these are neither.
    (hash >> 32) as usize % SHARDS
}

/// The shard in which a name is, if it is anywhere, held while its entry is looked at: no reference count is touched.
pub(crate) struct Held<'a> {
    shard: Guard<Arc<Shard>>,
    hash: u64,
    name: &'a [u8],
}

/// What a name was found to be.
#[derive(Clone, Copy)]
pub(crate) struct Found<'e> {
    /// Its key, or what stands in for it.
    pub(crate) entry: &'e Arc<Entry>,
    /// Whether there is such a key.
    pub(crate) exists: bool,
}

impl Held<'_> {
    pub(crate) fn get(&self) -> Option<&Arc<Entry>> {
        self.shard.find(self.hash, |entry| entry.name.as_bytes() == self.name)
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
    /// An index without keys, for a store whose tags are made under this key.
    ///
    /// # Errors
    /// `INTERNAL` when the operating system refuses randomness.
    pub(crate) fn new(tag_key_id: u32) -> Result<Self> {
        let decoys = Decoys::new(tag_key_id);
        Ok(Self { names: Map::new()?, ids: Map::new()?, generation: AtomicU64::new(0), decoys })
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
    pub(crate) fn hold<'a>(&self, name: &'a [u8]) -> Option<Held<'a>> {
        let (shard, hash) = self.names.hold(name)?;
        Some(Held { shard, hash, name })
    }

    /// What is held, or something to look at in its place.
    #[inline]
    pub(crate) fn find<'e>(&'e self, held: Option<&'e Held<'_>>) -> Found<'e> {
        if let Some(entry) = held.and_then(Held::get) {
            return Found { entry, exists: true };
        }
        let entry = self.decoys.of(held.map_or(0, |held| held.hash));
        if let Some(held) = held {
            // Where there is a key, its place was read, and its name compared: so with another one of the shard.
            let other = held.shard.iter().next().unwrap_or(entry);
            black_box(other.name.begins_with(held.name));
        }
        Found { entry, exists: false }
    }

    pub(crate) fn by_id(&self, id: Id) -> Option<Arc<Entry>> {
        let (shard, hash) = self.ids.hold(&id)?;
        shard.find(hash, |entry| entry.id == id).cloned()
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.shards.iter().map(|shard| shard.load().len()).sum()
    }

    /// Applies what changed. Only one thread at a time may.
    ///
    /// Checks go on meanwhile, so each name changes in one step: a key that is good before and after is never missing in
    /// between, also when two keys swap their names.
    pub(crate) fn apply(&self, changes: &[(Id, Option<KeyWithCredentials>)], compiler: &Compiler) {
        let mut names: HashMap<Name, NameChange> = HashMap::new();
        let mut entries = Vec::with_capacity(changes.len());
        for (id, row) in changes {
            let before = self.by_id(*id);
            let entry = row.as_ref().map(|row| {
                let levels = Arc::new(LevelSet::of_key(&row.key.levels, compiler.mode));
                Arc::new(compiler.entry(row, before.as_deref(), levels))
            });
            if let Some(old) = before {
                names.insert(old.name, NameChange::GivenUpBy(*id));
            }
            entries.push((*id, entry));
        }
        // Whoever takes a name has it, even if it was just given up.
        for entry in entries.iter().filter_map(|(_, entry)| entry.as_ref()) {
            names.insert(entry.name, NameChange::TakenBy(Arc::clone(entry)));
        }
        for (name, change) in &names {
            match change {
                NameChange::TakenBy(entry) => self.names.put(entry),
                NameChange::GivenUpBy(id) => self.names.remove(name.as_bytes(), |entry| entry.id == *id),
            }
        }
        for (id, entry) in &entries {
            match entry {
                Some(entry) => self.ids.put(entry),
                None => self.ids.remove(id, |_| true),
            }
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
        self.names.replace_all(&entries);
        self.ids.replace_all(&entries);
        Ok(generation)
    }
}

//! What a check needs of every key, in memory.
//!
//! A look-up takes no lock, writes no memory and counts no reference: records lie in places that never move, and tell
//! whether they were being written while they were read (`docs/decisions/0020`). A change writes the records that it is
//! about, never the whole. PHC strings and names stay in the store.

mod aside;
mod compile;
mod level_sets;
mod name_tag;
mod record;
mod segments;
mod table;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use foldhash::quality::FixedState;
use siphasher::sip::SipHasher13;

pub(crate) use compile::Compiler;
pub(crate) use name_tag::NameTag;
pub(crate) use record::{Mark, Record};

use super::{credential::MAX_NAME, levels::LevelSet, mac::Digest};
use crate::{
    error::Result,
    id::{Id, fill_random},
    lock::lock,
    per_process::PerProcess,
    store::KeyWithCredentials,
};
use aside::Aside;
use compile::{Learnt, newest};
use level_sets::LevelSets;
use name_tag::NameTags;
use record::{Slot, Version};
use segments::{Segments, WORDS, Words};
use table::{Looked, Table};

/// All keys, by name and by id.
pub(crate) struct Index {
    slots: Segments<Words>,
    /// How many slots were ever used.
    used: AtomicU32,
    /// The first free slot among them, plus one; 0 is none.
    free: AtomicU32,
    names: Table,
    ids: Table,
    level_sets: LevelSets,
    tags: NameTags,
    tag_key: u32,
    keys: AtomicU64,
    generation: AtomicU64,
    /// Set while something is being changed. Found set, whoever did that will never end it.
    is_changing: AtomicBool,
    /// Held by the one thread that changes anything.
    turn: PerProcess<Mutex<()>>,
    pub(crate) aside: Aside,
}

/// One credential of the key that was looked for; or, where there is no such key, of another one, to be looked at in its place.
#[derive(Clone, Copy)]
pub(crate) struct Found<'i> {
    slot: Slot<'i>,
    version: Version,
    pub(crate) record: Record,
    /// Whether there is such a key.
    pub(crate) exists: bool,
}

impl<'i> Found<'i> {
    /// Nobody's, nowhere.
    const NONE: Found<'static> =
        Found { slot: Slot(&NOTHING), version: Version::NONE, record: Record::NONE, exists: false };

    #[inline(always)]
    fn read(slot: Slot<'i>, name: NameTag) -> Option<Self> {
        let (record, version) = slot.read()?;
        // By the record itself: what stands in for a key can't be taken for it.
        let exists = record.name == name && name != NameTag::NONE;
        Some(Self { slot, version, record, exists })
    }

    /// Whether the presented secret of this digest is known to be right, and may be. Opaque, or the compiler would branch on its
    /// parts.
    #[inline]
    pub(crate) fn is_right(&self, digest: Digest, now: i64) -> bool {
        std::hint::black_box(self.exists & self.record.is_alive(now) & self.record.is_known_by(digest))
    }
}

/// Where nothing is, and nothing is written.
static NOTHING: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// What a change leaves to be done when all records of it are there: so that a key which is good before and after is never
/// missing in between, also when two keys swap their names.
#[derive(Default)]
struct Later {
    /// Keys that have a name now, by their first slots. Whoever takes a name has it, even if it was just given up.
    taken: Vec<u32>,
    /// Slots that nothing is to find any more, with the name that was theirs.
    left: Vec<(NameTag, u32)>,
}

impl Index {
    /// An index without keys, for a store whose tags are made under this key.
    ///
    /// # Errors
    /// `INTERNAL` when the operating system refuses randomness.
    pub(crate) fn new(tag_key: u32) -> Result<Self> {
        let mut levels = [0; 16];
        fill_random(&mut levels)?;
        Ok(Self {
            slots: Segments::new(),
            used: AtomicU32::new(0),
            free: AtomicU32::new(0),
            names: Table::new(),
            ids: Table::new(),
            level_sets: LevelSets::new(SipHasher13::new_with_key(&levels)),
            tags: NameTags::new()?,
            tag_key,
            keys: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            is_changing: AtomicBool::new(false),
            turn: PerProcess::new(|| Mutex::new(())),
            aside: Aside::new(),
        })
    }

    /// The generation of the store that this shows. Entries may already be newer, never older.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Says that everything up to `generation` has been applied.
    pub(crate) fn publish(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.keys.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    #[inline]
    pub(crate) fn tag_of(&self, name: &[u8]) -> NameTag {
        self.tags.of(name)
    }

    /// The first credential of the key of this name, or something to look at in its place. `None` while that can't be told,
    /// because it is being changed: see [`Index::settled`].
    #[inline(never)]
    pub(crate) fn find(&self, name: NameTag) -> Option<Found<'_>> {
        self.find_at_once(name)
    }

    /// As [`Index::find`], for the one place where each check passes.
    ///
    /// The first place of a name's hash is nearly always its key's, or nobody's. So there is one reading of one record, whether or
    /// not there is such a key.
    #[inline(always)]
    pub(crate) fn find_at_once(&self, name: NameTag) -> Option<Found<'_>> {
        let hash = self.tags.hash(name);
        let (at, is_somebodys) = match self.names.find(hash, Some) {
            Looked::Found(at) => (at, true),
            Looked::Nothing => (self.stand_in(hash), false),
            Looked::Unsure => return None,
        };
        match Found::read(self.slot(at).unwrap_or(Slot(&NOTHING)), name) {
            Some(found) if found.exists | !is_somebodys => Some(found),
            None if !is_somebodys => Some(Found::NONE),
            Some(_) => self.find_further(name, hash),
            None => None,
        }
    }

    /// As [`Index::find`], when two names fall together.
    #[cold]
    #[inline(never)]
    fn find_further(&self, name: NameTag, hash: u64) -> Option<Found<'_>> {
        let looked = self.names.find(hash, |at| match Found::read(self.slot(at)?, name) {
            Some(found) if found.exists => Some(Some(found)),
            Some(_) => None,
            None => Some(None),
        });
        match looked {
            Looked::Found(found) => found,
            Looked::Nothing => Some(Found::NONE),
            Looked::Unsure => None,
        }
    }

    /// Where any key is, always the same one for one name: a look-up that finds nothing reads as much as one that does.
    #[inline(always)]
    fn stand_in(&self, hash: u64) -> u32 {
        // Scaled, not divided.
        ((hash >> 32).wrapping_mul(u64::from(self.used.load(Ordering::Relaxed))) >> 32) as u32
    }

    /// The key's next credential, `None` behind the last. The inner `None` while that can't be told.
    pub(crate) fn next(&self, found: &Found<'_>) -> Option<Option<Found<'_>>> {
        let at = found.record.next.checked_sub(1)?;
        let next = self.slot(at).and_then(|slot| Found::read(slot, found.record.name));
        // What is not the same key's has been put there since.
        let next = next.filter(|next| next.exists && next.record.id == found.record.id);
        Some(next.map(|next| Found { exists: found.exists, ..next }))
    }

    /// All credentials of a key; `None` while that can't be told.
    pub(crate) fn credentials<'i>(&'i self, found: Found<'i>) -> Option<Vec<Found<'i>>> {
        let mut all = vec![found];
        while let Some(next) = all.last().and_then(|last| self.next(last)) {
            all.push(next?);
        }
        Some(all)
    }

    /// The first credential of the key of this identity; the outer `None` while that can't be told.
    pub(crate) fn by_id(&self, id: Id) -> Option<Option<Found<'_>>> {
        let looked = self.ids.find(self.hash_of_id(id), |at| {
            let slot = self.slot(at)?;
            let Some((record, version)) = slot.read() else { return Some(None) };
            (record.id == id).then_some(Some(Found { slot, version, record, exists: true }))
        });
        match looked {
            Looked::Found(found) => found.map(Some),
            Looked::Nothing => Some(None),
            Looked::Unsure => None,
        }
    }

    /// Whether a key of this identity is here; also when that can't be told.
    pub(crate) fn has(&self, id: Id) -> bool {
        !matches!(self.by_id(id), Some(None))
    }

    /// The identities of all keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        let heads = (0..self.used.load(Ordering::Relaxed)).map(|at| (at, self.own(at).id));
        heads.filter(|(at, id)| *id != Id::NIL && self.head_of(*id) == Some(*at)).map(|(_, id)| id)
    }

    /// Whether a key is here as this row has it. `false` also while that can't be told.
    pub(crate) fn shows(&self, row: &KeyWithCredentials, compiler: &Compiler) -> bool {
        let Some(Some(head)) = self.by_id(row.key.id) else { return false };
        let Some(found) = self.credentials(head) else { return false };
        let set = compiler.level_set(&row.key.levels);
        let mut key = compiler.key(row, 0, &set);
        key.name = self.name_of(row);
        let is_named = key.name == NameTag::NONE
            || self.find(key.name).is_some_and(|named| named.exists && named.record.id == row.key.id);
        let mut expected: Vec<Record> = newest(&row.credentials)
            .iter()
            .map(|credential| compiler.credential(&key, row.key.expires_at, credential, self.tag_key))
            .collect();
        if expected.is_empty() {
            expected.push(key);
        }
        let fits = |(expected, Found { record, .. }): (&Record, &Found<'_>)| {
            let Record { memo, last_used, levels, next, .. } = *record;
            Record { memo, last_used, levels, next, ..*expected } == *record
        };
        is_named
            && found.len() == expected.len()
            && expected.iter().zip(&found).all(fits)
            && self.level_sets.get(head.record.levels).is_some_and(|held| *held == set)
    }

    /// When a key was last used, by whichever of its credentials, as far as this process has noted it.
    pub(crate) fn last_used(&self, id: Id) -> Option<i64> {
        let all = self.credentials(self.by_id(id)??)?;
        all.iter().map(|found| found.record.last_used).max()
    }

    /// What `look` finds when nothing is being changed.
    pub(crate) fn settled<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        look().or_else(|| self.in_turn(look))
    }

    /// The levels of a key, as they were when it was found, or as they are now.
    pub(crate) fn levels(&self, found: &Found<'_>) -> Arc<LevelSet> {
        let levels = |found: &Found<'_>| {
            let set = self.level_sets.get(found.record.levels)?;
            // What has another version may have given its set up, and the set's place may be another's.
            found.slot.holds(found.version).then_some(set)
        };
        let now = || {
            let found = self.by_id(found.record.id)?;
            found.map_or_else(|| Some(Arc::new(LevelSet::anonymous())), |found| levels(&found))
        };
        levels(found).or_else(|| self.settled(now)).unwrap_or_else(|| Arc::new(LevelSet::anonymous()))
    }

    #[inline]
    fn slot(&self, at: u32) -> Option<Slot<'_>> {
        let (words, within) = self.slots.get(at)?;
        words.item(within).map(Slot)
    }

    fn hash_of_name(&self, at: u32) -> u64 {
        self.tags.hash(self.own(at).name)
    }

    fn hash_of_id(&self, id: Id) -> u64 {
        self.tags.hash_of_id(id)
    }

    /// Runs what may change this, alone.
    pub(crate) fn in_turn<R>(&self, work: impl FnOnce() -> R) -> R {
        let turn = self.turn.get();
        let _turn = lock(&turn);
        work()
    }

    /// Remembers the right secret of a credential, if it still is what it was when it was found.
    pub(crate) fn learn(&self, found: &Found<'_>, digest: Digest) {
        self.in_turn(|| {
            if found.slot.holds(found.version) {
                found.slot.learn(digest);
            }
        });
    }

    /// Notes a use in memory; whether this call did. Never waits.
    pub(crate) fn note_used(&self, found: &Found<'_>, now: i64) -> bool {
        let turn = self.turn.get();
        let _turn = match turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody changes something: the next use is noted.
            Err(TryLockError::WouldBlock) => return false,
        };
        let is_new = found.slot.holds(found.version) && found.slot.read_own().last_used == found.record.last_used;
        if is_new {
            found.slot.set_last_used(now);
        }
        is_new
    }

    /// Whether somebody began a change who will never end it: in a child that was forked in the middle, or by a panic. Then
    /// only [`Index::rebuild`] helps. Only in [turn](Self::in_turn).
    pub(crate) fn is_torn(&self) -> bool {
        self.is_changing.load(Ordering::Relaxed)
    }

    /// Applies what changed. Only in [turn](Self::in_turn).
    ///
    /// Checks go on meanwhile.
    pub(crate) fn apply(&self, changes: &[(Id, Option<KeyWithCredentials>)], compiler: &Compiler) {
        self.is_changing.store(true, Ordering::Relaxed);
        let mut later = Later::default();
        for (id, row) in changes {
            match row {
                Some(row) => {
                    let levels = self.level_sets.intern(compiler.level_set(&row.key.levels));
                    self.set(row, levels, compiler, &mut later);
                }
                None => self.remove(*id, &mut later),
            }
        }
        self.finish(later);
        self.is_changing.store(false, Ordering::Relaxed);
    }

    /// Replaces everything with what `load` gives. Only in [turn](Self::in_turn). Returns what `load` does.
    pub(crate) fn rebuild(
        &self,
        compiler: &Compiler,
        load: impl FnOnce(&mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64>,
    ) -> Result<u64> {
        if self.is_torn() {
            self.clear();
        }
        self.is_changing.store(true, Ordering::Relaxed);
        let generation = if self.keys.load(Ordering::Relaxed) == 0 {
            self.fill(compiler, load)
        } else {
            self.follow(compiler, load)
        };
        self.is_changing.store(false, Ordering::Relaxed);
        generation
    }

    /// The first load: nothing is found before all is there, and the tables are made as large as they have to be, once.
    fn fill(
        &self,
        compiler: &Compiler,
        load: impl FnOnce(&mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64>,
    ) -> Result<u64> {
        self.clear();
        let mut known = KnownLevels::new(&self.tags);
        let mut heads = Vec::new();
        let generation = load(&mut |row| {
            let levels = known.number(&row.key.levels, |levels| self.level_sets.intern(compiler.level_set(levels)));
            heads.push(self.add(row, levels, compiler));
            Ok(())
        });
        let generation = match generation {
            Ok(generation) => generation,
            Err(error) => {
                self.clear();
                return Err(error);
            }
        };
        self.names.make_room_for(heads.len() as u64, |_| 0);
        self.ids.make_room_for(heads.len() as u64, |_| 0);
        let mut twice = Later::default();
        // So many at a time as a processor has loads under way.
        for some in heads.chunks(16) {
            for head in some {
                let record = self.own(*head);
                self.ids.touch(self.hash_of_id(record.id));
                self.names.touch(self.tags.hash(record.name));
            }
            for head in some {
                let record = self.own(*head);
                let former = self.head_of(record.id);
                self.put_id(*head, &record, former);
                self.put_name(*head, &record);
                let former = former.map(|former| self.chain(former)).unwrap_or_default();
                twice.left.extend(former.into_iter().map(|at| (self.own(at).name, at)));
            }
        }
        let keys =
            heads.len().saturating_sub(twice.left.iter().filter(|(_, at)| heads.binary_search(at).is_ok()).count());
        self.finish(twice);
        self.keys.store(keys as u64, Ordering::Relaxed);
        Ok(generation)
    }

    /// Every later load: what is there stays, what has gone goes.
    fn follow(
        &self,
        compiler: &Compiler,
        load: impl FnOnce(&mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64>,
    ) -> Result<u64> {
        let mut known = KnownLevels::new(&self.tags);
        let mut later = Later::default();
        let mut present = std::collections::HashSet::new();
        let before = self.used.load(Ordering::Relaxed);
        let generation = load(&mut |row| {
            let levels = known.number(&row.key.levels, |levels| self.level_sets.intern(compiler.level_set(levels)));
            self.set(row, levels, compiler, &mut later);
            present.insert(row.key.id);
            Ok(())
        });
        if generation.is_ok() {
            for at in 0..before {
                let record = self.own(at);
                if record.id != Id::NIL && !present.contains(&record.id) && self.head_of(record.id) == Some(at) {
                    self.remove(record.id, &mut later);
                }
            }
        }
        self.finish(later);
        generation
    }

    /// Writes a key's records, and has it found by its id; by its name, [`Index::finish`] does.
    fn set(&self, row: &KeyWithCredentials, levels: u32, compiler: &Compiler, later: &mut Later) {
        let Some(old) = self.head_of(row.key.id) else {
            let head = self.add(row, levels, compiler);
            self.put_id(head, &self.own(head), None);
            self.keys.fetch_add(1, Ordering::Relaxed);
            later.taken.push(head);
            return;
        };
        let chain = self.chain(old);
        let before: Vec<Record> = chain.iter().map(|at| self.own(*at)).collect();
        let name = before.first().map(|head| head.name);
        let is_renamed = name != Some(self.name_of(row));
        let learnt = Learnt { before: &before, aside: &self.aside };
        if is_renamed {
            let head = self.write(row, levels, compiler, &learnt, None);
            self.put_id(head, &self.own(head), Some(old));
            later.taken.push(head);
            later.left.extend(chain.iter().zip(&before).map(|(at, record)| (record.name, *at)));
        } else {
            self.write(row, levels, compiler, &learnt, Some(old));
            if let Some(head) = before.first() {
                self.level_sets.release(head.levels);
            }
            later.left.extend(chain.iter().zip(&before).skip(1).map(|(at, record)| (record.name, *at)));
        }
        self.aside.forget(&before, |id| row.credentials.iter().any(|credential| credential.id == id));
    }

    /// Writes a key's records into slots of their own.
    fn add(&self, row: &KeyWithCredentials, levels: u32, compiler: &Compiler) -> u32 {
        self.write(row, levels, compiler, &Learnt { before: &[], aside: &self.aside }, None)
    }

    /// Writes a key's records, the first one last: into slot `head`, or one of its own. Returns that.
    fn write(
        &self,
        row: &KeyWithCredentials,
        levels: u32,
        compiler: &Compiler,
        learnt: &Learnt<'_>,
        head: Option<u32>,
    ) -> u32 {
        let set = self.level_sets.get(levels);
        let mut key = match &set {
            Some(set) => compiler.key(row, levels, set),
            None => compiler.key(row, levels, &LevelSet::anonymous()),
        };
        key.name = self.name_of(row);
        let put = |record: &Record, at: Option<u32>| {
            let at = at.unwrap_or_else(|| self.take_slot());
            self.level_sets.hold(levels);
            if let Some(slot) = self.slot(at) {
                slot.write(record);
            }
            at
        };
        let compile = |credential| {
            let mut record = compiler.credential(&key, row.key.expires_at, credential, self.tag_key);
            learnt.keep(&mut record);
            record
        };
        let Some((first, others)) = newest(&row.credentials).split_first() else { return put(&key, head) };
        let mut next = 0;
        for credential in others.iter().rev() {
            next = put(&Record { next, ..compile(credential) }, None).wrapping_add(1);
        }
        put(&Record { next, ..compile(first) }, head)
    }

    /// Has a key no longer found by its id; by its name, [`Index::finish`] does.
    fn remove(&self, id: Id, later: &mut Later) {
        let Some(head) = self.head_of(id) else { return };
        for at in self.chain(head) {
            let record = self.own(at);
            self.aside.forget(&[record], |_| false);
            later.left.push((record.name, at));
        }
        self.ids.remove(self.hash_of_id(id), head, |at| self.hash_of_id(self.own(at).id));
        self.keys.fetch_sub(1, Ordering::Relaxed);
    }

    /// Has keys found by the names that they have now, and nothing by those that they had.
    fn finish(&self, later: Later) {
        for head in later.taken {
            self.put_name(head, &self.own(head));
        }
        for (name, at) in &later.left {
            self.names.remove(self.tags.hash(*name), *at, |at| self.hash_of_name(at));
        }
        for (_, at) in later.left {
            self.free_slot(at);
        }
    }

    fn put_name(&self, head: u32, record: &Record) {
        let name = record.name;
        if name == NameTag::NONE {
            return;
        }
        let former = match self.names.find(self.tags.hash(name), |at| (self.own(at).name == record.name).then_some(at))
        {
            Looked::Found(former) => Some(former),
            Looked::Nothing | Looked::Unsure => None,
        };
        self.names.put(self.tags.hash(name), head, former, |at| self.hash_of_name(at));
    }

    fn put_id(&self, head: u32, record: &Record, former: Option<u32>) {
        self.ids.put(self.hash_of_id(record.id), head, former, |at| self.hash_of_id(self.own(at).id));
    }

    /// The digest of a key's name; nobody's when it is longer than a name can be: what a foreign writer misnamed so is in no
    /// look-up's reach.
    fn name_of(&self, row: &KeyWithCredentials) -> NameTag {
        if row.key.name.len() > MAX_NAME { NameTag::NONE } else { self.tag_of(row.key.name.as_bytes()) }
    }

    /// The first slot of a key.
    fn head_of(&self, id: Id) -> Option<u32> {
        match self.ids.find(self.hash_of_id(id), |at| (self.own(at).id == id).then_some(at)) {
            Looked::Found(at) => Some(at),
            Looked::Nothing | Looked::Unsure => None,
        }
    }

    /// All slots of a key, from its first.
    fn chain(&self, head: u32) -> Vec<u32> {
        let next = |at: &u32| self.own(*at).next.checked_sub(1);
        std::iter::successors(Some(head), next).collect()
    }

    /// What stands in a slot, for the thread that writes.
    fn own(&self, at: u32) -> Record {
        self.slot(at).map_or(Record::NONE, Slot::read_own)
    }

    fn take_slot(&self) -> u32 {
        match self.free.load(Ordering::Relaxed).checked_sub(1) {
            Some(at) => {
                self.free.store(self.own(at).revision as u32, Ordering::Relaxed);
                at
            }
            None => {
                let at = self.used.load(Ordering::Relaxed);
                self.slots.get_or_make(at, Words::new);
                self.used.store(at.saturating_add(1), Ordering::Relaxed);
                at
            }
        }
    }

    fn free_slot(&self, at: u32) {
        let Some(slot) = self.slot(at) else { return };
        self.level_sets.release(slot.read_own().levels);
        // Its revision says which one is free after it. (Not `next`: it may stand in for a key, and is no chain.)
        slot.write(&Record { revision: self.free.load(Ordering::Relaxed).into(), ..Record::NONE });
        self.free.store(at.wrapping_add(1), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.names.clear();
        self.ids.clear();
        for at in 0..self.used.swap(0, Ordering::Relaxed) {
            if let Some(slot) = self.slot(at) {
                slot.write(&Record::NONE);
            }
        }
        self.free.store(0, Ordering::Relaxed);
        self.keys.store(0, Ordering::Relaxed);
        self.level_sets.clear();
    }
}

/// The numbers of level sets that a load has met: keys of one kind share theirs.
struct KnownLevels(HashMap<Vec<String>, u32, FixedState>);

impl KnownLevels {
    fn new(tags: &NameTags) -> Self {
        Self(HashMap::with_hasher(tags.places()))
    }

    fn number(&mut self, levels: &[String], intern: impl FnOnce(&[String]) -> u32) -> u32 {
        match self.0.get(levels) {
            Some(number) => *number,
            None => {
                let number = intern(levels);
                self.0.insert(levels.to_vec(), number);
                number
            }
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("keys", &self.keys).field("generation", &self.generation).finish_non_exhaustive()
    }
}

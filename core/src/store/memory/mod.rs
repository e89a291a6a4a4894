//! The store in memory: for tests, and for hosts that load keys from a place of their own.
//!
//! The whole state is one immutable value that is swapped at each commit, so reads never wait and a transaction that
//! fails leaves no trace. A copy of it is cheap (see `sharded`). After a `fork` each process goes on with its own.

mod ledger;
mod sharded;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use inspire_auth_platform::fork;
use zeroize::Zeroizing;

use self::{
    ledger::{Book, Entries},
    sharded::Sharded,
};
use super::{
    AuditEvent, Changes, CredentialRow, KeyChanges, KeyRow, KeyWithCredentials, Ledger, LicenseRow, Reader, ReleaseRow,
    Store, TagKey, Transaction,
};
use crate::{
    error::{Code, Error, Result},
    id::{Id, fill_random},
};

/// How many commits the change log remembers.
const LOG_KEPT: usize = 1_000;
/// How many audit events are kept.
const AUDIT_KEPT: usize = 100_000;

/// A store that is gone with its handle, and that no other process sees.
pub struct MemoryStore {
    state: ArcSwap<State>,
    /// The generation of `state`, for whoever asks for nothing else, which is every check. It is raised after `state`
    /// has been replaced and before the commit returns: whoever reads a generation here finds a state at least as new
    /// there, and whoever knows of a commit that returned reads its generation here.
    generation: AtomicU64,
    /// What one process takes turns on; a forked child gets its own, since the parent's may be locked for ever.
    turns: ArcSwap<Turns>,
    tag_key: TagKey,
}

#[derive(Debug, Clone)]
struct State {
    generation: u64,
    keys: Sharded<Id, Arc<KeyWithCredentials>>,
    names: Sharded<String, Id>,
    /// Which key a credential belongs to.
    owners: Sharded<Id, Id>,
    license: Option<Arc<LicenseRow>>,
    marks: Arc<BTreeMap<String, i64>>,
    burials: Arc<BTreeMap<String, i64>>,
    releases: Arc<Vec<ReleaseRow>>,
    installation_key: Option<Arc<Zeroizing<[u8; 32]>>>,
    log: Arc<VecDeque<Commit>>,
}

/// One entry of the change log.
#[derive(Debug, Clone)]
struct Commit {
    generation: u64,
    keys: Arc<BTreeSet<Id>>,
    license: bool,
}

#[derive(Debug, Default)]
struct Turns {
    epoch: u32,
    writer: Mutex<()>,
    changed: Condvar,
    /// Guards nothing: what `changed` waits on.
    waiting: Mutex<()>,
    activity: Mutex<Activity>,
    book: Mutex<Book>,
}

#[derive(Debug, Default, Clone)]
struct Activity {
    last_used: BTreeMap<Id, i64>,
    audit: VecDeque<AuditEvent>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("generation", &self.generation).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held left either the old state or the new one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// An empty store.
    ///
    /// # Errors
    /// `INTERNAL` when the operating system refuses randomness.
    pub fn new() -> Result<Self> {
        let mut secret = Zeroizing::new([0_u8; 16]);
        fill_random(&mut *secret)?;
        let state = State {
            generation: 1,
            keys: Sharded::new(),
            names: Sharded::new(),
            owners: Sharded::new(),
            license: None,
            marks: Arc::default(),
            burials: Arc::default(),
            releases: Arc::default(),
            installation_key: None,
            log: Arc::new(VecDeque::from([Commit { generation: 1, keys: Arc::default(), license: false }])),
        };
        Ok(Self {
            generation: AtomicU64::new(state.generation),
            state: ArcSwap::from_pointee(state),
            turns: ArcSwap::from_pointee(Turns { epoch: fork::epoch(), ..Turns::default() }),
            tag_key: TagKey { id: 1, secret },
        })
    }

    fn turns(&self) -> Arc<Turns> {
        let present = self.turns.load_full();
        let epoch = fork::epoch();
        if present.epoch == epoch {
            return present;
        }
        // What was noted so far comes along, unless a thread that did not survive the fork was just noting something.
        let activity = present.activity.try_lock().map(|activity| activity.clone()).unwrap_or_default();
        // The fork may have come between the two steps of a commit: its other step is made up for.
        self.generation.fetch_max(self.state.load().generation, Ordering::AcqRel);
        let book = present.book.try_lock().map(|book| book.clone()).unwrap_or_default();
        let fresh = Turns { epoch, activity: Mutex::new(activity), book: Mutex::new(book), ..Turns::default() };
        self.turns.compare_and_swap(&present, Arc::new(fresh));
        // Abandoned, not dropped: its locks may be held by threads of the parent.
        std::mem::forget(present);
        self.turns.load_full()
    }
}

impl Store for MemoryStore {
    fn generation(&self) -> Result<u64> {
        Ok(self.generation.load(Ordering::Acquire))
    }

    fn generation_now(&self) -> Result<Option<u64>> {
        Ok(Some(self.generation.load(Ordering::Acquire)))
    }

    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
        let state = self.state.load_full();
        state.keys.values().try_for_each(|key| each(key))?;
        Ok(state.generation)
    }

    fn changes_since(&self, since: u64) -> Result<Changes> {
        let state = self.state.load_full();
        let generation = state.generation;
        let Some(at) = state.log.iter().rposition(|commit| commit.generation == since) else {
            return Ok(Changes { generation, keys: KeyChanges::Everything, license: true });
        };
        let (mut ids, mut license) = (BTreeSet::new(), false);
        for commit in state.log.iter().skip(at).skip(1) {
            ids.extend(commit.keys.iter().copied());
            license |= commit.license;
        }
        let keys = ids.into_iter().map(|id| (id, state.keys.get(&id).map(|key| KeyWithCredentials::clone(key))));
        Ok(Changes { generation, keys: KeyChanges::Only(keys.collect()), license })
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        body(&*self.state.load_full())
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        let turns = self.turns();
        let turn = lock(&turns.writer);
        let state = State::clone(&self.state.load());
        let mut draft = Draft { state, keys: BTreeSet::new(), license: false };
        body(&mut draft)?;
        let Draft { mut state, keys, license } = draft;
        if keys.is_empty() && !license {
            return Ok(state.generation);
        }
        state.generation = state.generation.saturating_add(1);
        let generation = state.generation;
        let log = Arc::make_mut(&mut state.log);
        log.push_back(Commit { generation, keys: Arc::new(keys), license });
        if log.len() > LOG_KEPT {
            log.pop_front();
        }
        self.state.store(Arc::new(state));
        self.generation.store(generation, Ordering::Release);
        drop(turn);
        // Under the lock that waiters hold between looking and sleeping, so that none misses it.
        drop(lock(&turns.waiting));
        turns.changed.notify_all();
        Ok(generation)
    }

    fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()> {
        let turns = self.turns();
        let mut book = lock(&turns.book);
        let mut draft = Entries { book: Book::clone(&book), marks: self.state.load_full().license_marks()? };
        body(&mut draft)?;
        *book = draft.book;
        Ok(())
    }

    fn wait_for_change(&self, seen: u64, timeout: Duration) -> Result<u64> {
        let turns = self.turns();
        let begun = Instant::now();
        let mut waiting = lock(&turns.waiting);
        loop {
            let generation = self.generation()?;
            let left = timeout.saturating_sub(begun.elapsed());
            if generation != seen || left.is_zero() {
                return Ok(generation);
            }
            waiting = turns.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn tag_key(&self) -> Result<TagKey> {
        Ok(self.tag_key.clone())
    }

    fn adopt(&self) -> Result<()> {
        // Nobody can put another history in its place.
        Ok(())
    }

    fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        let turns = self.turns();
        let mut activity = lock(&turns.activity);
        for (key, at) in batch {
            activity.last_used.entry(*key).and_modify(|noted| *noted = (*noted).max(*at)).or_insert(*at);
        }
        Ok(())
    }

    fn last_used(&self, key: Id) -> Result<Option<i64>> {
        Ok(lock(&self.turns().activity).last_used.get(&key).copied())
    }

    fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        let turns = self.turns();
        let mut activity = lock(&turns.activity);
        activity.audit.extend(events.iter().cloned());
        let excess = activity.audit.len().saturating_sub(AUDIT_KEPT);
        activity.audit.drain(..excess);
        Ok(())
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        Ok(lock(&self.turns().activity).audit.iter().rev().take(limit).cloned().collect())
    }
}

impl Reader for State {
    fn generation(&self) -> Result<u64> {
        Ok(self.generation)
    }

    fn key_by_name(&self, name: &str) -> Result<Option<KeyWithCredentials>> {
        self.names.get(name).map_or(Ok(None), |id| self.key_by_id(*id))
    }

    fn key_by_id(&self, id: Id) -> Result<Option<KeyWithCredentials>> {
        Ok(self.keys.get(&id).map(|key| KeyWithCredentials::clone(key)))
    }

    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeyWithCredentials>> {
        let names = self.names.after(after, limit);
        Ok(names
            .into_iter()
            .filter_map(|(_, id)| self.keys.get(id))
            .map(|key| KeyWithCredentials::clone(key))
            .collect())
    }

    fn credential(&self, id: Id) -> Result<Option<CredentialRow>> {
        let key = self.owners.get(&id).and_then(|key| self.keys.get(key));
        Ok(key.and_then(|key| key.credentials.iter().find(|credential| credential.id == id)).cloned())
    }

    fn license(&self) -> Result<Option<LicenseRow>> {
        Ok(self.license.as_deref().cloned())
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        Ok(self.marks.iter().map(|(key_id, issued)| (key_id.clone(), *issued)).collect())
    }

    fn license_burial(&self, license_id: &str) -> Result<Option<i64>> {
        Ok(self.burials.get(license_id).copied())
    }

    fn releases(&self) -> Result<Vec<ReleaseRow>> {
        Ok(self.releases.to_vec())
    }

    fn installation_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>> {
        Ok(self.installation_key.as_deref().cloned())
    }
}

/// A transaction under way: a state of its own, and what of it differs.
struct Draft {
    state: State,
    keys: BTreeSet<Id>,
    license: bool,
}

impl Draft {
    /// Changes the key `id`; its credentials stay in order.
    fn change(&mut self, id: Id, change: impl FnOnce(&mut KeyWithCredentials)) -> Result<()> {
        let Some(present) = self.state.keys.get(&id) else { return Err(Code::NotFound.into()) };
        let mut key = KeyWithCredentials::clone(present);
        change(&mut key);
        key.credentials.sort_by_key(|credential| (credential.created_at, credential.id));
        self.state.keys.insert(id, Arc::new(key));
        self.keys.insert(id);
        Ok(())
    }

    fn owner(&self, credential: Id) -> Result<Id> {
        self.state.owners.get(&credential).copied().ok_or(Error::new(Code::NotFound))
    }
}

impl Reader for Draft {
    fn generation(&self) -> Result<u64> {
        self.state.generation()
    }
    fn key_by_name(&self, name: &str) -> Result<Option<KeyWithCredentials>> {
        self.state.key_by_name(name)
    }
    fn key_by_id(&self, id: Id) -> Result<Option<KeyWithCredentials>> {
        self.state.key_by_id(id)
    }
    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeyWithCredentials>> {
        self.state.keys_after(after, limit)
    }
    fn credential(&self, id: Id) -> Result<Option<CredentialRow>> {
        self.state.credential(id)
    }
    fn license(&self) -> Result<Option<LicenseRow>> {
        self.state.license()
    }
    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        self.state.license_marks()
    }
    fn license_burial(&self, license_id: &str) -> Result<Option<i64>> {
        self.state.license_burial(license_id)
    }
    fn releases(&self) -> Result<Vec<ReleaseRow>> {
        Reader::releases(&self.state)
    }
    fn installation_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>> {
        Reader::installation_key(&self.state)
    }
}

impl Transaction for Draft {
    fn insert_key(&mut self, key: &KeyRow) -> Result<()> {
        if self.state.names.get(&key.name).is_some() || self.state.keys.get(&key.id).is_some() {
            return Err(Code::NameTaken.into());
        }
        self.state.names.insert(key.name.clone(), key.id);
        self.state.keys.insert(key.id, Arc::new(KeyWithCredentials { key: key.clone(), credentials: Vec::new() }));
        self.keys.insert(key.id);
        Ok(())
    }

    fn update_key(&mut self, key: &KeyRow) -> Result<()> {
        let Some(present) = self.state.keys.get(&key.id) else { return Err(Code::NotFound.into()) };
        let former = present.key.name.clone();
        if former != key.name {
            if self.state.names.get(&key.name).is_some() {
                return Err(Code::NameTaken.into());
            }
            self.state.names.remove(&former);
            self.state.names.insert(key.name.clone(), key.id);
        }
        self.change(key.id, |present| present.key = key.clone())
    }

    fn delete_key(&mut self, id: Id) -> Result<()> {
        let Some(present) = self.state.keys.get(&id).cloned() else { return Err(Code::NotFound.into()) };
        for credential in &present.credentials {
            self.state.owners.remove(&credential.id);
        }
        self.state.names.remove(&present.key.name);
        self.state.keys.remove(&id);
        self.keys.insert(id);
        Ok(())
    }

    fn insert_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        if self.state.owners.get(&credential.id).is_some() {
            return Err(Code::Conflict.into());
        }
        self.change(credential.key_id, |key| key.credentials.push(credential.clone()))?;
        self.state.owners.insert(credential.id, credential.key_id);
        Ok(())
    }

    fn update_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        if self.state.keys.get(&credential.key_id).is_none() {
            return Err(Code::NotFound.into());
        }
        self.delete_credential(credential.id)?;
        self.insert_credential(credential)
    }

    fn delete_credential(&mut self, id: Id) -> Result<()> {
        let owner = self.owner(id)?;
        self.change(owner, |key| key.credentials.retain(|credential| credential.id != id))?;
        self.state.owners.remove(&id);
        Ok(())
    }

    fn set_license(&mut self, license: Option<&LicenseRow>) -> Result<()> {
        self.license |= license.is_some() || self.state.license.is_some();
        self.state.license = license.cloned().map(Arc::new);
        Ok(())
    }

    fn raise_license_mark(&mut self, key_id: &str, issued: i64) -> Result<()> {
        self.license |= raise(&mut self.state.marks, key_id, issued);
        Ok(())
    }

    fn bury_license(&mut self, license_id: &str, issued: i64) -> Result<()> {
        self.license |= raise(&mut self.state.burials, license_id, issued);
        Ok(())
    }

    fn put_release(&mut self, release: &ReleaseRow) -> Result<()> {
        self.drop_release(&release.machine)?;
        let releases = Arc::make_mut(&mut self.state.releases);
        releases.push(release.clone());
        releases.sort_by(|a, b| (a.since, &a.machine).cmp(&(b.since, &b.machine)));
        self.license = true;
        Ok(())
    }

    fn drop_release(&mut self, machine: &str) -> Result<()> {
        if self.state.releases.iter().any(|release| release.machine == machine) {
            Arc::make_mut(&mut self.state.releases).retain(|release| release.machine != machine);
            self.license = true;
        }
        Ok(())
    }

    fn set_installation_key(&mut self, seed: &[u8; 32]) -> Result<()> {
        self.state.installation_key = Some(Arc::new(Zeroizing::new(*seed)));
        self.license = true;
        Ok(())
    }
}

/// Raises a time; whether that changed anything.
fn raise(times: &mut Arc<BTreeMap<String, i64>>, name: &str, issued: i64) -> bool {
    let higher = times.get(name).is_none_or(|present| *present < issued);
    if higher {
        Arc::make_mut(times).insert(name.to_owned(), issued);
    }
    higher
}

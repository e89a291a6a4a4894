//! When the store fails: deny, say so, and let nothing on the side get in the way.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use super::{
    cold::{begin, import, pending, phc},
    *,
};
use crate::{
    Error, Id,
    keys::ImportFormat,
    store::{
        AuditEvent, Changes, KeyWithCredentials, Ledger, Reader, Strength, TagKey, Transaction, passes_on::passes_on,
    },
};

/// A memory store that fails on demand.
#[derive(Debug)]
struct Faulty {
    store: MemoryStore,
    authority: AtomicBool,
    activity: AtomicBool,
}

impl Faulty {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new().unwrap(),
            authority: AtomicBool::new(true),
            activity: AtomicBool::new(true),
        })
    }

    fn up(&self) -> Result<()> {
        if self.authority.load(Ordering::SeqCst) { Ok(()) } else { Err(Error::new(Code::StoreUnavailable)) }
    }

    fn active(&self) -> Result<()> {
        if self.activity.load(Ordering::SeqCst) { Ok(()) } else { Err(Error::new(Code::StoreFull)) }
    }
}

impl Store for Faulty {
    fn generation(&self) -> Result<u64> {
        self.up()?;
        self.store.generation()
    }
    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
        self.up()?;
        self.store.load(each)
    }
    fn changes_since(&self, since: u64) -> Result<Changes> {
        self.up()?;
        self.store.changes_since(since)
    }
    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        self.up()?;
        self.store.read(body)
    }
    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        self.up()?;
        self.store.write(body)
    }
    fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        self.active()?;
        self.store.note_used(batch)
    }
    fn last_used(&self, key: Id) -> Result<Option<i64>> {
        self.active()?;
        self.store.last_used(key)
    }
    fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        self.active()?;
        self.store.append_audit(events)
    }
    passes_on!(wait_for_change account tag_key adopt audit);
}

/// A memory store of which a hash, once it has read its row, waits until it is let go.
#[derive(Debug)]
struct Slow {
    store: MemoryStore,
    held: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Store for Slow {
    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        self.store.read(body)?;
        if std::thread::current().name() == Some("inspire-auth-hash")
            && let Some((has_read, gate)) = self.held.lock().unwrap().take()
        {
            has_read.send(()).unwrap();
            let _ = gate.recv();
        }
        Ok(())
    }
    passes_on!(generation load changes_since write wait_for_change account tag_key adopt note_used last_used append_audit audit);
}

/// A handle on such a store, on which the next hash is to wait; what it says when it has read, and what lets it go on.
fn waiting() -> (InspireAuth, Receiver<()>, Sender<()>) {
    let (reading, has_read) = mpsc::channel();
    let (release, gate) = mpsc::channel();
    let store = Slow { store: MemoryStore::new().unwrap(), held: Mutex::new(Some((reading, gate))) };
    let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::new(store)))).unwrap();
    (auth, has_read, release)
}

/// What a hash says that was asked of the former row is nobody's answer about the one that took its place.
#[test]
fn a_hash_that_is_replaced_while_it_is_asked_grants_nothing() {
    let (auth, has_read, release) = waiting();
    import(&auth, "k", ImportFormat::Phc, &phc("former", 64), Strength::Random);
    let before = pending(begin(&auth, "k:former"));
    has_read.recv().unwrap();

    let mut row = stored(&auth, "k").credentials.remove(0);
    row.hash = phc("present", 64);
    auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
    let after = pending(begin(&auth, "k:former"));
    release.send(()).unwrap();
    for ticket in [after, before] {
        assert_eq!(code(ticket.wait(None).unwrap()), Code::InvalidCredential);
    }
    assert_eq!(code(ask(&auth, "k:former")), Code::InvalidCredential);
    assert_eq!(code(ask(&auth, "k:present")), Code::Ok);
}

/// Nor is it when the former one comes back before anybody looks.
#[test]
fn a_hash_that_came_and_went_while_it_was_asked_grants_nothing() {
    let (auth, has_read, release) = waiting();
    import(&auth, "k", ImportFormat::Phc, &phc("mine", 64), Strength::Random);
    let mine = stored(&auth, "k").credentials.remove(0);
    let replace = |hash: &str| {
        let mut row = mine.clone();
        hash.clone_into(&mut row.hash);
        auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
    };
    let all = super::herd::block(&auth);
    let ticket = pending(begin(&auth, "k:passing"));
    replace(&phc("passing", 64));
    drop(all);
    has_read.recv().unwrap();
    replace(&mine.hash);
    release.send(()).unwrap();
    assert_eq!(code(ticket.wait(None).unwrap()), Code::InvalidCredential);
}

/// T28: a store that can't be asked denies, warm or cold, and never calls a credential invalid for it.
#[test]
fn a_store_that_can_not_be_asked_denies() {
    let store = Faulty::new();
    let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::clone(&store) as Arc<dyn Store>))).unwrap();
    let warm = create(&auth, "warm", &[]);
    let cold = create(&auth, "cold", &[]);
    ask(&auth, &warm.credential()).unwrap();
    store.authority.store(false, Ordering::SeqCst);
    for credential in [&*warm.credential(), &*cold.credential(), "nobody:x"] {
        assert_eq!(code(ask(&auth, credential)), Code::StoreUnavailable);
        assert_eq!(code(ask_for(&auth, credential, "Public")), Code::StoreUnavailable);
    }
    assert_eq!(auth.keys().get("warm").unwrap_err().code(), Code::StoreUnavailable);
    store.authority.store(true, Ordering::SeqCst);
    assert_eq!(code(ask(&auth, &warm.credential())), Code::Ok);
}

/// Each of these refusals is told once too.
#[test]
fn a_store_that_can_not_be_asked_is_told() {
    let store = Faulty::new();
    let heard = super::denials::Heard::default();
    let mut options = options(StoreLocation::Custom(Arc::clone(&store) as Arc<dyn Store>));
    heard.listen(&mut options);
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &[]);
    let ticket = super::cold::pending(super::cold::begin(&auth, &created.credential()));
    heard.take();
    store.authority.store(false, Ordering::SeqCst);
    let told = || heard.take().iter().map(|e| (e.code, e.event.clone(), e.subject.clone())).collect::<Vec<_>>();
    let once = |code: Code, subject: &str| vec![(code, "request.refused".to_owned(), subject.to_owned())];
    assert_eq!(code(ask(&auth, &created.credential())), Code::StoreUnavailable);
    assert_eq!(told(), once(Code::StoreUnavailable, "k"));
    assert_eq!(code(ask(&auth, "k:no,key")), Code::MalformedCredential, "whatever the store says");
    assert_eq!(told(), once(Code::MalformedCredential, "k"));
    assert_eq!(code(ticket.wait(None).unwrap()), Code::StoreUnavailable, "it failed while the secret was being hashed");
    assert_eq!(code(ticket.poll().unwrap()), Code::StoreUnavailable);
    assert_eq!(told(), once(Code::StoreUnavailable, "k"));
}

/// T29: activity that can't be written is in nobody's way.
#[test]
fn a_full_disk_for_activity_changes_no_answer() {
    let store = Faulty::new();
    let auth = InspireAuth::open(options(StoreLocation::Custom(Arc::clone(&store) as Arc<dyn Store>))).unwrap();
    store.activity.store(false, Ordering::SeqCst);
    let created = create(&auth, "k", &[]);
    for _ in 0..100 {
        assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
        assert_eq!(code(ask(&auth, &wrong(&created))), Code::InvalidCredential);
    }
    // The thread that writes batches may come first, once a second: then there is nothing to be flushed.
    let told = (0..100).find_map(|_| {
        assert_eq!(code(ask(&auth, &wrong(&created))), Code::InvalidCredential);
        auth.flush().err()
    });
    assert_eq!(told.unwrap().code(), Code::StoreFull);
    // Whoever it was: events are lost, and counted.
    assert!(auth.metrics_text().contains("\ninspire_audit_dropped_total "), "{}", auth.metrics_text());
    assert!(!auth.metrics_text().contains("\ninspire_audit_dropped_total 0\n"));
    assert_eq!(auth.keys().get("k").unwrap().name, "k");
    auth.keys().delete("k", None, &Caller::system()).unwrap();
    // There is room again: the log says that some are missing.
    store.activity.store(true, Ordering::SeqCst);
    auth.flush().unwrap();
    create(&auth, "seen", &[]);
    auth.flush().unwrap();
    let events: Vec<String> = auth.audit(100).unwrap().into_iter().map(|event| event.event).collect();
    assert!(events.iter().any(|event| event == "audit.dropped"), "{events:?}");
    assert!(events.iter().any(|event| event == "key.created"), "{events:?}");
}

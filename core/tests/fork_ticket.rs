//! A ticket of the parent in a child that was forked at the worst moment: while its decision was being taken, and so its
//! lock was held by a thread that the child does not have.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(feature = "sqlite")]

#[path = "../src/store/passes_on.rs"]
mod passes_on;
mod store_support;

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use inspire_auth_core::{
    Code, HashParameters, Id, InspireAuth, Options, Result, StoreLocation,
    keys::{Attempt, Caller, Channel, NewKey, Presented, Request, Requirement},
    store::{AuditEvent, Changes, KeyWithCredentials, Ledger, MemoryStore, Reader, Store, TagKey, Transaction},
};
use passes_on::passes_on;
use store_support::in_child;

/// A store whose freshness can be made to take as long as the test needs: it says that it was asked, and waits.
#[derive(Debug)]
struct Gated {
    store: MemoryStore,
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Store for Gated {
    fn generation(&self) -> Result<u64> {
        let gate = self.gate.lock().unwrap().take();
        if let Some((asked, go_on)) = gate {
            asked.send(()).unwrap();
            let _ = go_on.recv();
        }
        self.store.generation()
    }
    passes_on!(load changes_since read write wait_for_change account tag_key adopt note_used last_used append_audit audit);
}

#[test]
fn a_ticket_whose_lock_stayed_in_the_parent_is_cancelled_without_it() {
    let store = Arc::new(Gated { store: MemoryStore::new().unwrap(), gate: Mutex::new(None) });
    let mut options = Options::new(StoreLocation::Custom(Arc::clone(&store) as Arc<dyn Store>));
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    let auth = InspireAuth::open(options).unwrap();
    let created = auth.keys().create(&NewKey::named("k"), &Caller::system()).unwrap();
    let value = format!("Bearer {}", created.credential().as_str());
    let any = Requirement::compile(&"Authenticated".parse().unwrap()).unwrap();
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    let Attempt::Pending(ticket) = auth.authenticate_no_wait(&request) else { panic!("a cold key is pending") };

    std::thread::scope(|scope| {
        let ((asked, is_asked), (let_go, go_on)) = (channel(), channel());
        *store.gate.lock().unwrap() = Some((asked, go_on));
        // The hash has landed when the store is asked, under the ticket's lock, whether it is still true.
        let deciding = scope.spawn(|| ticket.wait(None));
        is_asked.recv().unwrap();
        let cancelled = || matches!(ticket.poll(), Some(Err(error)) if error.code() == Code::Cancelled);
        assert!(in_child(|| {
            // A lock that nobody will ever release would keep the child here until the alarm ends it.
            // SAFETY: alarm has no preconditions.
            #[allow(unsafe_code, reason = "the child must end even when it hangs")]
            unsafe {
                libc::alarm(10)
            };
            ticket.cancel();
            let once = cancelled();
            drop(ticket.clone());
            once && cancelled() && auth.authenticate(&request).is_ok()
        }));
        let_go.send(()).unwrap();
        assert!(deciding.join().unwrap().unwrap().is_ok(), "and the parent has its decision");
    });
}

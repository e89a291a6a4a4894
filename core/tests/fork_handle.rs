//! What a fork does to a whole handle: keys, hash pool and all go on, on both sides.
#![cfg(feature = "sqlite")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod store_support;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use inspire_auth_core::{
    Code, HashParameters, InspireAuth, Options,
    keys::{Attempt, Caller, Channel, NewKey, Presented, Request, Requirement},
};
use store_support::{Folder, in_child};

/// As in `fork.rs`: under `cargo test` these take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(folder: &Folder) -> InspireAuth {
    let mut options = Options::at(folder.db());
    options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    InspireAuth::open(options).unwrap()
}

fn create(auth: &InspireAuth, name: &str) -> String {
    let created = auth.keys().create(&NewKey::named(name), &Caller::system()).unwrap();
    format!("Bearer {}", created.credential().as_str())
}

fn any() -> Requirement {
    Requirement::compile(&"Authenticated".parse().unwrap()).unwrap()
}

fn ask(auth: &InspireAuth, value: &str) -> Code {
    let any = any();
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    auth.authenticate(&request).map_or_else(|error| error.code(), |_| Code::Ok)
}

#[test]
fn warm_and_cold_keys_are_decided_on_both_sides() {
    let _turn = alone();
    let folder = Folder::new();
    let auth = open(&folder);
    let (warm, cold) = (create(&auth, "warm"), create(&auth, "cold"));
    assert_eq!(ask(&auth, &warm), Code::Ok);
    for _ in 0..5 {
        // The child has none of the pool's threads; a cold key there needs new ones.
        assert!(in_child(|| {
            ask(&auth, &warm) == Code::Ok
                && ask(&auth, &cold) == Code::Ok
                && ask(&auth, "Bearer warm:x") == Code::InvalidCredential
        }));
    }
    assert_eq!(ask(&auth, &cold), Code::Ok);
    assert!(in_child(|| auth.keys().delete("warm", None, &Caller::system()).is_ok()));
    assert_eq!(ask(&auth, &warm), Code::InvalidCredential, "revoked by the child");
}

#[test]
fn a_fork_in_the_middle_of_hashing_leaves_no_lock_behind() {
    let _turn = alone();
    let folder = Folder::new();
    let auth = open(&folder);
    let keys: Vec<String> = (0..16).map(|n| create(&auth, &format!("k{n}"))).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when a round fails: the scope waits for its threads before anybody is told.
        let _stop = StopAtEnd(&stop);
        for half in keys.chunks(8) {
            let (auth, stop) = (&auth, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for key in half {
                        assert_eq!(ask(auth, key), Code::Ok);
                        assert_eq!(ask(auth, "Bearer k0:wrong"), Code::InvalidCredential);
                    }
                }
            });
        }
        for round in 0..40 {
            let name = format!("new{round}");
            let fresh = create(&auth, &name);
            assert!(in_child(|| keys.iter().chain([&fresh]).all(|key| is_granted(&auth, key))), "round {round}");
        }
    });
}

/// As above, while keys are made, changed and deleted: the child may find its memory in the middle of any of it.
#[test]
fn a_fork_in_the_middle_of_changes_leaves_nothing_half_made() {
    let _turn = alone();
    let folder = Folder::new();
    let auth = open(&folder);
    let keys: Vec<String> = (0..16).map(|n| create(&auth, &format!("k{n}"))).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        let (auth, stop, keys) = (&auth, &stop, &keys);
        scope.spawn(move || {
            for key in keys.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                assert_eq!(ask(auth, key), Code::Ok);
            }
        });
        scope.spawn(move || {
            for round in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                let name = format!("brief{round}");
                create(auth, &name);
                auth.keys().rename(&name, &format!("{name}-renamed"), None, &Caller::system()).unwrap();
                auth.keys().delete(&format!("{name}-renamed"), None, &Caller::system()).unwrap();
            }
        });
        for round in 0..100 {
            assert!(in_child(|| keys.iter().all(|key| is_granted(auth, key))), "round {round}");
        }
    });
}

struct StopAtEnd<'s>(&'s AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Says what it is refused for: a child's panic is seen by nobody.
#[allow(clippy::print_stderr, reason = "a child has no other way to say it")]
fn is_granted(auth: &InspireAuth, key: &str) -> bool {
    let code = ask(auth, key);
    if code != Code::Ok {
        let name = key.split(':').next().unwrap_or_default();
        eprintln!("{name} was answered {code:?}, then {:?}", ask(auth, key));
    }
    code == Code::Ok
}

/// T10: parent and child never make the same key.
#[test]
fn keys_made_after_a_fork_differ() {
    let _turn = alone();
    let folder = Folder::new();
    let auth = open(&folder);
    let path = folder.path().join("made-by-the-child");
    assert!(in_child(|| std::fs::write(&path, create(&auth, "child").rsplit(':').next().unwrap()).is_ok()));
    let child = std::fs::read_to_string(&path).unwrap();
    let parent = create(&auth, "parent");
    assert_ne!(parent.rsplit(':').next().unwrap(), child);
}

#[test]
fn a_ticket_of_the_parent_is_cancelled_in_the_child() {
    let _turn = alone();
    let folder = Folder::new();
    let auth = open(&folder);
    let (value, any) = (create(&auth, "k"), any());
    let mut request = Request::new(Presented::Authorization(value.as_bytes()), &any);
    request.channel = Channel::Secure;
    let Attempt::Pending(ticket) = auth.authenticate_no_wait(&request) else { panic!("a cold key is pending") };
    assert!(in_child(|| matches!(ticket.wait(None), Some(Err(error)) if error.code() == Code::Cancelled)));
    assert!(ticket.wait(None).unwrap().is_ok());
}

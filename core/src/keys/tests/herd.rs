//! Many at once: guessers, herds of cold keys, callers who go away.

use std::sync::mpsc::{self, Sender};

use inspire_auth_platform::clock::monotonic_millis;

use super::{
    cold::{begin, import, pending, phc, settle},
    *,
};
use crate::{
    Id,
    keys::{Attempt, ImportFormat, Ticket},
    options::Pepper,
    store::{Scheme, Strength},
};

/// Takes all the memory there is for hashing until it is let go.
pub(super) fn block(auth: &InspireAuth) -> Sender<()> {
    let (begun, has_begun) = mpsc::channel();
    let (release, gate) = mpsc::channel::<()>();
    let ceiling = 64 << 20;
    assert!(auth.inner.pool.get().chore(ceiling, move |_| {
        begun.send(()).unwrap();
        let _ = gate.recv();
    }));
    has_begun.recv().unwrap();
    release
}

/// Guesses until it has had so many answers; the tickets, and how often it was told `BUSY`.
fn guess(auth: &InspireAuth, name: &str, guesses: usize) -> (Vec<Ticket>, usize) {
    let (mut tickets, mut busy) = (Vec::new(), 0);
    for n in 0..guesses {
        match begin(auth, &format!("{name}:guess{n}")) {
            Attempt::Pending(ticket) => tickets.push(ticket),
            Attempt::Done(result) => {
                assert_eq!(code(result), Code::Busy);
                busy += 1;
            }
        }
    }
    (tickets, busy)
}

/// Runs `body` as often as it takes to fall within one minute of the clock that budgets go by.
fn within_a_minute(body: impl Fn(&InspireAuth)) {
    let mut options = options(StoreLocation::Memory);
    options.chosen_failures_per_minute = 10;
    options.memo_chosen = true;
    loop {
        let auth = InspireAuth::open(options.clone()).unwrap();
        import(&auth, "human", ImportFormat::Phc, &phc("hunter2", 64), Strength::Chosen);
        let minute = monotonic_millis() / 60_000;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&auth)));
        if monotonic_millis() / 60_000 == minute {
            return outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

/// Any number of different guesses at once cost what the budget allows, and nobody else notices.
#[test]
fn a_guesser_gets_no_more_hashes_than_the_budget() {
    within_a_minute(|auth| {
        let bystander = create(auth, "bystander", &[]);
        settle(auth);
        let before = auth.inner.pool.get().stats().runs;
        let busy: usize = std::thread::scope(|scope| {
            let guess = |thread| {
                (0..2500).filter(|n| code(ask(auth, &format!("human:guess{thread}x{n}"))) == Code::Busy).count()
            };
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || guess(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(auth.inner.pool.get().stats().runs - before, 10);
        assert_eq!(busy, 4 * 2500 - 10);
        assert_eq!(code(ask(auth, "human:hunter2")), Code::Busy, "this key's owner");
        assert_eq!(code(ask(auth, &bystander.credential())), Code::Ok, "and nobody else");
    });
}

/// What the host lets us remember is refused and granted from memory: no guess is counted, and the owner never waits.
#[test]
fn a_warm_memo_spends_no_budget() {
    within_a_minute(|auth| {
        assert_eq!(code(ask(auth, "human:hunter2")), Code::Ok);
        settle(auth);
        let before = auth.inner.pool.get().stats().runs;
        for n in 0..1000 {
            assert_eq!(code(ask(auth, &format!("human:guess{n}"))), Code::InvalidCredential);
            assert_eq!(code(ask(auth, "human:hunter2")), Code::Ok);
        }
        assert_eq!(auth.inner.pool.get().stats().runs, before);
    });
}

/// The hash that replaces a weak one is the same secret's: the owner need not be seen again while somebody guesses.
#[test]
fn a_renewed_hash_is_known_still() {
    let mut options = options(StoreLocation::Memory);
    options.memo_chosen = true;
    options.chosen_failures_per_minute = 1;
    let auth = InspireAuth::open(options).unwrap();
    import(&auth, "weak", ImportFormat::Phc, &phc("secret", 32), Strength::Chosen);
    assert_eq!(code(ask(&auth, "weak:secret")), Code::Ok);
    settle(&auth);
    assert_ne!(stored(&auth, "weak").credentials[0].hash, phc("secret", 32), "renewed");
    let before = auth.inner.pool.get().stats().runs;
    assert_eq!(code(ask(&auth, "weak:guess")), Code::InvalidCredential);
    assert_eq!(code(ask(&auth, "weak:secret")), Code::Ok);
    assert_eq!(auth.inner.pool.get().stats().runs, before);
}

/// All who waited for one hash come back together; one of them renews it.
#[test]
fn a_weak_hash_is_renewed_once() {
    let auth = open();
    import(&auth, "weak", ImportFormat::Phc, &phc("secret", 32), Strength::Random);
    settle(&auth);
    let runs = || auth.inner.pool.get().stats().runs;
    let release = block(&auth);
    let before = runs();
    let waiting: Vec<Ticket> = (0..50).map(|_| pending(begin(&auth, "weak:secret"))).collect();
    drop(release);
    for ticket in waiting {
        assert_eq!(code(ticket.wait(None).unwrap()), Code::Ok);
    }
    settle(&auth);
    assert_ne!(stored(&auth, "weak").credentials[0].hash, phc("secret", 32), "renewed");
    assert_eq!(runs() - before, 3, "the check, the renewal, and what settling takes");
}

/// Where no row is ever accepted, nothing is renewed either: each request would cost another hash.
#[test]
fn what_is_not_sealed_is_not_renewed() {
    let mut options = options(StoreLocation::Memory);
    options.memo_chosen = false;
    options.peppers = vec![Pepper { id: "p".into(), secret: zeroize::Zeroizing::new((0..32).collect()) }];
    let auth = InspireAuth::open(options).unwrap();
    import(&auth, "weak", ImportFormat::Phc, &phc("secret", 32), Strength::Chosen);
    let mut row = stored(&auth, "weak").key;
    row.seal = None;
    auth.store().write(&mut |tx| tx.update_key(&row)).unwrap();
    settle(&auth);
    let before = auth.inner.pool.get().stats().runs;
    for _ in 0..5 {
        assert_eq!(code(ask(&auth, "weak:secret")), Code::InvalidCredential);
    }
    settle(&auth);
    assert_eq!(auth.inner.pool.get().stats().runs - before, 5 + 1, "and what settling takes");
}

/// A row that nobody of ours wrote: each of a key's credentials would cost every check of its name.
#[test]
fn a_key_with_a_thousand_credentials_is_refused_like_any_other() {
    let auth = open();
    let created = create(&auth, "many", &[]);
    let first = stored(&auth, "many").credentials.remove(0);
    auth.store()
        .write(&mut |tx| {
            (0..1_000_u128).try_for_each(|n| {
                let mut row = first.clone();
                row.id = Id::from_bytes((n + 1).to_be_bytes());
                (row.scheme, row.tag, row.created_at) = (Scheme::Unknown, None, first.created_at + 1);
                tx.insert_credential(&row)
            })
        })
        .unwrap();
    assert_eq!(code(ask(&auth, &created.credential())), Code::InvalidCredential, "eight later ones count");
    assert_eq!(code(ask(&auth, &wrong(&created))), Code::InvalidCredential);
}

/// A hash that somebody else put there, however like it looks, is another secret.
#[test]
fn a_hash_that_was_not_renewed_here_is_not_known() {
    let auth = open();
    import(&auth, "weak", ImportFormat::Phc, &phc("secret", 32), Strength::Random);
    assert_eq!(code(ask(&auth, "weak:secret")), Code::Ok);
    settle(&auth);
    let mut row = stored(&auth, "weak").credentials.remove(0);
    row.hash = phc("other", 64);
    auth.store().write(&mut |tx| tx.update_credential(&row)).unwrap();
    assert_eq!(code(ask(&auth, "weak:secret")), Code::InvalidCredential);
    assert_eq!(code(ask(&auth, "weak:other")), Code::Ok);
}

/// Imported random secrets have no budget. Their places in the queue are few, each one's and all of theirs together.
#[test]
fn guesses_for_untagged_keys_leave_room_for_others() {
    let auth = open();
    let names: Vec<String> = (0..20).map(|n| format!("imported{n}")).collect();
    for name in &names {
        import(&auth, name, ImportFormat::Phc, &phc("secret", 64), Strength::Random);
    }
    let cold: Vec<Created> = (0..100).map(|n| create(&auth, &format!("cold{n}"), &[])).collect();
    settle(&auth);
    let release = block(&auth);
    let (first, busy) = guess(&auth, &names[0], 1000);
    assert_eq!((first.len(), busy), (8, 992), "one key's places");
    let (second, busy) = guess(&auth, &names[1], 8);
    assert_eq!((second.len(), busy), (8, 0), "another one's");
    let others: Vec<_> = names[2..].iter().flat_map(|name| guess(&auth, name, 8).0).collect();
    assert_eq!(first.len() + second.len() + others.len(), 128, "half of the queue is all of theirs");
    let waiting: Vec<Ticket> = cold.iter().map(|created| pending(begin(&auth, &created.credential()))).collect();
    drop(release);
    for ticket in waiting {
        assert_eq!(code(ticket.wait(None).unwrap()), Code::Ok);
    }
    for ticket in [first, second, others].concat() {
        assert_eq!(code(ticket.wait(None).unwrap()), Code::InvalidCredential);
    }
    assert_eq!(code(ask(&auth, "imported0:secret")), Code::Ok);
}

/// T15: a thousand callers who cancel, or are simply gone, leave nothing to be done, and room for others.
#[test]
fn callers_who_go_away_leave_nothing_behind() {
    let auth = open();
    let created = create(&auth, "k", &[]);
    import(&auth, "human", ImportFormat::Phc, &phc("hunter2", 64), Strength::Chosen);
    settle(&auth);
    let release = block(&auth);
    let before = auth.inner.pool.get().stats();
    let tickets: Vec<Ticket> = (0..1000).map(|_| pending(begin(&auth, &created.credential()))).collect();
    assert_eq!(auth.inner.pool.get().stats().queued, 1);
    let (told, is_told) = mpsc::channel();
    tickets[0].on_ready(Box::new(move || told.send(()).unwrap()));
    for (n, ticket) in tickets.into_iter().enumerate() {
        if n % 2 == 0 {
            ticket.cancel();
            assert_eq!(code(ticket.poll().unwrap()), Code::Cancelled);
        }
    }
    for round in 0..100 {
        // Far more than the budget: one that was never hashed is none.
        drop(pending(begin(&auth, &format!("human:guess{round}"))));
    }
    assert_eq!(auth.inner.pool.get().stats(), before);
    drop(release);
    is_told.recv().unwrap();
    settle(&auth);
    assert_eq!(auth.inner.pool.get().stats().runs, before.runs + 1, "only what settled it");
    assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
    assert_eq!(code(ask(&auth, "human:hunter2")), Code::Ok);
}

/// DESIGN §8.5, by what the pool says of itself while everything is asked at once.
#[test]
fn hash_memory_stays_below_the_ceiling() {
    let mut options = options(StoreLocation::Memory);
    options.max_hash_memory = 200 << 10;
    options.hash_threads = std::num::NonZeroUsize::new(8);
    let auth = InspireAuth::open(options).unwrap();
    let keys: Vec<Created> = (0..200).map(|n| create(&auth, &format!("k{n}"), &[])).collect();
    import(&auth, "imported", ImportFormat::Phc, &phc("secret", 64), Strength::Random);
    std::thread::scope(|scope| {
        for part in keys.chunks(50) {
            let auth = &auth;
            scope.spawn(move || {
                for created in part {
                    assert_eq!(code(ask(auth, &created.credential())), Code::Ok);
                    let _ = begin(auth, &format!("imported:{}", created.key.as_str()));
                }
            });
        }
    });
    let stats = auth.inner.pool.get().stats();
    assert!(stats.peak_bytes <= 200 << 10 && stats.peak_bytes >= 64 << 10, "{stats:?}");
}

/// A pool without room for it is no sign that its owner guessed too often.
#[test]
fn what_finds_no_place_is_told_apart_from_what_was_tried_too_often() {
    let auth = open();
    import(&auth, "k", ImportFormat::Phc, &phc("secret", 64), Strength::Random);
    let release = block(&auth);
    let (tickets, busy) = guess(&auth, "k", 2000);
    assert!(busy > 0 && !tickets.is_empty());
    let Attempt::Done(Err(refused)) = begin(&auth, "k:onemore") else { panic!("there was a place") };
    assert_eq!((refused.code(), refused.detail()), (Code::Busy, None));
    drop(release);
}

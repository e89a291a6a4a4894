//! What the pool promises, each by a test that fails when it does not.

use std::sync::{
    Barrier,
    atomic::{AtomicU64, AtomicUsize, Ordering},
    mpsc::{self, Receiver, Sender},
};

use inspire_auth_platform::memory::{Block, with_blocks};

use super::*;
use crate::keys::{index::Mark, mac::Digest};

const TAGGED: Cost = Cost { bytes: 10, untagged: false };
const UNTAGGED: Cost = Cost { bytes: 10, untagged: true };

fn id(n: u128) -> Id {
    Id::from_bytes(n.to_be_bytes())
}

fn key(n: u128) -> FlightKey {
    with_secret(n, 0)
}

fn with_secret(n: u128, secret: u64) -> FlightKey {
    FlightKey { credential: id(n), mark: Mark::of(Digest::from_bits((0, 0))), secret: (secret, 0) }
}

/// A pool with so many bytes and threads, however many cores there are.
fn pool(ceiling: u64, threads: usize) -> Pool {
    Pool::new(ceiling, NonZeroUsize::new(threads), 1)
}

fn fly(pool: &Pool, key: FlightKey, cost: Cost, run: impl FnOnce() -> Verdict + Send + 'static) -> Result<Arc<Flight>> {
    pool.fly(key, cost, || Ok(Box::new(|_| run())))
}

/// A flight that does nothing.
fn idle(pool: &Pool, key: FlightKey, cost: Cost) -> Result<Arc<Flight>> {
    fly(pool, key, cost, || Verdict::Wrong)
}

/// Whether a question was refused for want of room.
fn is_busy(result: Result<Arc<Flight>>) -> bool {
    result.is_err_and(|error| error.code() == Code::Busy)
}

/// A job that begins, says so, and ends when it is let.
fn hold(pool: &Pool, key: FlightKey, cost: Cost) -> (Arc<Flight>, Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (release, gate): (_, Receiver<()>) = mpsc::channel();
    let flight = fly(pool, key, cost, move || {
        begun.send(()).unwrap();
        let _ = gate.recv();
        Verdict::Wrong
    })
    .unwrap();
    has_begun.recv().unwrap();
    (flight, release)
}

/// Notes the order in which jobs run.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<u128>>>);

impl Order {
    fn fly(&self, pool: &Pool, n: u128, cost: Cost) -> Arc<Flight> {
        let seen = Arc::clone(&self.0);
        fly(pool, key(n), cost, move || {
            lock(&seen).push(n);
            Verdict::Wrong
        })
        .unwrap()
    }

    fn seen(&self) -> Vec<u128> {
        lock(&self.0).clone()
    }
}

#[test]
fn equal_questions_share_one_answer() {
    let pool = pool(100, 2);
    let runs = Arc::new(AtomicUsize::new(0));
    let (release, gate) = mpsc::channel::<()>();
    let first = {
        let runs = Arc::clone(&runs);
        fly(&pool, key(1), TAGGED, move || {
            gate.recv().unwrap();
            runs.fetch_add(1, Ordering::SeqCst);
            Verdict::Right { renew: false }
        })
        .unwrap()
    };
    let joined: Vec<_> =
        (0..50).map(|_| pool.fly(key(1), TAGGED, || panic!("nothing is prepared for a second")).unwrap()).collect();
    assert!(first.poll().is_none());
    release.send(()).unwrap();
    for flight in joined.iter().chain([&first]) {
        assert_eq!(flight.wait(None), Some(Verdict::Right { renew: false }));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// A wrong secret never answers for a right one: it is another question.
#[test]
fn another_secret_is_another_question() {
    let pool = pool(100, 2);
    let (wrong, release) = hold(&pool, with_secret(1, 1), TAGGED);
    let right = fly(&pool, with_secret(1, 2), TAGGED, || Verdict::Right { renew: false }).unwrap();
    drop(release);
    assert_eq!(wrong.wait(None), Some(Verdict::Wrong));
    assert_eq!(right.wait(None), Some(Verdict::Right { renew: false }));
}

/// T14, T15: the permit belongs to the job. Callers that went away change nothing.
#[test]
fn memory_stays_below_the_ceiling_and_untagged_below_half() {
    for (cost, most) in [(Cost { bytes: 30, untagged: true }, 30), (Cost { bytes: 30, untagged: false }, 90)] {
        let pool = pool(100, 8);
        let used = Arc::new(AtomicU64::new(0));
        let peak = Arc::new(AtomicU64::new(0));
        let mut flights = Vec::new();
        for n in 0..UNTAGGED_QUEUE as u128 {
            let (used, peak) = (Arc::clone(&used), Arc::clone(&peak));
            let run = move || {
                let now = used.fetch_add(30, Ordering::SeqCst) + 30;
                peak.fetch_max(now, Ordering::SeqCst);
                thread::yield_now();
                used.fetch_sub(30, Ordering::SeqCst);
                Verdict::Wrong
            };
            flights.push(fly(&pool, key(n), cost, run).unwrap());
        }
        // Half of them lose interest at once.
        flights.truncate(UNTAGGED_QUEUE / 2);
        for flight in &flights {
            assert_eq!(flight.wait(None), Some(Verdict::Wrong));
        }
        while pool.stats().running + pool.stats().queued > 0 {
            thread::yield_now();
        }
        // What the pool says of itself is what the jobs saw, or more: a permit is taken before and given back after.
        let stats = pool.stats();
        assert!(peak.load(Ordering::SeqCst) <= stats.peak_bytes && stats.peak_bytes <= most, "{stats:?}");
        assert_eq!((stats.runs, stats.bytes), (UNTAGGED_QUEUE as u64, 0));
    }
}

/// T15: a thousand callers of one question that is being hashed give up. The memory stays taken until the hash ends.
#[test]
fn the_permit_stays_with_the_job_when_a_thousand_callers_leave() {
    let pool = pool(10, 2);
    let (flight, release) = hold(&pool, key(1), TAGGED);
    let callers: Vec<_> = (0..1000).map(|_| idle(&pool, key(1), TAGGED).unwrap()).collect();
    let next = idle(&pool, key(2), TAGGED).unwrap();
    for caller in callers {
        drop(caller);
        pool.leave(key(1));
    }
    let stats = pool.stats();
    assert_eq!((stats.running, stats.queued, stats.bytes), (1, 1, 10), "still hashing, and the next one still waits");
    assert!(next.poll().is_none());
    drop(release);
    assert_eq!(flight.wait(None), Some(Verdict::Wrong));
    assert_eq!(next.wait(None), Some(Verdict::Wrong));
    assert_eq!(pool.stats().runs, 2);
}

/// A question that the last caller gave up before it was its turn is not hashed, and makes room at once.
#[test]
fn what_nobody_waits_for_any_more_is_not_hashed() {
    let pool = pool(10, 1);
    let (blocking, release) = hold(&pool, key(0), TAGGED);
    let flights: Vec<_> =
        (1..=QUEUE as u128).map(|n| fly(&pool, key(n), TAGGED, || panic!("hashed")).unwrap()).collect();
    assert!(is_busy(idle(&pool, key(9999), TAGGED)));
    let (told, is_told) = mpsc::channel();
    flights[0].on_landed(Box::new(move || told.send(()).unwrap()));
    let twice = idle(&pool, key(2), TAGGED).unwrap();
    for flight in flights {
        let key = flight.key();
        drop(flight);
        pool.leave(key);
        // Somebody who never was there leaves too.
        pool.leave(key);
    }
    assert_eq!(pool.stats().queued, 1, "the one that another caller still waits for");
    drop(twice);
    pool.leave(key(2));
    let again = idle(&pool, key(1), TAGGED).unwrap();
    drop(release);
    assert_eq!(blocking.wait(None), Some(Verdict::Wrong));
    assert_eq!(again.wait(None), Some(Verdict::Wrong), "asked anew, it is hashed");
    is_told.recv().unwrap();
    assert_eq!(pool.stats().runs, 2);
}

#[test]
fn no_more_threads_hash_than_were_allowed() {
    let most = |pool: Pool| {
        let (running, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let flights: Vec<_> = (0..20)
            .map(|n| {
                let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
                let run = move || {
                    peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    running.fetch_sub(1, Ordering::SeqCst);
                    Verdict::Wrong
                };
                fly(&pool, key(n), TAGGED, run).unwrap()
            })
            .collect();
        for flight in flights {
            assert_eq!(flight.wait(None), Some(Verdict::Wrong));
        }
        peak.load(Ordering::SeqCst)
    };
    assert_eq!(most(pool(1000, 1)), 1);
}

/// There are as many threads as cores and memory allow, and always one.
#[test]
fn threads_are_as_many_as_can_hash() {
    let threads = |ceiling, threads, one| Pool::new(ceiling, NonZeroUsize::new(threads), one).0.max_threads;
    assert_eq!(threads(64, 4, 19), 3, "memory is the limit");
    assert_eq!(threads(64, 2, 19), 2, "the cores are");
    assert_eq!(threads(64, 4, 65), 1, "one for imported hashes that are cheaper");
    assert_eq!(threads(64, 4, 0), 4, "new hashes take no memory");
}

#[test]
fn one_job_at_a_time_and_few_in_waiting_per_credential() {
    let pool = pool(1000, 4);
    let together = Arc::new(AtomicUsize::new(0));
    let (first, release) = hold(&pool, with_secret(0, 0), TAGGED);
    let flights: Vec<_> = (1..=CREDENTIAL_QUEUE as u64)
        .map(|n| {
            let together = Arc::clone(&together);
            let run = move || {
                assert_eq!(together.fetch_add(1, Ordering::SeqCst), 0);
                thread::yield_now();
                together.fetch_sub(1, Ordering::SeqCst);
                Verdict::Wrong
            };
            fly(&pool, with_secret(0, n), TAGGED, run).unwrap()
        })
        .collect();
    for n in 100..200 {
        assert!(is_busy(idle(&pool, with_secret(0, n), TAGGED)), "its places are taken");
    }
    assert_eq!(idle(&pool, key(1), TAGGED).unwrap().wait(None), Some(Verdict::Wrong), "another one's are not");
    assert_eq!(pool.stats().queued, CREDENTIAL_QUEUE, "none of them runs beside the first");
    drop(release);
    for flight in flights.iter().chain([&first]) {
        assert_eq!(flight.wait(None), Some(Verdict::Wrong));
    }
    assert!(idle(&pool, with_secret(0, 100), TAGGED).is_ok(), "and free again");
}

/// Whoever can make us hash fills half of the queue at most, takes half of the threads, and every second turn.
#[test]
fn untagged_credentials_get_half() {
    let pool = pool(1000, 4);
    let (first, release) = hold(&pool, key(0), UNTAGGED);
    let (second, release_second) = hold(&pool, key(1), UNTAGGED);
    let waiting: Vec<_> = (0..UNTAGGED_QUEUE as u128).map(|n| idle(&pool, key(100 + n), UNTAGGED).unwrap()).collect();
    assert!(is_busy(idle(&pool, key(9999), UNTAGGED)), "their half of the queue is full");
    for n in 0..20 {
        assert_eq!(idle(&pool, key(1000 + n), TAGGED).unwrap().wait(None), Some(Verdict::Wrong), "no other key waits");
    }
    assert_eq!(pool.stats().queued, UNTAGGED_QUEUE, "two of four threads are theirs");
    drop((release, release_second));
    assert!(waiting.iter().chain([&first, &second]).all(|flight| flight.wait(None).is_some()));
}

#[test]
fn tagged_and_untagged_take_turns() {
    let pool = pool(10, 1);
    let (blocking, release) = hold(&pool, key(0), UNTAGGED);
    let order = Order::default();
    let untagged: Vec<_> = (1..=4).map(|n| order.fly(&pool, n, UNTAGGED)).collect();
    let tagged: Vec<_> = (11..=14).map(|n| order.fly(&pool, n, TAGGED)).collect();
    drop(release);
    assert!(untagged.iter().chain(&tagged).chain([&blocking]).all(|flight| flight.wait(None).is_some()));
    assert_eq!(order.seen(), [11, 1, 12, 2, 13, 3, 14, 4], "whoever came first");
}

/// A job that takes all the memory gets it, though there is always a small one that would fit at once.
#[test]
fn what_is_large_is_not_passed_for_ever() {
    let pool = pool(20, 2);
    let (held, release) = hold(&pool, key(0), TAGGED);
    let order = Order::default();
    let large = order.fly(&pool, 1, Cost { bytes: 20, untagged: false });
    let small: Vec<_> = (0..u128::from(PATIENCE) * 2).map(|n| order.fly(&pool, 100 + n, TAGGED)).collect();
    // The other thread takes the small ones, until patience is at an end.
    assert!(small[PATIENCE as usize - 1].wait(None).is_some());
    let free = pool.chore(0, |_| ());
    assert!(free && large.poll().is_none());
    drop(release);
    assert!(small.iter().chain([&held, &large]).all(|flight| flight.wait(None).is_some()));
    assert_eq!(order.seen().iter().position(|n| *n == 1), Some(PATIENCE as usize));
}

#[test]
fn a_full_queue_is_busy_and_what_can_never_fit_too() {
    let pool = pool(100, 2);
    let (blocked, release) = hold(&pool, key(0), Cost { bytes: 100, untagged: false });
    let kept: Vec<_> = (1..=QUEUE as u128).map(|n| idle(&pool, key(n), TAGGED).unwrap()).collect();
    assert!(is_busy(idle(&pool, key(9999), TAGGED)));
    assert!(!pool.chore(10, |_| ()), "nor is work that nobody waits for taken");
    assert_eq!(pool.run(10, |_| Ok(())).unwrap_err().code(), Code::Busy);
    // What takes no memory is no hash, and is done however much there is to hash.
    let (done, is_done) = mpsc::channel();
    assert!(pool.chore(0, move |_| done.send(()).unwrap()));
    is_done.recv().unwrap();
    assert_eq!(pool.stats().busy, 3);
    drop(release);
    assert!(blocked.wait(None).is_some());
    assert!(kept.iter().all(|flight| flight.wait(None).is_some()));
    assert!(is_busy(idle(&pool, key(1), Cost { bytes: 101, untagged: false })));
}

/// What is refused while it is being prepared leaves nothing behind.
#[test]
fn a_question_that_is_refused_takes_no_place() {
    let pool = pool(100, 1);
    for _ in 0..1000 {
        let refused = pool.fly(key(1), UNTAGGED, || Err(Error::new(Code::Busy)));
        assert!(is_busy(refused));
    }
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.running, stats.busy), (0, 0, 0));
    assert_eq!(idle(&pool, key(1), UNTAGGED).unwrap().wait(None), Some(Verdict::Wrong));
}

#[test]
fn a_panic_is_an_answer_and_the_pool_goes_on() {
    let pool = pool(100, 2);
    let flight = fly(&pool, key(1), TAGGED, || panic!("on purpose")).unwrap();
    assert!(matches!(flight.wait(None), Some(Verdict::Unusable(_))));
    assert_eq!(pool.run(10, |_| Ok(7)).unwrap(), 7);
    assert_eq!(pool.run(10, |_| -> Result<()> { panic!("on purpose") }).unwrap_err().code(), Code::Internal);
}

#[test]
fn callbacks_come_once_before_or_after_landing() {
    let pool = pool(100, 2);
    let (send, receive) = mpsc::channel();
    let flight = idle(&pool, key(1), TAGGED).unwrap();
    let early = send.clone();
    flight.on_landed(Box::new(move || early.send(1).unwrap()));
    flight.wait(None);
    flight.on_landed(Box::new(move || send.send(2).unwrap()));
    let mut seen: Vec<i32> = receive.iter().collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
}

/// Bytes of a hash that is mapped.
const MAPPED: u64 = 4 << 20;

/// Hashes in so many bytes, as far as the pool can tell, and says where.
fn hash(pool: &Pool, bytes: u64) -> usize {
    let blocks = usize::try_from(bytes).unwrap() / Block::SIZE;
    let work = move |spare: &mut Spare| Ok(with_blocks(blocks, spare, |blocks| blocks.as_ptr() as usize).unwrap());
    let address = pool.run(bytes, work).unwrap();
    settle(pool);
    address
}

/// Waits until the threads that have answered have also put away what they used.
fn settle(pool: &Pool) {
    while pool.stats().running > 0 {
        std::thread::yield_now();
    }
}

fn held(pool: &Pool) -> u64 {
    let stats = pool.stats();
    stats.bytes + stats.spare_bytes
}

#[test]
fn the_memory_of_a_hash_is_there_for_the_next_one_of_its_size() {
    let pool = Pool::new(10 * MAPPED, NonZeroUsize::new(2), MAPPED);
    let first = hash(&pool, MAPPED);
    assert_eq!(hash(&pool, MAPPED), first);
    assert_eq!((pool.stats().spare_bytes, pool.stats().peak_bytes), (MAPPED, MAPPED));
    hash(&pool, 2 * MAPPED);
    assert_eq!(pool.stats().spare_bytes, MAPPED, "another size is not kept");
    assert_eq!(pool.stats().peak_bytes, 3 * MAPPED, "what is kept counts");
}

#[test]
fn what_is_kept_makes_way_below_the_ceiling() {
    let pool = Pool::new(3 * MAPPED, NonZeroUsize::new(2), MAPPED);
    // Two at once leave two.
    let all_begun = Arc::new(Barrier::new(2));
    let cost = Cost { bytes: MAPPED, untagged: false };
    let both: Vec<_> = (0..2)
        .map(|n| {
            let all_begun = Arc::clone(&all_begun);
            let run = move |spare: &mut Spare| {
                all_begun.wait();
                with_blocks(4096, spare, |_| Verdict::Wrong).unwrap()
            };
            pool.fly(key(n), cost, || Ok(Box::new(run))).unwrap()
        })
        .collect();
    for flight in both {
        assert_eq!(flight.wait(None), Some(Verdict::Wrong));
    }
    settle(&pool);
    assert_eq!(pool.stats().spare_bytes, 2 * MAPPED);
    for (bytes, left) in [(MAPPED, 2), (2 * MAPPED, 1), (3 * MAPPED, 0)] {
        hash(&pool, bytes);
        assert_eq!(pool.stats().spare_bytes, left * MAPPED);
        assert_eq!(held(&pool), left * MAPPED);
    }
    assert!(pool.stats().peak_bytes <= 3 * MAPPED);
}

#[test]
fn what_is_kept_goes_with_the_last_thread() {
    let pool = Pool::with_idle(MAPPED, NonZeroUsize::new(1), MAPPED, Duration::from_millis(1));
    hash(&pool, MAPPED);
    while lock(&pool.0.state).threads > 0 {
        std::thread::yield_now();
    }
    assert_eq!(pool.stats().spare_bytes, 0);
    hash(&pool, MAPPED);
}

#[test]
fn nothing_is_kept_of_a_hash_that_panicked() {
    let pool = Pool::new(MAPPED, NonZeroUsize::new(1), MAPPED);
    hash(&pool, MAPPED);
    let panicking = |spare: &mut Spare| with_blocks(4096, spare, |_| -> Result<()> { panic!("on purpose") }).unwrap();
    assert_eq!(pool.run(MAPPED, panicking).unwrap_err().code(), Code::Internal);
    settle(&pool);
    assert_eq!(pool.stats().spare_bytes, 0);
    hash(&pool, MAPPED);
    assert_eq!(pool.stats().spare_bytes, MAPPED);
}

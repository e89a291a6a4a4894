//! The readers: threads that check keys as fast as they can, and compare each answer with what must be true.

use std::{
    path::Path,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use inspire_auth_core::{
    Code, InspireAuth,
    keys::{Requirement, RequirementSpec},
};

use crate::{
    Outcome,
    board::{Board, Mapped, QUESTIONS, SLOTS, STOP, Seat},
    children::enlist,
    keys::{Answer, INVALID, REQUIRED, View, ask, is_granted, refused, spell},
    writer::{change_one, open},
};

/// Checks between two looks at the orders.
const BATCH: u64 = 256;
/// No thread rests longer, however slow its batch was.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// One in so many checks is of a credential that was good once.
const FORMER: u64 = 64;
/// How often a check that was answered `BUSY` is asked again before that is a failure.
const TRIES: u32 = 1_000;

/// What a reader does.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its first seat on the board.
    seat: usize,
    /// Which process it is, from 1, to take its turn at writing; 0 never does.
    number: u64,
    /// How long a thread rests after a batch, in times that the batch took.
    rest: u32,
}

/// `--as=reader STARTER BOARD STORE SEAT THREADS NUMBER REST`
///
/// After a batch of checks a thread rests REST times as long as it took.
///
/// # Errors
/// What the library answered, and must not have.
pub fn play(arguments: &[String]) -> Outcome {
    let [board, store, seat, threads, number, rest] = enlist(arguments)? else {
        return Err("reader: bad arguments".into());
    };
    let board = Mapped::inherited(board.parse()?)?;
    let part = Part { seat: seat.parse()?, number: number.parse()?, rest: rest.parse()? };
    let threads: usize = threads.parse()?;
    let outcome = (|| -> Outcome {
        let auth = open(Path::new(store)).map_err(|error| format!("a reader can't open the store: {error}"))?;
        let requirement = requirement(&auth)?;
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|nth| {
                    let (auth, board, requirement) = (&auth, &board, &requirement);
                    scope.spawn(move || check(auth, board, requirement, part, nth))
                })
                .collect();
            running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a reader's thread panicked")?)
        })
    })();
    if let Err(error) = &outcome {
        board.fail(&error.to_string());
    }
    outcome
}

/// What readers require, compiled.
///
/// # Errors
/// None; the level is valid.
pub fn requirement(auth: &InspireAuth) -> inspire_auth_core::Result<Requirement> {
    auth.requirement(&RequirementSpec::Any(vec![REQUIRED.to_owned()]))
}

/// What a thread knows of a key, so that it reads the board only when the version moved.
struct Known {
    view: View,
    expected: Answer,
    /// The other right answer while a change is announced and not acknowledged.
    also: Answer,
}

impl Known {
    fn of(view: View) -> Self {
        let expected = view.settled.answer();
        let also = view.announced.as_ref().map_or(expected, |after| after.answer_to_former());
        Self { view, expected, also }
    }
}

/// One thread.
fn check(auth: &InspireAuth, board: &Board, requirement: &Requirement, part: Part, nth: usize) -> Outcome {
    let seat = &board.seats[part.seat + nth];
    let mut rng = Rng::new();
    let mut known: Vec<Known> = board.slots.iter().map(|slot| Known::of(slot.view())).collect();
    let mut order = 0;
    seat.carried_out.store(1, Ordering::Release);
    loop {
        let now = board.order.0.load(Ordering::Acquire);
        if now == STOP {
            return Ok(());
        }
        if now != order {
            order = now;
            if order % 2 == 1 {
                answer_table(auth, board, requirement, seat)?;
            }
            seat.carried_out.store(order, Ordering::Release);
        }
        if order % 2 == 1 {
            thread::sleep(Duration::from_micros(100));
            continue;
        }
        let begun = Instant::now();
        batch(auth, board, requirement, seat, &mut known, &mut rng)?;
        let took = begun.elapsed();
        seat.slowest.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
        if part.number != 0 && nth == 0 && board.turn.0.load(Ordering::Acquire) == part.number {
            change_one(auth, board, &mut rng)?;
            board.turn.0.store(0, Ordering::Release);
        }
        if part.rest > 0 {
            thread::sleep(took.saturating_mul(part.rest).min(LONGEST_REST));
        }
    }
}

/// Some checks of random keys.
fn batch(
    auth: &InspireAuth,
    board: &Board,
    requirement: &Requirement,
    seat: &Seat,
    known: &mut [Known],
    rng: &mut Rng,
) -> Outcome {
    let (mut granted, mut overlapped) = (0, 0);
    for _ in 0..BATCH {
        let random = rng.u64(..);
        let at = (random >> 32) as usize % SLOTS;
        let slot = &board.slots[at];
        // What this version acknowledges happened before the check below begins.
        let version = slot.version();
        let mine = &mut known[at];
        if mine.view.version != version {
            *mine = Known::of(slot.view());
        }
        if random.is_multiple_of(FORMER) {
            let answer = decided(auth, board, &mine.view.settled.former, requirement)?;
            if answer != INVALID {
                return Err(wrong(at, mine, answer, "a former credential"));
            }
            continue;
        }
        let answer = decided(auth, board, &mine.view.settled.header, requirement)?;
        granted += u64::from(is_granted(answer));
        if answer != mine.expected && answer != mine.also {
            // Right all the same if the key was changed since the version was read: the check then overlapped with it.
            std::sync::atomic::fence(Ordering::Acquire);
            if slot.version() == mine.view.version {
                return Err(wrong(at, mine, answer, "the credential"));
            }
            overlapped += 1;
        }
    }
    // Only this thread writes here: a load and a store, not a locked addition.
    for (count, more) in [(&seat.checks, BATCH), (&seat.granted, granted), (&seat.overlapped, overlapped)] {
        count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    }
    Ok(())
}

#[cold]
fn wrong(at: usize, known: &Known, answer: Answer, whose: &str) -> Box<dyn std::error::Error + Send + Sync> {
    let View { version, settled, announced } = &known.view;
    format!(
        "{whose} of key {at} ({}, version {version}) was {}; right is {}{}. Last change: {:?}; announced: {:?}",
        settled.name,
        spell(answer),
        spell(known.expected),
        if known.also == known.expected { String::new() } else { format!(" or {}", spell(known.also)) },
        settled.change,
        announced.as_ref().map(|after| after.change),
    )
    .into()
}

/// The library's answer that is a decision: `BUSY` and `STORE_LOCKED`, which say to ask again, are counted and obeyed.
#[inline]
fn decided(
    auth: &InspireAuth,
    board: &Board,
    header: &[u8],
    requirement: &Requirement,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let answer = ask(auth, header, requirement);
    if is_granted(answer) || answer == INVALID {
        Ok(answer)
    } else {
        decided_later(auth, board, header, requirement, answer)
    }
}

#[cold]
#[inline(never)]
fn decided_later(
    auth: &InspireAuth,
    board: &Board,
    header: &[u8],
    requirement: &Requirement,
    mut answer: Answer,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    for _ in 0..TRIES {
        let Some(code) = [Code::Busy, Code::StoreLocked].into_iter().find(|code| answer == refused(*code)) else {
            return Ok(answer);
        };
        board.count(code);
        thread::sleep(Duration::from_micros(200));
        answer = ask(auth, header, requirement);
    }
    Err(format!("a check was {} {TRIES} times", spell(answer)).into())
}

/// What this thread answers for every key, while nothing is written.
fn answer_table(auth: &InspireAuth, board: &Board, requirement: &Requirement, seat: &Seat) -> Outcome {
    for (slot, row) in board.slots.iter().zip(&seat.table) {
        for (answer, cell) in answers(auth, board, &slot.view(), requirement)?.into_iter().zip(row) {
            cell.store(answer, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// What the library answers for one key: to its credential, to the one before, and to the one that it would have if what
/// was announced were done ([`INVALID`] when nobody knows that one).
///
/// # Errors
/// When it answers nothing.
pub fn answers(
    auth: &InspireAuth,
    board: &Board,
    view: &View,
    requirement: &Requirement,
) -> Result<[Answer; QUESTIONS], Box<dyn std::error::Error + Send + Sync>> {
    let next = match &view.announced {
        Some(after) if after.known => decided(auth, board, &after.header, requirement)?,
        _ => INVALID,
    };
    Ok([
        decided(auth, board, &view.settled.header, requirement)?,
        decided(auth, board, &view.settled.former, requirement)?,
        next,
    ])
}

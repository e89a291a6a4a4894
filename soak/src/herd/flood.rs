//! Those who guess.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code,
    keys::{Caller, Import, ImportFormat, NewKey, Ticket},
    store::Strength,
};

use super::{
    Scale,
    host::{Answer, Failure, Host, expect},
};
use crate::times::Times;

/// Threads that guess.
const THREADS: u64 = 4;
/// The failures that a chosen key is allowed in a minute, by default.
const BUDGET: u64 = 10;

/// So many wrong secrets of generated keys, on several threads at once; none may be anything but refused at once.
pub(super) fn wrong_secrets(host: &Host, known: &[String], count: u64) -> Result<(), Failure> {
    let each = count / THREADS;
    let flood = |thread: u64| -> Result<(), Failure> {
        for n in 0..each {
            let at = (thread * each + n) as usize;
            // Another key's secret: its checksum is right.
            let names = known.get(at % known.len()).and_then(|credential| credential.split_once(':'));
            let secrets = known.get((at + 1) % known.len()).and_then(|credential| credential.split_once(':'));
            let (Some((name, _)), Some((_, secret))) = (names, secrets) else { return Err("no such key".into()) };
            match host.ask_no_wait(&format!("{name}:{secret}"))? {
                Answer::Wrong => {}
                Answer::Granted => return Err("a wrong secret was granted".into()),
                Answer::Busy => return Err("a wrong secret for a generated key was BUSY".into()),
                Answer::Pending(_) => return Err("a wrong secret for a generated key is being hashed".into()),
            }
        }
        Ok(())
    };
    let flood = &flood;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || flood(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

/// The first use of each, one after another: what it takes, in us.
pub(super) fn bystanders(host: &Host, credentials: &[String]) -> Result<Times, Failure> {
    let mut times = Times::default();
    for credential in credentials {
        let start = Instant::now();
        host.expect_granted(credential)?;
        times.add(u64::try_from(start.elapsed().as_micros())?);
    }
    Ok(times)
}

/// What kind of secret an imported key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person's, remembered after its first use.
    ChosenWithMemo,
    /// A person's.
    Chosen,
    /// A machine's.
    Random,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ChosenWithMemo => "chosen secret, memo on",
            Self::Chosen => "chosen secret, memo off",
            Self::Random => "random secret, cold",
        }
    }
}

/// Somebody who guesses the secret of one imported key.
pub(super) struct Guesser<'a> {
    host: &'a Host,
    kind: Kind,
    owner: String,
}

/// What came of it.
pub(super) struct Told {
    pub(super) guesses: u64,
    pub(super) busy: u64,
    pub(super) hashed: u64,
    pub(super) owner_asked: u64,
    pub(super) owner_busy: u64,
    pub(super) bystanders: Times,
    /// Minutes of the clock that it touched, or one more.
    minutes: u64,
}

impl<'a> Guesser<'a> {
    pub(super) fn new(host: &'a Host, kind: Kind) -> Result<Self, Failure> {
        // A hash of a secret that this process knows: that of a key, which goes again.
        let created = host.auth.keys().create(&NewKey::named("source"), &Caller::system())?;
        let mut hash = String::new();
        host.auth.store().read(&mut |reader| {
            let row = reader.key_by_name("source")?;
            hash = row.and_then(|row| row.credentials.into_iter().next()).map(|c| c.hash).unwrap_or_default();
            Ok(())
        })?;
        host.auth.keys().delete("source", None, &Caller::system())?;
        let strength = if kind == Kind::Random { Strength::Random } else { Strength::Chosen };
        let import = Import { key: NewKey::named("imported"), format: ImportFormat::Phc, hash, strength };
        host.auth.keys().import(&import, &Caller::system())?;
        let owner = format!("imported:{}", created.key.as_str());
        if kind == Kind::ChosenWithMemo {
            host.expect_granted(&owner)?;
        }
        Ok(Self { host, kind, owner })
    }

    /// Guesses at a steady pace while others use their keys for the first time, and the owner asks now and then.
    pub(super) fn flood(&self, scale: &Scale, bystanders: &[String]) -> Result<Told, Failure> {
        let (host, start, before) = (self.host, Instant::now(), self.host.runs()?);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let guessing = scope.spawn(|| {
                let guessed = self.guess(scale);
                done.store(true, Ordering::Relaxed);
                guessed
            });
            let owning = scope.spawn(|| self.own(&done));
            let bystanders_took = super::flood::bystanders(host, bystanders);
            let (busy, tickets) = guessing.join().map_err(|_| "a thread panicked")??;
            let (owner_asked, owner_busy, owner_hashed) = owning.join().map_err(|_| "a thread panicked")??;
            for ticket in tickets {
                match ticket.wait(None) {
                    Some(Err(error)) if error.code() == Code::InvalidCredential => {}
                    other => return Err(format!("a guess got {other:?}").into()),
                }
            }
            let hashed = host.runs()? - before - bystanders.len() as u64 - owner_hashed;
            let minutes = start.elapsed().as_secs() / 60 + 2;
            let guesses = scale.guesses;
            Ok(Told { guesses, busy, hashed, owner_asked, owner_busy, bystanders: bystanders_took?, minutes })
        })
    }

    fn guess(&self, scale: &Scale) -> Result<(u64, Vec<Ticket>), Failure> {
        let (start, mut busy, mut tickets) = (Instant::now(), 0, Vec::new());
        for n in 0..scale.guesses {
            match self.host.ask_no_wait(&format!("imported:guess-{n}"))? {
                Answer::Wrong => {}
                Answer::Busy => busy += 1,
                Answer::Pending(ticket) => tickets.push(ticket),
                Answer::Granted => return Err("a guess was granted".into()),
            }
            if n % 100 == 0 {
                let due = start + Duration::from_nanos(n * 1_000_000_000 / scale.pace);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
        Ok((busy, tickets))
    }

    /// The owner's own use: how often, how often it was `BUSY`, and how many hashes it caused.
    fn own(&self, done: &AtomicBool) -> Result<(u64, u64, u64), Failure> {
        let (mut asked, mut busy, mut granted) = (0, 0, 0);
        loop {
            asked += 1;
            match self.host.ask(&self.owner) {
                Code::Ok => granted += 1,
                Code::Busy => busy += 1,
                other => return Err(format!("the owner of the key got {}", other.name()).into()),
            }
            if done.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let hashed = match self.kind {
            Kind::ChosenWithMemo => 0,
            // Each time anew.
            Kind::Chosen => granted,
            Kind::Random => granted.min(1),
        };
        Ok((asked, busy, hashed))
    }

    /// What must hold, whatever time anything took.
    pub(super) fn judge(&self, told: &Told) -> Result<(), Failure> {
        let Told { guesses, busy, hashed, owner_busy, minutes, .. } = told;
        match self.kind {
            Kind::ChosenWithMemo => {
                expect(*hashed == 0 && *busy == 0, || format!("{hashed} guesses were hashed, {busy} were BUSY"))?;
                expect(*owner_busy == 0, || format!("the owner was BUSY {owner_busy} times"))
            }
            Kind::Chosen => {
                expect(*hashed <= BUDGET * minutes, || format!("{hashed} guesses were hashed in {minutes} minutes"))?;
                expect(hashed + busy == *guesses, || format!("{hashed} hashed and {busy} BUSY of {guesses} guesses"))
            }
            // What is answered from memory, once the owner was let through, is neither.
            Kind::Random => expect(hashed + busy <= *guesses, || format!("{hashed} hashed of {guesses} guesses")),
        }
    }
}

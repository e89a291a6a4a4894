//! One store with its readers, and writers that live and die on it one after another.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tempfile::TempDir;

use crate::{
    Outcome,
    board::{Mapped, QUESTIONS, SLOTS, STOP},
    children::{PATIENCE, Process, wait_for},
    doom::{Fate, STORE},
    inquest::{Account, Verdict, judge},
    keys::{Key, View},
    progress::Run,
    witness::Testimony,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How readers are cast.
#[derive(Debug, Clone, Copy)]
pub struct Readers {
    /// Processes.
    pub processes: usize,
    /// Threads in each.
    pub threads: usize,
    /// How long a thread rests after a batch of checks, in times that the batch took.
    pub rest: u32,
    /// Whether they take turns at writing.
    pub write: bool,
}

/// A store, its readers, and what they share.
pub struct Stage {
    /// What is shared.
    pub board: Mapped,
    readers: Vec<Process>,
    seats: usize,
    order: u64,
    counted: [u64; 3],
    /// How long a writer rests after a change, at most: readers then check what is quiet, as they mostly do.
    rest: Duration,
    program: PathBuf,
    store: PathBuf,
    rng: Rng,
    /// Last, since what is above uses it.
    _scratch: TempDir,
}

/// The codes that a caller is told to ask again on.
const RETRIED: [inspire_auth_core::Code; 2] = [inspire_auth_core::Code::Busy, inspire_auth_core::Code::StoreLocked];

impl Stage {
    /// A new store with [`SLOTS`] keys, and these readers on it, running.
    ///
    /// # Errors
    /// What went wrong.
    pub fn set(run: &Run, readers: Readers) -> Result<Self, Failure> {
        let scratch = run.scratch()?;
        let mut stage = Self {
            board: Mapped::new()?,
            readers: Vec::new(),
            seats: readers.processes * readers.threads,
            order: 0,
            counted: [0; 3],
            rest: Duration::ZERO,
            program: run.program()?,
            store: scratch.path().join(STORE),
            rng: Rng::new(),
            _scratch: scratch,
        };
        for (number, slot) in stage.board.slots.iter().enumerate() {
            slot.begin(&Key::never(number));
        }
        // Long enough that nearly every key is there.
        stage.writer(Fate::Retired(3 * SLOTS as i64))?.wait()?;
        stage.board.check()?;
        for number in 0..readers.processes {
            let arguments = [
                (number * readers.threads).to_string(),
                readers.threads.to_string(),
                if readers.write { number + 1 } else { 0 }.to_string(),
                readers.rest.to_string(),
            ];
            let reader = stage.start("reader", &arguments)?;
            stage.readers.push(reader);
        }
        stage.wait_for_readers("every reader has begun", 1)?;
        Ok(stage)
    }

    /// From now on a writer rests after most changes, for at most so long.
    pub fn let_writers_rest(&mut self, at_most: Duration) {
        self.rest = at_most;
    }

    /// Starts a process on this store.
    fn start(&self, role: &'static str, arguments: &[String]) -> Result<Process, Failure> {
        let mut all = vec![self.board.descriptor().to_string(), self.store.to_string_lossy().into_owned()];
        all.extend_from_slice(arguments);
        Ok(Process::start(&self.program, role, &all)?)
    }

    fn writer(&mut self, fate: Fate) -> Result<Process, Failure> {
        let [word, number] = fate.to_words();
        let seed = self.rng.u64(..).to_string();
        self.start("writer", &[seed, word, number, self.rest.as_micros().to_string()])
    }

    /// One life of a writer, its death, and the inquest.
    ///
    /// # Errors
    /// When anything that is settled is not so, or a reader differs from the database.
    pub fn life(&mut self, run: &mut Run) -> Outcome {
        let fate = match self.rng.u32(..16) {
            0 => Fate::Retired(self.rng.i64(1..=12)),
            1..=5 => Fate::AfterCommit(self.rng.i64(1..=6)),
            6..=7 => Fate::BeforeCommit(self.rng.i64(1..=6)),
            _ => Fate::Killed,
        };
        let mut writer = self.writer(fate)?;
        let status = if fate == Fate::Killed {
            if self.rng.bool() { self.kill_anywhere(&mut writer)? } else { self.kill_during_change(&mut writer)? }
        } else {
            writer.wait()?
        };
        self.board.check()?;
        match (fate, status.signal()) {
            (Fate::Retired(_), None) if status.success() => run.add("restarts", 1),
            (Fate::Retired(_), _) => return Err(format!("a writer that should end well ended with {status}").into()),
            (_, Some(libc::SIGKILL)) => run.add("kills", 1),
            _ => return Err(format!("a writer that should be killed ended with {status}").into()),
        }
        if matches!(fate, Fate::AfterCommit(_)) {
            run.add("between commit and return", 1);
        }
        self.inquest(run)
    }

    /// SIGKILL at any moment, that of the opening included.
    fn kill_anywhere(&mut self, writer: &mut Process) -> Result<std::process::ExitStatus, Failure> {
        thread::sleep(Duration::from_micros(self.rng.u64(..60_000)));
        Ok(writer.kill()?)
    }

    /// SIGKILL at a random moment between "about to change" and its end.
    fn kill_during_change(&mut self, writer: &mut Process) -> Result<std::process::ExitStatus, Failure> {
        let board = &self.board;
        let at = board.announced.0.load(Ordering::Acquire) + self.rng.u64(1..=4);
        wait_for("the writer announces changes", || {
            board.check()?;
            Ok(board.announced.0.load(Ordering::Acquire) >= at)
        })?;
        let usual = board.took.0.load(Ordering::Relaxed).min(20_000_000);
        thread::sleep(Duration::from_nanos(self.rng.u64(..=usual)));
        Ok(writer.kill()?)
    }

    /// What does the database say, and does everybody else say the same?
    fn inquest(&mut self, run: &mut Run) -> Outcome {
        let views: Vec<View> = self.board.slots.iter().map(crate::keys::Slot::view).collect();
        // The readers first: nobody has opened the store since the death, so nothing of what it left is mended.
        self.command("every reader answers for every key")?;
        let order = if self.rng.bool() { "library-first" } else { "database-first" };
        let said = self.start("witness", &[order.to_owned()])?.answer();
        self.board.check()?;
        let testimony: Testimony = serde_json::from_slice(&said?)?;
        if !testimony.damage.is_empty() {
            return Err(format!("the database is damaged: {}", testimony.damage.join("; ")).into());
        }

        let seats = self.board.seats[..self.seats].iter().enumerate();
        let tables = seats.map(|(number, seat)| (format!("reader thread {number}"), seat.answers()));
        let accounts: Vec<Account> =
            std::iter::once(("a fresh handle".to_owned(), testimony.answers)).chain(tables).collect();
        let verdicts = judge(&views, &testimony.rows, &accounts)?;
        run.add("answers compared", (accounts.len() * SLOTS * QUESTIONS) as u64);

        for ((slot, view), verdict) in self.board.slots.iter().zip(&views).zip(verdicts) {
            let Some(after) = &view.announced else { continue };
            if verdict == Verdict::Done {
                run.add("unacknowledged, done", 1);
                // Whoever made the secret took it along.
                let header = if after.known { &after.header } else { &view.settled.header };
                slot.acknowledge(&Key { header: header.clone(), ..after.clone() });
            } else {
                run.add("unacknowledged, not done", 1);
                slot.withdraw();
            }
        }
        self.command("every reader goes on")
    }

    /// Gives the readers the next order, and waits until all have carried it out.
    fn command(&mut self, what: &str) -> Outcome {
        self.order = if self.order == 0 { 3 } else { self.order + 1 };
        self.board.order.0.store(self.order, Ordering::Release);
        self.wait_for_readers(what, self.order)
    }

    fn wait_for_readers(&mut self, what: &str, order: u64) -> Outcome {
        let begun = Instant::now();
        loop {
            self.check_readers()?;
            let seats = &self.board.seats[..self.seats];
            let done = seats.iter().filter(|seat| seat.carried_out.load(Ordering::Acquire) >= order).count();
            if done == self.seats {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{done} of {} threads in {} s: {what}", self.seats, PATIENCE.as_secs()).into());
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Whether every reader is alive and content.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_readers(&mut self) -> Outcome {
        self.board.check()?;
        for reader in &mut self.readers {
            if let Some(status) = reader.ended()? {
                self.board.check()?;
                return Err(format!("a reader ended with {status}").into());
            }
        }
        Ok(())
    }

    /// Adds what the readers have done since the last time.
    pub fn count(&mut self, run: &mut Run) {
        let seats = &self.board.seats[..self.seats];
        let sums = [
            seats.iter().map(|seat| seat.checks.load(Ordering::Relaxed)).sum::<u64>(),
            seats.iter().map(|seat| seat.granted.load(Ordering::Relaxed)).sum(),
            seats.iter().map(|seat| seat.overlapped.load(Ordering::Relaxed)).sum(),
        ];
        for ((what, sum), before) in
            ["checks", "granted", "overlapped a change"].iter().zip(sums).zip(&mut self.counted)
        {
            run.add(what, sum - *before);
            *before = sum;
        }
        let slowest = seats.iter().map(|seat| seat.slowest.load(Ordering::Relaxed)).max().unwrap_or(0);
        run.at_least("slowest 256 checks us", slowest / 1_000);
        for code in RETRIED {
            let count = self.board.codes[code.number() as usize].swap(0, Ordering::Relaxed);
            run.add(&format!("retried {}", code.name()), count);
        }
    }

    /// Changes acknowledged so far, after those that made the keys.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.board.acknowledged.0.load(Ordering::Acquire)
    }

    /// Ends the readers in good order.
    ///
    /// # Errors
    /// When one does not end well.
    pub fn strike(mut self) -> Outcome {
        self.board.order.0.store(STOP, Ordering::Release);
        for mut reader in std::mem::take(&mut self.readers) {
            let status = reader.wait()?;
            self.board.check()?;
            if !status.success() {
                return Err(format!("a reader ended with {status}").into());
            }
        }
        Ok(())
    }
}

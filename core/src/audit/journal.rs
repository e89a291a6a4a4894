//! The file that events are written to, by any number of processes.
//!
//! Whoever writes holds an exclusive lock (`flock`) on the file itself, and has looked, with the lock held, whether the
//! file still has its name: another process may just have renamed it. Only the holder of that lock renames files. So at
//! any moment one process writes, and what it finds at the end of the file is the end of the log.
//!
//! The lock belongs to the open file, which a fork would share: before a fork the file is closed, and both sides open
//! their own.

use std::{
    any::Any,
    fs::{File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError as TryEnterError},
    thread,
    time::{Duration, Instant},
};

use inspire_auth_platform::{
    append,
    fork::{self, ForkAware},
    fs,
};

use super::{
    chain::{self, Digest, GENESIS, Tail},
    event, names,
};
use crate::{
    error::{Code, Error, Result},
    lock::lock,
    options::AuditFile,
    per_process::PerProcess,
    store::AuditEvent,
};

/// How long another process may hold the lock before this one gives up. A write takes milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a change, which holds the store's own lock meanwhile: whoever may read the log can lock it, and must not
/// hold up a revocation, nor make other processes' changes wait longer than they are ready to.
const CHANGE_PATIENCE: Duration = Duration::from_millis(250);
/// After a change waited in vain, the following ones ask only once for so long.
const HURRY: Duration = Duration::from_secs(5);
/// How long to wait before asking for the lock again; doubled each time, up to the second.
const LOCK_PAUSE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));
/// How often a file may lose its name between being opened and being locked.
const RENAMES: u32 = 1000;
/// The smallest and largest `AuditFile::max_bytes`.
const BYTES: (u64, u64) = (64 << 10, AuditFile::MAX_BYTES);

/// What could not be written, and how much of it was.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// So many events, the first ones, are in the file all the same.
    pub(crate) written: usize,
    pub(crate) error: io::Error,
}

/// The audit file of one handle.
pub(crate) struct Journal {
    config: AuditFile,
    /// The store's file, whose owner the log should have.
    beside: Option<PathBuf>,
    patience: Duration,
    desk: PerProcess<Desk>,
}

/// What one process has open.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    opened: Condvar,
    /// Until when changes don't wait, since one waited in vain.
    hurry: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    /// A fork is under way: the file must stay closed until it is over.
    shut: bool,
    live: Option<Live>,
}

/// The open file, and how it ended when this process last wrote to it.
struct Live {
    file: File,
    tail: Option<Tail>,
}

impl Journal {
    /// Checks the options; touches no file.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn new(mut config: AuditFile, beside: Option<PathBuf>) -> Result<Arc<Self>> {
        let refuse = |why| Err(Error::with(Code::InvalidArgument, why));
        if config.path.file_name().is_none() {
            return refuse("the path of the audit file names no file");
        }
        if !(BYTES.0..=BYTES.1).contains(&config.max_bytes) {
            return refuse("max_bytes of the audit file is less than 64 KiB, or too much");
        }
        if !(1..=names::MOST).contains(&config.keep) {
            return refuse("keep of the audit file is 1 to 1000");
        }
        // Once: a host that changes its folder later goes on with the same files.
        let absolute = |path: PathBuf| {
            std::path::absolute(path)
                .map_err(|error| Error::with(Code::InvalidArgument, "no absolute path").caused_by(error))
        };
        config.path = absolute(config.path)?;
        let beside = beside.map(absolute).transpose()?;
        if beside.as_deref().is_some_and(|store| names::collides(&config.path, store)) {
            return refuse("the audit file is one of the store's own files, or would be renamed to one");
        }
        let desk = PerProcess::new(Desk::default);
        let journal = Arc::new(Self { config, beside, patience: LOCK_PATIENCE, desk });
        // After the store, which is open by now: a thread in the middle of a write transaction wants the file, so the
        // store must come to rest first.
        let aware: Arc<dyn ForkAware> = Arc::clone(&journal) as _;
        fork::register(Arc::downgrade(&aware));
        Ok(journal)
    }

    pub(crate) fn config(&self) -> &AuditFile {
        &self.config
    }

    /// Adds the lines of a batch of `events`.
    ///
    /// # Errors
    /// Those of the file system; `TimedOut` when another process keeps the lock.
    pub(crate) fn append(&self, events: &[&AuditEvent]) -> std::result::Result<(), Unwritten> {
        self.append_within(self.patience, events, false)
    }

    /// Adds one line; it is on the disk when this returns.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(crate) fn append_durably(&self, event: &AuditEvent) -> std::result::Result<(), Unwritten> {
        self.append_within(self.patience, &[event], true)
    }

    /// Adds the line of a change that waits for it, and holds the store meanwhile: it is on the disk when this returns,
    /// and whoever keeps the file locked is waited for a quarter of a second at the most.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub(crate) fn append_change(&self, event: &AuditEvent) -> std::result::Result<(), Unwritten> {
        let desk = self.desk.get();
        let done = self.append_within(desk.change_patience(), &[event], true);
        let late = done.as_ref().is_err_and(|unwritten| unwritten.error.kind() == io::ErrorKind::TimedOut);
        *lock(&desk.hurry) = if late { Instant::now().checked_add(HURRY) } else { None };
        done
    }

    /// Adds the lines of `events`; with `durable` they are on the disk when this returns. Waits for others as long as
    /// `patience` says, for those of this process and of others together.
    fn append_within(
        &self,
        patience: Duration,
        events: &[&AuditEvent],
        durable: bool,
    ) -> std::result::Result<(), Unwritten> {
        let until = Instant::now().checked_add(patience);
        let desk = self.desk.get();
        let mut written = 0;
        let done = desk.enter_until(until).and_then(|mut state| {
            let done = self.write(&mut state, until, events, durable, &mut written);
            if done.is_err() {
                // Whatever is wrong with it, the next one begins anew.
                state.live = None;
            }
            done
        });
        done.map_err(|error| Unwritten { written, error })
    }

    fn write(
        &self,
        state: &mut State,
        until: Option<Instant>,
        events: &[&AuditEvent],
        durable: bool,
        written: &mut usize,
    ) -> io::Result<()> {
        while *written < events.len() {
            let mut live = self.locked(state, until)?;
            let left = events.get(*written..).unwrap_or_default();
            let (count, full) = self.fill(&mut live, left, durable)?;
            *written = written.saturating_add(count);
            if full {
                names::rotate(&self.config.path, self.config.keep)?;
            } else {
                live.file.unlock()?;
                state.live = Some(live);
            }
            // A file that was renamed is closed, which unlocks it.
        }
        Ok(())
    }

    /// The file that has the name now, locked.
    fn locked(&self, state: &mut State, until: Option<Instant>) -> io::Result<Live> {
        for _ in 0..RENAMES {
            let live = match state.live.take() {
                Some(live) => live,
                None => Live { file: append::open_append(&self.config.path, true)?, tail: None },
            };
            wait_for_lock(&live.file, until, File::try_lock)?;
            if append::is_named(&live.file, &self.config.path)? {
                return Ok(live);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the file is renamed again and again"))
    }

    /// Adds as many lines as fit. Returns their number, and whether the file is full.
    fn fill(&self, live: &mut Live, events: &[&AuditEvent], durable: bool) -> io::Result<(usize, bool)> {
        let size = append::identity_of(&live.file)?.size;
        let tail = match live.tail.take().filter(|tail| tail.size == size) {
            Some(tail) => tail,
            None => chain::tail(&live.file, size)?,
        };
        if size == 0 {
            self.dress(&live.file)?;
        }
        let (mut head, chained) = match tail.head {
            Some(head) => (head, tail.chained),
            None => self.end_of_last_file()?,
        };
        // A chain that somebody began goes on, whoever writes: one line without would break it for good.
        let chained = chained || self.config.chain;
        let mut text = Vec::new();
        if !tail.whole {
            // What a crash tore stays a line of its own.
            text.push(b'\n');
        }
        let (mut count, mut full) = (0_usize, false);
        for event in events {
            let previous = chained.then_some(&head);
            let line = event::line(event, previous).map_err(io::Error::other)?;
            let grown = size.saturating_add(text.len() as u64);
            if grown > 0 && grown.saturating_add(line.len() as u64) > self.config.max_bytes {
                full = true;
                break;
            }
            head = chain::digest(line.strip_suffix(b"\n").unwrap_or(&line));
            text.extend_from_slice(&line);
            count = count.saturating_add(1);
        }
        let put = (&live.file).write_all(&text).and_then(|()| if durable { live.file.sync_data() } else { Ok(()) });
        if let Err(error) = put {
            // What is there of it would tell of something that is not going to happen.
            let _ = live.file.set_len(size);
            return Err(error);
        }
        live.tail = Some(Tail { size: size.saturating_add(text.len() as u64), whole: true, head: Some(head), chained });
        Ok((count, full))
    }

    /// What makes a new file fit to be one of the log.
    fn dress(&self, file: &File) -> io::Result<()> {
        match append::open_read(&names::rotated(&self.config.path, 1)) {
            Ok(last) => append::follow_owner_and_mode(file, &last)?,
            // Root, at a command line, must not lock the service out.
            Err(_) => self.beside.iter().try_for_each(|store| append::follow_owner(file, store))?,
        }
        // Its name must survive a power cut as its lines do.
        let folder = self.config.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::sync_folder(folder.unwrap_or(Path::new(".")))
    }

    /// What the first line of a new file continues, and whether there is a chain to continue.
    fn end_of_last_file(&self) -> io::Result<(Digest, bool)> {
        let none = (GENESIS, false);
        let Some(newest) = names::numbers(&self.config.path)?.first().copied() else { return Ok(none) };
        let file = match append::open_read(&names::rotated(&self.config.path, newest)) {
            Ok(file) => file,
            // Who does not want a chain needs no file but the one that is written.
            Err(_) if !self.config.chain => return Ok(none),
            Err(error) => return Err(error),
        };
        let tail = chain::tail(&file, append::identity_of(&file)?.size)?;
        Ok((tail.head.unwrap_or(GENESIS), tail.chained))
    }
}

/// Asks for a lock until it is there.
///
/// # Errors
/// `TimedOut`, and those of the system.
pub(super) fn wait_for_lock(
    file: &File,
    until: Option<Instant>,
    ask: impl Fn(&File) -> std::result::Result<(), TryLockError>,
) -> io::Result<()> {
    wait_until(until, || match ask(file) {
        Ok(()) => Some(Ok(())),
        Err(TryLockError::Error(error)) => Some(Err(error)),
        Err(TryLockError::WouldBlock) => None,
    })
}

/// Asks at least once, and again and again until there is an answer.
fn wait_until<T>(until: Option<Instant>, mut ask: impl FnMut() -> Option<io::Result<T>>) -> io::Result<T> {
    let (mut pause, longest) = LOCK_PAUSE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the audit file is kept locked"));
        }
        thread::sleep(pause);
        pause = pause.saturating_mul(2).min(longest);
    }
}

/// When to stop waiting for a lock that is asked for now.
pub(super) fn patience() -> Option<Instant> {
    Instant::now().checked_add(LOCK_PATIENCE)
}

impl Desk {
    fn enter(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        while state.shut {
            state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// As [`Desk::enter`], but a thread that keeps the desk, or a fork, is waited for only until then.
    fn enter_until(&self, until: Option<Instant>) -> io::Result<MutexGuard<'_, State>> {
        wait_until(until, || {
            let state = match self.state.try_lock() {
                Ok(state) => state,
                Err(TryEnterError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryEnterError::WouldBlock) => return None,
            };
            (!state.shut).then_some(Ok(state))
        })
    }

    /// How long a change waits now.
    fn change_patience(&self) -> Duration {
        let hurried = lock(&self.hurry).is_some_and(|until| Instant::now() < until);
        if hurried { Duration::ZERO } else { CHANGE_PATIENCE }
    }
}

impl ForkAware for Journal {
    fn before_fork(&self) -> Box<dyn Any> {
        let desk = self.desk.get();
        {
            let mut state = desk.enter();
            state.live = None;
            state.shut = true;
        }
        Box::new(Shut(desk))
    }
}

/// A journal at rest; dropping it lets others on again.
struct Shut(Arc<Desk>);

impl Drop for Shut {
    fn drop(&mut self) {
        lock(&self.0.state).shut = false;
        self.0.opened.notify_all();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(detail: &str) -> AuditEvent {
        AuditEvent {
            at: 1,
            event: "key.created".to_owned(),
            actor: "system".to_owned(),
            subject: "k".to_owned(),
            detail: detail.to_owned(),
            code: Code::Ok,
        }
    }

    #[test]
    fn a_lock_that_somebody_keeps_is_waited_for_and_then_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let journal = Journal {
            config: AuditFile::at(&path),
            beside: None,
            patience: Duration::from_millis(20),
            desk: PerProcess::new(Desk::default),
        };
        journal.append(&[&event("first")]).unwrap();
        let other = append::open_append(&path, false).unwrap();
        other.lock().unwrap();
        let unwritten = journal.append(&[&event("second")]).unwrap_err();
        assert_eq!((unwritten.written, unwritten.error.kind()), (0, io::ErrorKind::TimedOut));
        other.unlock().unwrap();
        journal.append(&[&event("third")]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("first") && !text.contains("second") && text.contains("third"));
    }

    #[test]
    fn a_change_does_not_wait_for_those_who_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let journal = Journal {
            config: AuditFile::at(&path),
            beside: None,
            patience: Duration::from_secs(3600),
            desk: PerProcess::new(Desk::default),
        };
        journal.append(&[&event("first")]).unwrap();
        let desk = journal.desk.get();
        let other = append::open_append(&path, false).unwrap();
        other.lock().unwrap();
        thread::scope(|scope| {
            let batch = scope.spawn(|| journal.append(&[&event("batch")]));
            // It is at the desk, and waits for the file: an hour if need be.
            while desk.state.try_lock().is_ok() {
                thread::yield_now();
            }
            assert_eq!(desk.change_patience(), CHANGE_PATIENCE);
            let late = journal.append_change(&event("late")).unwrap_err();
            assert_eq!((late.written, late.error.kind()), (0, io::ErrorKind::TimedOut));
            assert_eq!(desk.change_patience(), Duration::ZERO, "the next one need not find out for itself");
            journal.append_change(&event("later")).unwrap_err();
            other.unlock().unwrap();
            batch.join().unwrap().unwrap();
        });
        journal.append_change(&event("again")).unwrap();
        assert_eq!(desk.change_patience(), CHANGE_PATIENCE);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("batch") && text.contains("again") && !text.contains("late"));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let file = AuditFile::at("/tmp/x/audit.log");
        for wrong in [
            AuditFile { max_bytes: 65_535, ..file.clone() },
            AuditFile { max_bytes: u64::MAX, ..file.clone() },
            AuditFile { keep: 0, ..file.clone() },
            AuditFile { keep: 1001, ..file.clone() },
            AuditFile { path: PathBuf::new(), ..file.clone() },
            AuditFile { path: "/".into(), ..file.clone() },
        ] {
            assert_eq!(Journal::new(wrong.clone(), None).unwrap_err().code(), Code::InvalidArgument, "{wrong:?}");
        }
        Journal::new(file, None).unwrap();
    }

    #[test]
    fn a_relative_path_is_meant_once() {
        let journal = Journal::new(AuditFile::at("audit.log"), Some("keys.db".into())).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(journal.config().path, here.join("audit.log"));
        assert_eq!(journal.beside, Some(here.join("keys.db")));
    }

    #[test]
    fn what_is_appended_without_a_handle_is_screened_and_belongs_to_whoever_has_the_store() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path().join("audit.log"), folder.path().join("keys.db"));
        std::fs::write(&store, "").unwrap();
        // Nobody but root can give a file away; for others owner and group are theirs anyway.
        let _ = chown(&store, Some(54_321), Some(54_321));
        let key = format!("{}{}", crate::keys::KEY_PREFIX, "k".repeat(43));
        crate::audit::append(&AuditFile::at(&path), Some(&store), &event(&key)).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&key), "it is screened like all others");
        let owner = |path: &Path| std::fs::metadata(path).map(|stat| (stat.uid(), stat.gid())).unwrap();
        assert_eq!(owner(&path), owner(&store));
    }

    #[test]
    fn a_batch_larger_than_a_file_goes_into_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let config = AuditFile { max_bytes: BYTES.0, keep: 1000, chain: true, ..AuditFile::at(&path) };
        let journal = Journal::new(config, None).unwrap();
        let events: Vec<AuditEvent> = (0..1000).map(|n| event(&format!("{n} {}", "x".repeat(n)))).collect();
        journal.append(&events.iter().collect::<Vec<_>>()).unwrap();
        let verified = crate::audit::verify(&path).unwrap();
        assert_eq!((verified.lines, verified.from_the_beginning), (1000, true));
        assert!(verified.files.len() > 5);
        for file in verified.files {
            let size = std::fs::metadata(&file).unwrap().len();
            assert!(size > 0 && size <= BYTES.0, "{} {size}", file.display());
        }
    }
}

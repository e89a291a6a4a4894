//! The control block: which call fails, and what is being recorded.

use std::{
    collections::BTreeMap,
    ffi::c_int,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::ffi;

use super::disk::Event;

/// What SQLite asks of a VFS and of its files, as far as it may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of SQLite's methods")]
pub enum Call {
    Open,
    Delete,
    Access,
    FullPathname,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    /// The lock is given up all the same: no system refuses that.
    Unlock,
    CheckReservedLock,
    ShmMap,
    ShmLock,
    /// As [`Call::Unlock`].
    ShmUnlock,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any call: an I/O error, or a file that can't be opened.
    Io,
    /// Only what needs room: the disk is full.
    Full,
    /// Only reads: the file ends too early, and the rest reads as zeros.
    Short,
}

impl Kind {
    /// What the call answers instead, in SQLite's result codes; `None` when this kind does not concern it.
    const fn answer(self, call: Call) -> Option<c_int> {
        Some(match (self, call) {
            (Self::Io, Call::Open) => ffi::SQLITE_CANTOPEN,
            (Self::Io, Call::Delete) => ffi::SQLITE_IOERR_DELETE,
            (Self::Io, Call::Access) => ffi::SQLITE_IOERR_ACCESS,
            (Self::Io, Call::FullPathname) => ffi::SQLITE_CANTOPEN_FULLPATH,
            (Self::Io, Call::Read) => ffi::SQLITE_IOERR_READ,
            (Self::Io, Call::Write) => ffi::SQLITE_IOERR_WRITE,
            (Self::Io, Call::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
            (Self::Io, Call::Sync) => ffi::SQLITE_IOERR_FSYNC,
            (Self::Io, Call::FileSize) => ffi::SQLITE_IOERR_FSTAT,
            (Self::Io, Call::Lock) => ffi::SQLITE_IOERR_LOCK,
            (Self::Io, Call::Unlock) => ffi::SQLITE_IOERR_UNLOCK,
            (Self::Io, Call::CheckReservedLock) => ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
            (Self::Io, Call::ShmMap) => ffi::SQLITE_IOERR_SHMMAP,
            (Self::Io, Call::ShmLock | Call::ShmUnlock) => ffi::SQLITE_IOERR_SHMLOCK,
            (Self::Full, Call::Write) => ffi::SQLITE_FULL,
            (Self::Short, Call::Read) => ffi::SQLITE_IOERR_SHORT_READ,
            _ => return None,
        })
    }
}

/// Whose calls count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// The store, its log, its shared memory, and backups.
    Authority,
    /// The activity file, which another thread may be writing at the same time.
    Activity,
}

impl Files {
    fn of(path: Option<&Path>) -> Self {
        let name = path.and_then(Path::file_name).map(std::ffi::OsStr::to_string_lossy);
        if name.is_some_and(|name| name.contains(".activity")) { Self::Activity } else { Self::Authority }
    }
}

/// Which calls fail.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How.
    pub kind: Kind,
    /// Whose calls count.
    pub files: Files,
    /// Which calls count; `None` is all.
    pub only: Option<Call>,
    /// The number of the call that fails, among those that the kind and the files concern; the first is 1.
    pub at: u64,
    /// Whether every such call after it fails too.
    pub for_ever: bool,
}

#[derive(Debug)]
pub(super) struct Control {
    plan: Option<Plan>,
    counted: u64,
    failed: u64,
    first: Option<(Call, String)>,
    recording: Option<Recording>,
    serial: u64,
    synchronous: Option<u8>,
}

/// What is written down, and about which folder.
#[derive(Debug)]
struct Recording {
    folder: PathBuf,
    page: PathBuf,
    /// The last content of the page that was written down.
    page_content: Option<Arc<[u8]>>,
    /// The files by name, as numbered for this recording.
    files: BTreeMap<String, u64>,
    events: Vec<Event>,
}

static CONTROL: Mutex<Control> = Mutex::new(Control::idle());

/// Waits for the control block.
pub(super) fn lock() -> MutexGuard<'static, Control> {
    CONTROL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    const fn idle() -> Self {
        Self { plan: None, counted: 0, failed: 0, first: None, recording: None, serial: 0, synchronous: None }
    }

    pub(super) fn arm(&mut self, plan: Plan) {
        (self.plan, self.counted, self.failed, self.first) = (Some(plan), 0, 0, None);
    }

    pub(super) fn disarm(&mut self) {
        self.plan = None;
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn first(&self) -> Option<(Call, String)> {
        self.first.clone()
    }

    /// What a call answers instead of being made; `None` lets it pass.
    pub(super) fn verdict(&mut self, call: Call, path: Option<&Path>) -> Option<c_int> {
        let plan = self.plan?;
        if plan.files != Files::of(path) || plan.only.is_some_and(|only| only != call) {
            return None;
        }
        let answer = plan.kind.answer(call)?;
        self.counted += 1;
        let fails = if plan.for_ever { self.counted >= plan.at } else { self.counted == plan.at };
        if !fails {
            return None;
        }
        self.failed += 1;
        let name = || path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        self.first.get_or_insert_with(|| (call, name()));
        Some(answer)
    }

    pub(super) fn weaken(&mut self, level: Option<u8>) {
        self.synchronous = level;
    }

    pub(super) fn synchronous(&self) -> Option<u8> {
        self.synchronous
    }

    pub(super) fn record(&mut self, folder: &Path, page: &str) {
        self.recording = Some(Recording {
            folder: folder.to_owned(),
            page: folder.join(page),
            page_content: None,
            files: BTreeMap::new(),
            events: Vec::new(),
        });
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.recording.take().map(|recording| recording.events).unwrap_or_default()
    }

    /// Writes an event down, with what the page holds by now.
    pub(super) fn note(&mut self, event: Event) {
        let Some(recording) = &mut self.recording else { return };
        recording.look_at_the_page();
        recording.events.push(event);
    }

    /// The number of the file at `path` that is about to be opened, if it is one of those that are recorded.
    pub(super) fn opening(&mut self, path: Option<&Path>) -> Option<Opening> {
        let recording = self.recording.as_ref()?;
        let path = path?;
        let name = path.strip_prefix(&recording.folder).ok()?.to_str()?.to_owned();
        if let Some(file) = recording.files.get(&name) {
            return Some(Opening { file: *file, first: None });
        }
        // Nobody has it open, so it may be read by other means.
        let content = std::fs::read(path).ok();
        self.serial += 1;
        Some(Opening { file: self.serial, first: Some((name, content)) })
    }

    /// Notes that a file was opened.
    pub(super) fn opened(&mut self, opening: Opening, is_journal: bool) -> u64 {
        let Opening { file, first } = opening;
        if let (Some((name, content)), Some(recording)) = (first, &mut self.recording) {
            recording.files.insert(name.clone(), file);
            self.note(Event::Opened { file, name, content, is_journal });
        }
        file
    }

    /// Notes that a name was removed.
    pub(super) fn deleted(&mut self, path: &Path, folder_synced: bool) {
        let Some(recording) = &mut self.recording else { return };
        let Some(name) = path.strip_prefix(&recording.folder).ok().and_then(Path::to_str) else { return };
        let name = name.to_owned();
        if recording.files.remove(&name).is_some() {
            self.note(Event::Deleted { name, folder_synced });
        }
    }
}

/// A file that is about to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    file: u64,
    /// Its name and content, when it was not seen before.
    first: Option<(String, Option<Vec<u8>>)>,
}

impl Recording {
    fn look_at_the_page(&mut self) {
        let content = std::fs::read(&self.page).ok();
        if content.as_deref() != self.page_content.as_deref() {
            self.page_content = content.map(Into::into);
            self.events.push(Event::Page(self.page_content.clone()));
        }
    }
}

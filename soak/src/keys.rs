//! What is true of each key, as its writer said: before a change, and after it.
//!
//! Each key has a version. Even: settled, and every check that begins must answer by it. Odd: a change has been announced
//! and not acknowledged, so the answer before it and the answer after it are both right. A key has two records; which
//! one is settled is told by the version, so a writer that dies while it writes one leaves the other whole.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use inspire_auth_core::{
    Code, InspireAuth, Result,
    keys::{Channel, Presented, Principal, Request, Requirement},
};

use crate::board::Text;

/// What readers require.
pub const REQUIRED: &str = "Soak/Reader";
/// What a key holds while it does not hold that.
pub const OTHER: &str = "Soak/Other";

/// What is done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Change {
    /// Made, with a secret that only the answer tells.
    Create = 1,
    /// Made, with a secret that is known before.
    Import,
    /// Deleted.
    Delete,
    /// Disabled.
    Disable,
    /// Enabled.
    Enable,
    /// Given other levels: those that readers require, or those they don't.
    Relevel,
    /// Given another name.
    Rename,
    /// Given another secret.
    Rotate,
}

impl Change {
    fn of(number: u64) -> Self {
        const ALL: [Change; 8] = [
            Change::Create,
            Change::Import,
            Change::Delete,
            Change::Disable,
            Change::Enable,
            Change::Relevel,
            Change::Rename,
            Change::Rotate,
        ];
        ALL.into_iter().find(|change| *change as u64 == number).unwrap_or(Change::Delete)
    }
}

/// What is true of a key at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The change that made it so.
    pub change: Change,
    /// Whether there is such a key.
    pub present: bool,
    /// Whether `header` holds its secret. A writer that dies before it hears the new secret takes it along.
    pub known: bool,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it holds the required level.
    pub entitled: bool,
    /// Its revision.
    pub revision: u64,
    /// Its name; of a key that is deleted, the one it had.
    pub name: String,
    /// The value of `Authorization` that is its credential.
    pub header: Vec<u8>,
    /// The credential that it had before, which must never be good again.
    pub former: Vec<u8>,
}

/// An answer to a check, as a number: the revision that was granted, or [`REFUSED`] and a code.
pub type Answer = u64;
const REFUSED: Answer = 1 << 63;
/// The answer to a credential of no key.
pub const INVALID: Answer = refused(Code::InvalidCredential);

/// The answer that is a refusal with this code.
#[must_use]
pub const fn refused(code: Code) -> Answer {
    REFUSED | code.number() as u64
}

/// Whether it is a grant.
#[must_use]
pub const fn is_granted(answer: Answer) -> bool {
    answer & REFUSED == 0
}

/// An answer in words.
#[must_use]
pub fn spell(answer: Answer) -> String {
    if is_granted(answer) {
        return format!("granted at revision {answer}");
    }
    inspire_auth_core::TABLE
        .iter()
        .find(|entry| u64::from(entry.number) == answer & !REFUSED)
        .map_or_else(|| format!("refused with {}", answer & !REFUSED), |entry| format!("refused with {}", entry.name))
}

/// Asks the library.
#[inline]
pub fn ask(auth: &InspireAuth, header: &[u8], requirement: &Requirement) -> Answer {
    let mut request = Request::new(Presented::Authorization(header), requirement);
    request.channel = Channel::Secure;
    answer(&auth.authenticate(&request))
}

#[inline]
fn answer(decided: &Result<Principal>) -> Answer {
    match decided {
        Ok(principal) => principal.revision(),
        Err(error) => refused(error.code()),
    }
}

impl Key {
    /// A key that never was.
    #[must_use]
    pub fn never(slot: usize) -> Self {
        let header = format!("Bearer s{slot}.0:nobody").into_bytes();
        Self {
            change: Change::Delete,
            present: false,
            known: false,
            enabled: false,
            entitled: false,
            revision: 0,
            name: format!("s{slot}.0"),
            former: header.clone(),
            header,
        }
    }

    /// What `header` must be answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        if !self.present || !self.known || !self.enabled {
            INVALID
        } else if !self.entitled {
            refused(Code::InsufficientLevel)
        } else {
            self.revision
        }
    }

    /// Whether the change that led here ends the credential that was good before it.
    #[must_use]
    pub fn ends_credential(&self) -> bool {
        matches!(self.change, Change::Create | Change::Import | Change::Delete | Change::Rename | Change::Rotate)
    }

    /// What the credential from before the change must be answered after it.
    #[must_use]
    pub fn answer_to_former(&self) -> Answer {
        if self.ends_credential() { INVALID } else { self.answer() }
    }
}

/// A [`Key`] in shared memory.
#[repr(C)]
pub struct Record {
    change: AtomicU64,
    present: AtomicU64,
    known: AtomicU64,
    enabled: AtomicU64,
    entitled: AtomicU64,
    revision: AtomicU64,
    name: Text<8>,
    header: Text<16>,
    former: Text<16>,
}

impl Record {
    fn store(&self, key: &Key) {
        self.change.store(key.change as u64, Ordering::Relaxed);
        self.present.store(u64::from(key.present), Ordering::Relaxed);
        self.enabled.store(u64::from(key.enabled), Ordering::Relaxed);
        self.entitled.store(u64::from(key.entitled), Ordering::Relaxed);
        self.revision.store(key.revision, Ordering::Relaxed);
        self.name.set(key.name.as_bytes());
        self.former.set(&key.former);
        self.header.set(&key.header);
        // Last: who sees it may believe the header, also when the writer dies here.
        self.known.store(u64::from(key.known), Ordering::Release);
    }

    fn load(&self) -> Key {
        Key {
            known: self.known.load(Ordering::Acquire) != 0,
            change: Change::of(self.change.load(Ordering::Relaxed)),
            present: self.present.load(Ordering::Relaxed) != 0,
            enabled: self.enabled.load(Ordering::Relaxed) != 0,
            entitled: self.entitled.load(Ordering::Relaxed) != 0,
            revision: self.revision.load(Ordering::Relaxed),
            name: String::from_utf8_lossy(&self.name.get()).into_owned(),
            header: self.header.get(),
            former: self.former.get(),
        }
    }
}

/// A key on the board.
#[repr(C, align(128))]
pub struct Slot {
    version: AtomicU64,
    records: [Record; 2],
}

/// A key as it stands at one version.
#[derive(Debug, Clone)]
pub struct View {
    /// The version.
    pub version: u64,
    /// What is settled.
    pub settled: Key,
    /// What has been announced and not acknowledged. Its header may be unfinished unless `known`.
    pub announced: Option<Key>,
}

impl Slot {
    /// Which record is the settled one, and which is the other.
    fn records(&self, version: u64) -> (&Record, &Record) {
        let [first, second] = &self.records;
        if (version / 2).is_multiple_of(2) { (first, second) } else { (second, first) }
    }

    /// The version. What it acknowledges was true before this returned.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The version and what it means.
    pub fn view(&self) -> View {
        loop {
            let version = self.version();
            let (settled, other) = self.records(version);
            let (settled, announced) = (settled.load(), (version % 2 == 1).then(|| other.load()));
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return View { version, settled, announced };
            }
        }
    }

    /// The first record.
    pub fn begin(&self, key: &Key) {
        self.records[0].store(key);
    }

    /// Says what is about to be done. From now on both answers are right.
    pub fn announce(&self, key: &Key) {
        let version = self.version();
        self.records(version).1.store(key);
        self.version.store(version | 1, Ordering::SeqCst);
    }

    /// Says that it was done: the library's call has returned. From now on only the new answer is right.
    pub fn acknowledge(&self, key: &Key) {
        let version = self.version() | 1;
        self.records(version).1.store(key);
        self.version.store(version + 1, Ordering::SeqCst);
    }

    /// Says that it was not done.
    pub fn withdraw(&self) {
        let View { settled, .. } = self.view();
        self.acknowledge(&settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> crate::board::Mapped {
        crate::board::Mapped::new().unwrap()
    }

    #[test]
    fn a_change_is_announced_then_acknowledged_or_withdrawn() {
        let board = board();
        let slot = &board.slots[0];
        let before = Key::never(0);
        slot.begin(&before);
        assert_eq!((slot.view().version, slot.view().settled), (0, before.clone()));

        let after = Key { change: Change::Create, present: true, enabled: true, revision: 1, ..before.clone() };
        slot.announce(&after);
        let view = slot.view();
        assert_eq!((view.version, view.settled, view.announced), (1, before.clone(), Some(after.clone())));

        slot.withdraw();
        assert_eq!((slot.view().version, slot.view().settled), (2, before.clone()));

        slot.announce(&after);
        let known = Key { known: true, entitled: true, header: b"Bearer s0.0:secret".to_vec(), ..after };
        slot.acknowledge(&known);
        let view = slot.view();
        assert_eq!((view.version, view.settled.answer(), view.announced), (4, 1, None));
    }

    #[test]
    fn an_answer_is_told_apart() {
        assert!(is_granted(7) && !is_granted(INVALID));
        assert_eq!(spell(7), "granted at revision 7");
        assert_eq!(spell(INVALID), "refused with INVALID_CREDENTIAL");
        assert_eq!(spell(refused(Code::Busy)), "refused with BUSY");
    }
}

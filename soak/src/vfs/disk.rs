//! What a disk may hold after a power cut: everything that was synced, and any part of what was not.
//!
//! The rules are those that SQLite itself relies on, and no more:
//!
//! * What was written before a successful sync of the file is there. (A disk that lies about that is [`Disk::lying`].)
//! * Of what was written since, each 512-byte sector holds its content as of *some* moment since that sync, each
//!   independently of all others: so writes are lost, kept, torn and reordered. Bytes that were not written to are not
//!   damaged (SQLite's "powersafe overwrite", its default). The size of the file is that of some such moment too.
//! * A name that was made or removed is as of some moment since the last sync of the folder. SQLite syncs it together
//!   with the first sync of a new journal or log, and after a removal if it says so.
//! * Shared memory (`-shm`) is gone.
//! * A page that is written through memory was written back at any time, or never.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use fastrand::Rng;

/// What was done to the files of a folder, in order.
#[derive(Debug, Clone)]
pub enum Event {
    /// A file was opened for the first time.
    Opened {
        /// Its number.
        file: u64,
        /// Its name.
        name: String,
        /// What was in it, when it was made by other means (and its folder synced); `None` when the call made it.
        content: Option<Vec<u8>>,
        /// Whether the first sync of it syncs its folder too.
        is_journal: bool,
    },
    /// Bytes were written.
    Wrote {
        /// Into this file.
        file: u64,
        /// From here on.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// A file was cut, or made longer with zeros.
    Truncated {
        /// This file.
        file: u64,
        /// To so many bytes.
        size: u64,
    },
    /// A file was synced.
    Synced {
        /// This file.
        file: u64,
    },
    /// A name was removed.
    Deleted {
        /// The name.
        name: String,
        /// Whether the folder was synced after it.
        folder_synced: bool,
    },
    /// The page that is written through memory has another content; `None` when it is not there.
    Page(Option<Arc<[u8]>>),
    /// Something was acknowledged to the caller.
    Acknowledged(u32),
}

impl Event {
    /// Whether a power cut just after it may leave something else than one just before it.
    #[must_use]
    pub const fn matters(&self) -> bool {
        !matches!(self, Self::Page(_) | Self::Acknowledged(_))
    }
}

/// What becomes of the writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All are lost.
    Lost,
    /// All are there: only the machine stopped.
    Kept,
    /// All are there but the last one.
    LastLost,
    /// Each file's are there, or are lost.
    ByFile,
    /// Each block of 4096 bytes by itself.
    ByBlock,
    /// Each sector of 512 bytes by itself: writes are torn.
    BySector,
}

impl Unsynced {
    /// Each of them.
    pub const ALL: [Self; 6] = [Self::Lost, Self::Kept, Self::LastLost, Self::ByFile, Self::ByBlock, Self::BySector];
}

/// What becomes of the page that is written through memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// It is as the last process saw it.
    Newest,
    /// It is as it was at some earlier time.
    Older,
    /// Its blocks were never written.
    Zeros,
    /// It is not there.
    Absent,
}

impl Page {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Older, Self::Zeros, Self::Absent];
}

/// The files of a folder at one moment: what the disk holds for sure, and what it may hold.
#[derive(Debug, Default)]
pub struct Disk<'a> {
    lies: bool,
    files: BTreeMap<u64, File<'a>>,
    /// As of the last sync of the folder.
    names: BTreeMap<&'a str, u64>,
    /// Names that were made or removed since, in order.
    renamed: Vec<(&'a str, Option<u64>)>,
    pages: Vec<Option<Arc<[u8]>>>,
    last_written: Option<u64>,
}

#[derive(Debug, Default)]
struct File<'a> {
    /// As of its last sync.
    synced: Vec<u8>,
    since: Vec<Change<'a>>,
    folder_follows: bool,
}

#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    Write { offset: usize, data: &'a [u8] },
    Truncate { size: usize },
}

impl<'a> Disk<'a> {
    /// A disk that answers a sync without doing it.
    #[must_use]
    pub fn lying() -> Self {
        Self { lies: true, ..Self::default() }
    }

    /// Lets something happen.
    pub fn apply(&mut self, event: &'a Event) {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        match event {
            Event::Opened { file, name, content, is_journal } => {
                let made = content.is_none();
                let synced = content.clone().unwrap_or_default();
                let folder_follows = made && *is_journal;
                self.files.insert(*file, File { synced, since: Vec::new(), folder_follows });
                if made {
                    self.renamed.push((name, Some(*file)));
                } else {
                    self.names.insert(name, *file);
                }
            }
            Event::Wrote { file, offset, data } => {
                self.last_written = Some(*file);
                self.change(*file, Change::Write { offset: at(*offset), data });
            }
            Event::Truncated { file, size } => self.change(*file, Change::Truncate { size: at(*size) }),
            Event::Synced { file } if !self.lies => {
                let Some(file) = self.files.get_mut(file) else { return };
                file.synced = file.content(&mut |_| usize::MAX, usize::MAX, 1);
                file.since.clear();
                if std::mem::take(&mut file.folder_follows) {
                    self.sync_folder();
                }
            }
            Event::Deleted { name, folder_synced } => {
                self.renamed.push((name, None));
                if *folder_synced && !self.lies {
                    self.sync_folder();
                }
            }
            Event::Page(content) => self.pages.push(content.clone()),
            Event::Synced { .. } | Event::Acknowledged(_) => {}
        }
    }

    fn change(&mut self, file: u64, change: Change<'a>) {
        if let Some(file) = self.files.get_mut(&file) {
            file.since.push(change);
        }
    }

    fn sync_folder(&mut self) {
        for (name, file) in self.renamed.drain(..) {
            match file {
                Some(file) => self.names.insert(name, file),
                None => self.names.remove(name),
            };
        }
    }

    /// One of the states that a power cut at this moment may leave.
    #[must_use]
    pub fn after_power_cut(&self, unsynced: Unsynced, page: Page, page_name: &str, chance: &mut Rng) -> Image {
        let mut files = BTreeMap::new();
        for (name, file) in self.names_after(unsynced, chance) {
            if let Some(file) = self.files.get(&file).map(|present| self.file_after(file, present, unsynced, chance)) {
                files.insert(name.to_owned(), file);
            }
        }
        let content = match page {
            Page::Newest => self.pages.last().cloned().flatten(),
            Page::Older => chance.choice(&self.pages).cloned().flatten(),
            Page::Zeros => self.pages.iter().rev().flatten().next().map(|content| vec![0; content.len()].into()),
            Page::Absent => None,
        };
        if let Some(content) = content {
            files.insert(page_name.to_owned(), content.to_vec());
        }
        Image { files }
    }

    fn names_after(&self, unsynced: Unsynced, chance: &mut Rng) -> BTreeMap<&'a str, u64> {
        let mut names = self.names.clone();
        let upto = match unsynced {
            Unsynced::Lost => 0,
            Unsynced::Kept | Unsynced::LastLost => self.renamed.len(),
            // Each name by itself: what was done to it up to some moment.
            _ => {
                let mut until = BTreeMap::new();
                for (index, (name, file)) in self.renamed.iter().enumerate() {
                    let until = until.entry(*name).or_insert_with(|| chance.usize(..=self.renamed.len()));
                    if index < *until {
                        set(&mut names, name, *file);
                    }
                }
                return names;
            }
        };
        self.renamed.iter().take(upto).for_each(|(name, file)| set(&mut names, name, *file));
        names
    }

    fn file_after(&self, number: u64, file: &File<'a>, unsynced: Unsynced, chance: &mut Rng) -> Vec<u8> {
        let all = file.since.len();
        match unsynced {
            Unsynced::Lost => file.synced.clone(),
            Unsynced::Kept => file.content(&mut |_| all, all, 1),
            Unsynced::LastLost => {
                let upto = if self.last_written == Some(number) { all.saturating_sub(1) } else { all };
                file.content(&mut |_| upto, upto, 1)
            }
            Unsynced::ByFile => {
                let upto = chance.usize(..2) * all;
                file.content(&mut |_| upto, upto, 1)
            }
            Unsynced::ByBlock | Unsynced::BySector => {
                let unit = if unsynced == Unsynced::ByBlock { 4096 } else { 512 };
                let mut some = |all: usize| match chance.usize(..3) {
                    0 => 0,
                    1 => all,
                    _ => chance.usize(..=all),
                };
                let size = some(all);
                let mut chosen = BTreeMap::new();
                file.content(&mut |block| *chosen.entry(block).or_insert_with(|| some(all)), size, unit)
            }
        }
    }
}

fn set<'a>(names: &mut BTreeMap<&'a str, u64>, name: &'a str, file: Option<u64>) {
    match file {
        Some(file) => names.insert(name, file),
        None => names.remove(name),
    };
}

impl File<'_> {
    /// The content where each block of `unit` bytes has taken the first `upto(block)` changes, and the size the first
    /// `size_upto`.
    fn content(&self, upto: &mut dyn FnMut(usize) -> usize, size_upto: usize, unit: usize) -> Vec<u8> {
        let whole = unit == 1;
        let mut bytes = self.synced.clone();
        let mut size = bytes.len();
        for (index, change) in self.since.iter().enumerate() {
            let (from, to) = match *change {
                Change::Write { offset, data } => (offset, offset + data.len()),
                Change::Truncate { size } => (size, bytes.len().max(size)),
            };
            if index < size_upto {
                size = match *change {
                    Change::Write { .. } => size.max(to),
                    Change::Truncate { size } => size,
                };
            }
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            let mut start = from;
            while start < to {
                let end = if whole { to } else { ((start / unit + 1) * unit).min(to) };
                if index < upto(if whole { 0 } else { start / unit })
                    && let Some(place) = bytes.get_mut(start..end)
                {
                    match *change {
                        Change::Write { offset, data } => {
                            place.copy_from_slice(data.get(start - offset..end - offset).unwrap_or_default());
                        }
                        Change::Truncate { .. } => place.fill(0),
                    }
                }
                start = end;
            }
        }
        bytes.resize(size, 0);
        bytes
    }
}

/// The files that are there after a power cut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Image {
    /// By name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// Puts the files into an empty folder.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        self.files.iter().try_for_each(|(name, content)| {
            let path = folder.join(name);
            std::fs::write(&path, content)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn opened(file: u64, name: &str, content: Option<&[u8]>, is_journal: bool) -> Event {
        Event::Opened { file, name: name.to_owned(), content: content.map(<[u8]>::to_vec), is_journal }
    }

    fn wrote(file: u64, offset: u64, data: &[u8]) -> Event {
        Event::Wrote { file, offset, data: data.to_vec() }
    }

    fn after<'a>(disk: Disk<'a>, events: &'a [Event]) -> Disk<'a> {
        events.iter().fold(disk, |mut disk, event| {
            disk.apply(event);
            disk
        })
    }

    fn cut(events: &[Event], unsynced: Unsynced, seed: u64) -> BTreeMap<String, Vec<u8>> {
        let disk = after(Disk::default(), events);
        disk.after_power_cut(unsynced, Page::Newest, "page", &mut Rng::with_seed(seed)).files
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let synced = [opened(1, "db", Some(b"old"), false), wrote(1, 0, b"new"), Event::Synced { file: 1 }];
        let mut events = synced.to_vec();
        events.extend([wrote(1, 1, b"EWER"), Event::Truncated { file: 1, size: 4 }]);
        for seed in 0..50 {
            for unsynced in Unsynced::ALL {
                assert_eq!(cut(&synced, unsynced, seed)["db"], b"new");
            }
            assert_eq!(cut(&events, Unsynced::Lost, seed)["db"], b"new");
            assert_eq!(cut(&events, Unsynced::Kept, seed)["db"], b"nEWE");
            assert_eq!(cut(&events, Unsynced::LastLost, seed)["db"], b"nEWER");
        }
        // A disk that lies holds nothing for sure.
        let lying = after(Disk::lying(), &synced);
        let image = lying.after_power_cut(Unsynced::Lost, Page::Newest, "page", &mut Rng::with_seed(0));
        assert_eq!(image.files["db"], b"old");
    }

    #[test]
    fn writes_are_torn_at_sectors_and_reordered() {
        let events = [opened(1, "db", Some(&[0; 2048]), false), wrote(1, 0, &[1; 2048]), wrote(1, 0, &[2; 1024])];
        let mut seen = BTreeMap::<Vec<u8>, u32>::new();
        for seed in 0..2000 {
            let content = cut(&events, Unsynced::BySector, seed)["db"].clone();
            for sector in content.chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is whole");
            }
            *seen.entry(content.chunks(512).map(|sector| sector[0]).collect()).or_default() += 1;
        }
        // The first two sectors may be as of any of three moments, the others of any of two.
        assert_eq!(seen.len(), 3 * 3 * 2 * 2, "{seen:?}");
        assert!(seen.contains_key([2, 0, 0, 1].as_slice()), "the later write without the earlier one");
        // Blocks of 4096 bytes are not torn here.
        for seed in 0..100 {
            let content = cut(&events, Unsynced::ByBlock, seed)["db"].clone();
            assert!([[0, 0], [1, 1], [2, 1]].contains(&[content[0], content[2047]]));
        }
    }

    #[test]
    fn names_are_sure_when_their_folder_is_synced() {
        let made = [opened(1, "log", None, true), wrote(1, 0, b"x")];
        assert!(!cut(&made, Unsynced::Lost, 0).contains_key("log"));
        assert_eq!(cut(&made, Unsynced::Kept, 0)["log"], b"x");
        let mut events = made.to_vec();
        events.push(Event::Synced { file: 1 });
        assert_eq!(cut(&events, Unsynced::Lost, 0)["log"], b"x", "the first sync of a log is its folder's too");
        // A removal that was not synced may be undone, and then the content is back.
        events.push(Event::Deleted { name: "log".to_owned(), folder_synced: false });
        assert_eq!(cut(&events, Unsynced::Lost, 0)["log"], b"x");
        assert!(!cut(&events, Unsynced::Kept, 0).contains_key("log"));
        let either: BTreeSet<bool> =
            (0..50).map(|seed| cut(&events, Unsynced::BySector, seed).contains_key("log")).collect();
        assert_eq!(either.len(), 2);
        events.push(opened(2, "log", None, true));
        events.push(Event::Deleted { name: "other".to_owned(), folder_synced: true });
        assert_eq!(cut(&events, Unsynced::Lost, 0)["log"], b"", "another file of the same name");
    }

    #[test]
    fn the_page_is_new_old_empty_or_gone() {
        let page = |byte: u8| Event::Page(Some(vec![byte; 8].into()));
        let events = [page(1), page(2), page(3)];
        let disk = after(Disk::default(), &events);
        let content = |page, seed| {
            disk.after_power_cut(Unsynced::Lost, page, "page", &mut Rng::with_seed(seed)).files.get("page").cloned()
        };
        assert_eq!(content(Page::Newest, 0), Some(vec![3; 8]));
        assert_eq!(content(Page::Zeros, 0), Some(vec![0; 8]));
        assert_eq!(content(Page::Absent, 0), None);
        let older: BTreeSet<_> = (0..50).map(|seed| content(Page::Older, seed)).collect();
        assert_eq!(older.len(), 3);
    }
}

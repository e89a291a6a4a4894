//! The revocation page: one small file that every process on the machine which uses a store maps, so that a check
//! learns of a commit anywhere by two loads from memory.
//!
//! Layout, version 2, 4096 bytes, in the machine's byte order (the file never leaves it):
//!
//! | offset | what |
//! |---|---|
//! | 0 | magic, "inspgen" and a zero byte |
//! | 8 | layout version, 2 |
//! | 16 | the store's id, 16 bytes |
//! | 32 | the page's own id, 16 random bytes, which the database names too |
//! | 48 | when it was made, Unix seconds; for a human who looks |
//! | 56 | status: 1 new, 2 settled, 3 recycled; only rises |
//! | 64 | `pending`, alone on its cache line (see [`protocol`]) |
//! | 128 | `clean`, likewise |
//! | 192 | the device that the file is on |
//! | 200 | its inode there: a copy of a page is another file, and is not used |
//!
//! All of it is only ever accessed by atomic loads and stores: other processes do the same at the same time.
//!
//! **Bus errors.** A mapped file that loses its bytes kills whoever touches it (`SIGBUS`): when it is truncated, or
//! when it had no disk space of its own and the disk is full. Therefore the page is allocated in full and written before
//! it is mapped, has its size checked, is never truncated, and is replaced only by another file under its name. Against
//! somebody who may write the file and truncates it all the same nothing helps; the same is true of SQLite's `-shm`.

pub mod protocol;

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Write},
    mem::{offset_of, size_of},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use self::protocol::Counters;
use crate::{
    clock::{monotonic_millis, unix_seconds},
    fs::{self, FileIdentity},
};

/// The size of the file, and of the mapping.
const SIZE: u64 = 4096;
const MAGIC: u64 = u64::from_ne_bytes(*b"inspgen\0");
const VERSION: u64 = 2;

const NEW: u64 = 1;
const SETTLED: u64 = 2;
const RECYCLED: u64 = 3;

#[repr(C)]
struct Raw {
    magic: AtomicU64,
    version: AtomicU64,
    store: [AtomicU64; 2],
    id: [AtomicU64; 2],
    made_at: AtomicU64,
    status: AtomicU64,
    counters: Counters,
    device: AtomicU64,
    inode: AtomicU64,
}

const _: () = assert!(offset_of!(Raw, status) == 56 && offset_of!(Raw, counters) == 64);
const _: () = assert!(offset_of!(Raw, device) == 192 && offset_of!(Raw, inode) == 200 && size_of::<Raw>() <= 4096);

/// A page that is mapped. Unmapped when it is dropped; a forked child shares it with its parent.
#[derive(Debug)]
pub struct Page {
    raw: NonNull<Raw>,
    file: FileIdentity,
    store: [u8; 16],
    id: [u8; 16],
    since: u64,
}

// SAFETY: what `raw` points to is mapped until the drop, and only ever accessed through shared references to atomics.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Maps the page at `path`, which lies beside the database at `beside`.
    ///
    /// # Errors
    /// Those of the system; `InvalidData` when the file is not a page, is not a plain file of the right size with one
    /// name, belongs to somebody who may not write the database, may be written by more than the database, or has
    /// another owner or mode than the database although the caller could make one that has not.
    pub fn open(path: &Path, beside: &Path) -> io::Result<Self> {
        // Before it is opened: merely opening a device may do something.
        let named = std::fs::symlink_metadata(path)?;
        if !named.is_file() || named.nlink() != 1 || named.size() != SIZE {
            // Closing another name of the database would drop the locks of this process's connections to it.
            return Err(unsuitable("not a regular file of the right size with one name"));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)?;
        let present = file.metadata()?;
        let database = std::fs::metadata(beside)?;
        if !present.is_file() || present.nlink() != 1 || present.size() != SIZE {
            return Err(unsuitable("not a page of the right size with one name"));
        }
        belongs(&present, &database)?;
        allocate(&file)?;
        let page = Self::map(&file)?;
        let raw = page.raw();
        if raw.magic.load(Ordering::Acquire) != MAGIC || raw.version.load(Ordering::Acquire) != VERSION {
            return Err(unsuitable("not a page of this version"));
        }
        Ok(page)
    }

    /// Makes a page under the name `path`, beside the database at `beside` and with its owner and mode, in place of
    /// whatever has that name, and maps it.
    ///
    /// `committed` is the database's newest generation, `floor` the largest number that was ever announced. A `settled`
    /// page is one before which no other can be mapped by anybody any more.
    ///
    /// # Errors
    /// Those of the system. Nothing is at `path` then that was not there before.
    pub fn create(path: &Path, beside: &Path, new: &NewPage) -> io::Result<Self> {
        let (mut file, draft) = fs::begin_draft(path)?;
        let made = (|| {
            allocate(&file)?;
            file.write_all(&new.bytes(&fs::identity_of(&file.metadata()?))?)?;
            fs::match_owner_and_mode(&file, beside)?;
            file.sync_all()?;
            let mut page = Self::map(&file)?;
            std::fs::rename(&draft, path)?;
            page.since = monotonic_millis();
            if let Some(folder) = path.parent() {
                // Not every file system can be asked; a page that is lost in a power cut is made anew.
                let _ = fs::sync_folder(folder);
            }
            Ok(page)
        })();
        if made.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        made
    }

    fn map(file: &File) -> io::Result<Self> {
        let identity = fs::identity_of(&file.metadata()?);
        let length = usize::try_from(SIZE).map_err(|_| unsuitable("no such size"))?;
        // SAFETY: a shared mapping at an address of the kernel's choice touches no memory of ours, and `file` is open
        // for reading and writing.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(raw) = NonNull::new(address.cast::<Raw>()) else { return Err(unsuitable("mapped nowhere")) };
        // From here on its drop unmaps it.
        let mut page = Self { raw, file: identity, store: [0; 16], id: [0; 16], since: monotonic_millis() };
        page.store = bytes(&page.raw().store);
        page.id = bytes(&page.raw().id);
        Ok(page)
    }

    #[inline]
    fn raw(&self) -> &Raw {
        // SAFETY: the mapping is page-aligned, larger than a `Raw`, readable and writable until the drop, and every
        // bit pattern is a valid `Raw`, since it is nothing but atomics.
        unsafe { self.raw.as_ref() }
    }

    /// The counters.
    #[inline]
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.raw().counters
    }

    /// The store that it belongs to.
    #[must_use]
    pub fn store(&self) -> &[u8; 16] {
        &self.store
    }

    /// Its own id.
    #[must_use]
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// When it was seen under its name here first, by [`monotonic_millis`]; its name had been given by then.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Whether both are the same file.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        self.file.same_file(&other.file)
    }

    /// Whether the file that has the name `path` is this page, whole, no copy, and in use. By `stat` first, so that no byte is
    /// touched that is not there.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let there = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file);
        there.is_some_and(|there| {
            there.nlink() == 1 && there.size() == SIZE && fs::identity_of(&there).same_file(&self.file)
        }) && !self.is_copy()
            && !self.is_recycled()
    }

    /// Whether this is a copy of a page, under another inode. Others may map the original, and what is announced here
    /// would not reach them. What it says of the past is true all the same.
    fn is_copy(&self) -> bool {
        let made_as = (self.raw().device.load(Ordering::Acquire), self.raw().inode.load(Ordering::Acquire));
        made_as != (self.file.device, self.file.inode)
    }

    /// Whether the file that has the name `path` is this page, but has lost its size: not a byte of it may be touched.
    #[must_use]
    pub fn is_cut(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path)
            .is_ok_and(|there| there.size() != SIZE && fs::identity_of(&there).same_file(&self.file))
    }

    /// Whether another page takes this one's place.
    #[must_use]
    pub fn is_recycled(&self) -> bool {
        self.status() == RECYCLED || self.counters().floor().is_none()
    }

    /// Sends every process that maps this page back to the database, for ever.
    pub fn recycle(&self) {
        self.counters().retire();
        self.raw().status.fetch_max(RECYCLED, Ordering::SeqCst);
    }

    /// Whether no process can map a page that came before this one any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.status() == SETTLED
    }

    /// Says that no process maps a page that came before this one any more.
    pub fn settle(&self) {
        self.raw().status.fetch_max(SETTLED, Ordering::SeqCst);
    }

    fn status(&self) -> u64 {
        self.raw().status.load(Ordering::Acquire)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Ok(length) = usize::try_from(SIZE) {
            // SAFETY: exactly the mapping made in `map`, and nobody has a reference into it any more: those that
            // `counters` gave out do not outlive this value.
            unsafe { libc::munmap(self.raw.as_ptr().cast(), length) };
        }
    }
}

/// What a new page says.
#[derive(Debug, Clone, Copy)]
pub struct NewPage {
    /// The store that it belongs to.
    pub store: [u8; 16],
    /// Its own id, random.
    pub id: [u8; 16],
    /// The newest generation in the database.
    pub committed: u64,
    /// The largest generation that was ever announced.
    pub floor: u64,
    /// Whether no process can still map a former page.
    pub settled: bool,
}

impl NewPage {
    fn bytes(&self, file: &FileIdentity) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend(VERSION.to_ne_bytes());
        bytes.extend(self.store);
        bytes.extend(self.id);
        bytes.extend(u64::try_from(unix_seconds()).unwrap_or(0).to_ne_bytes());
        bytes.extend((if self.settled { SETTLED } else { NEW }).to_ne_bytes());
        bytes.resize(64, 0);
        bytes.extend(self.floor.max(self.committed).to_ne_bytes());
        bytes.resize(128, 0);
        bytes.extend(self.committed.to_ne_bytes());
        bytes.resize(192, 0);
        bytes.extend(file.device.to_ne_bytes());
        bytes.extend(file.inode.to_ne_bytes());
        bytes.resize(usize::try_from(SIZE).map_err(|_| unsuitable("no such size"))?, 0);
        Ok(bytes)
    }
}

fn bytes(words: &[AtomicU64; 2]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (into, word) in bytes.chunks_exact_mut(8).zip(words) {
        into.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
    }
    bytes
}

/// Gives every byte of the file its place on the disk. Changes no byte.
///
/// The system call, not `posix_fallocate`: where the file system can't do it, the C library would write to the file
/// instead, beside those who have it mapped.
fn allocate(file: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let length = libc::off_t::try_from(SIZE).map_err(|_| unsuitable("no such size"))?;
        // SAFETY: `file` is open for writing; no memory is involved.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } != 0 {
            let error = io::Error::last_os_error();
            if !matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) {
                return Err(error);
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
    Ok(())
}

/// Whether a page with this owner and mode is one for that database.
fn belongs(page: &Metadata, database: &Metadata) -> io::Result<()> {
    if page.mode() & !database.mode() & 0o022 != 0 {
        return Err(unsuitable("it may be written by more than the database"));
    }
    let shared = database.mode() & 0o020 != 0 && page.gid() == database.gid();
    if !(page.uid() == database.uid() || page.uid() == 0 || shared) {
        return Err(unsuitable("its owner may not write the database"));
    }
    // Those who use the database must be able to use the page. Who can make it so, makes a new one.
    let owner = (page.uid(), page.gid()) == (database.uid(), database.gid());
    let mode = page.mode() & 0o777 == database.mode() & 0o777;
    // SAFETY: geteuid has no preconditions and can't fail.
    let me = unsafe { libc::geteuid() };
    if (me == 0 && !owner) || ((me == 0 || me == page.uid()) && !mode) {
        return Err(unsuitable("its owner or mode is not the database's"));
    }
    Ok(())
}

fn unsuitable(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        path::PathBuf,
    };

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("inspire-page-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("db"), "").unwrap();
            std::fs::set_permissions(path.join("db"), PermissionsExt::from_mode(0o600)).unwrap();
            Self(path)
        }
        fn db(&self) -> PathBuf {
            self.0.join("db")
        }
        fn page(&self) -> PathBuf {
            self.0.join("db.gen")
        }
        fn create(&self, new: &NewPage) -> Page {
            Page::create(&self.page(), &self.db(), new).unwrap()
        }
        fn open(&self) -> io::Result<Page> {
            Page::open(&self.page(), &self.db())
        }
        fn refused(&self) -> io::ErrorKind {
            self.open().unwrap_err().kind()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const NEW: NewPage = NewPage { store: [1; 16], id: [2; 16], committed: 7, floor: 9, settled: false };

    #[test]
    fn two_mappings_show_the_same_page() {
        let folder = Folder::new("same");
        let made = folder.create(&NEW);
        assert_eq!(std::fs::metadata(folder.page()).unwrap().permissions().mode() & 0o777, 0o600);
        let opened = folder.open().unwrap();
        assert_eq!((opened.store(), opened.id()), (&[1; 16], &[2; 16]));
        assert_eq!((opened.counters().clean(), opened.counters().floor()), (7, Some(9)));
        assert!(opened.same_file(&made) && opened.is_at(&folder.page()));
        assert!(!opened.counters().shows(7) && !opened.counters().shows(9), "9 was announced, and never committed");
        made.counters().commit(10, || Ok::<_, ()>(())).unwrap();
        assert!(opened.counters().shows(10));
        assert!(!opened.is_settled());
        made.settle();
        assert!(opened.is_settled());
        made.recycle();
        assert!(opened.is_recycled() && !opened.is_at(&folder.page()) && !opened.counters().shows(10));
        made.settle();
        assert!(opened.is_recycled(), "for ever");
        assert_eq!(opened.counters().clean(), 10, "what was committed is still told");
        // No draft is left.
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2);
    }

    #[test]
    fn another_page_under_the_name_is_another_page() {
        let folder = Folder::new("another");
        let first = folder.create(&NEW);
        let second = folder.create(&NewPage { id: [3; 16], ..NEW });
        assert!(!first.is_at(&folder.page()) && second.is_at(&folder.page()) && !first.same_file(&second));
        std::fs::remove_file(folder.page()).unwrap();
        assert!(!second.is_at(&folder.page()) && !second.is_cut(&folder.page()));
        assert_eq!(folder.refused(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_page_is_not_mapped() {
        let folder = Folder::new("no-page");
        let whole = {
            drop(folder.create(&NEW));
            std::fs::read(folder.page()).unwrap()
        };
        let invalid = io::ErrorKind::InvalidData;
        for length in [0, 100, 4095] {
            std::fs::write(folder.page(), &whole[..length]).unwrap();
            assert_eq!(folder.refused(), invalid, "{length}");
        }
        std::fs::write(folder.page(), [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(folder.refused(), invalid);
        for byte in [0, 8] {
            let mut other = whole.clone();
            other[byte] ^= 1;
            std::fs::write(folder.page(), other).unwrap();
            assert_eq!(folder.refused(), invalid);
        }
        std::fs::write(folder.page(), &whole).unwrap();
        folder.open().unwrap();
        let copy = folder.0.join("copy");
        std::fs::copy(folder.page(), &copy).unwrap();
        std::fs::rename(&copy, folder.page()).unwrap();
        let copied = folder.open().unwrap();
        assert!(!copied.is_at(&folder.page()), "others may map the original");
        assert_eq!(copied.counters().clean(), 7, "what was committed is told");

        let second = folder.0.join("second");
        std::fs::hard_link(folder.page(), &second).unwrap();
        assert_eq!(folder.refused(), invalid);
        std::fs::remove_file(folder.page()).unwrap();
        symlink(&second, folder.page()).unwrap();
        assert_eq!(folder.refused(), invalid);
        std::fs::remove_file(folder.page()).unwrap();
        std::fs::create_dir(folder.page()).unwrap();
        assert_eq!(folder.refused(), invalid);
        // Nothing takes a folder's place, and nothing is left behind.
        assert!(Page::create(&folder.page(), &folder.db(), &NEW).is_err());
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 3);
    }

    #[test]
    fn owner_and_mode_are_the_databases() {
        let folder = Folder::new("owner");
        let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        drop(folder.create(&NEW));
        for wrong in [0o666, 0o620, 0o640] {
            mode(&folder.page(), wrong);
            assert_eq!(folder.refused(), io::ErrorKind::InvalidData, "{wrong:o}");
        }
        mode(&folder.db(), 0o640);
        folder.open().unwrap();
        drop(folder.create(&NEW));
        assert_eq!(std::fs::metadata(folder.page()).unwrap().permissions().mode() & 0o777, 0o640);
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            std::os::unix::fs::chown(folder.db(), Some(12345), Some(12346)).unwrap();
            assert_eq!(folder.refused(), io::ErrorKind::InvalidData, "root can make one that the owner can use");
            drop(folder.create(&NEW));
            let made = std::fs::metadata(folder.page()).unwrap();
            assert_eq!((made.uid(), made.gid()), (12345, 12346));
            folder.open().unwrap();
            std::os::unix::fs::chown(folder.page(), Some(12347), None).unwrap();
            assert_eq!(folder.refused(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn a_page_that_lost_its_bytes_is_noticed_without_touching_them() {
        let folder = Folder::new("cut");
        let page = folder.create(&NEW);
        File::options().write(true).open(folder.page()).unwrap().set_len(0).unwrap();
        assert!(page.is_cut(&folder.page()) && !page.is_at(&folder.page()));
    }
}

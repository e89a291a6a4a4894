//! The names of a log: the file that is written, and those that it was renamed to.

use std::{
    ffi::OsString,
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

/// No more files than these are ever kept.
pub(crate) const MOST: u32 = 1000;

/// `<path>.<number>`: 1 is the newest.
pub(crate) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// The numbers of the renamed files that are there, newest (the smallest) first.
///
/// # Errors
/// Those of reading the folder.
pub(crate) fn numbers(path: &Path) -> io::Result<Vec<u32>> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let found = entry?.file_name();
        let number = found.as_bytes().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"."));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
        // As this library writes them: no sign, no leading zero, no date.
        let number = number.filter(|digits| digits.starts_with(|c: char| matches!(c, '1'..='9')));
        numbers.extend(number.and_then(|digits| digits.parse::<u32>().ok()).filter(|number| *number <= MOST));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What SQLite and this library add to the name of a store for files of their own.
const OF_STORE: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];
/// The same, where more may follow.
const OF_STORE_AND_MORE: [&[u8]; 2] = [b".gen", b".activity"];

/// Whether a log at `log` would be written into a file of the store at `store`, or renamed to it. Opening one of these
/// and closing it again drops the locks that SQLite has on it in this process.
///
/// Both paths are absolute.
pub(crate) fn collides(log: &Path, store: &Path) -> bool {
    let identity = |path| std::fs::symlink_metadata(path).map(|stat| (stat.dev(), stat.ino())).ok();
    // The log may not be a symbolic link, so its folder is all there is to follow; a store may.
    let followed = store.canonicalize().unwrap_or_else(|_| real(store));
    let log = real(log);
    [real(store), followed].iter().any(|store| {
        let linked = identity(&log).is_some_and(|of_log| identity(store) == Some(of_log));
        linked || (log.parent() == store.parent() && same_name(&log, store))
    })
}

/// A path whose folder has no symbolic links in it; as it is where there is no such folder.
fn real(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
}

fn same_name(log: &Path, store: &Path) -> bool {
    let (Some(log), Some(store)) = (log.file_name(), store.file_name()) else { return true };
    let (log, store) = (log.as_bytes(), store.as_bytes());
    let of_store = log.strip_prefix(store).is_some_and(|rest| {
        rest.is_empty() || OF_STORE.contains(&rest) || OF_STORE_AND_MORE.iter().any(|name| rest.starts_with(name))
    });
    let of_log = store.strip_prefix(log).and_then(|rest| rest.strip_prefix(b"."));
    of_store || of_log.is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
}

/// Gives the file at `path` the name `<path>.1`, after each renamed file got the next number. When there are `keep` of
/// them already, the oldest goes, and it alone: a writer that was told to keep fewer than the others does not delete what
/// they keep. Whoever calls holds the lock on `path`, so that nobody else does this.
///
/// A crash at any point leaves every line in a file that a reader of all numbers finds, in the right order.
///
/// # Errors
/// Those of renaming and removing.
pub(crate) fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let mut there = numbers(path)?;
    if there.len() >= usize::try_from(keep).unwrap_or(usize::MAX)
        && let Some(oldest) = there.pop()
    {
        std::fs::remove_file(rotated(path, oldest))?;
    }
    // Up to the first number that is free: the others need not move.
    let taken = there.iter().zip(1_u32..).take_while(|(number, expected)| *number == expected);
    for number in taken.map(|(number, _)| *number).collect::<Vec<_>>().into_iter().rev() {
        std::fs::rename(rotated(path, number), rotated(path, number.saturating_add(1)))?;
    }
    std::fs::rename(path, rotated(path, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_store_are_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let (at, elsewhere) = (folder.path().join("data"), folder.path().join("other"));
        std::fs::create_dir(&at).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(at.join("keys.db"), "").unwrap();
        std::os::unix::fs::symlink(&at, folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink(at.join("keys.db"), elsewhere.join("store.db")).unwrap();
        std::fs::hard_link(at.join("keys.db"), folder.path().join("hard.log")).unwrap();
        for store in [at.join("keys.db"), folder.path().join("link/keys.db"), elsewhere.join("store.db")] {
            for name in ["", "-wal", "-shm", "-journal", ".gen", ".activity", ".activity-wal", ".activity-shm"] {
                for folder in [at.clone(), folder.path().join("link"), folder.path().join("other/../data")] {
                    let log = folder.join(format!("keys.db{name}"));
                    assert!(collides(&log, &store), "{} {}", log.display(), store.display());
                }
            }
            assert!(collides(&folder.path().join("hard.log"), &store));
            for free in ["data/audit.log", "data/keys.db.log", "data/keys.db-audit", "other/keys.db", "none/keys.db"] {
                assert!(!collides(&folder.path().join(free), &store), "{free} {}", store.display());
            }
        }
        // A log that is renamed must not take the store's place.
        let log = at.join("log");
        for (store, hit) in [("log.1", true), ("log.77", true), ("log.db", false), ("log.", false)] {
            assert_eq!(collides(&log, &at.join(store)), hit, "{store}");
        }
    }

    #[test]
    fn renamed_files_move_up_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let read = |number| std::fs::read_to_string(rotated(&path, number)).ok();
        for round in 0..5 {
            std::fs::write(&path, format!("{round}")).unwrap();
            rotate(&path, 3).unwrap();
        }
        assert_eq!([read(1), read(2), read(3), read(4)], [Some("4".into()), Some("3".into()), Some("2".into()), None]);

        // A gap, as a crash leaves it, is filled.
        std::fs::remove_file(rotated(&path, 2)).unwrap();
        std::fs::write(&path, "5").unwrap();
        rotate(&path, 3).unwrap();
        assert_eq!([read(1), read(2), read(3)], [Some("5".into()), Some("4".into()), Some("2".into())]);

        // Somebody who keeps fewer takes away no more than the oldest; and what only looks like one is left alone.
        for other in
            ["audit.log.01", "audit.log.x", "audit.log.", "audit.log.1.gz", "other.log.7", "audit.log.20260621"]
        {
            std::fs::write(folder.path().join(other), "").unwrap();
        }
        std::fs::write(&path, "6").unwrap();
        rotate(&path, 1).unwrap();
        assert_eq!([read(1), read(2), read(3)], [Some("6".into()), Some("5".into()), Some("4".into())]);
        assert_eq!(numbers(&path).unwrap(), [1, 2, 3]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 9);
    }
}

//! Files that are only ever added to, by several processes.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::fs::FileIdentity;

/// Opens the regular file at `path` for reading and adding to; `create` makes an empty one, mode 0600, when there is
/// none. Never follows a symbolic link, and never waits (as opening a pipe would).
///
/// # Errors
/// Those of `open`: `NotFound` without `create`, `FilesystemLoop` for a symbolic link. `InvalidInput` for what is no
/// regular file.
pub fn open_append(path: &Path, create: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(create)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    regular(file)
}

/// Opens the regular file at `path` for reading, in the same manner.
///
/// # Errors
/// As [`open_append`].
pub fn open_read(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
    regular(file)
}

/// Whether `path` itself (not what a symbolic link there points to) is the open file.
///
/// # Errors
/// Those of `lstat` and `fstat`, but for `NotFound`.
pub fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The identity of an open file.
///
/// # Errors
/// Those of `fstat`.
pub fn identity_of(file: &File) -> io::Result<FileIdentity> {
    let stat = file.metadata()?;
    Ok(FileIdentity {
        device: stat.dev(),
        inode: stat.ino(),
        size: stat.size(),
        modified: i128::from(stat.mtime()).saturating_mul(1_000_000_000).saturating_add(i128::from(stat.mtime_nsec())),
        links: stat.nlink(),
    })
}

/// Gives a file that was just made the owner, group and permission bits of an open one that it follows.
///
/// Only root can give a file away; for anybody else the owner stays.
///
/// # Errors
/// Those of `fstat` and `chmod`, and for root those of `chown`.
pub fn follow_owner_and_mode(of: &File, like: &File) -> io::Result<()> {
    let (present, wanted) = (of.metadata()?, like.metadata()?);
    give(of, &present, &wanted)?;
    of.set_permissions(PermissionsExt::from_mode(wanted.mode() & 0o777))
}

/// Gives a file that was just made the owner and group of what is at `like`; its mode stays.
///
/// # Errors
/// Those of `stat`, and for root those of `chown`.
pub fn follow_owner(of: &File, like: &Path) -> io::Result<()> {
    give(of, &of.metadata()?, &std::fs::metadata(like)?)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn give(of: &File, present: &std::fs::Metadata, wanted: &std::fs::Metadata) -> io::Result<()> {
    if (present.uid(), present.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    // SAFETY: geteuid has no preconditions and can't fail.
    let root = unsafe { libc::geteuid() } == 0;
    match std::os::unix::fs::fchown(of, root.then_some(wanted.uid()), Some(wanted.gid())) {
        Err(error) if root => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_no_link_is_followed() {
        let folder = std::env::temp_dir().join(format!("inspire-append-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("log");
        assert_eq!(open_append(&path, false).unwrap_err().kind(), io::ErrorKind::NotFound);
        let made = open_append(&path, true).unwrap();
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(&path, folder.join("link")).unwrap();
        assert!(open_append(&folder.join("link"), true).is_err());
        assert!(open_read(&folder.join("link")).is_err());
        assert!(open_append(&folder, true).is_err());
        for device in ["/dev/full", "/dev/null"] {
            assert_eq!(open_append(Path::new(device), true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        // A pipe that nobody reads.
        let pipe = std::ffi::CString::new(folder.join("pipe").to_str().unwrap()).unwrap();
        // SAFETY: a NUL-terminated path that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        assert!(open_append(&folder.join("pipe"), true).is_err());
        assert!(identity_of(&made).unwrap().same_file(&crate::fs::identity(&path).unwrap()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

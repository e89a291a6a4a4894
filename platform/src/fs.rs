//! Files: private creation, identity without opening, and whether a file system is a network one.

use std::{
    ffi::{CString, OsString},
    fs::{File, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// What `stat` tells about a file: enough to see that another one took its place, or that it was written.
///
/// The file is never opened: closing *any* descriptor of a file drops all POSIX locks that the process holds on it,
/// those of an SQLite connection included (sqlite.org/howtocorrupt.html, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// The device that holds the file.
    pub device: u64,
    /// The file on that device.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 of the last write to the file.
    pub modified: i128,
    /// How many names the file has.
    pub links: u64,
}

impl FileIdentity {
    /// Whether both are the same file, whatever was written to it.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// The identity of the file at `path` (symbolic links followed), by `stat` alone.
///
/// # Errors
/// Those of `stat`; `NotFound` when there is none; `InvalidInput` when it is not a regular file.
pub fn identity(path: &Path) -> io::Result<FileIdentity> {
    let stat = std::fs::metadata(path)?;
    if !stat.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(identity_of(&stat))
}

/// The identity of the file that `stat` tells of.
pub(crate) fn identity_of(stat: &std::fs::Metadata) -> FileIdentity {
    FileIdentity {
        device: stat.dev(),
        inode: stat.ino(),
        size: stat.size(),
        modified: i128::from(stat.mtime()).saturating_mul(1_000_000_000).saturating_add(i128::from(stat.mtime_nsec())),
        links: stat.nlink(),
    }
}

/// Makes an empty file that nobody else can read: mode 0600 or, with `like`, the owner and mode of that file (so that
/// what root makes beside a service's database does not lock the service out).
///
/// The name appears only when the file is complete and closed, so that no other thread can have it open by then:
/// closing a descriptor that another thread's SQLite connection also has open would drop that connection's locks.
///
/// # Errors
/// `AlreadyExists` when there is anything at `path`, a dangling symbolic link included; else those of the system.
pub fn create_private(path: &Path, like: Option<&Path>) -> io::Result<()> {
    let (file, draft) = begin_draft(path)?;
    let made = (|| {
        match like {
            Some(like) => match_owner_and_mode(&file, like)?,
            // The umask can only have taken permissions away; this gives the owner's back.
            None => file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?,
        }
        drop(file);
        rename_new(&draft, path)
    })();
    if made.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    made
}

/// Gives an open file the owner, group and permission bits of the file at `like`.
///
/// Only root can give a file away; for anybody else the owner stays, and the group changes if the system allows it.
///
/// # Errors
/// Those of `stat`, of `chmod`, and for root those of `chown`.
pub fn match_owner_and_mode(of: &File, like: &Path) -> io::Result<()> {
    let wanted = std::fs::metadata(like)?;
    let present = of.metadata()?;
    if (present.uid(), present.gid()) != (wanted.uid(), wanted.gid()) {
        // SAFETY: geteuid has no preconditions and can't fail.
        let root = unsafe { libc::geteuid() } == 0;
        let owner = if root { Some(wanted.uid()) } else { None };
        match std::os::unix::fs::fchown(of, owner, Some(wanted.gid())) {
            Err(error) if root => return Err(error),
            _ => {}
        }
    }
    of.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(wanted.mode() & 0o777))
}

/// Whether this process may make files in the folder at `path`.
#[must_use]
pub fn may_write_folder(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) == 0 }
}

/// Makes the names in the folder at `path` survive a power cut.
///
/// # Errors
/// Those of `open` and `fsync`.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes an empty file that is to become `path`, with mode 0600 and a name that nobody else takes: by chance, since in two
/// containers that share a folder all numbers of processes may be the same.
pub(crate) fn begin_draft(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let mut draft = OsString::from(".");
    draft.push(name);
    // Each state has keys of its own, from the system's randomness.
    draft.push(format!(".{:016x}", RandomState::new().hash_one(std::process::id())));
    let draft = path.with_file_name(draft);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(&draft)?;
    Ok((file, draft))
}

/// Gives `draft` the name `path`, unless something has it.
fn rename_new(draft: &Path, path: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL in the path");
        let from = CString::new(draft.as_os_str().as_bytes()).map_err(invalid)?;
        let to = CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
        // SAFETY: both paths are NUL-terminated strings that outlive the call.
        let done = unsafe {
            libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE)
        };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) {
            return Err(error);
        }
    }
    // File systems without the flag: a hard link fails just the same when the name is taken.
    std::fs::hard_link(draft, path)?;
    std::fs::remove_file(draft)
}

/// The name of the network (or otherwise shared) file system that holds `path`, or `None` for a local one.
///
/// # Errors
/// Those of `statfs`.
pub fn is_network_filesystem(path: &Path) -> io::Result<Option<&'static str>> {
    let path = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL in the path"))?;
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is NUL-terminated and `answer` is valid for writing one statfs.
    if unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: statfs returned 0, so it has filled the structure.
    let answer = unsafe { answer.assume_init() };
    #[cfg(target_os = "linux")]
    // The field's type differs by architecture; the magic numbers are 32 bits wide.
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, clippy::unnecessary_cast)]
    return Ok(network_name(answer.f_type as u32));
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::cast_sign_loss)]
    return Ok((answer.f_flags & libc::MNT_LOCAL as u32 == 0).then_some("a network file system"));
}

/// The name of the network file system with this magic number (`statfs(2)`, `linux/magic.h`), or `None`.
///
/// FUSE is among them: it may be anything, sshfs and virtiofs included, and none of its locks can be relied on.
#[must_use]
pub const fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB/CIFS",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        0x00C3_6400 => "Ceph",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x0BD0_0BD0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x786F_4256 => "a VirtualBox shared folder",
        0xBACB_ACBC => "a VMware shared folder",
        0x7C7C_6673 => "a Parallels shared folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("inspire-platform-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_private_file_is_private_from_its_first_moment_and_never_replaces() {
        let folder = folder("private");
        let path = folder.join("a.db");
        create_private(&path, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"kept").unwrap();
        assert_eq!(create_private(&path, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        // A dangling link is something too: the file must not appear where somebody else points.
        let link = folder.join("link.db");
        std::os::unix::fs::symlink(folder.join("elsewhere"), &link).unwrap();
        assert_eq!(create_private(&link, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!folder.join("elsewhere").exists());
        // No draft is left behind.
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_beside_another_has_its_owner_and_mode() {
        let folder = folder("like");
        let like = folder.join("like");
        std::fs::write(&like, b"").unwrap();
        std::fs::set_permissions(&like, PermissionsExt::from_mode(0o640)).unwrap();
        // SAFETY: geteuid has no preconditions.
        let root = unsafe { libc::geteuid() } == 0;
        if root {
            std::os::unix::fs::chown(&like, Some(12345), Some(12346)).unwrap();
        }
        let path = folder.join("made");
        create_private(&path, Some(&like)).unwrap();
        let (made, wanted) = (std::fs::metadata(&path).unwrap(), std::fs::metadata(&like).unwrap());
        assert_eq!((made.uid(), made.gid(), made.mode()), (wanted.uid(), wanted.gid(), wanted.mode()));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn identity_tells_a_replaced_file_from_a_written_one() {
        let folder = folder("identity");
        let path = folder.join("file");
        std::fs::write(&path, b"one").unwrap();
        let first = identity(&path).unwrap();
        std::fs::write(&path, b"longer").unwrap();
        let written = identity(&path).unwrap();
        assert!(written.same_file(&first) && written != first);
        std::fs::write(folder.join("other"), b"one").unwrap();
        std::fs::rename(folder.join("other"), &path).unwrap();
        assert!(!identity(&path).unwrap().same_file(&first));
        assert_eq!(identity(&folder).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(identity(&folder.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn network_file_systems_are_known_by_their_magic_numbers() {
        for (magic, name) in [
            (libc::NFS_SUPER_MAGIC, "NFS"),
            (libc::SMB_SUPER_MAGIC, "SMB/CIFS"),
            (libc::CODA_SUPER_MAGIC, "Coda"),
            (libc::FUSE_SUPER_MAGIC, "FUSE"),
            (libc::AFS_SUPER_MAGIC, "AFS"),
        ] {
            assert_eq!(network_name(u32::try_from(magic).unwrap()), Some(name));
        }
        for local in [libc::EXT4_SUPER_MAGIC, libc::TMPFS_MAGIC, libc::XFS_SUPER_MAGIC, libc::OVERLAYFS_SUPER_MAGIC] {
            assert_eq!(network_name(u32::try_from(local).unwrap()), None);
        }
        assert_eq!(is_network_filesystem(Path::new("/proc")).unwrap(), None);
    }
}

//! Which files are opened as a store, and which are refused.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
    time::Duration,
};

use arc_swap::ArcSwap;
use inspire_auth_platform::fs;

use rusqlite::{Transaction, TransactionBehavior};

use super::{
    Shared, SqliteStore,
    connections::{Connections, Link, Manner},
    faults::{Fault, from_io},
    freshness::{History, read_mark, read_state},
    page::Pages,
    schema,
};
use crate::error::{Code, Error, Result};

/// What a host may decide about an SQLite store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long to wait for another process's write lock before `STORE_LOCKED`. 5 seconds by default.
    pub busy_timeout: Duration,
    /// The largest the database may become, in pages of 4096 bytes (`STORE_FULL` past it). No bound by default.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5), max_pages: None }
    }
}

/// Which network file system a path is on: a parameter, so that a test can be on one.
type Probe = fn(&Path) -> io::Result<Option<&'static str>>;

impl SqliteStore {
    /// [`SqliteStore::open`] with other options.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        Self::open_probing(path.as_ref(), &options, fs::is_network_filesystem)
    }

    fn open_probing(path: &Path, options: &SqliteOptions, probe: Probe) -> Result<Self> {
        let path = resolve(path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        if let Some(name) = probe(folder).map_err(from_io)? {
            return Err(Error::with(Code::StoreNetworkFilesystem, name));
        }
        match fs::create_private(&path, None) {
            Ok(()) => {
                // The name itself must survive a power cut too; not every file system can be asked.
                let _ = fs::sync_folder(folder);
            }
            // It is there, or it can't be made: the opening says which.
            Err(_) if path.exists() => {}
            Err(error) => return Err(from_io(error)),
        }
        let file = fs::identity(&path).map_err(from_io)?;
        if file.links > 1 {
            // Each name would have a `-wal` of its own, and the writers of one would not see those of the other.
            return Err(Error::with(Code::StoreUnavailable, "the file has more than one name (hard links)"));
        }

        let manner = Manner { busy_timeout: options.busy_timeout, max_pages: options.max_pages, synchronous: "FULL" };
        let connections = Connections::new(&path);
        let pages = Pages::beside(&path);
        let history = {
            let lanes = connections.lanes()?;
            let mut lane = lanes.writer.lock();
            if !connections.close_siblings(&file) {
                return Err(Error::with(Code::StoreLocked, "another handle is busy with a file that was replaced"));
            }
            connections.note_opening(file);
            let link = Link::open(&path, manner)?;
            // Before anything is written: what is not ours stays as it is.
            schema::identify(&link.connection)?;
            link.use_wal(&path, manner)?;
            schema::migrate(&link.connection)?;
            let history = begin_history(&link, &pages)?;
            provide_page(&link, &pages, manner);
            lane.value = Some(link);
            history
        };
        let verified = AtomicU64::new(u64::try_from(history.mark.generation).unwrap_or(0));
        let history = ArcSwap::from_pointee(history);
        let shared = Shared { path, manner, connections, history, verified, pages };
        Ok(Self { shared: shared.into() })
    }
}

/// What a new handle knows: what is there. Unless the page says that it was more: then that is what it knows, and
/// nothing but an adoption gets past it.
fn begin_history(link: &Link, pages: &Pages) -> Result<History> {
    // The page before the database, which may only be ahead of it then.
    let store = read_mark(&link.connection)?.store;
    let clean = pages.evidence(&store);
    let mut mark = read_mark(&link.connection)?;
    if clean > u64::try_from(mark.generation).unwrap_or(0) {
        // No entry of any log has this token.
        (mark.generation, mark.token) = (i64::try_from(clean).unwrap_or(i64::MAX), [0; 16]);
    }
    Ok(History { mark, home: link.file })
}

/// Makes the page if there is none that counts, and maps it. A store without one works, only slower; and whoever writes
/// next makes one. So nobody waits here for a writer, and nothing that goes wrong is an error.
fn provide_page(link: &Link, pages: &Pages, manner: Manner) {
    let provide = || -> Result<()> {
        let state = read_state(&link.connection)?;
        pages.follow(state.named, &state.mark.store);
        if pages.current().is_some() {
            return Ok(());
        }
        let transaction = Transaction::new_unchecked(&link.connection, TransactionBehavior::Immediate).fault()?;
        let state = read_state(&transaction)?;
        pages.provide(transaction, state.named, &state.mark)
    };
    let _ = link.connection.busy_timeout(Duration::ZERO);
    let _ = provide();
    let _ = link.connection.busy_timeout(manner.busy_timeout);
}

/// The path without symbolic links.
///
/// A link to a store is allowed, since that is how deployments point at data. It is resolved here, once: SQLite names
/// its `-wal` and `-shm` after the file itself, so every process must mean the same file by the same name, and a link
/// that is swung later must not move a running handle. A link to nothing is refused, not followed: the store would
/// appear wherever somebody else points.
fn resolve(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.is_symlink() {
                return Err(Error::with(Code::StoreUnavailable, "the path is a symbolic link to nothing"));
            }
            let name = path.file_name().ok_or(Error::with(Code::StoreUnavailable, "the path names no file"))?;
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            Ok(folder.canonicalize().map_err(from_io)?.join(name))
        }
        Err(error) => Err(from_io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let options = SqliteOptions::default();
        let refused = SqliteStore::open_probing(&path, &options, |_| Ok(Some("NFS"))).unwrap_err();
        assert_eq!(refused.code(), Code::StoreNetworkFilesystem);
        assert_eq!(refused.detail(), Some("NFS"));
        assert!(!path.exists(), "nothing is made there");

        // Where it can't be found out, nothing is opened either.
        let unknown = SqliteStore::open_probing(&path, &options, |_| Err(io::ErrorKind::Other.into())).unwrap_err();
        assert_eq!(unknown.code(), Code::StoreUnavailable);

        SqliteStore::open_probing(&path, &options, |_| Ok(None)).unwrap();
        let refused = SqliteStore::open_probing(&path, &options, |_| Ok(Some("SMB/CIFS"))).unwrap_err();
        assert_eq!(refused.code(), Code::StoreNetworkFilesystem, "also when the file is there already");
    }
}

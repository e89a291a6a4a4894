//! What the server knows, in an SQLite file.
//!
//! One connection behind a lock: a server that needs more is another one. A vendor's tools may open the same file
//! meanwhile; SQLite keeps the two apart.

mod faults;
mod license;
mod machine;
mod schema;

use std::{
    fmt, io,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use inspire_auth_core::{Code, Error, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use license::{License, NewLicense};
pub use machine::{Machine, Refusal};

use faults::Fault as _;

/// How long to wait for another process's write lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Licenses and machines.
pub struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the file at `path`; makes it, with mode 0600, if it is not there.
    ///
    /// # Errors
    /// `STORE_CORRUPT` for a file that is another kind of database or none, `STORE_VERSION` for one of a later version;
    /// a `STORE_*` code by cause.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        create_private(path).map_err(|error| Error::new(Code::StoreUnavailable).caused_by(error))?;
        Self::on(Connection::open(path).fault()?)
    }

    /// A store that ends with its value.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn in_memory() -> Result<Self> {
        Self::on(Connection::open_in_memory().fault()?)
    }

    fn on(mut connection: Connection) -> Result<Self> {
        connection.busy_timeout(PATIENCE).fault()?;
        schema::prepare(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Reads or changes in one transaction, which is undone when `body` fails.
    fn transaction<T, E: From<Error>>(&self, body: impl FnOnce(&Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).fault()?;
        let done = body(&transaction)?;
        transaction.commit().fault()?;
        Ok(done)
    }

    fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        body(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// License keys are in it: nobody else may read it.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn a_store_is_its_owners_and_survives_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("licenses.db");
        let made = Store::open(&path).unwrap().create(&NewLicense::default(), NOW).unwrap();
        assert_eq!(Store::open(&path).unwrap().license(&made.id).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let code = |path: &Path| Store::open(path).map(drop).map_err(|error| error.code());
        let text = folder.path().join("text");
        std::fs::write(&text, "no database".repeat(100)).unwrap();
        assert_eq!(code(&text), Err(Code::StoreCorrupt));
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert_eq!(code(&other), Err(Code::StoreCorrupt));
        let later = folder.path().join("later.db");
        drop(Store::open(&later).unwrap());
        Connection::open(&later).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(code(&later), Err(Code::StoreVersion));
        assert_eq!(code(&folder.path().join("missing/x.db")), Err(Code::StoreUnavailable));
    }

    #[test]
    fn two_handles_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("licenses.db");
        let (server, tool) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
        let license = tool.create(&NewLicense::default(), NOW).unwrap();
        assert!(!server.license(&license.id).unwrap().suspended);
        tool.suspend(&license.id, NOW).unwrap();
        assert!(server.license(&license.id).unwrap().suspended);
    }
}

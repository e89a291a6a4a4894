//! SQLite's errors by cause, as the store's codes.

use std::{fmt, io, path::Path};

use inspire_auth_platform::fs;
use rusqlite::ffi;

use crate::error::{Code, Error};

/// What SQLite's own message may not be shown for: it can quote a value or the text of a statement. Only the result
/// codes go on, as the error's source.
#[derive(Debug)]
struct SqliteCode {
    extended: i32,
}

impl fmt::Display for SqliteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLite result code {}: {}", self.extended, ffi::code_to_str(self.extended))
    }
}

impl std::error::Error for SqliteCode {}

/// The store's code for a failure of SQLite.
pub(super) fn from_sqlite(error: &rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        // A column of another type, a missing row, a statement that does not fit the schema.
        return Error::with(Code::StoreCorrupt, "the database does not have the expected shape");
    };
    let extended = failure.extended_code;
    let code = match extended & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => Code::StoreLocked,
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => Code::StoreReadOnly,
        ffi::SQLITE_FULL => Code::StoreFull,
        // SQLITE_ERROR is "no such table" and the like here: our statements are right for our schema.
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_FORMAT | ffi::SQLITE_ERROR => Code::StoreCorrupt,
        _ => Code::StoreUnavailable,
    };
    Error::new(code).caused_by(SqliteCode { extended })
}

/// As [`from_sqlite`], but a database that can't be opened is looked at once more: in a folder that can't be written
/// SQLite can't make its `-wal` and `-shm` files, and says no more than "unable to open database file".
pub(super) fn from_sqlite_at(error: &rusqlite::Error, path: &Path) -> Error {
    let found = from_sqlite(error);
    let cant_open =
        matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.code == rusqlite::ErrorCode::CannotOpen);
    match path.parent() {
        Some(folder) if cant_open && folder.is_dir() && !fs::may_write_folder(folder) => {
            Error::with(Code::StoreReadOnly, "the folder can't be written")
        }
        _ => found,
    }
}

/// The store's code for a failure of the operating system.
pub(super) fn from_io(error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Code::StoreReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::StoreFull,
        _ => Code::StoreUnavailable,
    };
    Error::new(code).caused_by(error)
}

/// `?` on what SQLite returns.
pub(super) trait Fault<T> {
    /// Maps SQLite's error to the store's.
    fn fault(self) -> crate::error::Result<T>;
}

impl<T> Fault<T> for rusqlite::Result<T> {
    fn fault(self) -> crate::error::Result<T> {
        self.map_err(|error| from_sqlite(&error))
    }
}

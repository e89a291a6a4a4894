//! SQLite's errors by cause, as the store's codes.

use std::{fmt, io, path::Path};

use inspire_auth_platform::fs;
use rusqlite::{Connection, ffi};

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

/// Refuses a database that SQLite does not find whole, for the reason that `damaged` tells.
///
/// SQLite's check says in the same place that a page is wrong and that it could not be read; only the former is damage,
/// to which an operator answers with a backup.
///
/// # Errors
/// `STORE_CORRUPT` when it is damaged, `STORE_UNAVAILABLE` when it can't be read; a `STORE_*` code by cause.
pub(super) fn check_whole(connection: &Connection, damaged: &'static str) -> crate::error::Result<()> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).fault()?;
    if found == "ok" {
        Ok(())
    } else if is_unread(&found) {
        Err(Error::with(Code::StoreUnavailable, "the file could not be read"))
    } else {
        Err(Error::with(Code::StoreCorrupt, damaged))
    }
}

/// Whether a finding of SQLite's check is that a page could not be read (`checkTreePage` and `checkList` of its
/// btree.c, the only places where the check reads a page).
fn is_unread(finding: &str) -> bool {
    let code = finding.split_once("unable to get the page. error code=").map(|(_, rest)| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse::<i32>().unwrap_or(ffi::SQLITE_CORRUPT)
    });
    // A page of an overflow or free list is in range by then: getting it fails by reading it, and no code is told.
    code.is_some_and(|code| code & 0xff != ffi::SQLITE_CORRUPT) || finding.contains("failed to get page ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_could_not_be_read_is_not_a_damaged_one() {
        let about = |finding: &str| is_unread(&format!("*** in database main ***\nTree 2 page 2: {finding}\nmore"));
        assert!(about("unable to get the page. error code=266"));
        assert!(about("failed to get page 7"));
        assert!(!about("unable to get the page. error code=11"));
        assert!(!about("unable to get the page. error code=779"), "an extended code of SQLITE_CORRUPT");
        assert!(!about("btreeInitPage() returns error code 11"));
        assert!(!about("Rowid 0 out of order"));
    }

    #[test]
    fn a_whole_database_is_whole_and_a_damaged_one_is_not() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1), (2)").unwrap();
        check_whole(&connection, "damaged").unwrap();
        // An index that does not fit its table.
        let tables =
            "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = 2; PRAGMA writable_schema = RESET";
        connection.execute_batch(tables).unwrap();
        let error = check_whole(&connection, "damaged").unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt);
    }
}

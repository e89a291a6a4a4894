//! Rows as SQLite holds them, for whoever reads a million of them.
//!
//! rusqlite asks whether a column exists and then SQLite up to three times about it, each time under SQLite's lock; here a
//! column is one value that is looked at.

use std::{ffi::c_int, marker::PhantomData, ptr::NonNull, slice};

use rusqlite::{Connection, Error, Result, ffi, types::ValueRef};

/// A statement without parameters, and its rows one after another.
#[derive(Debug)]
pub struct Scan<'c> {
    statement: NonNull<ffi::sqlite3_stmt>,
    columns: usize,
    is_over: bool,
    connection: PhantomData<&'c Connection>,
}

impl<'c> Scan<'c> {
    /// Prepares `sql` on `connection`.
    ///
    /// # Errors
    /// Those of the preparation.
    pub fn new(connection: &'c Connection, sql: &str) -> Result<Self> {
        let mut statement = std::ptr::null_mut();
        let length = c_int::try_from(sql.len()).map_err(|_| failure(ffi::SQLITE_TOOBIG))?;
        // SAFETY: the connection is open, and this thread's alone, for as long as it is borrowed; `sql` is readable for its
        // length, and `statement` a place to write to.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                connection.handle(),
                sql.as_ptr().cast(),
                length,
                0,
                &raw mut statement,
                std::ptr::null_mut(),
            )
        };
        // Without an error and without a statement: there was none in the text.
        let statement = NonNull::new(statement).filter(|_| code == ffi::SQLITE_OK).ok_or_else(|| failure(code))?;
        // SAFETY: a statement that was just prepared.
        let columns = unsafe { ffi::sqlite3_column_count(statement.as_ptr()) };
        Ok(Self { statement, columns: usize::try_from(columns).unwrap_or(0), is_over: false, connection: PhantomData })
    }

    /// The next row; `None` behind the last, and from then on.
    ///
    /// # Errors
    /// Those of the statement.
    #[allow(clippy::should_implement_trait, reason = "a row lasts until the next one: no iterator can say so")]
    pub fn next(&mut self) -> Result<Option<ScanRow<'_>>> {
        // SQLite would begin anew.
        if self.is_over {
            return Ok(None);
        }
        // SAFETY: the statement lives until `Drop`, on a connection that is borrowed for as long.
        match unsafe { ffi::sqlite3_step(self.statement.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(Some(ScanRow { scan: self })),
            ffi::SQLITE_DONE => {
                self.is_over = true;
                Ok(None)
            }
            code => Err(failure(code)),
        }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        // SAFETY: it was prepared in `new` and is nobody's after this.
        unsafe { ffi::sqlite3_finalize(self.statement.as_ptr()) };
    }
}

fn failure(code: c_int) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), None)
}

/// The row on which a [`Scan`] stands.
#[derive(Debug)]
pub struct ScanRow<'s> {
    scan: &'s Scan<'s>,
}

impl ScanRow<'_> {
    /// What stands in a column, from 0; NULL where there is none, or no memory to show it.
    #[inline]
    #[must_use]
    pub fn value(&self, column: usize) -> ValueRef<'_> {
        let at = match c_int::try_from(column) {
            Ok(at) if column < self.scan.columns => at,
            _ => return ValueRef::Null,
        };
        // SAFETY: the statement stands on a row with such a column, and does until the row's borrow of it ends. The value is not
        // protected by a lock, which only matters where other threads use the connection: it is borrowed here, and is not `Sync`.
        // What a value points to stays until the statement moves on: nothing here converts it to another type.
        unsafe {
            let value = ffi::sqlite3_column_value(self.scan.statement.as_ptr(), at);
            match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    // In this order: the length is that of the text as it is then.
                    let text = ffi::sqlite3_value_text(value);
                    bytes(text, ffi::sqlite3_value_bytes(value)).map_or(ValueRef::Null, ValueRef::Text)
                }
                ffi::SQLITE_BLOB => {
                    let blob = ffi::sqlite3_value_blob(value);
                    // An empty one lies nowhere.
                    ValueRef::Blob(bytes(blob.cast(), ffi::sqlite3_value_bytes(value)).unwrap_or_default())
                }
                _ => ValueRef::Null,
            }
        }
    }
}

/// So many bytes from there on; `None` when that is nowhere.
///
/// # Safety
/// `first` is NULL, or readable for `length` bytes, which nobody changes during `'a`.
unsafe fn bytes<'a>(first: *const u8, length: c_int) -> Option<&'a [u8]> {
    let length = usize::try_from(length).unwrap_or(0);
    // SAFETY: not NULL, and readable by this function's contract.
    (!first.is_null()).then(|| unsafe { slice::from_raw_parts(first, length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t (a, b); {rows}")).unwrap();
        connection
    }

    /// Every kind of value, as rusqlite shows it.
    #[test]
    fn a_row_is_what_rusqlite_says_it_is() {
        let long = "x".repeat(10_000);
        let connection = table(&format!(
            "INSERT INTO t VALUES (1, 'text'), (-9223372036854775808, ''), (NULL, x''), (2.5, x'00ff00'), \
             ('{long}', x'{}'), ('a' || char(0) || 'b', CAST(x'fffe' AS TEXT)), (zeroblob(5), 'é')",
            "ab".repeat(9_000)
        ));
        let sql = "SELECT a, b FROM t ORDER BY rowid";
        let mut statement = connection.prepare(sql).unwrap();
        let (mut rows, mut scan) = (statement.query([]).unwrap(), Scan::new(&connection, sql).unwrap());
        let mut count = 0;
        while let Some(row) = rows.next().unwrap() {
            let scanned = scan.next().unwrap().unwrap();
            for column in [0, 1, 0] {
                assert_eq!(scanned.value(column), row.get_ref(column).unwrap());
            }
            assert!(scanned.value(2) == ValueRef::Null && scanned.value(usize::MAX) == ValueRef::Null);
            count += 1;
        }
        assert!(count == 7 && scan.next().unwrap().is_none() && scan.next().unwrap().is_none());
    }

    #[test]
    fn what_fails_is_an_error() {
        let connection = table("INSERT INTO t VALUES (-9223372036854775808, 1)");
        for wrong in ["not sql", "", "SELECT c FROM t"] {
            assert!(Scan::new(&connection, wrong).is_err(), "{wrong}");
        }
        let mut scan = Scan::new(&connection, "SELECT abs(a) FROM t").unwrap();
        assert!(scan.next().is_err());
    }

    #[test]
    fn it_may_be_left_in_the_middle() {
        let mut connection = table("INSERT INTO t VALUES (1, 1), (2, 2)");
        let mut scan = Scan::new(&connection, "SELECT a FROM t").unwrap();
        assert_eq!(scan.next().unwrap().unwrap().value(0), ValueRef::Integer(1));
        drop(scan);
        // Nothing is left under way.
        connection.transaction().unwrap().execute("DELETE FROM t", []).unwrap();
        connection.close().unwrap();
    }
}

//! What rusqlite has no safe way for: an SQLite connection that keeps one statement prepared, and rows read as they lie.
//!
//! A statement borrows its connection, so the two can't be kept in one safe value; rusqlite's statement cache can keep
//! it, but allocates at each use, which the check's hot path must not.

mod scan;

use std::ptr::NonNull;

use rusqlite::{Connection, Result, Statement};

pub use scan::{Scan, ScanRow};

/// A connection, and one statement on it that yields a single integer.
#[derive(Debug)]
pub struct Watch {
    // Some until it is dropped, which must come before the connection's.
    statement: Option<Statement<'static>>,
    connection: NonNull<Connection>,
}

// SAFETY: a connection may move between threads (rusqlite says so: `Connection: Send`), and its statements are only
// bound to it, not to a thread. Here the two always move together, and since `Watch` is not `Sync`, no two threads can
// reach either at once.
unsafe impl Send for Watch {}

impl Watch {
    /// Prepares `sql` on `connection`.
    ///
    /// # Errors
    /// Those of the preparation.
    pub fn new(connection: Connection, sql: &str) -> Result<Self> {
        let connection = NonNull::from(Box::leak(Box::new(connection)));
        let mut watch = Self { statement: None, connection };
        // SAFETY: the connection was just leaked, so it lives until `Drop`, which drops the statement first; nobody
        // ever makes a mutable reference to it, and the 'static reference does not leave this value.
        let borrowed: &'static Connection = unsafe { connection.as_ref() };
        watch.statement = Some(borrowed.prepare(sql)?);
        Ok(watch)
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        // SAFETY: it lives until `Drop`, and there are only shared references to it.
        unsafe { self.connection.as_ref() }
    }

    /// Runs the statement. Allocates nothing.
    ///
    /// # Errors
    /// Those of the statement.
    pub fn ask(&mut self) -> Result<i64> {
        match &mut self.statement {
            Some(statement) => statement.query_row([], |row| row.get(0)),
            None => Err(rusqlite::Error::QueryReturnedNoRows),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.statement = None;
        // SAFETY: it came from a leaked box in `new`, its only borrower was dropped in the line above, and nothing can
        // use this value any more.
        drop(unsafe { Box::from_raw(self.connection.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_between_threads_and_closes_cleanly() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
        let mut watch = Watch::new(connection, "SELECT n FROM t").unwrap();
        assert_eq!(watch.ask().unwrap(), 1);
        let moved = std::thread::spawn(move || {
            watch.connection().execute_batch("UPDATE t SET n = 2").unwrap();
            let answer = watch.ask().unwrap();
            (watch, answer)
        });
        let (watch, answer) = moved.join().unwrap();
        assert_eq!(answer, 2);
        drop(watch);
        assert!(Watch::new(Connection::open_in_memory().unwrap(), "not sql").is_err());
    }
}

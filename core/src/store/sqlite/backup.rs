//! A copy of the whole store, made through SQLite.

use std::path::Path;

use inspire_auth_platform::fs;
use rusqlite::params;

use super::{
    SqliteStore,
    faults::{from_io, from_sqlite},
};
use crate::error::{Code, Error, Result};

impl SqliteStore {
    /// Writes a consistent copy of the store to a new file at `to`, with the owner and mode of the database.
    ///
    /// The copy is one file, compact, without deleted content and without activity (last use, audit). It holds hashes
    /// and the license key, so it needs the same care as the store. Others go on reading and writing meanwhile.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when there is anything at `to`, or the path is not UTF-8; a `STORE_*` code by cause.
    pub fn backup(&self, to: &Path) -> Result<()> {
        let text = to.to_str().ok_or(Error::with(Code::InvalidArgument, "the path is not UTF-8"))?;
        // Absolute, so that SQLite can't take it for a URI.
        let text = std::path::absolute(text).map_err(from_io)?;
        let text = text.to_str().ok_or(Error::with(Code::InvalidArgument, "the path is not UTF-8"))?;
        fs::create_private(to, Some(&self.shared.path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::with(Code::InvalidArgument, "the target of the backup exists already")
            }
            _ => from_io(error),
        })?;
        // No transaction: VACUUM takes its own. (It writes to `to` only.)
        let done = self.shared.read_aside(|connection| {
            connection.execute("VACUUM main INTO ?1", params![text]).map_err(|error| {
                match error.sqlite_error_code() {
                    // Our statement is right and the target is new: SQLite could not find out that it is empty.
                    Some(rusqlite::ErrorCode::Unknown) => {
                        Error::with(Code::StoreUnavailable, "the target of the backup could not be read")
                    }
                    _ => from_sqlite(&error),
                }
            })?;
            // The copy's connection is closed by now, so the file may be opened by other means.
            std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(from_io)?;
            if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                let _ = fs::sync_folder(folder);
            }
            Ok(())
        });
        if done.is_err() {
            let _ = std::fs::remove_file(to);
        }
        done
    }
}

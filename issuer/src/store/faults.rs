//! SQLite's errors, as codes.

use inspire_auth_core::{Code, Error};
use rusqlite::ErrorCode;

/// `?` on what SQLite returns. Its own message is dropped: it can quote a license key.
pub(super) trait Fault<T> {
    /// Maps SQLite's error to a `STORE_*` code.
    fn fault(self) -> inspire_auth_core::Result<T>;
}

impl<T> Fault<T> for rusqlite::Result<T> {
    fn fault(self) -> inspire_auth_core::Result<T> {
        self.map_err(|error| {
            let code = match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Code::StoreLocked,
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Code::StoreReadOnly,
                Some(ErrorCode::DiskFull) => Code::StoreFull,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => Code::StoreCorrupt,
                Some(_) => Code::StoreUnavailable,
            };
            Error::new(code)
        })
    }
}

/// Whether a row was refused because another has its name.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

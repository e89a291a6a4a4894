//! The server's errors by cause, as the store's codes.

use std::fmt;

use tokio_postgres::error::SqlState;

use crate::error::{Code, Error, Result};

/// What the server's own message may not be shown for: it can quote a value or the text of a statement. Only the code goes
/// on (PostgreSQL 15, appendix A), as the error's source.
#[derive(Debug)]
struct ServerCode(String);

impl fmt::Display for ServerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLSTATE {}", self.0)
    }
}

impl std::error::Error for ServerCode {}

/// The store's code for what the server, or the way to it, answered.
pub(super) fn from_postgres(error: &tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        // The connection was lost, or never made.
        return match std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>()) {
            Some(source) => unreachable_because(source),
            None if error.is_closed() => Error::with(Code::StoreUnavailable, "the connection was closed"),
            None => Error::with(Code::StoreUnavailable, "the server could not be understood"),
        };
    };
    let with = |code, detail: &'static str| Error::with(code, detail).caused_by(ServerCode(state.code().to_owned()));
    match *state {
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::QUERY_CANCELED => with(Code::StoreLocked, "another writer is at work"),
        SqlState::DISK_FULL => with(Code::StoreFull, "the server's disk is full"),
        SqlState::READ_ONLY_SQL_TRANSACTION => with(Code::StoreReadOnly, "the server takes no writes"),
        SqlState::INSUFFICIENT_PRIVILEGE => with(Code::StoreReadOnly, "the role may not do this: see docs/clusters.md"),
        SqlState::UNDEFINED_TABLE
        | SqlState::UNDEFINED_COLUMN
        | SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME => with(
            Code::StoreUnavailable,
            "there is no store here, or none that the role may see: run `inspire-auth store migrate`",
        ),
        SqlState::CHARACTER_NOT_IN_REPERTOIRE | SqlState::UNTRANSLATABLE_CHARACTER => {
            with(Code::InvalidArgument, "PostgreSQL keeps no text with a NUL character")
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => with(Code::StoreCorrupt, "the server found damage"),
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            with(Code::StoreUnavailable, "the server refused the login")
        }
        SqlState::TOO_MANY_CONNECTIONS => with(Code::StoreUnavailable, "the server has no connection left"),
        _ => with(Code::StoreUnavailable, "the server could not do it"),
    }
}

fn unreachable_because(error: &std::io::Error) -> Error {
    // Its text is the operating system's.
    Error::with(Code::StoreUnavailable, "the server can't be reached").caused_by(std::io::Error::from(error.kind()))
}

/// What did not end in its time.
pub(super) fn late() -> Error {
    Error::with(Code::StoreUnavailable, "the server did not answer in time")
}

/// As [`from_postgres`], at the end of a call.
pub(super) trait Fault<T> {
    fn fault(self) -> Result<T>;
}

impl<T> Fault<T> for std::result::Result<T, tokio_postgres::Error> {
    fn fault(self) -> Result<T> {
        self.map_err(|error| from_postgres(&error))
    }
}

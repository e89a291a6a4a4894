//! The tables.

use inspire_auth_core::{Code, Error, Result};
use rusqlite::{Connection, TransactionBehavior, config::DbConfig};

use super::faults::Fault as _;

/// `application_id`: "insl", so that the store of a host is not taken for the store of a server.
const APPLICATION_ID: i64 = 0x696e_736c;
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE licenses (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        name TEXT,
        product TEXT,
        expires_at INTEGER,                      -- Unix seconds, as all times
        suspended INTEGER NOT NULL DEFAULT 0,
        banned INTEGER NOT NULL DEFAULT 0,
        max_machines INTEGER,                    -- NULL: any number
        allow_overrun INTEGER NOT NULL DEFAULT 0,
        require_heartbeat INTEGER NOT NULL DEFAULT 0,
        limits TEXT NOT NULL DEFAULT '{}',       -- a JSON object: {\"MAX_DISPLAYS\": 4}
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE entitlements (
        license TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
        code TEXT NOT NULL,
        PRIMARY KEY (license, code)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE machines (
        id TEXT PRIMARY KEY,
        license TEXT NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
        fingerprint TEXT NOT NULL,
        name TEXT,
        created_at INTEGER NOT NULL,
        pinged_at INTEGER,
        UNIQUE (license, fingerprint)
    ) STRICT;
";

/// Configures a connection, and makes the tables where there is nothing yet.
///
/// # Errors
/// `STORE_CORRUPT` for another kind of database, `STORE_VERSION` for a later one; a `STORE_*` code by cause.
pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).fault()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).fault()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true).fault()?;
    // Before anything is written: what is not ours stays as it is.
    identify(connection)?;
    connection.pragma_update(None, "journal_mode", "wal").fault()?;
    connection.pragma_update(None, "synchronous", "FULL").fault()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).fault()?;
    if number(&transaction, "PRAGMA user_version")? == 0 {
        transaction.execute_batch(TABLES).fault()?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).fault()?;
        transaction.pragma_update(None, "user_version", VERSION).fault()?;
    }
    transaction.commit().fault()
}

fn identify(connection: &Connection) -> Result<()> {
    let application = number(connection, "PRAGMA application_id")?;
    let version = number(connection, "PRAGMA user_version")?;
    let is_empty = number(connection, "SELECT count(*) FROM sqlite_schema")? == 0;
    match (application, version) {
        (APPLICATION_ID, VERSION) => Ok(()),
        (APPLICATION_ID, _) => Err(Error::with(Code::StoreVersion, "the file is of a later version")),
        (0, 0) if is_empty => Ok(()),
        _ => Err(Error::with(Code::StoreCorrupt, "the file is not the store of a licensing server")),
    }
}

fn number(connection: &Connection, query: &str) -> Result<i64> {
    connection.query_row(query, [], |row| row.get(0)).fault()
}

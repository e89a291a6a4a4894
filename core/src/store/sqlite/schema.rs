//! The tables, and the triggers that log every change to them.
//!
//! The triggers, not our code, move the generation and write the change log, so that a change made by a foreign
//! writer (the `sqlite3` shell, an older version of the library) is logged exactly like our own. They keep to syntax
//! that every SQLite since 3.8 understands.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::faults::Fault;
use crate::{
    error::{Code, Error, Result},
    id::{Id, fill_random},
};

/// `application_id` of a store: "insp".
pub(super) const APPLICATION_ID: i32 = 0x696E_7370;
/// The schema that this version of the library makes and understands.
pub(super) const VERSION: i32 = 1;

/// One statement list per version: `MIGRATIONS[n]` leads from version n to n + 1.
const MIGRATIONS: &[&str] = &[V1];

/// `meta.page` names the revocation page (see `page`). Ids are 16 bytes. `levels` is a JSON array of text. Times are Unix seconds. Booleans are 0 and 1. Text is compared
/// byte for byte (BINARY, the default).
const V1: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store_id BLOB NOT NULL,
    generation INTEGER NOT NULL,
    token BLOB NOT NULL,
    page BLOB
);
CREATE TABLE keys (
    id BLOB NOT NULL PRIMARY KEY CHECK (typeof(id) = 'blob' AND length(id) = 16),
    kind TEXT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    levels TEXT NOT NULL,
    require_secure INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    revision INTEGER NOT NULL,
    seal BLOB,
    seal_key_id TEXT
);
CREATE TABLE credentials (
    id BLOB NOT NULL PRIMARY KEY CHECK (typeof(id) = 'blob' AND length(id) = 16),
    key_id BLOB NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    scheme TEXT NOT NULL,
    hash TEXT NOT NULL,
    tag INTEGER,
    tag_key_id INTEGER,
    pepper_id TEXT,
    origin TEXT NOT NULL,
    strength TEXT NOT NULL,
    not_after INTEGER,
    created_at INTEGER NOT NULL
);
CREATE INDEX credentials_by_key ON credentials (key_id, created_at, id);
CREATE TABLE license (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    file BLOB NOT NULL,
    license_key TEXT NOT NULL,
    mode TEXT NOT NULL,
    installed_at INTEGER NOT NULL,
    validated_at INTEGER NOT NULL,
    refusal TEXT,
    refused_at INTEGER,
    attempt TEXT,
    attempted_at INTEGER
);
CREATE TABLE license_marks (key_id TEXT NOT NULL PRIMARY KEY, issued INTEGER NOT NULL);
CREATE TABLE license_burials (license_id TEXT NOT NULL PRIMARY KEY, issued INTEGER NOT NULL);
CREATE TABLE license_releases (
    machine TEXT NOT NULL PRIMARY KEY,
    license TEXT NOT NULL,
    license_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    since INTEGER NOT NULL,
    attempted INTEGER
);
CREATE TABLE installation (one INTEGER PRIMARY KEY CHECK (one = 1), seed BLOB NOT NULL);
CREATE TABLE credit_periods (
    tenant TEXT NOT NULL,
    period INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (tenant, period)
);
CREATE TABLE credit_operations (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    period INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    refunded INTEGER NOT NULL
);
CREATE TABLE clock_seen (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL,
    boot TEXT NOT NULL,
    anchor INTEGER NOT NULL,
    uptime INTEGER NOT NULL
);
CREATE INDEX credit_operations_by_period ON credit_operations (period);
CREATE TABLE tag_keys (id INTEGER PRIMARY KEY, secret BLOB NOT NULL);
CREATE TABLE changes (
    generation INTEGER PRIMARY KEY,
    token BLOB NOT NULL,
    kind TEXT NOT NULL,
    item BLOB
);
";

/// One logged change: the generation moves by one, under a fresh token.
fn log(kind: &str, item: &str) -> String {
    format!(
        "UPDATE meta SET generation = generation + 1, token = randomblob(16); \
         INSERT INTO changes (generation, token, kind, item) SELECT generation, token, '{kind}', {item} FROM meta;"
    )
}

/// The triggers on every table that a check depends on. What is consumed moves no generation.
fn triggers() -> String {
    let mut sql = String::new();
    let mut add = |name: &str, when: &str, kind: &str, item: &str| {
        sql.push_str(&format!("CREATE TRIGGER {name} {when} BEGIN {} END;\n", log(kind, item)));
    };
    add("keys_inserted", "AFTER INSERT ON keys", "key", "NEW.id");
    add("keys_updated", "AFTER UPDATE ON keys", "key", "NEW.id");
    add("keys_reidentified", "AFTER UPDATE OF id ON keys WHEN OLD.id IS NOT NEW.id", "key", "OLD.id");
    add("keys_deleted", "AFTER DELETE ON keys", "key", "OLD.id");
    add("credentials_inserted", "AFTER INSERT ON credentials", "key", "NEW.key_id");
    add("credentials_updated", "AFTER UPDATE ON credentials", "key", "NEW.key_id");
    add(
        "credentials_moved",
        "AFTER UPDATE OF key_id ON credentials WHEN OLD.key_id IS NOT NEW.key_id",
        "key",
        "OLD.key_id",
    );
    add("credentials_deleted", "AFTER DELETE ON credentials", "key", "OLD.key_id");

    // `INSERT OR REPLACE` and `UPDATE OR REPLACE` remove the row in the way without firing its delete trigger (unless
    // recursive_triggers is on), so what is about to be replaced is logged before. Where the statement fails instead,
    // this is rolled back with it.
    let key_in_the_way = "(SELECT id FROM keys WHERE name = NEW.name AND id IS NOT NEW.id)";
    let credential_in_the_way = "(SELECT key_id FROM credentials WHERE id = NEW.id AND key_id IS NOT NEW.key_id)";
    for (name, when, item) in [
        ("keys_replaced", "INSERT ON keys", key_in_the_way),
        ("keys_replaced_by_rename", "UPDATE OF name, id ON keys", key_in_the_way),
        ("credentials_replaced", "INSERT ON credentials", credential_in_the_way),
        ("credentials_replaced_by_update", "UPDATE OF id ON credentials", credential_in_the_way),
    ] {
        let exists = item.replacen("(SELECT", "EXISTS (SELECT", 1);
        add(name, &format!("BEFORE {when} WHEN {exists}"), "key", item);
    }

    for (table, kind) in [
        ("license", "license"),
        ("license_marks", "license"),
        ("license_burials", "license"),
        ("license_releases", "license"),
        ("installation", "license"),
        ("tag_keys", "tag_keys"),
    ] {
        for (verb, past) in [("INSERT", "inserted"), ("UPDATE", "updated"), ("DELETE", "deleted")] {
            add(&format!("{table}_{past}"), &format!("AFTER {verb} ON {table}"), kind, "NULL");
        }
    }
    sql
}

/// What a file is, before anything is written to it.
pub(super) enum Found {
    /// No table, no mark: a store is to be made.
    Empty,
    /// A store of ours, of a version that this library understands or can migrate.
    Store(i32),
}

/// Looks at a database without writing to it.
///
/// # Errors
/// `STORE_CORRUPT` when it is not a store of ours, `STORE_VERSION` when it is of a newer version.
pub(super) fn identify(connection: &Connection) -> Result<Found> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).fault();
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    if application == 0 && version == 0 && tables == 0 {
        return Ok(Found::Empty);
    }
    if application != i64::from(APPLICATION_ID) || version < 1 || tables == 0 {
        return Err(Error::with(Code::StoreCorrupt, "the file is not a store of this library"));
    }
    match i32::try_from(version) {
        Ok(version) if version <= VERSION => Ok(Found::Store(version)),
        _ => Err(Error::with(Code::StoreVersion, format!("version {version}; this library knows {VERSION}"))),
    }
}

/// Makes the schema, or brings an older one up to date, in one write transaction. Safe in any number of processes at
/// once: whoever comes second finds it done.
///
/// # Errors
/// As [`identify`], or a `STORE_*` code by cause.
pub(super) fn migrate(connection: &Connection) -> Result<()> {
    if let Found::Store(VERSION) = identify(connection)? {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).fault()?;
    let from = match identify(&transaction)? {
        Found::Empty => 0,
        Found::Store(version) => version,
    };
    for step in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(step).fault()?;
    }
    if from == 0 {
        populate(&transaction)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).fault()?;
    }
    transaction.pragma_update(None, "user_version", VERSION).fault()?;
    transaction.commit().fault()
}

/// What a store has from its first moment: its identity, the first entry of its history, and its tag key.
fn populate(transaction: &Transaction<'_>) -> Result<()> {
    let mut token = [0_u8; 16];
    fill_random(&mut token)?;
    let mut secret = zeroize::Zeroizing::new([0_u8; 16]);
    fill_random(&mut *secret)?;
    // A random id too: a tag made in another store must not be taken for one of this store's.
    let mut id = [0_u8; 4];
    fill_random(&mut id)?;
    let id = u32::from_be_bytes(id).max(1);

    transaction
        .execute(
            "INSERT INTO meta (one, store_id, generation, token) VALUES (1, ?1, 1, ?2)",
            params![Id::random()?.to_bytes(), token],
        )
        .fault()?;
    transaction
        .execute("INSERT INTO changes (generation, token, kind) VALUES (1, ?1, 'created')", params![token])
        .fault()?;
    transaction.execute("INSERT INTO tag_keys (id, secret) VALUES (?1, ?2)", params![id, &secret[..]]).fault()?;
    transaction.execute_batch(&triggers()).fault()
}

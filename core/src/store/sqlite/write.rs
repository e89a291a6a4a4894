//! Writing inside one write transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use inspire_auth_platform::fs;
use rusqlite::{Connection, ToSql, TransactionBehavior, ffi, named_params, params};

use super::{
    Shared, changes,
    connections::Link,
    faults::{Fault, check_whole, from_io, from_sqlite, from_sqlite_at},
    freshness::{History, State, read_mark, read_state, refusal},
    page::Owed,
    rows::{levels, signed},
};
use crate::{
    error::{Code, Error, Result},
    id::{Id, fill_random},
    store::{CredentialRow, KeyRow, LicenseRow, ReleaseRow, Transaction},
};

/// How far an adoption is above what it leaves behind, where the clock can't say.
const ADOPTION_STEP: i64 = 1 << 32;
/// An adoption's generation is the time in units of 2^-20 seconds: above every generation of every history that was
/// adopted before it, whichever of them is put back, as long as none commits a million times a second.
const ADOPTION_CLOCK_BITS: u32 = 20;

/// The generation of an adoption that leaves `known` behind, at a time since 1970.
fn adoption(known: i64, clock: Duration) -> i64 {
    let clock = (clock.as_nanos() << ADOPTION_CLOCK_BITS).checked_div(1_000_000_000).unwrap_or(0);
    match i64::try_from(clock) {
        Ok(clock) if clock > known => clock,
        // A clock that is behind: an adopting handle that knows what it leaves behind is right all the same.
        _ => known.saturating_add(ADOPTION_STEP),
    }
}

/// One transaction's view of the database.
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
}

impl<'a> Session<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }
}

impl Shared {
    /// Runs `body` in one write transaction and returns the generation after it. See `Store::write`.
    pub(super) fn write(&self, body: impl FnOnce(&Connection) -> Result<()>) -> Result<u64> {
        self.settle()?;
        let lanes = self.connections.lanes()?;
        let (generation, owed) = {
            let mut lane = lanes.writer.lock();
            let link = self.ensure(&mut lane.value)?;
            self.write_on(link, body)?
        };
        // Without the lane: others may write meanwhile, and a fork need not wait.
        if let Some(owed) = owed {
            owed.pay();
        }
        Ok(u64::try_from(generation).unwrap_or(0))
    }

    fn write_on(&self, link: &Link, body: impl FnOnce(&Connection) -> Result<()>) -> Result<(i64, Option<Owed<'_>>)> {
        let (transaction, State { mark: found, named }, history) = self.begin_on_known(link)?;
        let plan = self.pages.plan(named, &found, false)?;
        if plan.floor > found.generation {
            // Numbers that were announced and never committed are burnt: the triggers count on from above them.
            transaction.execute("UPDATE meta SET generation = ?1", params![plan.floor]).fault()?;
        }
        run(&transaction, body)?;
        let mark = read_mark(&transaction)?;
        if mark.token == found.token {
            transaction.rollback().fault()?;
            self.advance(history);
            return Ok((found.generation, None));
        }
        changes::trim(&transaction, found.generation, mark.generation)?;
        let owed = self.pages.commit(plan, transaction, mark.generation)?;
        self.advance(Some(History { mark, home: link.file }));
        Ok((mark.generation, owed))
    }

    /// Runs `body` in one write transaction that moves no generation. See `Store::account`.
    pub(super) fn account(&self, body: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        self.settle()?;
        let lanes = self.connections.lanes()?;
        let mut lane = lanes.writer.lock();
        let link = self.ensure(&mut lane.value)?;
        let (transaction, _, history) = self.begin_on_known(link)?;
        run(&transaction, body)?;
        transaction.commit().fault()?;
        self.advance(history);
        Ok(())
    }

    /// The write lock, on a database that continues what this handle knows.
    fn begin_on_known<'a>(&self, link: &'a Link) -> Result<(rusqlite::Transaction<'a>, State, Option<History>)> {
        self.look_at_page()?;
        let known = self.history.load_full();
        let clean = self.pages.clean(&known.mark.store);
        let transaction = self.begin(link)?;
        let state = read_state(&transaction)?;
        let history = self.judge(&known, clean, &link.file, state, &transaction)?;
        Ok((transaction, state, history))
    }

    /// The write lock, on the file that has the store's name now.
    fn begin<'a>(&self, link: &'a Link) -> Result<rusqlite::Transaction<'a>> {
        let transaction = rusqlite::Transaction::new_unchecked(&link.connection, TransactionBehavior::Immediate)
            .map_err(|error| from_sqlite_at(&error, &self.path))?;
        // Waiting for the lock may have taken seconds: nothing may be written to a file that lost its name.
        if !fs::identity(&self.path).map_err(from_io)?.same_file(&link.file) {
            return Err(refusal());
        }
        Ok(transaction)
    }

    /// Accepts what the file holds now, whatever this handle knew. See `Store::adopt` and `freshness`.
    pub(super) fn adopt(&self) -> Result<()> {
        let lanes = self.connections.lanes()?;
        let owed = {
            let (mut fresh, mut reader) = (lanes.freshness.lock(), lanes.reader.lock());
            let (mut writer, mut backup) = (lanes.writer.lock(), lanes.backup.lock());
            // No connection to a former file may be open beside one to the new file.
            fresh.value.close();
            (reader.value, writer.value, backup.value) = (None, None, None);
            let file = fs::identity(&self.path).map_err(from_io)?;
            if !file.same_file(&self.history.load().home) && !self.connections.close_siblings(&file) {
                return Err(Error::with(Code::StoreLocked, "another handle of this process is using the former file"));
            }
            let link = writer.value.insert(self.open_link()?);
            self.adopt_on(link)?
        };
        if let Some(owed) = owed {
            owed.pay();
        }
        Ok(())
    }

    fn adopt_on(&self, link: &Link) -> Result<Option<Owed<'_>>> {
        check_whole(&link.connection, "what is there now is damaged, so it can't be adopted")?;
        self.look_at_page()?;
        let transaction = self.begin(link)?;
        let State { mut mark, named } = read_state(&transaction)?;
        let plan = self.pages.plan(named, &mark, true)?;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        mark.generation = adoption(plan.floor.max(self.history.load().mark.generation), clock);
        fill_random(&mut mark.token)?;
        transaction
            .execute("UPDATE meta SET generation = ?1, token = ?2", params![mark.generation, mark.token])
            .fault()?;
        transaction
            .execute(
                "INSERT INTO changes (generation, token, kind) VALUES (?1, ?2, 'adoption')",
                params![mark.generation, mark.token],
            )
            .fault()?;
        let owed = self.pages.commit(plan, transaction, mark.generation)?;
        self.advance(Some(History { mark, home: link.file }));
        Ok(owed)
    }
}

/// Runs the body of a transaction, which is still one afterwards.
fn run(transaction: &rusqlite::Transaction<'_>, body: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
    body(transaction)?;
    if transaction.is_autocommit() {
        // SQLite rolled back by itself (a full disk, an I/O error) and `body` went on regardless.
        return Err(Error::with(Code::StoreUnavailable, "the transaction was rolled back"));
    }
    Ok(())
}

/// A constraint that failed, by the caller's code for it.
fn constraint(error: &rusqlite::Error, taken: Code, missing: Code) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => taken.into(),
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => missing.into(),
            _ => from_sqlite(error),
        },
        _ => from_sqlite(error),
    }
}

impl Session<'_> {
    /// Runs a statement that must touch exactly one row; none is `NOT_FOUND`.
    fn change(&self, sql: &str, parameters: &[(&str, &dyn ToSql)], taken: Code) -> Result<()> {
        let touched = self
            .connection
            .prepare_cached(sql)
            .fault()?
            .execute(parameters)
            .map_err(|error| constraint(&error, taken, Code::NotFound))?;
        if touched == 0 { Err(Code::NotFound.into()) } else { Ok(()) }
    }

    fn put_key(&self, sql: &str, key: &KeyRow) -> Result<()> {
        let parameters = named_params! {
            ":id": key.id.to_bytes(),
            ":kind": key.kind,
            ":name": key.name,
            ":description": key.description,
            ":levels": levels(&key.levels),
            ":require_secure": key.require_secure,
            ":enabled": key.enabled,
            ":created_at": key.created_at,
            ":updated_at": key.updated_at,
            ":expires_at": key.expires_at,
            ":revision": signed(key.revision),
            ":seal": key.seal,
            ":seal_key_id": key.seal_key_id,
        };
        self.change(sql, parameters, Code::NameTaken)
    }

    fn put_credential(&self, sql: &str, credential: &CredentialRow) -> Result<()> {
        let parameters = named_params! {
            ":id": credential.id.to_bytes(),
            ":key_id": credential.key_id.to_bytes(),
            ":scheme": credential.scheme.as_str(),
            ":hash": credential.hash,
            ":tag": credential.tag,
            ":tag_key_id": credential.tag_key_id,
            ":pepper_id": credential.pepper_id,
            ":origin": credential.origin.as_str(),
            ":strength": credential.strength.as_str(),
            ":not_after": credential.not_after,
            ":created_at": credential.created_at,
        };
        self.change(sql, parameters, Code::Conflict)
    }
}

impl Transaction for Session<'_> {
    fn insert_key(&mut self, key: &KeyRow) -> Result<()> {
        self.put_key(
            "INSERT INTO keys (id, kind, name, description, levels, require_secure, enabled, created_at, updated_at, \
             expires_at, revision, seal, seal_key_id) VALUES (:id, :kind, :name, :description, :levels, \
             :require_secure, :enabled, :created_at, :updated_at, :expires_at, :revision, :seal, :seal_key_id)",
            key,
        )
    }

    fn update_key(&mut self, key: &KeyRow) -> Result<()> {
        self.put_key(
            "UPDATE keys SET kind = :kind, name = :name, description = :description, levels = :levels, \
             require_secure = :require_secure, enabled = :enabled, created_at = :created_at, \
             updated_at = :updated_at, expires_at = :expires_at, revision = :revision, seal = :seal, \
             seal_key_id = :seal_key_id WHERE id = :id",
            key,
        )
    }

    fn delete_key(&mut self, id: Id) -> Result<()> {
        // The credentials first, by name: a key whose row a foreign writer deleted without them leaves none behind.
        let id = id.to_bytes();
        self.connection.prepare_cached("DELETE FROM credentials WHERE key_id = ?1").fault()?.execute([id]).fault()?;
        self.change("DELETE FROM keys WHERE id = :id", named_params! { ":id": id }, Code::Conflict)
    }

    fn insert_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        self.put_credential(
            "INSERT INTO credentials (id, key_id, scheme, hash, tag, tag_key_id, pepper_id, origin, strength, \
             not_after, created_at) VALUES (:id, :key_id, :scheme, :hash, :tag, :tag_key_id, :pepper_id, :origin, \
             :strength, :not_after, :created_at)",
            credential,
        )
    }

    fn update_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        self.put_credential(
            "UPDATE credentials SET key_id = :key_id, scheme = :scheme, hash = :hash, tag = :tag, \
             tag_key_id = :tag_key_id, pepper_id = :pepper_id, origin = :origin, strength = :strength, \
             not_after = :not_after, created_at = :created_at WHERE id = :id",
            credential,
        )
    }

    fn delete_credential(&mut self, id: Id) -> Result<()> {
        let parameters = named_params! { ":id": id.to_bytes() };
        self.change("DELETE FROM credentials WHERE id = :id", parameters, Code::Conflict)
    }

    fn set_license(&mut self, license: Option<&LicenseRow>) -> Result<()> {
        // Removed and inserted, not replaced: REPLACE would not fire the delete trigger.
        self.connection.prepare_cached("DELETE FROM license").fault()?.execute([]).fault()?;
        let Some(license) = license else { return Ok(()) };
        self.connection
            .prepare_cached(
                "INSERT INTO license (one, file, license_key, mode, installed_at, validated_at, refusal, refused_at, \
                 attempt, attempted_at) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .fault()?
            .execute(params![
                license.file,
                license.license_key,
                license.mode,
                license.installed_at,
                license.validated_at,
                license.refusal.map(|event| event.code.name()),
                license.refusal.map(|event| event.at),
                license.attempt.map(|event| event.code.name()),
                license.attempt.map(|event| event.at),
            ])
            .fault()?;
        Ok(())
    }

    fn raise_license_mark(&mut self, key_id: &str, issued: i64) -> Result<()> {
        raise(self.connection, "license_marks", "key_id", key_id, issued)
    }

    fn bury_license(&mut self, license_id: &str, issued: i64) -> Result<()> {
        raise(self.connection, "license_burials", "license_id", license_id, issued)
    }

    fn put_release(&mut self, release: &ReleaseRow) -> Result<()> {
        self.drop_release(&release.machine)?;
        self.connection
            .prepare_cached(
                "INSERT INTO license_releases (machine, license, license_key, fingerprint, since, attempted) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .fault()?
            .execute(params![
                release.machine,
                release.license,
                release.license_key,
                release.fingerprint,
                release.since,
                release.attempted
            ])
            .fault()?;
        Ok(())
    }

    fn drop_release(&mut self, machine: &str) -> Result<()> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM license_releases WHERE machine = ?1").fault()?;
        statement.execute([machine]).fault()?;
        Ok(())
    }

    fn set_installation_key(&mut self, seed: &[u8; 32]) -> Result<()> {
        self.connection.prepare_cached("DELETE FROM installation").fault()?.execute([]).fault()?;
        let mut statement =
            self.connection.prepare_cached("INSERT INTO installation (one, seed) VALUES (1, ?1)").fault()?;
        statement.execute([seed]).fault()?;
        Ok(())
    }
}

/// Sets `issued` for `name`, unless it is that or more already: then nothing is written.
fn raise(connection: &Connection, table: &str, column: &str, name: &str, issued: i64) -> Result<()> {
    let update = format!("UPDATE {table} SET issued = ?2 WHERE {column} = ?1 AND issued < ?2");
    if connection.prepare_cached(&update).fault()?.execute(params![name, issued]).fault()? == 0 {
        let insert = format!(
            "INSERT INTO {table} ({column}, issued) SELECT ?1, ?2 \
             WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {column} = ?1)"
        );
        connection.prepare_cached(&insert).fault()?.execute(params![name, issued]).fault()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adoption_is_above_what_it_leaves_behind_whatever_the_clock() {
        let second = Duration::from_secs(1);
        assert_eq!(adoption(5, second * 1_700_000_000), 1_700_000_000 << 20);
        assert_eq!(adoption((1 << 20) - 1, second), 1 << 20);
        assert!(adoption(5, second + Duration::from_millis(2)) > adoption(5, second), "without knowing of it");
        for known in [1 << 20, 1 << 60] {
            assert_eq!(adoption(known, second), known + (1 << 32), "the clock does not say more than is known");
        }
        assert_eq!(adoption(i64::MAX, Duration::MAX), i64::MAX);
    }
}

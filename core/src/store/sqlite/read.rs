//! Reading inside one transaction.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Params, Rows, params};
use zeroize::Zeroizing;

use super::{
    faults::Fault,
    freshness::read_mark,
    rows::{self, CREDENTIAL, KEY},
    write::Session,
};
use crate::{
    error::Result,
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, LicenseRow, Reader, ReleaseRow},
};

/// Hands every key with its credentials to `each`; one whose credentials lie apart twice, at last with all of them.
///
/// Both tables are read in the order in which they lie in the file, side by side: a key's first credential was written with it. By
/// id, each row would be looked for in another place, which takes ten times as long.
pub(super) fn every_key(connection: &Connection, each: &mut dyn FnMut(KeyWithCredentials) -> Result<()>) -> Result<()> {
    let mut keys = connection.prepare_cached(&format!("SELECT {KEY} FROM keys k ORDER BY k.rowid")).fault()?;
    let mut keys = keys.query([]).fault()?;
    let sql = format!("SELECT {CREDENTIAL} FROM credentials c ORDER BY c.rowid");
    let mut credentials = connection.prepare_cached(&sql).fault()?;
    let mut beside = Beside { rows: credentials.query([]).fault()?, next: None, apart: HashSet::new() };
    beside.advance()?;
    while let Some(row) = keys.next().fault()? {
        let Some(key) = rows::key(row, 0) else { continue };
        let key = match beside.take(key.id)? {
            Some(credential) => KeyWithCredentials { key, credentials: vec![credential] },
            None => with_credentials(connection, key)?,
        };
        each(key)?;
    }
    while let Some(credential) = beside.next.take() {
        beside.apart.insert(credential.key_id);
        beside.advance()?;
    }
    let session = Session::new(connection);
    for id in beside.apart {
        session.key_by_id(id)?.map_or(Ok(()), &mut *each)?;
    }
    Ok(())
}

/// The credentials, beside the keys.
struct Beside<'s> {
    rows: Rows<'s>,
    next: Option<CredentialRow>,
    /// Keys of credentials that did not stand where their key did.
    apart: HashSet<Id>,
}

impl Beside<'_> {
    fn advance(&mut self) -> Result<()> {
        self.next = None;
        while let Some(row) = self.rows.next().fault()? {
            self.next = rows::credential(row, 0);
            if self.next.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The credential of this key that stands here. `None` when there is none here, or when it has another one somewhere.
    fn take(&mut self, key: Id) -> Result<Option<CredentialRow>> {
        /// How far a key's credential may stand behind those of keys that are gone, or have several.
        const NEAR: usize = 4;
        for _ in 0..NEAR {
            match &self.next {
                Some(next) if next.key_id != key => {
                    self.apart.insert(next.key_id);
                    self.advance()?;
                }
                _ => break,
            }
        }
        let Some(found) = self.next.take_if(|next| next.key_id == key) else {
            // Whoever asks for all of them needs none of those that stand apart.
            self.apart.remove(&key);
            return Ok(None);
        };
        self.advance()?;
        Ok(Some(found).filter(|_| !self.apart.remove(&key)))
    }
}

/// The keys that `condition` selects, without their credentials.
fn keys(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<KeyRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {KEY} FROM keys k {condition}")).fault()?;
    let found = statement.query_map(parameters, |row| Ok(rows::key(row, 0))).fault()?;
    found.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>().fault()
}

fn with_credentials(connection: &Connection, key: KeyRow) -> Result<KeyWithCredentials> {
    let sql = format!("SELECT {CREDENTIAL} FROM credentials c WHERE c.key_id = ?1 ORDER BY c.created_at, c.id");
    let mut statement = connection.prepare_cached(&sql).fault()?;
    let found = statement.query_map([key.id.to_bytes()], |row| Ok(rows::credential(row, 0))).fault()?;
    let credentials = found.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>().fault()?;
    Ok(KeyWithCredentials { key, credentials })
}

impl Reader for Session<'_> {
    fn generation(&self) -> Result<u64> {
        Ok(u64::try_from(read_mark(self.connection)?.generation).unwrap_or(0))
    }

    fn key_by_name(&self, name: &str) -> Result<Option<KeyWithCredentials>> {
        let found = keys(self.connection, "WHERE k.name = ?1", [name])?.pop();
        found.map(|key| with_credentials(self.connection, key)).transpose()
    }

    fn key_by_id(&self, id: Id) -> Result<Option<KeyWithCredentials>> {
        let found = keys(self.connection, "WHERE k.id = ?1", [id.to_bytes()])?.pop();
        found.map(|key| with_credentials(self.connection, key)).transpose()
    }

    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeyWithCredentials>> {
        // The empty text is before every name: no name is empty.
        let parameters = params![after.unwrap_or_default(), i64::try_from(limit).unwrap_or(i64::MAX)];
        let found = keys(self.connection, "WHERE k.name > ?1 ORDER BY k.name LIMIT ?2", parameters)?;
        found.into_iter().map(|key| with_credentials(self.connection, key)).collect()
    }

    fn credential(&self, id: Id) -> Result<Option<CredentialRow>> {
        let sql = format!("SELECT {CREDENTIAL} FROM credentials c WHERE c.id = ?1");
        let mut statement = self.connection.prepare_cached(&sql).fault()?;
        Ok(statement.query_row([id.to_bytes()], |row| Ok(rows::credential(row, 0))).optional().fault()?.flatten())
    }

    fn license(&self) -> Result<Option<LicenseRow>> {
        let sql = "SELECT file, license_key, mode, installed_at, validated_at, refusal, refused_at, attempt, \
                   attempted_at FROM license WHERE one = 1";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        statement.query_row([], |row| Ok(rows::license(row))).optional().fault()
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        let sql = "SELECT key_id, issued FROM license_marks ORDER BY key_id";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).fault()?;
        found.collect::<rusqlite::Result<_>>().fault()
    }

    fn license_burial(&self, license_id: &str) -> Result<Option<i64>> {
        let sql = "SELECT issued FROM license_burials WHERE license_id = ?1";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        statement.query_row([license_id], |row| row.get(0)).optional().fault()
    }

    fn releases(&self) -> Result<Vec<ReleaseRow>> {
        let sql = "SELECT machine, license, license_key, fingerprint, since, attempted FROM license_releases \
                   ORDER BY since, machine";
        let mut statement = self.connection.prepare_cached(sql).fault()?;
        let found = statement
            .query_map([], |row| {
                Ok(ReleaseRow {
                    machine: row.get(0)?,
                    license: row.get(1)?,
                    license_key: row.get(2)?,
                    fingerprint: row.get(3)?,
                    since: row.get(4)?,
                    attempted: row.get(5)?,
                })
            })
            .fault()?;
        found.collect::<rusqlite::Result<_>>().fault()
    }

    fn installation_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let mut statement = self.connection.prepare_cached("SELECT seed FROM installation WHERE one = 1").fault()?;
        statement.query_row([], |row| row.get(0).map(Zeroizing::new)).optional().fault()
    }
}

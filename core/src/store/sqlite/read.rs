//! Reading inside one transaction.

use rusqlite::{Connection, OptionalExtension, Params, params};
use zeroize::Zeroizing;

use super::{
    faults::Fault,
    freshness::read_mark,
    rows::{self, CREDENTIAL, KEY, KEY_COLUMNS},
    write::Session,
};
use crate::{
    error::Result,
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, LicenseRow, Reader, ReleaseRow},
};

/// Hands every key with its credentials to `each`.
pub(super) fn every_key(connection: &Connection, each: &mut dyn FnMut(KeyWithCredentials) -> Result<()>) -> Result<()> {
    let sql = format!(
        "SELECT {KEY}, {CREDENTIAL} FROM keys k LEFT JOIN credentials c ON c.key_id = k.id \
         ORDER BY k.id, c.created_at, c.id"
    );
    let mut statement = connection.prepare_cached(&sql).fault()?;
    let mut found = statement.query([]).fault()?;
    let mut current: Option<KeyWithCredentials> = None;
    while let Some(row) = found.next().fault()? {
        let same = match (&current, rows::id(row.get_ref(0).fault()?)) {
            (Some(present), Some(id)) => present.key.id == id,
            _ => false,
        };
        if !same {
            if let Some(done) = current.take() {
                each(done)?;
            }
            current = rows::key(row, 0).map(|key| KeyWithCredentials { key, credentials: Vec::new() });
        }
        if let (Some(current), Some(credential)) = (&mut current, rows::credential(row, KEY_COLUMNS)) {
            current.credentials.push(credential);
        }
    }
    current.map_or(Ok(()), each)
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

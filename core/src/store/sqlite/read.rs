//! Reading inside one transaction.

use std::collections::HashSet;

use inspire_auth_platform::sqlite::Scan;
use rusqlite::{Connection, OptionalExtension, Params, params};
use zeroize::Zeroizing;

use super::{
    faults::Fault,
    freshness::read_mark,
    rows::{self, CREDENTIAL, KEY, KEY_OF_CHECK, LevelTexts},
    write::Session,
};
use crate::{
    error::Result,
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, LicenseRow, Reader, ReleaseRow},
};

/// Every key with its credentials, whole, sorted by id.
pub(super) fn all_keys(connection: &Connection) -> Result<Vec<KeyWithCredentials>> {
    let found = keys(connection, "ORDER BY k.id", [])?;
    found.into_iter().map(|key| with_credentials(connection, key)).collect()
}

/// Hands what a check needs of every key, with its credentials, to `each`; one whose credentials lie apart twice, at last with all of them.
///
/// Both tables are read in the order in which they lie in the file, side by side: a key's first credential was written with it. By
/// id, each row would be looked for in another place, which takes ten times as long.
pub(super) fn every_key_for_checks(
    connection: &Connection,
    each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>,
) -> Result<()> {
    let mut keys = Scan::new(connection, &format!("SELECT {KEY_OF_CHECK} FROM keys k ORDER BY k.rowid")).fault()?;
    let credentials =
        Scan::new(connection, &format!("SELECT {CREDENTIAL} FROM credentials c ORDER BY c.rowid")).fault()?;
    let mut beside = Beside { rows: credentials, next: Some(rows::blank()), apart: HashSet::new() };
    beside.advance()?;
    let mut levels = LevelTexts::default();
    let mut present = rows::blank();
    while let Some(row) = keys.next().fault()? {
        if !rows::key_of_check(&row, &mut present.key, &mut levels) {
            continue;
        }
        if beside.take(&mut present)? {
            each(&present)?;
        } else {
            each(&with_credentials(connection, present.key.clone())?)?;
        }
    }
    while let Some(next) = &beside.next {
        beside.apart.extend(next.credentials.iter().map(|credential| credential.key_id));
        beside.advance()?;
    }
    let session = Session::new(connection);
    for id in beside.apart {
        session.key_by_id(id)?.as_ref().map_or(Ok(()), &mut *each)?;
    }
    Ok(())
}

/// The credentials, beside the keys.
struct Beside<'s> {
    rows: Scan<'s>,
    /// The credential that stands here, as the only one of a key.
    next: Option<KeyWithCredentials>,
    /// Keys of credentials that did not stand where their key did.
    apart: HashSet<Id>,
}

impl Beside<'_> {
    fn advance(&mut self) -> Result<()> {
        while let Some(row) = self.rows.next().fault()? {
            let place = self.next.as_mut().and_then(|next| next.credentials.first_mut());
            if place.is_some_and(|credential| rows::credential_into(&row, credential)) {
                return Ok(());
            }
        }
        self.next = None;
        Ok(())
    }

    fn key_of_next(&self) -> Option<Id> {
        Some(self.next.as_ref()?.credentials.first()?.key_id)
    }

    /// Takes the credential of this key that stands here. `false` when there is none here, or when it has another one somewhere.
    fn take(&mut self, key: &mut KeyWithCredentials) -> Result<bool> {
        /// How far a key's credential may stand behind those of keys that are gone, or have several.
        const NEAR: usize = 4;
        for _ in 0..NEAR {
            match self.key_of_next() {
                Some(next) if next != key.key.id => {
                    self.apart.insert(next);
                    self.advance()?;
                }
                _ => break,
            }
        }
        let is_apart = !self.apart.is_empty() && self.apart.remove(&key.key.id);
        if self.key_of_next() != Some(key.key.id) {
            return Ok(false);
        }
        if let Some(next) = &mut self.next {
            std::mem::swap(&mut key.credentials, &mut next.credentials);
        }
        self.advance()?;
        Ok(!is_apart)
    }
}

/// The keys that `condition` selects, without their credentials.
fn keys(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<KeyRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {KEY} FROM keys k {condition}")).fault()?;
    let found = statement.query_map(parameters, |row| Ok(rows::key(row))).fault()?;
    found.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>().fault()
}

/// The statement that reads the credentials of one key, the oldest first.
pub(super) fn credentials_of_key() -> String {
    format!("SELECT {CREDENTIAL} FROM credentials c WHERE c.key_id = ?1 ORDER BY c.created_at, c.id")
}

fn with_credentials(connection: &Connection, key: KeyRow) -> Result<KeyWithCredentials> {
    let mut statement = connection.prepare_cached(&credentials_of_key()).fault()?;
    let found = statement.query_map([key.id.to_bytes()], |row| Ok(rows::credential(row))).fault()?;
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
        Ok(statement.query_row([id.to_bytes()], |row| Ok(rows::credential(row))).optional().fault()?.flatten())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A store's tables with these credentials, each of a key (by number), in this order; keys in theirs.
    fn tables(keys: &[u8], credentials: &[u8]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE keys (id BLOB, kind, name, description, levels, require_secure, enabled, created_at, \
                 updated_at, expires_at, revision, seal, seal_key_id); \
                 CREATE TABLE credentials (id BLOB, key_id BLOB, scheme, hash, tag, tag_key_id, pepper_id, origin, \
                 strength, not_after, created_at)",
            )
            .unwrap();
        let insert =
            "INSERT INTO keys VALUES (?1, 'k', ?2, 'd', '[\"L' || ?3 || '\"]', 1, 1, 5, 5, NULL, 1, NULL, NULL)";
        for n in keys {
            connection.execute(insert, params![[*n; 16], format!("key-{n}"), n]).unwrap();
        }
        let insert =
            "INSERT INTO credentials VALUES (?1, ?2, 'argon2', ?3, 1, 1, NULL, 'generated', 'random', NULL, ?3)";
        for (at, n) in credentials.iter().enumerate() {
            connection.execute(insert, params![[at as u8 + 1; 16], [*n; 16], at as i64]).unwrap();
        }
        connection
    }

    /// What is handed out last of each key, without what a check does not need.
    fn loaded(connection: &Connection) -> BTreeMap<Id, KeyWithCredentials> {
        let mut all = BTreeMap::new();
        every_key_for_checks(connection, &mut |key| {
            all.insert(key.key.id, for_checks(key.clone()));
            Ok(())
        })
        .unwrap();
        all
    }

    fn for_checks(mut key: KeyWithCredentials) -> KeyWithCredentials {
        key.key.description.clear();
        (key.key.created_at, key.key.updated_at) = (0, 0);
        key
    }

    /// However the rows lie, each key comes with all of its credentials, the oldest first, as when it is asked for alone.
    #[test]
    fn a_key_comes_with_all_of_its_credentials_wherever_they_lie() {
        let orders: [&[u8]; 9] = [
            &[1, 2, 3, 4, 5, 6, 7],
            &[7, 6, 5, 4, 3, 2, 1],
            &[1, 2, 2, 3, 4, 5, 5, 5, 6, 7],
            &[1, 2, 3, 4, 5, 6, 7, 1, 4, 7, 7],
            &[2, 3, 4, 1, 5, 1, 6, 7, 2],
            // Keys without any, and credentials without a key.
            &[1, 3, 5, 7],
            &[9, 9, 9, 9, 9, 9, 1, 2, 9, 3, 4, 5, 6, 7, 9],
            &[5, 5, 5, 5, 5, 5, 1],
            &[],
        ];
        for credentials in orders {
            for keys in [&[1_u8, 2, 3, 4, 5, 6, 7][..], &[4, 2, 7, 1, 3, 6, 5]] {
                let connection = tables(keys, credentials);
                let all = all_keys(&connection).unwrap().into_iter();
                let expected: BTreeMap<Id, KeyWithCredentials> = all.map(|key| (key.key.id, for_checks(key))).collect();
                assert_eq!(expected.len(), keys.len());
                assert_eq!(loaded(&connection), expected, "{keys:?} {credentials:?}");
            }
        }
    }

    /// A row takes over another one's memory, and nothing of what it said.
    #[test]
    fn nothing_of_one_row_is_left_in_the_next() {
        let connection = tables(&[1, 2, 3], &[1, 2, 3]);
        connection
            .execute_batch(
                "UPDATE keys SET expires_at = 9, seal = x'01', seal_key_id = 'p' WHERE name = 'key-1'; \
                 UPDATE credentials SET pepper_id = 'p', not_after = 8 WHERE key_id = x'01010101010101010101010101010101'; \
                 UPDATE keys SET levels = 'nonsense', kind = 7 WHERE name = 'key-2'; \
                 UPDATE credentials SET scheme = 5, hash = NULL WHERE key_id = x'02020202020202020202020202020202'",
            )
            .unwrap();
        let all: Vec<_> = loaded(&connection).into_values().collect();
        assert!(all[0].key.seal.is_some() && all[0].credentials[0].not_after == Some(8) && all[0].key.enabled);
        let damaged = &all[1];
        assert!(!damaged.key.enabled && damaged.key.levels.is_empty() && damaged.key.expires_at.is_none());
        assert!(damaged.key.seal.is_none() && damaged.key.kind.is_empty());
        assert!(
            damaged.credentials[0].scheme == crate::store::Scheme::Unknown && damaged.credentials[0].hash.is_empty()
        );
        assert!(damaged.credentials[0].pepper_id.is_none() && damaged.credentials[0].not_after.is_none());
        assert!(all[2].key.enabled && all[2].key.levels == ["L3"] && all[2].key.kind == "k");
    }
}

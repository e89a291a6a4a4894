//! Reading and writing inside one transaction.
//!
//! A statement that PostgreSQL refuses ends the transaction it is in. So none is sent that could be refused for what it says:
//! each asks in its condition for what would refuse it, and tells by its rows whether it was done.

use std::time::Instant;

use tokio_postgres::{Row, types::Type};
use zeroize::Zeroizing;

use super::{
    PATIENCE,
    link::{Link, Parameter},
    rows::{self, CREDENTIAL, KEY, LICENSE, RELEASE, signed},
};
use crate::{
    error::{Code, Error, Result},
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, LicenseRow, Reader, ReleaseRow, Transaction},
};

/// One transaction's view of the database.
pub(super) struct Session<'a> {
    pub(super) link: &'a Link,
    /// Whose license is meant.
    pub(super) scope: &'a str,
    pub(super) generation: i64,
}

/// When what is begun now is no longer waited for.
pub(super) fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

impl Session<'_> {
    pub(super) fn query(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        self.link.query(sql, parameters, deadline())
    }

    fn keys(&self, end: &str, parameters: &[Parameter<'_>]) -> Result<Vec<KeyWithCredentials>> {
        let found = self.query(&format!("SELECT {KEY} FROM keys k {end}"), parameters)?;
        let mut keys: Vec<_> = found
            .iter()
            .filter_map(|row| rows::key(row, 0))
            .map(|key| KeyWithCredentials { key, credentials: Vec::new() })
            .collect();
        let ids: Vec<_> = keys.iter().map(|key| key.key.id.to_bytes().to_vec()).collect();
        if !ids.is_empty() {
            let credentials = self.query(CREDENTIALS_OF, &[(&ids, Type::BYTEA_ARRAY)])?;
            add_credentials(&mut keys, &credentials);
        }
        Ok(keys)
    }
}

/// The credentials of many keys, oldest first.
const CREDENTIALS_OF: &str = "SELECT c.id, c.key_id, c.scheme, c.hash, c.tag, c.tag_key_id, c.pepper_id, c.origin, \
     c.strength, c.not_after, c.created_at FROM credentials c WHERE c.key_id = ANY ($1) ORDER BY c.created_at, c.id";

/// Gives each key its credentials, in the order of the rows.
pub(super) fn add_credentials(keys: &mut [KeyWithCredentials], credentials: &[Row]) {
    let places: std::collections::HashMap<Id, usize> =
        keys.iter().enumerate().map(|(at, key)| (key.key.id, at)).collect();
    for credential in credentials.iter().filter_map(|row| rows::credential(row, 0)) {
        if let Some(key) = places.get(&credential.key_id).and_then(|at| keys.get_mut(*at)) {
            key.credentials.push(credential);
        }
    }
}

fn number(rows: &[Row]) -> Option<i64> {
    rows.first().and_then(|row| row.try_get(0).ok())
}

impl Reader for Session<'_> {
    fn generation(&self) -> Result<u64> {
        Ok(u64::try_from(self.generation).unwrap_or(0))
    }

    fn key_by_name(&self, name: &str) -> Result<Option<KeyWithCredentials>> {
        // No name has a NUL character, which the server would refuse.
        if name.contains('\0') {
            return Ok(None);
        }
        Ok(self.keys("WHERE k.name = $1", &[(&name, Type::TEXT)])?.pop())
    }

    fn key_by_id(&self, id: Id) -> Result<Option<KeyWithCredentials>> {
        let id = id.to_bytes();
        Ok(self.keys("WHERE k.id = $1", &[(&&id[..], Type::BYTEA)])?.pop())
    }

    fn keys_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeyWithCredentials>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Up to a character that no text here has, the order is the same without it.
        let after = after.map(|after| after.split('\0').next().unwrap_or_default());
        let end = "WHERE $1::text IS NULL OR k.name > $1 ORDER BY k.name LIMIT $2";
        self.keys(end, &[(&after, Type::TEXT), (&limit, Type::INT8)])
    }

    fn credential(&self, id: Id) -> Result<Option<CredentialRow>> {
        let id = id.to_bytes();
        let sql = format!("SELECT {CREDENTIAL} FROM credentials c WHERE c.id = $1");
        let found = self.query(&sql, &[(&&id[..], Type::BYTEA)])?;
        Ok(found.first().and_then(|row| rows::credential(row, 0)))
    }

    fn license(&self) -> Result<Option<LicenseRow>> {
        let sql = format!("SELECT {LICENSE} FROM license WHERE scope = $1");
        Ok(self.query(&sql, &[(&self.scope, Type::TEXT)])?.first().map(rows::license))
    }

    fn license_marks(&self) -> Result<Vec<(String, i64)>> {
        let found = self.query("SELECT key_id, issued FROM license_marks ORDER BY key_id", &[])?;
        let read = |row: &Row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?));
        Ok(found.iter().filter_map(read).collect())
    }

    fn license_burial(&self, license_id: &str) -> Result<Option<i64>> {
        let sql = "SELECT issued FROM license_burials WHERE scope = $1 AND license_id = $2";
        Ok(number(&self.query(sql, &[(&self.scope, Type::TEXT), (&license_id, Type::TEXT)])?))
    }

    fn releases(&self) -> Result<Vec<ReleaseRow>> {
        let sql = format!("SELECT {RELEASE} FROM license_releases WHERE scope = $1 ORDER BY since, machine");
        Ok(self.query(&sql, &[(&self.scope, Type::TEXT)])?.iter().map(rows::release).collect())
    }

    fn installation_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let found = self.query("SELECT seed FROM installation WHERE scope = $1", &[(&self.scope, Type::TEXT)])?;
        let seed = found.first().and_then(|row| row.try_get::<_, &[u8]>(0).ok());
        Ok(seed.and_then(|seed| seed.try_into().ok()).map(Zeroizing::new))
    }
}

impl Session<'_> {
    /// Runs a statement that answers with a row for each one it touched; whether it was any.
    fn touches(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<bool> {
        Ok(!self.query(sql, parameters)?.is_empty())
    }

    fn has(&self, sql: &str, id: Id) -> Result<bool> {
        let id = id.to_bytes();
        self.touches(sql, &[(&&id[..], Type::BYTEA)])
    }

    fn put_key(&self, sql: &str, key: &KeyRow) -> Result<bool> {
        let (id, revision) = (key.id.to_bytes(), signed(key.revision));
        self.touches(
            sql,
            &[
                (&&id[..], Type::BYTEA),
                (&key.kind, Type::TEXT),
                (&key.name, Type::TEXT),
                (&key.description, Type::TEXT),
                (&key.levels, Type::TEXT_ARRAY),
                (&key.require_secure, Type::BOOL),
                (&key.enabled, Type::BOOL),
                (&key.created_at, Type::INT8),
                (&key.updated_at, Type::INT8),
                (&key.expires_at, Type::INT8),
                (&revision, Type::INT8),
                (&key.seal, Type::BYTEA),
                (&key.seal_key_id, Type::TEXT),
            ],
        )
    }

    fn put_credential(&self, sql: &str, credential: &CredentialRow) -> Result<bool> {
        let (id, key_id) = (credential.id.to_bytes(), credential.key_id.to_bytes());
        let (tag, tag_key_id) = (credential.tag.map(i64::from), credential.tag_key_id.map(i64::from));
        self.touches(
            sql,
            &[
                (&&id[..], Type::BYTEA),
                (&&key_id[..], Type::BYTEA),
                (&credential.scheme.as_str(), Type::TEXT),
                (&credential.hash, Type::TEXT),
                (&tag, Type::INT8),
                (&tag_key_id, Type::INT8),
                (&credential.pepper_id, Type::TEXT),
                (&credential.origin.as_str(), Type::TEXT),
                (&credential.strength.as_str(), Type::TEXT),
                (&credential.not_after, Type::INT8),
                (&credential.created_at, Type::INT8),
            ],
        )
    }
}

const A_KEY: &str = "SELECT 1 FROM keys WHERE id = $1";

/// `Ok` when it was done, else the code of what stood in its way.
fn done(is_done: bool, otherwise: impl FnOnce() -> Result<Code>) -> Result<()> {
    if is_done { Ok(()) } else { Err(Error::new(otherwise()?)) }
}

impl Transaction for Session<'_> {
    fn insert_key(&mut self, key: &KeyRow) -> Result<()> {
        let sql = "INSERT INTO keys (id, kind, name, description, levels, require_secure, enabled, created_at, updated_at, \
                   expires_at, revision, seal, seal_key_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                   ON CONFLICT DO NOTHING RETURNING 1";
        done(self.put_key(sql, key)?, || Ok(Code::NameTaken))
    }

    fn update_key(&mut self, key: &KeyRow) -> Result<()> {
        let sql = "UPDATE keys SET kind = $2, name = $3, description = $4, levels = $5, require_secure = $6, enabled = $7, \
                   created_at = $8, updated_at = $9, expires_at = $10, revision = $11, seal = $12, seal_key_id = $13 \
                   WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM keys o WHERE o.name = $3 AND o.id <> $1) RETURNING 1";
        done(self.put_key(sql, key)?, || Ok(if self.has(A_KEY, key.id)? { Code::NameTaken } else { Code::NotFound }))
    }

    fn delete_key(&mut self, id: Id) -> Result<()> {
        done(self.has("DELETE FROM keys WHERE id = $1 RETURNING 1", id)?, || Ok(Code::NotFound))
    }

    fn insert_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        let sql = "INSERT INTO credentials (id, key_id, scheme, hash, tag, tag_key_id, pepper_id, origin, strength, \
                   not_after, created_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 \
                   WHERE EXISTS (SELECT 1 FROM keys WHERE id = $2) ON CONFLICT DO NOTHING RETURNING 1";
        done(self.put_credential(sql, credential)?, || {
            Ok(if self.has(A_KEY, credential.key_id)? { Code::Conflict } else { Code::NotFound })
        })
    }

    fn update_credential(&mut self, credential: &CredentialRow) -> Result<()> {
        let sql = "UPDATE credentials SET key_id = $2, scheme = $3, hash = $4, tag = $5, tag_key_id = $6, pepper_id = $7, \
                   origin = $8, strength = $9, not_after = $10, created_at = $11 \
                   WHERE id = $1 AND EXISTS (SELECT 1 FROM keys WHERE id = $2) RETURNING 1";
        done(self.put_credential(sql, credential)?, || Ok(Code::NotFound))
    }

    fn delete_credential(&mut self, id: Id) -> Result<()> {
        done(self.has("DELETE FROM credentials WHERE id = $1 RETURNING 1", id)?, || Ok(Code::NotFound))
    }

    fn set_license(&mut self, license: Option<&LicenseRow>) -> Result<()> {
        let scope: Parameter<'_> = (&self.scope, Type::TEXT);
        let Some(license) = license else {
            return self.query("DELETE FROM license WHERE scope = $1", &[scope]).map(drop);
        };
        let event = |event: Option<crate::store::LicenseEvent>| {
            (event.map(|event| event.code.entry().name), event.map(|event| event.at))
        };
        let ((refusal, refused_at), (attempt, attempted_at)) = (event(license.refusal), event(license.attempt));
        let sql = "INSERT INTO license (scope, file, license_key, mode, installed_at, validated_at, refusal, refused_at, \
                   attempt, attempted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (scope) DO UPDATE \
                   SET file = $2, license_key = $3, mode = $4, installed_at = $5, validated_at = $6, refusal = $7, \
                   refused_at = $8, attempt = $9, attempted_at = $10";
        let parameters: [Parameter<'_>; 10] = [
            scope,
            (&license.file, Type::BYTEA),
            (&license.license_key, Type::TEXT),
            (&license.mode, Type::TEXT),
            (&license.installed_at, Type::INT8),
            (&license.validated_at, Type::INT8),
            (&refusal, Type::TEXT),
            (&refused_at, Type::INT8),
            (&attempt, Type::TEXT),
            (&attempted_at, Type::INT8),
        ];
        self.query(sql, &parameters).map(drop)
    }

    fn raise_license_mark(&mut self, key_id: &str, issued: i64) -> Result<()> {
        let sql = "INSERT INTO license_marks AS m (key_id, issued) VALUES ($1, $2) \
                   ON CONFLICT (key_id) DO UPDATE SET issued = $2 WHERE m.issued < $2";
        self.query(sql, &[(&key_id, Type::TEXT), (&issued, Type::INT8)]).map(drop)
    }

    fn bury_license(&mut self, license_id: &str, issued: i64) -> Result<()> {
        let sql = "INSERT INTO license_burials AS b (scope, license_id, issued) VALUES ($1, $2, $3) \
                   ON CONFLICT (scope, license_id) DO UPDATE SET issued = $3 WHERE b.issued < $3";
        self.query(sql, &[(&self.scope, Type::TEXT), (&license_id, Type::TEXT), (&issued, Type::INT8)]).map(drop)
    }

    fn put_release(&mut self, release: &ReleaseRow) -> Result<()> {
        let sql = "INSERT INTO license_releases (scope, machine, license, license_key, fingerprint, since, attempted) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (scope, machine) DO UPDATE SET license = $3, \
                   license_key = $4, fingerprint = $5, since = $6, attempted = $7";
        let parameters: [Parameter<'_>; 7] = [
            (&self.scope, Type::TEXT),
            (&release.machine, Type::TEXT),
            (&release.license, Type::TEXT),
            (&release.license_key, Type::TEXT),
            (&release.fingerprint, Type::TEXT),
            (&release.since, Type::INT8),
            (&release.attempted, Type::INT8),
        ];
        self.query(sql, &parameters).map(drop)
    }

    fn drop_release(&mut self, machine: &str) -> Result<()> {
        let sql = "DELETE FROM license_releases WHERE scope = $1 AND machine = $2";
        self.query(sql, &[(&self.scope, Type::TEXT), (&machine, Type::TEXT)]).map(drop)
    }

    fn set_installation_key(&mut self, seed: &[u8; 32]) -> Result<()> {
        let sql = "INSERT INTO installation (scope, seed) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET seed = $2";
        self.query(sql, &[(&self.scope, Type::TEXT), (&&seed[..], Type::BYTEA)]).map(drop)
    }
}

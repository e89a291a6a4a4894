//! Rows in and out of PostgreSQL.
//!
//! The tables' types hold what a column may be. What a later version or a foreign writer put there beyond that never fails a
//! load: its key or credential comes out as one that is refused.

use tokio_postgres::{Row, types::FromSql};
use zeroize::Zeroizing;

use crate::{
    error::{Code, Error, TABLE},
    id::Id,
    store::{CredentialRow, KeyRow, LicenseEvent, LicenseRow, Origin, ReleaseRow, Scheme, Strength, TagKey},
};

/// The columns of a key, in the order of [`key`].
pub(super) const KEY: &str = "k.id, k.kind, k.name, k.description, k.levels, k.require_secure, k.enabled, k.created_at, \
     k.updated_at, k.expires_at, k.revision, k.seal, k.seal_key_id";
/// How many they are.
pub(super) const KEY_COLUMNS: usize = 13;
/// The columns of a credential, in the order of [`credential`].
pub(super) const CREDENTIAL: &str = "c.id, c.key_id, c.scheme, c.hash, c.tag, c.tag_key_id, c.pepper_id, c.origin, \
     c.strength, c.not_after, c.created_at";
/// The columns of a license, in the order of [`license`].
pub(super) const LICENSE: &str =
    "file, license_key, mode, installed_at, validated_at, refusal, refused_at, attempt, attempted_at";
/// The columns of a release, in the order of [`release`].
pub(super) const RELEASE: &str = "machine, license, license_key, fingerprint, since, attempted";

/// Columns read one after another; remembers whether one of them was not what it should be.
struct Columns<'r> {
    row: &'r Row,
    next: usize,
    damaged: bool,
}

impl<'r> Columns<'r> {
    const fn of(row: &'r Row, first: usize) -> Self {
        Self { row, next: first, damaged: false }
    }

    fn optional<T: FromSql<'r>>(&mut self) -> Option<T> {
        let value = self.row.try_get(self.next);
        self.next = self.next.saturating_add(1);
        value.unwrap_or_else(|_| {
            self.damaged = true;
            None
        })
    }

    fn take<T: FromSql<'r>>(&mut self, or: T) -> T {
        self.optional().unwrap_or_else(|| {
            self.damaged = true;
            or
        })
    }

    fn text(&mut self) -> String {
        self.take(String::new())
    }

    fn id(&mut self) -> Option<Id> {
        id(self.optional()?)
    }

    /// What a text names; one that this version does not know is damage.
    fn named<T>(&mut self, parse: impl Fn(&str) -> Option<T>, or: T) -> T {
        parse(self.take("")).unwrap_or_else(|| {
            self.damaged = true;
            or
        })
    }

    fn unsigned(&mut self) -> Option<u32> {
        let number: i64 = self.optional()?;
        let read = u32::try_from(number).ok();
        self.damaged |= read.is_none();
        read
    }

    /// A code that this version does not know is one that refuses.
    fn license_event(&mut self) -> Option<LicenseEvent> {
        let (code, at): (Option<&str>, Option<i64>) = (self.optional(), self.optional());
        let code = code?;
        let known = TABLE.iter().find(|entry| entry.name == code).map_or(Code::LicenseRefused, |entry| entry.code);
        Some(LicenseEvent { code: known, at: at.unwrap_or(0) })
    }
}

/// An id; `None` for what can't be one.
pub(super) fn id(bytes: &[u8]) -> Option<Id> {
    Some(Id::from_bytes(bytes.try_into().ok()?)).filter(|id| *id != Id::NIL)
}

/// The key of the [`KEY`] columns that begin at `first`. `None` when it has no usable id: nobody can present it then.
pub(super) fn key(row: &Row, first: usize) -> Option<KeyRow> {
    let mut columns = Columns::of(row, first);
    let id = columns.id()?;
    let mut key = KeyRow {
        id,
        kind: columns.text(),
        name: columns.text(),
        description: columns.text(),
        levels: columns.take(Vec::new()),
        require_secure: columns.take(true),
        enabled: columns.take(false),
        created_at: columns.take(0),
        updated_at: columns.take(0),
        expires_at: columns.optional(),
        revision: u64::try_from(columns.take(1_i64)).unwrap_or(1),
        seal: columns.optional(),
        seal_key_id: columns.optional(),
    };
    if columns.damaged {
        key.enabled = false;
        key.require_secure = true;
        key.levels.clear();
    }
    Some(key)
}

/// The credential of the [`CREDENTIAL`] columns that begin at `first`. `None` when it has no usable id.
pub(super) fn credential(row: &Row, first: usize) -> Option<CredentialRow> {
    let mut columns = Columns::of(row, first);
    let (id, key_id) = (columns.id()?, columns.id()?);
    let mut credential = CredentialRow {
        id,
        key_id,
        scheme: columns.named(Scheme::parse, Scheme::Unknown),
        hash: columns.text(),
        tag: columns.unsigned(),
        tag_key_id: columns.unsigned(),
        pepper_id: columns.optional(),
        origin: columns.named(Origin::parse, Origin::Imported),
        strength: columns.named(Strength::parse, Strength::Chosen),
        not_after: columns.optional(),
        created_at: columns.take(0),
    };
    if columns.damaged {
        credential.scheme = Scheme::Unknown;
    }
    Some(credential)
}

/// What can't be read comes out empty, which no signature fits.
pub(super) fn license(row: &Row) -> LicenseRow {
    let mut columns = Columns::of(row, 0);
    LicenseRow {
        file: columns.take(Vec::new()),
        license_key: columns.text(),
        mode: columns.text(),
        installed_at: columns.take(0),
        validated_at: columns.take(0),
        refusal: columns.license_event(),
        attempt: columns.license_event(),
    }
}

pub(super) fn release(row: &Row) -> ReleaseRow {
    let mut columns = Columns::of(row, 0);
    ReleaseRow {
        machine: columns.text(),
        license: columns.text(),
        license_key: columns.text(),
        fingerprint: columns.text(),
        since: columns.take(0),
        attempted: columns.optional(),
    }
}

/// The tag key among rows of an id and a secret; `None` when the first is none.
pub(super) fn tag_key(rows: &[Row]) -> Option<TagKey> {
    let row = rows.first()?;
    let (id, secret) = (row.try_get::<_, i64>(0).ok()?, row.try_get::<_, &[u8]>(1).ok()?);
    Some(TagKey { id: u32::try_from(id).ok()?, secret: Zeroizing::new(secret.try_into().ok()?) })
}

pub(super) fn no_tag_key() -> Error {
    Error::with(Code::StoreCorrupt, "the store has no tag key")
}

/// A number as the server holds it; none of ours comes near the bound.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Rows in and out of SQLite.
//!
//! A column that a foreign writer damaged never fails a load: its key or credential comes out as one that is refused.
//! (One damaged row must not lock every other key out.)

use std::collections::HashMap;

use foldhash::quality::RandomState;
use inspire_auth_platform::sqlite::ScanRow;
use rusqlite::{Row, types::ValueRef};

use crate::{
    error::{Code, TABLE},
    id::Id,
    store::{CredentialRow, KeyRow, KeyWithCredentials, LicenseEvent, LicenseRow, Origin, Scheme, Strength},
};

/// The columns of a key that a check depends on, in the order of [`key_of_check`].
pub(super) const KEY_OF_CHECK: &str = "k.id, k.kind, k.name, k.levels, k.require_secure, k.enabled, k.expires_at, k.revision, \
     k.seal, k.seal_key_id";
/// The columns of a key, in the order of [`key`].
pub(super) const KEY: &str = "k.id, k.kind, k.name, k.levels, k.require_secure, k.enabled, k.expires_at, k.revision, \
     k.seal, k.seal_key_id, k.created_at, k.updated_at, k.description";
/// The columns of a credential, in the order of [`credential`].
pub(super) const CREDENTIAL: &str = "c.id, c.key_id, c.scheme, c.hash, c.tag, c.tag_key_id, c.pepper_id, c.origin, \
     c.strength, c.not_after, c.created_at";

/// A row of either kind.
pub(super) trait Fields {
    /// What stands in a column, from 0.
    fn field(&self, column: usize) -> ValueRef<'_>;
}

impl Fields for Row<'_> {
    fn field(&self, column: usize) -> ValueRef<'_> {
        self.get_ref(column).unwrap_or(ValueRef::Null)
    }
}

impl Fields for ScanRow<'_> {
    #[inline]
    fn field(&self, column: usize) -> ValueRef<'_> {
        self.value(column)
    }
}

/// Columns read one after another; remembers whether one of them was not what it should be.
struct Columns<'r, R> {
    row: &'r R,
    next: usize,
    damaged: bool,
}

impl<'r, R: Fields> Columns<'r, R> {
    const fn of(row: &'r R) -> Self {
        Self { row, next: 0, damaged: false }
    }

    #[inline]
    fn value(&mut self) -> ValueRef<'r> {
        let value = self.row.field(self.next);
        self.next = self.next.saturating_add(1);
        value
    }

    /// What `read` makes of the value; `or` and a damaged row where it makes nothing of it.
    fn take<T>(&mut self, or: T, read: impl FnOnce(ValueRef<'r>) -> Option<T>) -> T {
        let value = self.value();
        read(value).unwrap_or_else(|| {
            self.damaged = true;
            or
        })
    }

    fn text(&mut self) -> String {
        self.take(String::new(), text_of)
    }

    fn text_into(&mut self, to: &mut String) {
        self.damaged |= !into(self.value(), to);
    }

    fn time(&mut self) -> i64 {
        self.take(0, integer)
    }

    /// A code that this version does not know, or that is damaged, is one that refuses.
    fn license_event(&mut self) -> Option<LicenseEvent> {
        let (code, at) = (self.value(), self.value());
        let code = match code {
            ValueRef::Null => return None,
            code => code.as_str().ok().and_then(named).unwrap_or(Code::LicenseRefused),
        };
        Some(LicenseEvent { code, at: integer(at).unwrap_or(0) })
    }

    fn flag(&mut self, when_damaged: bool) -> bool {
        self.take(when_damaged, |value| match integer(value) {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        })
    }

    fn optional<T>(&mut self, read: impl FnOnce(ValueRef<'r>) -> Option<T>) -> Option<T> {
        self.take(None, |value| if value == ValueRef::Null { Some(None) } else { read(value).map(Some) })
    }
}

/// The bytes of a text, which need not be UTF-8.
const fn raw_text(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Text(text) => Some(text),
        _ => None,
    }
}

fn text_of(value: ValueRef<'_>) -> Option<String> {
    value.as_str().ok().map(str::to_owned)
}

/// Writes a text in the place of another one; nothing, and `false`, when it is none.
fn into(value: ValueRef<'_>, to: &mut String) -> bool {
    to.clear();
    value.as_str().is_ok_and(|text| {
        to.push_str(text);
        true
    })
}

fn integer(value: ValueRef<'_>) -> Option<i64> {
    value.as_i64().ok()
}

fn unsigned(value: ValueRef<'_>) -> Option<u32> {
    integer(value).and_then(|number| u32::try_from(number).ok())
}

fn blob(value: ValueRef<'_>) -> Option<Vec<u8>> {
    value.as_blob().ok().map(<[u8]>::to_vec)
}

/// An id; `None` for what can't be one.
pub(super) fn id(value: ValueRef<'_>) -> Option<Id> {
    let bytes = value.as_blob().ok()?.try_into().ok()?;
    Some(Id::from_bytes(bytes)).filter(|id| *id != Id::NIL)
}

/// The key of a row of [`KEY`]. `None` when it has no usable id or name: nobody can present it then, so leaving it out refuses it.
pub(super) fn key(row: &Row<'_>) -> Option<KeyRow> {
    let mut columns = Columns::of(row);
    let mut key = blank().key;
    let is_there = read_key(&mut columns, &mut key, &mut LevelTexts::default());
    (key.created_at, key.updated_at, key.description) = (columns.time(), columns.time(), columns.text());
    is_there.then(|| settled(key, columns.damaged))
}

/// As [`key`], of a row of [`KEY_OF_CHECK`], into the place of another one, whose memory it takes over.
pub(super) fn key_of_check(row: &impl Fields, key: &mut KeyRow, levels: &mut LevelTexts) -> bool {
    let mut columns = Columns::of(row);
    let is_there = read_key(&mut columns, key, levels);
    if columns.damaged {
        disarm(key);
    }
    is_there
}

fn settled(mut key: KeyRow, is_damaged: bool) -> KeyRow {
    if is_damaged {
        disarm(&mut key);
    }
    key
}

/// What a damaged row says is not to be trusted with anything.
fn disarm(key: &mut KeyRow) {
    key.enabled = false;
    key.require_secure = true;
    key.levels.clear();
}

fn read_key(columns: &mut Columns<'_, impl Fields>, key: &mut KeyRow, levels: &mut LevelTexts) -> bool {
    let id = id(columns.value());
    columns.text_into(&mut key.kind);
    let is_named = into(columns.value(), &mut key.name);
    columns.damaged |= !raw_text(columns.value()).is_some_and(|text| levels.read(text, &mut key.levels));
    key.require_secure = columns.flag(true);
    key.enabled = columns.flag(false);
    key.expires_at = columns.optional(integer);
    key.revision = columns.take(1, |value| integer(value).and_then(|number| u64::try_from(number).ok()));
    // A damaged seal is a seal that does not fit, not one that is missing.
    key.seal = columns.optional(|value| Some(blob(value).unwrap_or_default()));
    key.seal_key_id = columns.optional(|value| Some(text_of(value).unwrap_or_default()));
    key.id = id.unwrap_or(Id::NIL);
    id.is_some() && is_named
}

/// A key to be read into, with a credential.
pub(super) fn blank() -> KeyWithCredentials {
    let key = KeyRow {
        id: Id::NIL,
        kind: String::new(),
        name: String::new(),
        description: String::new(),
        levels: Vec::new(),
        require_secure: true,
        enabled: false,
        created_at: 0,
        updated_at: 0,
        expires_at: None,
        revision: 0,
        seal: None,
        seal_key_id: None,
    };
    let credential = CredentialRow {
        id: Id::NIL,
        key_id: Id::NIL,
        scheme: Scheme::Unknown,
        hash: String::new(),
        tag: None,
        tag_key_id: None,
        pepper_id: None,
        origin: Origin::Imported,
        strength: Strength::Chosen,
        not_after: None,
        created_at: 0,
    };
    KeyWithCredentials { key, credentials: vec![credential] }
}

/// What `levels` columns say, by their texts: most keys share theirs with others.
#[derive(Default)]
pub(super) struct LevelTexts(HashMap<Vec<u8>, Vec<String>, RandomState>);

impl LevelTexts {
    /// More than any store has kinds of keys; one that has more is read all the same.
    const MOST: usize = 4096;

    /// Reads a JSON array of texts; `false` when it is none.
    fn read(&mut self, text: &[u8], levels: &mut Vec<String>) -> bool {
        if let Some(known) = self.0.get(text) {
            levels.clone_from(known);
            return true;
        }
        let Ok(read) = serde_json::from_slice::<Vec<String>>(text) else { return false };
        if self.0.len() < Self::MOST {
            self.0.insert(text.to_vec(), read.clone());
        }
        *levels = read;
        true
    }
}

/// The credential of a row of [`CREDENTIAL`]. `None` when it has no usable id: leaving it out refuses it.
pub(super) fn credential(row: &Row<'_>) -> Option<CredentialRow> {
    let mut credential = blank().credentials.pop()?;
    credential_into(row, &mut credential).then_some(credential)
}

/// As [`credential`], into the place of another one, whose memory it takes over.
pub(super) fn credential_into(row: &impl Fields, credential: &mut CredentialRow) -> bool {
    let mut columns = Columns::of(row);
    let (Some(id), Some(key_id)) = (id(columns.value()), id(columns.value())) else { return false };
    (credential.id, credential.key_id) = (id, key_id);
    credential.scheme = columns.take(Scheme::Unknown, |value| Scheme::parse_bytes(raw_text(value)?));
    columns.text_into(&mut credential.hash);
    credential.tag = columns.optional(unsigned);
    credential.tag_key_id = columns.optional(unsigned);
    credential.pepper_id = columns.optional(text_of);
    credential.origin = columns.take(Origin::Imported, |value| Origin::parse_bytes(raw_text(value)?));
    credential.strength = columns.take(Strength::Chosen, |value| Strength::parse_bytes(raw_text(value)?));
    credential.not_after = columns.optional(integer);
    credential.created_at = columns.time();
    if columns.damaged {
        credential.scheme = Scheme::Unknown;
    }
    true
}

/// The license of `SELECT file, license_key, mode, installed_at, validated_at, refusal, refused_at, attempt,
/// attempted_at`. What is damaged comes out empty, which no signature fits.
pub(super) fn license(row: &Row<'_>) -> LicenseRow {
    let mut columns = Columns::of(row);
    LicenseRow {
        file: columns.take(Vec::new(), blob),
        license_key: columns.text(),
        mode: columns.text(),
        installed_at: columns.time(),
        validated_at: columns.time(),
        refusal: columns.license_event(),
        attempt: columns.license_event(),
    }
}

/// The code of this name, such as `LICENSE_EXPIRED`.
fn named(name: &str) -> Option<Code> {
    TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.code)
}

/// A key's levels as they are stored.
pub(super) fn levels(levels: &[String]) -> String {
    // Text has no value that JSON can't hold.
    serde_json::to_string(levels).unwrap_or_default()
}

/// A number as SQLite holds it; none of ours comes near the bound.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

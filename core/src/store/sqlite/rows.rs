//! Rows in and out of SQLite.
//!
//! A column that a foreign writer damaged never fails a load: its key or credential comes out as one that is refused.
//! (One damaged row must not lock every other key out.)

use rusqlite::{Row, types::ValueRef};

use crate::{
    error::{Code, TABLE},
    id::Id,
    store::{CredentialRow, KeyRow, LicenseEvent, LicenseRow, Origin, Scheme, Strength},
};

/// The columns of a key, in the order of [`key`].
pub(super) const KEY: &str = "k.id, k.kind, k.name, k.description, k.levels, k.require_secure, k.enabled, \
     k.created_at, k.updated_at, k.expires_at, k.revision, k.seal, k.seal_key_id";
/// The columns of a credential, in the order of [`credential`].
pub(super) const CREDENTIAL: &str = "c.id, c.key_id, c.scheme, c.hash, c.tag, c.tag_key_id, c.pepper_id, c.origin, \
     c.strength, c.not_after, c.created_at";

/// Columns read one after another; remembers whether one of them was not what it should be.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
    damaged: bool,
}

impl<'r> Columns<'r, '_> {
    fn value(&mut self) -> ValueRef<'r> {
        let value = self.row.get_ref(self.next).unwrap_or(ValueRef::Null);
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
        self.take(String::new(), text)
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

fn text(value: ValueRef<'_>) -> Option<String> {
    value.as_str().ok().map(str::to_owned)
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

/// The key whose columns begin at `first`. `None` when it has no usable id or name: nobody can present it then, so
/// leaving it out refuses it.
pub(super) fn key(row: &Row<'_>, first: usize) -> Option<KeyRow> {
    let mut columns = Columns { row, next: first, damaged: false };
    let id = id(columns.value())?;
    let kind = columns.text();
    let name = text(columns.value())?;
    let mut key = KeyRow {
        id,
        kind,
        name,
        description: columns.text(),
        levels: columns.take(Vec::new(), |value| serde_json::from_str(value.as_str().ok()?).ok()),
        require_secure: columns.flag(true),
        enabled: columns.flag(false),
        created_at: columns.time(),
        updated_at: columns.time(),
        expires_at: columns.optional(integer),
        revision: columns.take(1, |value| integer(value).and_then(|number| u64::try_from(number).ok())),
        // A damaged seal is a seal that does not fit, not one that is missing.
        seal: columns.optional(|value| Some(blob(value).unwrap_or_default())),
        seal_key_id: columns.optional(|value| Some(text(value).unwrap_or_default())),
    };
    if columns.damaged {
        key.enabled = false;
        key.require_secure = true;
        key.levels.clear();
    }
    Some(key)
}

/// The credential whose columns begin at `first`. `None` when it has no usable id: leaving it out refuses it.
pub(super) fn credential(row: &Row<'_>, first: usize) -> Option<CredentialRow> {
    let mut columns = Columns { row, next: first, damaged: false };
    let mut credential = CredentialRow {
        id: id(columns.value())?,
        key_id: id(columns.value())?,
        scheme: columns.take(Scheme::Unknown, |value| Scheme::parse(value.as_str().ok()?)),
        hash: columns.text(),
        tag: columns.optional(unsigned),
        tag_key_id: columns.optional(unsigned),
        pepper_id: columns.optional(text),
        origin: columns.take(Origin::Imported, |value| Origin::parse(value.as_str().ok()?)),
        strength: columns.take(Strength::Chosen, |value| Strength::parse(value.as_str().ok()?)),
        not_after: columns.optional(integer),
        created_at: columns.time(),
    };
    if columns.damaged {
        credential.scheme = Scheme::Unknown;
    }
    Some(credential)
}

/// The license of `SELECT file, license_key, mode, installed_at, validated_at, refusal, refused_at, attempt,
/// attempted_at`. What is damaged comes out empty, which no signature fits.
pub(super) fn license(row: &Row<'_>) -> LicenseRow {
    let mut columns = Columns { row, next: 0, damaged: false };
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

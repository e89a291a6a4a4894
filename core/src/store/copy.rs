//! All that one store holds, put into another one, of whatever kind.
//!
//! What a host decides by (keys, license, the book of consumptions) is read in one transaction, written in another, and compared
//! while the first is still open. Last uses and the audit log follow. The store that takes it is one that was never used: a key
//! that was deleted there can't come back to life, since there was none.

use super::{Ledger, OperationRow, Reader, Store, TagKey, Transaction};
use crate::{
    audit::screened,
    clock,
    error::{Code, Error, Result},
    id::Id,
    store::AuditEvent,
};

/// How many keys are carried at a time: few enough that a transaction never idles for seconds on a slow network.
const PAGE: usize = 100;
/// How many last uses or audit events are written at a time.
const BATCH: usize = 5_000;

/// A store that can be copied, or take a copy.
pub trait Movable: Store + Contents {}

impl<T: Store + Contents> Movable for T {}

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// How many keys.
    pub keys: u64,
    /// How many credentials they have.
    pub credentials: u64,
    /// Whether there was a license.
    pub license: bool,
    /// How many sums of what was consumed in a month.
    pub periods: u64,
    /// How many consumptions by name.
    pub operations: u64,
    /// Of how many keys the last use is known.
    pub last_uses: u64,
    /// How many audit events.
    pub events: u64,
}

/// What was consumed in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodRow {
    pub(super) tenant: String,
    pub(super) period: i64,
    pub(super) used: i64,
}

/// What nothing but a copy asks for, in one transaction. Lists are in byte order.
pub trait Whole: Ledger {
    /// Whether nothing was ever changed in it.
    fn is_unused(&self) -> Result<bool>;
    fn tag_key(&self) -> Result<TagKey>;
    fn set_tag_key(&mut self, key: &TagKey) -> Result<()>;
    fn burials(&self) -> Result<Vec<(String, i64)>>;
    fn periods(&self) -> Result<Vec<PeriodRow>>;
    fn operations(&self) -> Result<Vec<OperationRow>>;
}

/// Both halves of a store in one transaction, to be read.
pub type Read<'a> = dyn FnMut(&dyn Reader, &dyn Whole) -> Result<()> + 'a;
/// As [`Read`], to be written.
pub type Fill<'a> = dyn FnMut(&mut dyn Transaction, &mut dyn Whole) -> Result<()> + 'a;

/// How a kind of store shows all of itself, and takes all of another one.
pub trait Contents {
    fn read_whole(&self, body: &mut Read<'_>) -> Result<()>;
    fn fill(&self, body: &mut Fill<'_>) -> Result<()>;
    fn last_uses(&self) -> Result<Vec<(Id, i64)>>;
}

/// Copies everything that `from` holds into `to`, which must never have been used, and compares.
///
/// Hosts must not change `from` meanwhile, and are to be pointed at `to` afterwards: what is revoked in `from` later stays good
/// in `to`. `from` is left as it is.
///
/// # Errors
/// `INVALID_ARGUMENT` when `to` was used before; `CONFLICT` when `from` was changed meanwhile (what was changed may be missing in
/// `to`, which is to be thrown away); `STORE_READ_ONLY` when the role may not set the tag key of a database, which its owner may;
/// another `STORE_*` code by cause.
pub fn copy(from: &dyn Movable, to: &dyn Movable) -> Result<Copied> {
    let mut copied = Copied::default();
    let mut before = None;
    from.read_whole(&mut |reader, whole| {
        before = Some((reader.generation()?, whole.periods()?));
        to.fill(&mut |into, book| {
            if !book.is_unused()? {
                let what = "the store to copy into was used before: only a new one takes a copy";
                return Err(Error::with(Code::InvalidArgument, what));
            }
            copied = pour(reader, whole, into, book)?;
            Ok(())
        })?;
        to.read_whole(&mut |there, book| compare(reader, whole, there, book))
    })?;
    copied.last_uses = last_uses(from, to)?;
    copied.events = events(from, to)?;
    from.read_whole(&mut |reader, whole| {
        if before != Some((reader.generation()?, whole.periods()?)) {
            let what = "what is copied was changed meanwhile: stop its hosts, and copy it into a new store";
            return Err(Error::with(Code::Conflict, what));
        }
        Ok(())
    })?;
    // As with every change, the store's own log: what it can't take is no reason to call the copy failed.
    let _ = to.append_audit(&[copied.event()]);
    Ok(copied)
}

impl Copied {
    /// What the audit log says of it.
    fn event(&self) -> AuditEvent {
        let Self { keys, credentials, license, periods, operations, .. } = self;
        AuditEvent {
            at: clock::resolve(None),
            event: "store.copied".to_owned(),
            actor: "system".to_owned(),
            subject: String::new(),
            detail: screened(&format!(
                "from another store: keys {keys}, credentials {credentials}, license {license}, periods {periods}, \
                 operations {operations}"
            )),
            code: Code::Ok,
        }
    }
}

/// Hands each page of keys to `each`, by name.
fn pages(reader: &dyn Reader, mut each: impl FnMut(&[super::KeyWithCredentials]) -> Result<()>) -> Result<()> {
    let mut after = None;
    loop {
        let page = reader.keys_after(after.as_deref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.name.clone());
        each(&page)?;
    }
}

fn one_more(number: &mut u64) {
    *number = number.saturating_add(1);
}

fn pour(reader: &dyn Reader, whole: &dyn Whole, into: &mut dyn Transaction, book: &mut dyn Whole) -> Result<Copied> {
    let mut copied = Copied::default();
    book.set_tag_key(&whole.tag_key()?)?;
    pages(reader, |page| {
        for key in page {
            into.insert_key(&key.key)?;
            one_more(&mut copied.keys);
            for credential in &key.credentials {
                into.insert_credential(credential)?;
                one_more(&mut copied.credentials);
            }
        }
        Ok(())
    })?;
    if let Some(license) = reader.license()? {
        into.set_license(Some(&license))?;
        copied.license = true;
    }
    for (key_id, issued) in reader.license_marks()? {
        into.raise_license_mark(&key_id, issued)?;
    }
    for (license, issued) in whole.burials()? {
        into.bury_license(&license, issued)?;
    }
    for release in reader.releases()? {
        into.put_release(&release)?;
    }
    if let Some(seed) = reader.installation_key()? {
        into.set_installation_key(&seed)?;
    }
    for PeriodRow { tenant, period, used } in whole.periods()? {
        book.set_used(&tenant, period, used)?;
        one_more(&mut copied.periods);
    }
    for operation in whole.operations()? {
        book.put_operation(&operation)?;
        one_more(&mut copied.operations);
    }
    if let Some(seen) = whole.seen()? {
        book.set_seen(&seen)?;
    }
    Ok(copied)
}

/// Whether both hold the same.
fn compare(reader: &dyn Reader, whole: &dyn Whole, there: &dyn Reader, book: &dyn Whole) -> Result<()> {
    let differs = |what: &str| Error::with(Code::StoreCorrupt, format!("what was copied is not what there is: {what}"));
    let same = |is_same: bool, what| if is_same { Ok(()) } else { Err(differs(what)) };
    let mut after: Option<String> = None;
    pages(reader, |page| {
        same(there.keys_after(after.as_deref(), page.len())? == page, "keys")?;
        after = page.last().map(|last| last.key.name.clone());
        Ok(())
    })?;
    same(there.keys_after(after.as_deref(), 1)?.is_empty(), "keys")?;
    let (ours, theirs) = (whole.tag_key()?, book.tag_key()?);
    same((ours.id, &*ours.secret) == (theirs.id, &*theirs.secret), "tag key")?;
    same(reader.license()? == there.license()?, "license")?;
    same(reader.license_marks()? == there.license_marks()?, "license marks")?;
    same(whole.burials()? == book.burials()?, "buried licenses")?;
    same(reader.releases()? == there.releases()?, "machines to release")?;
    same(reader.installation_key()? == there.installation_key()?, "installation key")?;
    same(whole.periods()? == book.periods()?, "consumptions")?;
    same(whole.operations()? == book.operations()?, "consumptions by name")?;
    // Nothing is noted of the clock of a machine that is not known.
    let seen = book.seen()?;
    same(seen.is_none() || seen == whole.seen()?, "seen time")
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn last_uses(from: &dyn Movable, to: &dyn Movable) -> Result<u64> {
    let uses = from.last_uses()?;
    uses.chunks(BATCH).try_for_each(|batch| to.note_used(batch))?;
    if to.last_uses()? != uses {
        return Err(Error::with(Code::StoreCorrupt, "what was copied is not what there is: last uses"));
    }
    Ok(number(uses.len()))
}

fn events(from: &dyn Movable, to: &dyn Movable) -> Result<u64> {
    let mut events = from.audit(usize::MAX)?;
    // They come newest first.
    events.reverse();
    events.chunks(BATCH).try_for_each(|batch| to.append_audit(batch))?;
    Ok(number(events.len()))
}

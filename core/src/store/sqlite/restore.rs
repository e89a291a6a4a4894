//! Bringing a backup back, through SQLite, without ever widening what is allowed.
//!
//! A backup is old by nature: since it was made, keys were deleted, disabled, rotated. So the live store's own word is
//! kept wherever it has one, and where it has none the key comes back *disabled*:
//!
//! | the key is in | and | then |
//! |---|---|---|
//! | both | live revision >= the backup's | stays as it is |
//! | both | live revision < the backup's (the live store is itself an older copy) | the backup's, disabled |
//! | the backup only | the live log has its tombstone | stays deleted |
//! | the backup only | its name is another live key's by now | left out |
//! | the backup only | otherwise: nothing shows that it was not deleted | inserted, disabled |
//! | the live store only | | deleted |
//!
//! With `accept_revived`, an operator's word stands in for the missing history: "disabled" becomes "as in the backup".
//! The tombstones of the backup's own log are taken over, so that a still older backup, restored later, revives nothing
//! either. License marks and burials, and what was consumed, become the larger of both. The license comes from the backup only if the live
//! store has none and never buried any: which license a file is, only its verified content says, so that one burial
//! could be this license's.

use std::{collections::BTreeSet, os::unix::ffi::OsStrExt, path::Path};

use inspire_auth_platform::fs;
use rusqlite::{Connection, OpenFlags};

use super::{
    SqliteStore,
    faults::{Fault, check_whole, from_io},
    ledger::{self, Book, OPERATION},
    read, rows, schema,
    write::Session,
};
use crate::{
    audit::screened,
    clock,
    error::{Code, Error, Result},
    id::Id,
    store::{AuditEvent, KeyWithCredentials, Ledger as _, Reader, Store as _, Transaction},
};

/// How a backup is restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Let keys that the live store has no history of come back as they were, instead of disabled: for a new machine,
    /// when the operator knows that none of them was revoked since.
    pub accept_revived: bool,
}

/// What became of the license in a restore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LicenseRestored {
    /// Neither store has one.
    #[default]
    None,
    /// The live store's stays.
    Kept,
    /// The backup's was installed.
    Restored,
    /// The backup's was left out, since a license was deactivated here: install its newest file.
    LeftOut,
}

/// What a restore did, in numbers of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// In both stores, and the live one at least as new: untouched.
    pub kept: u64,
    /// Older in the live store: taken from the backup.
    pub updated: u64,
    /// Unknown to the live store: inserted as they were (`accept_revived`).
    pub revived: u64,
    /// Among `updated` and the inserted ones: those that were disabled by the restore, to be enabled by an operator.
    pub disabled: u64,
    /// Deleted in the live store since the backup: stay deleted.
    pub stayed_deleted: u64,
    /// Left out, since another live key has the name.
    pub name_taken: u64,
    /// In the live store only: deleted. By name, in order.
    pub deleted: Vec<String>,
    /// The license.
    pub license: LicenseRestored,
    /// The generation after it.
    pub generation: u64,
}

impl RestoreReport {
    /// What the audit log says of it.
    fn event(&self, from: &Path) -> AuditEvent {
        let Self { kept, updated, revived, disabled, stayed_deleted, name_taken, deleted, .. } = self;
        let deleted = deleted.len();
        AuditEvent {
            at: clock::resolve(None),
            event: "store.restored".to_owned(),
            actor: "system".to_owned(),
            subject: String::new(),
            detail: screened(&format!(
                "from {}: kept {kept}, updated {updated}, revived {revived}, disabled {disabled}, stayed deleted \
                 {stayed_deleted}, name taken {name_taken}, deleted {deleted}",
                from.display()
            )),
            code: Code::Ok,
        }
    }
}

impl SqliteStore {
    /// Brings back the backup at `from` into this store, in one write transaction. See the module for the rules: no
    /// key that was revoked here comes back to life.
    ///
    /// # Errors
    /// `STORE_CORRUPT` when the backup is damaged or not one, `STORE_VERSION` when it is of another version,
    /// `INVALID_ARGUMENT` when it is this store's own file; a `STORE_*` code by cause. Nothing is changed then.
    pub fn restore(&self, from: &Path, options: RestoreOptions) -> Result<RestoreReport> {
        let mut report = RestoreReport::default();
        report.generation = self.shared.write(|live| {
            // Opened under the writer's lane, so that no fork inherits it.
            let backup = open_backup(from, self.path())?;
            Restore { live, backup: &backup, options, now: clock::resolve(None), report: &mut report }.run()
        })?;
        // As with every change, the store's own log: what it can't take is no reason to call the restore failed.
        let _ = self.append_audit(&[report.event(from)]);
        Ok(report)
    }
}

/// Opens a backup for reading, without locks and without a `-wal`, and checks it.
fn open_backup(from: &Path, live: &Path) -> Result<Connection> {
    let from = from.canonicalize().map_err(from_io)?;
    let file = fs::identity(&from).map_err(from_io)?;
    if file.same_file(&fs::identity(live).map_err(from_io)?) {
        // Closing it would drop the locks of the live store's connections.
        return Err(Error::with(Code::InvalidArgument, "a store can't be restored from itself"));
    }
    let mut wal = from.clone().into_os_string();
    wal.push("-wal");
    if std::fs::metadata(&wal).is_ok_and(|file| file.len() > 0) {
        return Err(Error::with(
            Code::InvalidArgument,
            "the file has a -wal beside it: it is a store in use or a bare copy, not a backup",
        ));
    }
    // `immutable`: no locks, no `-shm`, nothing written, whatever mode and folder the file is in.
    let mut uri = String::from("file:");
    for byte in from.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let backup = Connection::open_with_flags(uri, flags).fault()?;
    backup.pragma_update(None, "trusted_schema", false).fault()?;
    backup.pragma_update(None, "cell_size_check", true).fault()?;
    match schema::identify(&backup)? {
        schema::Found::Store(schema::VERSION) => {}
        schema::Found::Store(_) => {
            return Err(Error::with(Code::StoreVersion, "the backup is of an older version: open it once as a store"));
        }
        schema::Found::Empty => return Err(Error::with(Code::StoreCorrupt, "the backup is empty")),
    }
    check_whole(&backup, "the backup is damaged")?;
    Ok(backup)
}

/// One restore, inside the live store's write transaction.
struct Restore<'a> {
    live: &'a Connection,
    backup: &'a Connection,
    options: RestoreOptions,
    now: i64,
    report: &'a mut RestoreReport,
}

impl Restore<'_> {
    fn run(&mut self) -> Result<()> {
        let backup = read::all_keys(self.backup)?;
        let known = logged_keys(self.live)?;
        self.take_over_tag_key()?;
        // First, since it frees names.
        self.delete_what_only_lives_here(&backup)?;
        for key in backup {
            self.one(key, &known)?;
        }
        self.take_over_tombstones(&known)?;
        self.license()
    }

    /// The tag key is the store's, and tags made under another one filter nothing. A store that has no tags yet takes
    /// the backup's, so that a new machine's restored keys keep their filter.
    fn take_over_tag_key(&self) -> Result<()> {
        let tags = self
            .live
            .query_row("SELECT count(*) FROM credentials WHERE tag IS NOT NULL", [], |row| row.get::<_, i64>(0));
        if tags.fault()? > 0 {
            return Ok(());
        }
        let theirs = super::freshness::read_tag_key(self.backup)?;
        if theirs.id == super::freshness::read_tag_key(self.live)?.id {
            return Ok(());
        }
        super::whole::set_tag_key(self.live, &theirs)
    }

    fn delete_what_only_lives_here(&mut self, backup: &[KeyWithCredentials]) -> Result<()> {
        let in_backup: BTreeSet<Id> = backup.iter().map(|key| key.key.id).collect();
        let mut only_here = Vec::new();
        read::every_key_for_checks(self.live, &mut |key| {
            if !in_backup.contains(&key.key.id) {
                only_here.push((key.key.name.clone(), key.key.id));
            }
            Ok(())
        })?;
        only_here.sort();
        only_here.dedup();
        for (name, id) in only_here {
            Session::new(self.live).delete_key(id)?;
            self.report.deleted.push(name);
        }
        Ok(())
    }

    fn one(&mut self, mut theirs: KeyWithCredentials, known: &BTreeSet<Id>) -> Result<()> {
        let mut session = Session::new(self.live);
        let ours = session.key_by_id(theirs.key.id)?;
        let count = match &ours {
            Some(ours) if ours.key.revision >= theirs.key.revision => &mut self.report.kept,
            None if known.contains(&theirs.key.id) => &mut self.report.stayed_deleted,
            _ => {
                let holder = session.key_by_name(&theirs.key.name)?;
                if holder.is_some_and(|holder| holder.key.id != theirs.key.id) {
                    &mut self.report.name_taken
                } else {
                    if theirs.key.enabled && !self.options.accept_revived {
                        theirs.key.enabled = false;
                        // The seal vouches for the key as it was. Without one it is refused under a pepper, until an
                        // operator has enabled it and so sealed it anew.
                        (theirs.key.seal, theirs.key.seal_key_id) = (None, None);
                        theirs.key.revision = theirs.key.revision.saturating_add(1);
                        theirs.key.updated_at = self.now;
                        self.report.disabled = self.report.disabled.saturating_add(1);
                    }
                    if let Some(ours) = ours {
                        session.update_key(&theirs.key)?;
                        for credential in ours.credentials {
                            session.delete_credential(credential.id)?;
                        }
                        put_credentials(&mut session, &theirs)?;
                        &mut self.report.updated
                    } else {
                        session.insert_key(&theirs.key)?;
                        put_credentials(&mut session, &theirs)?;
                        if !self.options.accept_revived {
                            return Ok(());
                        }
                        &mut self.report.revived
                    }
                }
            }
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Keys that were deleted in the backup's own past, which the live log does not know.
    fn take_over_tombstones(&self, known: &BTreeSet<Id>) -> Result<()> {
        let session = Session::new(self.live);
        for id in logged_keys(self.backup)?.difference(known) {
            if session.key_by_id(*id)?.is_none() {
                self.live.execute("UPDATE meta SET generation = generation + 1, token = randomblob(16)", []).fault()?;
                self.live
                    .execute(
                        "INSERT INTO changes (generation, token, kind, item) \
                         SELECT generation, token, 'key', ?1 FROM meta",
                        [id.to_bytes()],
                    )
                    .fault()?;
            }
        }
        Ok(())
    }

    fn license(&mut self) -> Result<()> {
        let (mut live, backup) = (Session::new(self.live), Session::new(self.backup));
        let buried_here =
            self.live.query_row("SELECT count(*) FROM license_burials", [], |row| row.get::<_, i64>(0)).fault()? > 0;
        self.report.license = match (live.license()?, backup.license()?) {
            (Some(_), _) => LicenseRestored::Kept,
            (None, None) => LicenseRestored::None,
            (None, Some(_)) if buried_here => LicenseRestored::LeftOut,
            (None, Some(license)) => {
                live.set_license(Some(&license))?;
                LicenseRestored::Restored
            }
        };
        for (key_id, issued) in backup.license_marks()? {
            live.raise_license_mark(&key_id, issued)?;
        }
        for release in backup.releases()? {
            live.put_release(&release)?;
        }
        if live.installation_key()?.is_none()
            && let Some(seed) = backup.installation_key()?
        {
            live.set_installation_key(&seed)?;
        }
        let mut burials = self.backup.prepare("SELECT license_id, issued FROM license_burials").fault()?;
        let mut found = burials.query([]).fault()?;
        while let Some(row) = found.next().fault()? {
            live.bury_license(&row.get::<_, String>(0).fault()?, row.get(1).fault()?)?;
        }
        self.credits()
    }

    /// What either store knows to be consumed stays so, and a name that either keeps consumes nothing again.
    fn credits(&self) -> Result<()> {
        let mut live = Book { connection: self.live };
        let mut periods = self.backup.prepare("SELECT tenant, period, used FROM credit_periods").fault()?;
        let mut found = periods.query([]).fault()?;
        while let Some(row) = found.next().fault()? {
            let (tenant, period): (String, i64) = (row.get(0).fault()?, row.get(1).fault()?);
            let used = live.used(&tenant, period)?.max(row.get(2).fault()?);
            live.set_used(&tenant, period, used)?;
        }
        let mut operations = self.backup.prepare(&format!("SELECT {OPERATION} FROM credit_operations")).fault()?;
        let mut found = operations.query([]).fault()?;
        while let Some(row) = found.next().fault()? {
            let operation = ledger::operation(row).fault()?;
            if live.operation(&operation.id)?.is_none() {
                live.put_operation(&operation)?;
            }
        }
        Ok(())
    }
}

fn put_credentials(session: &mut Session<'_>, key: &KeyWithCredentials) -> Result<()> {
    key.credentials.iter().try_for_each(|credential| session.insert_credential(credential))
}

/// Every key that a store's log mentions: those that are there, and the tombstones of those that are not.
fn logged_keys(connection: &Connection) -> Result<BTreeSet<Id>> {
    let mut statement = connection.prepare("SELECT DISTINCT item FROM changes WHERE kind = 'key'").fault()?;
    let found = statement.query_map([], |row| Ok(rows::id(row.get_ref(0)?))).fault()?;
    found.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>().fault()
}

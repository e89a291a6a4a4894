//! Freshness and history: is what this handle knows still so, and does the database still continue it?
//!
//! The rules, all judged inside one read transaction:
//!
//! * Every change has a generation and a random token, and both are in the change log. A database whose log holds the
//!   (generation, token) that this handle knows *continues* what it knows.
//! * A handle whose generation is older than the log's oldest entry, in a store of the same identity, is merely late.
//! * Anything else is another history: an older copy put back, or another store. It is refused until an operator has
//!   *adopted* it.
//! * A file of another identity at the same path is refused even when its log fits: SQLite reads it through the
//!   `-wal` that the former file left behind, so that nothing in it is evidence, the log included.
//!
//! **Adoption** is one entry of kind `adoption` in the log. Its generation is the time, in units of 2^-20 seconds, and
//! so above every generation that any history of this store can have reached (see `write::adoption`). Each handle
//! therefore decides alone: an adoption above what I know was made after it, by someone who meant what is there now. No
//! handle needs to be told, and none takes an adoption from before its own time for a new one. (The database's
//! generation plus a constant would not do: a history that was adopted once and is then replaced by its own older copy
//! would be adopted to the same number again, which is not above what its handles know.)

use std::sync::{Arc, atomic::Ordering};

use inspire_auth_platform::{
    clock::monotonic_millis,
    fs::{self, FileIdentity},
    sqlite::Watch,
};
use rusqlite::{Connection, OptionalExtension, Row};
use zeroize::Zeroizing;

use super::{
    Shared,
    connections::{Lanes, Link},
    faults::{Fault, from_io},
    page::Named,
};
use crate::{
    error::{Code, Error, Result},
    store::TagKey,
};

/// How often a check polls: looks at the files themselves, and asks the database.
const POLL_EVERY_MS: u64 = 900;
/// No check decides on a poll older than this, whatever keeps the next one. (So every reader has polled a second after
/// anything happened, the coarse clock's ticks included.)
const POLL_WITHIN_MS: u64 = 980;
/// The bound that is promised.
pub(super) const POLL_BOUND_MS: u64 = 1_000;

/// A place in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store: [u8; 16],
    pub(super) generation: i64,
    pub(super) token: [u8; 16],
}

/// What this handle knows, replaced as a whole.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The newest place that was verified, or that this handle wrote.
    pub(super) mark: Mark,
    /// The file that it was seen in.
    pub(super) home: FileIdentity,
}

/// What the check's own connection last saw.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    link: Option<Asked>,
    data_version: i64,
    looked_at: Option<u64>,
    /// What was found at this `data_version`; `None` is to be found out.
    found: Option<Found>,
}

/// What was found at a `data_version`.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// It continues what is known, at this generation, and names this page.
    Good(u64, Named),
    /// It is another history. Only a commit can make it one that is believed.
    Refused,
}

impl Fresh {
    /// The file that the connection is open to.
    pub(super) fn file(&self) -> Option<&FileIdentity> {
        self.link.as_ref().map(|link| &link.file)
    }

    /// Closes the connection, and has the files looked at before anything is believed again.
    pub(super) fn close(&mut self) {
        (self.link, self.found, self.looked_at) = (None, None, None);
    }
}

/// The connection that is asked when the page does not tell: `PRAGMA data_version` moves iff another connection, in any process,
/// committed since it was last asked on this one.
#[derive(Debug)]
pub(super) struct Asked {
    watch: Watch,
    file: FileIdentity,
}

/// How the database relates to what a handle knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Continues,
    Adopted,
    Another,
}

impl Shared {
    /// The newest committed generation. See `Store::generation`.
    #[inline]
    pub(super) fn generation(&self) -> Result<u64> {
        match self.recent()? {
            Some((generation, age)) if age < POLL_EVERY_MS => Ok(generation),
            recent => self.generation_from_database(recent.map(|(generation, _)| generation)),
        }
    }

    /// See `Store::generation_now`.
    #[inline]
    pub(super) fn generation_now(&self) -> Result<Option<u64>> {
        Ok(self.recent()?.and_then(|(generation, age)| (age < POLL_EVERY_MS).then_some(generation)))
    }

    /// See `Store::has_news`: what is in `clean` was committed. While a commit is only announced, or the page is not to be
    /// believed, the database is asked.
    pub(super) fn has_news(&self) -> bool {
        let clean = || self.pages.clean(&self.history.load().mark.store);
        self.is_polled().unwrap_or(false) && clean() > self.verified.load(Ordering::Acquire)
    }

    /// What the page tells, if it tells anything, and how old the poll behind it is in milliseconds. No lock, no
    /// shared write, no allocation.
    #[inline]
    fn recent(&self) -> Result<Option<(u64, u64)>> {
        // In this order: a page that is not the store's any more is dropped before the poll that found it is noted, and
        // one that nobody looked at for a while may have lost its bytes.
        let polled = self.connections.polled()?;
        let age = monotonic_millis().saturating_sub(polled);
        if polled == 0 || age >= POLL_WITHIN_MS {
            return Ok(None);
        }
        let Some(page) = self.pages.current() else { return Ok(None) };
        let verified = self.verified.load(Ordering::Acquire);
        Ok(page.counters().shows(verified).then_some((verified, age)))
    }

    /// The same by asking the database. `recent` is what the page tells, when all that is wrong is that a poll is due:
    /// then one thread polls, and the others go on.
    #[cold]
    fn generation_from_database(&self, recent: Option<u64>) -> Result<u64> {
        let lanes = self.connections.lanes()?;
        let mut lane = match recent {
            Some(generation) => match lanes.freshness.try_lock() {
                Some(lane) => lane,
                None => return Ok(generation),
            },
            None => lanes.freshness.lock(),
        };
        // Somebody may have asked while this thread waited.
        if let Some((generation, age)) = self.recent()?
            && age < POLL_EVERY_MS
        {
            return Ok(generation);
        }
        let asked = self.ask(&mut lane.value, &lanes);
        self.connections.set_polled(match (&asked, lane.value.looked_at) {
            (Ok(_), Some(at)) => at.max(1),
            _ => 0,
        });
        asked
    }

    fn ask(&self, fresh: &mut Fresh, lanes: &Lanes) -> Result<u64> {
        let looked = self.look(fresh, lanes)?;
        let found = match self.ask_link(fresh)? {
            Found::Refused if !looked => {
                self.look_again(fresh, lanes)?;
                self.ask_link(fresh)?
            }
            found => found,
        };
        match found {
            Found::Refused => Err(refusal()),
            Found::Good(generation, named) => {
                if looked {
                    self.pages.follow(named, &self.history.load().mark.store);
                }
                if let Some(page) = self.pages.current() {
                    page.counters().repair(generation);
                }
                self.verified.fetch_max(generation, Ordering::AcqRel);
                Ok(generation)
            }
        }
    }

    /// What the open connection says.
    fn ask_link(&self, fresh: &mut Fresh) -> Result<Found> {
        // Before the database: what was committed by now, it must hold.
        let clean = self.pages.clean(&self.history.load().mark.store);
        let Some(link) = &mut fresh.link else { return Err(Error::new(Code::Internal)) };
        let seen = link.watch.ask().fault()?;
        match fresh.found {
            Some(found @ Found::Good(generation, _)) if seen == fresh.data_version && clean <= generation => {
                return Ok(found);
            }
            Some(Found::Refused) if seen == fresh.data_version => return Ok(Found::Refused),
            _ => {}
        }
        fresh.found = None;
        // The number was asked first: a commit between the two is seen again at the next check.
        fresh.data_version = seen;
        let mut named = Named::Nothing;
        let read = self.verified(link.watch.connection(), &link.file, |state, _| {
            named = state.named;
            Ok(state.mark)
        });
        let found = match read {
            Ok(mark) => {
                self.pages.follow(named, &mark.store);
                Found::Good(u64::try_from(mark.generation).unwrap_or(0), named)
            }
            Err(error) if error.code() == Code::StoreHistoryChanged => Found::Refused,
            Err(error) => return Err(error),
        };
        fresh.found = Some(found);
        Ok(found)
    }

    /// As [`Shared::read`], but on the check's own connection: what a check needs to follow a change must not wait
    /// behind somebody's list of all keys.
    pub(super) fn read_at_once<T>(&self, body: impl Fn(Mark, &Connection) -> Result<T>) -> Result<T> {
        let lanes = self.connections.lanes()?;
        let mut lane = lanes.freshness.lock();
        let fresh = &mut lane.value;
        let read = |fresh: &Fresh| {
            let Some(link) = &fresh.link else { return Err(Error::new(Code::Internal)) };
            self.verified(link.watch.connection(), &link.file, |state, connection| body(state.mark, connection))
        };
        let looked = self.look(fresh, &lanes)?;
        match read(fresh) {
            Err(error) if error.code() == Code::StoreHistoryChanged && !looked => {
                self.look_again(fresh, &lanes)?;
                read(fresh)
            }
            read => read,
        }
    }

    /// Leaves a connection to the file that has the store's name, as of at most [`POLL_EVERY_MS`] ago: was it
    /// replaced, or written by other means than SQLite? Whether that was found out just now.
    fn look(&self, fresh: &mut Fresh, lanes: &Lanes) -> Result<bool> {
        let now = monotonic_millis();
        let due = fresh.looked_at.is_none_or(|at| now.saturating_sub(at) >= POLL_EVERY_MS);
        if due {
            let file = fs::identity(&self.path).map_err(from_io)?;
            // Another file, or written since the last look: by a checkpoint, as a rule. Should somebody have copied
            // another over this one, only a connection without cached pages sees it.
            if fresh.link.as_ref().is_some_and(|link| link.file != file) {
                fresh.link = None;
            }
            // With the rest, whoever looks: a check takes the time of this look for the time of its poll. And before any
            // of the page's bytes is touched.
            self.pages.look();
            // Only now: a look that failed is due again at the next check.
            fresh.looked_at = Some(now);
        }
        if fresh.link.is_none() {
            // Nothing is open here any more, but in other lanes something may be.
            let file = fs::identity(&self.path).map_err(from_io)?;
            if !file.same_file(&self.history.load().home) {
                self.close_former(lanes, &file)?;
            }
            let Link { connection, file } = self.open_link()?;
            fresh.link = Some(Asked { watch: Watch::new(connection, "PRAGMA data_version").fault()?, file });
            fresh.found = None;
        }
        Ok(due)
    }

    /// As [`Shared::look`], when the page knows of a commit that the open connection can't see: the file may have been
    /// replaced, and the new one adopted, since it was looked at.
    fn look_again(&self, fresh: &mut Fresh, lanes: &Lanes) -> Result<()> {
        fresh.looked_at = None;
        self.look(fresh, lanes)?;
        Ok(())
    }

    /// Closes every connection of this process to a former file at the store's path, which is `file` now: before that one
    /// is opened. The two would share a `-shm` file, and SQLite truncates that under the former's feet.
    ///
    /// # Errors
    /// `STORE_HISTORY_CHANGED` when one is busy: it is tried again at the next check.
    fn close_former(&self, lanes: &Lanes, file: &FileIdentity) -> Result<()> {
        let others = (lanes.reader.try_lock(), lanes.writer.try_lock(), lanes.backup.try_lock());
        let (Some(mut reader), Some(mut writer), Some(mut backup)) = others else { return Err(refusal()) };
        if !self.connections.close_siblings(file) {
            return Err(refusal());
        }
        (reader.value, writer.value, backup.value) = (None, None, None);
        Ok(())
    }

    /// Looks at the page when no check did so within the last second, before one of its bytes is touched: it may have
    /// lost them while this handle was idle.
    pub(super) fn look_at_page(&self) -> Result<()> {
        if !self.is_polled()? {
            self.pages.look();
        }
        Ok(())
    }

    /// Whether a check looked at the page within the last second, so that it may be touched.
    fn is_polled(&self) -> Result<bool> {
        let polled = self.connections.polled()?;
        Ok(polled != 0 && monotonic_millis().saturating_sub(polled) < POLL_WITHIN_MS)
    }

    /// Opens a connection to the file at the store's path, which must be a store already.
    pub(super) fn open_link(&self) -> Result<Link> {
        self.connections.note_opening(fs::identity(&self.path).map_err(from_io)?);
        let link = Link::open(&self.path, self.manner)?;
        match super::schema::identify(&link.connection)? {
            super::schema::Found::Store(super::schema::VERSION) => Ok(link),
            // An older version is migrated at open, never under a running handle; an empty file is somebody's doing.
            _ => Err(Error::with(Code::StoreCorrupt, "the file is no longer the store that was opened")),
        }
    }

    /// A connection for a lane: the one that is there if its file is still in place, else a new one. Only
    /// [`Shared::generation`] opens a file that is not the one this handle knows: see there.
    pub(super) fn ensure<'a>(&self, lane: &'a mut Option<Link>) -> Result<&'a Link> {
        let file = fs::identity(&self.path).map_err(from_io)?;
        if !file.same_file(&self.history.load().home) {
            return Err(refusal());
        }
        if lane.as_ref().is_some_and(|link| link.file != file) {
            *lane = None;
        }
        match lane {
            Some(link) => Ok(link),
            None => Ok(lane.insert(self.open_link()?)),
        }
    }

    /// Lets a check judge the file when it is not the one that this handle knows. Called without any lane held.
    pub(super) fn settle(&self) -> Result<()> {
        let file = fs::identity(&self.path).map_err(from_io)?;
        if !file.same_file(&self.history.load().home) {
            self.generation()?;
        }
        Ok(())
    }

    /// Runs `body` in a read transaction of the reader's lane, on a database that continues what this handle knows.
    pub(super) fn read<T>(&self, body: impl FnOnce(Mark, &Connection) -> Result<T>) -> Result<T> {
        self.settle()?;
        let lanes = self.connections.lanes()?;
        let mut lane = lanes.reader.lock();
        let link = self.ensure(&mut lane.value)?;
        self.verified(&link.connection, &link.file, |state, connection| body(state.mark, connection))
    }

    /// As [`Shared::read`], for what can't run inside a transaction and takes long: the history is judged just before,
    /// on a connection that is opened for it.
    pub(super) fn read_aside<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.settle()?;
        let lanes = self.connections.lanes()?;
        let mut lane = lanes.backup.lock();
        let link = self.ensure(&mut lane.value)?;
        let done = self.verified(&link.connection, &link.file, |_, _| Ok(())).and_then(|()| body(&link.connection));
        lane.value = None;
        done
    }

    /// Runs `body` in a read transaction on a database that continues what this handle knows.
    fn verified<T>(
        &self,
        connection: &Connection,
        file: &FileIdentity,
        body: impl FnOnce(State, &Connection) -> Result<T>,
    ) -> Result<T> {
        // Before the transaction: what this handle and the page know by now, the snapshot taken after must hold.
        self.look_at_page()?;
        let known = self.history.load_full();
        let clean = self.pages.clean(&known.mark.store);
        let mut statement = connection.prepare_cached(STATE).fault()?;
        // While a statement stands on a row, everything that is read on its connection is of that row's snapshot: a transaction,
        // without two statements more for its beginning and its end.
        let mut snapshot = statement.query([]).fault()?;
        let state =
            snapshot.next().and_then(|row| State::read(row.ok_or(rusqlite::Error::QueryReturnedNoRows)?)).fault()?;
        let history = self.judge(&known, clean, file, state, connection)?;
        let done = body(state, connection)?;
        drop(snapshot);
        self.advance(history);
        Ok(done)
    }

    /// Whether the database in `file`, which is in this state in the open transaction, continues what is `known`, of which
    /// `clean` had been committed before the transaction began; and what is to be known from then on, if that is something else.
    ///
    /// # Errors
    /// `STORE_HISTORY_CHANGED` when it does not; a `STORE_*` code by cause.
    pub(super) fn judge(
        &self,
        known: &History,
        clean: u64,
        file: &FileIdentity,
        State { mark, .. }: State,
        transaction: &Connection,
    ) -> Result<Option<History>> {
        let same_file = file.same_file(&known.home);
        let behind = u64::try_from(mark.generation).unwrap_or(0) < clean;
        match compare(&known.mark, mark, same_file, transaction)? {
            Verdict::Another => Err(refusal()),
            // An adoption is above all that came before it, the page's word included.
            _ if behind => Err(refusal()),
            // An adoption moves the mark as every commit does.
            Verdict::Continues | Verdict::Adopted => Ok((mark != known.mark).then_some(History { mark, home: *file })),
        }
    }

    /// Notes what was verified or written, unless somebody noted something later meanwhile.
    pub(super) fn advance(&self, history: Option<History>) {
        let Some(history) = history.map(Arc::new) else { return };
        self.history.rcu(|present| {
            Arc::clone(if history.mark.generation > present.mark.generation { &history } else { present })
        });
        self.verified.fetch_max(u64::try_from(history.mark.generation).unwrap_or(0), Ordering::AcqRel);
    }
}

/// The answer to another history.
pub(super) fn refusal() -> Error {
    Error::new(Code::StoreHistoryChanged)
}

fn compare(known: &Mark, now: Mark, same_file: bool, connection: &Connection) -> Result<Verdict> {
    if same_file && *known == now {
        return Ok(Verdict::Continues);
    }
    if same_file && known.store == now.store {
        let token = connection
            .prepare_cached("SELECT token FROM changes WHERE generation = ?1")
            .fault()?
            .query_row([known.generation], |row| row.get::<_, [u8; 16]>(0))
            .optional()
            .fault()?;
        if token == Some(known.token) {
            return Ok(Verdict::Continues);
        }
        // Late: the entry was trimmed. (Adoptions are never trimmed, so they say nothing about how far the log goes.)
        let oldest = connection
            .prepare_cached("SELECT generation FROM changes WHERE kind <> 'adoption' ORDER BY generation LIMIT 1")
            .fault()?
            .query_row([], |row| row.get::<_, i64>(0))
            .optional()
            .fault()?;
        if token.is_none() && oldest.is_some_and(|oldest| known.generation < oldest) {
            return Ok(Verdict::Continues);
        }
    }
    let adopted = connection
        .prepare_cached("SELECT max(generation) FROM changes WHERE kind = 'adoption'")
        .fault()?
        .query_row([], |row| row.get::<_, Option<i64>>(0))
        .fault()?;
    Ok(if adopted.is_some_and(|at| at > known.generation) { Verdict::Adopted } else { Verdict::Another })
}

/// Where the database is, and which page it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) mark: Mark,
    pub(super) named: Named,
}

const STATE: &str = "SELECT store_id, generation, token, page FROM meta WHERE one = 1";

impl State {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            mark: Mark { store: row.get(0)?, generation: row.get(1)?, token: row.get(2)? },
            named: Named::read(row.get_ref(3)?),
        })
    }
}

/// Reads [`State`].
pub(super) fn read_state(connection: &Connection) -> Result<State> {
    connection.prepare_cached(STATE).fault()?.query_row([], State::read).fault()
}

/// Where the database is.
pub(super) fn read_mark(connection: &Connection) -> Result<Mark> {
    read_state(connection).map(|state| state.mark)
}

/// The store's tag key.
pub(super) fn read_tag_key(connection: &Connection) -> Result<TagKey> {
    connection
        .prepare_cached("SELECT id, secret FROM tag_keys ORDER BY id LIMIT 1")
        .fault()?
        .query_row([], |row| Ok(TagKey { id: row.get(0)?, secret: Zeroizing::new(row.get(1)?) }))
        .fault()
}

#[cfg(test)]
mod tests;

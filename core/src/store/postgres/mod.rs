//! The store of several machines: one PostgreSQL database, which each of them follows.
//!
//! | module | its one idea |
//! |---|---|
//! | `options` | where it is, who answers there, and how old what is known may become |
//! | `schema` | the tables, and the triggers that log every change |
//! | `engine` | the thread on which everything of the network happens |
//! | `socket`, `tls`, `link` | one connection, of a socket that no fork shares |
//! | `history` | is what is there the same history |
//! | `follower` | hearing of what others change, and of silence |
//! | `feed` | what changed lately, as it was read |
//! | `transaction` | a transaction from its beginning to its end |
//! | `rows`, `session` | rows in and out, in one transaction |
//! | `ledger` | the book of consumptions |
//! | `activity` | last use and audit |
//! | `whole` | all of it, to be copied |
//! | `faults` | the server's errors by cause |
//!
//! **Freshness.** A check asks nothing of the network. It looks at two numbers that the follower keeps: the newest generation
//! heard of, whose changes lie ready, and when the database was last seen to have no newer one. Past `max_staleness` since then it
//! answers `STORE_STALE`. What this process writes itself is known to it at once.

mod activity;
mod engine;
mod faults;
mod feed;
mod follower;
mod history;
mod ledger;
mod link;
mod options;
mod rows;
mod schema;
mod session;
mod socket;
mod tls;
mod transaction;
mod whole;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::TryStreamExt;
use inspire_auth_platform::{
    clock::monotonic_millis,
    fork::{self, Lineage},
};
use tokio::sync::Notify;
use tokio_postgres::types::Type;

pub use self::options::{LicenseScope, OnExpired, PostgresOptions};
use self::{
    engine::Engine,
    feed::{Delta, Feed, Pulled},
    follower::Follower,
    history::{Mark, State, Verdict},
    ledger::Book,
    link::Link,
    options::Endpoint,
    rows::{CREDENTIAL, KEY, KEY_COLUMNS},
    session::{Session, deadline},
    transaction::{Lane, Open},
};
use super::{AuditEvent, Changes, Following, KeyWithCredentials, Ledger, Reader, Store, TagKey, Transaction};
use crate::{
    error::{Code, Error, Result},
    id::Id,
    per_process::PerProcess,
};

/// How long a caller waits for an answer of the server.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often [`Store::wait_for_change`] looks.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// By how much the coarse clock may be behind, in milliseconds: taken off the bound, so that it holds.
const CLOCK_STEP: u64 = 10;

/// A store in a PostgreSQL database. Cheap to clone; any number of threads use it at once.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
    _handles: Arc<Handles>,
}

/// Goes with the last clone of a handle, and then ends what works for it: the follower may be about to look, and has
/// the rest until it has.
struct Handles(Arc<Shared>);

/// What the clones of a handle share.
struct Shared {
    options: PostgresOptions,
    main: Arc<Endpoint>,
    listen: Arc<Endpoint>,
    /// Whose license is meant: nobody's in particular, or this machine's.
    scope: String,
    machine: Option<String>,
    /// How a transaction that reads begins, one that writes, one on the book, and one that only notes.
    read_begins: String,
    write_begins: String,
    book_begins: String,
    note_begins: String,
    /// The longest time since [`Shared::proved`] for which a check goes by what is known, in milliseconds.
    bound: u64,
    lineage: Lineage,
    me: Weak<Shared>,
    desk: PerProcess<Desk>,
    /// As it was at the opening: no store has another one later.
    tag_key: TagKey,
    /// The process whose follower is at work.
    begun: AtomicU32,
    /// The newest history that was seen.
    known: ArcSwap<Mark>,
    /// The newest generation that was heard of.
    latest: AtomicU64,
    /// When nothing newer was there, in milliseconds of the monotonic clock; 0 for never.
    proved: AtomicU64,
    /// Whether what is there now does not continue what was known.
    is_refused: AtomicBool,
    is_closed: AtomicBool,
}

/// What one process has: a child begins with one of its own.
#[derive(Debug, Default)]
struct Desk {
    /// The thread, and what wakes the follower on it.
    engine: Mutex<Option<(Arc<Engine>, Arc<Notify>)>>,
    feed: Mutex<Feed>,
    reader: Lane,
    /// What a check needs that this process could not read when it changed it: seldom, and never behind somebody's list.
    quick: Lane,
    writer: Lane,
}

impl Desk {
    const fn lanes(&self) -> [&Lane; 3] {
        [&self.reader, &self.quick, &self.writer]
    }

    /// Closes connections that nobody needed for a while.
    fn close_idle(&self) {
        self.lanes().into_iter().for_each(Lane::close_idle);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the store that `options` name, which [`PostgresStore::migrate`] has made, and begins to follow it on a thread of
    /// its own.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when there is none that the role may see, or no server can be reached, shows that it is the right one,
    /// and accepts the login; `STORE_VERSION` when it is of another version; `STORE_READ_ONLY` when no server takes writes.
    pub fn open(options: PostgresOptions) -> Result<Self> {
        let engine = Arc::new(Engine::start()?);
        let opened = Self::open_with(options, &engine);
        if opened.is_err() {
            engine.stop();
        }
        opened
    }

    fn open_with(options: PostgresOptions, engine: &Arc<Engine>) -> Result<Self> {
        let schema = options.schema.clone();
        let begins = |manner: &str, then: &str| {
            format!(
                "BEGIN {manner}; SET LOCAL search_path = {schema}, pg_temp; SET LOCAL lock_timeout = '5s'; \
                 SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '10s'{then}"
            )
        };
        // A revocation that was seen to succeed survives a power cut, whatever the server does by default.
        let durable = "; SELECT set_config('synchronous_commit', 'on', true) \
                       WHERE current_setting('synchronous_commit') = 'off'";
        let machine = options.machine.clone();
        let (main, listen) = (Arc::new(options.main.clone()), Arc::new(options.listen.clone()));
        let read_begins = begins("ISOLATION LEVEL REPEATABLE READ READ ONLY", "");
        let rings = Arc::new(Notify::new());
        // It listens before anything is looked at.
        let link = Link::open(engine, &listen, Some(Arc::clone(&rings)), deadline())?;
        link.batch(&format!("LISTEN {schema}"), deadline())?;
        let looked_at = monotonic_millis();
        let tag_key = tag_key(&link, &schema)?;
        let state = engine::wait(feed::look(&link.client, &read_begins, 0), deadline())
            .unwrap_or_else(|| Err(faults::late()))?;
        let shared = Arc::new_cyclic(|me: &Weak<Shared>| Shared {
            scope: match options.license {
                LicenseScope::Cluster => String::new(),
                LicenseScope::Machine => machine.clone().unwrap_or_default(),
            },
            write_begins: begins(
                "ISOLATION LEVEL READ COMMITTED READ WRITE",
                &format!("{durable}; SELECT 1 FROM meta FOR NO KEY UPDATE"),
            ),
            book_begins: begins(
                "ISOLATION LEVEL READ COMMITTED READ WRITE",
                &format!("{durable}; SELECT 1 FROM ledger FOR NO KEY UPDATE"),
            ),
            note_begins: begins("ISOLATION LEVEL READ COMMITTED READ WRITE", ""),
            bound: u64::try_from(options.max_staleness.as_millis()).unwrap_or(u64::MAX).saturating_sub(CLOCK_STEP),
            lineage: Lineage::current(),
            me: Weak::clone(me),
            desk: PerProcess::new(Desk::default),
            begun: AtomicU32::new(fork::epoch()),
            known: ArcSwap::from_pointee(state.mark),
            latest: AtomicU64::new(u64::try_from(state.mark.generation).unwrap_or(0)),
            proved: AtomicU64::new(looked_at.max(1)),
            is_refused: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            main,
            listen,
            machine,
            read_begins,
            tag_key,
            options,
        });
        shared.begin_following(&shared.desk.get(), Some(Arc::clone(engine)), Some((link, rings)))?;
        Ok(Self { _handles: Arc::new(Handles(Arc::clone(&shared))), shared })
    }

    /// Makes the tables that a store needs, in the schema that `options` name, or brings older ones up to date; and lets `roles`
    /// do what a host has to do, and no more. Done by the owner of the schema, or whoever may make it.
    ///
    /// # Errors
    /// `STORE_VERSION` when what is there is of a newer version, `INVALID_ARGUMENT`, a `STORE_*` code by cause.
    pub fn migrate(options: &PostgresOptions, roles: &[&str]) -> Result<()> {
        schema::migrate(options, roles)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Begins to follow in this process, where nobody does yet.
    fn begin_following(
        &self,
        desk: &Desk,
        engine: Option<Arc<Engine>>,
        listening: Option<(Link, Arc<Notify>)>,
    ) -> Result<Arc<Engine>> {
        let mut place = lock(&desk.engine);
        if let Some((engine, _)) = &*place {
            return Ok(Arc::clone(engine));
        }
        let engine = match engine {
            Some(engine) => engine,
            None => Arc::new(Engine::start()?),
        };
        lock(&desk.feed).restart(self.latest.load(Ordering::Acquire));
        let (link, rings) = listening.map_or_else(|| (None, Arc::default()), |(link, rings)| (Some(link), rings));
        let (me, its) = (Weak::clone(&self.me), Arc::clone(&engine));
        let follower = Follower { shared: me, engine: its, rings: Arc::clone(&rings), link };
        if engine.spawn(follower.run()).is_none() {
            return Err(faults::late());
        }
        *place = Some((Arc::clone(&engine), rings));
        self.begun.store(fork::epoch(), Ordering::Release);
        Ok(engine)
    }

    /// Whether nobody uses it any more.
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// What this process has, and its engine, which is started when it has none.
    fn at_work(&self) -> Result<(Arc<Desk>, Arc<Engine>)> {
        if self.lineage.inherited_by_clone() {
            return Err(cloned());
        }
        let desk = self.desk.get();
        let engine = self.begin_following(&desk, None, None)?;
        Ok((desk, engine))
    }

    /// See `Store::generation`. Some loads, and the coarse clock.
    #[inline]
    fn generation(&self) -> Result<u64> {
        if self.lineage.inherited_by_clone() {
            return Err(cloned());
        }
        if self.begun.load(Ordering::Acquire) != fork::epoch() {
            self.at_work()?;
        }
        // The proof first: what it proves was known before.
        let proved = self.proved.load(Ordering::Acquire);
        if monotonic_millis().saturating_sub(proved) >= self.bound || proved == 0 {
            self.expired()?;
        }
        Ok(self.latest.load(Ordering::Acquire))
    }

    /// What a check answers when nothing has been heard for too long.
    #[cold]
    fn expired(&self) -> Result<()> {
        if self.is_refused.load(Ordering::Acquire) {
            return Err(Error::new(Code::StoreHistoryChanged));
        }
        match self.options.on_expired {
            OnExpired::Deny => {
                Err(Error::with(Code::StoreStale, "nothing was heard of the database for longer than max_staleness"))
            }
            OnExpired::AllowKnown => Ok(()),
        }
    }

    /// Looks, for the follower, at where the database is, and reads what changed when it `is_told` that something did.
    async fn look(&self, link: &Link, is_told: bool) -> Result<()> {
        let desk = self.desk.get();
        let known = self.known.load_full();
        let head = lock(&desk.feed).head();
        let began = monotonic_millis();
        let looked = if is_told {
            self.pull(&link.client, &desk, &known, head).await
        } else {
            match feed::look(&link.client, &self.read_begins, known.generation).await {
                Ok(state) if u64::try_from(state.mark.generation) == Ok(head) => state.judge(&known).map(drop),
                Ok(_) => self.pull(&link.client, &desk, &known, head).await,
                Err(error) => Err(error),
            }
        };
        if looked.is_ok() {
            self.is_refused.store(false, Ordering::Release);
            self.proved.fetch_max(began, Ordering::AcqRel);
        }
        looked
    }

    /// Reads what changed after `head` and takes it in.
    async fn pull(&self, client: &tokio_postgres::Client, desk: &Desk, known: &Mark, head: u64) -> Result<()> {
        let Pulled { state, delta } = feed::pull(client, &self.read_begins, known.generation, head).await?;
        self.take_in(desk, known, &state, delta)
    }

    /// Takes in what changed up to a state, which is judged by what was known when it was asked for.
    fn take_in(&self, desk: &Desk, known: &Mark, state: &State, delta: Delta) -> Result<()> {
        let delta = match state.judge(known)? {
            Verdict::Continues => delta,
            Verdict::Adopted => Delta::EVERYTHING,
        };
        let generation = u64::try_from(state.mark.generation).unwrap_or(0);
        // What lies ready first, then the word of it.
        lock(&desk.feed).push(generation, delta);
        self.know(state.mark);
        self.latest.fetch_max(generation, Ordering::AcqRel);
        Ok(())
    }

    /// Remembers what was seen, unless something later was seen meanwhile.
    fn know(&self, mark: Mark) {
        self.known
            .rcu(|present| if mark.generation > present.generation { Arc::new(mark) } else { Arc::clone(present) });
    }

    /// Notes, for the follower, why the database could not be looked at.
    fn note_away(&self, error: &Error) {
        if error.code() == Code::StoreHistoryChanged {
            self.is_refused.store(true, Ordering::Release);
            self.proved.store(0, Ordering::Release);
        }
    }

    /// Whether an open transaction is on a database that continues what is known.
    fn judge(&self, open: &Open<'_>) -> Result<Verdict> {
        open.state.judge(&open.known)
    }

    fn session<'a>(&'a self, open: &'a Open<'_>) -> Session<'a> {
        Session { link: open.link, scope: &self.scope, generation: open.state.mark.generation }
    }

    fn book<'a>(&'a self, open: &'a Open<'_>) -> Book<'a> {
        Book { session: self.session(open), machine: self.machine.as_deref() }
    }

    /// Runs `body` in a read transaction of one of the lanes.
    fn read<T>(&self, lane: impl Fn(&Desk) -> &Lane, body: impl FnOnce(&Open<'_>) -> Result<T>) -> Result<T> {
        let (desk, engine) = self.at_work()?;
        let mut lane = lane(&desk).lock();
        let open = self.begin(&mut lane, &engine, &self.main, &self.read_begins)?;
        let done = self.judge(&open).and_then(|_| body(&open));
        open.end(done)
    }

    /// See `Store::write`.
    fn write(&self, body: impl FnOnce(&Open<'_>) -> Result<()>) -> Result<u64> {
        let (desk, engine) = self.at_work()?;
        let mut lane = desk.writer.lock();
        let open = self.begin(&mut lane, &engine, &self.main, &self.write_begins)?;
        let known = Arc::clone(&open.known);
        let begun = open.state.mark;
        let done = self.judge(&open).and_then(|_| {
            body(&open)?;
            let rows = open.link.wait(history::state(&open.link.client, known.generation), deadline())?;
            history::read(&rows).map(|state| state.mark)
        });
        let ended = match done {
            Ok(ended) if ended == begun => {
                open.roll_back();
                return Ok(u64::try_from(begun.generation).unwrap_or(0));
            }
            Ok(ended) => ended,
            Err(error) => {
                open.roll_back();
                return Err(error);
            }
        };
        if let Err(error) = open.commit()
            && !self.is_committed(&mut lane, &engine, &ended, error)?
        {
            return Err(Error::with(Code::StoreUnavailable, "the connection was lost: nothing was changed"));
        }
        let generation = u64::try_from(ended.generation).unwrap_or(0);
        self.follow_own(&desk, lane.as_ref(), generation);
        Ok(generation)
    }

    /// Whether a commit was done, of which no answer came: by its own entry in the history, which no other one has.
    ///
    /// # Errors
    /// When that can't be told.
    fn is_committed(&self, lane: &mut Option<Link>, engine: &Arc<Engine>, ended: &Mark, lost: Error) -> Result<bool> {
        let unknown = || {
            Error::with(Code::StoreUnavailable, "the connection was lost: whether anything was changed is not known")
        };
        if lane.as_ref().is_some_and(|link| !link.is_broken()) {
            // The server has answered, and refused.
            return Err(lost);
        }
        // The session that was told to commit may still be about to: whoever locks the row after it knows.
        let Ok(open) = self.begin(lane, engine, &self.main, &self.write_begins) else { return Err(unknown()) };
        let sql = "SELECT token FROM generations WHERE generation = $1";
        let found = self.session(&open).query(sql, &[(&ended.generation, Type::INT8)]);
        open.roll_back();
        let found = found.map_err(|_| unknown())?;
        let token: Option<&[u8]> = found.first().and_then(|row| row.try_get(0).ok());
        Ok(token == Some(&ended.token))
    }

    /// Has this process know what it has just committed. Where that can't be read, the next check has to.
    fn follow_own(&self, desk: &Desk, link: Option<&Link>, generation: u64) {
        let known = self.known.load_full();
        let head = lock(&desk.feed).head();
        let pulled = link.map(|link| {
            let pulled = engine::wait(self.pull(&link.client, desk, &known, head), deadline());
            if pulled.is_none() {
                link.give_up();
            }
            pulled
        });
        let _ = pulled;
        self.latest.fetch_max(generation, Ordering::AcqRel);
    }

    /// See `Store::account`.
    fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()> {
        let (desk, engine) = self.at_work()?;
        let mut lane = desk.writer.lock();
        let open = self.begin(&mut lane, &engine, &self.main, &self.book_begins)?;
        let done = self.judge(&open).and_then(|_| body(&mut self.book(&open)));
        open.end(done)
    }

    /// See `Store::changes_since`.
    fn changes_since(&self, since: u64) -> Result<Changes> {
        let (desk, engine) = self.at_work()?;
        {
            let feed = lock(&desk.feed);
            if feed.head() >= self.latest.load(Ordering::Acquire)
                && let Some(changes) = feed.since(since)
            {
                return Ok(changes);
            }
        }
        let mut lane = desk.quick.lock();
        // As a rule somebody else has read meanwhile what this process wrote; else it is read here, from the beginning asked for.
        let open = self.begin(&mut lane, &engine, &self.main, &self.read_begins)?;
        let checked = self.judge(&open).map(drop);
        open.end(checked)?;
        let link = lane.as_ref().ok_or_else(faults::late)?;
        let (known, began) = (self.known.load_full(), deadline());
        let pulled = engine::wait(feed::pull(&link.client, &self.read_begins, known.generation, since), began);
        let Some(pulled) = pulled else {
            link.give_up();
            return Err(faults::late());
        };
        let Pulled { state, delta } = pulled?;
        let generation = u64::try_from(state.mark.generation).unwrap_or(0);
        Ok(match (state.judge(&known)?, delta.keys) {
            (Verdict::Continues, Some(keys)) => {
                Changes { generation, keys: super::KeyChanges::Only(keys), license: delta.license }
            }
            _ => Changes { generation, keys: super::KeyChanges::Everything, license: true },
        })
    }

    /// Hands every key with its credentials to `each`.
    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
        self.read(
            |desk| &desk.reader,
            |open| {
                // Both are read along an index, side by side.
                let sql = format!(
                    "SELECT {KEY}, {CREDENTIAL} FROM keys k LEFT JOIN credentials c ON c.key_id = k.id \
                     ORDER BY k.id, c.key_id, c.created_at, c.id"
                );
                let none: [link::Parameter<'_>; 0] = [];
                let found = open.link.wait(open.link.client.query_typed_raw(&sql, none), deadline())?;
                let mut found = std::pin::pin!(found);
                let mut present: Option<KeyWithCredentials> = None;
                while let Some(row) = open.link.wait(found.try_next(), deadline())? {
                    let Some(key) = rows::key(&row, 0) else { continue };
                    if present.as_ref().is_none_or(|present| present.key.id != key.id)
                        && let Some(done) = present.replace(KeyWithCredentials { key, credentials: Vec::new() })
                    {
                        each(&done)?;
                    }
                    if let (Some(present), Some(credential)) = (&mut present, rows::credential(&row, KEY_COLUMNS)) {
                        present.credentials.push(credential);
                    }
                }
                if let Some(last) = present {
                    each(&last)?;
                }
                Ok(u64::try_from(open.state.mark.generation).unwrap_or(0))
            },
        )
    }

    fn adopt(&self) -> Result<()> {
        let (desk, engine) = self.at_work()?;
        let mut lane = desk.writer.lock();
        // Not judged: that is what an adoption is for.
        let open = self.begin(&mut lane, &engine, &self.main, &self.write_begins)?;
        let known = open.known.generation.max(rows::signed(self.latest.load(Ordering::Acquire)));
        let done = self.session(&open).query("SELECT adopt($1)", &[(&known, Type::INT8)]).and_then(|_| {
            let rows = open.link.wait(history::state(&open.link.client, known), deadline())?;
            history::read(&rows)
        });
        let state = match done {
            Ok(state) => state,
            Err(error) => {
                open.roll_back();
                return Err(error);
            }
        };
        open.commit()?;
        let generation = u64::try_from(state.mark.generation).unwrap_or(0);
        lock(&desk.feed).push(generation, Delta::EVERYTHING);
        self.know(state.mark);
        self.latest.fetch_max(generation, Ordering::AcqRel);
        if self.is_refused.swap(false, Ordering::AcqRel) {
            self.proved.fetch_max(monotonic_millis().max(1), Ordering::AcqRel);
        }
        Ok(())
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let shared = &self.0;
        if shared.begun.load(Ordering::Acquire) != fork::epoch() || shared.lineage.inherited_by_clone() {
            // Inherited: what it has is another process's.
            return;
        }
        shared.is_closed.store(true, Ordering::Release);
        let desk = shared.desk.get();
        for lane in desk.lanes() {
            *lane.lock() = None;
        }
        if let Some((engine, rings)) = lock(&desk.engine).take() {
            // The follower looks up, and finds nobody to follow for.
            rings.notify_one();
            engine.stop();
        }
    }
}

/// The store's tag key.
fn tag_key(link: &Link, schema: &str) -> Result<TagKey> {
    let sql = format!("SELECT id, secret FROM {schema}.tag_keys ORDER BY id LIMIT 1");
    rows::tag_key(&link.query(&sql, &[], deadline())?).ok_or_else(rows::no_tag_key)
}

/// The answer in a child made by a raw `clone`.
fn cloned() -> Error {
    Error::with(Code::StoreStale, "this process is a raw clone of the one that opened the store: open it here")
}

impl Store for PostgresStore {
    fn generation(&self) -> Result<u64> {
        self.shared.generation()
    }

    fn load(&self, each: &mut dyn FnMut(&KeyWithCredentials) -> Result<()>) -> Result<u64> {
        self.shared.load(each)
    }

    fn changes_since(&self, since: u64) -> Result<Changes> {
        self.shared.changes_since(since)
    }

    fn read(&self, body: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        self.shared.read(|desk| &desk.reader, |open| body(&self.shared.session(open)))
    }

    fn write(&self, body: &mut dyn FnMut(&mut dyn Transaction) -> Result<()>) -> Result<u64> {
        self.shared.write(|open| body(&mut self.shared.session(open)))
    }

    fn account(&self, body: &mut dyn FnMut(&mut dyn Ledger) -> Result<()>) -> Result<()> {
        self.shared.account(body)
    }

    fn wait_for_change(&self, seen: u64, timeout: Duration) -> Result<u64> {
        let begun = Instant::now();
        loop {
            let generation = self.generation()?;
            let left = timeout.saturating_sub(begun.elapsed());
            if generation != seen || left.is_zero() {
                return Ok(generation);
            }
            std::thread::sleep(left.min(ASK_EVERY));
        }
    }

    fn following(&self) -> Option<Following> {
        let options = &self.shared.options;
        let proved = self.shared.proved.load(Ordering::Acquire);
        let ago = Duration::from_millis(monotonic_millis().saturating_sub(proved));
        Some(Following {
            unheard_for: if proved == 0 { Duration::MAX } else { ago },
            max_staleness: options.max_staleness,
            allows_known: options.on_expired == OnExpired::AllowKnown,
            reconcile_every: options.reconcile,
        })
    }

    fn tag_key(&self) -> Result<TagKey> {
        Ok(self.shared.tag_key.clone())
    }

    fn adopt(&self) -> Result<()> {
        self.shared.adopt()
    }

    fn note_used(&self, batch: &[(Id, i64)]) -> Result<()> {
        self.shared.note_used(batch)
    }

    fn last_used(&self, key: Id) -> Result<Option<i64>> {
        self.shared.last_used(key)
    }

    fn append_audit(&self, events: &[AuditEvent]) -> Result<()> {
        self.shared.append_audit(events)
    }

    fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        self.shared.audit(limit)
    }
}

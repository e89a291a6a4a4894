//! The handle: what it holds, and how it stays fresh.

use std::sync::{Arc, OnceLock, Weak};

use crate::{
    audit::Journal,
    clock,
    error::{Code, Error, Result},
    id::Id,
    keys::{
        Activity, Compiler, Draft, Found, Hasher, Index, Keys, Pool, Principal, ProcessMac, Sealer, Tagger,
        levels::{Requirement, RequirementSpec},
    },
    license::{Kept, License, LicenseHalf, Seen},
    metrics::Metrics,
    options::{Enforcement, LevelMode, Options, StoreLocation},
    per_process::PerProcess,
    store::{AuditEvent, KeyChanges, MemoryStore, Scheme, Store},
    watch::{Watched, Watcher},
};

/// API keys and licensing on one store. Cheap to clone; any number of threads use one at once.
#[derive(Clone, Debug)]
pub struct InspireAuth {
    /// Goes first: it waits until no thread of ours is in `inner`.
    kept: Option<Arc<Kept>>,
    /// So does this.
    _watched: Option<Arc<Watched>>,
    pub(crate) inner: Arc<Inner>,
}

/// What a host sends for a refused request: the library gives the text, the host sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpAnswer<'a> {
    /// The status; 500 for a code that answers no request.
    pub status: u16,
    /// The value of `WWW-Authenticate`, if there is one.
    pub challenge: Option<&'a str>,
    /// The value of `Retry-After` in seconds, if there is one.
    pub retry_after: Option<u32>,
}

/// Everything behind a handle.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Index,
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) tagger: Tagger,
    pub(crate) pool: PerProcess<Pool>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) license: LicenseHalf,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) seen: Arc<Seen>,
    /// What watches over a store that is followed.
    pub(crate) watcher: OnceLock<Weak<Watcher>>,
}

/// What the host decided that a check looks at.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) extra_headers: Vec<String>,
    pub(crate) local_is_secure: bool,
    pub(crate) memo_chosen: bool,
    pub(crate) chosen_failures_per_minute: u32,
    pub(crate) write: Option<Requirement>,
    pub(crate) admin: Option<Requirement>,
    pub(crate) enforcement: Enforcement,
    pub(crate) mode: LevelMode,
    pub(crate) max_hash_memory: u64,
    payment_required: bool,
    challenges: Challenges,
}

/// The texts of `WWW-Authenticate` (RFC 6750, section 3), made once.
#[derive(Debug)]
struct Challenges {
    plain: String,
    request: String,
    token: String,
    scope: String,
}

impl Challenges {
    fn new(realm: &str) -> Result<Self> {
        let quotable = realm.bytes().all(|b| matches!(b, 0x20..=0x7e) && !matches!(b, b'"' | b'\\'));
        if realm.is_empty() || realm.len() > 200 || !quotable {
            return Err(Error::with(
                Code::InvalidArgument,
                "the realm is 1 to 200 printable ASCII characters without \" and \\",
            ));
        }
        let with = |error: &str| format!("Bearer realm=\"{realm}\", error=\"{error}\"");
        Ok(Self {
            plain: format!("Bearer realm=\"{realm}\""),
            request: with("invalid_request"),
            token: with("invalid_token"),
            scope: with("insufficient_scope"),
        })
    }
}

impl InspireAuth {
    /// Opens the store, and reads every key into memory.
    ///
    /// Starts no thread and does no network I/O, but where the host has asked for that: by
    /// [`Server::auto_refresh`](crate::license::online::Server::auto_refresh), or a store in a PostgreSQL database, which one
    /// thread follows and another one watches over.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `INVALID_LEVEL` or `WEAK_TRUSTED_KEY` for options out of range, a `STORE_*` code by cause.
    pub fn open(options: Options) -> Result<Self> {
        let config = Config::new(&options)?;
        let hasher = Arc::new(Hasher::new(&options)?);
        let license = LicenseHalf::new(&options)?;
        let sealer = Sealer::new(&options.peppers)?;
        let store = open_store(&options.store)?;
        let beside = match &options.store {
            StoreLocation::Path(path) => Some(path.clone()),
            StoreLocation::Memory | StoreLocation::Postgres(_) | StoreLocation::Custom(_) => None,
        };
        let journal = options.audit_file.map(|file| Journal::new(file, beside)).transpose()?;
        let metrics = Arc::new(Metrics::new());
        let tagger = Tagger::new(&store.tag_key()?);
        let compiler =
            Arc::new(Compiler { mac: ProcessMac::random()?, mode: options.mode, sealer, hasher: Arc::clone(&hasher) });
        let (ceiling, threads) = (options.max_hash_memory, options.hash_threads);
        let one = hasher.cost_of_new(Scheme::Argon2);
        let seen = Arc::new(Seen::new(Arc::clone(&store)));
        let activity =
            Activity::new(Arc::clone(&store), options.audit, journal, Arc::clone(&metrics), Arc::clone(&seen));
        let inner = Inner {
            activity: Arc::new(activity),
            index: Index::new(tagger.id())?,
            compiler,
            hasher,
            tagger,
            pool: PerProcess::new(move || Pool::new(ceiling, threads, one)),
            license,
            config,
            metrics,
            seen,
            store,
            watcher: OnceLock::new(),
        };
        inner.load()?;
        let inner = Arc::new(inner);
        Ok(Self { kept: Kept::begin(&inner), _watched: Watched::begin(&inner), inner })
    }

    /// The API keys.
    #[must_use]
    pub fn keys(&self) -> Keys<'_> {
        Keys { inner: &self.inner }
    }

    /// The license.
    #[inline]
    #[must_use]
    pub fn license(&self) -> License<'_> {
        if let Some(kept) = &self.kept {
            kept.start();
        }
        License { inner: &self.inner }
    }

    /// Compiles a requirement, once for all requests.
    ///
    /// # Errors
    /// `INVALID_LEVEL`.
    pub fn requirement(&self, spec: &RequirementSpec) -> Result<Requirement> {
        Requirement::compile(spec)
    }

    /// Whether what is in memory shows every commit, by any process, that returned before: whether a query that reads
    /// memory alone answers without reading the store. Never waits: `false` also when only waiting could tell.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn is_fresh(&self) -> Result<bool> {
        self.inner.is_fresh(false)
    }

    /// How a host answers a request that got this code.
    #[must_use]
    pub fn http(&self, code: Code) -> HttpAnswer<'_> {
        let config = &self.inner.config;
        let challenge = match code {
            Code::NoCredential => Some(config.challenges.plain.as_str()),
            Code::MalformedCredential => Some(config.challenges.request.as_str()),
            Code::InvalidCredential => Some(config.challenges.token.as_str()),
            Code::InsufficientLevel => Some(config.challenges.scope.as_str()),
            _ => None,
        };
        let status = match code.entry().http {
            Some(403) if config.payment_required && matches!(code.number(), 300..400) => 402,
            Some(status) => status,
            None => 500,
        };
        HttpAnswer { status, challenge, retry_after: (status == 503).then_some(1) }
    }

    /// The names of all headers that may carry a credential: what a host that forwards requests must strip from every
    /// one of them, granted or not.
    pub fn credential_headers(&self) -> impl Iterator<Item = &str> {
        ["Authorization", crate::keys::LEGACY_HEADER]
            .into_iter()
            .chain(self.inner.config.extra_headers.iter().map(String::as_str))
    }

    /// `Authenticated` and the grants in force of the key behind a principal, as they are now, byte-sorted; empty when
    /// it is anonymous.
    ///
    /// # Errors
    /// `INVALID_CREDENTIAL` when the key is gone, or a `STORE_*` code.
    pub fn principal_levels(&self, principal: &Principal) -> Result<Vec<String>> {
        if principal.is_anonymous() {
            return Ok(Vec::new());
        }
        self.inner.refresh()?;
        let found = self.inner.key_by_id(principal.id()).ok_or(Error::new(Code::InvalidCredential))?;
        Ok(self.inner.index.levels(&found).names())
    }

    /// Judges a principal again, as it stands now: for long-lived connections.
    ///
    /// # Errors
    /// What a new request with the same credential would get, or a `STORE_*` code.
    pub fn recheck(&self, principal: &Principal, requirement: &Requirement, now: Option<i64>) -> Result<()> {
        self.inner.recheck(principal, requirement, now)
    }

    /// The levels for want of which a principal fails a requirement; empty when it does not.
    ///
    /// # Errors
    /// As [`InspireAuth::principal_levels`].
    pub fn explain(&self, principal: &Principal, requirement: &Requirement) -> Result<Vec<String>> {
        self.inner.missing_levels(principal, requirement)
    }

    /// Writes what has been noted on the side (last use, audit) to the store now.
    ///
    /// # Errors
    /// A `STORE_*` code, or `AUDIT_UNAVAILABLE`.
    pub fn flush(&self) -> Result<()> {
        self.inner.activity.flush()
    }

    /// The newest audit events, newest first, at most `limit`.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn audit(&self, limit: usize) -> Result<Vec<AuditEvent>> {
        match self.inner.activity.flush() {
            // The store's own log is whole all the same.
            Err(error) if error.code() != Code::AuditUnavailable => Err(error),
            _ => self.inner.store.audit(limit),
        }
    }

    /// Accepts what the store holds now as its history, after `STORE_HISTORY_CHANGED`: in every process. As
    /// [`Store::adopt`], and the audit log says so.
    ///
    /// # Errors
    /// A `STORE_*` code by cause, `AUDIT_UNAVAILABLE`.
    pub fn adopt_store(&self) -> Result<()> {
        self.inner.mutate_outside("store.adopted", || self.inner.store.adopt())
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }
}

fn open_store(location: &StoreLocation) -> Result<Arc<dyn Store>> {
    match location {
        StoreLocation::Memory => Ok(Arc::new(MemoryStore::new()?)),
        StoreLocation::Custom(store) => Ok(Arc::clone(store)),
        #[cfg(feature = "sqlite")]
        StoreLocation::Path(path) => Ok(Arc::new(crate::store::SqliteStore::open(path)?)),
        #[cfg(not(feature = "sqlite"))]
        StoreLocation::Path(_) => Err(Error::with(Code::UnsupportedOption, "this build has no SQLite store")),
        #[cfg(feature = "postgres")]
        StoreLocation::Postgres(url) => {
            use crate::store::{PostgresOptions, PostgresStore};
            Ok(Arc::new(PostgresStore::open(PostgresOptions::parse(url.expose())?)?))
        }
        #[cfg(not(feature = "postgres"))]
        StoreLocation::Postgres(_) => Err(Error::with(Code::UnsupportedOption, "this build has no PostgreSQL store")),
    }
}

impl Config {
    fn new(options: &Options) -> Result<Self> {
        for name in &options.extra_headers {
            let reserved = ["authorization", &crate::keys::LEGACY_HEADER.to_ascii_lowercase()];
            let token =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            if !token || reserved.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(Error::with(Code::InvalidArgument, "extra_headers holds a name that can't be used"));
            }
        }
        let compile = |spec: &Option<RequirementSpec>| spec.as_ref().map(Requirement::compile).transpose();
        Ok(Self {
            extra_headers: options.extra_headers.clone(),
            local_is_secure: options.local_is_secure,
            memo_chosen: options.memo_chosen,
            chosen_failures_per_minute: options.chosen_failures_per_minute,
            write: compile(&options.write_requirement)?,
            admin: compile(&options.admin_requirement)?,
            enforcement: options.enforcement,
            mode: options.mode,
            max_hash_memory: options.max_hash_memory,
            payment_required: options.payment_required,
            challenges: Challenges::new(&options.realm)?,
        })
    }
}

impl Inner {
    fn load(&self) -> Result<()> {
        self.index.in_turn(|| self.rebuild_in_turn())
    }

    /// The key of this identity, when nothing is being changed.
    pub(crate) fn key_by_id(&self, id: Id) -> Option<Found<'_>> {
        self.index.settled(|| self.index.by_id(id)).flatten()
    }

    /// Whether what is in memory shows every commit, by any process, that returned before. Unless it may `wait` (for
    /// the store, microseconds as a rule), also `false` when only waiting could tell.
    #[inline]
    pub(crate) fn is_fresh(&self, wait: bool) -> Result<bool> {
        match self.store.generation_now()? {
            Some(current) => Ok(self.index.generation() >= current),
            None => Ok(wait && self.is_fresh_by_asking()?),
        }
    }

    #[cold]
    fn is_fresh_by_asking(&self) -> Result<bool> {
        // What is to be read anyway need not be asked for first.
        Ok(!self.store.has_news() && self.index.generation() >= self.store.generation()?)
    }

    /// The freshness step: afterwards, what is in memory shows every commit, by any process, that returned before.
    #[inline]
    pub(crate) fn refresh(&self) -> Result<()> {
        if self.is_fresh(true)? { Ok(()) } else { self.catch_up() }
    }

    #[cold]
    fn catch_up(&self) -> Result<()> {
        self.watch();
        self.index.in_turn(|| self.catch_up_in_turn())
    }

    /// Only in [turn](Index::in_turn).
    pub(crate) fn catch_up_in_turn(&self) -> Result<()> {
        // Somebody may have, while this thread waited.
        if self.is_fresh(true)? {
            return Ok(());
        }
        let changes = self.store.changes_since(self.index.generation())?;
        let mut generation = changes.generation;
        match changes.keys {
            KeyChanges::Only(keys) if !self.index.is_torn() => self.index.apply(&keys, &self.compiler),
            KeyChanges::Only(_) | KeyChanges::Everything => {
                generation = self.index.rebuild(&self.compiler, |each| self.store.load(each))?;
            }
        }
        if changes.license {
            self.reload_license()?;
            self.license.wake_keeper();
        }
        self.index.publish(generation);
        Ok(())
    }

    /// Reads everything anew. Only in [turn](Index::in_turn).
    pub(crate) fn rebuild_in_turn(&self) -> Result<()> {
        let generation = self.index.rebuild(&self.compiler, |each| self.store.load(each))?;
        self.reload_license()?;
        self.index.publish(generation);
        Ok(())
    }

    fn reload_license(&self) -> Result<()> {
        self.store.read(&mut |reader| self.license.reload(reader))?;
        self.seen.want(self.license.is_installed());
        Ok(())
    }

    /// Records that something was refused with `code` (or would have been): to the host's sink at once, to the store and
    /// the audit file with the next batch. Nothing is allocated when there is no room for it.
    pub(crate) fn audit_with(
        &self,
        event: &str,
        actor: &str,
        subject: &str,
        detail: &str,
        code: Code,
        now: Option<i64>,
    ) {
        self.activity.note(Draft {
            at: clock::resolve(now),
            event,
            actor,
            subject,
            hides_subject: false,
            detail,
            code,
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last uses would be lost otherwise.
        self.activity.close();
    }
}

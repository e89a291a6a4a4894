//! The revocation page of a store: which one is mapped, which one counts, and how one takes another's place.
//!
//! The database names its page (`meta.page`), so that a page counts only if it has the path *and* the name. Both change
//! under the write lock alone. What can go wrong is that some process still maps a former page, and so believes in
//! counters that nobody raises any more. Hence:
//!
//! * Whoever makes a page marks the one that it replaces as recycled, if it has it mapped: then nobody believes it.
//! * A page at the path that does not count is recycled as well, and its successor is new whatever the database says: the
//!   database may be a copy that was put in the place of the one whose page it is.
//! * Otherwise the new page is *new*, not *settled*, and every writer that finds it so returns only when [`SETTLE_MS`]
//!   have passed since it saw the page first. By then each reader has polled (it does so every second), and has found
//!   that its page has lost its path. The first writer that has waited settles the page. No clock is compared with
//!   another process's, so that no clock can make a writer wait longer.
//! * A writer that can neither map nor make a page names none, and waits in the same way.
//!
//! A page whose `clean` is above the database is evidence that the database is older than it was, whether it is the
//! one that is named or not: nothing is ever in `clean` that was not committed.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use inspire_auth_platform::{
    clock::monotonic_millis,
    page::{NewPage, Page},
};
use rusqlite::{Connection, params, types::ValueRef};

use super::{
    faults::{Fault, from_sqlite_at},
    freshness::{Mark, POLL_BOUND_MS, refusal},
};
use crate::{
    error::Result,
    id::{Id, fill_random},
};

/// How long after a former page lost its path nobody believes it any more: the bound within which every reader polls,
/// and two ticks of the coarse clock by which both are measured.
const SETTLE_MS: u64 = POLL_BOUND_MS + 20;
/// How many pages a handle maps in its life, before it does without: each is kept until the handle's end, so that a
/// check needs no count of who still looks at it.
const SLOTS: usize = 64;
/// Counters above this are damage. (An adoption's generation is below 2^53 for two centuries.)
const LIMIT: u64 = 1 << 62;

/// What the database says about its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// There is none, and nobody maps a former one.
    Nothing,
    /// There is none any more, but a former one may still be mapped. Such states are told apart by random bytes.
    Abandoned([u8; 8]),
    /// The page of this id.
    Page([u8; 16]),
}

impl Named {
    pub(super) fn read(value: ValueRef<'_>) -> Self {
        let blob = value.as_blob().unwrap_or_default();
        match (value, <[u8; 16]>::try_from(blob), <[u8; 8]>::try_from(blob)) {
            (ValueRef::Null, ..) => Self::Nothing,
            (_, Ok(id), _) => Self::Page(id),
            (_, _, Ok(mark)) => Self::Abandoned(mark),
            // A foreign writer's doing: no page can be named like this, and one may be mapped.
            _ => Self::Abandoned([0; 8]),
        }
    }

    fn write(self, transaction: &Connection) -> Result<()> {
        let blob: Option<&[u8]> = match &self {
            Self::Nothing => None,
            Self::Abandoned(mark) => Some(mark),
            Self::Page(id) => Some(id),
        };
        transaction.prepare_cached("UPDATE meta SET page = ?1").fault()?.execute(params![blob]).fault()?;
        Ok(())
    }
}

/// The pages of one handle.
#[derive(Debug)]
pub(super) struct Pages {
    path: PathBuf,
    database: PathBuf,
    slots: [OnceLock<Option<Page>>; SLOTS],
    /// One more than the slot that counts; 0 for none.
    current: AtomicUsize,
    /// The state without a page that this handle found last, and when it found it first.
    abandoned: ArcSwapOption<([u8; 8], u64)>,
}

/// How a writer will tell the others.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    named: Named,
    store: [u8; 16],
    /// The database's generation before.
    committed: u64,
    /// The largest number ever announced.
    pub(super) floor: i64,
    /// The page that counts; `None` when one is to be made.
    page: Option<Use<'a>>,
    /// No process maps any page but the one that counts, or those that [`Plan::retire`] retires.
    settled: bool,
    /// Mapped here, and not the page that counts: it lost its path, or the database never named it.
    former: Option<&'a Page>,
    /// At the path and in use, though this database does not name it: hosts of the one that did may believe it.
    stray: Option<Page>,
}

impl Plan<'_> {
    /// Sends whoever believes a page that does not count back to the database. To be called before the commit.
    fn retire(&self) {
        for page in self.former.into_iter().chain(&self.stray) {
            page.recycle();
        }
    }
}

/// What a writer still owes when its commit is done: to wait until nobody maps a former page.
#[derive(Debug)]
#[must_use]
pub(super) struct Owed<'a> {
    page: Option<Use<'a>>,
    /// By [`monotonic_millis`].
    until: u64,
}

/// A page that is mapped for as long as the handle lives or, when it has kept too many, for one transaction.
#[derive(Debug)]
enum Use<'a> {
    Kept(&'a Page),
    Once(Box<Page>),
}

impl Deref for Use<'_> {
    type Target = Page;

    fn deref(&self) -> &Page {
        match self {
            Self::Kept(page) => page,
            Self::Once(page) => page,
        }
    }
}

impl Pages {
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".gen");
        Self {
            path: path.into(),
            database: database.to_owned(),
            slots: [const { OnceLock::new() }; SLOTS],
            current: AtomicUsize::new(0),
            abandoned: ArcSwapOption::empty(),
        }
    }

    /// The page that counts, as of the last poll.
    #[inline]
    pub(super) fn current(&self) -> Option<&Page> {
        let slot = self.current.load(Ordering::Acquire).checked_sub(1)?;
        self.slots.get(slot)?.get()?.as_ref()
    }

    /// What the page that is mapped knows to be committed in `store`; 0 without one. To be asked *before* the database.
    pub(super) fn clean(&self, store: &[u8; 16]) -> u64 {
        self.current().filter(|page| page.store() == store && sane(page)).map_or(0, |page| page.counters().clean())
    }

    /// Drops the page when its file lost its name or its size.
    pub(super) fn look(&self) {
        let slot = self.current.load(Ordering::Acquire);
        if self.current().is_some_and(|page| !page.is_at(&self.path)) {
            // Unless another lane has installed another meanwhile.
            let _ = self.current.compare_exchange(slot, 0, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Keeps `page` as the one that counts. Called under a lane (so never beside a fork, which waits for every lane).
    fn install(&self, page: Page) -> Option<Use<'_>> {
        let mut page = Some(page);
        for (index, slot) in self.slots.iter().enumerate() {
            let kept = slot.get_or_init(|| page.take()).as_ref();
            let is_it = |kept: &&Page| page.as_ref().is_none_or(|page| kept.same_file(page) && kept.id() == page.id());
            if let Some(kept) = kept.filter(is_it) {
                self.current.store(index.saturating_add(1), Ordering::Release);
                return Some(Use::Kept(kept));
            }
        }
        page.map(|page| Use::Once(Box::new(page)))
    }

    fn open(&self, store: &[u8; 16]) -> Option<Page> {
        Page::open(&self.path, &self.database).ok().filter(|page| page.store() == store)
    }

    /// Leaves the page mapped that the database names, if it can be. Called under a lane, by whoever has just read
    /// `named`, or is about to rely on the page for another second.
    pub(super) fn follow(&self, named: Named, store: &[u8; 16]) {
        let named_one =
            |page: &Page| Named::Page(*page.id()) == named && page.store() == store && page.is_at(&self.path);
        if !self.current().is_some_and(named_one) {
            self.current.store(0, Ordering::Release);
            if !matches!(named, Named::Page(_)) {
                return;
            }
            let Some(page) = self.open(store).filter(named_one) else { return };
            self.install(page);
        }
        if let Some(page) = self.current()
            && !page.is_settled()
            && age(page.since()) >= SETTLE_MS
        {
            page.settle();
        }
    }

    /// What a page at the path knows to be committed in `store`, whether the database names it or not; 0 without one.
    pub(super) fn evidence(&self, store: &[u8; 16]) -> u64 {
        self.open(store).filter(sane).map_or(0, |page| page.counters().clean())
    }

    /// How a writer that holds the write lock will tell the others, once it has written.
    ///
    /// # Errors
    /// `STORE_HISTORY_CHANGED` when a page shows that the database is older than it was, unless `adopting`.
    pub(super) fn plan(&self, named: Named, mark: &Mark, adopting: bool) -> Result<Plan<'_>> {
        let committed = u64::try_from(mark.generation).unwrap_or(0);
        let counts = |page: &&Page| {
            Named::Page(*page.id()) == named && page.is_at(&self.path) && page.store() == &mark.store && sane(page)
        };
        let mut floor = committed;
        let mut evidence = |page: &Page| {
            if page.store() == &mark.store && sane(page) {
                let clean = page.counters().clean();
                if clean > committed && !adopting {
                    return Err(refusal());
                }
                floor = floor.max(page.counters().floor().unwrap_or(clean));
            }
            Ok(())
        };
        // Mapped here: the one that counts, or one that lost its path meanwhile.
        let mapped = self.current().filter(|page| !page.is_cut(&self.path));
        mapped.map_or(Ok(()), &mut evidence)?;
        let mut page = mapped.filter(counts).map(Use::Kept);
        let mut stray = None;
        if page.is_none()
            && let Some(found) = self.open(&mark.store)
        {
            evidence(&found)?;
            if counts(&&found) {
                page = self.install(found);
            } else if !found.is_recycled() {
                stray = Some(found);
            }
        }
        let former = mapped.filter(|mapped| !page.as_ref().is_some_and(|page| page.same_file(mapped)));
        let heirless = former.filter(|former| Named::Page(*former.id()) == named);
        let settled = match (page.as_deref().or(heirless), named) {
            // The database's word is about the pages of *this* database; a page of another copy of it lies here too.
            _ if stray.is_some() => false,
            (Some(page), _) => page.is_settled() || age(page.since()) >= SETTLE_MS,
            (None, Named::Nothing) => true,
            (None, Named::Abandoned(mark)) => age(self.abandoned_since(mark)) >= SETTLE_MS,
            (None, Named::Page(_)) => false,
        };
        let floor = i64::try_from(floor).unwrap_or(mark.generation);
        Ok(Plan { named, store: mark.store, committed, floor, page, settled, former, stray })
    }

    /// When this handle found this state without a page first.
    fn abandoned_since(&self, mark: [u8; 8]) -> u64 {
        match self.abandoned.load().as_deref() {
            Some((known, since)) if *known == mark => *since,
            _ => {
                let now = monotonic_millis();
                self.abandoned.store(Some(Arc::new((mark, now))));
                now
            }
        }
    }

    /// Commits `transaction`, which leads to `generation`, and tells everybody as planned. The lane may be let go then,
    /// and what is owed is to be paid before the caller is told that it is done.
    ///
    /// # Errors
    /// Those of the commit, after which nothing has changed but for a number that is burnt.
    pub(super) fn commit<'a>(
        &'a self,
        mut plan: Plan<'a>,
        transaction: rusqlite::Transaction<'_>,
        generation: i64,
    ) -> Result<Option<Owed<'a>>> {
        let generation = u64::try_from(generation).unwrap_or(0);
        let commit = |transaction: rusqlite::Transaction<'_>| {
            transaction.commit().map_err(|error| from_sqlite_at(&error, &self.database))
        };
        plan.retire();
        // The transaction may have taken long: not a byte is touched of a page that was cut meanwhile.
        if plan.page.as_ref().is_some_and(|page| page.is_cut(&self.path)) {
            (plan.page, plan.settled) = (None, false);
        }
        if let Some(page) = plan.page {
            page.counters().commit(generation, || commit(transaction))?;
            return Ok(owed(page, plan.settled));
        }
        self.current.store(0, Ordering::Release);
        if let Some(page) = self.make(&plan) {
            Named::Page(*page.id()).write(&transaction)?;
            page.counters().commit(generation, || commit(transaction))?;
            return Ok(self.install(page).and_then(|page| owed(page, plan.settled)));
        }
        let named = match plan.named {
            _ if plan.settled => Named::Nothing,
            Named::Abandoned(mark) => Named::Abandoned(mark),
            Named::Nothing | Named::Page(_) => {
                let mut mark = [0; 8];
                fill_random(&mut mark)?;
                Named::Abandoned(mark)
            }
        };
        if named != plan.named {
            named.write(&transaction)?;
        }
        commit(transaction)?;
        Ok(match named {
            // The time runs from the commit, unless it was running already.
            Named::Abandoned(mark) => {
                Some(Owed { page: None, until: self.abandoned_since(mark).saturating_add(SETTLE_MS) })
            }
            Named::Nothing | Named::Page(_) => None,
        })
    }

    /// Makes a page, where there is none that counts and one can be made, in the open transaction, and commits it. The
    /// generation stays.
    ///
    /// # Errors
    /// Those of the transaction; `STORE_HISTORY_CHANGED`. None of them keeps the store from working without a page.
    pub(super) fn provide(&self, transaction: rusqlite::Transaction<'_>, named: Named, mark: &Mark) -> Result<()> {
        let forbidden = std::io::ErrorKind::PermissionDenied;
        let plan = self.plan(named, mark, false)?;
        // A page that only others may use is theirs; without one of our own nothing gets better by naming none.
        let theirs = || Page::open(&self.path, &self.database).is_err_and(|error| error.kind() == forbidden);
        if plan.page.is_some() || theirs() {
            return Ok(());
        }
        let Some(page) = self.make(&plan) else { return Ok(()) };
        plan.retire();
        Named::Page(*page.id()).write(&transaction)?;
        transaction.commit().fault()?;
        self.install(page);
        Ok(())
    }

    fn make(&self, plan: &Plan<'_>) -> Option<Page> {
        let new = NewPage {
            store: plan.store,
            id: Id::random().ok()?.to_bytes(),
            committed: plan.committed,
            floor: u64::try_from(plan.floor).unwrap_or(0),
            settled: plan.settled,
        };
        Page::create(&self.path, &self.database, &new).ok()
    }
}

/// What is owed under the page that counts.
fn owed(page: Use<'_>, settled: bool) -> Option<Owed<'_>> {
    if settled {
        if !page.is_settled() {
            page.settle();
        }
        return None;
    }
    let until = page.since().saturating_add(SETTLE_MS);
    Some(Owed { page: Some(page), until })
}

impl Owed<'_> {
    /// Waits, a second at most.
    pub(super) fn pay(self) {
        loop {
            let left = self.until.saturating_sub(monotonic_millis());
            if left == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(left));
        }
        if let Some(page) = self.page {
            page.settle();
        }
    }
}

/// How long ago that was, in milliseconds.
fn age(since: u64) -> u64 {
    monotonic_millis().saturating_sub(since)
}

/// Whether what the counters say can be.
fn sane(page: &Page) -> bool {
    page.counters().floor().is_none_or(|floor| floor <= LIMIT) && page.counters().clean() <= LIMIT
}

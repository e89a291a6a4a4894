//! The decision about one request.
//!
//! ```text
//! parse -> fresh? -> find by name -> secret -> fresh still? -> enabled, not expired -> channel -> levels -> entitlement
//! ```
//!
//! Nothing but the very last line of [`Inner::judge`] grants. A name alone reveals nothing: what is particular to a key
//! is looked at only behind its right secret, and until then a key that does not exist takes the same steps as one that
//! does (`docs/decisions/0014-a-refusal-takes-one-time.md`).

use std::{hint::black_box, sync::Arc};

use inspire_auth_platform::{clock::monotonic_millis, memory::Spare};
use zeroize::Zeroizing;

use super::{
    Principal,
    budget::Try,
    credential::{self, Credential as Presented, Located},
    denial::{Asked, Decision, Denied, Reason},
    generate,
    hash::Verdict,
    index::{Found, Mark, Record},
    levels::{LevelSet, Requirement},
    mac::Digest,
    pool::{Cost, Flight, FlightKey, Run},
    request::{Channel, Request},
    ticket::{Attempt, Ticket},
};
use crate::{
    auth::{Inner, InspireAuth},
    clock,
    error::{Code, Error, Result},
    id::Id,
};

/// How often a check starts over because the credential's hash was replaced under it.
const MAX_ATTEMPTS: u8 = 4;

/// Where a decision stands.
pub(crate) enum Progress {
    /// Taken.
    Decided(Decision),
    /// Waiting for a slow hash.
    Hashing(Pending, Arc<Flight>),
}

/// A request whose secret is being hashed: everything that the rest of the decision needs.
pub(crate) struct Pending {
    name: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    digest: Digest,
    terms: Terms,
    /// The credential in question, and the mark of the hash that is being checked.
    credential: Id,
    mark: Mark,
    tried: Tried,
    attempts: u8,
}

/// What has been tried of a key so far. One of its credentials says nothing about another: the next one may be right.
#[derive(Clone, Default)]
struct Tried {
    /// Credentials that are out of the question: the secret is not theirs, or they can't be asked.
    out: Vec<Id>,
    setback: Option<Setback>,
}

/// Why a credential could not be asked. It is the answer if no other one is right.
#[derive(Clone, Copy)]
enum Setback {
    /// Its stored hash can't be checked; the reason is for the audit only.
    Unusable(&'static str),
    /// As many wrong secrets as a human-chosen one stands: whether this one is right is not known.
    Spent,
}

impl Tried {
    fn rule_out(&mut self, credential: Id, setback: Option<Setback>) {
        self.out.push(credential);
        self.setback = match (self.setback, setback) {
            // What may have been right is no wrong secret.
            (Some(Setback::Spent), _) | (_, Some(Setback::Spent)) => Some(Setback::Spent),
            (before, now) => before.or(now),
        };
    }
}

/// What the budget of a human-chosen secret says to one who has used it up.
const SPENT: &str = "too many wrong secrets for this key in this minute";

/// What a request asks for besides being who it says, owned.
pub(crate) struct Terms {
    channel: Channel,
    requirement: Requirement,
    entitlement: Option<String>,
    now: Option<i64>,
}

/// The same, borrowed: the warm path owns nothing.
#[derive(Clone, Copy)]
pub(super) struct TermsRef<'a> {
    pub(super) channel: Channel,
    pub(super) requirement: &'a Requirement,
    pub(super) entitlement: Option<&'a str>,
    pub(super) now: Option<i64>,
}

impl Terms {
    fn borrow(&self) -> TermsRef<'_> {
        TermsRef {
            channel: self.channel,
            requirement: &self.requirement,
            entitlement: self.entitlement.as_deref(),
            now: self.now,
        }
    }
}

impl<'a> TermsRef<'a> {
    const fn of(request: &Request<'a>) -> Self {
        Self {
            channel: request.channel,
            requirement: request.requirement,
            entitlement: request.entitlement,
            now: request.now,
        }
    }

    fn to_owned(self) -> Terms {
        Terms {
            channel: self.channel,
            requirement: self.requirement.clone(),
            entitlement: self.entitlement.map(str::to_owned),
            now: self.now,
        }
    }
}

/// What memory knows of a presented secret.
enum Known<'i> {
    /// It is this credential's.
    Right(Found<'i>),
    /// It is none's.
    Wrong,
    /// It may be this one's; only the stored hash can tell.
    Cold(Found<'i>),
}

impl InspireAuth {
    /// Decides one request. Blocks while a key is seen for the first time (Argon2, some 20 ms); a warm or refused
    /// request is decided in well under a microsecond beside the store's freshness.
    ///
    /// # Errors
    /// Every refusal is an error, with the code of the table in the manual: `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`,
    /// `INVALID_CREDENTIAL`, `SECURE_CHANNEL_REQUIRED`, `INSUFFICIENT_LEVEL`, a license reason, `BUSY`, `STORE_*`.
    #[inline]
    pub fn authenticate(&self, request: &Request<'_>) -> Result<Principal> {
        self.authenticate_and(request, |principal| *principal)
    }

    /// As [`InspireAuth::authenticate`], and makes something else of the principal where it lies: for a binding, which would
    /// copy it a second time.
    ///
    /// # Errors
    /// As [`InspireAuth::authenticate`].
    #[inline]
    pub fn authenticate_and<T>(&self, request: &Request<'_>, granted: impl Fn(&Principal) -> T) -> Result<T> {
        match self.inner.decide_from_memory(request, true, &granted) {
            Some(decided) => decided.map_err(Error::from),
            None => self.authenticate_cold(request).map(|principal| granted(&principal)).map_err(Error::from),
        }
    }

    #[cold]
    fn authenticate_cold(&self, request: &Request<'_>) -> Decision {
        let mut progress = self.inner.begin(request);
        loop {
            match progress {
                Progress::Decided(decision) => return decision,
                Progress::Hashing(pending, flight) => {
                    let verdict = flight.wait(None).unwrap_or(Verdict::NoMemory);
                    progress = self.inner.resume(pending, verdict);
                }
            }
        }
    }

    /// Decides one request from memory alone: at once, or not at all.
    ///
    /// `None` when something slow comes first: the store has changed and is to be read, or the secret has not been seen
    /// before. Then [`InspireAuth::authenticate`] decides, where waiting is allowed. This is for hosts that hold a lock
    /// which a slow call must let go, such as an interpreter's.
    #[inline]
    #[must_use]
    pub fn authenticate_warm(&self, request: &Request<'_>) -> Option<Result<Principal>> {
        self.authenticate_warm_and(request, |principal| *principal)
    }

    /// As [`InspireAuth::authenticate_warm`], and makes something else of the principal where it lies.
    #[inline]
    #[must_use]
    pub fn authenticate_warm_and<T>(
        &self,
        request: &Request<'_>,
        granted: impl Fn(&Principal) -> T,
    ) -> Option<Result<T>> {
        self.inner.decide_from_memory(request, false, &granted).map(|decided| decided.map_err(Error::from))
    }

    /// Decides one request without ever blocking on a hash: a warm or refused one is answered at once, a cold one
    /// gives a ticket.
    #[must_use]
    pub fn authenticate_no_wait(&self, request: &Request<'_>) -> Attempt {
        match self.inner.decide_from_memory(request, true, &|principal| *principal) {
            Some(decided) => Attempt::Done(decided.map_err(Error::from)),
            None => self.begin_cold(request),
        }
    }

    #[cold]
    fn begin_cold(&self, request: &Request<'_>) -> Attempt {
        match self.inner.begin(request) {
            Progress::Decided(decision) => Attempt::Done(decision.map_err(Error::from)),
            Progress::Hashing(pending, flight) => {
                Attempt::Pending(Ticket::new(Arc::clone(&self.inner), pending, flight))
            }
        }
    }
}

impl Inner {
    /// With `wait` it may ask the store, which takes microseconds when the store's own memory does not tell.
    #[inline]
    fn decide_from_memory<T>(
        &self,
        request: &Request<'_>,
        wait: bool,
        granted: &impl Fn(&Principal) -> T,
    ) -> Option<Result<T, Denied>> {
        let terms = TermsRef::of(request);
        let and_granted =
            |decided: Option<Decision>| decided.map(|decided| decided.map(|principal| granted(&principal)));
        let located = match credential::locate(&request.presented, &self.config.extra_headers) {
            Ok(located) => located,
            Err(refusal) => return and_granted(self.decide_without_credential(terms, refusal, wait)),
        };
        match self.is_fresh(wait) {
            Ok(true) => {}
            Ok(false) => return self.decide_malformed(located, terms).map(Err),
            Err(error) => return Some(Err(self.deny_unread(located, error, terms))),
        }
        // The look-up first: its loads then run beside the digest, which is all arithmetic.
        let found = self.index.find_at_once(self.index.tag_of(located.name()))?;
        // Digested whether or not there is a key, so that an unknown name costs what a known one does.
        let digest = self.compiler.mac.digest(located.key());
        let now = clock::resolve(terms.now);
        if found.is_right(digest, now) {
            return Some(self.judge(&found, located.name(), terms, now, granted));
        }
        and_granted(self.decide_other(located, &found, digest, terms, now))
    }

    /// Decides what is not the right secret of a key's first credential, known to be right.
    #[inline(never)]
    fn decide_other(
        &self,
        located: Located<'_>,
        found: &Found<'_>,
        digest: Digest,
        terms: TermsRef<'_>,
        now: i64,
    ) -> Option<Decision> {
        let presented = match located.checked() {
            Ok(presented) => presented,
            Err(malformed) => {
                let asked = Asked::new(located.name(), found.exists);
                return Some(Err(self.deny_request(Error::new(malformed), asked, now)));
            }
        };
        match &self.recall_other(found, &presented, digest, &[], now) {
            Some(Known::Wrong) => {
                let asked = Asked::new(presented.name, found.exists);
                Some(Err(self.deny_credential(asked, Reason::WrongSecret(presented.key), now)))
            }
            Some(Known::Right(found)) => Some(self.judge_right(found, presented.name, terms, now)),
            Some(Known::Cold(_)) | None => None,
        }
    }

    #[inline(never)]
    fn decide_without_credential(&self, terms: TermsRef<'_>, refusal: Code, wait: bool) -> Option<Decision> {
        if !may_be_anonymous(terms, refusal) {
            return Some(Err(self.deny_request(Error::new(refusal), Asked::NOTHING, clock::resolve(terms.now))));
        }
        match self.is_fresh(wait) {
            Ok(true) => Some(self.anonymous(terms)),
            Ok(false) => None,
            Err(error) => Some(Err(self.deny_request(error, Asked::NOTHING, clock::resolve(terms.now)))),
        }
    }

    /// Before the store is read again: what is malformed is so whatever it holds.
    #[cold]
    fn decide_malformed(&self, located: Located<'_>, terms: TermsRef<'_>) -> Option<Denied> {
        let malformed = located.checked().err()?;
        Some(self.deny_request(Error::new(malformed), self.asked(located.name()), clock::resolve(terms.now)))
    }

    /// The store can't be asked; what is malformed is so all the same.
    #[cold]
    fn deny_unread(&self, located: Located<'_>, error: Error, terms: TermsRef<'_>) -> Denied {
        let error = located.checked().err().map_or(error, Error::new);
        self.deny_request(error, self.asked(located.name()), clock::resolve(terms.now))
    }

    /// Decides as far as memory goes, after reading what has changed.
    pub(super) fn begin(&self, request: &Request<'_>) -> Progress {
        let terms = TermsRef::of(request);
        let (name, presented) = match credential::locate(&request.presented, &self.config.extra_headers) {
            Ok(located) => (located.name(), located.checked()),
            Err(refusal) => (&[][..], Err(refusal)),
        };
        let is_anonymous = presented.is_err_and(|refusal| may_be_anonymous(terms, refusal));
        let denied = match presented {
            Err(refusal) if !is_anonymous => Some(Error::new(refusal)),
            _ => self.refresh().err(),
        };
        if let Some(error) = denied {
            return Progress::Decided(Err(self.deny_request(error, self.asked(name), clock::resolve(terms.now))));
        }
        match presented {
            Ok(presented) => {
                let digest = self.compiler.mac.digest(presented.key);
                self.look_up(presented, digest, terms, Tried::default(), 0)
            }
            Err(_) => Progress::Decided(self.anonymous(terms)),
        }
    }

    /// Goes on when the slow hash has answered.
    pub(crate) fn resume(&self, pending: Pending, verdict: Verdict) -> Progress {
        // Somebody may have revoked it while we were hashing: only what is true now counts.
        let refreshed = self.refresh();
        let now = clock::resolve(pending.terms.now);
        if let Err(error) = refreshed {
            return self.refused(error, Asked::known(&pending.name), now);
        }
        let all = match self.credentials_named(&pending.name) {
            Ok(all) => all,
            Err(error) => return self.refused(error, Asked::known(&pending.name), now),
        };
        let found = all.into_iter().find(|found| found.exists && found.record.credential == pending.credential);
        match verdict {
            Verdict::Right { renew } => {
                let Some(found) = found.filter(|found| found.record.is_alive(now)) else {
                    return self.wrong(
                        Asked::known(&pending.name),
                        Reason::This("it was revoked while its secret was being checked"),
                        now,
                    );
                };
                if found.record.mark != pending.mark {
                    // Another hash stands there now. Perhaps it was renewed, perhaps it is another secret's.
                    return self.start_over(pending);
                }
                if !found.record.is_chosen() || self.config.memo_chosen {
                    self.index.learn(&found, pending.digest);
                }
                if renew {
                    self.renew(&found, &pending.key);
                }
                Progress::Decided(self.judge_right(&found, &pending.name, pending.terms.borrow(), now))
            }
            Verdict::Wrong => {
                if found.is_some_and(|found| found.record.mark != pending.mark) {
                    return self.start_over(pending);
                }
                self.go_on_without(pending, None)
            }
            Verdict::Unusable(reason) => self.go_on_without(pending, Some(Setback::Unusable(reason))),
            Verdict::Moved => self.start_over(pending),
            Verdict::NoMemory => self.refused(Error::new(Code::Busy), Asked::known(&pending.name), now),
            Verdict::Failed(code) => self.refused(Error::new(code), Asked::known(&pending.name), now),
        }
    }

    /// Rules this credential out, and asks the next one.
    fn go_on_without(&self, mut pending: Pending, setback: Option<Setback>) -> Progress {
        pending.tried.rule_out(pending.credential, setback);
        let Pending { name, key, digest, terms, tried, attempts, .. } = pending;
        self.look_up(Presented { name: &name, key: &key }, digest, terms.borrow(), tried, attempts)
    }

    fn start_over(&self, pending: Pending) -> Progress {
        let attempts = pending.attempts.saturating_add(1);
        if attempts >= MAX_ATTEMPTS {
            return self.refused(
                Error::new(Code::Busy),
                Asked::known(&pending.name),
                clock::resolve(pending.terms.now),
            );
        }
        let Pending { name, key, digest, terms, tried, .. } = pending;
        self.look_up(Presented { name: &name, key: &key }, digest, terms.borrow(), tried, attempts)
    }

    /// Finds the key, and decides if memory knows the secret.
    fn look_up(
        &self,
        presented: Presented<'_>,
        digest: Digest,
        terms: TermsRef<'_>,
        tried: Tried,
        attempts: u8,
    ) -> Progress {
        let now = clock::resolve(terms.now);
        let name = self.index.tag_of(presented.name);
        let look = || {
            let found = self.index.find(name)?;
            // A memo that is right is found here too.
            let known = self.recall_other(&found, &presented, digest, &tried.out, now)?;
            Some((found.exists, known))
        };
        let Some((exists, known)) = self.index.settled(look) else {
            return self.refused(Error::new(Code::Internal), Asked::NOTHING, now);
        };
        match known {
            Known::Right(found) => Progress::Decided(self.judge_right(&found, presented.name, terms, now)),
            Known::Wrong => {
                let asked = Asked::new(presented.name, exists);
                match tried.setback {
                    Some(Setback::Spent) => self.refused(Error::with(Code::Busy, SPENT), asked, now),
                    Some(Setback::Unusable(reason)) => self.wrong(asked, Reason::This(reason), now),
                    None => self.wrong(asked, Reason::WrongSecret(presented.key), now),
                }
            }
            Known::Cold(found) => {
                let pending = Pending {
                    name: presented.name.to_vec(),
                    key: Zeroizing::new(presented.key.to_vec()),
                    digest,
                    terms: terms.to_owned(),
                    credential: found.record.credential,
                    mark: found.record.mark,
                    tried,
                    attempts,
                };
                self.check_hash(pending, &found.record)
            }
        }
    }

    /// What memory knows of a secret; `None` while the key is being changed. A refusal takes the same steps whatever is
    /// known of the name: the tag is always computed, and nothing branches before all that is known has been put together.
    ///
    /// Of several credentials that are to be asked, the first one whose tag is the secret's comes first: that one is
    /// nearly always right. One without a tag may be anybody's guess; asked first, its budget, or a slow hash, would
    /// stand in the way of the other's right secret.
    #[inline(never)]
    fn recall_other<'i>(
        &'i self,
        found: &Found<'i>,
        presented: &Presented<'_>,
        digest: Digest,
        out: &[Id],
        now: i64,
    ) -> Option<Known<'i>> {
        let tag = black_box(self.tagger.tag(presented.key));
        let (mut tagged, mut untagged) = (None, None);
        let (mut one, mut later);
        one = found;
        loop {
            let record = &one.record;
            let (is_known, memo) = record.memo();
            let right = is_known & memo.ct_eq(digest);
            // An unknown tag key means no tag, not a refusal.
            let cold = !is_known & record.may_have_tag(tag);
            // Opaque, or the compiler would branch on its parts.
            if black_box(one.exists & record.is_alive(now) & (right | cold)) {
                if right {
                    return Some(Known::Right(*one));
                }
                // The checksum only now: the tag has ruled out what nobody has, and this one takes as long again.
                if !out.contains(&record.credential) && generate::is_plausible(presented.key) {
                    let first = if record.is_tagged() { &mut tagged } else { &mut untagged };
                    first.get_or_insert(*one);
                }
            }
            match self.index.next(one) {
                Some(next) => later = next?,
                None => break,
            }
            one = &later;
        }
        // Nearly always there is none: said so, two records that are not there need not be moved.
        if tagged.is_none() && untagged.is_none() {
            return Some(Known::Wrong);
        }
        tagged.or(untagged).map(Known::Cold)
    }

    /// The credentials of the key of this name, or of another one, to be looked at in its place.
    ///
    /// # Errors
    /// `INTERNAL`, should a change that nobody ends keep it from being told.
    pub(super) fn credentials_named(&self, name: &[u8]) -> Result<Vec<Found<'_>>> {
        let name = self.index.tag_of(name);
        let all = self.index.settled(|| self.index.credentials(self.index.find(name)?));
        all.ok_or(Error::new(Code::Internal))
    }

    /// Asks the stored hash: at once when that is quick, else on the pool.
    fn check_hash(&self, pending: Pending, record: &Record) -> Progress {
        if record.cost() == 0 {
            return match self.one_try(record) {
                Ok(one_try) => {
                    let verdict = attempt(one_try, &mut Spare::default(), self.check(&pending));
                    self.resume(pending, verdict)
                }
                Err(_) => self.go_on_without(pending, Some(Setback::Spent)),
            };
        }
        let cost = Cost { bytes: record.cost(), untagged: !record.is_tagged() };
        // The pool's own refusal is another one: then there is no room for anybody's hash.
        let mut is_spent = false;
        let prepare = || -> Result<Run> {
            let one_try = self.one_try(record).inspect_err(|_| is_spent = true)?;
            let check = self.check(&pending);
            Ok(Box::new(move |spare| attempt(one_try, spare, check)))
        };
        let (mark, secret) = (pending.mark, pending.digest.to_bits());
        match self.pool.get().fly(FlightKey { credential: pending.credential, mark, secret }, cost, prepare) {
            Ok(flight) => Progress::Hashing(pending, flight),
            Err(_) if is_spent => self.go_on_without(pending, Some(Setback::Spent)),
            Err(error) => self.refused(error, Asked::known(&pending.name), clock::resolve(pending.terms.now)),
        }
    }

    /// One of the tries that a human-chosen secret allows.
    fn one_try(&self, record: &Record) -> Result<Option<Try>> {
        if !record.is_chosen() {
            return Ok(None);
        }
        match self
            .index
            .aside
            .failures(record.credential)
            .take(monotonic_millis(), self.config.chosen_failures_per_minute)
        {
            Some(one_try) => Ok(Some(one_try)),
            None => Err(Error::with(Code::Busy, SPENT)),
        }
    }

    /// What compares a presented secret with the stored hash.
    fn check(&self, pending: &Pending) -> impl FnOnce(&mut Spare) -> Verdict + Send + 'static {
        let (store, hasher, compiler) = (Arc::clone(&self.store), Arc::clone(&self.hasher), Arc::clone(&self.compiler));
        let (id, mark, key) = (pending.credential, pending.mark, pending.key.clone());
        move |spare| {
            let mut row = None;
            if let Err(error) = store.read(&mut |reader| {
                row = reader.credential(id)?;
                Ok(())
            }) {
                return Verdict::Failed(error.code());
            }
            match row {
                // Gone or replaced since the look-up: the decision starts over on what is there now.
                Some(row) if compiler.mark(&row.hash) == mark => hasher.verify(&row, &key, spare),
                _ => Verdict::Moved,
            }
        }
    }

    /// Judges a key on a path that is not the shortest: its code stands here once.
    #[inline(never)]
    fn judge_right(&self, found: &Found<'_>, name: &[u8], terms: TermsRef<'_>, now: i64) -> Decision {
        self.judge(found, name, terms, now, |principal| *principal)
    }

    fn wrong(&self, asked: Asked<'_>, reason: Reason<'_>, now: i64) -> Progress {
        Progress::Decided(Err(self.deny_credential(asked, reason, now)))
    }

    fn refused(&self, error: Error, asked: Asked<'_>, now: i64) -> Progress {
        Progress::Decided(Err(self.deny_request(error, asked, now)))
    }

    /// Replaces a hash that is weaker than new ones, on the pool. Best effort: next time is soon enough.
    ///
    /// Once for as long as the key stays as it is: all who asked together come here, and what can't be written now will
    /// not be by the next hash either.
    fn renew(&self, found: &Found<'_>, key: &Zeroizing<Vec<u8>>) {
        let record = found.record;
        // What was not sealed must not become sealed by being used.
        if record.is_unsealed() || !self.index.aside.begin_renewal(record.credential) {
            return;
        }
        let scheme = record.renewal();
        let (store, hasher, compiler) = (Arc::clone(&self.store), Arc::clone(&self.hasher), Arc::clone(&self.compiler));
        let (id, mark, secret) = (record.credential, record.mark, key.clone());
        let aside = self.index.aside.clone();
        let will_be_done = self.pool.get().chore(self.hasher.cost_of_new(scheme), move |spare| {
            let Ok(hashed) = hasher.hash(scheme, &secret, spare) else { return };
            aside.foresee_renewal(id, compiler.mark(&hashed.hash));
            let _ = store.write(&mut |tx| {
                let Some(mut row) = tx.key_by_id(record.id)? else { return Ok(()) };
                // Nor what was changed since.
                if !compiler.sealer.is_sealed(&row.key, &row.credentials) {
                    return Ok(());
                }
                let Some(stored) = row.credentials.iter_mut().find(|stored| stored.id == id) else { return Ok(()) };
                // Compare and set: whoever changed the hash meanwhile was right to.
                if compiler.mark(&stored.hash) != mark {
                    return Ok(());
                }
                stored.scheme = hashed.scheme;
                stored.hash.clone_from(&hashed.hash);
                stored.pepper_id.clone_from(&hashed.pepper_id);
                tx.update_credential(stored)?;
                compiler.sealer.seal(&mut row.key, &row.credentials);
                tx.update_key(&row.key)
            });
        });
        if !will_be_done {
            self.index.aside.give_up_renewal(record.credential);
        }
    }
}

/// Whether a request without exactly one credential may go on: only without any, where the requirement is `Public`.
fn may_be_anonymous(terms: TermsRef<'_>, refusal: Code) -> bool {
    refusal == Code::NoCredential && terms.requirement.is_satisfied_by(&LevelSet::anonymous())
}

/// Checks, within what is allowed.
fn attempt(one_try: Option<Try>, spare: &mut Spare, check: impl FnOnce(&mut Spare) -> Verdict) -> Verdict {
    match one_try {
        Some(one_try) => one_try.spend(|| check(spare)),
        None => check(spare),
    }
}

//! The decision about one request.
//!
//! ```text
//! parse -> fresh? -> find by name -> secret -> fresh still? -> enabled, not expired -> channel -> levels -> entitlement
//! ```
//!
//! Nothing but the very last line of [`Inner::judge`] grants. A name alone reveals nothing: what is particular to a key
//! is looked at only behind its right secret.

use std::sync::Arc;

use inspire_auth_platform::clock::monotonic_millis;
use zeroize::Zeroizing;

use super::{
    Principal,
    credential::{self, Credential as Presented},
    generate,
    hash::Verdict,
    index::{Credential, Entry, Held},
    levels::{LevelSet, Requirement},
    mac::Digest,
    pool::{Cost, Flight},
    request::{Channel, Request},
    ticket::{Attempt, Ticket},
};
use crate::{
    auth::{Inner, InspireAuth},
    clock,
    error::{Code, Error, Result},
    id::Id,
    options::Enforcement,
    store::Scheme,
};

/// How often a check starts over because the credential's hash was replaced under it.
const MAX_ATTEMPTS: u8 = 4;

/// Where a decision stands.
pub(crate) enum Progress {
    /// Taken.
    Decided(Result<Principal>),
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
    mark: Digest,
    /// Credentials of this key for which the secret has been found wrong.
    wrong: Vec<Id>,
    attempts: u8,
}

/// What a request asks for besides being who it says, owned.
pub(crate) struct Terms {
    channel: Channel,
    requirement: Requirement,
    entitlement: Option<String>,
    now: Option<i64>,
}

/// The same, borrowed: the warm path owns nothing.
#[derive(Clone, Copy)]
struct TermsRef<'a> {
    channel: Channel,
    requirement: &'a Requirement,
    entitlement: Option<&'a str>,
    now: Option<i64>,
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
enum Known<'e> {
    /// It is this credential's, of this key.
    Right(&'e Entry, &'e Credential),
    /// It is none's.
    Wrong(&'static str),
    /// It may be this one's; only the stored hash can tell.
    Cold(&'e Credential),
}

impl InspireAuth {
    /// Decides one request. Blocks while a key is seen for the first time (Argon2, some 20 ms); a warm or refused
    /// request is decided in well under a microsecond beside the store's freshness.
    ///
    /// # Errors
    /// Every refusal is an error, with the code of the table in the manual: `NO_CREDENTIAL`, `MALFORMED_CREDENTIAL`,
    /// `INVALID_CREDENTIAL`, `SECURE_CHANNEL_REQUIRED`, `INSUFFICIENT_LEVEL`, a license reason, `BUSY`, `STORE_*`.
    pub fn authenticate(&self, request: &Request<'_>) -> Result<Principal> {
        match self.inner.decide_from_memory(request, true) {
            Some(decided) => decided,
            None => self.authenticate_cold(request),
        }
    }

    #[cold]
    fn authenticate_cold(&self, request: &Request<'_>) -> Result<Principal> {
        let mut progress = self.inner.begin(request);
        loop {
            match progress {
                Progress::Decided(result) => return result,
                Progress::Hashing(pending, flight) => {
                    let verdict = flight.wait(None).unwrap_or(Verdict::NoMemory);
                    progress = self.inner.resume(pending, verdict);
                }
            }
        }
    }

    /// Decides one request from memory alone: at once, or not at all.
    ///
    /// `None` when something slow comes first: the store has changed and is to be read (or is to be asked whether it
    /// has, about once a second), or the secret has not been seen before. Then [`InspireAuth::authenticate`] decides, where waiting is allowed. This is for hosts that hold a lock
    /// which a slow call must let go, such as an interpreter's.
    #[must_use]
    pub fn authenticate_warm(&self, request: &Request<'_>) -> Option<Result<Principal>> {
        self.inner.decide_from_memory(request, false)
    }

    /// Decides one request without ever blocking on a hash: a warm or refused one is answered at once, a cold one
    /// gives a ticket.
    #[must_use]
    pub fn authenticate_no_wait(&self, request: &Request<'_>) -> Attempt {
        match self.inner.decide_from_memory(request, true) {
            Some(decided) => Attempt::Done(decided),
            None => self.begin_cold(request),
        }
    }

    #[cold]
    fn begin_cold(&self, request: &Request<'_>) -> Attempt {
        match self.inner.begin(request) {
            Progress::Decided(result) => Attempt::Done(result),
            Progress::Hashing(pending, flight) => {
                Attempt::Pending(Ticket::new(Arc::clone(&self.inner), pending, flight))
            }
        }
    }
}

impl Inner {
    /// With `wait` it may ask the store, which takes microseconds when the store's own memory does not tell.
    #[inline]
    fn decide_from_memory(&self, request: &Request<'_>, wait: bool) -> Option<Result<Principal>> {
        let terms = TermsRef::of(request);
        let located = match credential::locate(&request.presented, &self.config.extra_headers) {
            Ok(located) => located,
            Err(refusal) => return self.decide_without_credential(terms, refusal, wait),
        };
        let fresh = self.is_fresh(wait);
        if !matches!(fresh, Ok(true)) {
            return match located.checked() {
                Ok(_) => fresh.err().map(Err),
                Err(malformed) => Some(Err(Error::new(malformed))),
            };
        }
        // The look-up first: its loads then run beside the digest, which is all arithmetic.
        let held = self.index.hold(located.name());
        let entry = held.as_ref().and_then(Held::get);
        // Digested whether or not there is an entry, so that an unknown name costs what a known one does.
        let digest = self.compiler.mac.digest(located.key());
        let now = clock::resolve(terms.now);
        if let Some(entry) = entry
            && let Some(credential) = entry.credential_of(digest, now)
        {
            return Some(self.judge(entry, credential, terms, now));
        }
        let presented = match located.checked() {
            Ok(presented) => presented,
            Err(malformed) => return Some(Err(Error::new(malformed))),
        };
        match self.recall_other(entry, &presented, digest, &[], now) {
            Known::Right(entry, credential) => Some(self.judge(entry, credential, terms, now)),
            Known::Wrong(reason) => Some(Err(self.refusal(&presented, reason, now))),
            Known::Cold(_) => None,
        }
    }

    #[inline(never)]
    fn decide_without_credential(&self, terms: TermsRef<'_>, refusal: Code, wait: bool) -> Option<Result<Principal>> {
        if let Err(error) = may_be_anonymous(terms, refusal) {
            return Some(Err(error));
        }
        match self.is_fresh(wait) {
            Ok(true) => Some(self.anonymous(terms)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Decides as far as memory goes, after reading what has changed.
    fn begin(&self, request: &Request<'_>) -> Progress {
        let terms = TermsRef::of(request);
        let presented = match credential::read(&request.presented, &self.config.extra_headers) {
            Ok(presented) => presented,
            Err(refusal) => {
                let allowed = may_be_anonymous(terms, refusal).and_then(|()| self.refresh());
                return Progress::Decided(allowed.and_then(|()| self.anonymous(terms)));
            }
        };
        if let Err(error) = self.refresh() {
            return Progress::Decided(Err(error));
        }
        let digest = self.compiler.mac.digest(presented.key);
        self.look_up(presented, digest, terms, &[], 0)
    }

    /// Goes on when the slow hash has answered.
    pub(crate) fn resume(&self, mut pending: Pending, verdict: Verdict) -> Progress {
        // Somebody may have revoked it while we were hashing: only what is true now counts.
        if let Err(error) = self.refresh() {
            return Progress::Decided(Err(error));
        }
        let presented = Presented { name: &pending.name, key: &pending.key };
        let held = self.index.hold(&pending.name);
        let entry = held.as_ref().and_then(Held::get);
        let found = entry.and_then(|entry| {
            let credential = entry.credentials.iter().find(|credential| credential.id == pending.credential)?;
            Some((entry, credential))
        });
        let now = clock::resolve(pending.terms.now);
        match verdict {
            Verdict::Right { renew } => {
                let Some((entry, credential)) = found.filter(|(_, credential)| now < credential.not_after) else {
                    return self.refused(&presented, "it was revoked while its secret was being checked", now);
                };
                if !credential.mark.ct_eq(pending.mark) {
                    // Another hash stands there now. Perhaps it was renewed, perhaps it is another secret's.
                    return self.start_over(&pending);
                }
                if !credential.chosen || self.config.memo_chosen {
                    let _ = credential.memo.set(pending.digest);
                }
                if renew {
                    self.renew(entry, credential, &pending.key);
                }
                Progress::Decided(self.judge(entry, credential, pending.terms.borrow(), now))
            }
            Verdict::Wrong => {
                if let Some((_, credential)) = found {
                    if !credential.mark.ct_eq(pending.mark) {
                        return self.start_over(&pending);
                    }
                    if credential.chosen {
                        credential.failures.note(monotonic_millis());
                    }
                }
                pending.wrong.push(pending.credential);
                let presented = Presented { name: &pending.name, key: &pending.key };
                self.look_up(presented, pending.digest, pending.terms.borrow(), &pending.wrong, pending.attempts)
            }
            Verdict::Unusable(reason) => self.refused(&presented, reason, now),
            Verdict::Moved => self.start_over(&pending),
            Verdict::NoMemory => Progress::Decided(Err(Error::new(Code::Busy))),
            Verdict::Failed(code) => Progress::Decided(Err(Error::new(code))),
        }
    }

    fn start_over(&self, pending: &Pending) -> Progress {
        let attempts = pending.attempts.saturating_add(1);
        if attempts >= MAX_ATTEMPTS {
            return Progress::Decided(Err(Error::new(Code::Busy)));
        }
        let presented = Presented { name: &pending.name, key: &pending.key };
        self.look_up(presented, pending.digest, pending.terms.borrow(), &pending.wrong, attempts)
    }

    /// Finds the key, and decides if memory knows the secret.
    fn look_up(
        &self,
        presented: Presented<'_>,
        digest: Digest,
        terms: TermsRef<'_>,
        wrong: &[Id],
        attempts: u8,
    ) -> Progress {
        let now = clock::resolve(terms.now);
        let held = self.index.hold(presented.name);
        let entry = held.as_ref().and_then(Held::get);
        match self.recall(entry, &presented, digest, wrong, now) {
            Known::Right(entry, credential) => Progress::Decided(self.judge(entry, credential, terms, now)),
            Known::Wrong(reason) => self.refused(&presented, reason, now),
            Known::Cold(credential) => {
                let pending = Pending {
                    name: presented.name.to_vec(),
                    key: Zeroizing::new(presented.key.to_vec()),
                    digest,
                    terms: terms.to_owned(),
                    credential: credential.id,
                    mark: credential.mark,
                    wrong: wrong.to_vec(),
                    attempts,
                };
                self.check_hash(pending, credential)
            }
        }
    }

    /// What memory knows of a presented secret.
    #[inline]
    fn recall<'e>(
        &self,
        entry: Option<&'e Arc<Entry>>,
        presented: &Presented<'_>,
        digest: Digest,
        wrong: &[Id],
        now: i64,
    ) -> Known<'e> {
        if let Some(entry) = entry
            && let Some(right) = entry.credential_of(digest, now)
        {
            return Known::Right(entry, right);
        }
        self.recall_other(entry, presented, digest, wrong, now)
    }

    /// What memory knows of a secret that is not known to be right. A refusal costs the same whatever is known of the
    /// name: checksum and tag are always computed.
    #[inline(never)]
    fn recall_other<'e>(
        &self,
        entry: Option<&'e Arc<Entry>>,
        presented: &Presented<'_>,
        digest: Digest,
        wrong: &[Id],
        now: i64,
    ) -> Known<'e> {
        let plausible = std::hint::black_box(generate::is_plausible(presented.key));
        let tag = std::hint::black_box(self.tagger.tag(presented.key));
        let Some(entry) = entry else { return Known::Wrong("there is no key of this name") };
        if !plausible {
            return Known::Wrong("the key's checksum is wrong");
        }
        for credential in entry.alive(now) {
            match credential.memo.get() {
                // Another thread's first success fills a memo at any moment, so also since the look above. A right
                // secret is right whichever thread proved it: to call it wrong here would refuse a good key.
                Some(memo) if memo.ct_eq(digest) => return Known::Right(entry, credential),
                Some(_) => {}
                // An unknown tag key means no tag, not a refusal.
                None if !wrong.contains(&credential.id)
                    && credential.tag.is_none_or(|(id, expected)| id != self.tagger.id() || expected == tag) =>
                {
                    return Known::Cold(credential);
                }
                None => {}
            }
        }
        Known::Wrong("the secret is wrong")
    }

    /// Asks the stored hash: at once when that is quick, else on the pool.
    fn check_hash(&self, pending: Pending, credential: &Credential) -> Progress {
        let allowed = self.config.chosen_failures_per_minute;
        if credential.chosen && credential.failures.exhausted(monotonic_millis(), allowed) {
            return Progress::Decided(Err(Error::with(
                Code::Busy,
                "too many wrong secrets for this key in this minute",
            )));
        }
        let check = {
            let (store, hasher, compiler) =
                (Arc::clone(&self.store), Arc::clone(&self.hasher), Arc::clone(&self.compiler));
            let (id, mark, key) = (pending.credential, pending.mark, pending.key.clone());
            move || {
                let mut row = None;
                if let Err(error) = store.read(&mut |reader| {
                    row = reader.credential(id)?;
                    Ok(())
                }) {
                    return Verdict::Failed(error.code());
                }
                match row {
                    // Gone or replaced since the look-up: the decision starts over on what is there now.
                    Some(row) if compiler.mac.digest(row.hash.as_bytes()).ct_eq(mark) => hasher.verify(&row, &key),
                    _ => Verdict::Moved,
                }
            }
        };
        if credential.cost == 0 {
            return self.resume(pending, check());
        }
        let untagged = credential.tag.is_none_or(|(id, _)| id != self.tagger.id());
        let cost = Cost { bytes: credential.cost, untagged };
        match self.pool.get().fly((pending.credential, pending.digest.to_bits()), cost, Box::new(check)) {
            Ok(flight) => Progress::Hashing(pending, flight),
            Err(error) => Progress::Decided(Err(error)),
        }
    }

    /// Everything behind the right secret. Its last line is the only one that grants a key anything.
    #[inline]
    fn judge(&self, entry: &Entry, credential: &Credential, terms: TermsRef<'_>, now: i64) -> Result<Principal> {
        if let Err((code, reason)) = self.stands(entry, credential.not_after, terms.channel, now) {
            return Err(self.refuse_key(entry, code, reason, now));
        }
        if !terms.requirement.is_satisfied_by(&entry.levels) {
            return Err(self.refuse_levels(entry, terms.requirement, now));
        }
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, entry.name.as_str(), now)?,
            None => None,
        };
        self.activity.note_used(entry, now, || self.pool.get());
        Ok(Principal::of(entry, credential.id, terms.channel, warning))
    }

    #[cold]
    fn refuse_key(&self, entry: &Entry, code: Code, reason: &str, now: i64) -> Error {
        let event = if code == Code::SecureChannelRequired { "key.exposed" } else { "key.refused" };
        self.audit_with(event, "", entry.name.as_str(), reason, code, Some(now));
        Error::new(code)
    }

    #[cold]
    fn refuse_levels(&self, entry: &Entry, requirement: &Requirement, now: i64) -> Error {
        let missing = requirement.missing_from(&entry.levels).join(", ");
        self.audit_with(
            "key.refused",
            &actor(entry.name.as_str()),
            entry.name.as_str(),
            &format!("it lacks {missing}"),
            Code::InsufficientLevel,
            Some(now),
        );
        Error::with(Code::InsufficientLevel, format!("it lacks {missing}"))
    }

    /// Whether a key as such may be used at this time over this channel.
    #[inline]
    fn stands(&self, entry: &Entry, not_after: i64, channel: Channel, now: i64) -> Result<(), (Code, &'static str)> {
        let invalid = |reason| Err((Code::InvalidCredential, reason));
        if entry.unsealed {
            return invalid("its record is not sealed by a configured pepper");
        }
        if !entry.enabled {
            return invalid("it is disabled");
        }
        if now >= entry.expires_at || now >= not_after {
            return invalid("it has expired");
        }
        let secure = match channel {
            Channel::Secure => true,
            Channel::Local => self.config.local_is_secure,
            Channel::Plain => false,
        };
        if entry.require_secure && !secure {
            return Err((Code::SecureChannelRequired, "its secret was sent over a channel that is not secure"));
        }
        Ok(())
    }

    /// The license's word on an entitlement, by the configured enforcement.
    fn entitlement(&self, entitlement: &str, subject: &str, now: i64) -> Result<Option<Code>> {
        let Err(code) = self.license.gate(entitlement, now) else { return Ok(None) };
        match self.config.enforcement {
            Enforcement::Strict => Err(Error::new(code)),
            Enforcement::Warn => Ok(Some(code)),
            Enforcement::ReportOnly => {
                self.audit_with("license.would_refuse", "", subject, code.name(), code, Some(now));
                Ok(None)
            }
        }
    }

    /// A request without a credential, where everyone may.
    fn anonymous(&self, terms: TermsRef<'_>) -> Result<Principal> {
        let warning = match terms.entitlement {
            Some(entitlement) => self.entitlement(entitlement, "", clock::resolve(terms.now))?,
            None => None,
        };
        Ok(Principal::anonymous(terms.channel, warning))
    }

    fn refused(&self, presented: &Presented<'_>, reason: &'static str, now: i64) -> Progress {
        Progress::Decided(Err(self.refusal(presented, reason, now)))
    }

    /// One public answer for every reason; the reason is the audit's.
    #[inline(never)]
    fn refusal(&self, presented: &Presented<'_>, reason: &'static str, now: i64) -> Error {
        self.audit_with("key.refused", "", presented.name(), reason, Code::InvalidCredential, Some(now));
        Error::new(Code::InvalidCredential)
    }

    /// Replaces a hash that is weaker than new ones, on the pool. Best effort: next time is soon enough.
    fn renew(&self, entry: &Entry, credential: &Credential, key: &Zeroizing<Vec<u8>>) {
        let scheme = if credential.scheme == Scheme::HmacSha256 { Scheme::HmacSha256 } else { Scheme::Argon2 };
        let (store, hasher, compiler) = (Arc::clone(&self.store), Arc::clone(&self.hasher), Arc::clone(&self.compiler));
        let (key_id, id, mark, secret) = (entry.id, credential.id, credential.mark, key.clone());
        self.pool.get().chore(self.hasher.cost_of_new(scheme), move || {
            let Ok(hashed) = hasher.hash(scheme, &secret) else { return };
            let _ = store.write(&mut |tx| {
                let Some(mut row) = tx.key_by_id(key_id)? else { return Ok(()) };
                // What was not sealed must not become sealed by being used.
                if !compiler.sealer.is_sealed(&row.key, &row.credentials) {
                    return Ok(());
                }
                let Some(stored) = row.credentials.iter_mut().find(|stored| stored.id == id) else { return Ok(()) };
                // Compare and set: whoever changed the hash meanwhile was right to.
                if !compiler.mac.digest(stored.hash.as_bytes()).ct_eq(mark) {
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
    }

    pub(crate) fn recheck(&self, principal: &Principal, requirement: &Requirement, now: Option<i64>) -> Result<()> {
        if principal.is_anonymous() {
            return if requirement.is_satisfied_by(&LevelSet::anonymous()) {
                Ok(())
            } else {
                Err(Error::new(Code::NoCredential))
            };
        }
        self.refresh()?;
        let invalid = || Error::new(Code::InvalidCredential);
        let entry = self.index.by_id(principal.id()).ok_or_else(invalid)?;
        let credential = entry.credentials.iter().find(|c| c.id == principal.credential()).ok_or_else(invalid)?;
        self.stands(&entry, credential.not_after, principal.channel(), clock::resolve(now))
            .map_err(|(code, _)| Error::new(code))?;
        if requirement.is_satisfied_by(&entry.levels) {
            Ok(())
        } else {
            let missing = requirement.missing_from(&entry.levels).join(", ");
            Err(Error::with(Code::InsufficientLevel, format!("it lacks {missing}")))
        }
    }

    pub(crate) fn missing_levels(&self, principal: &Principal, requirement: &Requirement) -> Result<Vec<String>> {
        if principal.is_anonymous() {
            return Ok(requirement.missing_from(&LevelSet::anonymous()));
        }
        self.refresh()?;
        let entry = self.index.by_id(principal.id()).ok_or(Error::new(Code::InvalidCredential))?;
        Ok(requirement.missing_from(&entry.levels))
    }
}

/// Whether a request without exactly one credential may go on: only without any, where the requirement is `Public`.
fn may_be_anonymous(terms: TermsRef<'_>, refusal: Code) -> Result<()> {
    if refusal == Code::NoCredential && terms.requirement.is_satisfied_by(&LevelSet::anonymous()) {
        Ok(())
    } else {
        Err(Error::new(refusal))
    }
}

/// How an audit event names a key that acts.
pub(crate) fn actor(name: &str) -> String {
    format!("key:{name}")
}

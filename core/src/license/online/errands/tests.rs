//! Activation and re-validation, from the handle down to the server's answers.

use std::sync::Mutex;

use super::{
    super::{
        HttpRequest, HttpResponse, Server,
        fake::{Fake, NOW, plain, signer},
    },
    *,
};
use crate::{
    HashParameters, InspireAuth, Options, StoreLocation,
    license::{
        Kind, Release, State,
        issue::{LicenseDescription, Receipt, Request, sign},
        keys::TrustedKey,
    },
    store::{MemoryStore, Store},
};

const KEY: &str = "KEY-KEY-KEY";
const DAY: i64 = 86_400;

struct Plant {
    server: Arc<Fake>,
    store: Arc<MemoryStore>,
}

impl Plant {
    fn new() -> Self {
        let server = Fake::new("VALID", false);
        let plant = Self { server: Arc::new(server), store: Arc::new(MemoryStore::new().unwrap()) };
        plant.issues(NOW, |_| ());
        plant
    }

    /// What the server's next check-outs give: issued then, for 14 days.
    fn issues(&self, issued: i64, change: impl FnOnce(&mut LicenseDescription)) {
        let mut license = LicenseDescription::new("l1", KEY);
        license.fingerprint = Some("fp".into());
        license.ttl = Some(u64::try_from(14 * DAY).unwrap());
        license.entitlements = Some(vec!["MFA".into()]);
        change(&mut license);
        let file = sign(&signer(), &license, Kind::Machine, true, Some(issued)).unwrap();
        self.server.state.lock().unwrap().file = file;
    }

    fn says(&self, code: &'static str) {
        self.server.state.lock().unwrap().code = code;
    }

    fn clock(&self, now: i64) {
        self.server.state.lock().unwrap().clock = now;
    }

    fn open(&self) -> InspireAuth {
        self.open_with(|_| ())
    }

    fn open_with(&self, change: impl FnOnce(&mut Server)) -> InspireAuth {
        let mut options = Options::new(StoreLocation::Custom(Arc::clone(&self.store) as Arc<dyn Store>));
        options.hash = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
        options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
        options.machine_id = Some("fp".into());
        let mut server = Server::at("https://h.example/v1");
        server.transport = Some(Arc::clone(&self.server) as Arc<dyn Transport>);
        change(&mut server);
        options.server = Some(server);
        InspireAuth::open(options).unwrap()
    }
}

fn at(now: i64) -> Caller<'static> {
    Caller { now: Some(now), ..Caller::system() }
}

fn activated() -> (Plant, InspireAuth) {
    let plant = Plant::new();
    let auth = plant.open();
    assert_eq!(auth.license().activate_online(KEY, &at(NOW)).unwrap().state, State::Active);
    (plant, auth)
}

fn code<T>(result: Result<T>) -> Code {
    result.err().map_or(Code::Ok, |error| error.code())
}

#[test]
fn an_activation_installs_a_lease() {
    let (_plant, auth) = activated();
    let status = auth.license().status(Some(NOW)).unwrap();
    assert_eq!((status.state, status.mode, status.reason), (State::Active, Some(Mode::Online), None));
    assert_eq!((status.lease_expires_at, status.last_attempt), (Some(NOW + 14 * DAY), None));
    assert!(auth.license().has_entitlement("MFA", Some(NOW)).unwrap());
    // The grace is exact to the second.
    let granted = |now| auth.license().has_entitlement("MFA", Some(now)).unwrap();
    assert!(granted(NOW + 14 * DAY - 1) && !granted(NOW + 14 * DAY));
    let log = auth.audit(1).unwrap();
    assert_eq!((log[0].event.as_str(), log[0].subject.as_str()), ("license.activated", "l1"));
}

#[test]
fn a_renewal_arrives_by_revalidation() {
    let (plant, auth) = activated();
    let later = NOW + 10 * DAY;
    plant.clock(later);
    plant.issues(later, |license| license.entitlements = Some(vec!["VIDEO_WALL_SYNC".into()]));
    assert!(!auth.license().has_entitlement("VIDEO_WALL_SYNC", Some(later)).unwrap());
    let status = auth.license().revalidate(&at(later)).unwrap();
    assert_eq!((status.lease_expires_at, status.last_validated_at), (Some(later + 14 * DAY), Some(later)));
    assert_eq!(status.entitlements, ["VIDEO_WALL_SYNC"]);
}

#[test]
fn a_signed_refusal_acts_at_once_and_is_lifted_by_a_signed_word() {
    for (said, ours, state) in [
        ("SUSPENDED", Code::LicenseSuspended, State::Suspended),
        ("EXPIRED", Code::LicenseExpired, State::Expired),
        ("BANNED", Code::LicenseSuspended, State::Suspended),
        ("NOT_FOUND", Code::LicenseUnknown, State::Invalid),
    ] {
        let (plant, auth) = activated();
        let bystander = plant.open();
        plant.says(said);
        assert_eq!(code(auth.license().revalidate(&at(NOW + 60))), ours);
        for handle in [&auth, &bystander, &plant.open()] {
            let status = handle.license().status(Some(NOW + 60)).unwrap();
            assert_eq!((status.state, status.reason), (state, Some(ours)), "{said}");
            assert!(!handle.license().has_entitlement("MFA", Some(NOW + 60)).unwrap());
        }
        plant.says("VALID");
        plant.issues(NOW + 120, |_| ());
        assert_eq!(auth.license().revalidate(&at(NOW + 120)).unwrap().state, State::Active);
        assert!(bystander.license().has_entitlement("MFA", Some(NOW + 120)).unwrap());
    }
}

#[test]
fn a_refused_activation_leaves_what_is_installed() {
    let (plant, auth) = activated();
    plant.says("SUSPENDED");
    assert_eq!(code(auth.license().activate_online("ANOTHER-KEY", &at(NOW))), Code::LicenseSuspended);
    assert_eq!(auth.license().status(Some(NOW)).unwrap().state, State::Active, "another license's refusal");
    assert_eq!(code(auth.license().activate_online(KEY, &at(NOW))), Code::LicenseSuspended);
    assert_eq!(auth.license().status(Some(NOW)).unwrap().state, State::Suspended, "its own");
}

#[test]
fn an_outage_changes_nothing_but_says_so() {
    let (plant, auth) = activated();
    let fails = |code: Code| {
        plant.server.state.lock().unwrap().script = vec![Err(code), Err(code)];
        let failed = auth.license().revalidate(&at(NOW + DAY));
        plant.server.state.lock().unwrap().script.clear();
        failed
    };
    for failure in [Code::NetworkDns, Code::NetworkConnect, Code::NetworkTls, Code::NetworkTimeout] {
        assert_eq!(code(fails(failure)), failure);
        let status = auth.license().status(Some(NOW + DAY)).unwrap();
        assert_eq!((status.state, status.last_validated_at), (State::Active, Some(NOW)));
        assert_eq!(status.last_attempt, Some(LicenseEvent { code: failure, at: NOW + DAY }));
    }
    let granted = |now| auth.license().has_entitlement("MFA", Some(now)).unwrap();
    assert!(granted(NOW + 14 * DAY - 1) && !granted(NOW + 14 * DAY));
    plant.clock(NOW + DAY);
    plant.issues(NOW + DAY, |_| ());
    assert_eq!(auth.license().revalidate(&at(NOW + DAY)).unwrap().last_attempt, None);
}

#[test]
fn no_unsigned_answer_takes_or_gives_anything() {
    let (plant, auth) = activated();
    for (status, body) in [
        (200, r#"{"data": null, "meta": {"valid": false, "code": "SUSPENDED"}}"#),
        (403, r#"{"errors": [{"code": "LICENSE_SUSPENDED"}]}"#),
        (404, "{}"),
        (500, ""),
    ] {
        plant.server.state.lock().unwrap().script = vec![Ok(plain(status, &[], body))];
        assert!(matches!(code(auth.license().revalidate(&at(NOW))), Code::ServerStatus | Code::ServerSignatureInvalid));
        assert_eq!(auth.license().status(Some(NOW)).unwrap().state, State::Active);
    }
    // A file that another key signed, or for another machine, is not installed.
    let before = auth.license().status(Some(NOW)).unwrap().lease_expires_at;
    plant.issues(NOW + 60, |license| license.fingerprint = Some("another".into()));
    assert_eq!(code(auth.license().revalidate(&at(NOW + 60))), Code::LicenseKeyOrMachineMismatch);
    plant.server.state.lock().unwrap().file = "-----BEGIN MACHINE FILE-----".to_owned();
    assert_eq!(code(auth.license().revalidate(&at(NOW + 60))), Code::LicenseMalformed);
    assert_eq!(auth.license().status(Some(NOW)).unwrap().lease_expires_at, before);
}

#[test]
fn what_was_deactivated_meanwhile_stays_so() {
    let (plant, auth) = activated();
    plant.issues(NOW + 60, |_| ());
    // The server's answer is under way while another process deactivates.
    let other = plant.open();
    let online = auth.inner.license.online().unwrap();
    assert_eq!(online.base.host, "h.example");
    let word = auth
        .license()
        .at_the_server(KEY, &Cancel::default(), &at(NOW + 60), |session| session.revalidate(false))
        .unwrap();
    other.license().deactivate(&at(NOW + 60)).unwrap();
    let caller = at(NOW + 60);
    let mutation = Mutation { event: "license.revalidated", subject: "", need: Need::Admin, caller: &caller };
    let applied = auth.license().apply(&mutation, KEY, word, Some(Some("l1".to_owned())));
    assert_eq!(code(applied), Code::Conflict);
    assert_eq!(auth.license().status(Some(NOW)).unwrap().state, State::Unlicensed);
}

#[test]
fn a_later_file_of_another_process_stays() {
    let (plant, auth) = activated();
    plant.issues(NOW + 60, |_| ());
    let word = auth
        .license()
        .at_the_server(KEY, &Cancel::default(), &at(NOW + 60), |session| session.revalidate(false))
        .unwrap();
    plant.issues(NOW + 120, |_| ());
    let later = plant.open().license().revalidate(&at(NOW + 120)).unwrap();
    let caller = at(NOW + 120);
    let mutation = Mutation { event: "license.revalidated", subject: "", need: Need::Admin, caller: &caller };
    let applied = auth.license().apply(&mutation, KEY, word, Some(Some("l1".to_owned()))).unwrap();
    assert_eq!(applied.lease_expires_at, later.lease_expires_at);
}

#[test]
fn who_may_and_what_is_missing() {
    let plant = Plant::new();
    let auth = plant.open();
    assert_eq!(code(auth.license().revalidate(&at(NOW))), Code::Unlicensed);
    assert_eq!(code(auth.license().activate_online("", &at(NOW))), Code::LicenseKeyRequired);
    let mut options = Options::new(StoreLocation::Memory);
    options.machine_id = Some("fp".into());
    let offline = InspireAuth::open(options).unwrap();
    assert_eq!(code(offline.license().activate_online(KEY, &at(NOW))), Code::UnsupportedOption);
    assert!(plant.server.asked().is_empty());
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(code(auth.license().activate_online_unless(&cancel, KEY, &at(NOW))), Code::Cancelled);
    assert!(plant.server.asked().is_empty());
}

/// A way to the server on which the caller loses interest while the server answers.
#[derive(Debug)]
struct Impatient {
    server: Arc<Fake>,
    /// Whom the request is for that is the last.
    at: &'static str,
}

impl Transport for Impatient {
    fn send(&self, request: &HttpRequest, deadline: Instant, cancel: &Cancel) -> Result<HttpResponse> {
        let answer = self.server.send(request, deadline, cancel);
        if request.url.contains(self.at) {
            cancel.cancel();
        }
        answer
    }
}

#[test]
fn what_a_cancelled_call_has_brought_back_is_not_applied() {
    let (plant, _) = activated();
    plant.clock(NOW + 60);
    plant.issues(NOW + 60, |license| license.entitlements = Some(Vec::new()));
    let revalidate = |last| {
        let impatient = Impatient { server: Arc::clone(&plant.server), at: last };
        let auth = plant.open_with(|server| server.transport = Some(Arc::new(impatient)));
        assert_eq!(code(auth.license().revalidate(&at(NOW + 60))), Code::Cancelled);
        auth
    };
    assert!(revalidate("check-out").license().has_entitlement("MFA", Some(NOW + 60)).unwrap());
    plant.says("SUSPENDED");
    assert_eq!(revalidate("validate-key").license().status(Some(NOW + 60)).unwrap().state, State::Active);
}

#[test]
fn a_deactivation_releases_the_machine() {
    let (plant, auth) = activated();
    plant.server.asked();
    let done = auth.license().deactivate(&at(NOW + 60)).unwrap();
    assert_eq!((done.status.state, done.release, done.problem.is_none()), (State::Unlicensed, Release::Server, true));
    let asked = plant.server.asked();
    assert!(asked[0].starts_with("DELETE machines/") && asked[1].starts_with("POST licenses"), "{asked:?}");
    assert!(!plant.server.state.lock().unwrap().is_registered);
    assert!(auth.license().releases(&at(NOW)).unwrap().is_empty());
    let receipt = Receipt::read(done.receipt.unwrap().as_bytes()).unwrap();
    assert_eq!((receipt.license.as_str(), receipt.fingerprint.as_str()), ("l1", "fp"));
    assert_eq!((receipt.issued, receipt.deactivated), (NOW, NOW + 60));
    let events: Vec<_> = auth.audit(2).unwrap().into_iter().map(|event| event.event).collect();
    assert_eq!(events, ["license.released", "license.deactivated"]);
    // The file that was taken out does not come back, and a new activation does.
    assert_eq!(code(auth.license().activate_online(KEY, &at(NOW + 60))), Code::LicenseFileOlder);
    plant.issues(NOW + 120, |_| ());
    plant.clock(NOW + 120);
    assert_eq!(auth.license().activate_online(KEY, &at(NOW + 120)).unwrap().state, State::Active);
}

#[test]
fn a_release_that_the_server_does_not_confirm_stays_pending() {
    let (plant, auth) = activated();
    plant.server.state.lock().unwrap().script = vec![Err(Code::NetworkTimeout)];
    let done = auth.license().deactivate(&at(NOW)).unwrap();
    assert_eq!((done.status.state, done.release), (State::Unlicensed, Release::Pending));
    assert_eq!(done.problem.unwrap().code(), Code::NetworkTimeout);
    let try_again = |script| {
        plant.server.state.lock().unwrap().script = script;
        // By another process, or after a restart.
        plant.open().license().release_pending(&Cancel::default(), &at(NOW))
    };
    assert_eq!(code(try_again(vec![Ok(plain(204, &[], ""))])), Code::Conflict, "a 204 that anybody could send");
    assert_eq!(code(try_again(vec![Ok(plain(500, &[], ""))])), Code::ServerStatus);
    let pending = auth.license().releases(&at(NOW)).unwrap();
    assert_eq!((pending.len(), pending[0].license.as_str(), pending[0].since), (1, "l1", NOW));
    assert!(plant.server.state.lock().unwrap().is_registered);
    assert_eq!(try_again(Vec::new()).unwrap(), 1);
    assert!(!plant.server.state.lock().unwrap().is_registered);
    assert_eq!(try_again(Vec::new()).unwrap(), 0);
}

#[test]
fn a_new_activation_cancels_a_pending_release() {
    let (plant, auth) = activated();
    plant.server.state.lock().unwrap().script = vec![Err(Code::NetworkTimeout)];
    assert_eq!(auth.license().deactivate(&at(NOW)).unwrap().release, Release::Pending);
    plant.issues(NOW + 60, |_| ());
    auth.license().activate_online(KEY, &at(NOW + 60)).unwrap();
    assert!(auth.license().releases(&at(NOW)).unwrap().is_empty());
    assert_eq!(auth.license().release_pending(&Cancel::default(), &at(NOW + 60)).unwrap(), 0);
    assert!(plant.server.state.lock().unwrap().is_registered);
}

#[test]
fn a_deactivation_for_here_alone_asks_nobody() {
    let (plant, auth) = activated();
    plant.server.asked();
    let done = auth.license().deactivate_locally(&at(NOW)).unwrap();
    assert_eq!((done.status.state, done.release), (State::Unlicensed, Release::None));
    assert!(plant.server.asked().is_empty() && auth.license().releases(&at(NOW)).unwrap().is_empty());
    // Nor does one of a license that was installed from a file.
    plant.issues(NOW + 60, |license| license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]));
    let file = plant.server.state.lock().unwrap().file.clone();
    auth.license().activate_offline(KEY, file.as_bytes(), false, &at(NOW + 60)).unwrap();
    assert_eq!(auth.license().deactivate(&at(NOW + 60)).unwrap().release, Release::None);
    assert!(plant.server.asked().is_empty());
}

#[test]
fn a_request_and_its_answer() {
    let (plant, auth) = activated();
    let text = auth.license().request(Some(KEY), &at(NOW)).unwrap();
    let request = Request::read(text.as_bytes()).unwrap();
    assert_eq!((request.fingerprint.as_str(), request.license_key.as_deref(), request.created), ("fp", Some(KEY), NOW));
    let second = Request::read(plant.open().license().request(None, &at(NOW)).unwrap().as_bytes()).unwrap();
    assert_eq!((second.installation, second.license_key.is_none()), (request.installation, true));
    assert_ne!(second.nonce, request.nonce);
    assert!(Receipt::read(text.as_bytes()).is_err());

    let mut license = LicenseDescription::new("l1", KEY);
    license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]);
    request.answer(&mut license).unwrap();
    let file = sign(&signer(), &license, Kind::Machine, true, Some(NOW + 60)).unwrap();
    assert_eq!(auth.license().refresh(file.as_bytes(), &at(NOW + 60)).unwrap().entitlements, ["OFFLINE_LICENSING"]);
    let receipt = auth.license().deactivate_locally(&at(NOW + 60)).unwrap().receipt.unwrap();
    assert_eq!(Receipt::read(receipt.as_bytes()).unwrap().installation, request.installation);

    let wrong = |change: fn(&mut LicenseDescription)| {
        let mut license = LicenseDescription::new("l1", KEY);
        change(&mut license);
        code(request.answer(&mut license))
    };
    assert_eq!(wrong(|license| license.fingerprint = Some("another".into())), Code::InvalidArgument);
    assert_eq!(wrong(|license| license.key = "another".into()), Code::InvalidArgument);
    assert_eq!(wrong(|license| license.product = Some("any".into())), Code::Ok, "the request names none");

    // What a description leaves out is the request's, and nobody else's.
    let described = request.describe(br#"{"id": "l1"}"#).unwrap();
    assert_eq!((described.key.as_str(), described.fingerprint.as_deref()), (KEY, Some("fp")));
    let of_product = Request { product: Some("p".into()), ..request.clone() };
    assert_eq!(of_product.describe(br#"{"id": "l1"}"#).unwrap().product.as_deref(), Some("p"));
    assert_eq!(code(of_product.describe(br#"{"id": "l1", "product": "q"}"#)), Code::InvalidArgument);
    assert_eq!(code(request.describe(br#"{"id": "l1", "key": "another"}"#)), Code::InvalidArgument);
    assert_eq!(code(request.describe(br#"{"id": "l1", "key": null}"#)), Code::InvalidArgument);
    assert_eq!(code(second.describe(br#"{"id": "l1"}"#)), Code::InvalidArgument, "neither has a key");
}

#[test]
fn a_refresh_is_of_the_license_that_is_installed() {
    let (plant, auth) = activated();
    let file = |issued, change: fn(&mut LicenseDescription)| {
        plant.issues(issued, change);
        plant.server.state.lock().unwrap().file.clone()
    };
    let refresh = |file: String| auth.license().refresh(file.as_bytes(), &at(NOW + 60));
    assert_eq!(code(refresh(file(NOW + 60, |license| license.id = "l2".into()))), Code::Conflict);
    assert_eq!(code(refresh(file(NOW - 60, |_| ()))), Code::LicenseFileOlder);
    let status = refresh(file(NOW + 60, |_| ())).unwrap();
    assert_eq!((status.lease_expires_at, status.mode), (Some(NOW + 60 + 14 * DAY), Some(Mode::Online)));
    auth.license().deactivate_locally(&at(NOW + 60)).unwrap();
    assert_eq!(code(refresh(file(NOW + 120, |_| ()))), Code::Unlicensed);
}

#[test]
fn a_tick_does_what_is_due_and_says_when_to_come_again() {
    let (plant, auth) = activated();
    let tick = |now| auth.license().tick(&Cancel::default(), Some(now)).unwrap();
    plant.server.asked();
    let due = NOW + 14 * DAY - 14 * DAY / 3;
    assert_eq!(tick(NOW).next, Some(due));
    assert_eq!(tick(due - 1).next, Some(due));
    assert!(plant.server.asked().is_empty());
    // It fails, and is tried again at growing distances; nothing is lost before the lease ends.
    let mut now = due;
    for distance in [60, 60, 120, 240] {
        plant.server.state.lock().unwrap().script = vec![Err(Code::NetworkTimeout)];
        let failed = tick(now);
        assert_eq!(failed.problem.unwrap().code(), Code::NetworkTimeout);
        assert_eq!(failed.next, Some(now + distance));
        assert!(tick(now + distance - 1).problem.is_none(), "not before it is due");
        now += distance;
    }
    plant.clock(now);
    plant.issues(now, |_| ());
    let done = tick(now);
    assert_eq!((done.problem.is_none(), done.next), (true, Some(now + 14 * DAY - 14 * DAY / 3)));
    assert_eq!(auth.license().status(Some(now)).unwrap().lease_expires_at, Some(now + 14 * DAY));
}

#[test]
fn a_tick_follows_a_refusal_and_what_lifts_it() {
    let (plant, auth) = activated();
    let due = NOW + 14 * DAY - 14 * DAY / 3;
    plant.clock(due);
    plant.says("SUSPENDED");
    let refused = auth.license().tick(&Cancel::default(), Some(due)).unwrap();
    assert_eq!((refused.problem.unwrap().code(), refused.next), (Code::LicenseSuspended, Some(due + 60)));
    assert_eq!(auth.license().status(Some(due)).unwrap().state, State::Suspended);
    plant.says("VALID");
    plant.clock(due + 60);
    plant.issues(due + 60, |_| ());
    assert!(auth.license().tick(&Cancel::default(), Some(due + 60)).unwrap().problem.is_none());
    assert_eq!(auth.license().status(Some(due + 60)).unwrap().state, State::Active);
}

#[test]
fn a_tick_releases_what_is_still_to_be_released() {
    let (plant, auth) = activated();
    let tick = |now| auth.license().tick(&Cancel::default(), Some(now)).unwrap();
    plant.server.state.lock().unwrap().script = vec![Err(Code::NetworkConnect), Err(Code::NetworkConnect)];
    assert_eq!(auth.license().deactivate(&at(NOW)).unwrap().release, Release::Pending);
    assert_eq!(tick(NOW + 59).next, Some(NOW + 60));
    let done = tick(NOW + 60);
    assert_eq!((done.problem.is_none(), done.next), (true, None));
    assert!(!plant.server.state.lock().unwrap().is_registered);
}

#[test]
fn what_failed_by_a_clock_that_was_ahead_puts_nothing_off() {
    let (plant, auth) = activated();
    let tick = |now| auth.license().tick(&Cancel::default(), Some(now)).unwrap();
    let due = NOW + 14 * DAY - 14 * DAY / 3;
    assert_eq!(tick(NOW + 400 * DAY).problem.unwrap().code(), Code::ClockSkew);
    assert_eq!(tick(NOW).next, Some(due));
    plant.clock(due);
    plant.issues(due, |_| ());
    assert!(tick(due).problem.is_none());
    assert_eq!(auth.license().status(Some(due)).unwrap().lease_expires_at, Some(due + 14 * DAY));
    // A release likewise.
    plant.server.state.lock().unwrap().script = vec![Err(Code::NetworkDns)];
    assert_eq!(auth.license().deactivate(&at(due + 400 * DAY)).unwrap().release, Release::Pending);
    assert_eq!(tick(due).next, None);
    assert!(!plant.server.state.lock().unwrap().is_registered);
}

#[test]
fn nothing_is_ever_due_offline() {
    let plant = Plant::new();
    let auth = plant.open();
    plant.issues(NOW, |license| license.entitlements = Some(vec!["OFFLINE_LICENSING".into()]));
    let file = plant.server.state.lock().unwrap().file.clone();
    auth.license().activate_offline(KEY, file.as_bytes(), false, &at(NOW)).unwrap();
    for day in 0..365 {
        assert_eq!(auth.license().tick(&Cancel::default(), Some(NOW + day * DAY)).unwrap().next, None);
    }
    assert!(plant.server.asked().is_empty());
}

/// Activated so long ago that its lease is to be refreshed; the server has a fresh one.
fn due() -> (Plant, i64) {
    let plant = Plant::new();
    let now = clock::resolve(None);
    let then = now - 10 * DAY;
    plant.clock(then);
    plant.issues(then, |_| ());
    assert_eq!(plant.open().license().activate_online(KEY, &at(then)).unwrap().state, State::Active);
    plant.clock(now);
    plant.issues(now, |_| ());
    plant.server.asked();
    (plant, now)
}

#[test]
fn it_refreshes_by_itself_where_the_host_says_so() {
    let (plant, now) = due();
    let silent = plant.open();
    let auth = plant.open_with(|server| server.auto_refresh = true);
    let clone = auth.clone();
    drop(auth);
    let lease = |auth: &InspireAuth| auth.license().status(None).unwrap().lease_expires_at;
    while lease(&clone) != Some(now + 14 * DAY) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(lease(&silent), Some(now + 14 * DAY));
    drop(clone);
    let asked = plant.server.asked();
    assert_eq!(asked.iter().filter(|call| call.ends_with("check-out")).count(), 1, "{asked:?}");
}

/// Never answers, but is interrupted.
#[derive(Debug)]
struct Silent(Mutex<std::sync::mpsc::Sender<&'static str>>);

impl Transport for Silent {
    fn send(&self, _: &HttpRequest, _: Instant, cancel: &Cancel) -> Result<HttpResponse> {
        let tell = |what| self.0.lock().unwrap().send(what).unwrap();
        tell("asked");
        let (hang_up, hung_up) = std::sync::mpsc::channel();
        cancel.interrupting(
            move || {
                let _ = hang_up.send(());
            },
            || hung_up.recv().unwrap(),
        );
        tell("interrupted");
        Err(Error::new(Code::NetworkConnect))
    }
}

#[test]
fn a_handle_that_goes_ends_what_it_does_by_itself() {
    let (plant, _) = due();
    let (told, heard) = std::sync::mpsc::channel();
    let auth = plant.open_with(|server| {
        server.auto_refresh = true;
        server.transport = Some(Arc::new(Silent(Mutex::new(told))));
    });
    assert_eq!(heard.recv().unwrap(), "asked");
    drop(auth);
    // Its thread is out of the handle, and of its transport: nobody is left who could say more.
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["interrupted"]);
    let attempt = plant.open().license().status(None).unwrap().last_attempt;
    assert_eq!(attempt, None, "what was cancelled is no attempt");
}

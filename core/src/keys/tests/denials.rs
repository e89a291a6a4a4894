//! What is told of a refusal: once, with its code and its reason, and without a secret.

use std::sync::Mutex;

use super::{
    cold::{begin, import, pending, phc},
    *,
};
use crate::{
    keys::{Attempt, ImportFormat, KeyUpdate},
    lock::lock,
    store::{AuditEvent, Strength},
};

/// What a host's sink heard.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<AuditEvent>>>);

impl Heard {
    pub(super) fn listen(&self, options: &mut Options) {
        let heard = Arc::clone(&self.0);
        options.audit = Some(Arc::new(move |event: &AuditEvent| lock(&heard).push(event.clone())));
    }

    pub(super) fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// One way to be refused: the header, the channel, what is required, and what is to be heard of it.
struct Case {
    header: Option<String>,
    channel: Channel,
    required: &'static str,
    entitlement: Option<&'static str>,
    code: Code,
    event: &'static str,
    subject: &'static str,
    reason: &'static str,
}

impl Case {
    fn new(credential: &str, code: Code, event: &'static str, subject: &'static str, reason: &'static str) -> Self {
        let header = Some(format!("Bearer {credential}"));
        let (channel, required, entitlement) = (Channel::Secure, "Authenticated", None);
        Self { header, channel, required, entitlement, code, event, subject, reason }
    }
}

fn cases(auth: &InspireAuth) -> Vec<Case> {
    let system = Caller::system();
    let [cold, warm, disabled, expired] = ["cold", "warm", "disabled", "expired"].map(|name| create(auth, name, &[]));
    auth.keys().set_enabled("disabled", false, None, &system).unwrap();
    let past = KeyUpdate { expires_at: Some(Some(1)), ..KeyUpdate::default() };
    auth.keys().update("expired", 1, &past, &system).unwrap();
    import(auth, "human", ImportFormat::Phc, &phc("hunter2", 64), Strength::Chosen);
    ask(auth, &warm.credential()).unwrap();
    let swapped = format!("{}:{}", cold.key.as_str(), "cold");
    let secret = cold.key.as_str();
    let (invalid, malformed) = (Code::InvalidCredential, Code::MalformedCredential);
    let (key, request) = ("key.refused", "request.refused");
    let unread = malformed.entry().message;
    vec![
        Case { header: None, ..Case::new("", Code::NoCredential, request, "", Code::NoCredential.entry().message) },
        Case::new(secret, malformed, request, "", unread),
        Case::new(&format!("warm:{secret},"), malformed, request, "warm", unread),
        Case::new(&format!("{secret}:no,key"), malformed, request, "", unread),
        // What stands where a name belongs may be a secret of any look.
        Case::new("hunter2:human", invalid, key, "", "there is no key of this name"),
        Case::new("hunter2:hu,man", malformed, request, "", unread),
        Case::new(&swapped, invalid, key, "", "there is no key of this name"),
        Case::new("cold:isk_x", invalid, key, "cold", "the key's checksum is wrong"),
        Case::new(&wrong(&cold), invalid, key, "cold", "the secret is wrong"),
        Case::new(&wrong(&warm), invalid, key, "warm", "the secret is wrong"),
        Case::new(&wrong(&disabled), invalid, key, "disabled", "the secret is wrong"),
        Case::new(&disabled.credential(), invalid, key, "disabled", "it is disabled"),
        Case::new(&wrong(&expired), invalid, key, "expired", "the secret is wrong"),
        Case::new(&expired.credential(), invalid, key, "expired", "it has expired"),
        Case::new("human:guess", invalid, key, "human", "the secret is wrong"),
        Case::new("human:hunter2", Code::Busy, request, "human", "too many wrong secrets for this key in this minute"),
        Case {
            channel: Channel::Plain,
            ..Case::new(
                &warm.credential(),
                Code::SecureChannelRequired,
                "key.exposed",
                "warm",
                "its secret was sent over a channel that is not secure",
            )
        },
        Case {
            required: "Ops/Write",
            ..Case::new(&warm.credential(), Code::InsufficientLevel, key, "warm", "it lacks Ops/Write")
        },
        Case {
            entitlement: Some("MFA"),
            ..Case::new(&warm.credential(), Code::Unlicensed, key, "warm", Code::Unlicensed.entry().message)
        },
        Case {
            header: None,
            required: "Public",
            entitlement: Some("MFA"),
            ..Case::new("", Code::Unlicensed, request, "", Code::Unlicensed.entry().message)
        },
    ]
}

/// The three ways to ask, each of which decides a cold request in its own way.
const WAYS: [fn(&InspireAuth, &Request<'_>) -> Code; 3] = [
    |auth, request| code(auth.authenticate(request)),
    |auth, request| match auth.authenticate_warm(request) {
        Some(decided) => code(decided),
        None => code(auth.authenticate(request)),
    },
    |auth, request| match auth.authenticate_no_wait(request) {
        Attempt::Done(decided) => code(decided),
        Attempt::Pending(ticket) => {
            let decided = code(ticket.wait(None).unwrap());
            // Asked again, it is no other denial.
            assert_eq!(code(ticket.poll().unwrap()), decided);
            decided
        }
    },
];

#[test]
fn every_refusal_is_told_once_and_no_secret_with_it() {
    for way in WAYS {
        let heard = Heard::default();
        let mut options = options(StoreLocation::Memory);
        options.chosen_failures_per_minute = 1;
        heard.listen(&mut options);
        let auth = InspireAuth::open(options).unwrap();
        let cases = cases(&auth);
        heard.take();
        for case in &cases {
            let lines: Vec<(&[u8], &[u8])> =
                case.header.iter().map(|value| (&b"Authorization"[..], value.as_bytes())).collect();
            let required = requirement(case.required);
            let mut request = Request::new(Presented::Headers(&lines), &required);
            (request.channel, request.entitlement) = (case.channel, case.entitlement);
            let answer = way(&auth, &request);
            let told = heard.take();
            if case.code == Code::Busy && answer == Code::Ok {
                continue; // A minute ended just now, and the budget with it.
            }
            let seen: Vec<_> =
                told.iter().map(|e| (e.code, e.event.as_str(), e.subject.as_str(), e.detail.as_str())).collect();
            assert_eq!(seen, [(case.code, case.event, case.subject, case.reason)], "{:?}", case.header);
            assert_eq!(answer, case.code);
        }
    }
}

/// A host that gives up was not refused; a grant is none either.
#[test]
fn only_refusals_are_told() {
    let heard = Heard::default();
    let mut options = options(StoreLocation::Memory);
    heard.listen(&mut options);
    let auth = InspireAuth::open(options).unwrap();
    let created = create(&auth, "k", &[]);
    heard.take();
    let ticket = pending(begin(&auth, &created.credential()));
    ticket.cancel();
    assert_eq!(code(ticket.poll().unwrap()), Code::Cancelled);
    for _ in 0..2 {
        assert_eq!(code(ask(&auth, &created.credential())), Code::Ok);
        assert_eq!(code(ask_for(&auth, &created.credential(), "Public")), Code::Ok);
    }
    assert_eq!(heard.take(), []);
}

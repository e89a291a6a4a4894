//! Servers, and what stands between, that lie: over real connections, to a handle that is activated and to one that is not.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Proxy, Server,
    cancel::Cancel,
    fake::{Fake, NOW, Seal, plain, signer},
    http::tests::{listen, read_request},
    transport::{HttpRequest, HttpResponse, Transport as _},
};
use crate::{
    InspireAuth, Options, StoreLocation,
    error::Code,
    keys::Caller,
    license::{
        Kind, State,
        issue::{LicenseDescription, SigningKey, sign},
        keys::TrustedKey,
    },
};

const KEY: &str = "KEY-KEY-KEY";
const DAY: u64 = 86_400;

/// What a server does to its honest answer before it is sent.
type Twist = fn(&HttpRequest, HttpResponse) -> HttpResponse;
/// What it does instead of answering.
type Wire = fn(&mut TcpStream);

enum Lie {
    /// About how the license stands.
    Validation(Twist),
    /// With the machine file.
    File(Twist),
    /// With anything.
    Wire(Wire),
}

struct Plant {
    address: SocketAddr,
    lies: Arc<AtomicBool>,
    /// Of each call.
    timeout: Duration,
}

impl Plant {
    fn new(lie: Lie, timeout: Duration) -> Self {
        let fake = Fake::new("VALID", false);
        fake.state.lock().unwrap().file = file(&signer(), Kind::Machine, |_| ());
        let lies = Arc::new(AtomicBool::new(false));
        let (fake, goes) = (Mutex::new(fake), Arc::clone(&lies));
        let address = listen(move |mut stream| {
            let request = request(&read_request(&mut stream));
            let honest = fake.lock().unwrap().send(&request, Instant::now(), &Cancel::default()).unwrap();
            let answer = match &lie {
                _ if !goes.load(Ordering::SeqCst) => honest,
                Lie::Validation(twist) if request.url.contains("validate-key") => twist(&request, honest),
                Lie::File(twist) if request.url.contains("check-out") => twist(&request, honest),
                Lie::Wire(wire) => return wire(&mut stream),
                _ => honest,
            };
            let _ = stream.write_all(&bytes(&answer));
        });
        Self { address, lies, timeout }
    }

    fn open(&self) -> InspireAuth {
        let mut options = Options::new(StoreLocation::Memory);
        options.trusted_keys = vec![TrustedKey::new("vendor", signer().public()).unwrap()];
        options.machine_id = Some("fp".into());
        let mut server = Server::at(format!("http://{}/v1", self.address));
        server.signing_host = Some("h.example".into());
        server.proxy = Proxy::None;
        server.timeout = self.timeout;
        options.server = Some(server);
        InspireAuth::open(options).unwrap()
    }
}

fn request(text: &str) -> HttpRequest {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut words = head.split(' ');
    let method = match words.next().unwrap() {
        "POST" => "POST",
        "DELETE" => "DELETE",
        other => panic!("{other}"),
    };
    let url = format!("https://h.example{}", words.next().unwrap());
    HttpRequest { method, url, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

fn bytes(answer: &HttpResponse) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    answer.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    [text.as_bytes(), b"\r\n", &answer.body].concat()
}

fn file(key: &SigningKey, kind: Kind, change: fn(&mut LicenseDescription)) -> String {
    let mut license = LicenseDescription::new("l1", KEY);
    (license.fingerprint, license.ttl) = (Some("fp".into()), Some(14 * DAY));
    change(&mut license);
    sign(key, &license, kind, true, Some(NOW)).unwrap()
}

/// The honest answer with a change that its signature does not cover.
fn changed(answer: HttpResponse, change: fn(&mut Value)) -> HttpResponse {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    change(&mut body);
    HttpResponse { body: body.to_string().into_bytes(), ..answer }
}

/// The honest answer with a change, signed again by the vendor's own key: what a replayed answer would be.
fn resigned(request: &HttpRequest, answer: &HttpResponse, change: fn(&mut Value)) -> HttpResponse {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    change(&mut body);
    Seal::of(request, NOW).put_on(&body.to_string())
}

fn header(mut answer: HttpResponse, name: &str, change: impl Fn(&str) -> Vec<String>) -> HttpResponse {
    let headers = std::mem::take(&mut answer.headers);
    answer.headers = headers
        .into_iter()
        .flat_map(|(own, value)| {
            let values = if own == name { change(&value) } else { vec![value] };
            values.into_iter().map(move |value| (own.clone(), value))
        })
        .collect();
    answer
}

fn certificate(file: String) -> HttpResponse {
    plain(200, &[], &json!({"data": {"attributes": {"certificate": file}}}).to_string())
}

fn status(status: u16) -> Twist {
    match status {
        204 => |_, answer| HttpResponse { status: 204, ..answer },
        401 => |_, answer| HttpResponse { status: 401, ..answer },
        500 => |_, answer| HttpResponse { status: 500, ..answer },
        _ => |_, answer| HttpResponse { status: 404, ..answer },
    }
}

fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

/// Writes until nobody reads any more.
fn pour(stream: &mut TcpStream, head: &str, text: &str) {
    say(stream, head);
    let chunk = text.repeat(64);
    while stream.write_all(chunk.as_bytes()).is_ok() {}
}

/// Writes a byte now and then, until nobody reads any more.
fn drip(stream: &mut TcpStream, head: &str) {
    say(stream, head);
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
}

/// Every lie, and what it is told as.
fn lies() -> Vec<(&'static str, Lie, Code)> {
    use Code::{
        ClockSkew, LicenseKeyOrMachineMismatch, LicenseMalformed, LicenseSignatureInvalid, NetworkTimeout,
        ServerAnswerMalformed, ServerSignatureInvalid, ServerStatus,
    };
    let v = Lie::Validation;
    let f = Lie::File;
    let w = Lie::Wire;
    vec![
        // What the signature does not cover any more.
        ("valid", v(|_, a| changed(a, |b| b["meta"]["valid"] = false.into())), ServerSignatureInvalid),
        ("code", v(|_, a| changed(a, |b| b["meta"]["code"] = "SUSPENDED".into())), ServerSignatureInvalid),
        ("detail", v(|_, a| changed(a, |b| b["meta"]["detail"] = "x".into())), ServerSignatureInvalid),
        ("nonce", v(|_, a| changed(a, |b| b["meta"]["nonce"] = 1.into())), ServerSignatureInvalid),
        ("scope", v(|_, a| changed(a, |b| b["meta"]["scope"] = Value::Null)), ServerSignatureInvalid),
        ("license id", v(|_, a| changed(a, |b| b["data"]["id"] = "l2".into())), ServerSignatureInvalid),
        ("license key", v(|_, a| changed(a, |b| b["data"]["attributes"]["key"] = "x".into())), ServerSignatureInvalid),
        (
            "one byte",
            v(|_, mut a| {
                a.body.push(b' ');
                a
            }),
            ServerSignatureInvalid,
        ),
        // Signed by the vendor, for another question.
        ("replayed", v(|r, a| resigned(r, &a, |b| b["meta"]["nonce"] = 1.into())), ServerSignatureInvalid),
        ("no nonce", v(|r, a| resigned(r, &a, |b| b["meta"]["nonce"] = Value::Null)), ServerSignatureInvalid),
        (
            "another machine",
            v(|r, a| resigned(r, &a, |b| b["meta"]["scope"]["fingerprint"] = "x".into())),
            ServerSignatureInvalid,
        ),
        ("no machine", v(|r, a| resigned(r, &a, |b| b["meta"]["scope"] = Value::Null)), ServerSignatureInvalid),
        (
            "another license",
            v(|r, a| resigned(r, &a, |b| b["data"]["attributes"]["key"] = "x".into())),
            ServerSignatureInvalid,
        ),
        (
            "another host",
            v(|r, a| Seal { host: "other.example", ..Seal::of(r, NOW) }.put_on(&text(&a))),
            ServerSignatureInvalid,
        ),
        (
            "another path",
            v(|r, a| Seal { target: "/v1/me", ..Seal::of(r, NOW) }.put_on(&text(&a))),
            ServerSignatureInvalid,
        ),
        (
            "another method",
            v(|r, a| Seal { method: "GET", ..Seal::of(r, NOW) }.put_on(&text(&a))),
            ServerSignatureInvalid,
        ),
        ("stale", v(|r, a| Seal { clock: NOW - 301, ..Seal::of(r, NOW) }.put_on(&text(&a))), ClockSkew),
        ("from the future", v(|r, a| Seal { clock: NOW + 301, ..Seal::of(r, NOW) }.put_on(&text(&a))), ClockSkew),
        // Signed by somebody else, or in another way.
        (
            "another key",
            v(|r, a| Seal { key: SigningKey::from_seed(&[9; 32]), ..Seal::of(r, NOW) }.put_on(&text(&a))),
            ServerSignatureInvalid,
        ),
        ("no signature", v(|_, a| header(a, "Keygen-Signature", |_| vec![])), ServerSignatureInvalid),
        (
            "two signatures",
            v(|_, a| header(a, "Keygen-Signature", |s| vec![s.into(), s.into()])),
            ServerSignatureInvalid,
        ),
        ("no date", v(|_, a| header(a, "Date", |_| vec![])), ServerSignatureInvalid),
        ("two dates", v(|_, a| header(a, "Date", |d| vec![d.into(), d.into()])), ServerSignatureInvalid),
        (
            "another date",
            v(|_, a| header(a, "Date", |_| vec!["Fri, 15 Jan 2027 08:00:01 GMT".into()])),
            ServerSignatureInvalid,
        ),
        (
            "hmac",
            v(|_, a| header(a, "Keygen-Signature", |s| vec![s.replace("ed25519", "hs256")])),
            ServerSignatureInvalid,
        ),
        (
            "rsa",
            v(|_, a| header(a, "Keygen-Signature", |s| vec![s.replace("ed25519", "rsa-pss-sha256")])),
            ServerSignatureInvalid,
        ),
        (
            "no algorithm",
            v(|_, a| header(a, "Keygen-Signature", |s| vec![s.replace("algorithm", "x")])),
            ServerSignatureInvalid,
        ),
        (
            "no digest",
            v(|_, a| header(a, "Keygen-Signature", |s| vec![s.replace(" digest", "")])),
            ServerSignatureInvalid,
        ),
        (
            "garbled signature",
            v(|_, a| header(a, "Keygen-Signature", |_| vec!["x".repeat(9000)])),
            ServerSignatureInvalid,
        ),
        // Signed, and not what it should be.
        ("not JSON", v(|r, _| Seal::of(r, NOW).put_on("<html>")), ServerAnswerMalformed),
        ("empty", v(|r, _| Seal::of(r, NOW).put_on("")), ServerAnswerMalformed),
        ("deep", v(|r, _| Seal::of(r, NOW).put_on(&"[".repeat(10_000))), ServerAnswerMalformed),
        ("valid as text", v(|r, a| resigned(r, &a, |b| b["meta"]["valid"] = "true".into())), ServerAnswerMalformed),
        ("no license", v(|r, a| resigned(r, &a, |b| b["data"] = Value::Null)), ServerAnswerMalformed),
        // What no signature covers.
        ("500", v(status(500)), ServerStatus),
        ("401", v(status(401)), ServerStatus),
        ("404", v(status(404)), ServerStatus),
        ("204", v(status(204)), ServerStatus),
        ("a redirect to itself", v(|r, a| redirected(&r.url, a)), ServerStatus),
        ("a redirect elsewhere", v(|_, a| redirected("http://169.254.169.254/", a)), ServerStatus),
        // The file.
        ("no file", f(|_, _| plain(200, &[], "{}")), ServerAnswerMalformed),
        ("an empty file", f(|_, _| certificate(String::new())), LicenseMalformed),
        (
            "another vendor's file",
            f(|_, _| certificate(file(&SigningKey::from_seed(&[9; 32]), Kind::Machine, |_| ()))),
            LicenseSignatureInvalid,
        ),
        (
            "another machine's file",
            f(|_, _| certificate(file(&signer(), Kind::Machine, |l| l.fingerprint = Some("x".into())))),
            LicenseKeyOrMachineMismatch,
        ),
        (
            "another license's file",
            f(|_, _| certificate(file(&signer(), Kind::Machine, |l| l.key = "x".into()))),
            LicenseKeyOrMachineMismatch,
        ),
        ("a redirected check-out", f(|r, a| redirected(&r.url, a)), ServerStatus),
        // The wire.
        ("no HTTP", w(|s| say(s, "SSH-2.0-OpenSSH_9.2\r\n")), ServerAnswerMalformed),
        ("closed", w(|_| ()), ServerAnswerMalformed),
        ("truncated", w(|s| say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")), ServerAnswerMalformed),
        (
            "a gibibyte",
            w(|s| pour(s, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", "x")),
            ServerAnswerMalformed,
        ),
        (
            "chunks without an end",
            w(|s| {
                pour(
                    s,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    &format!("1000\r\n{}\r\n", "x".repeat(4096)),
                )
            }),
            ServerAnswerMalformed,
        ),
        ("headers without an end", w(|s| pour(s, "HTTP/1.1 200 OK\r\n", "X-Filler: x\r\n")), ServerAnswerMalformed),
        ("silence", w(|_| thread::sleep(Duration::from_secs(6))), NetworkTimeout),
        ("a slow header", w(|s| drip(s, "HTTP/1.1 200 OK\r\nX-Slow: ")), NetworkTimeout),
        ("a slow body", w(|s| drip(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")), NetworkTimeout),
    ]
}

fn text(answer: &HttpResponse) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn redirected(to: &str, mut answer: HttpResponse) -> HttpResponse {
    answer.status = 307;
    answer.headers.push(("Location".to_owned(), to.to_owned()));
    answer
}

/// What a lie is told as, twice: to who is activated, and to who would be.
fn tell(name: &str, lie: Lie, expected: Code) -> [Code; 2] {
    let caller = Caller { now: Some(NOW), ..Caller::system() };
    // A machine that does much else is not to be taken for a server that is slow.
    let timeout = Duration::from_secs(if expected == Code::NetworkTimeout { 3 } else { 30 });
    let plant = Plant::new(lie, timeout);
    let (active, fresh) = (plant.open(), plant.open());
    active.license().activate_online(KEY, &caller).unwrap();
    let before = active.license().status(Some(NOW)).unwrap();
    plant.lies.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let answers = [
        active.license().revalidate(&caller).unwrap_err().code(),
        fresh.license().activate_online(KEY, &caller).unwrap_err().code(),
    ];
    // Who is held is held for good: the servers that are slow go on for hours.
    assert!(begun.elapsed() < timeout * 2 + Duration::from_secs(30), "{name}");
    let after = active.license().status(Some(NOW)).unwrap();
    assert_eq!((after.state, after.lease_expires_at), (State::Active, before.lease_expires_at), "{name}");
    assert_eq!(after.last_attempt.unwrap().code, answers[0], "{name}");
    assert_eq!(fresh.license().status(Some(NOW)).unwrap().state, State::Unlicensed, "{name}");
    answers
}

/// Every lie has its own code, gives nothing, takes nothing, and holds nobody longer than it may.
#[test]
fn a_lie_neither_grants_nor_revokes() {
    let lies = lies();
    assert!(lies.len() >= 40);
    let (told, lies) = (Mutex::new(Vec::new()), Mutex::new(lies.into_iter()));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let next = lies.lock().unwrap().next();
                    let Some((name, lie, expected)) = next else { return };
                    let answers = tell(name, lie, expected);
                    told.lock().unwrap().push((name, answers, expected));
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap();
    told.retain(|(_, answers, expected)| *answers != [*expected; 2]);
    assert!(told.is_empty(), "told as, and expected: {told:#?}");
}

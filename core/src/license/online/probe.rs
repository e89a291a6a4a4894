//! A look at the licensing server, step by step, for whoever wonders why it can't be used; and what would be sent to it.
//!
//! What is asked is how a license stands that nobody has: that needs no license key, changes nothing anywhere, and is
//! answered and signed like any question of an installation.

use std::{sync::Arc, time::Instant};

use super::{
    cancel::Cancel,
    http_date,
    protocol::Call,
    server::{Base, Server},
    session::{self, nonce, refusal, unbelievable},
    signature::{self, MAX_SKEW, Received, Sent, Unbelievable},
    transport::{HttpRequest, HttpResponse, Transport},
};
use crate::{
    clock,
    error::{Code, Error, Result},
    keys::Caller,
    license::{License, keys::TrustedKey, secret},
};

/// The key, and the fingerprint, of nobody.
const NOBODY: &str = "inspire-auth-probe";
/// What stands for a license's id, which only the server's first answer tells.
const LICENSE_ID: &str = "(the license's id, from the first answer)";

/// What has to hold, one after the other, for an answer to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The server's address can be read, and the host's policy allows it.
    Address,
    /// The proxy can be used; only where there is one.
    Proxy,
    /// The name of the server, or of the proxy, is an address.
    Names,
    /// Something listens there.
    Connection,
    /// Its certificate is accepted; only with https.
    Tls,
    /// It answers, with the status 200.
    Answer,
    /// A trusted key signed the answer.
    Signature,
    /// Its clock and this machine's agree within five minutes.
    Clock,
}

impl Stage {
    /// Lower case, such as `address`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Proxy => "proxy",
            Self::Names => "names",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Answer => "answer",
            Self::Signature => "signature",
            Self::Clock => "clock",
        }
    }
}

/// What was found at one stage.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where.
    pub stage: Stage,
    /// What is there, in words, or what is wrong. Neither has a password.
    pub outcome: Result<String>,
}

/// What a look at the licensing server found.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The stages that were reached, in their order, each once.
    pub findings: Vec<Finding>,
    /// How far the server's clock is ahead of this machine's, in seconds, where it told.
    pub clock_offset: Option<i64>,
}

/// Looks at a licensing server, for at most [`Server::timeout`]. `keys` are those that are trusted to sign its answers; `now`
/// (Unix seconds; `None` or 0 is the system's clock) is this machine's time.
#[must_use]
pub fn probe(server: &Server, keys: &[TrustedKey], cancel: &Cancel, now: Option<i64>) -> Probe {
    let mut probe = Probe::default();
    if let Err((stage, error)) = probe.look(server, keys, cancel, now) {
        probe.note(stage, Err(error));
    }
    probe
}

impl Probe {
    /// Notes what was found, in the place of what was found there before.
    fn note(&mut self, stage: Stage, outcome: Result<String>) {
        match self.findings.iter_mut().find(|finding| finding.stage == stage) {
            Some(finding) => finding.outcome = outcome,
            None => self.findings.push(Finding { stage, outcome }),
        }
    }

    /// Goes on until something does not hold.
    fn look(
        &mut self,
        server: &Server,
        keys: &[TrustedKey],
        cancel: &Cancel,
        now: Option<i64>,
    ) -> Result<(), (Stage, Error)> {
        let base = Base::of(server).map_err(|error| (Stage::Address, error))?;
        let policy = if server.allowed_hosts.is_some() { ", which the policy allows" } else { "" };
        self.note(Stage::Address, Ok(format!("{}{policy}", base.url(&base.target("")))));
        let too_long = || (Stage::Answer, Error::with(Code::InvalidArgument, "the server's timeout is too long"));
        let deadline = Instant::now().checked_add(server.timeout).ok_or_else(too_long)?;
        let transport = match &server.transport {
            Some(transport) => Arc::clone(transport),
            None => self.connect(server, &base, deadline)?,
        };
        let nonce = nonce().map_err(|error| (Stage::Answer, error))?;
        let call = Call::Validate { key: NOBODY, fingerprint: NOBODY, product: None, nonce };
        let (target, request) = call.request(&base);
        let sent = transport.send(&request, deadline, cancel);
        let response = sent.map_err(|error| (stage_of(error.code()), error))?;
        if base.is_secure() {
            self.note(Stage::Tls, Ok("the certificate is accepted".to_owned()));
        }
        let sent = Sent { method: request.method, target: &target, host: &base.signed_host };
        self.judge(server, sent, &response, keys, clock::resolve(now));
        Ok(())
    }

    /// The steps of a connection, which a transport of the library's own does all at once.
    #[cfg(feature = "online")]
    fn connect(
        &mut self,
        server: &Server,
        base: &Base,
        deadline: Instant,
    ) -> Result<Arc<dyn Transport>, (Stage, Error)> {
        let http = super::http::Http::new(server, base).map_err(|error| (Stage::Proxy, error))?;
        if let Some(proxy) = http.proxy() {
            self.note(Stage::Proxy, Ok(proxy));
        }
        let addresses = http.resolve(base, deadline).map_err(|error| (Stage::Names, error))?;
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        self.note(Stage::Names, Ok(shown.join(", ")));
        let connected = http.connect(&addresses, deadline).map_err(|error| (Stage::Connection, error))?;
        self.note(Stage::Connection, Ok(connected.to_string()));
        Ok(Arc::new(http))
    }

    #[cfg(not(feature = "online"))]
    fn connect(&mut self, _: &Server, _: &Base, _: Instant) -> Result<Arc<dyn Transport>, (Stage, Error)> {
        let missing = "this build has no client for licensing servers: bring a transport";
        Err((Stage::Connection, Error::with(Code::UnsupportedOption, missing)))
    }

    /// What an answer is worth.
    fn judge(&mut self, server: &Server, sent: Sent<'_>, response: &HttpResponse, keys: &[TrustedKey], now: i64) {
        let received = Received { fields: &response.headers, body: &response.body };
        let signed = signature::verify(sent, &received, keys, server.account_id.as_deref(), now);
        let is_good = response.status == 200;
        self.note(Stage::Answer, if is_good { Ok("HTTP 200".to_owned()) } else { Err(refusal(response)) });
        let (at, by_whom) = match signed {
            Ok(signed) => {
                self.note(Stage::Signature, Ok(format!("by the trusted key {}", signed.key_id)));
                (Some(signed.at), "")
            }
            Err(Unbelievable::Untimely(at)) => {
                self.note(Stage::Signature, Ok("by a trusted key".to_owned()));
                (Some(at), "")
            }
            Err(why) => {
                // What stands in front of a server, and answers in its place, signs nothing.
                if is_good {
                    self.note(Stage::Signature, Err(unbelievable(why)));
                }
                (date_of(response), ", by a date that nobody signed")
            }
        };
        let Some(offset) = at.map(|at| at.saturating_sub(now)) else { return };
        self.clock_offset = Some(offset);
        let words = match offset {
            0 => format!("the server's clock is this machine's{by_whom}"),
            ahead @ 1.. => format!("the server's clock is {ahead} s ahead{by_whom}"),
            behind => format!("the server's clock is {} s behind{by_whom}", behind.saturating_neg()),
        };
        let agree = offset.saturating_abs() <= MAX_SKEW;
        self.note(Stage::Clock, if agree { Ok(words) } else { Err(Error::with(Code::ClockSkew, words)) });
    }
}

/// Where a call failed that a connection was there for a moment ago.
fn stage_of(code: Code) -> Stage {
    match code {
        Code::NetworkTls => Stage::Tls,
        Code::NetworkProxy | Code::NetworkPolicy => Stage::Proxy,
        Code::NetworkDns => Stage::Names,
        Code::NetworkConnect => Stage::Connection,
        _ => Stage::Answer,
    }
}

/// When an answer says that it was made, Unix seconds.
fn date_of(response: &HttpResponse) -> Option<i64> {
    let field = |name: &str| response.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    http_date::parse(&field("keygen-date").or_else(|| field("date"))?.1)
}

/// What an activation would send, one request after the other, as far as it is known before any answer: nothing is sent. The
/// second is left out where this machine is registered already. The license key is masked unless it is to be revealed.
///
/// # Errors
/// `INVALID_ARGUMENT`, `NETWORK_POLICY` for the server's address; `INTERNAL` without randomness.
pub fn activation_requests(
    server: &Server,
    license_key: &str,
    fingerprint: &str,
    product: Option<&str>,
    reveals_key: bool,
) -> Result<Vec<HttpRequest>> {
    let base = Base::of(server)?;
    let masked = if reveals_key { license_key.to_owned() } else { secret::mask(license_key) };
    let key = masked.as_str();
    let calls = [
        Call::Validate { key, fingerprint, product, nonce: nonce()? },
        Call::Register { key, license: LICENSE_ID, fingerprint },
        Call::CheckOut { key, fingerprint, ttl: session::lease(server) },
    ];
    Ok(calls.iter().map(|call| call.request(&base).1).collect())
}

impl License<'_> {
    /// What [`License::revalidate`] would send, as [`activation_requests`] says it of an activation: nothing is sent.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; `UNSUPPORTED_OPTION` when no server is configured; `UNLICENSED`, `NOT_AVAILABLE_OFFLINE`,
    /// `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code.
    pub fn revalidation_requests(&self, reveals_key: bool, caller: &Caller<'_>) -> Result<Vec<HttpRequest>> {
        let missing = || Error::with(Code::UnsupportedOption, "no licensing server is configured");
        let server = self.inner.license.online().ok_or_else(missing)?.server();
        let row = self.activated_online(caller)?;
        let fingerprint = self.machine()?.fingerprint;
        let product = self.inner.license.rules().product.as_deref();
        let mut requests = activation_requests(server, &row.license_key, &fingerprint, product, reveals_key)?;
        // A machine that the server does not know any more is not registered again, as a rule.
        requests.remove(1);
        Ok(requests)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fake::{Fake, NOW, plain, signer},
        *,
    };
    use crate::license::issue::SigningKey;

    fn look(fake: Fake, key: &SigningKey) -> (Vec<(Stage, Code)>, Option<i64>) {
        let mut server = Server::at("https://h.example/v1");
        server.transport = Some(Arc::new(fake));
        let keys = [TrustedKey::new("vendor", key.public()).unwrap()];
        let probe = probe(&server, &keys, &Cancel::default(), Some(NOW));
        let code = |finding: &Finding| finding.outcome.as_ref().map_or_else(Error::code, |_| Code::Ok);
        (probe.findings.iter().map(|finding| (finding.stage, code(finding))).collect(), probe.clock_offset)
    }

    #[test]
    fn a_good_answer_holds_at_every_stage() {
        let all = [Stage::Address, Stage::Tls, Stage::Answer, Stage::Signature, Stage::Clock];
        let (found, offset) = look(Fake::new("NOT_FOUND", false), &signer());
        assert_eq!((found, offset), (all.map(|stage| (stage, Code::Ok)).to_vec(), Some(0)));
    }

    /// The first stage that does not hold.
    fn last(fake: Fake, key: &SigningKey) -> Option<(Stage, Code)> {
        look(fake, key).0.into_iter().find(|(_, code)| *code != Code::Ok)
    }

    #[test]
    fn what_does_not_hold_has_its_stage() {
        let fake = || Fake::new("NOT_FOUND", false);
        for (code, stage) in [
            (Code::NetworkDns, Stage::Names),
            (Code::NetworkConnect, Stage::Connection),
            (Code::NetworkTls, Stage::Tls),
            (Code::NetworkProxy, Stage::Proxy),
            (Code::NetworkTimeout, Stage::Answer),
            (Code::ServerAnswerMalformed, Stage::Answer),
        ] {
            assert_eq!(last(fake().scripted([Err(code)]), &signer()), Some((stage, code)));
        }
        let busy = plain(503, &[("Date", "Fri, 15 Jan 2027 08:00:00 GMT")], "");
        let (found, offset) = look(fake().scripted([Ok(busy)]), &signer());
        assert_eq!(found[2..], [(Stage::Answer, Code::ServerStatus), (Stage::Clock, Code::Ok)]);
        assert_eq!(offset, Some(0));
        let another = SigningKey::from_seed(&[8; 32]);
        assert_eq!(last(fake(), &another), Some((Stage::Signature, Code::ServerSignatureInvalid)));
        let portal = plain(200, &[], "<html>");
        let unsigned = last(fake().scripted([Ok(portal)]), &signer());
        assert_eq!(unsigned, Some((Stage::Signature, Code::ServerSignatureInvalid)));
        let late = fake();
        late.state.lock().unwrap().clock = NOW - 301;
        let (found, offset) = look(late, &signer());
        assert_eq!(found[3..], [(Stage::Signature, Code::Ok), (Stage::Clock, Code::ClockSkew)]);
        assert_eq!(offset, Some(-301));
    }

    #[test]
    fn a_policy_is_asked_first() {
        let mut server = Server::at("https://h.example/v1");
        let fake = Arc::new(Fake::new("NOT_FOUND", false));
        server.transport = Some(Arc::<Fake>::clone(&fake));
        server.allowed_hosts = Some(vec!["other.example".to_owned()]);
        let found = probe(&server, &[], &Cancel::default(), Some(NOW)).findings;
        assert_eq!((found.len(), found[0].stage), (1, Stage::Address));
        assert_eq!(found[0].outcome.as_ref().unwrap_err().code(), Code::NetworkPolicy);
        assert!(fake.asked().is_empty());
    }

    #[test]
    fn the_requests_of_an_activation_hide_its_key() {
        let server = Server::at("https://h.example/v1");
        let of = |reveals| activation_requests(&server, "KEY-1234-5678", "fp", Some("p"), reveals).unwrap();
        let told = |requests: Vec<HttpRequest>| {
            let line = |r: &HttpRequest| {
                format!("{} {} {:?} {}", r.method, r.url, r.headers, String::from_utf8_lossy(&r.body))
            };
            requests.iter().map(line).collect::<Vec<_>>()
        };
        let (hidden, revealed) = (told(of(false)), told(of(true)));
        assert_eq!((hidden.len(), revealed.len()), (3, 3));
        for (hidden, revealed) in hidden.iter().zip(&revealed) {
            assert!(!hidden.contains("KEY-1234") && hidden.contains("********5678"), "{hidden}");
            assert!(revealed.contains("KEY-1234-5678"), "{revealed}");
        }
    }
}

//! One errand at the licensing server: which call is next, and what its answers amount to.
//!
//! A session knows no store. What it brings back is either a machine file, which an installation judges as it judges any
//! file, or a refusal that the server signed. Everything else that can happen (a status, a redirect, an error, an answer
//! by somebody else) is an error of the call, and says nothing about the license.

use std::time::{Duration, Instant};

use super::{
    cancel::Cancel,
    protocol::{self, Call, Nonce, Standing, Validation},
    server::{Base, Server},
    signature::{self, Received, Sent, Unbelievable},
    transport::{HttpResponse, Transport},
};
use crate::{
    error::{Code, Error, Result},
    id::fill_random,
    license::{keys::TrustedKey, time},
};

/// What a session is about, and with.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) server: &'a Server,
    pub(super) base: &'a Base,
    pub(super) transport: &'a dyn Transport,
    pub(super) keys: &'a [TrustedKey],
    pub(super) product: Option<&'a str>,
    pub(super) license_key: &'a str,
    pub(super) fingerprint: &'a str,
    /// Unix seconds, asked anew for each answer.
    pub(super) now: &'a dyn Fn() -> i64,
    pub(super) cancel: &'a Cancel,
    pub(super) deadline: Instant,
}

/// What the server has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A machine file, not yet looked at.
    File(String),
    /// The license may not be used on this machine.
    Refused {
        code: Code,
        /// The server's own words.
        said: String,
        /// When it said so, Unix seconds.
        at: i64,
    },
}

impl Session<'_> {
    /// Registers this machine unless it is registered already, and fetches a machine file.
    pub(super) fn activate(&self) -> Result<Word> {
        let (validation, at) = self.validate()?;
        let license = validation.license.unwrap_or_default();
        match validation.standing {
            Standing::Refused(code) => return Ok(Word::Refused { code, said: validation.said, at }),
            Standing::Good => return self.check_out(),
            Standing::NotHere => {}
        }
        self.register(&license)
    }

    /// Asks how the license stands, and fetches a fresh machine file. A machine that is gone was taken off the license by
    /// somebody, unless `culled` says that the server itself does so with machines that fall silent.
    pub(super) fn revalidate(&self, culled: bool) -> Result<Word> {
        let (validation, at) = self.validate()?;
        match (validation.standing, validation.license) {
            (Standing::Refused(code), _) => Ok(Word::Refused { code, said: validation.said, at }),
            (Standing::Good, _) => self.check_out(),
            (Standing::NotHere, Some(license)) if culled => self.register(&license),
            (Standing::NotHere, _) => Ok(Word::Refused { code: Code::NotActivated, said: validation.said, at }),
        }
    }

    /// Takes a machine off its license. Whether that is certain: by a signed answer that it is gone.
    pub(super) fn release(&self, machine: &str) -> Result<bool> {
        let released = self.exchange(&Call::Release { key: self.license_key, machine })?.0;
        match released.status {
            // A license that is suspended or expired may not even let go of its machines: nothing that is in use is left.
            200..=299 | 401 | 403 | 404 => {}
            _ => return Err(refusal(&released)),
        }
        let (validation, _) = self.validate()?;
        Ok(matches!(validation.standing, Standing::NotHere | Standing::Refused(Code::LicenseUnknown)))
    }

    fn register(&self, license: &str) -> Result<Word> {
        let call = Call::Register { key: self.license_key, license, fingerprint: self.fingerprint };
        let (response, _) = self.exchange(&call)?;
        if response.status == 201 {
            return self.check_out();
        }
        let (code, said) = protocol::problem(&response);
        match code.as_deref() {
            // By an earlier call of which no answer came, or by another license: the server says which.
            Some("FINGERPRINT_TAKEN") => match self.validate()? {
                (Validation { standing: Standing::Good, .. }, _) => self.check_out(),
                (Validation { standing: Standing::Refused(code), said, .. }, at) => {
                    Ok(Word::Refused { code, said, at })
                }
                (Validation { said, .. }, _) => Err(Error::with(Code::NotActivated, said)),
            },
            Some("MACHINE_LIMIT_EXCEEDED") => Err(Error::with(Code::MachineLimitReached, said)),
            _ => Err(refusal(&response)),
        }
    }

    fn check_out(&self) -> Result<Word> {
        let call = Call::CheckOut { key: self.license_key, fingerprint: self.fingerprint, ttl: lease(self.server) };
        let (response, _) = self.exchange(&call)?;
        match response.status {
            200..=299 => protocol::certificate(&response.body).map(Word::File),
            _ => Err(refusal(&response)),
        }
    }

    /// How the license stands, and when the server said so.
    fn validate(&self) -> Result<(Validation, i64)> {
        let nonce = nonce()?;
        let call =
            Call::Validate { key: self.license_key, fingerprint: self.fingerprint, product: self.product, nonce };
        let (response, target) = self.exchange(&call)?;
        if response.status != 200 {
            return Err(refusal(&response));
        }
        let sent = Sent { method: "POST", target: &target, host: &self.base.signed_host };
        let received = Received { fields: &response.headers, body: &response.body };
        let account = self.server.account_id.as_deref();
        let signed = signature::verify(sent, &received, self.keys, account, (self.now)()).map_err(unbelievable)?;
        let validation = Validation::read(&response.body, self.license_key, self.fingerprint, nonce)?;
        Ok((validation, signed.at))
    }

    /// Sends a call until it is answered: again, once, when there was no connection, and as often as a busy server says
    /// when, as far as the deadline allows. Every call can be repeated.
    fn exchange(&self, call: &Call<'_>) -> Result<(HttpResponse, String)> {
        let (target, request) = call.request(self.base);
        let mut unconnected = false;
        loop {
            self.go_on()?;
            let answer = self.transport.send(&request, self.deadline, self.cancel);
            // What an interruption looks like to a transport, a body that is whole perhaps.
            self.go_on()?;
            let wait = match answer {
                Ok(response) => match response.status {
                    429 | 503 => retry_after(&response).ok_or_else(|| refusal(&response))?,
                    300..=399 => return Err(Error::with(Code::ServerStatus, "a redirect, which is not followed")),
                    _ => return Ok((response, target)),
                },
                Err(error) if error.code() == Code::NetworkConnect && !unconnected && self.allows(PAUSE) => {
                    unconnected = true;
                    PAUSE
                }
                Err(error) => return Err(error),
            };
            if !self.allows(wait) {
                return Err(Error::with(Code::ServerRateLimited, format!("not before {} s", wait.as_secs())));
            }
            self.pause(wait)?;
        }
    }

    fn go_on(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::new(Code::Cancelled)) } else { Ok(()) }
    }

    /// Whether there is time to wait so long.
    fn allows(&self, wait: Duration) -> bool {
        self.deadline.saturating_duration_since(Instant::now()) > wait
    }

    fn pause(&self, wait: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.go_on()?;
            std::thread::sleep(left.min(PAUSE));
        }
    }
}

/// Keygen's least time to live of a file, in seconds.
const SHORTEST_LEASE: u64 = 3600;
/// Before a second attempt to connect, and between two looks at whether a caller still wants the answer.
const PAUSE: Duration = Duration::from_millis(100);

/// The lease that a server is asked for, in seconds.
pub(super) fn lease(server: &Server) -> u64 {
    server.lease.as_secs().max(SHORTEST_LEASE)
}

pub(super) fn nonce() -> Result<Nonce> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes) >> 12)
}

/// How long a busy server asks to wait: seconds, or a date, which is not worth a clock.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let mut fields = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let seconds = fields.next()?.1.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(super) fn refusal(response: &HttpResponse) -> Error {
    let code = if response.status == 429 { Code::ServerRateLimited } else { Code::ServerStatus };
    Error::with(code, protocol::problem(response).1)
}

pub(super) fn unbelievable(why: Unbelievable) -> Error {
    match why {
        Unbelievable::Unsigned => Error::with(Code::ServerSignatureInvalid, "the answer has no signature"),
        Unbelievable::Unreadable => Error::with(Code::ServerSignatureInvalid, "the signature is of another kind"),
        Unbelievable::Forged => Error::with(Code::ServerSignatureInvalid, "no trusted key has signed this answer"),
        Unbelievable::Untimely(at) => {
            let at = time::format(at).unwrap_or_default();
            Error::with(Code::ClockSkew, format!("the server's clock said {at}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fake::{Fake, NOW, plain, signer},
        *,
    };

    impl Fake {
        fn run<T>(&self, errand: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T, Code> {
            self.run_for(Duration::from_secs(10), errand)
        }

        fn run_for<T>(&self, time: Duration, errand: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T, Code> {
            let server = Server::at("https://h.example/v1");
            let keys = [TrustedKey::new("vendor", signer().public()).unwrap()];
            let session = Session {
                server: &server,
                base: &Base::of(&server).unwrap(),
                transport: self,
                keys: &keys,
                product: None,
                license_key: "KEY",
                fingerprint: "fp",
                now: &|| NOW,
                cancel: &self.cancel,
                deadline: Instant::now() + time,
            };
            errand(&session).map_err(|error| error.code())
        }
    }

    const VALIDATE: &str = "POST licenses/actions/validate-key";
    const REGISTER: &str = "POST machines";
    const CHECK_OUT: &str = "POST machines/fp/actions/check-out";

    fn file() -> Word {
        Word::File("a machine file".to_owned())
    }

    fn refused(code: Code) -> Word {
        Word::Refused { code, said: String::new(), at: NOW }
    }

    /// Without the server's words.
    fn wordless(word: Word) -> Word {
        match word {
            Word::Refused { code, at, said } => {
                assert!(!said.is_empty());
                Word::Refused { code, said: String::new(), at }
            }
            file @ Word::File(_) => file,
        }
    }

    #[test]
    fn an_activation_registers_once() {
        let server = Fake::new("VALID", false);
        assert_eq!(server.run(|session| session.activate()), Ok(file()));
        assert_eq!(server.asked(), [VALIDATE, REGISTER, CHECK_OUT]);
        assert_eq!(server.run(|session| session.activate()), Ok(file()));
        assert_eq!(server.asked(), [VALIDATE, CHECK_OUT], "known already: the ordinary case");
        assert_eq!(server.run(|session| session.revalidate(false)), Ok(file()));
    }

    #[test]
    fn a_registration_whose_answer_was_lost_is_found_again() {
        let server = Fake::new("VALID", false);
        let lost = server.run(|session| {
            // Registered, and the answer never came.
            server.state.lock().unwrap().is_registered = false;
            session.validate()?;
            server.state.lock().unwrap().is_registered = true;
            session.register("l1")
        });
        assert_eq!(lost, Ok(file()));
        assert_eq!(server.asked(), [VALIDATE, REGISTER, VALIDATE, CHECK_OUT]);
    }

    #[test]
    fn a_signed_refusal_is_a_word() {
        for (code, ours) in [
            ("SUSPENDED", Code::LicenseSuspended),
            ("EXPIRED", Code::LicenseExpired),
            ("NOT_FOUND", Code::LicenseUnknown),
            ("SOMETHING_NEW", Code::LicenseRefused),
        ] {
            let server = Fake::new(code, true);
            assert_eq!(server.run(|session| session.activate()).map(wordless), Ok(refused(ours)), "{code}");
            assert_eq!(server.run(|session| session.revalidate(true)).map(wordless), Ok(refused(ours)), "{code}");
            assert_eq!(server.asked(), [VALIDATE, VALIDATE], "nothing is registered");
        }
    }

    #[test]
    fn a_machine_that_somebody_removed_is_not_activated() {
        let server = Fake::new("VALID", false);
        let word = server.run(|session| session.revalidate(false)).map(wordless);
        assert_eq!(word, Ok(refused(Code::NotActivated)));
        assert_eq!(server.asked(), [VALIDATE]);
        assert_eq!(server.run(|session| session.revalidate(true)), Ok(file()), "one that the server itself culls");
    }

    #[test]
    fn a_release_is_certain_by_a_signed_answer() {
        let server = Fake::new("VALID", true);
        assert_eq!(server.run(|session| session.release("m1")), Ok(true));
        assert_eq!(server.run(|session| session.release("m1")), Ok(true), "gone already");
        let server = Fake::new("VALID", true).scripted([Ok(plain(204, &[], ""))]);
        assert_eq!(server.run(|session| session.release("m1")), Ok(false), "a 204 that anybody could send");
        let server = Fake::new("VALID", true).scripted([Ok(plain(500, &[], ""))]);
        assert_eq!(server.run(|session| session.release("m1")), Err(Code::ServerStatus));
    }

    #[test]
    fn an_unexpected_status_is_told_and_changes_nothing() {
        for status in [201, 204, 301, 302, 307, 400, 401, 403, 404, 409, 422, 500, 502, 504] {
            let server = Fake::new("VALID", true).scripted([Ok(plain(status, &[("Location", "/")], "{}"))]);
            assert_eq!(server.run(|session| session.revalidate(false)), Err(Code::ServerStatus), "{status}");
            assert_eq!(server.asked(), [VALIDATE]);
        }
        let unsigned = r#"{"data": null, "meta": {"valid": false, "code": "SUSPENDED"}}"#;
        let server = Fake::new("VALID", true).scripted([Ok(plain(200, &[], unsigned))]);
        assert_eq!(server.run(|session| session.revalidate(false)), Err(Code::ServerSignatureInvalid));
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_apart_from_a_forged_answer() {
        for clock in [NOW - 301, NOW + 301] {
            let server = Fake::new("VALID", true);
            server.state.lock().unwrap().clock = clock;
            assert_eq!(server.run(|session| session.activate()), Err(Code::ClockSkew));
        }
    }

    #[test]
    fn a_busy_server_is_asked_again_as_far_as_the_deadline_allows() {
        let busy = |seconds| Ok(plain(429, &[("Retry-After", seconds)], ""));
        let server =
            Fake::new("VALID", true).scripted([busy("0"), Ok(plain(503, &[("retry-after", "0")], "")), busy("0")]);
        assert_eq!(server.run(|session| session.activate()), Ok(file()));
        assert_eq!(server.asked().len(), 3 + 2);
        for hopeless in ["11", "99999999999999999999", "soon", "-1"] {
            let server = Fake::new("VALID", true).scripted([busy(hopeless)]);
            let begun = Instant::now();
            assert_eq!(server.run(|session| session.activate()), Err(Code::ServerRateLimited), "{hopeless}");
            assert!(begun.elapsed() < Duration::from_secs(5) && server.asked().len() == 1, "{hopeless}");
        }
        let server = Fake::new("VALID", true).scripted([Ok(plain(503, &[], ""))]);
        assert_eq!(server.run(|session| session.activate()), Err(Code::ServerStatus));
    }

    #[test]
    fn a_connection_is_tried_twice_and_nothing_else() {
        let server = Fake::new("VALID", true).scripted([Err(Code::NetworkConnect)]);
        assert_eq!(server.run(|session| session.activate()), Ok(file()));
        let server = Fake::new("VALID", true).scripted([Err(Code::NetworkConnect), Err(Code::NetworkConnect)]);
        assert_eq!(server.run(|session| session.activate()), Err(Code::NetworkConnect));
        for code in [Code::NetworkDns, Code::NetworkTls, Code::NetworkTimeout, Code::NetworkProxy] {
            let server = Fake::new("VALID", true).scripted([Err(code)]);
            assert_eq!(server.run(|session| session.activate()), Err(code));
            assert_eq!(server.asked().len(), 1);
        }
        let server = Fake::new("VALID", true).scripted([Err(Code::NetworkConnect)]);
        let late = server.run_for(Duration::ZERO, |session| session.activate());
        assert_eq!(late, Err(Code::NetworkConnect), "there is no time for a second");
    }

    #[test]
    fn a_cancelled_session_sends_nothing_more() {
        let server = Fake::new("VALID", true).scripted([Ok(plain(429, &[("Retry-After", "5")], ""))]);
        let begun = Instant::now();
        let cancelled = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                server.cancel.cancel();
            });
            server.run(|session| session.activate())
        });
        assert_eq!(cancelled, Err(Code::Cancelled));
        assert!(begun.elapsed() < Duration::from_secs(4) && server.asked().len() == 1);
    }

    #[test]
    fn what_a_cancelled_call_brings_is_dropped() {
        let answers = || [Ok(plain(404, &[], "")), Err(Code::NetworkTimeout), Err(Code::NetworkConnect)];
        for answer in answers() {
            let server = Fake::new("VALID", true).scripted([answer]).cancelled_by_call(1);
            assert_eq!(server.run(|session| session.activate()), Err(Code::Cancelled));
            assert_eq!(server.asked().len(), 1);
        }
        // The last call of an activation, too.
        let server = Fake::new("VALID", true).cancelled_by_call(2);
        assert_eq!(server.run(|session| session.activate()), Err(Code::Cancelled));
        assert_eq!(server.asked(), [VALIDATE, CHECK_OUT]);
    }
}

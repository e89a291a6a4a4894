//! The four calls, as Keygen's API has them (version 1.7), and what their answers say.

use serde_json::{Value, json};

use super::{
    server::{Base, escaped},
    transport::{HttpRequest, HttpResponse},
};
use crate::{
    error::{Code, Error, Result},
    license::json,
};

/// The version of the API whose documents this reads; without it a server answers by its own default.
const VERSION: &str = "1.7";
const JSON_API: &str = "application/vnd.api+json";
/// What a machine file is asked for with: everything that an installation looks at.
const CHECK_OUT: &str = "include=license,license.entitlements&algorithm=aes-256-gcm%2Bed25519&encrypt=1";

/// A nonce that every JSON reader gives back as it was: below 2^52.
pub(super) type Nonce = u64;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    /// How does this key stand on this machine? Without authentication: a suspended license is then an answer, too.
    Validate { key: &'a str, fingerprint: &'a str, product: Option<&'a str>, nonce: Nonce },
    /// Register this machine for the license with this id.
    Register { key: &'a str, license: &'a str, fingerprint: &'a str },
    /// A machine file for this machine, good for so many seconds.
    CheckOut { key: &'a str, fingerprint: &'a str, ttl: u64 },
    /// Take the machine with this id off its license.
    Release { key: &'a str, machine: &'a str },
}

impl Call<'_> {
    /// The request's method and target, and the request.
    pub(super) fn request(&self, base: &Base) -> (String, HttpRequest) {
        let (method, target, key, body) = match *self {
            Self::Validate { key, fingerprint, product, nonce } => {
                let scope = match product {
                    Some(product) => json!({"fingerprint": fingerprint, "product": product}),
                    None => json!({"fingerprint": fingerprint}),
                };
                let body = json!({"meta": {"key": key, "nonce": nonce, "scope": scope}});
                ("POST", base.target("/licenses/actions/validate-key"), None, Some(body))
            }
            Self::Register { key, license, fingerprint } => {
                let body = json!({"data": {
                    "type": "machines",
                    "attributes": {"fingerprint": fingerprint},
                    "relationships": {"license": {"data": {"type": "licenses", "id": license}}},
                }});
                ("POST", base.target("/machines"), Some(key), Some(body))
            }
            Self::CheckOut { key, fingerprint, ttl } => {
                let machine = escaped(fingerprint);
                let target = base.target(&format!("/machines/{machine}/actions/check-out?{CHECK_OUT}&ttl={ttl}"));
                ("POST", target, Some(key), None)
            }
            Self::Release { key, machine } => {
                ("DELETE", base.target(&format!("/machines/{}", escaped(machine))), Some(key), None)
            }
        };
        let mut headers = vec![
            ("accept", JSON_API.to_owned()),
            ("accept-encoding", "identity".to_owned()),
            ("keygen-version", VERSION.to_owned()),
            ("keygen-accept-signature", "algorithm=\"ed25519\"".to_owned()),
            ("user-agent", concat!("libinspire_auth/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        if let Some(key) = key {
            headers.push(("authorization", format!("License {key}")));
        }
        let body = body.map(|body| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("content-type", JSON_API.to_owned()));
        }
        let url = base.url(&target);
        (target, HttpRequest { method, url, headers, body: body.unwrap_or_default() })
    }
}

/// How a license stands, by a signed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be used on this machine.
    Good,
    /// It may be used, and this machine is not registered for it.
    NotHere,
    /// It may not be used.
    Refused(Code),
}

/// What `validate-key` answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validation {
    pub(super) standing: Standing,
    /// The license's id; `None` when the server knows no such key.
    pub(super) license: Option<String>,
    /// The server's own code and words, for people.
    pub(super) said: String,
}

impl Validation {
    /// Reads the body of an answer whose signature holds.
    ///
    /// # Errors
    /// `SERVER_ANSWER_MALFORMED` for another shape; `SERVER_SIGNATURE_INVALID` when it does not answer this question:
    /// another nonce, another fingerprint, another key. (The signature covers no request body.)
    pub(super) fn read(body: &[u8], key: &str, fingerprint: &str, nonce: Nonce) -> Result<Self> {
        let malformed = || Error::new(Code::ServerAnswerMalformed);
        let document = json::parse(body).ok_or_else(malformed)?;
        let meta = document.get("meta").and_then(Value::as_object).ok_or_else(malformed)?;
        let another = |what: &'static str| Error::with(Code::ServerSignatureInvalid, what);
        if meta.get("nonce").and_then(Value::as_u64) != Some(nonce) {
            return Err(another("the answer has another nonce than the question"));
        }
        let echoed = meta.get("scope").and_then(|scope| scope.get("fingerprint")).and_then(Value::as_str);
        if echoed != Some(fingerprint) {
            return Err(another("the answer is about another machine"));
        }
        let is_valid = meta.get("valid").and_then(Value::as_bool).ok_or_else(malformed)?;
        let code = meta.get("code").and_then(Value::as_str).ok_or_else(malformed)?;
        let detail = meta.get("detail").and_then(Value::as_str).unwrap_or_default();
        let license = match document.get("data") {
            None | Some(Value::Null) => None,
            Some(data) => {
                if data.get("type").and_then(Value::as_str) != Some("licenses") {
                    return Err(malformed());
                }
                let theirs =
                    data.get("attributes").and_then(|attributes| attributes.get("key")).and_then(Value::as_str);
                if theirs != Some(key) {
                    return Err(another("the answer is about another license"));
                }
                Some(data.get("id").and_then(Value::as_str).ok_or_else(malformed)?.to_owned())
            }
        };
        let standing = standing(code, is_valid);
        if license.is_none() && !matches!(standing, Standing::Refused(_)) {
            return Err(malformed());
        }
        Ok(Self { standing, license, said: printable(code, detail) })
    }
}

/// What the server's code means here. `valid` alone does not say: an expired license can be valid by its policy, which
/// is not ours. What this version does not know is refused.
fn standing(code: &str, is_valid: bool) -> Standing {
    match (code, is_valid) {
        ("VALID", true) => Standing::Good,
        // The vendor's policy lets it be overrun.
        (
            "TOO_MANY_MACHINES" | "TOO_MANY_CORES" | "TOO_MUCH_MEMORY" | "TOO_MUCH_DISK" | "TOO_MANY_PROCESSES"
            | "TOO_MANY_USERS",
            true,
        ) => Standing::Good,
        ("NO_MACHINE" | "NO_MACHINES" | "FINGERPRINT_SCOPE_MISMATCH", false) => Standing::NotHere,
        ("EXPIRED", _) => Standing::Refused(Code::LicenseExpired),
        ("SUSPENDED" | "BANNED", _) => Standing::Refused(Code::LicenseSuspended),
        ("NOT_FOUND", _) => Standing::Refused(Code::LicenseUnknown),
        ("PRODUCT_SCOPE_MISMATCH", _) => Standing::Refused(Code::LicenseProductMismatch),
        ("TOO_MANY_MACHINES", false) => Standing::Refused(Code::MachineLimitReached),
        _ => Standing::Refused(Code::LicenseRefused),
    }
}

/// The certificate of a check-out. The envelope around it is signed by nobody, and not looked at.
///
/// # Errors
/// `SERVER_ANSWER_MALFORMED`.
pub(super) fn certificate(body: &[u8]) -> Result<String> {
    let certificate = json::parse(body).and_then(|document| {
        let attributes = document.get("data")?.get("attributes")?;
        attributes.get("certificate")?.as_str().map(str::to_owned)
    });
    certificate.ok_or(Error::new(Code::ServerAnswerMalformed))
}

/// The code of the first of an answer's errors, such as `FINGERPRINT_TAKEN`, and what to tell a person.
pub(super) fn problem(response: &HttpResponse) -> (Option<String>, String) {
    let first = json::parse(&response.body).and_then(|document| document.get("errors")?.get(0).cloned());
    let text = |name: &str| first.as_ref().and_then(|error| error.get(name)).and_then(Value::as_str);
    let code = text("code").map(str::to_owned);
    let said = printable(code.as_deref().unwrap_or_default(), text("detail").unwrap_or_default());
    (
        code,
        if said.is_empty() { format!("HTTP {}", response.status) } else { format!("HTTP {}: {said}", response.status) },
    )
}

/// What a server says, as it may be shown: one line, not long.
fn printable(code: &str, detail: &str) -> String {
    const MOST: usize = 200;
    let whole = match (code, detail) {
        ("", text) | (text, "") => text.to_owned(),
        (code, detail) => format!("{code}: {detail}"),
    };
    whole.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::server::Server, *};

    const KEY: &str = "key/a.b=";

    fn base() -> Base {
        let mut server = Server::at("https://h.example/v1");
        server.account = Some("acme".to_owned());
        Base::of(&server).unwrap()
    }

    fn header(request: &HttpRequest, name: &str) -> Option<String> {
        request.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn calls_are_keygens() {
        let (target, request) =
            Call::Validate { key: KEY, fingerprint: "fp", product: Some("p"), nonce: 7 }.request(&base());
        assert_eq!((request.method, target.as_str()), ("POST", "/v1/accounts/acme/licenses/actions/validate-key"));
        assert_eq!(request.url, format!("https://h.example{target}"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({"meta": {"key": KEY, "nonce": 7, "scope": {"fingerprint": "fp", "product": "p"}}}));
        assert_eq!(header(&request, "authorization"), None, "a suspended key would be refused there, unsigned");
        assert_eq!(header(&request, "content-type").unwrap(), JSON_API);
        assert_eq!(header(&request, "keygen-version").unwrap(), "1.7");

        let (target, request) = Call::Register { key: KEY, license: "l", fingerprint: "fp" }.request(&base());
        assert_eq!((request.method, target.as_str()), ("POST", "/v1/accounts/acme/machines"));
        assert_eq!(header(&request, "authorization").unwrap(), format!("License {KEY}"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["data"]["relationships"]["license"]["data"], json!({"type": "licenses", "id": "l"}));
        assert_eq!(body["data"]["attributes"], json!({"fingerprint": "fp"}), "nothing else about the machine is sent");

        let (target, request) = Call::CheckOut { key: KEY, fingerprint: "f/p", ttl: 3600 }.request(&base());
        assert!(target.starts_with("/v1/accounts/acme/machines/f%2Fp/actions/check-out?include=license,"), "{target}");
        assert!(target.ends_with("&ttl=3600") && request.body.is_empty() && request.method == "POST");
        let (target, request) = Call::Release { key: KEY, machine: "m" }.request(&base());
        assert_eq!((request.method, target.as_str()), ("DELETE", "/v1/accounts/acme/machines/m"));
        assert!(!format!("{request:?}").contains("key/"));
    }

    fn answer(change: impl FnOnce(&mut Value)) -> Result<Validation, Code> {
        let mut document = json!({
            "data": {"type": "licenses", "id": "l", "attributes": {"key": KEY}},
            "meta": {"valid": true, "code": "VALID", "detail": "is valid", "nonce": 7, "scope": {"fingerprint": "fp"}},
        });
        change(&mut document);
        Validation::read(document.to_string().as_bytes(), KEY, "fp", 7).map_err(|error| error.code())
    }

    #[test]
    fn an_answer_is_to_this_question_or_none() {
        let good = answer(|_| ()).unwrap();
        assert_eq!(
            (good.standing, good.license.as_deref(), good.said.as_str()),
            (Standing::Good, Some("l"), "VALID: is valid")
        );
        type Change = fn(&mut Value);
        let another: [Change; 7] = [
            |d| d["meta"]["nonce"] = 8.into(),
            |d| d["meta"]["nonce"] = "7".into(),
            |d| d["meta"]["nonce"] = Value::Null,
            |d| d["meta"]["scope"] = Value::Null,
            |d| d["meta"]["scope"]["fingerprint"] = "other".into(),
            |d| d["data"]["attributes"]["key"] = "other".into(),
            |d| d["data"]["attributes"] = json!({}),
        ];
        for (number, change) in another.into_iter().enumerate() {
            assert_eq!(answer(change), Err(Code::ServerSignatureInvalid), "{number}");
        }
        let malformed: [Change; 8] = [
            |d| *d = json!([]),
            |d| d["meta"]["valid"] = "true".into(),
            |d| d["meta"]["valid"] = Value::Null,
            |d| d["meta"]["code"] = 1.into(),
            |d| d["data"]["type"] = "machines".into(),
            |d| d["data"]["id"] = Value::Null,
            |d| d["data"] = Value::Null,
            |d| d["data"] = json!([{"type": "licenses"}]),
        ];
        for (number, change) in malformed.into_iter().enumerate() {
            assert_eq!(answer(change), Err(Code::ServerAnswerMalformed), "{number}");
        }
        let read = |text: &str| Validation::read(text.as_bytes(), KEY, "fp", 7).unwrap_err().code();
        for text in ["", "{", "<html>", r#"{"meta": {"nonce": 7}, "meta": {"nonce": 7}}"#] {
            assert_eq!(read(text), Code::ServerAnswerMalformed, "{text}");
        }
    }

    #[test]
    fn codes_become_ours() {
        for (code, valid, expected) in [
            ("VALID", true, Standing::Good),
            ("TOO_MANY_MACHINES", true, Standing::Good),
            ("NO_MACHINE", false, Standing::NotHere),
            ("NO_MACHINES", false, Standing::NotHere),
            ("FINGERPRINT_SCOPE_MISMATCH", false, Standing::NotHere),
            ("EXPIRED", false, Standing::Refused(Code::LicenseExpired)),
            ("EXPIRED", true, Standing::Refused(Code::LicenseExpired)),
            ("SUSPENDED", false, Standing::Refused(Code::LicenseSuspended)),
            ("BANNED", true, Standing::Refused(Code::LicenseSuspended)),
            ("NOT_FOUND", false, Standing::Refused(Code::LicenseUnknown)),
            ("PRODUCT_SCOPE_MISMATCH", false, Standing::Refused(Code::LicenseProductMismatch)),
            ("TOO_MANY_MACHINES", false, Standing::Refused(Code::MachineLimitReached)),
            ("OVERDUE", false, Standing::Refused(Code::LicenseRefused)),
            ("VALID", false, Standing::Refused(Code::LicenseRefused)),
            ("NO_MACHINE", true, Standing::Refused(Code::LicenseRefused)),
            ("valid", true, Standing::Refused(Code::LicenseRefused)),
            ("SOMETHING_NEW", true, Standing::Refused(Code::LicenseRefused)),
            ("", true, Standing::Refused(Code::LicenseRefused)),
        ] {
            let read = answer(|d| {
                d["meta"]["code"] = code.into();
                d["meta"]["valid"] = valid.into();
            });
            assert_eq!(read.unwrap().standing, expected, "{code} {valid}");
        }
        let unknown = answer(|d| {
            d["data"] = Value::Null;
            d["meta"]["code"] = "NOT_FOUND".into();
            d["meta"]["valid"] = false.into();
        });
        assert_eq!(unknown.unwrap().license, None);
    }

    #[test]
    fn problems_are_told_in_one_line() {
        let problem =
            |status, body: &str| problem(&HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() });
        let taken = r#"{"errors": [{"code": "FINGERPRINT_TAKEN", "detail": "has already\nbeen taken"}]}"#;
        let told =
            (Some("FINGERPRINT_TAKEN".to_owned()), "HTTP 422: FINGERPRINT_TAKEN: has already been taken".to_owned());
        assert_eq!(problem(422, taken), told);
        for nothing in ["", "<html>", "{}", r#"{"errors": []}"#, r#"{"errors": {"code": 1}}"#] {
            assert_eq!(problem(502, nothing), (None, "HTTP 502".to_owned()), "{nothing}");
        }
        let long = problem(500, &json!({"errors": [{"detail": "x".repeat(10_000)}]}).to_string());
        assert!(long.1.len() < 300);
        assert_eq!(certificate(br#"{"data": {"attributes": {"certificate": "x"}}}"#).unwrap(), "x");
        for bad in ["", "{}", r#"{"data": {"attributes": {"certificate": 7}}}"#] {
            assert_eq!(certificate(bad.as_bytes()).unwrap_err().code(), Code::ServerAnswerMalformed, "{bad}");
        }
    }
}

//! Whether an answer is the licensing server's own: HTTP signatures as Keygen makes them (draft-cavage-http-signatures-08).
//!
//! The server signs four lines: the request's method and target, the host that was asked, the date, and a digest of the
//! body. All but the date are rebuilt here, from what this side sent and from the bytes that arrived, so that nothing in
//! the answer says what the signature is about. It covers neither the status nor the request's body: see the nonce.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::http_date;
use crate::license::keys::TrustedKey;

/// The only list of signed fields that is accepted, in the one order that makes the signed lines.
const FIELDS: &str = "(request-target) host date digest";

/// How old, or how far ahead, a date may be. Seconds.
pub(super) const MAX_SKEW: i64 = 300;

/// What was sent, as the server saw it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    /// In any case.
    pub(super) method: &'a str,
    /// Path and query, byte for byte as sent.
    pub(super) target: &'a str,
    /// Without a port.
    pub(super) host: &'a str,
}

/// What arrived: the fields of its header, by any case of their names, and its body.
pub(super) struct Received<'a> {
    pub(super) fields: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

/// What a good signature shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// When the server signed, Unix seconds.
    pub(super) at: i64,
    /// The trusted key that it signed with.
    pub(super) key_id: String,
}

/// Why an answer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbelievable {
    /// It has no signature, no date, or two of one.
    Unsigned,
    /// The signature's field can't be read, or is made in another way than the one that is accepted.
    Unreadable,
    /// No trusted key made it, or not about this request and this body.
    Forged,
    /// It is good, and was made more than five minutes ago, or later than now: at this time.
    Untimely(i64),
}

/// Checks the signature of an answer. `account` is the id of the account that must have signed, where the host knows it.
pub(super) fn verify(
    sent: Sent<'_>,
    received: &Received<'_>,
    keys: &[TrustedKey],
    account: Option<&str>,
    now: i64,
) -> Result<Signed, Unbelievable> {
    let field = received.one("keygen-signature")?.ok_or(Unbelievable::Unsigned)?;
    let parameters = Parameters::read(field).ok_or(Unbelievable::Unreadable)?;
    if parameters.algorithm != "ed25519" || parameters.headers != FIELDS {
        return Err(Unbelievable::Unreadable);
    }
    if account.is_some_and(|account| parameters.key_id != Some(account)) {
        return Err(Unbelievable::Forged);
    }
    let signature = STANDARD.decode(parameters.signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let signature = signature.ok_or(Unbelievable::Unreadable)?;
    // Some proxies put a `Date` of their own in the place of the server's.
    let date = match received.one("keygen-date")? {
        Some(date) => date,
        None => received.one("date")?.ok_or(Unbelievable::Unsigned)?,
    };
    let at = http_date::parse(date).ok_or(Unbelievable::Unreadable)?;
    let message = format!(
        "(request-target): {} {}\nhost: {}\ndate: {date}\ndigest: sha-256={}",
        sent.method.to_ascii_lowercase(),
        sent.target,
        sent.host.to_ascii_lowercase(),
        STANDARD.encode(Sha256::digest(received.body)),
    );
    // The end of a key is compared with this machine's clock: a leaked one can date what it signs back.
    let mut believed = keys.iter().filter(|key| key.in_force(now));
    let signer =
        believed.find(|key| key.public_key.verifies(message.as_bytes(), &signature)).ok_or(Unbelievable::Forged)?;
    if now.abs_diff(at) > MAX_SKEW.unsigned_abs() {
        return Err(Unbelievable::Untimely(at));
    }
    Ok(Signed { at, key_id: signer.id.clone() })
}

impl Received<'_> {
    /// The one field of this name: two could be read in two ways.
    fn one(&self, name: &str) -> Result<Option<&str>, Unbelievable> {
        let mut all = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = all.next().map(|(_, value)| value.as_str());
        if all.next().is_some() { Err(Unbelievable::Unsigned) } else { Ok(first) }
    }
}

/// `keyid="...", algorithm="...", signature="...", headers="..."`, in any order.
struct Parameters<'a> {
    key_id: Option<&'a str>,
    algorithm: &'a str,
    signature: &'a str,
    headers: &'a str,
}

impl<'a> Parameters<'a> {
    /// `None` for another form, and for a parameter that stands twice; one that is not known is passed over.
    fn read(field: &'a str) -> Option<Self> {
        let (mut key_id, mut algorithm, mut signature, mut headers) = (None, None, None, None);
        let mut rest = field.trim_ascii();
        loop {
            let (name, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            let place = match name {
                "keyid" => Some(&mut key_id),
                "algorithm" => Some(&mut algorithm),
                "signature" => Some(&mut signature),
                "headers" => Some(&mut headers),
                other if !other.is_empty() && other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => None,
                _ => return None,
            };
            if place.is_some_and(|place| place.replace(value).is_some()) {
                return None;
            }
            if after.is_empty() {
                break;
            }
            rest = after.strip_prefix(',')?.trim_ascii_start();
        }
        Some(Self { key_id, algorithm: algorithm?, signature: signature?, headers: headers? })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::license::issue::SigningKey;

    struct Message {
        name: String,
        method: String,
        target: String,
        host: String,
        fields: Vec<(String, String)>,
        body: Vec<u8>,
        key: TrustedKey,
        at: i64,
    }

    impl Message {
        fn verify(&self, now: i64) -> Result<Signed, Unbelievable> {
            let sent = Sent { method: &self.method, target: &self.target, host: &self.host };
            let received = Received { fields: &self.fields, body: &self.body };
            verify(sent, &received, std::slice::from_ref(&self.key), None, now)
        }

        fn field(&mut self, name: &str) -> &mut String {
            &mut self.fields.iter_mut().find(|(other, _)| other == name).unwrap().1
        }
    }

    /// Messages that Keygen's servers signed.
    fn messages() -> Vec<Message> {
        let folder = std::env::var_os("INSPIRE_VECTORS_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from)
            .join("keygen");
        let mut messages = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with("http-") {
                continue;
            }
            let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
            let message: serde_json::Value = serde_json::from_str(&text("message.json")).unwrap();
            let member = |name: &str| message[name].as_str().unwrap().to_owned();
            let fields = message["headers"].as_object().unwrap();
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
            let date = &fields.iter().find(|(name, _)| name == "Date").unwrap().1;
            messages.push(Message {
                method: member("method"),
                target: member("request_target"),
                host: member("host"),
                body: std::fs::read(path.join("body.bin")).unwrap(),
                key: TrustedKey::from_hex("account", text("pubkey.hex").trim_end()).unwrap(),
                at: http_date::parse(date).unwrap(),
                fields,
                name,
            });
        }
        assert_eq!(messages.len(), 4, "the vectors are incomplete");
        messages
    }

    #[test]
    fn real_messages_are_believed_for_five_minutes_either_way() {
        for message in messages() {
            let at = message.at;
            let signed = Ok(Signed { at, key_id: "account".to_owned() });
            for now in [at - 300, at, at + 300] {
                assert_eq!(message.verify(now), signed, "{}", message.name);
            }
            for now in [at - 301, at + 301, i64::MIN, i64::MAX] {
                assert_eq!(message.verify(now), Err(Unbelievable::Untimely(at)), "{}", message.name);
            }
        }
    }

    #[test]
    fn whatever_is_signed_can_not_be_changed() {
        type Change = fn(&mut Message);
        let changes: [Change; 9] = [
            |m| m.method = "PUT".into(),
            |m| m.target.push('/'),
            |m| m.target.insert_str(0, "/v2"),
            |m| m.host = "licensing.example".into(),
            |m| m.host.push_str(":443"),
            |m| m.body.push(b' '),
            |m| m.body.clear(),
            |m| {
                let later = http_date::format(m.at + 1);
                *m.field("Date") = later;
            },
            |m| m.key = TrustedKey::new("account", SigningKey::from_seed(&[9; 32]).public()).unwrap(),
        ];
        for message in 0..4 {
            for (number, change) in changes.iter().enumerate() {
                let mut message = messages().remove(message);
                change(&mut message);
                assert_eq!(message.verify(message.at), Err(Unbelievable::Forged), "{} {number}", message.name);
            }
        }
        // The digest that the answer names is not asked: it is of the body that arrived.
        let mut message = messages().remove(0);
        *message.field("Digest") = "sha-256=AAAA".into();
        assert!(message.verify(message.at).is_ok());
    }

    #[test]
    fn the_servers_own_date_goes_before_a_proxys() {
        let mut message = messages().remove(0);
        let proxys = http_date::format(message.at + 1);
        let date = std::mem::replace(message.field("Date"), proxys);
        assert_eq!(message.verify(message.at), Err(Unbelievable::Forged));
        message.fields.push(("keygen-date".to_owned(), date));
        assert!(message.verify(message.at).is_ok());
    }

    #[test]
    fn what_is_not_there_once_is_not_there() {
        for name in ["Keygen-Signature", "Date"] {
            let mut message = messages().remove(0);
            let at = message.fields.iter().position(|(other, _)| other == name).unwrap();
            let field = message.fields[at].clone();
            message.fields.push((name.to_ascii_uppercase(), field.1));
            assert_eq!(message.verify(message.at), Err(Unbelievable::Unsigned), "{name} twice");
            message.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            assert_eq!(message.verify(message.at), Err(Unbelievable::Unsigned), "no {name}");
        }
    }

    #[test]
    fn one_way_of_signing_is_accepted() {
        for (from, to) in [
            ("ed25519", "hmac-sha256"),
            ("ed25519", "rsa-pss-sha256"),
            ("ed25519", "ED25519"),
            (" digest", ""),
            ("(request-target) host", "host (request-target)"),
            ("signature=\"", "signature=\"A"),
            ("signature=\"", "signature="),
            ("algorithm=\"ed25519\"", "algorithm=\"ed25519\", algorithm=\"ed25519\""),
            ("algorithm=\"ed25519\", ", ""),
            ("headers=", "headers ="),
            ("==\"", "=\""),
        ] {
            let mut message = messages().remove(0);
            let field = message.field("Keygen-Signature");
            assert!(field.contains(from), "{from}");
            *field = field.replace(from, to);
            assert_eq!(message.verify(message.at), Err(Unbelievable::Unreadable), "{from} {to}");
        }
        for field in ["", ",", "keyid", "keyid=\"", "\"\"", "=\"\"", "signature=\"\""] {
            let mut message = messages().remove(0);
            *message.field("Keygen-Signature") = field.to_owned();
            assert_eq!(message.verify(message.at), Err(Unbelievable::Unreadable), "{field}");
        }
        let mut message = messages().remove(0);
        *message.field("Keygen-Signature") += ", created=\"7\"";
        assert!(message.verify(message.at).is_ok());
    }

    #[test]
    fn the_account_and_the_end_of_a_key_count() {
        let message = messages().remove(0);
        let sent = Sent { method: &message.method, target: &message.target, host: &message.host };
        let received = Received { fields: &message.fields, body: &message.body };
        let field = message.fields.iter().find(|(name, _)| name == "Keygen-Signature").unwrap();
        let account = field.1.split('"').nth(1).unwrap();
        let ask = |account, key: &TrustedKey| {
            verify(sent, &received, std::slice::from_ref(key), Some(account), message.at).map(drop)
        };
        assert_eq!(ask(account, &message.key), Ok(()));
        assert_eq!(ask("another", &message.key), Err(Unbelievable::Forged));
        assert_eq!(ask(account, &message.key.clone().until(message.at + 1)), Ok(()));
        assert_eq!(ask(account, &message.key.clone().until(message.at)), Err(Unbelievable::Forged));
    }
}

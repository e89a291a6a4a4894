//! What makes an answer believable: HTTP signatures as Keygen makes them (draft-cavage-http-signatures-08).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use inspire_auth_core::license::issue::SigningKey;
use sha2::{Digest as _, Sha256};

use crate::time;

/// What is signed of a request and its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// In any case.
    pub(crate) method: &'a str,
    /// Path and query, byte for byte as they came.
    pub(crate) target: &'a str,
    /// Without a port.
    pub(crate) host: &'a str,
    pub(crate) body: &'a [u8],
    /// Unix seconds.
    pub(crate) at: i64,
}

/// The fields that go with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Of `Date` and `Keygen-Date`.
    pub(crate) date: String,
    /// Of `Digest` and `Keygen-Digest`.
    pub(crate) digest: String,
    /// Of `Keygen-Signature`.
    pub(crate) signature: String,
}

/// Signs an answer.
pub(crate) fn sign(signed: Signed<'_>, account: &str, key: &SigningKey) -> Fields {
    let date = time::http_date(signed.at);
    let digest = format!("sha-256={}", STANDARD.encode(Sha256::digest(signed.body)));
    let message = format!(
        "(request-target): {} {}\nhost: {}\ndate: {date}\ndigest: {digest}",
        signed.method.to_ascii_lowercase(),
        signed.target,
        signed.host.to_ascii_lowercase(),
    );
    let signature = STANDARD.encode(key.sign(message.as_bytes()));
    let signature = format!(
        "keyid=\"{account}\", algorithm=\"ed25519\", signature=\"{signature}\", headers=\"(request-target) host date \
         digest\""
    );
    Fields { date, digest, signature }
}

/// The host of an authority such as `h:8080`, `[::1]:8080` or `h`.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority.get(colon..).is_some_and(|end| end.contains(']')) => {
            authority.get(..colon).unwrap_or_default()
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

    use super::*;

    #[test]
    fn what_is_signed_is_keygens_four_lines() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signed = Signed {
            method: "POST",
            target: "/v1/accounts/demo/licenses/actions/validate-key?x=%2F",
            host: "API.keygen.sh",
            body: b"{}",
            at: 1_675_977_613,
        };
        let fields = sign(signed, "acme", &key);
        assert_eq!(fields.date, "Thu, 09 Feb 2023 21:20:13 GMT");
        // sha256 of `{}`.
        assert_eq!(fields.digest, "sha-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
        let message = "(request-target): post /v1/accounts/demo/licenses/actions/validate-key?x=%2F\n\
            host: api.keygen.sh\n\
            date: Thu, 09 Feb 2023 21:20:13 GMT\n\
            digest: sha-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=";
        let start = "keyid=\"acme\", algorithm=\"ed25519\", signature=\"";
        let end = "\", headers=\"(request-target) host date digest\"";
        let signature = fields.signature.strip_prefix(start).unwrap().strip_suffix(end).unwrap();
        let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(&key.public().to_bytes()).unwrap();
        public.verify(message.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn a_host_has_no_port() {
        for (authority, host) in [
            ("h", "h"),
            ("h:80", "h"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}

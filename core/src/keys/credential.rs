//! Reading exactly one credential out of a request's raw headers (RFC 9110 section 11.4, RFC 6750 section 2.1).
//!
//! Everything that is not exactly one well-formed credential is refused here, before any look-up: repeated headers, two
//! kinds of header, joined values, other alphabets. Nothing past this door sees raw header bytes.

use crate::{
    error::{Code, Error, Result},
    keys::request::Presented,
};

/// The older header, which carries `<name>:<key>` without a scheme.
pub const LEGACY_HEADER: &str = "X-Ignition-API-Token";

/// The longest Bearer or legacy value, after trimming.
const MAX_VALUE: usize = 320;
/// The longest name.
pub(crate) const MAX_NAME: usize = 64;
/// The longest key.
const MAX_KEY: usize = 200;

/// A credential as it was presented: both halves are in their alphabets and within their lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) name: &'a str,
    pub(crate) key: &'a [u8],
}

/// Whether `name` can be a key's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_NAME
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether `key` is in the alphabet and length of keys: `[A-Za-z0-9_-]{1,200}`.
pub(crate) fn is_key(key: &[u8]) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Finds the one credential of a request.
///
/// `extra` are further header names that are read like the legacy one.
///
/// # Errors
/// `NO_CREDENTIAL`, or `MALFORMED_CREDENTIAL` for anything but exactly one well-formed credential.
pub(crate) fn read<'a>(presented: &Presented<'a>, extra: &[String]) -> Result<Credential<'a>> {
    match *presented {
        Presented::Headers(headers) => from_lines(headers.iter().copied(), extra),
        Presented::Lines(lines) => from_lines((0_usize..).map_while(|at| lines.line(at)), extra),
        Presented::Authorization(value) => choose(Some(value), None),
        Presented::Legacy(value) => choose(None, Some(value)),
    }
}

fn from_lines<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>, extra: &[String]) -> Result<Credential<'a>> {
    let mut authorization = None;
    let mut bare = None;
    for (name, value) in lines {
        let slot = if name.eq_ignore_ascii_case(b"authorization") {
            &mut authorization
        } else if name.eq_ignore_ascii_case(LEGACY_HEADER.as_bytes())
            || extra.iter().any(|extra| name.eq_ignore_ascii_case(extra.as_bytes()))
        {
            &mut bare
        } else {
            continue;
        };
        // A second line of either kind: a proxy and a host may read different ones.
        if slot.replace(value).is_some() {
            return Err(malformed());
        }
    }
    choose(authorization, bare)
}

fn choose<'a>(authorization: Option<&'a [u8]>, bare: Option<&'a [u8]>) -> Result<Credential<'a>> {
    let bearer = match authorization {
        Some(value) => bearer(trim(value))?,
        None => None,
    };
    match (bearer, bare) {
        (Some(_), Some(_)) => Err(malformed()),
        (Some(rest), None) => split(rest, b":~"),
        (None, Some(value)) => {
            let value = trim(value);
            if value.len() > MAX_VALUE { Err(malformed()) } else { split(value, b":") }
        }
        (None, None) => Err(Error::new(Code::NoCredential)),
    }
}

/// What follows `Bearer` and its spaces, or `None` when the scheme is another one.
fn bearer(value: &[u8]) -> Result<Option<&[u8]>> {
    let (scheme, rest) = token(value);
    if scheme.is_empty() {
        return Err(malformed());
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        // Another layer's credential, unless somebody joined ours to it.
        let joined = rest.split(|b| *b == b',').skip(1).any(|part| token(trim(part)).0.eq_ignore_ascii_case(b"bearer"));
        return if joined { Err(malformed()) } else { Ok(None) };
    }
    if value.len() > MAX_VALUE {
        return Err(malformed());
    }
    let spaces = rest.iter().take_while(|b| **b == b' ').count();
    match rest.split_at_checked(spaces) {
        Some((spaces, rest)) if !spaces.is_empty() => Ok(Some(rest)),
        _ => Err(malformed()),
    }
}

/// One name, one separator, one key, and nothing else.
fn split<'a>(value: &'a [u8], separators: &[u8]) -> Result<Credential<'a>> {
    let at = value.iter().position(|b| separators.contains(b)).ok_or_else(malformed)?;
    let (name, rest) = value.split_at_checked(at).ok_or_else(malformed)?;
    let (_, key) = rest.split_first().ok_or_else(malformed)?;
    if !is_name(name) || !is_key(key) {
        return Err(malformed());
    }
    let name = std::str::from_utf8(name).map_err(|_| malformed())?;
    Ok(Credential { name, key })
}

/// Splits off the leading token (RFC 9110, section 5.6.2).
fn token(value: &[u8]) -> (&[u8], &[u8]) {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    value.split_at_checked(value.iter().take_while(|b| is_tchar(b)).count()).unwrap_or((value, &[]))
}

/// Optional white space around a field value: space and tab, nothing else.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn malformed() -> Error {
    Error::new(Code::MalformedCredential)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn authorization(value: &str) -> Result<(String, String), Code> {
        outcome(read(&Presented::Authorization(value.as_bytes()), &[]))
    }

    fn headers(list: &[(&str, &str)]) -> Result<(String, String), Code> {
        let raw: Vec<(&[u8], &[u8])> = list.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        outcome(read(&Presented::Headers(&raw), &["X-Api-Key".to_owned()]))
    }

    fn outcome(result: Result<Credential<'_>>) -> Result<(String, String), Code> {
        result.map(|c| (c.name.to_owned(), String::from_utf8(c.key.to_vec()).unwrap())).map_err(|e| e.code())
    }

    fn granted() -> Result<(String, String), Code> {
        Ok(("n".to_owned(), "k".to_owned()))
    }

    /// T21, T22: the scheme's spelling.
    #[test]
    fn the_bearer_scheme_is_read_as_rfc_9110_says() {
        for good in ["Bearer n:k", "bearer n:k", "BEARER n:k", "Bearer    n:k", "\t Bearer n:k \t", "Bearer n~k"] {
            assert_eq!(authorization(good), granted(), "{good:?}");
        }
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer\tn:k",
            "Bearer \tn:k",
            "Bearer n:k extra",
            "Bearer n:k,",
            "Bearer n: k",
            "Bearer n",
            "Bearer :k",
            "Bearer n:",
            "Bearer n:k:k",
            "Bearer n~k~k",
            "Bearer n:k~k",
            "Bearer n=k",
            "Bearer, n:k",
            "Bearer n:k=",
            "",
            " ",
            ":k",
            "\u{a0}Bearer n:k",
            "Bearer\u{a0}n:k",
            "(",
            "Bearer -n:k",
            "Bearer n:k\0",
            "Bearer n:k\n",
        ] {
            assert_eq!(authorization(bad), Err(Code::MalformedCredential), "{bad:?}");
        }
        for none in ["Basic bjpr", "n:k", "Negotiate", "Bearerx n:k", "Digest username=\"a, b\""] {
            assert_eq!(authorization(none), Err(Code::NoCredential), "{none:?}");
        }
        for joined in ["Basic bjpr, Bearer n:k", "Basic bjpr,bearer n:k", "Basic x,\tBearer", "Basic a, b, Bearer c"] {
            assert_eq!(authorization(joined), Err(Code::MalformedCredential), "{joined:?}");
        }
    }

    /// T16, T17, T18: exactly one credential in the whole request.
    #[test]
    fn a_request_carries_one_credential_or_it_is_malformed() {
        assert_eq!(headers(&[("Authorization", "Bearer n:k")]), granted());
        assert_eq!(headers(&[("AUTHORIZATION", "Bearer n:k"), ("Accept", "*/*")]), granted());
        assert_eq!(headers(&[("x-ignition-api-token", "n:k")]), granted());
        assert_eq!(headers(&[("x-api-key", "n:k")]), granted());
        assert_eq!(headers(&[("Authorization", "Basic bjpr"), ("X-Ignition-API-Token", "n:k")]), granted());
        for (list, code) in [
            (vec![], Code::NoCredential),
            (vec![("X_Ignition_API_Token", "n:k")], Code::NoCredential),
            (vec![("Authorization", "Bearer n:k"), ("Authorization", "Bearer n:k")], Code::MalformedCredential),
            (vec![("Authorization", "Basic bjpr"), ("authorization", "Bearer n:k")], Code::MalformedCredential),
            (vec![("Authorization", "Basic bjpr"), ("authorization", "Basic bjpr")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "n:k"), ("X-Ignition-API-Token", "n:k")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "n:k"), ("X-Api-Key", "n:k")], Code::MalformedCredential),
            (vec![("Authorization", "Bearer n:k"), ("X-Ignition-API-Token", "n:k")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "n:k, n:k")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "n~k")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "Bearer n:k")], Code::MalformedCredential),
            (vec![("X-Ignition-API-Token", "")], Code::MalformedCredential),
            (
                vec![("Authorization", "Basic a, Bearer n:k"), ("X-Ignition-API-Token", "n:k")],
                Code::MalformedCredential,
            ),
            (vec![("Authorization", ""), ("X-Ignition-API-Token", "n:k")], Code::MalformedCredential),
        ] {
            assert_eq!(headers(&list), Err(code), "{list:?}");
        }
    }

    #[test]
    fn lengths_are_bounded_on_the_trimmed_value() {
        let name = "n".repeat(64);
        let key = "k".repeat(200);
        assert!(authorization(&format!("Bearer {name}:{key}")).is_ok());
        assert!(authorization(&format!("Bearer {name}x:{key}")).is_err());
        assert!(authorization(&format!("Bearer {name}:{key}x")).is_err());
        let padding = " ".repeat(400);
        assert!(authorization(&format!("{padding}Bearer {name}:{key}{padding}")).is_ok());
        assert!(authorization(&format!("Bearer{}n:k", " ".repeat(320 - 9))).is_ok());
        assert!(authorization(&format!("Bearer{}n:k", " ".repeat(320 - 8))).is_err());
        assert_eq!(authorization(&format!("Negotiate {}", "x".repeat(10_000))), Err(Code::NoCredential));
    }

    /// T19, T20: no byte outside the alphabets gets through, in either half.
    #[test]
    fn every_other_byte_is_refused() {
        for byte in 0..=255_u8 {
            let name_ok = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let key_ok = byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            let parse = |value: &[u8]| read(&Presented::Legacy(value), &[]).is_ok();
            assert_eq!(parse(&[b'n', byte, b'n', b':', b'k']), name_ok, "{byte}");
            assert_eq!(parse(&[b'n', b':', b'k', byte, b'k']), key_ok, "{byte}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(value in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&Presented::Authorization(&value), &[]);
            let _ = read(&Presented::Legacy(&value), &[]);
        }

        #[test]
        fn what_is_written_is_read(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", key in "[A-Za-z0-9_-]{1,200}", sep in "[:~]") {
            let value = format!("Bearer {name}{sep}{key}");
            prop_assert_eq!(authorization(&value), Ok((name, key)));
        }
    }
}

//! Reading exactly one credential out of a request's raw headers (RFC 9110 section 11.4, RFC 6750 section 2.1).
//!
//! Everything that is not exactly one well-formed credential is refused here, before any look-up: repeated headers, two
//! kinds of header, joined values, other alphabets. Nothing past this door sees raw header bytes, but for one comparison:
//! a name and a key that are known to be right were checked when they became known (see [`Located`]).

use crate::{error::Code, keys::request::Presented};

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
    pub(crate) name: &'a [u8],
    pub(crate) key: &'a [u8],
}

/// Whether `name` can be a key's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_NAME
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && all(name, |b| b.is_ascii_alphanumeric() | (b == b'.') | (b == b'_') | (b == b'-'))
}

/// Whether `key` is in the alphabet and length of keys: `[A-Za-z0-9_-]{1,200}`.
pub(crate) fn is_key(key: &[u8]) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && all(key, |b| b.is_ascii_alphanumeric() | (b == b'_') | (b == b'-'))
}

/// Whether all bytes are `fine`, which should decide without branches: then many are looked at at once.
#[inline]
fn all(bytes: &[u8], fine: impl Fn(u8) -> bool) -> bool {
    #[inline]
    fn in_chunks<const N: usize>(bytes: &[u8], fine: impl Fn(u8) -> bool) -> Option<bool> {
        let each = |chunk: &[u8; N]| chunk.iter().fold(true, |good, byte| good & fine(*byte));
        // The last bytes make a chunk of their own, which may overlap with the one before.
        let (_, before) = bytes.split_last()?;
        let last = each(bytes.last_chunk()?);
        Some(before.as_chunks().0.iter().fold(last, |good, chunk| good & each(chunk)))
    }
    in_chunks::<16>(bytes, &fine)
        .or_else(|| in_chunks::<8>(bytes, &fine))
        .unwrap_or_else(|| bytes.iter().all(|byte| fine(*byte)))
}

/// Where the first of these two bytes is.
#[inline(always)]
fn find(bytes: &[u8], either: u8, or: u8) -> Option<usize> {
    let is_one = |byte: &u8| *byte == either || *byte == or;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        const LOW: u64 = u64::from_le_bytes([0x01; 8]);
        const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
        // The lowest set bit stands in the first byte that is zero (Mycroft's test); above it there may be others.
        let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ u64::from_le_bytes([either; 8])) | zeros(word ^ u64::from_le_bytes([or; 8]));
        if found != 0 {
            return Some(at.wrapping_mul(8).wrapping_add((found.trailing_zeros() / 8) as usize));
        }
    }
    Some(bytes.len().wrapping_sub(rest.len()).wrapping_add(rest.iter().position(is_one)?))
}

/// A credential whose name and key may yet hold bytes that none has.
#[derive(Clone, Copy)]
pub(crate) struct Located<'a>(Credential<'a>);

impl<'a> Located<'a> {
    /// To be compared with names that are known, and for nothing else.
    pub(crate) const fn name(self) -> &'a [u8] {
        self.0.name
    }

    /// To be compared with keys that are known, and for nothing else.
    pub(crate) const fn key(self) -> &'a [u8] {
        self.0.key
    }

    /// The credential.
    ///
    /// # Errors
    /// `MALFORMED_CREDENTIAL`.
    pub(crate) fn checked(self) -> Result<Credential<'a>, Code> {
        if is_name(self.0.name) && is_key(self.0.key) { Ok(self.0) } else { Err(Code::MalformedCredential) }
    }
}

/// Finds the one credential of a request. What stands in its two halves is left to be checked.
///
/// `extra` are further header names that are read like the legacy one.
///
/// # Errors
/// `NO_CREDENTIAL`, or `MALFORMED_CREDENTIAL` for anything but exactly one well-formed credential.
#[inline]
pub(crate) fn locate<'a>(presented: &Presented<'a>, extra: &[String]) -> Result<Located<'a>, Code> {
    match *presented {
        Presented::Headers(headers) => from_lines(headers.iter().copied(), extra),
        Presented::Lines(lines) => from_lines((0_usize..).map_while(|at| lines.line(at)), extra),
        // The shortest way, for most.
        Presented::Authorization(value) => split(bearer(trim(value))?.ok_or(Code::NoCredential)?, b':', b'~'),
        Presented::Legacy(value) => choose(None, Some(value)),
    }
}

fn from_lines<'a>(lines: impl Iterator<Item = (&'a [u8], &'a [u8])>, extra: &[String]) -> Result<Located<'a>, Code> {
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
            return Err(Code::MalformedCredential);
        }
    }
    choose(authorization, bare)
}

#[inline(never)]
fn choose<'a>(authorization: Option<&'a [u8]>, bare: Option<&'a [u8]>) -> Result<Located<'a>, Code> {
    let bearer = match authorization {
        Some(value) => bearer(trim(value))?,
        None => None,
    };
    match (bearer, bare) {
        (Some(_), Some(_)) => Err(Code::MalformedCredential),
        (Some(rest), None) => split(rest, b':', b'~'),
        (None, Some(value)) => {
            let value = trim(value);
            if value.len() > MAX_VALUE { Err(Code::MalformedCredential) } else { split(value, b':', b':') }
        }
        (None, None) => Err(Code::NoCredential),
    }
}

/// What follows `Bearer` and its spaces, or `None` when the scheme is another one.
#[inline(always)]
fn bearer(value: &[u8]) -> Result<Option<&[u8]>, Code> {
    let Some(mut rest) = after_bearer(value) else { return another_scheme(value) };
    if value.len() > MAX_VALUE {
        return Err(Code::MalformedCredential);
    }
    while let [b' ', more @ ..] = rest {
        rest = more;
    }
    Ok(Some(rest))
}

/// What follows `Bearer`, in any case, and one space. Compared as one word.
#[inline(always)]
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    const LETTERS_AND_SPACE: u64 = u64::from_le_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    /// The bit in which the two cases of a letter differ, and no other two bytes of which one is a letter.
    const CASE: u64 = u64::from_le_bytes([0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0, 0]);
    // A value that is too short for a word has no room for a credential either.
    let word = u64::from_le_bytes(*value.first_chunk()?) & LETTERS_AND_SPACE;
    if word | CASE == u64::from_le_bytes(*b"bearer \0") { value.get(7..) } else { None }
}

/// What to make of a value that does not begin with `Bearer` and a space: `None` if it is another layer's credential.
#[cold]
fn another_scheme(value: &[u8]) -> Result<Option<&[u8]>, Code> {
    let (scheme, rest) = token(value);
    let is_bearer = |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"bearer");
    // Somebody may have joined ours to it.
    let joined = rest.split(|b| *b == b',').skip(1).any(|part| is_bearer(token(trim(part)).0));
    if scheme.is_empty() || is_bearer(scheme) || joined { Err(Code::MalformedCredential) } else { Ok(None) }
}

/// One name, one separator, and what should be one key.
#[inline(always)]
fn split(value: &[u8], either: u8, or: u8) -> Result<Located<'_>, Code> {
    match find(value, either, or).and_then(|at| value.split_at_checked(at)) {
        Some((name, [_, key @ ..])) => Ok(Located(Credential { name, key })),
        _ => Err(Code::MalformedCredential),
    }
}

/// Splits off the leading token (RFC 9110, section 5.6.2).
fn token(value: &[u8]) -> (&[u8], &[u8]) {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    value.split_at_checked(value.iter().take_while(|b| is_tchar(b)).count()).unwrap_or((value, &[]))
}

/// Optional white space around a field value: space and tab, nothing else.
#[inline(always)]
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Finds the one credential of a request, and checks all of it.
    fn read<'a>(presented: &Presented<'a>, extra: &[String]) -> Result<Credential<'a>, Code> {
        locate(presented, extra)?.checked()
    }

    fn authorization(value: &str) -> Result<(String, String), Code> {
        outcome(read(&Presented::Authorization(value.as_bytes()), &[]))
    }

    fn headers(list: &[(&str, &str)]) -> Result<(String, String), Code> {
        let raw: Vec<(&[u8], &[u8])> = list.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        outcome(read(&Presented::Headers(&raw), &["X-Api-Key".to_owned()]))
    }

    fn outcome(result: Result<Credential<'_>, Code>) -> Result<(String, String), Code> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        result.map(|c| (text(c.name), text(c.key)))
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

    /// As above, wherever the byte stands among those that are looked at together.
    #[test]
    fn no_place_hides_a_byte() {
        for length in 1..=MAX_KEY {
            let mut bytes = vec![b'n'; length];
            assert_eq!((is_key(&bytes), is_name(&bytes)), (true, length <= MAX_NAME));
            for at in 0..length {
                for byte in [0, b',', b'.', b'/', b':', b'@', b'[', b'^', b'`', b'{', b'~', 0x7f, 0x80, 0xee, 0xff] {
                    bytes[at] = byte;
                    assert!(!is_key(&bytes), "{byte} at {at} of {length}");
                    let dotted = byte == b'.' && at > 0 && length <= MAX_NAME;
                    assert_eq!(is_name(&bytes), dotted, "{byte} at {at} of {length}");
                    // Two don't make up for each other.
                    if at > 0 {
                        bytes[at - 1] = byte;
                        assert!(!is_key(&bytes), "{byte} twice, at {at} of {length}");
                        bytes[at - 1] = b'n';
                    }
                }
                bytes[at] = b'n';
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_separator_is_found(value in "[:;9~}\\x7f]{0,3}[a-z]{0,20}[:;~]{0,3}[a-z:]{0,20}") {
            let bytes = value.as_bytes();
            prop_assert_eq!(find(bytes, b':', b'~'), bytes.iter().position(|b| matches!(b, b':' | b'~')));
            prop_assert_eq!(find(bytes, b':', b':'), bytes.iter().position(|b| *b == b':'));
        }

        #[test]
        fn the_separator_is_found_among_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(find(&value, b':', b'~'), value.iter().position(|b| matches!(b, b':' | b'~')));
        }

        #[test]
        fn the_scheme_is_one_word(value in "[Bb ][Ee ][Aa][Rr][Ee][Rr][ \t,x]{1,3}n:k") {
            let rest = after_bearer(value.as_bytes());
            let scheme = value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
            let expected = value.as_bytes().get(7..).filter(|_| scheme && value.as_bytes()[6] == b' ');
            prop_assert_eq!(rest, expected);
        }

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

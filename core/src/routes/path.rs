//! Which paths have one reading.
//!
//! A host's router, a proxy before it and this library may each decode, fold or cut a path in their own way. Whatever
//! two of them could read differently is refused here, so that what is left means the same to all of them
//! (`docs/decisions/0013-routes.md`).

use super::MAX_PATH;

/// The path of an origin-form request target (RFC 9112, section 3.2.1), without its query.
pub(super) fn without_query(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// The path of a request target, if it has exactly one reading; else why not. `ignore_case` says that the host folds
/// case, which gives a few more spellings a second reading.
pub(super) fn canonical(target: &[u8], ignore_case: bool) -> Result<&[u8], &'static str> {
    // Cut first: neither the search for the query nor anything after it reads more than this.
    let within = target.get(..=MAX_PATH).unwrap_or(target);
    let path = without_query(within);
    if path.len() > MAX_PATH {
        return Err("the path is longer than 8 KiB");
    }
    let Some(inside) = path.strip_prefix(b"/") else {
        return Err("the path does not begin with a slash");
    };
    let mut segments = inside.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // Only the last may be empty: that is a slash at the end.
            b"" if segments.peek().is_some() => return Err("the path has an empty segment"),
            b"." | b".." => return Err("the path has a segment that is a dot or two"),
            _ => check_segment(segment, ignore_case)?,
        }
    }
    Ok(path)
}

/// Whether every byte of a segment means itself (RFC 3986, section 3.3, without `;`).
fn check_segment(segment: &[u8], ignore_case: bool) -> Result<(), &'static str> {
    let mut rest = segment;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => after,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':'
            | b'@' => after,
            b'%' => {
                let Some((byte, behind)) = escape(rest) else { return Err("the path has a malformed escape") };
                check_escape(byte, behind, ignore_case)?;
                behind
            }
            b'\\' => return Err("the path has a backslash"),
            b';' => return Err("the path has a semicolon"),
            b'#' => return Err("the path has a fragment"),
            _ => return Err("the path has a byte that must be escaped"),
        };
    }
    Ok(())
}

/// The byte that an escape at the beginning of `text` stands for, and what follows it.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (head, behind) = text.split_at_checked(3)?;
    let [b'%', high, low] = head else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    Some((u8::try_from(value).ok()?, behind))
}

/// Whether an escape, with those behind it, has no second spelling that means something to a reader of paths.
fn check_escape(byte: u8, behind: &[u8], ignore_case: bool) -> Result<(), &'static str> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            return Err("the path escapes a character that needs no escape");
        }
        b'/' | b'\\' | b';' => return Err("the path escapes a character that divides paths"),
        b'%' => return Err("the path is escaped twice"),
        0x00..=0x1f | 0x7f => return Err("the path escapes a control character"),
        0x20..=0x7e => return Ok(()),
        0x80.. => {}
    }
    let second = escape(behind);
    let third = second.and_then(|(_, behind)| escape(behind));
    let (second, third) = (second.map(|(byte, _)| byte), third.map(|(byte, _)| byte));
    match (byte, second, third) {
        // What a lax decoder of UTF-8 takes for a shorter character, a slash or a dot among them.
        (0xc0 | 0xc1, Some(0x80..=0xbf), _)
        | (0xe0, Some(0x80..=0x9f), _)
        | (0xf0, Some(0x80..=0x8f), _)
        | (0xf8, Some(0x80..=0x87), _)
        | (0xfc, Some(0x80..=0x83), _) => Err("the path has an overlong character"),
        (0xc2, Some(0x80..=0x9f), _) => Err("the path escapes a control character"),
        // Letters that fold to an ASCII one: dotted and dotless i, the long s, the Kelvin sign.
        (0xc4, Some(0xb0 | 0xb1), _) | (0xc5, Some(0xbf), _) | (0xe2, Some(0x84), Some(0xaa)) if ignore_case => {
            Err("the path has a letter that folds to an ASCII one")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/~d-e_f",
            "/a.",
            "/...",
            "/.well-known",
            "/a/..b",
            "/a:b@c!$&'()*+,=",
            "/a%20b",
            "/%C3%A9t%c3%a9",
            "/%3F%23%5B",
            "/%e2%82%ac",
            "/%FF",
            "/%C0",
            "/%C3%80",
        ] {
            assert_eq!(canonical(path.as_bytes(), true), Ok(path.as_bytes()), "{path}");
        }
        assert_eq!(canonical(b"/a?b//../%00#;\\", false), Ok(&b"/a"[..]));
        assert_eq!(canonical(b"/?", false), Ok(&b"/"[..]));
    }

    #[test]
    fn a_refusal_says_what_it_is_about() {
        for (path, what) in [
            ("/a\\b", "backslash"),
            ("/a;b", "semicolon"),
            ("/a#b", "fragment"),
            ("/a b", "must be escaped"),
            ("/%", "escape"),
        ] {
            let refusal = canonical(path.as_bytes(), false).unwrap_err();
            assert!(refusal.contains(what), "{path}: {refusal}");
        }
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        for path in [
            "",
            "?",
            "*",
            "a",
            "a/b",
            "http://host/a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/.",
            "/a/./b",
            "/a/../b",
            "/../a",
            "/a\\b",
            "/a;b",
            "/;",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\0b",
            "/a\"b",
            "/a<b",
            "/a[b]",
            "/a|b",
            "/a^b",
            "/a`b",
            "/a{b}",
            "/\u{e9}",
            "/%",
            "/%2",
            "/a%",
            "/%zz",
            "/%2g",
            "/%+1",
            "/%61",
            "/%41",
            "/%30",
            "/%7E",
            "/%7e",
            "/%2D",
            "/%5F",
            "/%2E",
            "/%2e%2e",
            "/%2F",
            "/%2f",
            "/%5C",
            "/%5c",
            "/%25",
            "/%252F",
            "/%2525",
            "/%00",
            "/%0a",
            "/%0D",
            "/%1f",
            "/%7F",
            "/%3B",
            "/%3b",
            "/%C0%AF",
            "/%c0%ae%c0%ae",
            "/%E0%80%AF",
            "/%F0%80%80%AF",
            "/%F8%80%80%80%AF",
            "/%FC%80%80%80%80%AF",
            "/%C2%80",
            "/%C2%9F",
        ] {
            assert!(canonical(path.as_bytes(), false).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_host_that_folds_case_reads_some_letters_in_two_ways() {
        for path in ["/%C5%BF", "/%e2%84%aa", "/%C4%B0", "/%c4%b1"] {
            assert!(canonical(path.as_bytes(), false).is_ok(), "{path}");
            assert!(canonical(path.as_bytes(), true).is_err(), "{path}");
        }
        // No other letter becomes an ASCII one by itself; a ligature or a sharp s becomes two, which comparisons letter
        // by letter do not do.
        for letter in '\u{80}'..=char::MAX {
            if is_one_ascii(letter.to_lowercase()) || is_one_ascii(letter.to_uppercase()) {
                let mut bytes = [0; 4];
                let escaped: String =
                    letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
                assert!(canonical(format!("/{escaped}").as_bytes(), true).is_err(), "{letter:?}");
            }
        }
    }

    fn is_one_ascii(mut letters: impl Iterator<Item = char>) -> bool {
        letters.next().is_some_and(|letter| letter.is_ascii()) && letters.next().is_none()
    }

    #[test]
    fn the_length_is_bounded_and_the_query_is_not_looked_at() {
        let mut path = vec![b'a'; MAX_PATH];
        path[0] = b'/';
        assert!(canonical(&path, false).is_ok());
        path.extend_from_slice(b"?");
        path.extend(std::iter::repeat_n(b'/', 1 << 20));
        assert_eq!(canonical(&path, false).unwrap().len(), MAX_PATH);
        path[MAX_PATH] = b'a';
        assert!(canonical(&path, false).is_err());
    }

    /// Decodes as RFC 3986 says, once.
    fn decoded(path: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            let (byte, behind) = escape(rest).unwrap_or((*first, after));
            out.push(byte);
            rest = behind;
        }
        out
    }

    proptest! {
        #[test]
        fn nothing_panics(path in proptest::collection::vec(any::<u8>(), 0..64), ignore_case: bool) {
            let _ = canonical(&path, ignore_case);
        }

        /// What decoding makes of an accepted path has the same segments, and decoding it again changes nothing.
        #[test]
        fn an_accepted_path_has_one_reading(path in "/([a-z./%;\\\\?#]|%[0-9a-fA-F]{2}|%2[0-9A-Fa-f]){0,12}") {
            if let Ok(path) = canonical(path.as_bytes(), false) {
                let once = decoded(path);
                prop_assert_eq!(&decoded(&once), &once);
                let count = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
                prop_assert_eq!(count(path), count(&once));
                for segment in once.split(|byte| *byte == b'/') {
                    prop_assert!(segment != b"." && segment != b"..");
                    prop_assert!(segment.iter().all(|byte| !matches!(byte, 0..=0x1f | 0x7f | b'\\' | b';' | b'%')));
                }
            }
        }
    }
}

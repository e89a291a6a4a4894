//! What the next line of a file has to continue.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a line, without its end.
pub(crate) type Digest = [u8; 32];

/// What the first line of all continues.
pub(crate) const GENESIS: Digest = [0; 32];

/// The hash of a line, without its end.
pub(crate) fn digest(line: &[u8]) -> Digest {
    Sha256::digest(line).into()
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Whether the last line has its end; a crash may have torn it.
    pub(crate) whole: bool,
    /// The hash of the last line, as far as it is there; `None` for an empty file.
    pub(crate) head: Option<Digest>,
    /// Whether the last line that says anything continues the one before it.
    pub(crate) chained: bool,
}

/// What of a line the chain is made of.
#[derive(Deserialize)]
pub(crate) struct Link<'a> {
    #[serde(borrow, default)]
    pub(crate) prev: Option<&'a str>,
    #[allow(dead_code, reason = "what has no version is no line of ours")]
    v: u32,
}

const CHUNK: usize = 16 << 10;
/// The most of a line that is looked into; one that is longer is only hashed.
pub(crate) const LONGEST: usize = 256 << 10;
/// How many lines that a crash tore may stand at the end, one behind the other, and the chain is found all the same.
const TORN: usize = 16;

/// Looks how the first `size` bytes of a file end, whatever its length, in little memory.
pub(crate) fn tail(file: &File, size: u64) -> io::Result<Tail> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(Tail { size, whole: true, head: None, chained: false });
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    let whole = byte == *b"\n";
    let end = if whole { last } else { size };
    let mut hash = Sha256::new();
    let mut at = begin_of_line(file, end)?;
    let mut chunk = vec![0; CHUNK];
    while at < end {
        let part = part(&mut chunk, end.saturating_sub(at));
        file.read_exact_at(part, at)?;
        hash.update(&*part);
        at = at.saturating_add(part.len() as u64);
    }
    Ok(Tail { size, whole, head: Some(hash.finalize().into()), chained: chained(file, end)? })
}

/// Whether the last line before `end` that is one of ours holds the hash of the one before it.
fn chained(file: &File, mut end: u64) -> io::Result<bool> {
    for _ in 0..TORN {
        let begin = begin_of_line(file, end)?;
        let length = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
        if length <= LONGEST {
            let mut line = vec![0; length];
            file.read_exact_at(&mut line, begin)?;
            if let Ok(link) = serde_json::from_slice::<Link<'_>>(&line) {
                return Ok(link.prev.is_some());
            }
        }
        let Some(before) = begin.checked_sub(1) else { break };
        end = before;
    }
    Ok(false)
}

/// Where the line begins that ends at `end`.
fn begin_of_line(file: &File, end: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut at = end;
    while at > 0 {
        let part = part(&mut chunk, at);
        at = at.saturating_sub(part.len() as u64);
        file.read_exact_at(part, at)?;
        if let Some(before) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(at.saturating_add(before as u64).saturating_add(1));
        }
    }
    Ok(0)
}

/// As much of `chunk` as there is left to read.
fn part(chunk: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
    chunk.split_at_mut(length).0
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tail_of(content: &[u8]) -> Tail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        tail(&file, content.len() as u64).unwrap()
    }

    #[test]
    fn whether_there_is_a_chain_is_told_by_the_last_line_that_says_anything() {
        let (with, without) = (b"{\"v\":1,\"prev\":\"00\"}\n", b"{\"v\":1}\n");
        let zeros = vec![0; LONGEST + 1];
        for (content, chained) in [
            (vec![&with[..]], true),
            (vec![&without[..]], false),
            (vec![&with[..], without], false),
            (vec![&without[..], with], true),
            (vec![&with[..], b"{\"v\":1,\"ti"], true),
            (vec![&with[..], b"torn\n", b"\n", &zeros], true),
            (vec![&without[..], b"{\"prev\":\"00\"}\n"], false),
            (vec![&b"torn"[..]], false),
        ] {
            assert_eq!(tail_of(&content.concat()).chained, chained, "{content:?}");
        }
    }

    #[test]
    fn the_last_line_is_found_whatever_its_length() {
        assert_eq!(tail_of(b""), Tail { size: 0, whole: true, head: None, chained: false });
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let line = vec![b'x'; length];
            for before in [&b""[..], b"a\n", b"\n\n"] {
                let whole = [before, &line, b"\n"].concat();
                let tail = tail_of(&whole);
                assert_eq!((tail.whole, tail.head), (true, Some(digest(&line))), "{length} {before:?}");
                if length > 0 {
                    let tail = tail_of(&whole[..whole.len() - 1]);
                    assert_eq!((tail.whole, tail.head), (false, Some(digest(&line))), "{length} {before:?}");
                }
            }
        }
    }
}

//! Whether a chain is whole.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use inspire_auth_platform::{append, fs::FileIdentity};
use sha2::{Digest as _, Sha256};

use super::{
    chain::{Digest, GENESIS, LONGEST, Link},
    journal::{patience, wait_for_lock},
    names,
};
use crate::{
    error::{Code, Error, Result},
    license::hex,
};

/// What a chain that holds comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Lines that were read.
    pub lines: u64,
    /// The files that they are in, oldest first.
    pub files: Vec<PathBuf>,
    /// The SHA-256 of the last line, in hexadecimal: whoever keeps it elsewhere can tell later that nothing was cut off.
    pub head: String,
    /// Whether the first line is the first that was ever written; else older files are gone, as rotation has it.
    pub from_the_beginning: bool,
    /// Lines at the beginning that were written before there was a chain, and that nothing vouches for.
    pub unchained: u64,
    /// Lines that a crash tore: pieces that say nothing, and that the chain goes on after.
    pub torn: u64,
    /// Where the first of them is.
    pub first_torn: Option<(PathBuf, u64)>,
}

/// Checks the chain of an audit file and of the files that it was rotated to.
///
/// Reads each byte once, in little memory, while others go on writing; what is added meanwhile is not looked at.
///
/// # Errors
/// `CONFLICT` with the file and line where the chain breaks; `INVALID_ARGUMENT` for a file without a chain;
/// `AUDIT_UNAVAILABLE` when it can't be read.
pub fn verify(path: &Path) -> Result<Verified> {
    check(path, None)
}

/// As [`verify`], and the line whose hash was kept as [`Verified::head`] must still be there: only so does anyone
/// notice that the newest lines were cut off.
///
/// # Errors
/// As [`verify`]; `CONFLICT` when no line has this hash, `INVALID_ARGUMENT` when it is none.
pub fn verify_with_head(path: &Path, head: &str) -> Result<Verified> {
    let head = hex::decode_32(head)
        .ok_or_else(|| Error::with(Code::InvalidArgument, "the head is a SHA-256 in hexadecimal: 64 digits"))?;
    check(path, Some(head))
}

fn check(path: &Path, known: Option<Digest>) -> Result<Verified> {
    // While this reads, another process may rename files, or remove the oldest: then this begins again.
    for _ in 0..RESTARTS {
        let parts = snapshot(path).map_err(|error| unavailable(path, error))?;
        if let Some(verified) = walk(path, &parts, known)? {
            return Ok(verified);
        }
    }
    Err(Error::with(Code::AuditUnavailable, "the files are renamed faster than they can be read"))
}

const RESTARTS: u32 = 5;

/// A file as it was when the walk began.
struct Part {
    number: u32,
    identity: FileIdentity,
}

/// What there is at one moment, oldest first: nobody renames or writes while it is looked at.
fn snapshot(path: &Path) -> io::Result<Vec<Part>> {
    for _ in 0..RESTARTS {
        let live = match append::open_read(path) {
            Ok(live) => Some(live),
            // Between two files; or the log was moved away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(live) = &live {
            wait_for_lock(live, patience(), File::try_lock_shared)?;
            if !append::is_named(live, path)? {
                continue;
            }
        }
        let mut parts = Vec::new();
        for number in names::numbers(path)?.into_iter().rev() {
            let identity = append::identity_of(&append::open_read(&names::rotated(path, number))?)?;
            parts.push(Part { number, identity });
        }
        if let Some(live) = live {
            parts.push(Part { number: 0, identity: append::identity_of(&live)? });
            live.unlock()?;
        }
        if parts.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        return Ok(parts);
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the file is renamed again and again"))
}

/// The name of a file of the log; 0 is the one that is written.
fn name(path: &Path, number: u32) -> PathBuf {
    if number == 0 { path.to_owned() } else { names::rotated(path, number) }
}

/// Opens a part wherever it is by now; `None` when it is gone.
fn open(path: &Path, part: &Part) -> io::Result<Option<File>> {
    // It can only have moved up.
    for number in part.number..=part.number.saturating_add(names::MOST) {
        match append::open_read(&name(path, number)) {
            Ok(file) if append::identity_of(&file)?.same_file(&part.identity) => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && number > part.number => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Follows the chain through all parts; `None` when one of them is gone.
fn walk(path: &Path, parts: &[Part], known: Option<Digest>) -> Result<Option<Verified>> {
    let mut chain = Chain::new(known);
    let mut files = Vec::new();
    for part in parts {
        let here = name(path, part.number);
        let at = |error| unavailable(&here, error);
        let Some(file) = open(path, part).map_err(at)? else { return Ok(None) };
        let mut reader = BufReader::with_capacity(64 << 10, file.take(part.identity.size));
        let mut number = 0_u64;
        while let Some(line) = read_line(&mut reader).map_err(at)? {
            number = number.saturating_add(1);
            chain.follow(&line, &here, number)?;
        }
        files.push(here);
    }
    chain.finish(files).map(Some)
}

/// A line: its hash, and its text when that is not too long.
struct Line {
    digest: Digest,
    text: Option<Vec<u8>>,
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut hash, mut text, mut any) = (Sha256::new(), Some(Vec::new()), false);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or(chunk);
        hash.update(part);
        text = text.filter(|text: &Vec<u8>| text.len().saturating_add(part.len()) <= LONGEST).map(|mut text| {
            text.extend_from_slice(part);
            text
        });
        let used = part.len().saturating_add(usize::from(end.is_some()));
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(any.then(|| Line { digest: hash.finalize().into(), text }))
}

/// The chain, as far as it has been followed.
struct Chain {
    known: Option<Digest>,
    lines: u64,
    /// Lines that hold the hash of the one before.
    linked: u64,
    last: Option<Digest>,
    from_the_beginning: bool,
    unchained: u64,
    torn: u64,
    first_torn: Option<(PathBuf, u64)>,
}

impl Chain {
    fn new(known: Option<Digest>) -> Self {
        // The empty log has a head too.
        let known = known.filter(|known| *known != GENESIS);
        Self {
            known,
            lines: 0,
            linked: 0,
            last: None,
            from_the_beginning: false,
            unchained: 0,
            torn: 0,
            first_torn: None,
        }
    }

    fn follow(&mut self, line: &Line, file: &Path, number: u64) -> Result<()> {
        let broken = |why: &str| Err(Error::with(Code::Conflict, format!("{}:{number}: {why}", file.display())));
        let link = line.text.as_deref().and_then(|text| serde_json::from_slice::<Link<'_>>(text).ok());
        match link.map(|link| link.prev) {
            None => {
                self.torn = self.torn.saturating_add(1);
                if self.first_torn.is_none() {
                    self.first_torn = Some((file.to_owned(), number));
                }
            }
            Some(None) if self.linked == 0 => self.unchained = self.unchained.saturating_add(1),
            Some(None) => return broken("the line is not chained to the one before it: it was inserted or changed"),
            Some(Some(prev)) => {
                let Some(prev) = hex::decode_32(prev) else { return broken("what it continues is not a hash") };
                match self.last {
                    None => self.from_the_beginning = prev == GENESIS,
                    Some(last) if last == prev => {}
                    Some(_) => {
                        return broken(
                            "it does not continue the line before it: one of the two was changed, or lines between \
                             them were removed, inserted or moved",
                        );
                    }
                }
                self.linked = self.linked.saturating_add(1);
            }
        }
        self.lines = self.lines.saturating_add(1);
        self.last = Some(line.digest);
        self.known = self.known.filter(|known| *known != line.digest);
        Ok(())
    }

    fn finish(self, files: Vec<PathBuf>) -> Result<Verified> {
        if self.linked == 0 && self.unchained > 0 {
            return Err(Error::with(Code::InvalidArgument, "the log was written without a chain"));
        }
        if self.known.is_some() {
            return Err(Error::with(
                Code::Conflict,
                "the line whose hash was kept is not there: it, and what came after it, was cut off or changed",
            ));
        }
        Ok(Verified {
            lines: self.lines,
            files,
            head: hex::encode(&self.last.unwrap_or(GENESIS)),
            from_the_beginning: self.from_the_beginning || self.lines == 0,
            unchained: self.unchained,
            torn: self.torn,
            first_torn: self.first_torn,
        })
    }
}

fn unavailable(path: &Path, error: io::Error) -> Error {
    Error::with(Code::AuditUnavailable, format!("{} can't be read", path.display())).caused_by(error)
}

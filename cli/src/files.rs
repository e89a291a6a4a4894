//! Files: secrets in, secrets out.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use crate::failure::{Failure, Result};

/// More than any input of ours can be.
const MAX_INPUT: u64 = 1 << 20;

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    // The buffer never grows, so that no copy of a secret stays behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::new());
    let done = if is_stdin(path) {
        take(&mut io::stdin().lock(), &mut bytes)
    } else {
        File::open(path).and_then(|mut file| take(&mut file, &mut bytes))
    };
    done.map_err(|error| Failure::io(name(path), error))?;
    Ok(bytes)
}

fn take(from: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.reserve_exact(usize::try_from(MAX_INPUT).unwrap_or(usize::MAX).saturating_add(2));
    from.take(MAX_INPUT.saturating_add(1)).read_to_end(bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(io::Error::other("the file is larger than 1 MiB"));
    }
    Ok(())
}

/// Reads a text, without white space around it.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage(format!("{}: not UTF-8 text", name(path))))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Gives each line of a file, or of standard input for `-`, with its number, which begins at 1. A failure of `each` is
/// about its line.
pub(crate) fn lines(path: &Path, each: &mut dyn FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
    let failed = |error| Failure::io(name(path), error);
    let mut from: Box<dyn BufRead> = if is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    let mut bytes = Zeroizing::new(Vec::new());
    for number in 1_usize.. {
        bytes.clear();
        from.by_ref().take(MAX_INPUT).read_until(b'\n', &mut bytes).map_err(failed)?;
        if bytes.is_empty() {
            break;
        }
        let about = |failure: Failure| failure.about(line(path, number));
        if bytes.len() as u64 == MAX_INPUT {
            return Err(about(Failure::usage("the line is longer than 1 MiB")));
        }
        each(number, &bytes).map_err(about)?;
    }
    Ok(())
}

/// What errors call a line of a file.
pub(crate) fn line(path: &Path, number: usize) -> String {
    format!("{}, line {number}", name(path))
}

/// What errors call a file.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Its owner alone: mode 0600.
    Owner,
    /// Whoever the umask allows.
    Anyone,
}

/// A new file that goes away again unless it is kept: made before what will be written into it, so that nothing is
/// done for a file that can't be.
pub(crate) struct NewFile<'a> {
    path: &'a Path,
    file: Option<File>,
}

impl<'a> NewFile<'a> {
    /// Makes the file. What is there already is never overwritten, and no symbolic link is followed.
    pub(crate) fn create(path: &'a Path, audience: Audience) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if audience == Audience::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let file = options.open(path).map_err(|error| Failure::io(name(path), error))?;
        Ok(Self { path, file: Some(file) })
    }

    /// Writes the file, waits until it is on the disk, and keeps it.
    pub(crate) fn keep(mut self, contents: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(contents)
                .and_then(|()| file.sync_all())
                .map_err(|error| Failure::io(name(self.path), error))?;
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_kept_only_when_it_is_written_and_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        drop(NewFile::create(&path, Audience::Owner).unwrap());
        assert!(!path.exists());
        NewFile::create(&path, Audience::Owner).unwrap().keep(b"x").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        assert!(NewFile::create(&path, Audience::Owner).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn lines_have_numbers_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        let read = |contents: &[u8]| {
            std::fs::write(&path, contents).unwrap();
            let mut seen = Vec::new();
            let done = lines(&path, &mut |number, line| {
                seen.push((number, line.trim_ascii().len()));
                if line.starts_with(b"!") { Err(Failure::usage("no")) } else { Ok(()) }
            });
            (seen, done.map_err(|failure| failure.message()))
        };
        assert_eq!(read(b""), (vec![], Ok(())));
        assert_eq!(read(b"a\r\n\nbcd"), (vec![(1, 1), (2, 0), (3, 3)], Ok(())));
        let (seen, done) = read(b"a\n!b\nc\n");
        assert_eq!(seen, [(1, 1), (2, 2)]);
        assert_eq!(done, Err(format!("{}, line 2: no", path.display())));
        let long = vec![b'x'; 1 << 20];
        assert_eq!(read(&long[1..]).0, [(1, (1 << 20) - 1)]);
        let done = read(&[b"a\n", &long[..]].concat()).1;
        assert_eq!(done, Err(format!("{}, line 2: the line is longer than 1 MiB", path.display())));
    }

    #[test]
    fn texts_are_trimmed_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        std::fs::write(&path, " KEY-1 \r\n").unwrap();
        assert_eq!(read_text(&path).unwrap().as_str(), "KEY-1");
        std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(read(&path).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path).is_err());
    }
}

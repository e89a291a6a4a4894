//! The outer form of a file: a header line, base64 in lines, a footer line.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::error::{Code, Error, Result};

/// The largest file that is looked at, in bytes.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// The width at which Keygen breaks lines.
const LINE_WIDTH: usize = 60;

/// What a file was issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A license file: names no machine.
    License,
    /// A machine file: good on the machine whose fingerprint it holds.
    Machine,
}

impl Kind {
    /// `license` or `machine`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::License => "license",
            Self::Machine => "machine",
        }
    }

    /// What stands in the header and footer lines.
    const fn label(self) -> &'static str {
        match self {
            Self::License => "LICENSE FILE",
            Self::Machine => "MACHINE FILE",
        }
    }

    /// What stands before `enc` in the signed bytes, so that one kind of file never passes for the other.
    pub(super) const fn signed_prefix(self) -> &'static str {
        match self {
            Self::License => "license/",
            Self::Machine => "machine/",
        }
    }

    /// The JSON:API type of the document inside.
    pub(super) const fn document_type(self) -> &'static str {
        match self {
            Self::License => "licenses",
            Self::Machine => "machines",
        }
    }
}

/// A file whose header and footer are read: its kind is known, its body is not yet decoded.
#[derive(Debug)]
pub(super) struct Armour {
    pub(super) kind: Kind,
    base64: Vec<u8>,
}

impl Armour {
    /// Reads header and footer, and takes the line breaks out of the body.
    ///
    /// Lenient only where files in the wild differ: a byte order mark, white space around the whole, LF or CRLF, any
    /// line width.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED`.
    pub(super) fn read(file: &[u8]) -> Result<Self> {
        let (kind, base64) = [Kind::License, Kind::Machine]
            .into_iter()
            .find_map(|kind| Some((kind, strip(file, kind.label())?)))
            .ok_or_else(|| malformed("the file does not begin with a LICENSE FILE or MACHINE FILE header"))?;
        let base64 = base64?;
        Ok(Self { kind, base64 })
    }

    /// The bytes of the envelope.
    ///
    /// # Errors
    /// `LICENSE_MALFORMED` when the body is not canonical base64 (RFC 4648, section 4; padded; zero trailing bits).
    pub(super) fn decode(&self) -> Result<Vec<u8>> {
        decode(&self.base64)
    }
}

/// The bytes in armour with another label than those of the kinds; `None` when the text does not begin with its header.
///
/// # Errors
/// `LICENSE_MALFORMED`.
pub(super) fn read_labelled(file: &[u8], label: &str) -> Option<Result<Vec<u8>>> {
    Some(strip(file, label)?.and_then(|base64| decode(&base64)))
}

/// What stands between header and footer, without line breaks; `None` when the text does not begin with that header.
fn strip(file: &[u8], label: &str) -> Option<Result<Vec<u8>>> {
    if file.len() > MAX_FILE_BYTES {
        return Some(Err(malformed("the file is larger than 256 KiB")));
    }
    let text = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file).trim_ascii();
    let body = text.strip_prefix(format!("-----BEGIN {label}-----").as_bytes())?;
    let Some(body) = body.strip_suffix(format!("-----END {label}-----").as_bytes()) else {
        return Some(Err(malformed("the file does not end with the footer of its header")));
    };
    let header_ends = body.starts_with(b"\n") || body.starts_with(b"\r\n");
    if !header_ends || !body.ends_with(b"\n") {
        return Some(Err(malformed("header and footer stand on lines of their own")));
    }
    // A text finds its line breaks several bytes at once; what is no text is no base64.
    let Ok(body) = std::str::from_utf8(body) else { return Some(Err(malformed("the body is not canonical base64"))) };
    let mut base64 = Vec::with_capacity(body.len());
    for line in body.split('\n') {
        base64.extend_from_slice(line.strip_suffix('\r').unwrap_or(line).as_bytes());
    }
    Some(Ok(base64))
}

fn decode(base64: &[u8]) -> Result<Vec<u8>> {
    STANDARD.decode(base64).map_err(|_| malformed("the body is not canonical base64"))
}

/// `envelope` in armour, as Keygen writes it.
pub(super) fn write(kind: Kind, envelope: &[u8]) -> String {
    write_labelled(kind.label(), envelope)
}

/// The same with another label.
pub(super) fn write_labelled(label: &str, envelope: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, symbol) in STANDARD.encode(envelope).chars().enumerate() {
        if at > 0 && at.is_multiple_of(LINE_WIDTH) {
            text.push('\n');
        }
        text.push(symbol);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// `LICENSE_MALFORMED` with a reason that holds nothing of the file.
pub(super) fn malformed(reason: &'static str) -> Error {
    Error::with(Code::LicenseMalformed, reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body_of(file: &[u8]) -> Option<(Kind, Vec<u8>)> {
        let armour = Armour::read(file).ok()?;
        Some((armour.kind, armour.decode().ok()?))
    }

    #[test]
    fn a_kind_has_a_name() {
        assert_eq!((Kind::License.as_str(), Kind::Machine.as_str()), ("license", "machine"));
    }

    #[test]
    fn lenient_where_files_in_the_wild_differ() {
        let bytes = b"any bytes at all, but more than fit in a line of sixty characters of base64";
        for kind in [Kind::License, Kind::Machine] {
            let file = write(kind, bytes);
            assert!(file.lines().skip(1).all(|line| line.len() <= LINE_WIDTH));
            let joined = file
                .replacen('\n', "\x01", 1)
                .replace("\n-----E", "\x01-----E")
                .replace('\n', "")
                .replace('\x01', "\n");
            for variant in [
                file.clone(),
                file.trim_end().to_owned(),
                format!("{file}\n\n"),
                format!("\u{feff}{file}"),
                format!("\u{feff} \t\r\n{file} \t"),
                file.replace('\n', "\r\n"),
                file.replace("-----\n", "-----\n\n"),
                joined,
            ] {
                assert_eq!(body_of(variant.as_bytes()), Some((kind, bytes.to_vec())), "{variant:?}");
            }
        }
    }

    #[test]
    fn strict_everywhere_else() {
        let file = write(Kind::License, &[b'x'; 100]);
        let machine = write(Kind::Machine, &[b'x'; 100]);
        let crossed = format!("{}-----END MACHINE FILE-----", &file[..file.find("-----END").unwrap()]);
        for variant in [
            String::new(),
            "x".into(),
            format!("x{file}"),
            format!("{file}x"),
            format!("{file}\0"),
            format!(" \u{feff}{file}"),
            format!("\u{feff}\u{feff}{file}"),
            crossed,
            file.to_lowercase(),
            file.replace("LICENSE", "SOFTWARE"),
            file.replacen("-----\n", "-----", 1),
            file.replace("\n-----END", "-----END"),
            file.replace('\n', "\r"),
            file.replace('\n', " \n"),
            file.replace("eHh4", "eHh "),
            file.replace("eHh4", "eH-4"),
            file.replace("==\n", "\n"),
            file.replace("==\n", "=\n"),
            file.replace("eA==\n", "eB==\n"),
            file.replace("==\n", "===\n"),
            format!("{file}{machine}"),
            format!("{file}{file}"),
        ] {
            assert_eq!(body_of(variant.as_bytes()), None, "{variant:?}");
        }
        assert_eq!(body_of(b"-----BEGIN LICENSE FILE-----\n\xff\n-----END LICENSE FILE-----"), None);
    }

    #[test]
    fn size_is_bounded() {
        let mut file = write(Kind::License, b"{}").into_bytes();
        file.resize(MAX_FILE_BYTES, b'\n');
        assert!(Armour::read(&file).is_ok());
        file.push(b'\n');
        assert_eq!(Armour::read(&file).unwrap_err().code(), Code::LicenseMalformed);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>) {
            prop_assert_eq!(body_of(write(Kind::Machine, &bytes).as_bytes()), Some((Kind::Machine, bytes)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut file = b"-----BEGIN MACHINE FILE-----".to_vec();
            file.extend_from_slice(&bytes);
            file.extend_from_slice(b"-----END MACHINE FILE-----");
            let _ = body_of(&file);
            let _ = body_of(&bytes);
        }
    }
}

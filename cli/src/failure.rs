//! Why a command failed, in the words of the error table, and with which exit code.

use std::{error::Error as _, fmt::Write as _, io};

use inspire_auth_core::{Code, Error};
use serde_json::json;

use crate::text::printable;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// What it is about, such as a key's name or a path.
    about: Option<String>,
    /// What to do, where it is known better than the error table knows it.
    advice: Option<String>,
}

#[derive(Debug)]
enum Kind {
    /// The library said so.
    Library(Error),
    /// The command can't be meant like this.
    Usage(String),
    /// A file or a stream.
    Io(io::Error),
    /// A person said no.
    Declined,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Kind::Library(error))
    }
}

impl Failure {
    const fn new(kind: Kind) -> Self {
        Self { kind, about: None, advice: None }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage(what.into()))
    }

    pub(crate) fn io(about: impl Into<String>, error: io::Error) -> Self {
        Self::new(Kind::Io(error)).about(about)
    }

    pub(crate) const fn declined() -> Self {
        Self::new(Kind::Declined)
    }

    pub(crate) fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// Whether it says already what it is about.
    pub(crate) const fn is_about_something(&self) -> bool {
        self.about.is_some()
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The code of the error table; `None` where the failure is the command line's own.
    pub(crate) fn code(&self) -> Option<Code> {
        match &self.kind {
            Kind::Library(error) => Some(error.code()),
            Kind::Usage(_) => Some(Code::InvalidArgument),
            Kind::Declined => Some(Code::Cancelled),
            Kind::Io(_) => None,
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> u8 {
        match &self.kind {
            Kind::Library(error) if error.code() == Code::StoreUnavailable && is_permission(error) => 10,
            Kind::Library(error) => exit_of(error.code()),
            Kind::Usage(_) => 2,
            Kind::Declined => 130,
            Kind::Io(error) => match error.kind() {
                io::ErrorKind::NotFound => 6,
                io::ErrorKind::AlreadyExists => 7,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => 10,
                _ => 1,
            },
        }
    }

    pub(crate) fn message(&self) -> String {
        let message = match &self.kind {
            Kind::Library(error) => error.to_string(),
            Kind::Usage(what) => what.clone(),
            Kind::Io(error) => io_message(error),
            Kind::Declined => "nothing was changed".to_owned(),
        };
        match &self.about {
            Some(about) => format!("{about}: {message}"),
            None => message,
        }
    }

    pub(crate) fn action(&self) -> String {
        match (&self.advice, &self.kind) {
            (Some(advice), _) => advice.clone(),
            (None, Kind::Library(error)) => error.code().entry().admin.to_owned(),
            (None, Kind::Usage(_)) => "see `inspire-auth help`, or the command's own --help".to_owned(),
            (None, Kind::Declined) => "answer y, or give --yes".to_owned(),
            (None, Kind::Io(error)) => match error.kind() {
                io::ErrorKind::NotFound => "check the path",
                io::ErrorKind::AlreadyExists => "choose another path: nothing is ever overwritten",
                io::ErrorKind::PermissionDenied => "run this as a user that may",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free disk space",
                _ => "see what the system says about it",
            }
            .to_owned(),
        }
    }

    /// One line of what, one line of what to do.
    pub(crate) fn as_text(&self) -> String {
        let mut text = format!("error: {}", printable(&self.message()));
        if let (Kind::Library(_), Some(code)) = (&self.kind, self.code()) {
            let _ = write!(text, " ({})", code.name());
        }
        let _ = writeln!(text, "\n  try: {}", printable(&self.action()));
        text
    }

    /// `{"error": {...}}`, one line.
    pub(crate) fn as_json(&self) -> String {
        let entry = self.code().map(Code::entry);
        let document = json!({"error": {
            "code": entry.map_or("IO_ERROR", |entry| entry.name),
            "number": entry.map(|entry| entry.number),
            "message": self.message(),
            "action": self.action(),
            "retryable": entry.is_some_and(|entry| entry.retry),
        }});
        format!("{document}\n")
    }
}

/// What kind of failure a code is, for scripts.
pub(crate) fn exit_of(code: Code) -> u8 {
    match code {
        Code::Ok => 0,
        Code::InvalidArgument
        | Code::InvalidName
        | Code::InvalidLevel
        | Code::InvalidHash
        | Code::UnsupportedOption
        | Code::WeakTrustedKey => 2,
        Code::NoCredential
        | Code::MalformedCredential
        | Code::InvalidCredential
        | Code::SecureChannelRequired
        | Code::InsufficientLevel
        | Code::PathNotCanonical
        | Code::RouteDenied
        | Code::LicenseMalformed
        | Code::LicenseUnsupportedAlgorithm
        | Code::LicenseSignatureInvalid
        | Code::LicenseKeyRequired
        | Code::LicenseKeyOrMachineMismatch
        | Code::LicenseKeyMismatch => 3,
        Code::Unlicensed => 5,
        Code::NotFound => 6,
        Code::NameTaken
        | Code::Conflict
        | Code::NotAvailableOffline
        | Code::LicenseFileOlder
        | Code::FingerprintUnavailable
        | Code::StoreNetworkFilesystem
        | Code::StoreVersion
        | Code::StoreHistoryChanged => 7,
        Code::PermissionDenied | Code::StoreLocked | Code::StoreReadOnly => 10,
        Code::Cancelled => 130,
        Code::ServerSignatureInvalid => 3,
        Code::NetworkDns
        | Code::NetworkConnect
        | Code::NetworkTls
        | Code::NetworkProxy
        | Code::NetworkTimeout
        | Code::NetworkPolicy
        | Code::ClockSkew => 8,
        Code::NotActivated
        | Code::LicenseUnknown
        | Code::MachineLimitReached
        | Code::LicenseRefused
        | Code::ServerStatus
        | Code::ServerRateLimited
        | Code::ServerAnswerMalformed => 9,
        // What is left of licensing: a genuine license that does not allow it.
        other if matches!(other.number(), 300..400) => 4,
        _ => 1,
    }
}

/// The system's words, without the number that Rust adds.
fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::AlreadyExists => "the file is there already".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

fn is_permission(error: &Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<io::Error>()).is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use inspire_auth_core::TABLE;

    #[test]
    fn every_code_has_an_exit_code_and_only_success_is_zero() {
        for entry in TABLE {
            let exit = exit_of(entry.code);
            assert!(matches!(exit, 0..=10 | 130), "{}", entry.name);
            assert_eq!(exit == 0, entry.code == Code::Ok, "{}", entry.name);
        }
    }

    #[test]
    fn a_failure_is_one_line_of_what_and_one_of_what_to_do() {
        let failure = Failure::from(Error::new(Code::NotFound)).about("a\u{1b}[31mb");
        let text = failure.as_text();
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("NOT_FOUND") && !text.contains('\u{1b}'), "{text}");
        let document: serde_json::Value = serde_json::from_str(&failure.as_json()).unwrap();
        assert_eq!(document["error"]["code"], "NOT_FOUND");
        assert_eq!(document["error"]["retryable"], false);
    }

    #[test]
    fn a_full_disk_is_called_so() {
        let failure = Failure::io("out", io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.exit(), 1);
        assert!(failure.as_text().contains("out: the disk is full"));
    }
}

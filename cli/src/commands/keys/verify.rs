//! `verify`: a credential, tried as a host would.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use clap::Args;
use inspire_auth_core::{
    AuditSink, Code, Error,
    keys::{Channel, Presented, Request, RequirementSpec},
};
use serde_json::json;

use crate::{
    context::{Context, Opening},
    failure::{Failure, Result},
    files,
    report::Report,
    table::Facts,
};

/// `keys verify`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  inspire-auth keys verify --secure < reporting.key
  echo 'X-Ignition-API-Token: reporting:isk_...' | inspire-auth keys verify --secure
  inspire-auth keys verify --header-file header.txt --secure --level Authenticated/Ops/Write

Reads a whole header line, the value of an Authorization header, or a bare NAME:KEY, from standard input or a file.
Exits 0 when the credential would be granted and 3 when it would be refused. What a host would not tell the caller, the
reason, is told here from the audit log. A success counts as a use of the key.")]
pub(crate) struct Verify {
    /// Read the header from this file instead of standard input
    #[arg(long, value_name = "PATH", default_value = "-", hide_default_value = true)]
    header_file: PathBuf,
    /// As if over a secure connection
    #[arg(long, conflicts_with = "local")]
    secure: bool,
    /// As if over loopback or a Unix socket
    #[arg(long)]
    local: bool,
    /// As a host that takes local connections for secure ones
    #[arg(long, requires = "local")]
    local_is_secure: bool,
    /// A level that is required; of several, one is enough [default: Authenticated]
    #[arg(long = "level", value_name = "LEVEL")]
    levels: Vec<String>,
    /// Require every --level
    #[arg(long, requires = "levels")]
    all: bool,
    /// An entitlement that the license must hold as well
    #[arg(long, value_name = "CODE")]
    entitlement: Option<String>,
}

pub(super) fn verify(context: &Context, arguments: &Verify) -> Result<Report> {
    let header = read_header(&arguments.header_file)?;
    let reason = Reason::default();
    let auth = context.open_with(Opening::Existing, |options| {
        options.local_is_secure = arguments.local_is_secure;
        options.audit = Some(reason.sink());
    })?;
    let levels = if arguments.levels.is_empty() { vec!["Authenticated".to_owned()] } else { arguments.levels.clone() };
    let requirement =
        auth.requirement(&if arguments.all { RequirementSpec::All(levels) } else { RequirementSpec::Any(levels) })?;
    let headers = [(header.name.as_bytes(), header.value.as_slice())];
    let request = Request {
        presented: Presented::Headers(&headers),
        channel: match (arguments.secure, arguments.local) {
            (true, _) => Channel::Secure,
            (_, true) => Channel::Local,
            _ => Channel::Plain,
        },
        requirement: &requirement,
        entitlement: arguments.entitlement.as_deref(),
        now: None,
    };
    let principal = auth.authenticate(&request).map_err(|error| explained(error, &reason, arguments))?;
    let levels = auth.principal_levels(&principal)?;
    let name = principal.name().unwrap_or("anyone");
    let mut facts = Facts::new();
    facts.add("Granted", name).add_all("Levels", &levels, "none");
    let document = json!({"principal": {
        "id": (!principal.is_anonymous()).then(|| principal.id().to_string()),
        "name": principal.name(),
        "levels": levels,
        "revision": principal.revision(),
    }});
    Ok(Report::new(document, facts.render(context.page)))
}

/// The reason of a refusal, which goes to the audit only.
#[derive(Default)]
struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    /// Listens to what this process decides, and to nobody else.
    fn sink(&self) -> AuditSink {
        let reason = Arc::clone(&self.0);
        Arc::new(move |event| {
            if event.event == "key.refused"
                && let Ok(mut reason) = reason.lock()
            {
                *reason = Some(event.detail.clone());
            }
        })
    }

    fn get(&self) -> Option<String> {
        self.0.lock().ok().and_then(|reason| reason.clone())
    }
}

/// A refusal, with what only the operator is told.
fn explained(error: Error, reason: &Reason, arguments: &Verify) -> Failure {
    let code = error.code();
    let failure = Failure::from(error);
    match (code, reason.get()) {
        (Code::SecureChannelRequired, _) if !arguments.secure => {
            failure.advise("to try it as if over a secure connection, give --secure")
        }
        (Code::InvalidCredential, Some(reason)) => {
            failure.advise(format!("the reason, which callers are not told: {reason}"))
        }
        _ => failure,
    }
}

/// One header, as a host would hand it over.
struct Header {
    name: String,
    value: zeroize::Zeroizing<Vec<u8>>,
}

/// Makes sense of what was given: a header line, a value, or a bare credential.
fn read_header(path: &Path) -> Result<Header> {
    let bytes = files::read(path)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.contains(&b'\n') {
        return Err(Failure::usage(format!("{}: more than one line", files::name(path))));
    }
    Ok(header(text))
}

fn header(text: &[u8]) -> Header {
    let as_name = |name: &str| Header { name: name.to_owned(), value: zeroize::Zeroizing::new(text.to_vec()) };
    for name in ["Authorization", "X-Ignition-API-Token"] {
        let value = text.get(name.len()..).and_then(|rest| rest.strip_prefix(b":"));
        let named = text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
        if let (true, Some(value)) = (named, value) {
            return Header { value: zeroize::Zeroizing::new(value.to_vec()), ..as_name(name) };
        }
    }
    let bare = !text.is_empty() && !text.contains(&b' ') && !text.contains(&b'\t');
    if !bare {
        return as_name("Authorization");
    }
    let value = zeroize::Zeroizing::new([b"Bearer ".as_slice(), text].concat());
    Header { value, ..as_name("Authorization") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste_is_understood() {
        for (text, name, value) in [
            ("a:b", "Authorization", "Bearer a:b"),
            ("a~b", "Authorization", "Bearer a~b"),
            ("Bearer a:b", "Authorization", "Bearer a:b"),
            ("Basic Zm9v", "Authorization", "Basic Zm9v"),
            ("authorization: Bearer a:b", "Authorization", " Bearer a:b"),
            ("X-Ignition-API-Token: a:b", "X-Ignition-API-Token", " a:b"),
            ("", "Authorization", ""),
        ] {
            let header = header(text.as_bytes());
            assert_eq!((header.name.as_str(), header.value.as_slice()), (name, value.as_bytes()), "{text}");
        }
    }
}

//! What every command works with: the options, the store, and the person in front of it.

use std::{
    cell::Cell,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use inspire_auth_core::{
    AuditFailure, AuditFile, Code, HashParameters, InspireAuth, LevelMode, Options, Pepper, audit,
    license::{
        keys::TrustedKey,
        online::{Proxy, Server},
    },
    store::{AuditEvent, Scheme as Hashing},
};

use zeroize::Zeroizing;

use crate::{
    cli::{Globals, Mode, Scheme},
    failure::{Failure, Result},
    files,
    place::Place,
    table::Page,
    text::printable,
    time,
};

/// What every command works with.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) page: Page,
    /// Whether an interrupt ends the process at once. A command that has to end in good order takes that away.
    pub(crate) ends_at_once: Arc<AtomicBool>,
    /// The handle that a command works with, and the audit file that it has.
    audited: Cell<Option<(InspireAuth, PathBuf)>>,
}

/// Whether a command may make the store it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A misspelt path must not become an empty store.
    Existing,
    /// The command is one of those that begin a store.
    MayCreate,
}

/// The place that a person named.
pub(crate) fn place(named: &Path, opening: Opening) -> Result<Place> {
    let path = match Place::of(named) {
        Place::File(path) => path,
        database @ Place::Postgres(_) => return Ok(database),
    };
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(Failure::usage("the store must be a file: in memory it would end with this command"));
    }
    if opening == Opening::Existing
        && let Err(error) = std::fs::metadata(&path)
    {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let failure = Failure::io(path.display().to_string(), error);
        let advice = "check the path; `keys create` and `license activate` begin a new store";
        return Err(if missing { failure.advise(advice) } else { failure });
    }
    Ok(Place::File(path))
}

impl Context {
    pub(crate) fn new(globals: Globals, ends_at_once: Arc<AtomicBool>) -> Self {
        let page = Page::of_stdout(!globals.no_color);
        Self { globals, page, ends_at_once, audited: Cell::new(None) }
    }

    /// Opens the store with what the command line says.
    pub(crate) fn open(&self, opening: Opening) -> Result<InspireAuth> {
        self.open_with(opening, |_| {})
    }

    /// As [`Context::open`], with options of the command's own.
    pub(crate) fn open_with(&self, opening: Opening, adjust: impl FnOnce(&mut Options)) -> Result<InspireAuth> {
        let place = self.store(opening)?;
        let mut options = Options::new(place.location());
        options.mode = match self.globals.level_mode {
            Mode::Default => LevelMode::Default,
            Mode::Ignition => LevelMode::Ignition,
        };
        options.scheme = match self.globals.scheme {
            Scheme::Argon2 => Hashing::Argon2,
            Scheme::HmacSha256 => Hashing::HmacSha256,
        };
        let hash = HashParameters::default();
        options.hash = HashParameters {
            memory_kib: self.globals.hash_m.unwrap_or(hash.memory_kib),
            iterations: self.globals.hash_t.unwrap_or(hash.iterations),
            parallelism: self.globals.hash_p.unwrap_or(hash.parallelism),
        };
        // One command hashes one thing at a time, and renews what is weaker; nobody else is crowded out.
        options.max_hash_memory = options.max_hash_memory.max(u64::from(options.hash.memory_kib).saturating_mul(1024));
        options.peppers = self.peppers()?;
        options.trusted_keys = self.trusted_keys()?;
        options.product.clone_from(&self.globals.product);
        options.machine_id = self.machine_id()?;
        if let Some(lease) = &self.globals.max_lease {
            options.max_lease = max_lease(lease)?;
        }
        options.server = self.server()?;
        options.audit_file = self.audit_file()?;
        adjust(&mut options);
        let audit_file = options.audit_file.as_ref().map(|file| file.path.clone());
        let auth = InspireAuth::open(options).map_err(|error| Failure::from(error).about(place.shown()))?;
        self.audited.set(audit_file.map(|file| (auth.clone(), file)));
        Ok(auth)
    }

    /// The audit file, if one is named.
    fn audit_file(&self) -> Result<Option<AuditFile>> {
        let globals = &self.globals;
        let Some(path) = &globals.audit_file else {
            let more = globals.audit_chain
                || globals.audit_required
                || globals.audit_max_bytes.is_some()
                || globals.audit_keep.is_some();
            let nothing = Failure::usage("there is no audit file to write").advise("give --audit-file PATH");
            return if more { Err(nothing) } else { Ok(None) };
        };
        if path.as_os_str().is_empty() {
            return Err(Failure::usage("the audit file has no name").advise("give --audit-file PATH"));
        }
        let mut file = AuditFile::at(path);
        file.max_bytes = match (globals.audit_max_bytes, globals.audit_keep) {
            (Some(bytes), _) => bytes,
            (None, Some(_)) => file.max_bytes,
            // The hosts rename the file, and know when: a command that guesses would do it too early, and too often.
            (None, None) => AuditFile::MAX_BYTES,
        };
        file.keep = globals.audit_keep.unwrap_or(file.keep);
        file.chain = globals.audit_chain;
        if globals.audit_required {
            file.on_failure = AuditFailure::DenyMutations;
        }
        Ok(Some(file))
    }

    /// Makes a change of the store as a whole, recorded in the audit file before it is made.
    pub(crate) fn recorded<T>(
        &self,
        name: &str,
        detail: &str,
        change: impl FnOnce() -> inspire_auth_core::Result<T>,
    ) -> Result<T> {
        let Some(file) = self.audit_file()? else { return Ok(change()?) };
        let store = self.store(Opening::Existing)?;
        let record = |name: &str, detail, code| audit::append(&file, store.path(), &event(name, detail, code));
        if let Err(error) = record(name, detail, Code::Ok) {
            if self.globals.audit_required || error.code() != Code::AuditUnavailable {
                return Err(Failure::from(error).about(files::name(&file.path)));
            }
            warn_unrecorded(&file.path);
        }
        change().map_err(|error| {
            // The line says that it was done: this one says that it was not.
            let _ = record(&format!("{name}.failed"), "it was recorded, but not done", error.code());
            Failure::from(error)
        })
    }

    /// Says when the audit file did not take what a command did, although that was done: to be called behind it.
    pub(crate) fn tell_unrecorded(&self) {
        let Some((auth, path)) = self.audited.take() else { return };
        let failed = auth.flush().is_err_and(|error| error.code() == Code::AuditUnavailable);
        // It may have been tried, and given up, behind this command's back.
        if failed || failures(&auth.metrics_text()) > 0 {
            warn_unrecorded(&path);
        }
    }

    /// Where the store is.
    pub(crate) fn store(&self, opening: Opening) -> Result<Place> {
        let path = self.globals.store.clone().ok_or_else(|| {
            Failure::usage("no store is named").advise("give --store PATH, or set INSPIRE_AUTH_STORE")
        })?;
        place(&path, opening)
    }

    fn peppers(&self) -> Result<Vec<Pepper>> {
        self.globals
            .pepper_file
            .iter()
            .map(|argument| {
                let (id, path) = pair(argument, "--pepper-file", "ID=PATH")?;
                Ok(Pepper { id: id.to_owned(), secret: files::read(Path::new(path))? })
            })
            .collect()
    }

    /// The keys given one by one, then those of the files.
    pub(crate) fn trusted_keys(&self) -> Result<Vec<TrustedKey>> {
        let mut keys = Vec::new();
        for argument in &self.globals.trusted_key {
            let (id, key) = pair(argument, "--trusted-key", "ID=HEX")?;
            keys.push(TrustedKey::parse(id, key).map_err(|error| Failure::from(error).about("--trusted-key"))?);
        }
        for path in &self.globals.trusted_keys_file {
            let text = files::read_text(path)?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                keys.push(trusted_line(line).map_err(|failure| failure.about(files::name(path)))?);
            }
        }
        Ok(keys)
    }

    /// The licensing server, if one is named.
    pub(crate) fn server(&self) -> Result<Option<Server>> {
        let Some(url) = self.globals.server.as_ref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let mut server = Server::at(url);
        server.account.clone_from(&self.globals.account);
        server.signing_host.clone_from(&self.globals.signing_host);
        server.ca_file.clone_from(&self.globals.ca_file);
        if let Some(path) = &self.globals.proxy_file {
            server.proxy = match files::read_text(path)?.as_str() {
                "none" => Proxy::None,
                url => Proxy::Url(url.to_owned()),
            };
        }
        if let Some(text) = &self.globals.timeout {
            let seconds = time::length(text).and_then(|seconds| u64::try_from(seconds).ok());
            let seconds = seconds.ok_or_else(|| Failure::usage("--timeout is a length of time such as 10s or 1m"))?;
            server.timeout = Duration::from_secs(seconds);
            server.connect_timeout = server.connect_timeout.min(server.timeout);
        }
        Ok(Some(server))
    }

    /// The fingerprint that was given, if any.
    pub(crate) fn machine_id(&self) -> Result<Option<String>> {
        match &self.globals.machine_id_file {
            Some(path) => Ok(Some(files::read_text(path)?.as_str().to_owned())),
            None => Ok(self.globals.machine_id.clone()),
        }
    }

    /// Says something that is not the answer.
    pub(crate) fn note(&self, text: &str) {
        if !self.globals.quiet && !self.globals.json {
            let _ = writeln!(io::stderr().lock(), "{}", printable(text));
        }
    }

    /// Asks before something that can't be taken back. Where nobody can be asked, only `--yes` will do.
    pub(crate) fn confirm(&self, question: &str, yes: bool) -> Result<()> {
        if yes {
            return Ok(());
        }
        if self.globals.no_input || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::usage("this can't be taken back, and there is nobody to ask").advise("give --yes"));
        }
        match self.ask(&format!("{} [y/N] ", printable(question)))?.to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::declined()),
        }
    }

    /// Asks the person at the terminal, and returns the line that they type, without white space around it.
    #[allow(clippy::unused_self, reason = "asking is something that only a context may do")]
    pub(crate) fn ask(&self, prompt: &str) -> Result<Zeroizing<String>> {
        let mut answer = Zeroizing::new(String::new());
        let asked = write!(io::stderr().lock(), "{prompt}")
            .and_then(|()| io::stderr().flush())
            .and_then(|()| io::stdin().lock().read_line(&mut answer));
        asked.map_err(|error| Failure::io("the terminal", error))?;
        Ok(Zeroizing::new(answer.trim().to_owned()))
    }
}

/// What is done to the store as a whole, for an audit log.
pub(crate) fn event(event: &str, detail: &str, code: Code) -> AuditEvent {
    let (event, detail) = (event.to_owned(), detail.to_owned());
    AuditEvent { at: time::now(), event, actor: "system".to_owned(), subject: String::new(), detail, code }
}

/// Said to whoever asked for silence too: nothing else shows that the record has a gap.
fn warn_unrecorded(path: &Path) {
    let text = format!("warning: {} could not be written: what was done is not recorded there", path.display());
    let _ = writeln!(io::stderr().lock(), "{}", printable(&text));
}

/// How often an audit file could not be written, as the metrics have it.
fn failures(metrics: &str) -> u64 {
    let number = metrics.lines().find_map(|line| line.strip_prefix("inspire_audit_failures_total "));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// `ID HEX [NOT_AFTER]`.
fn trusted_line(line: &str) -> Result<TrustedKey> {
    let mut words = line.split_ascii_whitespace();
    let (Some(id), Some(key), end, None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(Failure::usage("a line is `ID HEX`, or `ID HEX END` with the time from which it is not trusted"));
    };
    let key = TrustedKey::parse(id, key)?;
    Ok(match end {
        Some(end) => key.until(time::moment(end)?),
        None => key,
    })
}

fn max_lease(text: &str) -> Result<Duration> {
    let seconds = time::length(text).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map(Duration::from_secs).ok_or_else(|| Failure::usage("--max-lease is a length of time such as 30d or 12h"))
}

fn pair<'a>(argument: &'a str, option: &str, form: &str) -> Result<(&'a str, &'a str)> {
    // The argument itself is not repeated: a secret given by mistake would end up in a log.
    argument.split_once('=').ok_or_else(|| Failure::usage(format!("{option} is {form}")))
}

//! A store whose calls fail, and what it may hold.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use inspire_auth_core::{Code, Result as Answer, keys::ListFilter, store::Store};
use tempfile::TempDir;

use super::{DATABASE, Series, Step, Template};
use crate::{
    oracle::{Handle, Op, Oracle, Standing, Wrong, is_intact, judge, scratch},
    vfs::{Armed, Kind},
};

/// What the library must not do.
#[derive(Debug)]
pub(super) struct Breach {
    /// Even where it is lied to.
    pub(super) is_grave: bool,
    pub(super) what: String,
}

impl Breach {
    fn grave(what: String) -> Self {
        Self { is_grave: true, what }
    }

    pub(super) fn during(self, when: &str) -> Self {
        Self { what: format!("{when}: {}", self.what), ..self }
    }
}

impl From<String> for Breach {
    fn from(what: String) -> Self {
        Self { is_grave: false, what }
    }
}

impl From<Wrong> for Breach {
    fn from(wrong: Wrong) -> Self {
        Self { is_grave: matches!(wrong, Wrong::Revived(_)), what: wrong.to_string() }
    }
}

/// A store, and what it may hold.
pub(super) struct World {
    series: Series,
    folder: TempDir,
    backups: TempDir,
    handle: Option<Handle>,
    /// What it may hold, as far as acknowledged changes tell.
    sure: Vec<Oracle>,
    /// What it may hold if a change that failed is there all the same.
    unsure: Vec<Oracle>,
}

impl World {
    pub(super) fn new(series: Series, template: &Template) -> std::io::Result<Self> {
        let (folder, backups) = (scratch()?, scratch()?);
        for file in std::fs::read_dir(template.folder.path())? {
            let file = file?;
            std::fs::copy(file.path(), folder.path().join(file.file_name()))?;
        }
        Ok(Self { series, folder, backups, handle: None, sure: vec![template.holds.clone()], unsure: Vec::new() })
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }

    /// For a person to look at.
    pub(super) fn keep(self) -> PathBuf {
        drop(self.handle);
        self.folder.keep()
    }

    fn may_hold(&self) -> Vec<&Oracle> {
        self.sure.iter().chain(&self.unsure).collect()
    }

    /// The store as it is now, closed, to begin with.
    pub(super) fn into_template(mut self) -> Option<Template> {
        self.handle = None;
        self.without_page().ok()?;
        Some(Template { folder: self.folder, holds: self.sure.pop()? })
    }

    /// Takes the revocation page away, and what the database says of one: a copied page does not count, and the first
    /// change in each copy of the store would wait out the second in which somebody might read the original.
    fn without_page(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut page = self.database().into_os_string();
        page.push(".gen");
        match std::fs::remove_file(page) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        if self.database().exists() {
            rusqlite::Connection::open(self.database())?.execute("UPDATE meta SET page = NULL", [])?;
        }
        Ok(())
    }

    pub(super) fn step(&mut self, step: Step, armed: &Armed) -> Result<(), Breach> {
        let before = armed.failed();
        let answer = catch_unwind(AssertUnwindSafe(|| self.do_step(step)));
        // A failure of the activity file's is in nobody's way but of who asks for activity.
        let excused = (self.series.for_ever && armed.failed() > 0) || armed.failed() > before;
        match answer.map_err(|_| Breach::grave("PANICS".to_owned()))?? {
            Ok(()) => Ok(()),
            Err(code) if excused => Ok(self.may_say(code)?),
            Err(code) => Err(format!("answers {}, though no call failed", code.entry().name).into()),
        }
    }

    /// Whether a failure may be reported by this code: one that a person can act on rightly.
    fn may_say(&self, code: Code) -> Result<(), String> {
        match code {
            Code::StoreUnavailable | Code::StoreFull | Code::StoreLocked | Code::StoreReadOnly | Code::StoreStale => {
                Ok(())
            }
            // What is read as zeros is damaged, as far as anybody can see.
            Code::StoreCorrupt if self.series.kind == Kind::Short => Ok(()),
            _ => Err(format!("answers {}", code.entry().name)),
        }
    }

    /// The outer error is what no failure excuses; the inner one is what the library says about the failure.
    fn do_step(&mut self, step: Step) -> Result<Result<(), Code>, Breach> {
        if step == Step::Close {
            self.handle = None;
            return Ok(Ok(()));
        }
        if self.handle.is_none() {
            match Handle::open(&self.database()) {
                Ok(handle) => self.handle = Some(handle),
                Err(error) => return Ok(Err(error.code())),
            }
        }
        let Some(handle) = &self.handle else { return Ok(Ok(())) };
        let told = |answer: Answer<()>| Ok(answer.map_err(|error| error.code()));
        match step {
            Step::Open | Step::Close => Ok(Ok(())),
            Step::Make(change) => {
                let op = change.op();
                let answer = handle.perform(&op, self.backups.path()).map_err(|error| error.code());
                Ok(self.learn(&op, answer)?)
            }
            Step::Present => self.present(handle),
            Step::Show => match handle.show() {
                Err(error) => Ok(Err(error.code())),
                Ok(shown) => {
                    let candidates = self.may_hold();
                    let differences: Vec<String> =
                        candidates.iter().filter_map(|oracle| oracle.differs(&shown)).collect();
                    if differences.len() == candidates.len() {
                        return Err(format!("shows what it can't hold: {}", differences.join(" | or ")).into());
                    }
                    Ok(Ok(()))
                }
            },
            Step::Get => {
                let names: Vec<String> = self.may_hold().iter().flat_map(|oracle| oracle.names().cloned()).collect();
                match names.iter().try_for_each(|name| match handle.auth.keys().get(name) {
                    Err(error) if error.code() != Code::NotFound => Err(error),
                    _ => Ok(()),
                }) {
                    Ok(()) => Ok(Ok(())),
                    Err(error) => Ok(Err(error.code())),
                }
            }
            Step::NoteUsed => {
                let answer = handle.auth.keys().list(&ListFilter::default());
                told(answer.and_then(|keys| {
                    let uses: Vec<_> = keys.iter().map(|key| (key.id, 1_800_000_000)).collect();
                    handle.store.note_used(&uses)
                }))
            }
            Step::Flush => told(handle.auth.flush()),
            Step::Audit => told(handle.auth.audit(100).map(drop)),
        }
    }

    /// What the answer to a change says of the store.
    fn learn(&mut self, op: &Op, answer: Result<Option<String>, Code>) -> Result<Result<(), Code>, String> {
        let all = || self.sure.iter().chain(&self.unsure);
        match answer {
            Ok(secret) => {
                let next: Vec<Oracle> = all().filter_map(|oracle| oracle.after(op, secret.as_deref()).ok()).collect();
                if next.is_empty() {
                    return Err("succeeds, though it can't".to_owned());
                }
                (self.sure, self.unsure) = (distinct(next), Vec::new());
                Ok(Ok(()))
            }
            Err(code) if matches!(code.number(), 400..500) => {
                let expected = all().any(|oracle| oracle.after(op, None).err() == Some(code));
                // It may be there all the same, whole. But only one of those that failed: each was written over what
                // the one before it had left.
                let made = self.sure.iter().filter_map(|oracle| oracle.after(op, None).ok());
                self.unsure = distinct(self.unsure.iter().cloned().chain(made).collect());
                Ok(if expected { Ok(()) } else { Err(code) })
            }
            Err(code) => {
                let fits = |oracle: &Oracle| oracle.after(op, None).err() == Some(code);
                if !all().any(fits) {
                    return Err(format!("answers {}", code.entry().name));
                }
                self.sure.retain(fits);
                self.unsure.retain(fits);
                if self.sure.is_empty() {
                    self.sure = std::mem::take(&mut self.unsure);
                }
                Ok(Ok(()))
            }
        }
    }

    fn present(&self, handle: &Handle) -> Result<Result<(), Code>, Breach> {
        let candidates: Vec<BTreeMap<String, Standing>> =
            self.may_hold().iter().map(|oracle| oracle.credentials()).collect();
        let mut said = Ok(());
        for credential in candidates.iter().flat_map(BTreeMap::keys) {
            // A credential that a state does not know is not granted in it.
            let standing = |of: &BTreeMap<String, Standing>| of.get(credential).copied().unwrap_or(Standing::Dead);
            let is_always = |wanted| candidates.iter().all(|of| standing(of) == wanted);
            let name = credential.split(':').next().unwrap_or_default();
            match handle.present(credential).map_err(|error| error.code()) {
                Ok(()) if is_always(Standing::Dead) => {
                    return Err(Breach::grave(format!("GRANTS {name}, which is revoked")));
                }
                Err(Code::InvalidCredential) if is_always(Standing::Alive) => {
                    return Err(format!("calls the good credential of {name} invalid").into());
                }
                Ok(()) | Err(Code::InvalidCredential) => {}
                Err(code) => said = Err(code),
            }
        }
        Ok(said)
    }

    /// The failure is over.
    pub(super) fn end(&mut self) -> Result<(), Breach> {
        let path = self.database();
        let name = |code: Code| code.entry().name;
        let opened = |handle: Option<Handle>| match handle {
            Some(handle) => Ok(handle),
            None => Handle::open(&path).map_err(|error| format!("it does not open: {}", name(error.code()))),
        };
        let mut handle = opened(self.handle.take())?;
        let mut holds = judge(&handle, &self.may_hold())?.clone();
        for op in [Op::Create { name: "new".to_owned() }, Op::Disable { name: "new".to_owned() }] {
            let secret = handle.perform(&op, self.backups.path());
            let secret = secret.map_err(|error| format!("{op:?} gets {}", name(error.code())))?;
            holds = holds.after(&op, secret.as_deref()).map_err(|code| format!("{op:?} should get {code:?}"))?;
        }
        judge(&handle, &[&holds]).map_err(|wrong| Breach::from(wrong).during("after a change"))?;
        handle.auth.flush().map_err(|error| format!("a flush gets {}", name(error.code())))?;
        handle.auth.audit(1).map_err(|error| format!("the audit log: {}", name(error.code())))?;
        drop(handle);
        for name in [DATABASE, "store.db.activity"] {
            is_intact(&self.folder.path().join(name)).map_err(|what| format!("{name} is damaged: {what}"))?;
        }
        handle = opened(None)?;
        judge(&handle, &[&holds]).map_err(|wrong| Breach::from(wrong).during("opened anew"))?;
        Ok(())
    }
}

fn distinct(oracles: Vec<Oracle>) -> Vec<Oracle> {
    let mut distinct: Vec<Oracle> = Vec::new();
    for oracle in oracles {
        if !distinct.contains(&oracle) {
            distinct.push(oracle);
        }
    }
    distinct
}

//! Failing calls: whatever call of the file system fails, the library says so, grants nothing wrongly, and its database
//! stays whole.
//!
//! A script that uses the whole interface is run again and again. In run n, call n of the file system fails: once, or
//! with every call after it; until a run passes in which the failing call is not reached any more. During the script and
//! after it:
//!
//! * nothing panics;
//! * a credential that every possible state of the store revokes is never granted, and one that all of them hold is
//!   never called invalid: it is granted, or the store's failure is reported;
//! * a change that was refused is not there, or is there whole (an error can come after the commit); one that was
//!   acknowledged is there;
//! * only a call that met the failure may report it: the handle is usable again at once;
//! * when the failure is over, the store holds one of the states that it may hold, also when it is opened anew; it
//!   takes a change; and SQLite finds the file whole.
//!
//! Of reads that come back short less is asked. SQLite takes a short read for the end of the file and goes on with zeros,
//! as it must after a crash; where the file does not end there, it is told a lie, and what it writes by that may be
//! wrong too. Then still nothing panics, and no revoked credential is granted as long as the database can be read.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use inspire_auth_core::{Code, Result as Answer, keys::ListFilter, store::Store};
use tempfile::TempDir;

use crate::{
    Outcome, Sweep,
    oracle::{Handle, Op, Oracle, Standing, Wrong, is_intact, judge, scratch},
    progress::Run,
    vfs::{self, Armed, Call, Files, Kind, Plan},
};

/// Every call fails, one after the other, until the scripts pass.
pub const SWEEP: Sweep = Sweep {
    name: "faults",
    about: "every call of the file system fails, once and for ever: no panic, no wrong grant, the database intact",
    run,
};

const DATABASE: &str = "store.db";

fn run(run: &mut Run) -> Outcome {
    run.goal("series done", u64::try_from(SERIES.len())?);
    let nothing = Template::empty()?;
    while run.goes_on() {
        let Some(series) = SERIES.get(usize::try_from(run.count("series done"))?) else { break };
        let at = run.count(&series.label()) + 1;
        match fail_at(*series, at, &nothing, &WHOLE)? {
            Reached::Call(_) => {
                run.add(&series.label(), 1);
                run.add("runs", 1);
            }
            Reached::End => run.add("series done", 1),
        }
    }
    Ok(())
}

/// Which calls fail in a series of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// How.
    pub kind: Kind,
    /// Whose.
    pub files: Files,
    /// Whether every call after it fails too.
    pub for_ever: bool,
}

impl Series {
    fn label(self) -> String {
        let often = if self.for_ever { "for ever" } else { "once" };
        format!("{:?} {:?} {often}", self.files, self.kind).to_lowercase()
    }
}

/// Every series.
pub const SERIES: [Series; 10] = {
    const fn series(files: Files, kind: Kind, for_ever: bool) -> Series {
        Series { kind, files, for_ever }
    }
    [
        series(Files::Authority, Kind::Io, false),
        series(Files::Authority, Kind::Io, true),
        series(Files::Authority, Kind::Full, false),
        series(Files::Authority, Kind::Full, true),
        series(Files::Authority, Kind::Short, false),
        series(Files::Authority, Kind::Short, true),
        series(Files::Activity, Kind::Io, false),
        series(Files::Activity, Kind::Io, true),
        series(Files::Activity, Kind::Full, false),
        series(Files::Activity, Kind::Full, true),
    ]
};

/// What a script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opens the handle; a step that finds none does that first.
    Open,
    /// Drops the handle.
    Close,
    /// Makes a change.
    Make(Change),
    /// Presents every credential that was ever told.
    Present,
    /// Lists the keys, and reads the license.
    Show,
    /// Reads one key.
    Get,
    /// Notes a use of a key.
    NoteUsed,
    /// Writes down what was noted.
    Flush,
    /// Reads the audit log.
    Audit,
}

/// A change, by the names of the keys: what an [`Op`] is, but constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after the call that it makes")]
pub enum Change {
    Create(&'static str),
    Import(&'static str),
    Duplicate(&'static str, &'static str),
    Rotate(&'static str),
    Rename(&'static str, &'static str),
    Update(&'static str),
    Enable(&'static str),
    Disable(&'static str),
    Delete(&'static str),
    Backup,
    Restore,
    Adopt,
    Activate,
    Deactivate,
}

impl Change {
    fn op(self) -> Op {
        let own = str::to_owned;
        match self {
            Self::Create(name) => Op::Create { name: own(name) },
            Self::Import(name) => Op::Import { name: own(name) },
            Self::Duplicate(name, copy) => Op::Duplicate { name: own(name), copy: own(copy) },
            Self::Rotate(name) => Op::Rotate { name: own(name) },
            Self::Rename(name, to) => Op::Rename { name: own(name), to: own(to) },
            Self::Update(name) => Op::Update { name: own(name), level: own("Level") },
            Self::Enable(name) => Op::Enable { name: own(name) },
            Self::Disable(name) => Op::Disable { name: own(name) },
            Self::Delete(name) => Op::Delete { name: own(name) },
            Self::Backup => Op::Backup { number: 1 },
            Self::Restore => Op::Restore { number: 1 },
            Self::Adopt => Op::Adopt,
            Self::Activate => Op::Activate,
            Self::Deactivate => Op::Deactivate,
        }
    }
}

/// The whole interface, in an order in which each step has something to do.
pub const WHOLE: [Step; 43] = {
    use Change::*;
    use Step::*;
    [
        Open,
        Make(Create("ann")),
        Make(Create("bob")),
        Make(Create("cat")),
        // Cold, then warm.
        Present,
        Present,
        Make(Update("ann")),
        Make(Disable("bob")),
        Present,
        Make(Enable("bob")),
        Make(Rename("cat", "dan")),
        Make(Rotate("ann")),
        Make(Duplicate("ann", "eve")),
        Make(Import("fay")),
        Present,
        Show,
        Get,
        Make(Delete("eve")),
        Make(Backup),
        Make(Create("gus")),
        Make(Delete("bob")),
        Make(Restore),
        Present,
        Make(Adopt),
        Present,
        Make(Activate),
        Show,
        Make(Deactivate),
        NoteUsed,
        Flush,
        Audit,
        Close,
        Open,
        Show,
        Present,
        Make(Disable("dan")),
        Make(Delete("ann")),
        Present,
        Close,
        Open,
        Present,
        Make(Create("hal")),
        Close,
    ]
};

/// What a short script begins with.
pub const BEFORE: [Step; 5] = [
    Step::Make(Change::Create("ann")),
    Step::Make(Change::Create("bob")),
    Step::Make(Change::Create("cat")),
    Step::Present,
    Step::Close,
];

/// A short one: what revokes, and what it is checked with.
pub const BRIEF: [Step; 6] = [
    Step::Make(Change::Disable("bob")),
    Step::Make(Change::Rotate("ann")),
    Step::Make(Change::Delete("cat")),
    Step::Present,
    Step::Flush,
    Step::Close,
];

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The failing call was reached: which, and on which file.
    Call(Option<(Call, String)>),
    /// The script ended before it.
    End,
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// A store to begin with, so that not every run has to make it.
#[derive(Debug)]
pub struct Template {
    folder: TempDir,
    holds: Oracle,
}

impl Template {
    /// No file at all.
    ///
    /// # Errors
    /// Those of the system.
    pub fn empty() -> Result<Self, Trouble> {
        Ok(Self { folder: scratch()?, holds: Oracle::default() })
    }

    /// What a script leaves.
    ///
    /// # Errors
    /// What is wrong without any failure.
    pub fn after(script: &[Step]) -> Result<Self, Trouble> {
        let _turn = vfs::exclusive();
        let series = Series { kind: Kind::Io, files: Files::Authority, for_ever: false };
        let mut world = World::new(series, &Self::empty()?)?;
        let unarmed = Armed::new(Plan { kind: series.kind, files: series.files, at: u64::MAX, for_ever: false });
        script.iter().try_for_each(|step| world.step(*step, &unarmed)).map_err(|wrong| wrong.what)?;
        world.handle = None;
        let holds = world.sure.pop().ok_or("a store in no state")?;
        Ok(Self { folder: world.folder, holds })
    }
}

/// Runs a script in which call `at` fails.
///
/// # Errors
/// What is wrong with what the library does then.
pub fn fail_at(series: Series, at: u64, template: &Template, script: &[Step]) -> Result<Reached, Trouble> {
    let _turn = vfs::exclusive();
    vfs::install();
    let Series { kind, files, for_ever } = series;
    let mut world = World::new(series, template)?;
    let armed = Armed::new(Plan { kind, files, at, for_ever });
    let lied_to = |wrong: &Breach| kind == Kind::Short && !wrong.is_grave && armed.failed() > 0;
    let mut wrong = Ok(());
    for (number, step) in (1..).zip(script) {
        wrong = world.step(*step, &armed).map_err(|wrong| wrong.during(&format!("step {number}, {step:?}")));
        if wrong.as_ref().is_err_and(|wrong| !lied_to(wrong)) {
            break;
        }
    }
    let (failed, first) = (armed.failed(), armed.first());
    drop(armed);
    if wrong.is_ok() || kind == Kind::Short {
        wrong = wrong.and(world.end().map_err(|wrong| wrong.during("when it was over")));
    }
    match wrong {
        Err(wrong) if kind != Kind::Short || wrong.is_grave || failed == 0 => {
            let first = first.map_or(String::new(), |(call, name)| format!(" ({call:?} of {name})"));
            let kept = world.keep();
            Err(format!("{}, call {at}{first}: {} (see {})", series.label(), wrong.what, kept.display()).into())
        }
        _ if failed == 0 => Ok(Reached::End),
        _ => Ok(Reached::Call(first)),
    }
}

/// What the library must not do.
#[derive(Debug)]
struct Breach {
    /// Even where it is lied to.
    is_grave: bool,
    what: String,
}

impl Breach {
    fn grave(what: String) -> Self {
        Self { is_grave: true, what }
    }

    fn during(self, when: &str) -> Self {
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
struct World {
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
    fn new(series: Series, template: &Template) -> std::io::Result<Self> {
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
    fn keep(self) -> PathBuf {
        drop(self.handle);
        self.folder.keep()
    }

    fn may_hold(&self) -> Vec<&Oracle> {
        self.sure.iter().chain(&self.unsure).collect()
    }

    fn step(&mut self, step: Step, armed: &Armed) -> Result<(), Breach> {
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
    fn end(&mut self) -> Result<(), Breach> {
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

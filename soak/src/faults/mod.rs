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

mod script;
mod world;

use tempfile::TempDir;

pub use self::script::{BEFORE, BRIEF, COPIES, Change, Step, WHOLE};
use self::world::{Breach, World};
use crate::{
    Outcome, Sweep,
    oracle::{Oracle, scratch},
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
    /// Which; `None` is all.
    pub only: Option<Call>,
    /// Whether every call after it fails too.
    pub for_ever: bool,
}

impl Series {
    fn label(self) -> String {
        let often = if self.for_ever { "for ever" } else { "once" };
        let which = self.only.map_or(String::new(), |only| format!(" {only:?}"));
        format!("{:?} {:?}{which} {often}", self.files, self.kind).to_lowercase()
    }
}

/// Every series.
pub const SERIES: [Series; 10] = {
    const fn series(files: Files, kind: Kind, for_ever: bool) -> Series {
        Series { kind, files, only: None, for_ever }
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
        let (kind, files, only, for_ever) = (Kind::Io, Files::Authority, None, false);
        let mut world = World::new(Series { kind, files, only, for_ever }, &Self::empty()?)?;
        let unarmed = Armed::new(Plan { kind, files, only, at: u64::MAX, for_ever });
        script.iter().try_for_each(|step| world.step(*step, &unarmed)).map_err(|wrong| wrong.what)?;
        drop(unarmed);
        Ok(world.into_template().ok_or("a store in no state")?)
    }
}

/// Runs a script in which call `at` fails.
///
/// # Errors
/// What is wrong with what the library does then.
pub fn fail_at(series: Series, at: u64, template: &Template, script: &[Step]) -> Result<Reached, Trouble> {
    let _turn = vfs::exclusive();
    vfs::install();
    let Series { kind, files, only, for_ever } = series;
    let mut world = World::new(series, template)?;
    let armed = Armed::new(Plan { kind, files, only, at, for_ever });
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

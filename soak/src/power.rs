//! Power cuts: what was acknowledged is there afterwards, and what was revoked stays revoked.
//!
//! A script of changes runs once, on a VFS that writes down what reaches the files and when it is synced. From that
//! record the disk is rebuilt as a power cut at any moment may leave it (see `vfs::disk`), in several variants, and the
//! library opens what is there. It must find exactly what was acknowledged, with the one change that was under way
//! either whole or absent; every revoked credential must be refused; and SQLite must find its file whole.
//! Some of the cuts are followed by another one, in the middle of the recovery from the first.

use std::{collections::BTreeSet, ops::ControlFlow, path::Path};

use tempfile::TempDir;

use fastrand::Rng;

use crate::{
    Outcome, Sweep,
    oracle::{Handle, Op, Oracle, Wrong, is_intact, judge, scratch},
    progress::Run,
    vfs::{
        self, Recorder, Weaker,
        disk::{Disk, Event, Image, Page, Unsynced},
    },
};

/// Power cuts at any moment, until the goal is reached.
pub const SWEEP: Sweep = Sweep {
    name: "power",
    about: "what was not synced is lost, torn or reordered: nothing acknowledged is lost, no revoked key comes back",
    run,
};

const DATABASE: &str = "store.db";
const PAGE: &str = "store.db.gen";
/// Moments looked at in each script.
const POINTS: usize = 250;

fn run(run: &mut Run) -> Outcome {
    run.goal("points", 5_000);
    while run.goes_on() {
        let seed = run.count("scripts");
        let mut failure = None;
        let cuts = cut_power(seed, POINTS, Weakness::None, &mut |cut| {
            if !run.goes_on() {
                return ControlFlow::Break(());
            }
            run.add("points", u64::from(cut.is_first));
            run.add("images", 1);
            run.add("images cut again", u64::from(cut.again));
            let Err((damage, folder)) = cut.found else { return ControlFlow::Continue(()) };
            let Cut { at, unsynced, page, .. } = cut;
            let kept = folder.keep();
            let kept = kept.display();
            failure = Some(format!("script {seed}, after call {at}, {unsynced:?}, {page:?}: {damage} (see {kept})"));
            ControlFlow::Break(())
        });
        cuts.map_err(|error| format!("script {seed}: {error}"))?;
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        run.add("scripts", 1);
    }
    for nothing in ["lost", "revived", "damaged"] {
        run.add(nothing, 0);
    }
    Ok(())
}

/// Something that takes the ground from under the promise, to show that the sweep notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Everything as it ships.
    None,
    /// SQLite syncs at checkpoints only (`synchronous=NORMAL`).
    SyncsSeldom,
    /// SQLite never syncs (`synchronous=OFF`).
    NeverSyncs,
    /// The disk answers a sync without doing it.
    DiskLies,
}

/// One power cut, and what came of it.
#[derive(Debug)]
pub struct Cut {
    /// The number of calls before it.
    pub at: usize,
    /// Whether it is the first one at this moment.
    pub is_first: bool,
    /// What became of what was not synced.
    pub unsynced: Unsynced,
    /// What became of the page.
    pub page: Page,
    /// Whether there was a second cut during the recovery.
    pub again: bool,
    /// What the library made of it; with what is wrong, the folder that it was found in, for a person to look at.
    pub found: Result<(), (Damage, TempDir)>,
}

/// What a power cut must not do.
#[derive(Debug, Clone)]
pub enum Damage {
    /// The library answers wrongly, or not at all.
    Wrong(Wrong),
    /// SQLite does not find the file whole.
    Broken(String),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong(wrong) => wrong.fmt(f),
            Self::Broken(what) => write!(f, "DAMAGED: {what}"),
        }
    }
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;
type Recovered = Result<(), (Damage, TempDir)>;

/// A script that ran, and what it did to its folder.
struct Recorded {
    events: Vec<Event>,
    /// What the store must hold after so many acknowledged changes.
    states: Vec<Oracle>,
}

/// Runs the script of this seed, and cuts the power at so many of its moments; `each` is told of every cut.
///
/// # Errors
/// What went wrong without any power cut.
pub fn cut_power(
    seed: u64,
    points: usize,
    weakness: Weakness,
    each: &mut dyn FnMut(Cut) -> ControlFlow<()>,
) -> Outcome {
    let _turn = vfs::exclusive();
    vfs::install();
    let mut chance = Rng::with_seed(seed);
    // One script in three goes on until SQLite writes its log back by itself and begins it anew; the others are
    // interrupted by an orderly end now and then.
    let recorded = record(seed % 3 == 2, &mut chance, weakness)?;
    let moments: Vec<usize> =
        (0..).zip(&recorded.events).filter(|(_, event)| event.matters()).map(|(at, _)| at).collect();
    let mut chosen = BTreeSet::new();
    while chosen.len() < points.min(moments.len()) {
        chosen.extend(chance.choice(&moments).copied());
    }

    let mut disk = if weakness == Weakness::DiskLies { Disk::lying() } else { Disk::default() };
    let mut acknowledged = 0;
    for (at, event) in (0..).zip(&recorded.events) {
        disk.apply(event);
        if let Event::Acknowledged(count) = event {
            acknowledged = usize::try_from(*count)?;
        }
        if !chosen.contains(&at) {
            continue;
        }
        // The change that is under way may be there, whole.
        let may_hold: Vec<&Oracle> = recorded.states.iter().skip(acknowledged).take(2).collect();
        let mut seen: Vec<Image> = Vec::new();
        for (variant, unsynced) in (0..).zip(Unsynced::ALL) {
            let Some(page) = Page::ALL.get((at + variant) % Page::ALL.len()).copied() else { continue };
            let image = disk.after_power_cut(unsynced, page, PAGE, &mut chance);
            if seen.contains(&image) {
                continue;
            }
            let again = chance.usize(..4) == 0;
            let found = recover(&image, &may_hold, again.then_some(&mut chance))?;
            let is_first = seen.is_empty();
            if each(Cut { at, is_first, unsynced, page, again, found }).is_break() {
                return Ok(());
            }
            seen.push(image);
        }
    }
    Ok(())
}

/// Runs a script, and writes down what it does.
fn record(long: bool, chance: &mut Rng, weakness: Weakness) -> Result<Recorded, Trouble> {
    let _weaker = match weakness {
        Weakness::SyncsSeldom => Some(Weaker::new(1)),
        Weakness::NeverSyncs => Some(Weaker::new(0)),
        Weakness::None | Weakness::DiskLies => None,
    };
    let (folder, backups) = (scratch()?, scratch()?);
    let place = folder.path().canonicalize()?;
    let database = place.join(DATABASE);
    let length = if long { 160 } else { 50 };

    let recorder = Recorder::new(&place, PAGE);
    let mut states = vec![Oracle::default()];
    let mut handle = Handle::open(&database)?;
    for number in 1..=length {
        if !long && chance.usize(..10) == 0 {
            drop(handle);
            handle = Handle::open(&database)?;
        }
        let Some(present) = states.last() else { break };
        let op = choose(present, number, chance);
        let secret = handle.perform(&op, backups.path()).map_err(|error| format!("{op:?}: {error}"))?;
        let next = present.after(&op, secret.as_deref()).map_err(|code| format!("{op:?} should get {code:?}"))?;
        states.push(next);
        recorder.acknowledge(number);
    }
    if let Some(present) = states.last() {
        judge(&handle, &[present]).map_err(|wrong| format!("without any power cut: {wrong}"))?;
    }
    drop(handle);
    Ok(Recorded { events: recorder.events(), states })
}

/// A change that fits what is there.
fn choose(present: &Oracle, number: u32, chance: &mut Rng) -> Op {
    let names: Vec<&String> = present.names().collect();
    let fresh = format!("key-{number}");
    let Some(name) = chance.choice(&names).map(|name| (*name).clone()) else { return Op::Create { name: fresh } };
    // Never an old name again: what it said of a former key would be said of the new one.
    match chance.usize(..if names.len() < 12 { 24 } else { 15 }) {
        0..4 => Op::Delete { name },
        4..7 => Op::Disable { name },
        7 => Op::Enable { name },
        8..10 => Op::Rotate { name },
        10..12 => Op::Rename { name, to: fresh },
        12 => Op::Update { name, level: format!("Level{number}") },
        13 => Op::Backup { number },
        14 => match present.backup() {
            Some(number) => Op::Restore { number },
            None => Op::Adopt,
        },
        15..17 => Op::Duplicate { name, copy: fresh },
        17 => Op::Import { name: fresh },
        _ => Op::Create { name: fresh },
    }
}

/// Opens what a power cut left, and looks whether it is what it must be. With `again` there is a second power cut
/// during that. Returns the folder that was found wrong too.
fn recover(image: &Image, may_hold: &[&Oracle], again: Option<&mut Rng>) -> Result<Recovered, Trouble> {
    let folder = scratch()?;
    let place = folder.path().canonicalize()?;
    image.write(&place)?;
    let recorder = again.is_some().then(|| Recorder::new(&place, PAGE));
    let first = look(&place, may_hold);
    match (first, again.zip(recorder)) {
        (Err(damage), _) => Ok(Err((damage, folder))),
        (Ok(_), None) => Ok(Ok(())),
        // What was shown once is a fact.
        (Ok(shown), Some((chance, recorder))) => recover(&cut_again(image, &recorder.events(), chance), &[shown], None),
    }
}

/// What a power cut during the recovery of `image` leaves, in which so much was done.
fn cut_again(image: &Image, events: &[Event], chance: &mut Rng) -> Image {
    let mut disk = Disk::default();
    let upto = chance.usize(..=events.len());
    events.iter().take(upto).for_each(|event| disk.apply(event));
    let unsynced = chance.choice(&Unsynced::ALL).copied().unwrap_or(Unsynced::BySector);
    let page = chance.choice(&Page::ALL).copied().unwrap_or(Page::Absent);
    let mut after = disk.after_power_cut(unsynced, page, PAGE, chance);
    // What the recovery had not touched by then is as the first cut left it.
    let touched: BTreeSet<&str> = events
        .iter()
        .take(upto)
        .filter_map(|event| match event {
            Event::Opened { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let untouched = image.files.iter().filter(|(name, _)| *name != PAGE && !touched.contains(name.as_str()));
    after.files.extend(untouched.map(|(name, content)| (name.clone(), content.clone())));
    after
}

/// Which of the states that it may be in the store in this folder is in.
fn look<'a>(place: &Path, may_hold: &[&'a Oracle]) -> Result<&'a Oracle, Damage> {
    let database = place.join(DATABASE);
    let shown = {
        let handle = Handle::open(&database).map_err(|error| Damage::Wrong(Wrong::Failed(error.code())))?;
        judge(&handle, may_hold).map_err(Damage::Wrong)?
    };
    for name in [DATABASE, "store.db.activity"] {
        is_intact(&place.join(name)).map_err(|what| Damage::Broken(format!("{name}: {what}")))?;
    }
    Ok(shown)
}

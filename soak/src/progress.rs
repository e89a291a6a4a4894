//! Where a sweep stands: counts that outlive the process, so that long runs go in slices.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Set when somebody wants the program to end: every sweep then ends as if its slice were over, and tidies up.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What is kept between two slices.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    counts: BTreeMap<String, u64>,
    /// Measured values, for quantiles.
    samples: BTreeMap<String, Vec<u64>>,
}

/// One slice of a sweep.
#[derive(Debug)]
pub struct Run {
    name: String,
    folder: Option<PathBuf>,
    kept: Kept,
    goals: BTreeMap<String, u64>,
    /// Whether the goals were set from outside, so that the sweep's own don't count.
    given: bool,
    program: Option<PathBuf>,
    until: Instant,
    told: Instant,
}

impl Run {
    /// A slice of the long form: goes on where `folder` says that the last one stopped, for at most `slice`.
    ///
    /// # Errors
    /// When what was kept can't be read: figures of many slices are not to be lost over a typing error.
    pub fn resumed(name: &str, folder: &Path, slice: Duration) -> io::Result<Self> {
        let kept = match fs::read(folder.join(format!("{name}.json"))) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { folder: Some(folder.to_owned()), kept, ..Self::brief(name, slice) })
    }

    /// A short run that keeps nothing: for tests.
    #[must_use]
    pub fn brief(name: &str, slice: Duration) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            folder: None,
            kept: Kept::default(),
            goals: BTreeMap::new(),
            given: false,
            program: None,
            until: now.checked_add(slice).unwrap_or(now),
            told: now,
        }
    }

    /// Whether this is a short run: one that keeps nothing.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        self.folder.is_none()
    }

    /// The same with this goal, and without those of the long form.
    #[must_use]
    pub fn until(mut self, what: &str, figure: u64) -> Self {
        self.given = true;
        self.goals.insert(what.to_owned(), figure);
        self
    }

    /// The same, with `program` playing the sweep's other processes: for tests, which are another program.
    #[must_use]
    pub fn played_by(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// The program that plays the sweep's other processes (`--as=ROLE`).
    ///
    /// # Errors
    /// When the system does not say which program this is.
    pub fn program(&self) -> io::Result<PathBuf> {
        self.program.clone().map_or_else(std::env::current_exe, Ok)
    }

    /// A folder for the sweep's stores, removed with the value: beside the figures, since a long run must be on a real
    /// disk, which the folder of temporary files need not be.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self) -> io::Result<tempfile::TempDir> {
        match &self.folder {
            Some(folder) => {
                fs::create_dir_all(folder)?;
                tempfile::Builder::new().prefix(&format!("{}-", self.name)).tempdir_in(folder)
            }
            None => tempfile::tempdir(),
        }
    }

    /// Says what is to be reached in the long form, such as `("checks", 1_000_000_000)`.
    pub fn goal(&mut self, what: &str, figure: u64) {
        if !self.given {
            self.goals.insert(what.to_owned(), figure);
        }
    }

    /// What has been counted so far, over all slices.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.kept.counts.get(what).copied().unwrap_or(0)
    }

    /// Counts, and once in a while says where it stands and keeps it.
    pub fn add(&mut self, what: &str, more: u64) {
        let count = self.kept.counts.entry(what.to_owned()).or_default();
        *count = count.saturating_add(more);
        if self.told.elapsed() >= Duration::from_secs(10) {
            self.told = Instant::now();
            self.keep();
        }
    }

    /// Keeps the larger of what was noted and `figure`.
    pub fn at_least(&mut self, what: &str, figure: u64) {
        let count = self.kept.counts.entry(what.to_owned()).or_default();
        *count = (*count).max(figure);
    }

    /// Notes one measured value, whose quantiles are shown.
    pub fn sample(&mut self, what: &str, value: u64) {
        self.kept.samples.entry(what.to_owned()).or_default().push(value);
    }

    /// Whether there is still something to do in this slice.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        !self.is_reached() && Instant::now() < self.until && !INTERRUPTED.load(Ordering::Relaxed)
    }

    /// Whether every goal is reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        !self.goals.is_empty() && self.goals.iter().all(|(what, figure)| self.count(what) >= *figure)
    }

    /// Writes down where the sweep stands, and says so.
    pub fn keep(&self) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = self.write(folder) {
            println!("{}: the figures could not be kept: {error}", self.name);
        }
        println!("{}", self.standing());
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        // Renamed into place: a slice that is killed must not take the figures of the others along.
        let new = folder.join(format!("{}.json.new", self.name));
        fs::write(&new, serde_json::to_vec_pretty(&self.kept)?)?;
        fs::rename(new, folder.join(format!("{}.json", self.name)))
    }

    /// Where the sweep stands, in one line.
    #[must_use]
    pub fn standing(&self) -> String {
        let mut figures: Vec<String> = Vec::new();
        for (what, count) in &self.kept.counts {
            figures.push(match self.goals.get(what) {
                Some(goal) => format!("{what} {count} of {goal}"),
                None => format!("{what} {count}"),
            });
        }
        for (what, values) in &self.kept.samples {
            let mut values = values.clone();
            values.sort_unstable();
            let at = |share: usize| values.get(values.len().saturating_sub(1) * share / 100).copied().unwrap_or(0);
            figures.push(format!("{what} p50 {}, p99 {}, max {}", at(50), at(99), at(100)));
        }
        format!("{}: {}", self.name, figures.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_slice_goes_on_where_the_last_one_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Run::resumed("kills", folder.path(), MINUTE).unwrap();
        first.goal("kills", 10);
        first.add("kills", 7);
        for took in [30, 10, 20] {
            first.sample("write us", took);
        }
        assert!(first.goes_on());
        first.keep();

        let mut second = Run::resumed("kills", folder.path(), MINUTE).unwrap();
        second.goal("kills", 10);
        assert_eq!(second.standing(), "kills: kills 7 of 10, write us p50 20, p99 20, max 30");
        second.add("kills", 3);
        assert!(second.is_reached() && !second.goes_on());

        fs::write(folder.path().join("kills.json"), "{").unwrap();
        assert!(Run::resumed("kills", folder.path(), MINUTE).is_err(), "damaged figures are not taken for none");
    }

    #[test]
    fn a_goal_from_outside_replaces_those_of_the_long_form() {
        let mut run = Run::brief("kills", MINUTE).until("kills", 2);
        run.goal("kills", 5_000);
        run.goal("checks", 1_000_000_000);
        run.add("kills", 2);
        assert!(run.is_reached());
    }
}

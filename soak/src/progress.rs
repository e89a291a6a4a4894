//! Where a sweep stands: counts that outlive the process, so that long runs go in slices.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// One slice of a sweep.
#[derive(Debug)]
pub struct Run {
    name: String,
    file: Option<PathBuf>,
    counts: BTreeMap<String, u64>,
    goals: BTreeMap<String, u64>,
    until: Instant,
    told: Instant,
    tell: bool,
}

impl Run {
    /// A slice of the long form: goes on where `folder` says that the last one stopped, for at most `slice`.
    #[must_use]
    pub fn resumed(name: &str, folder: &std::path::Path, slice: Duration) -> Self {
        let file = folder.join(format!("{name}.json"));
        let counts = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file: Some(file), counts, tell: true, ..Self::brief(name, slice) }
    }

    /// A short run that keeps nothing: for tests.
    #[must_use]
    pub fn brief(name: &str, slice: Duration) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            file: None,
            counts: BTreeMap::new(),
            goals: BTreeMap::new(),
            until: now.checked_add(slice).unwrap_or(now),
            told: now,
            tell: false,
        }
    }

    /// Says what is to be reached in the long form, such as `("checks", 1_000_000_000)`.
    pub fn goal(&mut self, what: &str, figure: u64) {
        self.goals.insert(what.to_owned(), figure);
    }

    /// What has been counted so far, over all slices.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Counts, and once in a while says where it stands and keeps it.
    pub fn add(&mut self, what: &str, more: u64) {
        let count = self.counts.entry(what.to_owned()).or_default();
        *count = count.saturating_add(more);
        if self.told.elapsed() >= Duration::from_secs(10) {
            self.told = Instant::now();
            self.keep();
        }
    }

    /// Keeps the larger of what was noted and `figure`.
    pub fn at_least(&mut self, what: &str, figure: u64) {
        let count = self.counts.entry(what.to_owned()).or_default();
        *count = (*count).max(figure);
    }

    /// Whether there is still something to do in this slice.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        !self.is_reached() && Instant::now() < self.until
    }

    /// Whether every goal is reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        !self.goals.is_empty() && self.goals.iter().all(|(what, figure)| self.count(what) >= *figure)
    }

    /// Writes down where the sweep stands, and says so.
    pub fn keep(&self) {
        if let Some(file) = &self.file
            && let Ok(text) = serde_json::to_vec_pretty(&self.counts)
        {
            if let Some(folder) = file.parent() {
                let _ = fs::create_dir_all(folder);
            }
            let _ = fs::write(file, text);
        }
        if self.tell {
            println!("{}", self.standing());
        }
    }

    /// Where the sweep stands, in one line.
    #[must_use]
    pub fn standing(&self) -> String {
        let figures = self.counts.iter().map(|(what, count)| match self.goals.get(what) {
            Some(goal) => format!("{what} {count} of {goal}"),
            None => format!("{what} {count}"),
        });
        format!("{}: {}", self.name, figures.collect::<Vec<_>>().join(", "))
    }
}

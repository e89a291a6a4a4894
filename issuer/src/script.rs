//! Failures on purpose, for the tests of clients.

use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inspire_auth_core::{Code, Error, Result};

/// What can go wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The answer comes so much later.
    Delay(Duration),
    /// Nothing is done, and the answer is this status, unsigned, as from a proxy in between.
    Status {
        /// 200 to 599.
        status: u16,
        /// Seconds, of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// Nothing is done, and the answer is a redirect (307) to this place, unsigned.
    Redirect(String),
    /// The connection ends without an answer, and nothing is done.
    Drop,
    /// The connection ends without an answer, but what was asked is done.
    Lose,
    /// The connection ends in the middle of the answer's body.
    TruncatedBody,
    /// The answer is signed by another key.
    BadSignature,
    /// The answer is not signed.
    NoSignature,
    /// The answer's body is changed after it was signed.
    ChangedBody,
    /// The answer is signed as of so many seconds later (or earlier) than now.
    Date(i64),
}

/// Failures that come together, and to which requests.
///
/// As text, for a command line: words with commas between them.
///
/// | word | |
/// |---|---|
/// | `delay=2s` | [`Failure::Delay`]: `ms`, `s` or `m` |
/// | `status=503`, `retry-after=5` | [`Failure::Status`] |
/// | `redirect=URL` | [`Failure::Redirect`] |
/// | `drop`, `lose`, `truncate` | [`Failure::Drop`], [`Failure::Lose`], [`Failure::TruncatedBody`] |
/// | `signature=bad`, `signature=none` | [`Failure::BadSignature`], [`Failure::NoSignature`] |
/// | `body=changed` | [`Failure::ChangedBody`] |
/// | `date=-600` | [`Failure::Date`] |
/// | `times=3`, `times=always` | to so many requests; 1 unless it is said |
/// | `path=TEXT` | only to those whose path holds this text |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What goes wrong, all at once.
    pub failures: Vec<Failure>,
    /// With how many requests. `None`: with every one.
    pub times: Option<u32>,
    /// What the path of a request has in it. `None`: any path.
    pub path: Option<String>,
}

impl Step {
    /// These failures, with the next request.
    #[must_use]
    pub fn new(failures: impl IntoIterator<Item = Failure>) -> Self {
        Self { failures: failures.into_iter().collect(), times: Some(1), path: None }
    }

    /// With so many requests.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// With every request.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// With requests whose path holds this text.
    #[must_use]
    pub fn on(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

impl From<Failure> for Step {
    fn from(failure: Failure) -> Self {
        Self::new([failure])
    }
}

/// The failures that are still to come. Clones are the same script.
///
/// A request meets the first step that is about its path; other steps wait.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<VecDeque<Step>>>);

impl Script {
    /// Adds a step behind the others.
    pub fn push(&self, step: impl Into<Step>) {
        self.steps().push_back(step.into());
    }

    /// Forgets what is still to come.
    pub fn clear(&self) {
        self.steps().clear();
    }

    /// How many steps are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps().len()
    }

    /// Whether nothing is to come any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps().is_empty()
    }

    /// What goes wrong with a request for this path.
    pub(crate) fn take(&self, path: &str) -> Vec<Failure> {
        let mut steps = self.steps();
        let about = |step: &Step| step.path.as_ref().is_none_or(|text| path.contains(text.as_str()));
        let Some(at) = steps.iter().position(about) else { return Vec::new() };
        let Some(step) = steps.get_mut(at) else { return Vec::new() };
        let failures = step.failures.clone();
        step.times = step.times.map(|times| times.saturating_sub(1));
        if step.times == Some(0) {
            steps.remove(at);
        }
        failures
    }

    fn steps(&self) -> MutexGuard<'_, VecDeque<Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromStr for Step {
    type Err = Error;

    /// # Errors
    /// `INVALID_ARGUMENT`; the detail names the word.
    fn from_str(text: &str) -> Result<Self> {
        let mut step = Self::new([]);
        let (mut status, mut retry_after) = (None, None);
        for word in text.split(',').map(str::trim) {
            let wrong = || Error::with(Code::InvalidArgument, format!("{word:?} is no failure"));
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let failure = match (name, value) {
                ("delay", length) => Failure::Delay(duration(length).ok_or_else(wrong)?),
                ("status", number) => {
                    status = Some(number.parse().ok().filter(|number| (200..=599).contains(number)).ok_or_else(wrong)?);
                    continue;
                }
                ("retry-after", seconds) => {
                    retry_after = Some(seconds.parse().map_err(|_| wrong())?);
                    continue;
                }
                ("redirect", url) if !url.is_empty() => Failure::Redirect(url.to_owned()),
                ("drop", "") => Failure::Drop,
                ("lose", "") => Failure::Lose,
                ("truncate", "") => Failure::TruncatedBody,
                ("signature", "bad") => Failure::BadSignature,
                ("signature", "none") => Failure::NoSignature,
                ("body", "changed") => Failure::ChangedBody,
                ("date", seconds) => Failure::Date(seconds.parse().map_err(|_| wrong())?),
                ("times", "always") => {
                    step.times = None;
                    continue;
                }
                ("times", number) => {
                    step.times = Some(number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?);
                    continue;
                }
                ("path", text) if !text.is_empty() => {
                    step.path = Some(text.to_owned());
                    continue;
                }
                _ => return Err(wrong()),
            };
            step.failures.push(failure);
        }
        match (status, retry_after) {
            (Some(status), retry_after) => step.failures.push(Failure::Status { status, retry_after }),
            (None, Some(_)) => return Err(Error::with(Code::InvalidArgument, "retry-after goes with a status")),
            (None, None) if step.failures.is_empty() => {
                return Err(Error::with(Code::InvalidArgument, format!("{text:?} names no failure")));
            }
            (None, None) => {}
        }
        Ok(step)
    }
}

/// `500ms`, `2s`, `1m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.get(digits.len()..)? {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(length) => write!(f, "delay={}ms", length.as_millis()),
            Self::Status { status, retry_after: None } => write!(f, "status={status}"),
            Self::Status { status, retry_after: Some(seconds) } => write!(f, "status={status},retry-after={seconds}"),
            Self::Redirect(url) => write!(f, "redirect={url}"),
            Self::Drop => f.write_str("drop"),
            Self::Lose => f.write_str("lose"),
            Self::TruncatedBody => f.write_str("truncate"),
            Self::BadSignature => f.write_str("signature=bad"),
            Self::NoSignature => f.write_str("signature=none"),
            Self::ChangedBody => f.write_str("body=changed"),
            Self::Date(seconds) => write!(f, "date={seconds}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_goes_wrong() {
        for (text, step) in [
            ("drop", Step::new([Failure::Drop])),
            (
                "delay=2s,status=503",
                Step::new([Failure::Delay(Duration::from_secs(2)), Failure::Status { status: 503, retry_after: None }]),
            ),
            (
                "retry-after=5, status=429, times=3",
                Step::new([Failure::Status { status: 429, retry_after: Some(5) }]).times(3),
            ),
            ("signature=bad,path=machines,times=always", Step::new([Failure::BadSignature]).on("machines").always()),
            ("date=-600", Step::new([Failure::Date(-600)])),
            ("redirect=https://h/?a=b", Step::new([Failure::Redirect("https://h/?a=b".into())])),
            ("body=changed,signature=none", Step::new([Failure::ChangedBody, Failure::NoSignature])),
            ("truncate,delay=500ms", Step::new([Failure::TruncatedBody, Failure::Delay(Duration::from_millis(500))])),
            ("lose", Step::new([Failure::Lose])),
        ] {
            assert_eq!(text.parse::<Step>().unwrap(), step, "{text}");
            for failure in &step.failures {
                assert_eq!(failure.to_string().parse::<Step>().unwrap().failures, std::slice::from_ref(failure));
            }
        }
    }

    #[test]
    fn another_line_is_refused() {
        for bad in [
            "",
            "times=2",
            "path=x",
            "drop=1",
            "delay",
            "delay=2",
            "delay=2h",
            "delay=-1s",
            "status=99",
            "status=600",
            "retry-after=5",
            "signature=odd",
            "times=0,drop",
            "drop,,drop",
            "date=soon",
            "redirect=",
            "explode",
        ] {
            assert_eq!(bad.parse::<Step>().unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn a_request_meets_the_first_step_about_its_path() {
        let script = Script::default();
        script.push(Step::new([Failure::Drop]).on("machines").times(2));
        script.push(Failure::Lose);
        script.push(Step::new([Failure::NoSignature]).always());
        assert_eq!(script.take("/v1/me"), [Failure::Lose]);
        assert_eq!(script.take("/v1/machines"), [Failure::Drop]);
        assert_eq!(script.clone().take("/v1/machines/x"), [Failure::Drop]);
        for _ in 0..3 {
            assert_eq!(script.take("/v1/machines"), [Failure::NoSignature]);
        }
        assert_eq!(script.len(), 1);
        script.clear();
        assert!(script.is_empty() && script.take("/").is_empty());
    }
}

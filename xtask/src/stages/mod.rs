//! The stages of `cargo xtask test`: each runs one kind of check and counts what passed.

pub(crate) mod bindings;
mod browser;
mod c;
mod conformance;
mod gateways;
mod generated;
mod native;
pub(crate) mod package;
mod rust;
mod sanitize;

use std::{
    io::Write as _,
    process::{Command, Output},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

pub(crate) use self::browser::PICTURES;
use crate::{Outcome, run as process};

/// One kind of check.
pub(crate) struct Stage {
    /// What is typed to run it alone.
    pub name: &'static str,
    /// One line, for the list.
    pub about: &'static str,
    /// Whether `cargo xtask lint` runs it.
    pub lint: bool,
    /// Does it.
    pub run: fn() -> Outcome<Report>,
}

/// What a stage comes to.
#[derive(Default)]
pub(crate) struct Report {
    pub passed: usize,
    pub skipped: usize,
    /// Each failure, as a person wants to read it.
    pub failures: Vec<String>,
    /// How many failed, where that is more than there are texts.
    pub failed: usize,
    /// A short remark behind the result.
    pub remark: String,
}

impl Report {
    /// A stage that is one check.
    pub(crate) fn one() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// Counts one check, and keeps why it failed.
    pub(crate) fn count<T>(&mut self, what: &str, outcome: Outcome<T>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.passed += 1;
                Some(value)
            }
            Err(failure) => {
                self.failed += 1;
                self.failures.push(format!("{what}: {failure}"));
                None
            }
        }
    }

    /// Runs a test runner and adds what it counted, which `counts` reads in what it wrote. A runner
    /// that ran nothing has failed.
    pub(crate) fn tests(&mut self, command: &mut Command, counts: fn(&Output) -> Option<Counts>) -> Outcome {
        let output = process::captured(command)?;
        let wrote = process::both(&output);
        let (passed, failed, skipped) = counts(&output).unwrap_or_default();
        if output.status.success() && passed == 0 {
            return Err(format!("`{}` ran no test\n{wrote}", process::shown(command)).into());
        }
        self.passed += passed;
        self.skipped += skipped;
        if !output.status.success() {
            // A failure that is in no count (it did not compile, a test binary died) is one failure.
            self.failed += failed.max(1);
            self.failures.push(format!("`{}`\n{wrote}", process::shown(command)));
        } else if skipped > 0 {
            let skips: Vec<&str> = wrote.lines().filter(|line| line.contains("SKIP")).collect();
            self.remark = skips.join("; ");
        }
        Ok(())
    }

    /// Adds another report's counts to this one's.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    fn tell_failures(&self) {
        if self.failures.is_empty() {
            return;
        }
        println!("\nWhat failed:\n");
        for failure in &self.failures {
            println!("* {}\n", failure.trim_end());
        }
    }
}

/// Passed, failed, skipped.
type Counts = (usize, usize, usize);

/// The number directly before a word, 0 when there is none.
fn number_before(line: &str, word: &str) -> usize {
    let before = line.split(word).next().filter(|before| before.len() < line.len()).unwrap_or_default();
    before.trim_end().rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The platform example in a browser. It also takes the README's pictures.
pub(crate) const BROWSER: Stage = Stage {
    name: "browser",
    about: "the platform example in Chromium, as a person uses it",
    lint: false,
    run: browser::browser,
};

/// In the order in which they run: the quickest to fail first.
pub(crate) const ALL: &[Stage] = &[
    Stage { name: "fmt", about: "the source is formatted", lint: true, run: rust::fmt },
    Stage { name: "clippy", about: "no warning of clippy in any target", lint: true, run: rust::clippy },
    Stage { name: "doc", about: "the documentation builds without a warning", lint: true, run: rust::doc },
    Stage { name: "header", about: "the committed C header is what ffi says", lint: true, run: generated::header },
    Stage { name: "errors", about: "docs/errors.md is what the error table says", lint: true, run: generated::errors },
    Stage {
        name: "vectors",
        about: "the committed vectors are what their generator makes",
        lint: true,
        run: generated::vectors,
    },
    Stage { name: "rust", about: "Rust tests and documentation examples", lint: false, run: rust::tests },
    Stage {
        name: "model",
        about: "the revocation page's protocol in every interleaving (loom)",
        lint: false,
        run: rust::model,
    },
    Stage { name: "c", about: "C tests as C99 and C11, and the header alone and twice", lint: false, run: c::c },
    Stage { name: "cpp", about: "C++ tests as C++17, and both headers alone and twice", lint: false, run: c::cpp },
    Stage {
        name: "exports",
        about: "the library exports what the header declares, and no more",
        lint: false,
        run: native::exports,
    },
    Stage { name: "size", about: "the stripped library is small enough", lint: false, run: native::size },
    Stage {
        name: "instructions",
        about: "the warm path takes no more instructions than its budget (callgrind)",
        lint: false,
        run: native::instructions,
    },
    Stage {
        name: "python",
        about: "the wheel's own tests, its stubs, and the types of programs that use it",
        lint: false,
        run: bindings::python,
    },
    Stage { name: "node", about: "the npm package's own tests and types", lint: false, run: bindings::node },
    Stage {
        name: "gateways",
        about: "nginx, Envoy and Caddy with the checker, nginx with the module",
        lint: false,
        run: gateways::gateways,
    },
    BROWSER,
    Stage {
        name: "conformance",
        about: "every vector through every driver; the answers agree",
        lint: false,
        run: conformance::vectors,
    },
    Stage {
        name: "two-processes",
        about: "two drivers on one store file; a store rolled back under them",
        lint: false,
        run: conformance::two_processes,
    },
    Stage {
        name: "sanitizers",
        about: "C and C++ tests and drivers under ASan and UBSan",
        lint: false,
        run: sanitize::sanitizers,
    },
    Stage { name: "valgrind", about: "C tests and the C driver under memcheck", lint: false, run: sanitize::valgrind },
    Stage {
        name: "package",
        about: "install, then build against it: pkg-config, static, CMake",
        lint: false,
        run: package::package,
    },
];

/// Runs stages, shows how it goes, and fails when anything did.
pub(crate) fn run(stages: &[&Stage]) -> Outcome {
    let mut total = Report::default();
    let begun = Instant::now();
    for stage in stages {
        total.add(run_one(stage));
    }
    total.tell_failures();
    println!("in {:.0} s", begun.elapsed().as_secs_f64());
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    match total.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} failed").into()),
    }
}

fn run_one(stage: &Stage) -> Report {
    print!("==> {:<14}", stage.name);
    let _ = std::io::stdout().flush();
    let begun = Instant::now();
    let mut report = with_signs_of_life(stage.run).unwrap_or_else(|failure| Report {
        failed: 1,
        failures: vec![format!("{}: {failure}", stage.name)],
        ..Report::default()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let verdict = if report.failed == 0 { "ok" } else { "FAILED" };
    let mut counts = format!("{} passed", report.passed);
    if report.failed > 0 {
        counts.push_str(&format!(", {} failed", report.failed));
    }
    if report.skipped > 0 {
        counts.push_str(&format!(", {} skipped", report.skipped));
    }
    let remark = if report.remark.is_empty() { String::new() } else { format!("; {}", report.remark) };
    println!(" {verdict:<6} {seconds:7.1} s  {counts}{remark}");
    // Told at the end again, if the run comes that far.
    report.tell_failures();
    report.remark.clear();
    report
}

/// Runs a stage and writes a dot every ten seconds, so that a person sees that it is still at work.
fn with_signs_of_life(work: fn() -> Outcome<Report>) -> Outcome<Report> {
    let (done, finished) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while finished.recv_timeout(Duration::from_secs(10)) == Err(RecvTimeoutError::Timeout) {
                print!(".");
                let _ = std::io::stdout().flush();
            }
        });
        let outcome = work();
        drop(done);
        outcome
    })
}

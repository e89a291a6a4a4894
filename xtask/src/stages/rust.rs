//! Rust's own checks and tests.

use inspire_auth_test_postgres::{GIVEN, Server};

use super::{Counts, Report, number_before};
use crate::{Failure, Outcome, need, project, run};

pub(super) fn fmt() -> Outcome<Report> {
    need::component("fmt", "rustfmt")?;
    run::output(run::cargo().args(["fmt", "--all", "--check"]))
        .map_err(|failure| Failure::Failed(format!("{failure}\nTo format: cargo fmt --all")))?;
    Ok(Report::one())
}

pub(super) fn clippy() -> Outcome<Report> {
    need::component("clippy", "clippy")?;
    // The bindings have no Rust tests: what they export is there only where an interpreter can load it.
    let bindings = ["inspire-auth-python", "inspire-auth-node"];
    let mut rest = run::cargo();
    rest.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    let mut them = run::cargo();
    them.args(["clippy", "--quiet"]);
    for binding in bindings {
        rest.args(["--exclude", binding]);
        them.args(["--package", binding]);
    }
    for command in [&mut rest, &mut them] {
        run::output(command.args(["--", "-D", "warnings"]))?;
    }
    Ok(Report::one())
}

pub(super) fn doc() -> Outcome<Report> {
    let mut command = run::cargo();
    command.args(["doc", "--quiet", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    run::output(&mut command)?;
    Ok(Report::one())
}

/// Every test by nextest (a process each) or cargo's own runner, then the examples in the documentation.
pub(super) fn tests() -> Outcome<Report> {
    need::all(&[need::Tool::Faketime, need::Tool::Postgres])?;
    // One for all tests that need no server of their own.
    let server = Server::start()?;
    let mut report = Report::default();
    if need::has_nextest() {
        let mut command = run::cargo();
        command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color", "never", "--status-level", "fail"]);
        command.env(GIVEN, server.url());
        report.tests(&mut command, |output| nextest_counts(&run::both(output)))?;
        report.tests(run::cargo().args(["test", "--workspace", "--doc", "--no-fail-fast"]), |output| {
            libtest_counts(&run::both(output))
        })?;
        report.remark = "nextest".to_owned();
    } else {
        let mut command = run::cargo();
        command.args(["test", "--workspace", "--no-fail-fast"]).env(GIVEN, server.url());
        report.tests(&mut command, |output| libtest_counts(&run::both(output)))?;
        report.remark = "cargo test; `cargo xtask tools` installs nextest".to_owned();
    }
    Ok(report)
}

/// The revocation page's protocol, run through every interleaving that loom can make of it.
///
/// In a target folder of its own: the switch that swaps the atomics changes every crate's fingerprint.
pub(super) fn model() -> Outcome<Report> {
    let mut report = Report::default();
    let mut command = run::cargo();
    command.args(["test", "--release", "--package", "inspire-auth-platform", "--test", "page_model", "--no-fail-fast"]);
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", project::work("model"));
    report.tests(&mut command, |output| libtest_counts(&run::both(output)))?;
    Ok(report)
}

/// From `Summary [   1.2s] 150 tests run: 148 passed (2 slow), 2 failed, 3 skipped`.
fn nextest_counts(wrote: &str) -> Option<Counts> {
    let summary = wrote.lines().rfind(|line| line.trim_start().starts_with("Summary ["))?;
    let count = |words: &[&str]| words.iter().map(|word| number_before(summary, word)).sum();
    Some((count(&["passed"]), count(&["failed", "timed out", "exec failed"]), count(&["skipped"])))
}

/// The sum of all `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out`.
fn libtest_counts(wrote: &str) -> Option<Counts> {
    let results: Vec<&str> = wrote.lines().filter(|line| line.starts_with("test result: ")).collect();
    let count = |word| results.iter().map(|line| number_before(line, word)).sum();
    (!results.is_empty()).then(|| (count("passed"), count("failed"), count("ignored")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_summaries_are_read() {
        let nextest =
            "x\n     Summary [   1.234s] 150 tests run: 147 passed (2 slow), 2 failed, 1 timed out, 3 skipped\n";
        assert_eq!(nextest_counts(nextest), Some((147, 3, 3)));
        assert_eq!(nextest_counts("     Summary [ 0.1s] 1 test run: 1 passed, 0 skipped"), Some((1, 0, 0)));
        let libtest = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\ntest result: FAILED. 1 passed; 2 failed; 0 ignored;\n";
        assert_eq!(libtest_counts(libtest), Some((4, 2, 1)));
        assert_eq!(libtest_counts("error: could not compile"), None);
    }
}

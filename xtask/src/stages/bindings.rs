//! The Python and the Node package: their own tests, in their languages' own ways, on what a user would install.

use std::process::Command;

use super::{Counts, Report, number_before};
use inspire_auth_test_postgres::{GIVEN, Server};

use crate::{Outcome, cli, need, node, python, run};

/// pytest on the installed wheel; the stubs against what they describe; the types of programs that use them.
pub(super) fn python() -> Outcome<Report> {
    let mut report = Report::default();
    let mut pytest = python::program("pytest")?;
    pytest.args(["tests", "-q", "-rs", "-p", "no:cacheprovider"]).env("PYTHONDONTWRITEBYTECODE", "1");
    // For hosts that fork with a database open.
    need::all(&[need::Tool::Postgres])?;
    let server = Server::start()?;
    pytest.env(GIVEN, server.url());
    self::pytest(&mut report, cli::told(&mut pytest)?)?;
    report.count(
        "stubtest",
        run::output(python::program("stubtest")?.args(["inspire_auth", "--allowlist", "tests/stubtest-allowlist.txt"])),
    );
    report.count("pyright", run::output(python::program("pyright")?.arg("--pythonpath").arg(python::installed()?)));
    Ok(report)
}

/// `node --test`; then that the committed declarations are what the source says, and programs that use them.
pub(super) fn node() -> Outcome<Report> {
    let folder = node::built()?;
    let mut report = Report::default();
    tap(&mut report, &mut node::tests(&folder)?)?;
    report.count("types", run::output(node::npm(&folder).args(["run", "--silent", "check-types"])));
    Ok(report)
}

/// Counts what pytest comes to.
pub(crate) fn pytest(report: &mut Report, command: &mut Command) -> Outcome {
    report.tests(command, |output| pytest_counts(&String::from_utf8_lossy(&output.stdout)))
}

/// Counts what a program comes to that writes the Test Anything Protocol.
pub(crate) fn tap(report: &mut Report, command: &mut Command) -> Outcome {
    report.tests(command, |output| tap_counts(&String::from_utf8_lossy(&output.stdout)))
}

/// From the last line: `2 failed, 118 passed, 1 skipped, 1 error in 12.34s`.
fn pytest_counts(wrote: &str) -> Option<Counts> {
    let summary = wrote.lines().rfind(|line| line.contains(" in ") && line.ends_with(')') | line.ends_with('s'))?;
    let count = |words: &[&str]| words.iter().map(|word| number_before(summary, word)).sum();
    Some((count(&[" passed"]), count(&[" failed", " error"]), count(&[" skipped", " xfailed"])))
}

/// From the summary in comments: `# pass 118`, `# fail 2`, `# skipped 1`.
fn tap_counts(wrote: &str) -> Option<Counts> {
    let count = |word: &str| {
        let prefix = format!("# {word} ");
        wrote.lines().rev().find_map(|line| line.strip_prefix(&prefix)?.trim().parse::<usize>().ok())
    };
    Some((count("pass")?, count("fail")? + count("cancelled")?, count("skipped")? + count("todo")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_summaries_are_read() {
        assert_eq!(pytest_counts("...s\n12 passed, 1 skipped in 0.52s"), Some((12, 0, 1)));
        assert_eq!(pytest_counts("x\n2 failed, 118 passed, 1 error in 72.34s (0:01:12)\n"), Some((118, 3, 0)));
        assert_eq!(pytest_counts("no tests ran"), None);
        let tap = "# tests 7\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 0\n# todo 0\n# duration_ms 3\n";
        assert_eq!(tap_counts(tap), Some((5, 2, 0)));
        assert_eq!(tap_counts("TAP version 13"), None);
    }
}

//! Every door leads to the same room: the drivers and their runner.

use inspire_auth_test_postgres::Server;

use super::Report;
use crate::{
    Failure, Outcome, cli, need, project, run,
    verbs::driver::{self, Checks, Language},
};

pub(super) fn vectors() -> Outcome<Report> {
    need::all(&[need::Tool::Python, need::Tool::Postgres])?;
    let mut report = Report::default();
    let runner_itself = project::root().join("tests/conformance/test_runner.py");
    report.count("the runner's own tests", run::output(run::command("python3").arg(runner_itself)));
    let drivers = built(Language::ALL, Checks::None)?;
    report.add(runner("run.py", &drivers, &["--stores", "memory,sqlite"])?);
    let cli = cli::built()?.display().to_string();
    // A database is behind the doors: all vectors through one of them, and each of them opened.
    let server = Server::start()?;
    let url = server.url();
    let some = project::root().join("tests/vectors/authenticate.json").display().to_string();
    let stores = ["--stores", "postgres", "--postgres", &url, "--cli", &cli];
    report.add(runner("run.py", &built(&[Language::Rust], Checks::None)?, &stores)?);
    report.add(runner("run.py", &drivers, &[&stores[..], &[&some]].concat())?);
    drop(server);
    report.add(runner("online.py", &drivers, &["--cli", &cli])?);
    Ok(report)
}

pub(super) fn two_processes() -> Outcome<Report> {
    let drivers = built(Language::ALL, Checks::None)?;
    runner("two_processes.py", &drivers, &[])
}

/// Builds drivers and returns each as the runner's `NAME=COMMAND`.
pub(super) fn built(languages: &[Language], checks: Checks) -> Outcome<Vec<String>> {
    let build = |language: &Language| {
        driver::build(*language, checks).map(|command| format!("{}={}", language.name(), run::words(&command)))
    };
    languages.iter().map(build).collect()
}

/// Runs a script of `tests/conformance` and reads its last line, `N passed, N failed, N skipped`.
pub(super) fn runner(script: &str, drivers: &[String], options: &[&str]) -> Outcome<Report> {
    need::all(&[need::Tool::Python])?;
    let mut command = run::command("python3");
    command.arg(project::root().join("tests/conformance").join(script)).args(options);
    for driver in drivers {
        command.args(["--driver", driver]);
    }
    let output = run::captured(&mut command)?;
    let wrote = run::both(&output);
    let (passed, failed, skipped) =
        String::from_utf8_lossy(&output.stdout).lines().next_back().and_then(counts).ok_or_else(|| {
            Failure::Failed(format!("`{}` ended with {} and no counts\n{wrote}", run::shown(&command), output.status))
        })?;
    let failed = if output.status.success() { failed } else { failed.max(1) };
    let failures = if failed == 0 { Vec::new() } else { vec![format!("`{}`\n{wrote}", run::shown(&command))] };
    Ok(Report { passed, failed, skipped, failures, remark: String::new() })
}

fn counts(line: &str) -> Option<(usize, usize, usize)> {
    let mut numbers = line
        .split(", ")
        .zip(["passed", "failed", "skipped"])
        .map(|(part, word)| part.strip_suffix(word).and_then(|number| number.trim().parse::<usize>().ok()));
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read_or_refused() {
        assert_eq!(counts("12 passed, 0 failed, 3 skipped"), Some((12, 0, 3)));
        assert_eq!(counts("12 passed, 0 failed"), None);
        assert_eq!(counts("Traceback"), None);
    }
}

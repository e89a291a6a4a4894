//! Instructions of the warm path, counted by callgrind: a figure that no load of the machine moves, and so one with a budget.

use std::fs;

use super::figure::{Figure, Unit};
use crate::{
    Failure, Outcome,
    need::{self, Tool},
    project, run, text,
};

/// The committed budget, from the root.
pub(crate) const BUDGET: &str = "benches/instructions.txt";

/// How far a count may be from its budget, in percent: what another minor version of the compiler or of glibc moves.
const ALLOWANCE: f64 = 2.0;

/// A path, and the instructions of one call.
pub(crate) type Count = (String, f64);

/// Counts every path.
pub(crate) fn count() -> Outcome<Vec<Count>> {
    need::all(&[Tool::Valgrind])?;
    let mut build = run::cargo();
    run::output(build.args(["build", "--quiet", "--release", "--locked", "--package", "inspire-auth-bench"]))?;
    let folder = project::fresh("instructions")?;
    let mut callgrind = run::command("valgrind");
    callgrind.args(["--quiet", "--tool=callgrind"]);
    // Two spellings: of two options with one pattern, callgrind obeys the first.
    callgrind.arg("--toggle-collect=*instructions*measured*");
    callgrind.arg("--dump-after=inspire_auth_bench::instructions::measured*");
    callgrind.arg(format!("--callgrind-out-file={}", folder.join("out").display()));
    callgrind.arg(project::target().join("release/inspire-auth-bench")).arg("instructions");
    let wrote = run::output(&mut callgrind)?;
    let mut batches = Vec::new();
    for (number, line) in wrote.lines().enumerate() {
        let (name, calls) = line.split_once(' ').ok_or_else(|| format!("this is no path: {line}"))?;
        let file = fs::read_to_string(folder.join(format!("out.{}", number + 1)))
            .map_err(|error| format!("callgrind did not count {name}: {error}"))?;
        let calls: f64 = calls.parse().map_err(|error| format!("{line}: {error}"))?;
        batches.push((name.to_owned(), total(&file).ok_or("callgrind's file has no total")? / calls));
    }
    let counts = least(batches);
    if counts.is_empty() || counts.iter().any(|(_, count)| *count < 1.0) {
        return Err(format!("callgrind counted nothing: {counts:?}").into());
    }
    Ok(counts)
}

/// From `totals: 259412`.
fn total(file: &str) -> Option<f64> {
    file.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// The least of each path's batches: in another a store may have been asked, or a buffer emptied.
fn least(batches: Vec<Count>) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::new();
    for (name, count) in batches {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = known.min(count),
            None => counts.push((name, count)),
        }
    }
    counts
}

/// Counts, and compares with the committed budget, or with `write` makes the counts the budget.
pub(crate) fn check(write: bool) -> Outcome<Vec<Count>> {
    let counts = count()?;
    if write {
        text::write_or_check(BUDGET, &budget(&counts), false, "bench instructions --write")?;
        return Ok(counts);
    }
    let committed = fs::read_to_string(project::root().join(BUDGET)).map_err(|error| format!("{BUDGET}: {error}"))?;
    let wrong = compare(&read(&committed)?, &counts);
    if wrong.is_empty() {
        return Ok(counts);
    }
    let made_with = committed.lines().find_map(|line| line.strip_prefix("# with ")).unwrap_or("elsewhere");
    Err(Failure::Failed(format!(
        "{}\nThe budget was counted with {made_with}; this with {}.\nIf the change is meant: cargo xtask bench instructions --write",
        wrong.join("\n"),
        tools(),
    )))
}

/// What is over its budget, or so far under it that the budget says nothing, or in one list only.
///
/// Far under fails as well: a budget that is not lowered when the code got faster lets it get slower again unseen.
fn compare(budget: &[Count], counts: &[Count]) -> Vec<String> {
    let find = |list: &[Count], name: &str| list.iter().find(|(other, _)| other == name).map(|(_, count)| *count);
    let mut wrong = Vec::new();
    for (name, count) in counts {
        let Some(allowed) = find(budget, name) else {
            wrong.push(format!("{name}: {count:.0} instructions, and no budget"));
            continue;
        };
        let percent = (count / allowed - 1.0) * 100.0;
        if percent.abs() > ALLOWANCE {
            let (way, so) = if percent > 0.0 { ("more", "") } else { ("less", ": lower the budget") };
            let percent = percent.abs();
            wrong.push(format!(
                "{name}: {count:.0} instructions, {percent:.1} % {way} than its budget of {allowed:.0}{so}"
            ));
        }
    }
    let gone = budget.iter().filter(|(name, _)| find(counts, name).is_none());
    wrong.extend(gone.map(|(name, _)| format!("{name}: has a budget, and was not counted")));
    wrong
}

fn budget(counts: &[Count]) -> String {
    let mut text = format!(
        "# Instructions of one call, as callgrind counts them, checked by `cargo xtask test instructions` to {ALLOWANCE} %.\n\
         # Written by `cargo xtask bench instructions --write`.\n# with {}\n",
        tools()
    );
    for (name, count) in counts {
        text.push_str(&format!("{name} {count:.0}\n"));
    }
    text
}

fn read(committed: &str) -> Outcome<Vec<Count>> {
    let lines = committed.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, count) = line.split_once(' ').ok_or_else(|| format!("{BUDGET}: `{line}` is no budget"))?;
            let count = count.trim().parse().map_err(|error| format!("{BUDGET}: {line}: {error}"))?;
            Ok((name.to_owned(), count))
        })
        .collect()
}

/// What a count depends on, beside the code.
fn tools() -> String {
    let rustc = run::output(run::command("rustc").arg("--version")).unwrap_or_default();
    format!("{}, {}, {}", rustc.trim(), valgrind().unwrap_or_default(), std::env::consts::ARCH)
}

pub(super) fn valgrind() -> Outcome<String> {
    Ok(run::output(run::command("valgrind").arg("--version"))?.trim().to_owned())
}

/// As a suite writes them, to be kept with the others.
pub(super) fn lines(counts: &[Count]) -> String {
    let figure = |(name, count): &Count| Figure {
        suite: "instructions".to_owned(),
        measure: "calls".to_owned(),
        who: name.clone(),
        unit: Unit::Times,
        value: *count,
        least: *count,
        rounds: 1,
    };
    counts.iter().map(|count| figure(count).to_line() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, f64)]) -> Vec<Count> {
        list.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn only_what_left_its_budget_is_told() {
        let budget = counts(&[("granted", 1000.0), ("refused", 2000.0), ("gone", 1.0)]);
        assert_eq!(compare(&budget[..2], &counts(&[("granted", 1019.0), ("refused", 1961.0)])), [""; 0]);
        let wrong = compare(&budget, &counts(&[("granted", 1021.0), ("refused", 1900.0), ("new", 5.0)]));
        assert_eq!(
            wrong,
            [
                "granted: 1021 instructions, 2.1 % more than its budget of 1000",
                "refused: 1900 instructions, 5.0 % less than its budget of 2000: lower the budget",
                "new: 5 instructions, and no budget",
                "gone: has a budget, and was not counted",
            ]
        );
    }

    #[test]
    fn a_budget_is_read_as_it_was_written() {
        let some = counts(&[("granted", 1297.0), ("wrong-secret", 2414.0)]);
        assert_eq!(read(&budget(&some)).unwrap(), some);
        assert!(read("granted\n").is_err() && read("granted many\n").is_err());
    }

    #[test]
    fn the_least_batch_counts() {
        let batches = counts(&[("a", 5.0), ("a", 4.0), ("b", 7.0), ("a", 9.0)]);
        assert_eq!(least(batches), counts(&[("a", 4.0), ("b", 7.0)]));
        assert_eq!(total("version: 1\ntotals: 259412\n"), Some(259_412.0));
    }
}

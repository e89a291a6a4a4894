//! The document: goals, tables, and how it all was measured.

use super::{
    figure::{Figure, Figures, Unit, shown},
    machine::Facts,
    tables::{GOALS, Goal, Key, Limit, Row, TABLES, Table},
};

const HEAD: &str = "\
# Benchmarks

What a request, an entitlement, a license file and the first use of a key cost, beside what one would otherwise take. All of it is measured, and this page and
its chart are written, by one command, which installs what it needs:

```
cargo xtask bench                    # everything, and this page: some ten minutes once it is built
cargo xtask bench rust python        # some suites, printed only; --help names them
cargo xtask bench --quick            # everything in few rounds, printed only
```

![Processor time of one call, on a logarithmic scale](benchmarks.svg)
";

const METHOD: &str = "\
## Method, and its limits

* Candidates of a language take turns in one process: each round calls every one of them so often that it takes about half a millisecond (one or two in Python and Node, where each has run for a second before), or
  once where one call takes longer. The figure is the median of all rounds; the least stands beside it. What takes over 5 ms beside others that do not is asked in one round of eight.
* The suites take turns as well, pass after pass; of the passes' medians the median counts.
* Time is the processor's: of the calling thread in Rust and C, of the process in Python, in Node and for Argon2, so that work on other threads is not hidden. Everything runs on one core
  (`taskset`), but for the million keys, where two threads are compared.
* Compare within one table, and tables of one run. Another machine, or this one with other neighbours, gives other figures; ratios move less, and not all alike.
* A hot loop is the best case of everybody: code and data are in the nearest cache, and every branch is known. The table of 10,000 keys, and the million, show less kind ones.
* Rust is compiled with the workspace's release profile for the baseline of x86-64, peers as well, but ours here in a workspace of its own, where all dependencies are optimised for time; the C library, the wheel
  and the addon are what is shipped, where some are optimised for size. What chooses its code at run time does so.
* The keys' own hashes are cheap in these suites, but for the first use of a key: it changes nothing after the first use.
* Peers are asked for their check and what it needs to find a key, and nothing else: no framework, no HTTP, no network. Most do less than we do (the last column); none is asked to do more.
  Their settings are the defaults, but where it is said.
* That a warm check allocates nothing is a test (`tests/c/alloc_free.c`), not a figure.
";

/// Instructions of the warm path, told where they were counted.
const INSTRUCTIONS: &str = "\
## Instructions

Of one call, counted by callgrind, which has no AVX-512. No load of the machine moves them, so `cargo xtask test instructions` holds them to the budget in
`benches/instructions.txt`.
";

const MILLION: &str = "\
## A million keys

Names of 16 bytes, in an SQLite store; from Rust.
";

pub(super) fn render(figures: &Figures, facts: &Facts, left_out: &[String]) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Goals\n\nReached or not in this run, by its medians.\n\n| goal | figure | |\n|---|---|---|\n");
    for goal in GOALS {
        text.push_str(&verdict(figures, goal));
    }
    for table in TABLES {
        text.push_str(&rendered(figures, table));
    }
    let million: Vec<&Figure> = figures.0.iter().filter(|figure| figure.suite == "million").collect();
    if !million.is_empty() {
        text.push_str(&format!("\n{MILLION}\n| what | figure | least |\n|---|---|---|\n"));
        for figure in million {
            let (name, least) = (format!("{}: {}", figure.measure, figure.who), shown(figure.least, figure.unit));
            text.push_str(&format!("| {name} | {} | {least} |\n", figure.shown()));
        }
    }
    let counts: Vec<&Figure> = figures.of("instructions", "calls").collect();
    if !counts.is_empty() {
        text.push_str(&format!("\n{INSTRUCTIONS}\n| call | instructions |\n|---|---|\n"));
        for figure in counts {
            text.push_str(&format!("| {} | {:.0} |\n", figure.who, figure.value));
        }
    }
    text.push_str("\n## The machine, and versions\n\n| | |\n|---|---|\n");
    for (name, value) in facts {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    if !left_out.is_empty() {
        text.push_str(&format!("\nNot measured here: {}.\n", left_out.join("; ")));
    }
    text + "\n" + METHOD
}

/// For the terminal: what was measured, without the texts.
pub(super) fn plain(figures: &Figures) -> String {
    let mut text = String::new();
    let mut last = None;
    for figure in &figures.0 {
        let group = (&figure.suite, &figure.measure);
        if last.replace(group) != Some(group) {
            text.push_str(&format!("\n{}: {}\n", figure.suite, figure.measure));
        }
        let count = figure.suite == "instructions";
        let show = |value: f64| if count { format!("{value:.0}") } else { shown(value, figure.unit) };
        let first = figures.of(&figure.suite, &figure.measure).next().filter(|first| first.who != figure.who && !count);
        let times = first.map(|first| format!("  {:>7.2}", figure.value / first.value)).unwrap_or_default();
        text.push_str(&format!(
            "  {:<44} {:>9}  least {:>9}{times}\n",
            figure.who,
            show(figure.value),
            show(figure.least)
        ));
    }
    text
}

fn find(figures: &Figures, (suite, measure, who): Key) -> Option<&Figure> {
    figures.get(suite, measure, who)
}

/// A table, of the rows that were measured; nothing when none was.
fn rendered(figures: &Figures, table: &Table) -> String {
    let rows: Vec<(&Row, &Figure)> = table.rows.iter().filter_map(|row| Some((row, find(figures, row.key)?))).collect();
    let Some((_, first)) = rows.first() else { return String::new() };
    let mut text = format!("\n## {}\n\n", table.title);
    if !table.text.is_empty() {
        text.push_str(&format!("{}\n\n", table.text));
    }
    text.push_str("| | median | least | times | what it does |\n|---|---:|---:|---:|---|\n");
    for (row, figure) in &rows {
        let times = figure.value / first.value;
        let times = if times < 9.95 { format!("{times:.2}") } else { format!("{times:.0}") };
        let name = if row.name.starts_with("ours") { format!("**{}**", row.name) } else { row.name.to_owned() };
        let least = shown(figure.least, figure.unit);
        text.push_str(&format!("| {name} | {} | {least} | {times} | {} |\n", figure.shown(), row.does));
    }
    text
}

/// A line of the table of goals; a goal that was not measured says so.
fn verdict(figures: &Figures, (goal, limit): &Goal) -> String {
    let (figure, reached) = match judged(figures, limit) {
        Some((figure, true)) => (figure, "reached"),
        Some((figure, false)) => (figure, "**not reached**"),
        None => (String::new(), "not measured"),
    };
    format!("| {goal} | {figure} | {reached} |\n")
}

fn judged(figures: &Figures, limit: &Limit) -> Option<(String, bool)> {
    let get = |key: Key| find(figures, key);
    let times = |times: f64| shown(times, Unit::Times);
    Some(match limit {
        Limit::AtMost(key, most) => {
            let figure = get(*key)?;
            (figure.shown(), figure.value <= *most)
        }
        Limit::AtLeast(key, least) => {
            let figure = get(*key)?;
            (figure.shown(), figure.value >= *least)
        }
        Limit::TimesFasterThan(ours, theirs, least) => {
            let ratio = get(*theirs)?.value / get(*ours)?.value;
            (times(ratio), ratio >= *least)
        }
        Limit::OfTheFastest(ours, most) => {
            let us = get(*ours)?;
            let others = figures.of(ours.0, ours.1).filter(|other| other.who != us.who);
            let fastest = others.min_by(|a, b| a.value.total_cmp(&b.value))?;
            let ratio = us.value / fastest.value;
            (format!("{}, {} that of {}", us.shown(), times(ratio), fastest.who), ratio <= *most)
        }
        Limit::Alike(keys, most) => {
            let values: Vec<f64> = keys.iter().map(|&key| Some(get(key)?.value)).collect::<Option<_>>()?;
            let (least, greatest) = values.iter().fold((f64::INFINITY, 0.0_f64), |(l, g), &v| (l.min(v), g.max(v)));
            (
                format!("{} to {}", shown(least, Unit::Nanoseconds), shown(greatest, Unit::Nanoseconds)),
                greatest / least <= *most,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn figure((suite, measure, who): Key, value: f64) -> Figure {
        let (suite, measure, who) = (suite.to_owned(), measure.to_owned(), who.to_owned());
        Figure { suite, measure, who, unit: Unit::Nanoseconds, value, least: value / 2.0, rounds: 7 }
    }

    #[test]
    fn the_first_row_is_what_the_others_are_compared_with() {
        const ROWS: &[Row] = &[
            Row { key: ("s", "m", "ours"), name: "ours", does: "all" },
            Row { key: ("s", "m", "not measured"), name: "not measured", does: "" },
            Row { key: ("s", "m", "theirs"), name: "theirs", does: "less" },
        ];
        let table = Table { title: "T", chart: "", text: "Why.", rows: ROWS };
        let figures = Figures(vec![figure(("s", "m", "theirs"), 550.0), figure(("s", "m", "ours"), 110.0)]);
        assert_eq!(
            rendered(&figures, &table),
            "\n## T\n\nWhy.\n\n| | median | least | times | what it does |\n|---|---:|---:|---:|---|\n\
             | **ours** | 110 ns | 55 ns | 1.00 | all |\n| theirs | 550 ns | 275 ns | 5.00 | less |\n"
        );
        assert_eq!(rendered(&Figures::default(), &table), "");
    }

    #[test]
    fn a_goal_is_reached_or_not_or_not_measured() {
        let (ours, theirs): (Key, Key) = (("s", "m", "ours"), ("s", "m", "theirs"));
        let figures = Figures(vec![figure(ours, 100.0), figure(theirs, 400.0)]);
        let reached = |limit| judged(&figures, &limit).map(|(_, reached)| reached);
        assert_eq!(reached(Limit::AtMost(ours, 100.0)), Some(true));
        assert_eq!(reached(Limit::AtMost(ours, 99.0)), Some(false));
        assert_eq!(reached(Limit::TimesFasterThan(ours, theirs, 4.0)), Some(true));
        assert_eq!(reached(Limit::TimesFasterThan(ours, theirs, 4.1)), Some(false));
        assert_eq!(reached(Limit::OfTheFastest(theirs, 1.05)), Some(false));
        assert_eq!(reached(Limit::OfTheFastest(ours, 1.05)), Some(true));
        assert_eq!(reached(Limit::AtLeast(ours, 100.5)), Some(false));
        const BOTH: &[Key] = &[("s", "m", "ours"), ("s", "m", "theirs")];
        assert_eq!(reached(Limit::Alike(BOTH, 4.0)), Some(true));
        assert_eq!(reached(Limit::Alike(BOTH, 3.9)), Some(false));
        assert_eq!(reached(Limit::AtMost(("s", "m", "nobody"), 1e9)), None);
        assert!(verdict(&figures, &("g", Limit::AtMost(ours, 99.0))).contains("**not reached**"));
    }

    #[test]
    fn no_figure_stands_in_two_rows_and_every_goal_stands_in_a_table() {
        let mut known = HashSet::new();
        for row in TABLES.iter().flat_map(|table| table.rows) {
            assert!(known.insert(row.key), "{:?} stands twice", row.key);
            assert!(!row.name.contains('|') && !row.does.contains('|'), "{}", row.name);
        }
        for (goal, limit) in GOALS {
            let keys = match limit {
                Limit::AtMost(key, _) | Limit::AtLeast(key, _) | Limit::OfTheFastest(key, _) => vec![*key],
                Limit::TimesFasterThan(ours, theirs, _) => vec![*ours, *theirs],
                Limit::Alike(keys, _) => keys.to_vec(),
            };
            for key in keys.into_iter().filter(|key| key.0 != "million") {
                assert!(known.contains(&key), "{goal}: {key:?}");
            }
        }
    }
}

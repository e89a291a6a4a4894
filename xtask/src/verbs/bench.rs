//! `cargo xtask bench`: figures, each with what a user would otherwise pick beside it in the same run.

mod chart;
mod document;
mod figure;
pub(crate) mod instructions;
mod machine;
mod suites;
mod tables;

use std::{fs, path::Path};

use figure::Figures;
use serde_json::{Value, json};
use suites::{Bench, Suite};

use crate::{Failure, Outcome, Verb, args::Args, gateways, need, node, project, python, run, run::say, text};

pub(crate) const VERB: Verb = Verb {
    name: "bench",
    summary: "measure, beside peers: requests, entitlements, license files, first uses, a million keys",
    help: "cargo xtask bench [--quick | --render] [SUITE ...]\n\n  Without a suite: all of these; docs/benchmarks.md and its chart are written.\n\n  rust          requests and entitlements, from Rust\n  c             the same, from C\n  python        the same, from Python\n  node          the same, from Node\n  license       reading a license file\n  argon2        the first use of a key, from each language\n  million       a million keys\n  instructions  instructions of the warm path, counted by callgrind; --write makes them the budget\n\n  Only by name, and in no document:\n\n  core          a warm check in Rust, and the primitives it may be made of\n  loops         how late a timer of asyncio and of Node gets while eight keys are seen for the first time\n  gateways      nginx with the module, and with the checker, beside nginx alone; Envoy; Caddy (15 minutes)\n\n  --quick       few rounds, to see that it works; prints only\n  --render      write the document again, from the figures of the last whole run\n\nBuilds in release, and installs the peers: pinned, into the target folder. Figures of a busy machine are worth little:\ncompare within one run.",
    run,
};

/// How often the suites take turns.
const PASSES: usize = 5;

/// The last whole run, from the target folder.
const KEPT: &str = "bench/figures.jsonl";
const DOCUMENT: &str = "docs/benchmarks.md";
const CHART: &str = "docs/benchmarks.svg";

fn run(arguments: Vec<String>) -> Outcome {
    let mut args = Args::new(arguments);
    let (quick, render, write) = (args.flag("--quick"), args.flag("--render"), args.flag("--write"));
    let names = args.rest()?;
    if write && names != ["instructions"] {
        return Err(Failure::Usage("--write is for `instructions` alone.".to_owned()));
    }
    if render {
        return if names.is_empty() { rendered() } else { Err(Failure::Usage("--render takes no suite.".to_owned())) };
    }
    let mut chosen = Vec::new();
    for name in &names {
        match (name.as_str(), suites::ALL.iter().find(|suite| suite.name == name)) {
            (_, Some(suite)) => chosen.push(suite),
            ("core", _) => core()?,
            ("loops", _) => loops()?,
            ("gateways", _) => under_load(quick)?,
            _ => return Err(Failure::Usage(format!("There is no suite `{name}`."))),
        }
    }
    if write {
        return instructions::check(true).map(drop);
    }
    match (names.is_empty(), chosen.is_empty()) {
        (false, true) => Ok(()),
        (false, false) => print(&measured(&mut Bench::new(quick)?, &chosen, quick)?.0),
        (true, _) => whole(quick),
    }
}

/// Everything; the document is written unless it was a quick look, of which the figures are kept all the same.
fn whole(quick: bool) -> Outcome {
    let mut bench = Bench::new(quick)?;
    let every: Vec<&Suite> = suites::ALL.iter().collect();
    let before = machine::load();
    let (wrote, figures) = measured(&mut bench, &every, quick)?;
    let mut facts = machine::facts()?;
    let rounds = if quick { "**few: a quick look, and coarse**".to_owned() } else { format!("{PASSES} passes") };
    facts.insert(3, ("rounds".to_owned(), rounds));
    facts.insert(4, ("load before and after".to_owned(), format!("{before}, {}", machine::load())));
    let kept = project::work(KEPT);
    fs::create_dir_all(kept.parent().unwrap_or(Path::new(".")))?;
    let mut lines = json!({ "facts": facts, "left out": bench.left_out }).to_string() + "\n";
    figures.0.iter().for_each(|figure| lines.push_str(&(figure.to_line() + "\n")));
    fs::write(kept, lines)?;
    if quick { print(&wrote) } else { rendered() }
}

/// Builds what the suites need, and runs them: those that take turns pass after pass, the others once.
fn measured(bench: &mut Bench, chosen: &[&Suite], quick: bool) -> Outcome<(String, Figures)> {
    for suite in chosen {
        bench.prepare(suite)?;
    }
    let mut wrote = String::new();
    let passes = if quick { 1 } else { PASSES };
    for pass in 1..=passes {
        for suite in chosen.iter().filter(|suite| suite.in_turn) {
            say(&format!("pass {pass} of {passes}: {}", suite.about));
            wrote.push_str(&bench.run(suite)?);
        }
    }
    for suite in chosen.iter().filter(|suite| !suite.in_turn) {
        say(suite.about);
        wrote.push_str(&bench.run(suite)?);
    }
    let figures = Figures::read(&wrote)?;
    Ok((wrote, figures))
}

fn print(wrote: &str) -> Outcome {
    print!("{}", document::plain(&Figures::read(wrote)?));
    Ok(())
}

/// The document and its chart, from the last whole run.
fn rendered() -> Outcome {
    let kept = project::work(KEPT);
    let lines =
        fs::read_to_string(&kept).map_err(|_| "there are no figures yet: `cargo xtask bench` makes them".to_owned())?;
    let (first, rest) = lines.split_once('\n').unwrap_or_default();
    let header: Value = serde_json::from_str(first).map_err(|error| format!("{}: {error}", kept.display()))?;
    let facts: machine::Facts = pairs(&header["facts"]);
    let texts = header["left out"].as_array().into_iter().flatten();
    let left_out: Vec<String> = texts.filter_map(|text| text.as_str().map(str::to_owned)).collect();
    let figures = Figures::read(rest)?;
    text::write_or_check(DOCUMENT, &document::render(&figures, &facts, &left_out), false, "bench")?;
    text::write_or_check(CHART, &chart::render(&figures), false, "bench")
}

fn pairs(value: &Value) -> machine::Facts {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    value.as_array().into_iter().flatten().filter_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect()
}

fn core() -> Outcome {
    need::all(&[need::Tool::Postgres])?;
    for name in ["prf", "warm", "page"] {
        let mut bench = run::cargo();
        bench.args(["run", "--quiet", "--release", "--locked", "--package", "inspire-auth-bench", "--", name]);
        run::visibly(&mut bench)?;
    }
    Ok(())
}

/// Real gateways under load.
fn under_load(quick: bool) -> Outcome {
    need::all(&[need::Tool::Wrk])?;
    let mut load = gateways::python("python")?;
    load.arg("load.py").args(quick.then_some("--quick"));
    // What is measured is what is shipped.
    run::output(run::cargo().args(["build", "--release", "--package", "inspire-auth-cli"]))?;
    load.env("INSPIRE_AUTH_CLI", project::target().join("release/inspire-auth"));
    run::visibly(&mut load)
}

/// The script of either binding.
fn loops() -> Outcome {
    say("building the Python wheel and the Node addon in release (some minutes the first time)");
    let (python, node) = (python::installed()?, node::built()?);
    let script = |folder: &str, name: &str| project::root().join(folder).join("bench").join(name);
    println!("\nPython");
    run::visibly(run::command(python).arg(script(python::FOLDER, "loop_lateness.py")))?;
    println!("\nNode");
    run::visibly(run::command(Path::new("node")).arg(script(node::FOLDER, "loop_lateness.mjs")).current_dir(node))
}

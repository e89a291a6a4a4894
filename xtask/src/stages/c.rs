//! The tests in C and C++, against the shared library as it is installed.
//!
//! A source may say in its first lines how it wants to be built: `xtask: c11` (not as C99 as well),
//! `xtask: no-sanitizers`, `xtask: no-valgrind` (it replaces the allocator, say), `xtask: server` (its argument is the
//! program `inspire-auth`, to be started as a licensing server), several words on one line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Report;
use crate::{
    Outcome, cli, project, run,
    verbs::driver::{Checks, Language, compile},
    verbs::install,
};

/// One test program and what it asks for.
pub(super) struct Program {
    pub source: PathBuf,
    pub name: String,
    directives: Vec<String>,
}

impl Program {
    /// Whether the source says this word behind `xtask:`.
    pub(super) fn says(&self, word: &str) -> bool {
        self.directives.iter().any(|directive| directive == word)
    }
}

/// The test programs of a language, one a source file.
pub(super) fn programs(language: Language) -> Outcome<Vec<Program>> {
    let folder = project::root().join("tests").join(language.name());
    let sources = project::files(&folder, language.name());
    if sources.is_empty() {
        return Err(format!("there is no test in {}", folder.display()).into());
    }
    sources.into_iter().map(program).collect()
}

fn program(source: PathBuf) -> Outcome<Program> {
    let text = fs::read_to_string(&source)?;
    let words = text.lines().take(12).filter_map(|line| line.split_once("xtask:")).flat_map(|(_, rest)| {
        rest.trim_end_matches("*/").split([' ', ',']).map(|word| word.trim().to_owned()).collect::<Vec<_>>()
    });
    let directives = words.filter(|word| !word.is_empty()).collect();
    let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Program { source, name, directives })
}

/// Runs a built test program in an empty folder of its own, which is also its temporary folder.
pub(super) fn execute(program: &Program, built: &Path, before: &[&str], name: &str) -> Outcome {
    let scratch = project::fresh(&format!("scratch/{name}"))?;
    let mut command = match before.split_first() {
        Some((wrapper, arguments)) => {
            let mut command = run::command(wrapper);
            command.args(arguments).arg(built);
            command
        }
        None => run::command(built),
    };
    if program.says("server") {
        command.arg(cli::built()?);
    }
    command.current_dir(&scratch).env("TMPDIR", &scratch);
    // Undefined behaviour says where it was.
    command.env("UBSAN_OPTIONS", "print_stacktrace=1").env("ASAN_OPTIONS", "detect_stack_use_after_return=1");
    run::output(&mut command).map(|_| ())
}

pub(super) fn c() -> Outcome<Report> {
    let mut report = Report::default();
    for program in programs(Language::C)? {
        let standards: &[&str] = if program.says("c11") { &["c11"] } else { &["c99", "c11"] };
        for standard in standards {
            let name = format!("c-{}-{standard}", program.name);
            let built = build(Language::C, &program, standard, Checks::None, &name);
            report.count(&name, built.and_then(|built| execute(&program, &built, &[], &name)));
        }
    }
    for standard in ["c99", "c11", "c17"] {
        report.count("header", headers_stand_alone("gcc", "c", standard, "inspire_auth.h"));
    }
    Ok(report)
}

pub(super) fn cpp() -> Outcome<Report> {
    let mut report = Report::default();
    for program in programs(Language::Cpp)? {
        let name = format!("cpp-{}", program.name);
        let built = build(Language::Cpp, &program, "c++17", Checks::None, &name);
        report.count(&name, built.and_then(|built| execute(&program, &built, &[], &name)));
    }
    for standard in ["c++17", "c++20"] {
        for header in ["inspire_auth.h", "inspire_auth.hpp"] {
            report.count("header", headers_stand_alone("g++", "cpp", standard, header));
        }
    }
    Ok(report)
}

/// Builds a test program.
pub(super) fn build(
    language: Language,
    program: &Program,
    standard: &str,
    checks: Checks,
    name: &str,
) -> Outcome<PathBuf> {
    compile(language, std::slice::from_ref(&program.source), &format!("-std={standard}"), checks, name)
}

/// A header compiles as the first thing in a file, twice in one file, and in two files of one program.
fn headers_stand_alone(compiler: &str, extension: &str, standard: &str, header: &str) -> Outcome {
    let prefix = install::staged()?;
    let folder = project::fresh(&format!("headers/{standard}-{header}"))?;
    let twice = format!("#include <{header}>\n#include <{header}>\n");
    let (one, two) = (folder.join(format!("one.{extension}")), folder.join(format!("two.{extension}")));
    fs::write(&one, format!("{twice}int two(void);\nint main(void) {{ return two(); }}\n"))?;
    fs::write(&two, format!("{twice}int two(void);\nint two(void) {{ return 0; }}\n"))?;
    let mut command = run::command(compiler);
    command.args([&format!("-std={standard}"), "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg(format!("-I{}", prefix.join("include").display())).args([&one, &two]);
    command.arg("-o").arg(folder.join("program")).arg(format!("-L{}", prefix.join("lib").display()));
    run::output(command.arg("-linspire_auth")).map(|_| ())
}

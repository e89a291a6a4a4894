//! The C side again, under tools that see what a test can't: ASan, UBSan, memcheck.

use std::path::Path;

use super::{Report, c, conformance};
use crate::{
    Outcome,
    need::{self, Tool},
    project, run,
    verbs::driver::{self, Checks, Language},
};

/// The C and C++ side with gcc's sanitizers compiled in; the library itself is the plain one.
pub(super) fn sanitizers() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Cpp, Tool::Sanitizers, Tool::Binutils])?;
    let mut report = Report::default();
    for (language, standard) in [(Language::C, "c11"), (Language::Cpp, "c++17")] {
        for program in c::programs(language)?.iter().filter(|program| !program.says("no-sanitizers")) {
            let name = format!("{}-{}-sanitized", language.name(), program.name);
            let built = c::build(language, program, standard, Checks::Sanitizers, &name);
            let ran =
                built.and_then(|built| is_sanitized(&built).and_then(|()| c::execute(program, &built, &[], &name)));
            report.count(&name, ran);
        }
    }
    let languages = [Language::C, Language::Cpp];
    for language in languages {
        is_sanitized(&driver::native(language, Checks::Sanitizers)?)?;
    }
    let drivers = conformance::built(&languages, Checks::Sanitizers)?;
    report.add(conformance::runner("run.py", &drivers, &["--stores", "memory,sqlite"])?);
    Ok(report)
}

/// A program that was built without its sanitizer passes everything: so that is looked at first.
fn is_sanitized(program: &Path) -> Outcome {
    let symbols = run::output(run::command("nm").arg(program))?;
    for symbol in ["__asan_init", "__ubsan_"] {
        if !symbols.contains(symbol) {
            return Err(format!("{} was built without {symbol}", program.display()).into());
        }
    }
    Ok(())
}

/// What every program runs under. An error anywhere is exit 99, which no test program uses.
fn memcheck() -> Vec<String> {
    let options = [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
        "--show-leak-kinds=definite",
    ];
    let suppressions = project::root().join("tests/c/valgrind.supp");
    let suppressions = format!("--suppressions={}", suppressions.display());
    options.iter().map(|option| (*option).to_owned()).chain([suppressions]).collect()
}

pub(super) fn valgrind() -> Outcome<Report> {
    need::all(&[Tool::Valgrind, Tool::C])?;
    let mut report = Report::default();
    let memcheck = memcheck();
    let memcheck: Vec<&str> = memcheck.iter().map(String::as_str).collect();
    for program in c::programs(Language::C)?.iter().filter(|program| !program.says("no-valgrind")) {
        let name = format!("c-{}-c11", program.name);
        let built = c::build(Language::C, program, "c11", Checks::None, &name);
        report
            .count(&format!("valgrind {name}"), built.and_then(|built| c::execute(program, &built, &memcheck, &name)));
    }
    let driver = driver::native(Language::C, Checks::None)?;
    // The runner reads a driver's exit code, so an error that memcheck saw fails the run.
    let command = format!("c={} {}", memcheck.join(" "), driver.display());
    let _ = project::fresh("scratch/valgrind")?;
    report.add(conformance::runner("run.py", &[command], &["--stores", "memory"])?);
    Ok(report)
}

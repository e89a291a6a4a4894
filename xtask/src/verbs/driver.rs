//! `cargo xtask driver`: a conformance driver, ready to be spoken to.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
};

use super::install;
use crate::{
    Failure, Outcome, Verb,
    args::Args,
    need::{self, Tool},
    node, project, python, run,
};

pub(crate) const VERB: Verb = Verb {
    name: "driver",
    summary: "build a conformance driver and become it",
    help: "cargo xtask driver <rust|c|cpp|python|node>\n\nBuilds what the driver needs (errors on standard error), then speaks JSON lines on standard\ninput and output until the end of the input.",
    run,
};

/// A language that has a driver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    C,
    Cpp,
    Python,
    Node,
}

/// What is compiled into a C or C++ program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    None,
    /// AddressSanitizer and UndefinedBehaviorSanitizer.
    Sanitizers,
}

impl Language {
    /// Every language, in the order in which answers are compared.
    pub(crate) const ALL: &[Self] = &[Self::Rust, Self::C, Self::Cpp, Self::Python, Self::Node];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Python => "python",
            Self::Node => "node",
        }
    }
}

fn run(arguments: Vec<String>) -> Outcome {
    let rest = Args::new(arguments).rest()?;
    let [name] = rest.as_slice() else {
        return Err(Failure::Usage("Name one driver.".to_owned()));
    };
    let Some(language) = Language::ALL.iter().find(|language| language.name() == name) else {
        return Err(Failure::Usage(format!("There is no driver `{name}`.")));
    };
    let command = build(*language, Checks::None)?;
    let [program, arguments @ ..] = command.as_slice() else { return Err("the driver has no program".into()) };
    // The caller's folder stays: a relative path in an `open` request means what the caller meant.
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(format!("{program}: {error}").into())
}

/// Builds the driver and returns the command that starts it.
pub(crate) fn build(language: Language, checks: Checks) -> Outcome<Vec<String>> {
    let folder = project::root().join("tests/drivers").join(language.name());
    match language {
        Language::Rust => {
            run::output(run::cargo().args(["build", "--quiet", "--release", "--package", "inspire-auth-driver"]))?;
            Ok(command(&[&project::target().join("release").join("inspire-auth-driver")]))
        }
        Language::C | Language::Cpp => Ok(command(&[&native(language, checks)?])),
        Language::Python => Ok(command(&[python::installed()?, &folder.join("driver.py")])),
        Language::Node => {
            node::built()?;
            Ok(command(&[Path::new("node"), &folder.join("driver.mjs")]))
        }
    }
}

fn command(parts: &[&Path]) -> Vec<String> {
    parts.iter().map(|part| part.display().to_string()).collect()
}

/// Builds the C or the C++ driver and returns the program.
pub(crate) fn native(language: Language, checks: Checks) -> Outcome<PathBuf> {
    let folder = project::root().join("tests/drivers").join(language.name());
    let sources = project::files(&folder, language.name());
    if sources.is_empty() {
        return Err(format!("there is no source in {}", folder.display()).into());
    }
    let standard = if language == Language::C { "-std=c11" } else { "-std=c++17" };
    let name = format!("driver-{}{}", language.name(), if checks == Checks::None { "" } else { "-sanitized" });
    compile(language, &sources, standard, checks, &name)
}

/// Compiles sources into one program against the library in [`install::staged`], unless it is newer than all of them.
pub(crate) fn compile(
    language: Language,
    sources: &[PathBuf],
    standard: &str,
    checks: Checks,
    name: &str,
) -> Outcome<PathBuf> {
    let prefix = install::staged()?;
    let compiler = if language == Language::Cpp { "g++" } else { "gcc" };
    need::all(&[if language == Language::Cpp { Tool::Cpp } else { Tool::C }])?;
    let bin = project::work("bin");
    fs::create_dir_all(&bin)?;
    let program = bin.join(name);
    let library = prefix.join("lib/libinspire_auth.so");
    let inputs = sources.iter().flat_map(|source| {
        let folder = source.parent().unwrap_or(Path::new("."));
        // The tests in C++ share headers with those in C.
        let shared = project::files(&project::root().join("tests/c"), "h");
        [vec![source.clone()], project::files(folder, "h"), project::files(folder, "hpp"), shared].concat()
    });
    let installed = project::files(&prefix.join("include"), "h").into_iter();
    let installed = installed.chain(project::files(&prefix.join("include"), "hpp")).chain([library]);
    if project::is_newer(&program, &inputs.chain(installed).collect::<Vec<_>>()) {
        return Ok(program);
    }
    // Another run may be starting the old program at this moment: it is replaced, never written into.
    let fresh = bin.join(format!(".{name}.{}", std::process::id()));
    let mut command = run::command(compiler);
    command.args([standard, "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]);
    if checks == Checks::Sanitizers {
        command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]);
    }
    command.arg(format!("-I{}", prefix.join("include").display())).args(sources).arg("-o").arg(&fresh);
    command.arg(format!("-L{}", prefix.join("lib").display())).args(["-linspire_auth", "-lm"]);
    command.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()));
    run::output(&mut command)?;
    fs::rename(&fresh, &program)?;
    Ok(program)
}

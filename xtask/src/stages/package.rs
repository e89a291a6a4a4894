//! Install, then build against what was installed, as a stranger would.

use std::path::Path;

use super::Report;
use crate::{
    Outcome,
    need::{self, Tool},
    project, run,
    verbs::{capi_install, install},
};

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Cpp, Tool::PkgConfig, Tool::CMake, Tool::Binutils])?;
    let mut report = Report::default();
    let ours = project::fresh("package/xtask")?;
    if report.count("cargo xtask install", install::install(&ours, None, "lib")).is_some() {
        report.add(use_it("xtask", &ours));
    }
    let theirs = project::fresh("package/capi")?;
    if report.count("cargo capi install", capi_install(&theirs, None, "lib")).is_some() {
        report.add(use_it("capi", &theirs));
        report.count("both ways install the same files", same_files(&ours, &theirs));
    }
    Ok(report)
}

/// Builds and runs `tests/package` in every way that the documentation names.
fn use_it(who: &str, prefix: &Path) -> Report {
    let mut report = Report::default();
    report.count(&format!("{who}: pkg-config, shared"), shared(who, prefix));
    report.count(&format!("{who}: pkg-config --static"), archive(who, prefix, "hello.c"));
    report.count(&format!("{who}: static, beside a host's own SQLite"), archive(who, prefix, "own_sqlite.c"));
    report.count(&format!("{who}: CMake find_package"), cmake(who, prefix));
    report
}

fn shared(who: &str, prefix: &Path) -> Outcome {
    let program = project::fresh(&format!("package/{who}-shared"))?.join("hello");
    let mut command = compiler("hello.c", &program);
    command.args(pkg_config(prefix, &["--cflags", "--libs"])?);
    run::output(&mut command)?;
    let mut hello = run::command(&program);
    let wrote = run::output(hello.env("LD_LIBRARY_PATH", prefix.join("lib")).current_dir(parent(&program)))?;
    expect_version(&wrote)
}

/// Links the archive itself, not `-l`, which would take the shared library that lies beside it.
fn archive(who: &str, prefix: &Path, source: &str) -> Outcome {
    let program = project::fresh(&format!("package/{who}-static-{source}"))?.join("hello");
    let mut command = compiler(source, &program);
    command.args(pkg_config(prefix, &["--cflags"])?).arg(prefix.join("lib/libinspire_auth.a"));
    command.args(pkg_config(prefix, &["--static", "--libs-only-l"])?.iter().filter(|flag| *flag != "-linspire_auth"));
    run::output(&mut command)?;
    if run::output(run::command("ldd").arg(&program))?.contains("libinspire_auth") {
        return Err("the program still needs the shared library".into());
    }
    expect_version(&run::output(run::command(&program).current_dir(parent(&program)))?)
}

/// `tests/package/CMakeLists.txt`: `inspire::auth` and `inspire::auth_static`, and a version that is too new refused.
fn cmake(who: &str, prefix: &Path) -> Outcome {
    let build = project::fresh(&format!("package/{who}-cmake"))?;
    let mut configure = run::command("cmake");
    configure.arg("-S").arg(project::root().join("tests/package")).arg("-B").arg(&build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    run::output(configure.arg(format!("-DEXPECTED_VERSION={}", project::VERSION)))?;
    run::output(run::command("cmake").arg("--build").arg(&build))?;
    for program in ["hello_shared", "hello_static", "hello_cpp"] {
        expect_version(&run::output(run::command(build.join(program)).current_dir(&build))?)?;
    }
    Ok(())
}

fn compiler(source: &str, program: &Path) -> std::process::Command {
    let mut command = run::command("gcc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg(project::root().join("tests/package").join(source)).arg("-o").arg(program);
    command
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Outcome<Vec<String>> {
    let mut command = run::command("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(arguments).arg("inspire_auth");
    Ok(run::output(&mut command)?.split_whitespace().map(str::to_owned).collect())
}

fn expect_version(wrote: &str) -> Outcome {
    let expected = format!("libinspire_auth {}", project::VERSION);
    if wrote.lines().any(|line| line == expected) { Ok(()) } else { Err(format!("wrote `{wrote}`").into()) }
}

/// What cargo-c installs, `cargo xtask install` installs too, and the other way round.
fn same_files(ours: &Path, theirs: &Path) -> Outcome {
    let list = |prefix: &Path| -> Outcome<Vec<String>> {
        let wrote = run::output(run::command("find").args([".", "-not", "-type", "d"]).current_dir(prefix))?;
        let mut names: Vec<String> = wrote.lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    };
    let (ours, theirs) = (list(ours)?, list(theirs)?);
    if ours == theirs { Ok(()) } else { Err(format!("cargo xtask install: {ours:?}\ncargo capi: {theirs:?}").into()) }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

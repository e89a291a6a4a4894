//! The Python wheel, for every Linux with glibc 2.17 or newer: zig has the old glibc that is linked against.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{archive, dist, made, notices, sdist, venv};
use crate::{
    Outcome,
    need::{self, Tool},
    project, python, run,
    run::say,
    stages::Report,
};

/// What it has to run on: glibc 2.17, of 2012.
const PLATFORM: &str = "manylinux_2_17";
/// What it may be linked with: glibc's own.
const SYSTEM: [&str; 6] =
    ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2"];

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Binutils])?;
    let wheel = build()?;
    let mut report = Report { remark: made(std::slice::from_ref(&wheel)), ..Report::default() };
    report.count("wheel: auditwheel", runs_everywhere(&wheel));
    let inside = project::fresh("package/wheel-inside")?;
    run::output(run::command("python3").args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&inside))?;
    let library = inside.join("inspire_auth/_inspire_auth.abi3.so");
    report.count("wheel: links the system's libraries only", needs_only_the_system(&library));
    report.count("wheel: carries its licenses", has_licenses(&inside));
    venv::test("wheel", &wheel, &[], &mut report)?;
    Ok(report)
}

/// Makes the wheel of the source distribution, so that nothing can be in the one and not in the other.
fn build() -> Outcome<PathBuf> {
    let python = venv::tools()?;
    let folder = project::fresh("package/wheel-source")?;
    archive::unpack(&sdist::build()?, &folder)?;
    let source = folder.join(format!("inspire_auth-{}", project::VERSION));
    archive::put(&source.join(notices::FILE), notices::of("inspire-auth-python")?)?;
    say("building the wheel with zig (two to three minutes the first time)");
    let dist = dist("wheel")?;
    let mut maturin = run::command(python.with_file_name("maturin"));
    maturin.args([
        "build",
        "--release",
        "--zig",
        "--compatibility",
        PLATFORM,
        "--auditwheel",
        "check",
        "--quiet",
        "--out",
    ]);
    maturin.arg(&dist).current_dir(source).env("CARGO_TARGET_DIR", project::target());
    run::output(maturin.env("PATH", path_with(&python)?))?;
    python::only_wheel(&dist)
}

/// auditwheel's own word for it.
fn runs_everywhere(wheel: &Path) -> Outcome {
    let python = venv::tools()?;
    let mut auditwheel = run::command(&python);
    let wrote = run::output(auditwheel.args(["-m", "auditwheel", "show"]).arg(wheel).env("PATH", path_with(&python)?))?;
    let expected = format!("\"{PLATFORM}_{}\"", env::consts::ARCH);
    let says = wrote.split_whitespace().collect::<Vec<_>>().join(" ");
    if says.contains(&format!("is consistent with the following platform tag: {expected}")) {
        Ok(())
    } else {
        Err(wrote.into())
    }
}

fn needs_only_the_system(library: &Path) -> Outcome {
    let dynamic = run::output(run::command("readelf").args(["--dynamic", "--wide"]).arg(library))?;
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)")).filter_map(|line| {
        let (_, name) = line.split_once('[')?;
        name.strip_suffix(']')
    });
    let foreign: Vec<_> = needed.filter(|name| !SYSTEM.contains(name)).collect();
    if foreign.is_empty() { Ok(()) } else { Err(format!("it needs {foreign:?}").into()) }
}

fn has_licenses(inside: &Path) -> Outcome {
    let folder = inside.join(format!("inspire_auth-{}.dist-info/licenses", project::VERSION));
    let missing =
        ["LICENSE-MIT", "LICENSE-APACHE", notices::FILE].into_iter().find(|name| !folder.join(name).is_file());
    missing.map_or(Ok(()), |name| Err(format!("{name} is not in it").into()))
}

/// The search path with an environment's programs first.
fn path_with(python: &Path) -> Outcome<std::ffi::OsString> {
    let ours = python.parent().map(Path::to_path_buf);
    let theirs = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.into_iter().chain(env::split_paths(&theirs))).map_err(|error| error.to_string().into())
}

//! The Python wheel, for every Linux with an old glibc or a newer one: zig has the old one that is linked against.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{archive, dist, elf, made, notices, sdist, venv};
use crate::{
    Outcome,
    need::{self, Tool},
    project, python, run,
    run::say,
    stages::Report,
};

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Binutils])?;
    let wheel = build()?;
    let mut report = Report { remark: made(std::slice::from_ref(&wheel)), ..Report::default() };
    report.count("wheel: auditwheel", runs_everywhere(&wheel));
    let inside = project::fresh("package/wheel-inside")?;
    run::output(run::command("python3").args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&inside))?;
    let library = inside.join("inspire_auth/_inspire_auth.abi3.so");
    report.count("wheel: links the system's libraries only", elf::needs_only_the_system(&library));
    report.count("wheel: carries its licenses", has_licenses(&inside));
    venv::test("wheel", &wheel, &[], &mut report)?;
    Ok(report)
}

/// Makes the wheel of the source distribution, so that nothing can be in the one and not in the other.
fn build() -> Outcome<PathBuf> {
    let folder = project::fresh("package/wheel-source")?;
    archive::unpack(&sdist::build()?, &folder)?;
    let source = folder.join(format!("inspire_auth-{}", project::VERSION));
    archive::put(&source.join(notices::FILE), notices::of("inspire-auth-python")?)?;
    say("building the wheel with zig (two to three minutes the first time)");
    let dist = dist("wheel")?;
    let mut maturin = venv::tool("maturin")?;
    maturin.args(["build", "--release", "--zig", "--auditwheel", "check", "--quiet", "--compatibility", &platform()]);
    maturin.arg("--out").arg(&dist).current_dir(source).env("CARGO_TARGET_DIR", project::target());
    run::output(&mut maturin)?;
    python::only_wheel(&dist)
}

/// The platform as wheels name it.
fn platform() -> String {
    format!("manylinux_{}", venv::GLIBC.replace('.', "_"))
}

/// auditwheel's own word for it.
fn runs_everywhere(wheel: &Path) -> Outcome {
    let wrote = run::output(venv::tool("auditwheel")?.arg("show").arg(wheel))?;
    let expected = format!("\"{}_{}\"", platform(), env::consts::ARCH);
    let says = wrote.split_whitespace().collect::<Vec<_>>().join(" ");
    if says.contains(&format!("is consistent with the following platform tag: {expected}")) {
        Ok(())
    } else {
        Err(wrote.into())
    }
}

fn has_licenses(inside: &Path) -> Outcome {
    let folder = inside.join(format!("inspire_auth-{}.dist-info/licenses", project::VERSION));
    let missing =
        ["LICENSE-MIT", "LICENSE-APACHE", notices::FILE].into_iter().find(|name| !folder.join(name).is_file());
    missing.map_or(Ok(()), |name| Err(format!("{name} is not in it").into()))
}

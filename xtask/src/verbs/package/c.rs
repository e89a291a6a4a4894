//! The tarball of the C library. It may be unpacked anywhere: pkg-config and CMake find it from where their files lie.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{archive, dist, elf, made, notices, strip};
use crate::{
    Outcome,
    need::{self, Tool},
    project, run,
    stages::{Report, package::Installation},
    verbs::install,
};

/// What a stranger reads first; `@NAME@` are filled in.
const README: &str = include_str!("c/README.md");

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Cpp, Tool::PkgConfig, Tool::CMake, Tool::Binutils])?;
    let tarball = build()?;
    let folder = project::fresh("package/c")?;
    archive::unpack(&tarball, &folder)?;
    let installation = Installation::at("c-tarball", &folder.join(name()));
    let mut report = installation.try_it();
    report.add(installation.test_suite());
    report.count(
        "c-tarball: links the system's libraries only",
        elf::needs_only_the_system(&installation.lib().join("libinspire_auth.so")),
    );
    report.count("c-tarball: no path of this machine", says_no_path(&installation.prefix));
    report.remark = made(&[tarball]);
    Ok(report)
}

fn build() -> Outcome<PathBuf> {
    let stage = project::fresh("package/c-stage")?;
    let prefix = stage.join(name());
    install::install(&prefix, None, "lib")?;
    let library = prefix.join("lib").join(format!("libinspire_auth.so.{}", project::VERSION));
    strip(&library)?;
    let pc = prefix.join("lib/pkgconfig/inspire_auth.pc");
    let absolute = fs::read_to_string(&pc)?;
    let (_, rest) = absolute.split_once('\n').ok_or("inspire_auth.pc has one line")?;
    fs::write(&pc, format!("prefix=${{pcfiledir}}/../..\n{rest}"))?;
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(project::root().join(license), prefix.join(license))?;
    }
    archive::put(&prefix.join(notices::FILE), notices::of("inspire-auth-ffi")?)?;
    let readme = README.replace("@VERSION@", project::VERSION).replace("@SONAME@", &install::soname());
    archive::put(&prefix.join("README.md"), readme.replace("@GLIBC@", &elf::glibc(&library)?))?;
    let tarball = dist("c")?.join(format!("{}.tar.gz", name()));
    archive::pack(&stage, &name(), &tarball)?;
    Ok(tarball)
}

fn name() -> String {
    format!("libinspire_auth-{}-{}-linux-gnu", project::VERSION, env::consts::ARCH)
}

/// Text that names the folder where it was made works only there.
fn says_no_path(prefix: &Path) -> Outcome {
    let folder = project::target().to_string_lossy().into_owned();
    let found = run::captured(run::command("grep").args(["-rlI", "--fixed-strings", &folder]).arg(prefix))?;
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    if found.is_empty() { Ok(()) } else { Err(format!("{folder} is in {found}").into()) }
}

//! The Debian packages: the command, the library, and what compilers need, each as Debian's Policy names and divides them.
//!
//! They are installed by dpkg itself into an empty root, whose list of installed packages is a copy of this machine's:
//! so what they depend on is looked for, and this machine stays as it is.

mod control;
mod root;

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{archive, dist, made, notices, strip};
use crate::{
    Outcome,
    need::{self, Tool},
    project, run,
    stages::{Report, package::Installation},
    verbs::install,
};
use control::Package;
use root::Root;

pub(super) fn package() -> Outcome<Report> {
    need::all(&[Tool::C, Tool::Cpp, Tool::PkgConfig, Tool::CMake, Tool::Binutils, Tool::Debian])?;
    let libdir = libdir()?;
    let packages = build(&libdir)?;
    let mut report = Report { remark: made(&packages), ..Report::default() };
    let root = Root::new()?;
    if report.count("deb: dpkg installs them", root.install(&packages)).is_some() {
        report.count("deb: the command works", root.command_works());
        report.count("deb: the shell completes it", root.shell_completes());
        let prefix = root.folder().join("usr");
        let installation = Installation { who: "deb", prefix, libdir, sysroot: Some(root.folder().to_path_buf()) };
        report.add(installation.try_it());
        report.add(installation.test_suite());
        report.count("deb: purged without a trace", root.purge(&packages));
    }
    Ok(report)
}

fn build(libdir: &str) -> Outcome<Vec<PathBuf>> {
    run::output(run::cargo().args(["build", "--release", "--package", "inspire-auth-cli"]))?;
    let whole = project::fresh("package/deb-stage")?;
    install::install(Path::new("/usr"), Some(&whole), libdir)?;
    let dist = dist("deb")?;
    let packages = [command()?, library(&whole, libdir)?, development(&whole, libdir)?];
    packages.iter().map(|package| package.build(&dist)).collect()
}

/// `inspire-auth`: the command line, which has the library inside.
fn command() -> Outcome<Package> {
    let package = Package::new(
        "inspire-auth",
        &[("Section", "admin"), ("Depends", "${shlibs:Depends}")],
        "API keys and licenses on the command line\n\
         inspire-auth makes, lists, changes and revokes the API keys in a store of\n\
         libinspire_auth, and activates, inspects and issues license files. It needs no\n\
         server: it works on the store's file.",
    )?;
    let program = package.path("usr/bin/inspire-auth");
    fs::create_dir_all(package.path("usr/bin"))?;
    fs::copy(project::target().join("release/inspire-auth"), &program)?;
    strip(&program)?;
    for (shell, path) in [
        ("bash", "usr/share/bash-completion/completions/inspire-auth"),
        ("zsh", "usr/share/zsh/vendor-completions/_inspire-auth"),
        ("fish", "usr/share/fish/vendor_completions.d/inspire-auth.fish"),
    ] {
        archive::put(&package.path(path), run::output(run::command(&program).args(["completion", shell]))?)?;
    }
    // What `serve` is put behind: recipes, and a unit of systemd to be copied and fitted.
    for recipe in fs::read_dir(project::root().join("examples/gateways"))? {
        let recipe = recipe?;
        let name = recipe.file_name().to_string_lossy().into_owned();
        archive::put(
            &package.path(&format!("usr/share/doc/inspire-auth/examples/gateways/{name}")),
            fs::read(recipe.path())?,
        )?;
    }
    package.document(&notices::of("inspire-auth-cli")?)?;
    Ok(package)
}

/// `libinspire-auth0.1`: the shared library, named after its SONAME, so that two of them can be installed together.
fn library(whole: &Path, libdir: &str) -> Outcome<Package> {
    let package = Package::new(
        &library_name(),
        &[("Section", "libs"), ("Multi-Arch", "same"), ("Depends", "${shlibs:Depends}")],
        "API keys and licensing, decided in-process (shared library)\n\
         An embeddable library that answers who is calling and what they may do (API\n\
         keys, hashed with Argon2id), and what this installation is licensed for (signed\n\
         license files).",
    )?;
    let full = format!("{libdir}/libinspire_auth.so.{}", project::VERSION);
    for path in [format!("usr/{full}"), format!("usr/{libdir}/{}", install::soname())] {
        package.take(whole, &path)?;
    }
    strip(&package.path(&format!("usr/{full}")))?;
    let (library, abi) = ("libinspire_auth", abi());
    // While an ABI lasts it only grows: a program needs at least the version that it was built with.
    package.meta("shlibs", &format!("{library} {abi} {} (>= {})\n", library_name(), control::upstream()))?;
    package.meta("triggers", "activate-noawait ldconfig\n")?;
    package.document(&notices::of("inspire-auth-ffi")?)?;
    Ok(package)
}

/// `libinspire-auth-dev`: headers, the link, the static library, pkg-config and CMake.
fn development(whole: &Path, libdir: &str) -> Outcome<Package> {
    let depends = format!("{} (= {}), libc6-dev | libc-dev", library_name(), control::version());
    let package = Package::new(
        "libinspire-auth-dev",
        &[("Section", "libdevel"), ("Multi-Arch", "same"), ("Depends", &depends)],
        "API keys and licensing, decided in-process (development files)\n\
         The C header and the C++17 header of libinspire_auth, its static library, and\n\
         what pkg-config and CMake read.",
    )?;
    for path in ["include", "share/cmake"] {
        package.take(whole, &format!("usr/{path}"))?;
    }
    for name in ["libinspire_auth.so", "libinspire_auth.a", "pkgconfig"] {
        package.take(whole, &format!("usr/{libdir}/{name}"))?;
    }
    package.document(&notices::of("inspire-auth-ffi")?)?;
    Ok(package)
}

/// Debian's rule: the library's name and the version in its SONAME.
fn library_name() -> String {
    format!("libinspire-auth{}", abi())
}

fn abi() -> String {
    install::soname().replace("libinspire_auth.so.", "")
}

/// Where Debian has the libraries of this architecture, from `/usr`.
fn libdir() -> Outcome<String> {
    let triplet = run::output(run::command("dpkg-architecture").arg("-qDEB_HOST_MULTIARCH"))?;
    Ok(format!("lib/{}", triplet.trim()))
}

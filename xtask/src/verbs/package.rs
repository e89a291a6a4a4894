//! `cargo xtask package`: what users install, made, then installed into an empty place and tested from there.

mod archive;
mod c;
mod deb;
mod elf;
mod notices;
mod npm;
mod sdist;
mod venv;
mod wheel;

use std::path::{Path, PathBuf};

use crate::{
    Failure, Outcome, Verb,
    args::Args,
    project, run,
    run::say,
    stages::{self, Stage},
};

pub(crate) const VERB: Verb = Verb {
    name: "package",
    summary: "build the packages that users install, and test each as it is installed",
    help: "cargo xtask package [c|deb|sdist|wheel|npm ...]\n\n  c      a tarball of the C library: headers, shared and static library, pkg-config, CMake\n  deb    Debian packages: inspire-auth, libinspire-auth0.1, libinspire-auth-dev\n  sdist  the Python source distribution\n  wheel  the Python wheel for manylinux_2_17, made of the source distribution with zig\n  npm    inspire-auth and the package of this platform, with the addon, made with zig\n\nWithout a name, all of them. Each is put into target/xtask/dist/NAME, installed into an empty place, and its own test\nsuite is run there. The last line is `N passed, N failed, N skipped`.",
    run,
};

/// In the order in which they are made: the quickest to fail first.
const ALL: &[Stage] = &[
    Stage { name: "c", about: "the tarball of the C library", lint: false, run: c::package },
    Stage { name: "deb", about: "the Debian packages", lint: false, run: deb::package },
    Stage { name: "sdist", about: "the Python source distribution", lint: false, run: sdist::package },
    Stage { name: "wheel", about: "the Python wheel for manylinux_2_17", lint: false, run: wheel::package },
    Stage { name: "npm", about: "the npm packages", lint: false, run: npm::package },
];

fn run(arguments: Vec<String>) -> Outcome {
    let names = Args::new(arguments).rest()?;
    if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|package| package.name == name.as_str())) {
        return Err(Failure::Usage(format!("There is no package `{unknown}`.")));
    }
    let chosen: Vec<_> =
        ALL.iter().filter(|package| names.is_empty() || names.iter().any(|name| name == package.name)).collect();
    say(&format!("packages go into {}", project::work("dist").display()));
    stages::run(&chosen)
}

/// The folder for the finished packages of one kind, emptied.
fn dist(kind: &str) -> Outcome<PathBuf> {
    Ok(project::fresh(&format!("dist/{kind}"))?)
}

/// What was made, for the line of its stage: names and sizes.
fn made(packages: &[PathBuf]) -> String {
    let one = |path: &PathBuf| {
        let kilobytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len().div_ceil(1000));
        format!("{} ({kilobytes} kB)", path.file_name().unwrap_or_default().to_string_lossy())
    };
    packages.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Takes all that only a linker or a debugger of ours reads out of a program or shared library.
fn strip(binary: &Path) -> Outcome {
    run::output(run::command("strip").arg("--strip-unneeded").arg(binary)).map(drop)
}

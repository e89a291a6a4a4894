//! What has to be on the machine, and how it gets there.
//!
//! Missing Debian packages are installed when that is possible without asking (root, apt-get); otherwise the command
//! that installs them is the message.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use crate::{Outcome, project, run, run::say};

/// cargo-nextest's version that the tests were run with.
pub(crate) const NEXTEST: &str = "0.9.151";
/// cargo-c's version: the newest that builds with the workspace's minimum Rust version.
pub(crate) const CARGO_C: &str = "0.10.24+cargo-0.98.0";
/// cargo-mutants' version that the figures in docs/reliability.md were made with.
pub(crate) const MUTANTS: &str = "27.1.0";

/// Something that a verb uses and a fresh machine may not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    C,
    Cpp,
    PkgConfig,
    CMake,
    Binutils,
    Valgrind,
    Python,
    PythonVenv,
    Node,
    Microhttpd,
    CppHttplib,
    Sanitizers,
    Debian,
    Faketime,
    Peers,
    Postgres,
    Nginx,
    Caddy,
    Chromium,
    Openssl,
    Wrk,
}

impl Tool {
    /// What a person calls it, and the Debian package it comes in.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::C => ("gcc", "gcc libc6-dev"),
            Self::Cpp => ("g++", "g++"),
            Self::PkgConfig => ("pkg-config", "pkg-config"),
            Self::CMake => ("cmake", "cmake make"),
            Self::Binutils => ("binutils (nm, strip, objcopy)", "binutils"),
            Self::Valgrind => ("valgrind", "valgrind"),
            Self::Python => ("python3", "python3"),
            Self::PythonVenv => ("Python 3.10 or newer with venv", "python3 python3-venv"),
            Self::Node => ("Node.js 20 or newer with npm", "nodejs npm"),
            Self::Microhttpd => ("libmicrohttpd", "libmicrohttpd-dev"),
            Self::CppHttplib => ("cpp-httplib", "libcpp-httplib-dev"),
            Self::Sanitizers => ("gcc's AddressSanitizer", "gcc libc6-dev"),
            Self::Debian => ("dpkg-dev, fakeroot", "dpkg-dev fakeroot"),
            Self::Faketime => ("libfaketime", "faketime"),
            Self::Postgres => ("PostgreSQL's server, and PgBouncer", "postgresql-15 pgbouncer"),
            Self::Nginx => ("nginx, and what its modules are built with", "nginx nginx-dev make"),
            Self::Caddy => ("Caddy", "caddy"),
            Self::Chromium => ("Chromium", "chromium fonts-dejavu-core"),
            Self::Openssl => ("openssl", "openssl"),
            Self::Wrk => ("wrk", "wrk"),
            Self::Peers => ("libsodium, libjwt and libargon2", "libsodium-dev libjwt-dev libargon2-1"),
        }
    }

    fn is_here(self) -> bool {
        match self {
            Self::C => answers("gcc", &["--version"]) && Path::new("/usr/include/stdio.h").exists(),
            Self::Cpp => answers("g++", &["--version"]),
            Self::PkgConfig => answers("pkg-config", &["--version"]),
            Self::CMake => answers("cmake", &["--version"]) && answers("make", &["--version"]),
            Self::Binutils => {
                ["nm", "strip", "objcopy", "ar", "ld"].iter().all(|program| answers(program, &["--version"]))
            }
            Self::Valgrind => answers("valgrind", &["--version"]),
            Self::Python => answers("python3", &["--version"]),
            Self::Debian => {
                ["dpkg-shlibdeps", "dpkg-deb", "fakeroot"].iter().all(|program| answers(program, &["--version"]))
            }
            Self::PythonVenv => {
                answers("python3", &["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"])
            }
            Self::Node => {
                answers("node", &["-e", "process.exitCode = parseInt(process.versions.node) < 20 ? 1 : 0"])
                    && answers("npm", &["--version"])
            }
            Self::Faketime => answers("faketime", &["--version"]),
            Self::Peers => {
                answers("pkg-config", &["--exists", "libsodium", "libjwt"])
                    && run::output(run::command("ldconfig").arg("-p")).is_ok_and(|list| list.contains("libargon2.so.1"))
            }
            Self::Postgres => inspire_auth_test_postgres::is_installed(),
            Self::Nginx => {
                answers("nginx", &["-v"])
                    && answers("make", &["--version"])
                    && Path::new("/usr/share/nginx/src/configure").exists()
            }
            Self::Caddy => answers("caddy", &["version"]),
            Self::Chromium => answers("chromium", &["--version"]),
            Self::Openssl => answers("openssl", &["version"]),
            // It has no way to be asked for its version that succeeds.
            Self::Wrk => run::captured(run::command("wrk").arg("-v")).is_ok(),
            Self::Microhttpd => answers("pkg-config", &["--exists", "libmicrohttpd"]),
            Self::CppHttplib => Path::new("/usr/include/httplib.h").exists(),
            Self::Sanitizers => {
                run::output(run::command("gcc").arg("-print-file-name=libasan.so")).is_ok_and(|path| path.contains('/'))
            }
        }
    }
}

/// Makes sure that all of these are here, installing what is missing where that needs no question.
pub(crate) fn all(tools: &[Tool]) -> Outcome {
    let missing: Vec<Tool> = tools.iter().copied().filter(|tool| !tool.is_here()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.names().1.split(' ')).collect();
    let names = missing.iter().map(|tool| tool.names().0).collect::<Vec<_>>().join(", ");
    let by_hand = format!("apt-get install -y {}", packages.join(" "));
    if !(is_root() && answers("apt-get", &["--version"])) {
        return Err(format!("missing: {names}\nOn Debian or Ubuntu: sudo {by_hand}").into());
    }
    say(&format!("missing: {names}; installing with `{by_hand}`"));
    refresh_package_lists();
    let mut install = run::command("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(&packages).env("DEBIAN_FRONTEND", "noninteractive");
    run::output(&mut install)?;
    match missing.iter().find(|tool| !tool.is_here()) {
        Some(tool) => Err(format!("{} is still missing after `{by_hand}`", tool.names().0).into()),
        None => Ok(()),
    }
}

/// `apt-get update`, once a run. A failure shows in the installation that follows.
fn refresh_package_lists() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let _ = run::captured(run::command("apt-get").arg("update"));
    });
}

/// A component of the Rust toolchain, such as `clippy`.
pub(crate) fn component(subcommand: &str, component: &str) -> Outcome {
    if run::captured(run::cargo().args([subcommand, "--version"]))?.status.success() {
        return Ok(());
    }
    Err(format!("cargo {subcommand} is missing. With rustup: rustup component add {component}").into())
}

/// Whether cargo-nextest is here. Without it `cargo test` runs the same tests.
pub(crate) fn has_nextest() -> bool {
    run::captured(run::cargo().args(["nextest", "--version"])).is_ok_and(|output| output.status.success())
}

/// cargo-c's own program, built into the tools folder when it is not there.
pub(crate) fn cargo_c() -> Outcome<PathBuf> {
    all(&[Tool::C, Tool::PkgConfig])?;
    let (release, _) = CARGO_C.split_once('+').unwrap_or((CARGO_C, ""));
    tool("cargo-c", release, CARGO_C, "cargo-capi", "8 to 10 minutes")
}

/// cargo-mutants, built into the tools folder when it is not there.
pub(crate) fn cargo_mutants() -> Outcome<PathBuf> {
    tool("cargo-mutants", MUTANTS, MUTANTS, "cargo-mutants", "two minutes")
}

/// A program of a crate at one version, built once a machine.
fn tool(name: &str, release: &str, version: &str, program: &str, takes: &str) -> Outcome<PathBuf> {
    let folder = project::tools().join(format!("{name}-{release}"));
    let program = folder.join("bin").join(program);
    if program.exists() {
        return Ok(program);
    }
    say(&format!("building {name} {version} into {}: {takes}, once", folder.display()));
    // Its own target folder, removed by cargo: the workspace's lock file and profiles have no say in it.
    let mut install = run::cargo();
    install.args(["install", name, "--locked", "--quiet", "--version", version, "--root"]).arg(&folder);
    install.current_dir("/").env_remove("CARGO_TARGET_DIR").stdout(Stdio::null());
    run::visibly(&mut install)?;
    if program.exists() { Ok(program) } else { Err(format!("{} was not made", program.display()).into()) }
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    run::captured(run::command(program).args(arguments)).is_ok_and(|output| output.status.success())
}

fn is_root() -> bool {
    run::output(run::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

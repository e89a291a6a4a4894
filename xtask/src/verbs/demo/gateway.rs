//! A gateway of `examples`: built, started, and ended whatever happens.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{kept::Kept, site::Site};
use crate::{Outcome, node, project, python, run, verbs::install};

/// Which of the gateways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cpp,
    Python,
    Node,
}

impl Language {
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::C => "examples/c/gateway.c",
            Self::Cpp => "examples/cpp/gateway.cpp",
            Self::Python => "examples/python/app.py",
            Self::Node => "examples/node/app.mjs",
        }
    }

    /// Whether it links the C library.
    pub(super) const fn is_native(self) -> bool {
        matches!(self, Self::C | Self::Cpp)
    }
}

/// Builds it, or what it imports, and returns the command that starts it.
pub(super) fn build(language: Language) -> Outcome<Vec<PathBuf>> {
    let source = project::root().join(language.source());
    match language {
        Language::C => native("gcc", "-std=c11", &["inspire_auth", "libmicrohttpd"], language),
        Language::Cpp => native("g++", "-std=c++17", &["inspire_auth", "cpp-httplib"], language),
        Language::Python => Ok(vec![python::installed()?.to_path_buf(), source]),
        Language::Node => {
            node::built()?;
            node::install(source.parent().unwrap_or(Path::new(".")))?;
            Ok(vec!["node".into(), source])
        }
    }
}

/// Builds it against the installed library, as any host would be: with the flags that pkg-config tells.
fn native(compiler: &str, standard: &str, packages: &[&str], language: Language) -> Outcome<Vec<PathBuf>> {
    Ok(vec![compile(compiler, standard, packages, install::staged()?, language.source())?])
}

/// Builds one source file of `examples`; returns the program.
pub(super) fn compile(
    compiler: &str,
    standard: &str,
    packages: &[&str],
    prefix: &Path,
    source: &str,
) -> Outcome<PathBuf> {
    let folder = project::work("demo");
    fs::create_dir_all(&folder)?;
    let program = folder.join(source.replace('/', "-")).with_extension("");
    let mut flags = run::command("pkg-config");
    flags.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(["--cflags", "--libs"]).args(packages);
    let flags = run::output(&mut flags)?;
    let mut command = run::command(compiler);
    command.args([standard, "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", source, "-o"]).arg(&program);
    command.args(flags.split_whitespace()).arg("-pthread");
    command.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()));
    run::output(&mut command)?;
    Ok(program)
}

/// A running gateway.
pub(super) struct Gateway {
    kept: Kept,
    /// Where requests count as having come through TLS.
    pub(super) secure: SocketAddr,
    /// Where they don't.
    pub(super) plain: SocketAddr,
}

impl Gateway {
    pub(super) fn start(program: &[PathBuf], site: &Site) -> Outcome<Self> {
        let mut command: Vec<OsString> = program.iter().map(OsString::from).collect();
        command.extend(["--store".into(), site.store().into()]);
        command.extend(["--plain-port", "0", "--trusted-key", &site.trusted].map(OsString::from));
        if let Some(machine_id) = &site.machine_id {
            command.extend(["--machine-id", machine_id].map(OsString::from));
        }
        let mut kept = Kept::start(&command, &site.folder().join("gateway.log"))?;
        match (listening(&mut kept)?, listening(&mut kept)?) {
            (Some(secure), Some(plain)) => Ok(Self { kept, secure, plain }),
            _ => Err(format!("the gateway did not start ({})", kept.why()?).into()),
        }
    }

    /// Waits until the gateway ends by itself, which it does not do for a good reason.
    pub(super) fn wait(&mut self) -> Outcome {
        while let Some(line) = self.kept.line()? {
            println!("{line}");
        }
        Err("the gateway ended by itself".into())
    }

    /// Ends it as a service manager would, and looks whether it ended well.
    pub(super) fn end(mut self) -> Outcome {
        match self.kept.stop()? {
            status if status.success() => Ok(()),
            status => Err(format!("the gateway ended badly: {status}").into()),
        }
    }
}

/// The address in the next line, `listening on ADDRESS`.
fn listening(kept: &mut Kept) -> Outcome<Option<SocketAddr>> {
    let line = kept.line()?.unwrap_or_default();
    Ok(line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()?.parse().ok()))
}

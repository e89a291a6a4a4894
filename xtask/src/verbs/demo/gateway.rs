//! A gateway of `examples`: built, started, and ended whatever happens.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::site::Site;
use crate::{Outcome, node, project, python, run, verbs::install};

/// How long a gateway may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Runs the gateway and outlives us: the end of its standard input, which comes also when we are killed, ends the
/// gateway. It ignores the signals that a terminal sends to all processes of a command. First it says the gateway's pid.
const KEEPER: &str = r#"
trap '' HUP INT TERM
log=$1; shift
(trap - HUP INT TERM; exec sh -c 'echo "$$"; exec "$@"' sh "$@") 2>"$log" &
exec >/dev/null
read -r _
kill "$!"
wait "$!"
"#;

/// A running gateway.
pub(super) struct Gateway {
    keeper: Child,
    pid: String,
    output: Lines<BufReader<ChildStdout>>,
    /// Where requests count as having come through TLS.
    pub(super) secure: SocketAddr,
    /// Where they don't.
    pub(super) plain: SocketAddr,
}

impl Gateway {
    pub(super) fn start(program: &[PathBuf], site: &Site) -> Outcome<Self> {
        let log = site.folder().join("gateway.log");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&log).args(program);
        command.arg("--store").arg(site.store()).args(["--plain-port", "0", "--trusted-key", &site.trusted]);
        if let Some(machine_id) = &site.machine_id {
            command.args(["--machine-id", machine_id]);
        }
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = BufReader::new(keeper.stdout.take().ok_or("the gateway has no output")?).lines();
        let pid = output.next().transpose()?.unwrap_or_default();
        let (Some(secure), Some(plain)) = (listening(&mut output), listening(&mut output)) else {
            drop(keeper.stdin.take());
            let status = keeper.wait()?;
            let why = fs::read_to_string(log).unwrap_or_default();
            return Err(format!("the gateway did not start ({status})\n{why}").into());
        };
        Ok(Self { keeper, pid, output, secure, plain })
    }

    /// Waits until the gateway ends by itself, which it does not do for a good reason.
    pub(super) fn wait(&mut self) -> Outcome {
        while let Some(line) = self.output.next().transpose()? {
            println!("{line}");
        }
        Err("the gateway ended by itself".into())
    }

    /// Ends it as a service manager would, and looks whether it ended well.
    pub(super) fn end(mut self) -> Outcome {
        match self.stop()? {
            status if status.success() => Ok(()),
            status => Err(format!("the gateway ended badly: {status}").into()),
        }
    }

    /// SIGTERM; when that does not help, SIGKILL. Until the keeper is gone, the pid is that of its child.
    fn stop(&mut self) -> Outcome<ExitStatus> {
        drop(self.keeper.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.keeper.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        run::captured(run::command("kill").args(["-KILL", &self.pid]))?;
        Ok(self.keeper.wait()?)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The address in the next line, `listening on ADDRESS`.
fn listening(output: &mut Lines<BufReader<ChildStdout>>) -> Option<SocketAddr> {
    let line = output.next()?.ok()?;
    line.strip_prefix("listening on ")?.split(' ').next()?.parse().ok()
}

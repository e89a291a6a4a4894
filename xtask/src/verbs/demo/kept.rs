//! A program that runs beside the demonstration, and ends with it whatever happens.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, run};

/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a program and outlives us: the end of its standard input, which comes also when we are killed, ends the program.
/// It ignores the signals that a terminal sends to all processes of a command. First it says the program's pid.
const KEEPER: &str = r#"
trap '' HUP INT TERM
log=$1; shift
(trap - HUP INT TERM; exec sh -c 'echo "$$"; exec "$@"' sh "$@") 2>"$log" &
exec >/dev/null
read -r _
kill "$!"
wait "$!"
"#;

/// A running program.
pub(super) struct Kept {
    keeper: Child,
    pid: String,
    output: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Kept {
    /// Starts it, with its standard error in a log.
    pub(super) fn start(program: &[OsString], log: &Path) -> Outcome<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(log).args(program);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = BufReader::new(keeper.stdout.take().ok_or("the program has no output")?).lines();
        let pid = output.next().transpose()?.unwrap_or_default();
        Ok(Self { keeper, pid, output, log: log.to_owned() })
    }

    /// The next line that it says; `None` when it has ended.
    pub(super) fn line(&mut self) -> Outcome<Option<String>> {
        Ok(self.output.next().transpose()?)
    }

    /// Why it ended before it was to.
    pub(super) fn why(&mut self) -> Outcome<String> {
        drop(self.keeper.stdin.take());
        let status = self.keeper.wait()?;
        Ok(format!("{status}\n{}", fs::read_to_string(&self.log).unwrap_or_default()))
    }

    /// SIGTERM; when that does not help, SIGKILL. Until the keeper is gone, the pid is that of its child.
    pub(super) fn stop(&mut self) -> Outcome<ExitStatus> {
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

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

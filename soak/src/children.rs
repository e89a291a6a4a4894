//! The processes that a sweep starts and watches: copies of the program, which never outlive it.

use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, progress::INTERRUPTED};

/// How long a process may take for what takes milliseconds, on any machine. Past it, it hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// One process of a sweep, killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    role: &'static str,
}

impl Process {
    /// Starts `program` in this role.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(program: &std::path::Path, role: &'static str, arguments: &[String]) -> io::Result<Self> {
        let child = Command::new(program)
            .arg(format!("--as={role}"))
            .arg(std::process::id().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self { child, role })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and its end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// Those of the system.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not come within [`PATIENCE`].
    pub fn wait(&mut self) -> Result<ExitStatus, Box<dyn std::error::Error + Send + Sync>> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("a {} does not end", self.role).into());
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Waits for its end, and returns what it wrote.
    ///
    /// # Errors
    /// When it did not end well.
    pub fn answer(mut self) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let status = self.wait()?;
        // Only now: it says less than a pipe holds, and what hangs must not hang its reader.
        let mut said = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            io::Read::read_to_end(&mut stdout, &mut said)?;
        }
        if status.success() { Ok(said) } else { Err(format!("a {} ended with {status}", self.role).into()) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each role does first: from now on this process dies with the thread that started it, and by nothing that is
/// meant for that one. Returns the other arguments.
///
/// # Errors
/// When the starter is gone already, or did not say who it is.
pub fn enlist(arguments: &[String]) -> Result<&[String], Box<dyn std::error::Error + Send + Sync>> {
    let [starter, rest @ ..] = arguments else { return Err("a role is played for another process only".into()) };
    let starter: libc::pid_t = starter.parse()?;
    // SAFETY: both only change how this process takes signals; a keyboard's interrupt goes to the whole group, and the
    // starter ends its processes itself.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    // SAFETY: it reads a number of this process, and can't fail.
    if unsafe { libc::getppid() } != starter {
        return Err("the process that started this one is gone".into());
    }
    Ok(rest)
}

/// Lets an interrupt or a request to end finish the slice, with everything tidied up, instead of the process.
pub fn end_slices_on_interrupt() {
    extern "C" fn note(_signal: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let note: extern "C" fn(libc::c_int) = note;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler does nothing but one atomic store, which a signal handler may.
        unsafe { libc::signal(signal, note as libc::sighandler_t) };
    }
}

/// Waits for something that another process does.
///
/// # Errors
/// That of `happened`, or when it does not happen within [`PATIENCE`].
pub fn wait_for(
    what: &str,
    mut happened: impl FnMut() -> Result<bool, Box<dyn std::error::Error + Send + Sync>>,
) -> Outcome {
    let begun = Instant::now();
    while !happened()? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("it did not happen in {} s: {what}", PATIENCE.as_secs()).into());
        }
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}

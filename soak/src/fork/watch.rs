//! Who sees a hang: a thread of the parent, which says where every thread of every process stands, without a debugger.

use std::{
    fs,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Without any step for so long, it hangs: in the sweep, and on a machine that may have a hundred other things to do.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

#[derive(Debug, Default)]
struct Seen {
    steps: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    step: &'static str,
    children: Vec<libc::pid_t>,
    over: bool,
}

/// Watches the thread that tells it of its steps.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Arc<Seen>,
    watcher: Option<JoinHandle<()>>,
}

fn lock(seen: &Seen) -> MutexGuard<'_, State> {
    seen.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn new() -> Self {
        let seen = Arc::<Seen>::default();
        let watching = Arc::clone(&seen);
        Self { seen, watcher: Some(thread::spawn(move || watch(&watching))) }
    }

    /// Says that the parent got here. Not to be called in a child, which does not have the watching thread.
    pub(super) fn step(&self, what: &'static str) {
        lock(&self.seen).step = what;
        self.seen.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn born(&self, child: libc::pid_t) {
        lock(&self.seen).children.push(child);
    }

    pub(super) fn died(&self, child: libc::pid_t) {
        lock(&self.seen).children.retain(|other| *other != child);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.seen).over = true;
        self.seen.changed.notify_all();
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

#[allow(clippy::print_stderr, reason = "the process ends here")]
fn watch(seen: &Seen) {
    let mut before = u64::MAX;
    let patience = if std::env::var_os(super::SWITCH).is_some() { PATIENCE.0 } else { PATIENCE.1 };
    let mut state = lock(seen);
    while !state.over {
        let (next, waited) = seen.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
        state = next;
        let steps = seen.steps.load(Ordering::Relaxed);
        if waited.timed_out() && steps == before {
            eprintln!("nothing moved for {} s after: {}", patience.as_secs(), state.step);
            for process in
                state.children.iter().copied().chain([libc::pid_t::try_from(std::process::id()).unwrap_or(0)])
            {
                describe(process);
            }
            for child in &state.children {
                // SAFETY: it only sends a signal, to a child that was not waited for.
                unsafe { libc::kill(*child, libc::SIGKILL) };
            }
            std::process::abort();
        }
        before = steps;
    }
}

#[allow(clippy::print_stderr, reason = "as above")]
fn describe(process: libc::pid_t) {
    eprintln!("process {process}");
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return };
    for task in tasks.flatten() {
        eprintln!("  thread {}", task.file_name().to_string_lossy());
        for what in ["comm", "wchan", "syscall", "stack"] {
            if let Ok(text) = fs::read_to_string(task.path().join(what)) {
                eprintln!("    {what}: {}", text.trim_end());
            }
        }
    }
}

//! The way back into the interpreter, for threads that may come too late.
//!
//! A thread that attaches to an interpreter which is being finalized is ended by it, in the middle of our frames. So
//! who wants in is counted; at exit the door is closed first, and those who are on their way are let through.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use inspire_auth_platform::fork;
use pyo3::prelude::*;

/// How many are on their way in, below the epoch of their process: a forked child does not wait for its parent's.
static ENTERING: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);
/// The thread that finalizes the interpreter; it alone still gets in.
static FINALIZER: OnceLock<ThreadId> = OnceLock::new();

/// The way in of one thread.
pub(crate) struct Passage(u64);

impl Passage {
    /// Announces that this thread will attach; `None` when it must not any more.
    pub(crate) fn open() -> Option<Self> {
        let epoch = u64::from(fork::epoch()) << 32;
        let entered = |seen: u64| if seen & !0xffff_ffff == epoch { seen.wrapping_add(1) } else { epoch | 1 };
        let _ = ENTERING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |seen| Some(entered(seen)));
        let passage = Self(epoch);
        if CLOSED.load(Ordering::SeqCst) && FINALIZER.get() != Some(&thread::current().id()) {
            return None;
        }
        Some(passage)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let left = |seen: u64| (seen & !0xffff_ffff == self.0 && seen != self.0).then(|| seen.wrapping_sub(1));
        let _ = ENTERING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
    }
}

/// Runs `body` attached to the interpreter; says whether it could.
pub(crate) fn enter(body: impl FnOnce(Python<'_>)) -> bool {
    Passage::open().is_some_and(|_passage| Python::try_attach(body).is_some())
}

/// Announces that this thread re-attaches. When it must not any more, it rests here until the process ends, as threads
/// do in later versions of Python.
pub(crate) fn reattach() -> Passage {
    Passage::open().unwrap_or_else(|| {
        loop {
            thread::park();
        }
    })
}

/// Announces that Python code runs above frames of ours, which may let the interpreter's lock go and want it back.
pub(crate) fn run_python(py: Python<'_>) -> Passage {
    Passage::open().unwrap_or_else(|| {
        py.detach(|| {
            loop {
                thread::park();
            }
        })
    })
}

/// How long the end of the interpreter waits at most: somebody's audit callback may never return.
const PATIENCE: Duration = Duration::from_secs(1);

/// Closes the way in at exit, and waits for those who are in it.
#[pyfunction]
pub(crate) fn close_gate(py: Python<'_>) {
    let _ = FINALIZER.set(thread::current().id());
    CLOSED.store(true, Ordering::SeqCst);
    let epoch = u64::from(fork::epoch()) << 32;
    py.detach(|| {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let seen = ENTERING.load(Ordering::SeqCst);
            if seen & !0xffff_ffff != epoch || seen == epoch {
                break;
            }
            thread::sleep(Duration::from_micros(200));
        }
    });
}

/// Has the gate closed when the interpreter exits.
pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fork::watch();
    let close = module.getattr("close_gate")?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}

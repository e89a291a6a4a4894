//! The thread on which everything of the network happens, and how other threads wait for it.
//!
//! A host may call from a thread of an executor of its own, in which no second one may run; and what a check waits for needs
//! an end, whatever the network does. So the connections live on one thread of ours, and callers wait, with a deadline, for
//! what it hands them.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime, sync::Notify};

use crate::error::{Code, Error, Result};

/// How long connections have to say goodbye when everything ends.
const GOODBYE: Duration = Duration::from_millis(200);

/// The thread.
#[derive(Debug)]
pub(super) struct Engine {
    handle: runtime::Handle,
    stop: Arc<Notify>,
    /// Held by every task: closed when the last one is over.
    tasks: Mutex<Option<tokio::sync::mpsc::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    pub(super) fn start() -> Result<Self> {
        let failed = |error| Error::with(Code::StoreUnavailable, "no thread could be started").caused_by(error);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let stop = Arc::new(Notify::new());
        let (tasks, mut over) = tokio::sync::mpsc::channel(1);
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("inspire-auth-pg".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    told.notified().await;
                    // Nobody sends anything: it answers when nobody could any more.
                    let _ = tokio::time::timeout(GOODBYE, over.recv()).await;
                });
                // Never waits for a name that is being looked up.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self { handle, stop, tasks: Mutex::new(Some(tasks)), thread: Mutex::new(Some(thread)) })
    }

    /// Runs a future on the thread; `None` once that is to end.
    pub(super) fn spawn<F>(&self, future: F) -> Option<tokio::task::JoinHandle<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let alive = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(self.handle.spawn(async move {
            let done = future.await;
            drop(alive);
            done
        }))
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&self) {
        drop(self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.stop.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may go on the thread itself.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Wakes one waiting thread.
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_one();
    }
}

/// Waits on this thread for what happens on another; `None` when it has not by `deadline`.
pub(super) fn wait<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    let bell = Arc::new(Bell { rung: Mutex::new(false), heard: Condvar::new() });
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        let mut rung = bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            rung = bell.heard.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
    }
}

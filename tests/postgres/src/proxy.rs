//! Something between a client and its server that can fail in the ways of a network.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

/// What gets lost of a question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The question: nobody hears it.
    Question,
    /// The answer: what was asked for is done.
    Answer,
}

/// A proxy on a loopback port. It ends with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    target: AtomicU16,
    /// Nothing goes through, and nobody is told.
    is_silent: AtomicBool,
    /// What, when a client says it, is lost with its connection: before it arrives, or only the answer.
    loses: Mutex<Option<(String, Lost)>>,
    /// New connections are ended at once.
    refuses: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Begins to pass connections on to a loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { target: AtomicU16::new(target), ..Shared::default() });
        let its = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                its.serve(client);
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database behind it, for its owner.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://admin@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Swallows what is sent from now on, in both directions, or no longer: what was swallowed never arrives, so that such a
    /// connection is of no use any more.
    pub fn be_silent(&self, is_silent: bool) {
        self.shared.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Ends each new connection at once, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Loses the connection of the next client that says `what`, once.
    pub fn lose(&self, what: &str, lost: Lost) {
        *self.shared.loses.lock().unwrap_or_else(PoisonError::into_inner) = Some((what.to_owned(), lost));
    }

    /// Ends every connection.
    pub fn cut(&self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Passes new connections on to another port, and ends the others.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        self.cut();
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, client: TcpStream) {
        if self.refuses.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let copies = [client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone()];
        let [Ok(one), Ok(other), Ok(from_client), Ok(from_server)] = copies else { return };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([one, other]);
        for (from, to) in [(from_client, server), (from_server, client)] {
            let its = Arc::clone(self);
            thread::spawn(move || its.pump(from, to));
        }
    }

    /// What is to be lost, if these bytes are what was waited for.
    fn lost(&self, said: &[u8]) -> Option<Lost> {
        let mut loses = self.loses.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, lost) = loses.as_ref()?;
        let lost = said.windows(what.len()).any(|part| part == what.as_bytes()).then_some(*lost)?;
        *loses = None;
        Some(lost)
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = from.set_read_timeout(Some(Duration::from_secs(600)));
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.is_silent.load(Ordering::SeqCst) {
                continue;
            }
            let Some(bytes) = buffer.get(..length) else { break };
            match self.lost(bytes) {
                Some(Lost::Question) => break,
                Some(Lost::Answer) => {
                    let _ = (from.shutdown(Shutdown::Both), to.write_all(bytes));
                    // The server reads what was sent before it sees the end.
                    break;
                }
                None if to.write_all(bytes).is_err() => break,
                None => {}
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

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

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = from.set_read_timeout(Some(Duration::from_secs(600)));
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.is_silent.load(Ordering::SeqCst) {
                continue;
            }
            if buffer.get(..length).is_none_or(|bytes| to.write_all(bytes).is_err()) {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

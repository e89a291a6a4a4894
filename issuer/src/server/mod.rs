//! The listening socket, and the thread that serves it.

mod connection;
mod exchange;
mod payload;
mod tls;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use inspire_auth_core::{Code, Error, Result, license::issue::SigningKey};
use tokio::{runtime::Runtime, sync::watch};

pub use tls::Tls;

use crate::{
    api::{self, Api},
    script::Script,
    store::Store,
    time,
};
use exchange::Shared;

/// What the time is, in Unix seconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Receives a line of the log as each answer is ready. It must not block for long.
pub type Log = Arc<dyn Fn(&Entry) + Send + Sync>;

/// A request and what became of it. Nothing in it is secret.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The method.
    pub method: Method,
    /// The route, such as `/v1/machines/{machine}`: the path itself may hold a license key.
    pub route: String,
    /// The status; `None` when the connection was dropped on purpose.
    pub status: Option<StatusCode>,
    /// The code of a validation or a problem.
    pub code: Option<&'static str>,
    /// The failures that were put on it, as [`crate::Step`] reads them.
    pub failures: String,
    /// How long it took.
    pub took: Duration,
}

/// What a server is started with. [`Options::new`] has the defaults.
#[derive(Clone)]
pub struct Options {
    /// What it knows.
    pub store: Arc<Store>,
    /// The vendor's key, which signs answers and files.
    pub key: Arc<SigningKey>,
    /// Where it listens; port 0 is any that is free. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// The account: `/v1/accounts/ACCOUNT/...` must name it, and answers say it. 1 to 64 letters, digits, `.`, `_` or
    /// `-`. `None`: any may be named.
    pub account: Option<String>,
    /// The certificate. `None`: plain HTTP, which is for this machine's own clients or behind a proxy.
    pub tls: Option<Tls>,
    /// Failures on purpose. Default none.
    pub script: Script,
    /// What the time is. Default the system's.
    pub clock: Clock,
    /// Where requests are noted. Default nowhere.
    pub log: Option<Log>,
}

impl Options {
    /// The defaults, with this store and key.
    #[must_use]
    pub fn new(store: impl Into<Arc<Store>>, key: impl Into<Arc<SigningKey>>) -> Self {
        Self {
            store: store.into(),
            key: key.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account: None,
            tls: None,
            script: Script::default(),
            clock: Arc::new(time::now),
            log: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("listen", &self.listen).field("account", &self.account).finish_non_exhaustive()
    }
}

/// The server: [`Server::start`] is all of it.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Listens, and serves on threads of its own until it is stopped.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an account or a certificate that can't be; `NETWORK_CONNECT` when nothing can listen there.
    pub fn start(options: Options) -> Result<Running> {
        check_account(options.account.as_deref())?;
        let acceptor = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let refused = |error| Error::with(Code::NetworkConnect, "nothing can listen there").caused_by(error);
        let listener = TcpListener::bind(options.listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let runtime = runtime()?;
        let api = Arc::new(Api {
            store: Arc::clone(&options.store),
            key: Arc::clone(&options.key),
            account: options.account.clone(),
            clock: Arc::clone(&options.clock),
        });
        let is_secure = acceptor.is_some();
        let shared = Arc::new(Shared {
            router: api::router(Arc::clone(&api)),
            api,
            script: options.script.clone(),
            log: options.log,
        });
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            runtime.block_on(connection::serve(listener, acceptor, shared, stopped));
            runtime.shutdown_timeout(connection::GRACE);
        };
        let thread = thread::Builder::new().name("issuer".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| Error::new(Code::Internal).caused_by(error))?;
        let (store, script) = (options.store, options.script);
        Ok(Running { addr, is_secure, store, script, stop, thread: Some(thread) })
    }
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("issuer-worker")
        .enable_all()
        .build()
        .map_err(|error| Error::new(Code::Internal).caused_by(error))
}

/// It stands in a header, between quotes.
fn check_account(account: Option<&str>) -> Result<()> {
    let fine = |account: &str| {
        (1..=64).contains(&account.len())
            && account.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    if account.is_none_or(fine) {
        return Ok(());
    }
    Err(Error::with(Code::InvalidArgument, "an account is 1 to 64 letters, digits, `.`, `_` or `-`"))
}

/// A server that runs, until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    is_secure: bool,
    store: Arc<Store>,
    script: Script,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its API begins, such as `http://127.0.0.1:8080/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/v1", if self.is_secure { "https" } else { "http" }, self.addr)
    }

    /// What it knows. Changes are there for the next request.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The failures that are still to come.
    #[must_use]
    pub const fn script(&self) -> &Script {
        &self.script
    }

    /// Stops: no more requests are taken, and those under way have some seconds to end.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

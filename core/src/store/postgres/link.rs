//! One connection: how it is made, and how a caller's thread speaks through it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use inspire_auth_platform::clock::monotonic_millis;
use rustls::pki_types::ServerName;
use tokio::{sync::Notify, task::AbortHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, Client, Connection, Row,
    config::Host,
    types::{ToSql, Type},
};

use super::{
    engine::{Engine, wait},
    faults::{from_postgres, late},
    options::Endpoint,
    socket::Socket,
    tls::{Encrypted, Expected},
};
use crate::error::{Code, Error, Result};

/// A parameter and its type: with it a statement needs one round trip, and nothing on the server that a pooler would have
/// to know of.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// An open connection, which lives on the engine's thread.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    task: AbortHandle,
    /// Whether somebody gave up waiting for an answer: what comes next would be that one.
    is_broken: AtomicBool,
    /// When it was used last, in milliseconds of the monotonic clock.
    used: AtomicU64,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Else it says goodbye by itself, once the client is gone.
        if self.is_broken() {
            self.task.abort();
        }
    }
}

impl Link {
    /// Connects, from any thread.
    pub(super) fn open(
        engine: &Arc<Engine>,
        to: &Arc<Endpoint>,
        rings: Option<Arc<Notify>>,
        deadline: Instant,
    ) -> Result<Self> {
        let (its, to) = (Arc::clone(engine), Arc::clone(to));
        let patience = deadline.saturating_duration_since(Instant::now());
        let connecting = engine.spawn(async move { Self::open_there(&its, &to, rings, patience).await });
        match wait(connecting.ok_or_else(closing)?, deadline) {
            Some(Ok(connected)) => connected,
            Some(Err(_)) => Err(closing()),
            None => Err(late()),
        }
    }

    /// As [`Link::open`], on the engine's thread: to the first host that answers and takes writes.
    pub(super) async fn open_there(
        engine: &Engine,
        to: &Endpoint,
        rings: Option<Arc<Notify>>,
        patience: Duration,
    ) -> Result<Self> {
        let mut failed = Error::with(Code::StoreUnavailable, "no server is named");
        for at in 0..to.config.get_hosts().len() {
            let connecting = async {
                let (client, connection) = connect(to, at, patience).await?;
                let task = engine.spawn(serve(connection, rings.clone())).ok_or_else(closing)?.abort_handle();
                let link =
                    Self { client, task, is_broken: AtomicBool::new(false), used: AtomicU64::new(monotonic_millis()) };
                link.takes_writes().await.map(|()| link)
            };
            match timeout(patience, connecting).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = late(),
            }
        }
        Err(failed)
    }

    /// # Errors
    /// `STORE_READ_ONLY` when the server follows another one, or is told to take no writes.
    async fn takes_writes(&self) -> Result<()> {
        let sql = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean";
        let found = self.client.query_typed(sql, &[]).await.map_err(|error| from_postgres(&error))?;
        match found.first().and_then(|row| row.try_get(0).ok()) {
            Some(false) => Ok(()),
            _ => Err(Error::with(Code::StoreReadOnly, "the server takes no writes")),
        }
    }

    /// Has it count as used now.
    pub(super) fn note_used(&self) {
        self.used.store(monotonic_millis(), Ordering::Relaxed);
    }

    /// Whether it was not used for so long.
    pub(super) fn is_idle(&self, time: Duration) -> bool {
        u128::from(monotonic_millis().saturating_sub(self.used.load(Ordering::Relaxed))) > time.as_millis()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire) || self.client.is_closed()
    }

    /// Has nobody use it any more.
    pub(super) fn give_up(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    /// Waits for an answer on the calling thread.
    pub(super) fn wait<T>(
        &self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
        deadline: Instant,
    ) -> Result<T> {
        match wait(answer, deadline) {
            Some(answer) => answer.map_err(|error| from_postgres(&error)),
            None => {
                self.give_up();
                Err(late())
            }
        }
    }

    /// The rows that a statement answers with.
    pub(super) fn query(&self, sql: &str, parameters: &[Parameter<'_>], deadline: Instant) -> Result<Vec<Row>> {
        self.wait(self.client.query_typed(sql, parameters), deadline)
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&self, sql: &str, deadline: Instant) -> Result<()> {
        self.wait(self.client.batch_execute(sql), deadline)
    }
}

fn closing() -> Error {
    Error::with(Code::StoreUnavailable, "the store is being closed")
}

/// Moves what is sent and received, until either side ends it.
async fn serve(mut connection: Connection<Socket, Encrypted>, rings: Option<Arc<Notify>>) {
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if let (AsyncMessage::Notification(_), Some(rings)) = (message, &rings) {
            rings.notify_one();
        }
    }
    // Whoever listens has to know that nothing will come.
    if let Some(rings) = rings {
        rings.notify_one();
    }
}

/// Connects to one of the hosts.
async fn connect(to: &Endpoint, at: usize, patience: Duration) -> Result<(Client, Connection<Socket, Encrypted>)> {
    let (hosts, ports) = (to.config.get_hosts(), to.config.get_ports());
    let host = hosts.get(at).ok_or_else(late)?;
    let address = to.config.get_hostaddrs().get(at).copied();
    // One port for all, or one for each.
    let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
    let unreachable =
        |error: std::io::Error| Error::with(Code::StoreUnavailable, "the server can't be reached").caused_by(error);
    let (socket, name) = match host {
        Host::Unix(folder) => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            (Socket::unix(&path).await.map_err(unreachable)?, None)
        }
        Host::Tcp(name) => {
            let addresses: Vec<_> = match address {
                Some(address) => vec![(address, port).into()],
                None => tokio::net::lookup_host((name.as_str(), port)).await.map_err(unreachable)?.collect(),
            };
            let limit = to.config.get_connect_timeout().copied().unwrap_or(patience).min(patience);
            let mut found = Err(std::io::Error::from(std::io::ErrorKind::NotFound));
            for address in addresses {
                found = match timeout(limit, Socket::tcp(address, patience)).await {
                    Ok(found) => found,
                    Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
                };
                if found.is_ok() {
                    break;
                }
            }
            (found.map_err(unreachable)?, Some(name))
        }
    };
    let expected = match (&to.tls, name) {
        (Some(config), Some(name)) => {
            let name = ServerName::try_from(name.clone())
                .map_err(|_| Error::with(Code::InvalidArgument, "the host is no name that a certificate could have"))?;
            Some((Arc::clone(config), name))
        }
        (Some(_), None) => return Err(Error::with(Code::InvalidArgument, "there is no TLS over a Unix socket")),
        (None, _) => None,
    };
    to.config.connect_raw(socket, Expected(expected)).await.map_err(|error| by_tls(&error))
}

fn by_tls(error: &tokio_postgres::Error) -> Error {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match source.and_then(|source| source.get_ref()).and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => Error::with(Code::StoreUnavailable, "the server did not show that it is the right one")
            .caused_by(error.clone()),
        None => from_postgres(error),
    }
}

//! The library's own transport: HTTP/1.1 over TLS, by `ureq` and `rustls`.
//!
//! Each call has a connection of its own, so that nothing stays open between calls, and nothing of them is there when the
//! process forks. The certificates that are trusted are read at each call: those of a long-running host may be replaced.

use std::{
    fmt,
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Error as Failure, Timeout,
    config::Config,
    http::{Request, Uri},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use super::{
    cancel::Cancel,
    server::{Base, Proxy, Server},
    transport::{HttpRequest, HttpResponse, MAX_BODY, Transport},
};
use crate::error::{Code, Error, Result};

/// Bytes of an answer's header, all lines together.
const MAX_HEADER: usize = 64 << 10;

/// Sends requests to one server.
pub(super) struct Http {
    ca_file: Option<PathBuf>,
    connect_timeout: Duration,
    proxy: Option<ureq::Proxy>,
    is_secure: bool,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy's address has its password.
        f.debug_struct("Http").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

impl Http {
    /// # Errors
    /// `INVALID_ARGUMENT` for a proxy that can't be read, `NETWORK_POLICY` for one that is not allowed.
    pub(super) fn new(server: &Server, base: &Base) -> Result<Self> {
        let proxy = match &server.proxy {
            Proxy::None => None,
            Proxy::FromEnvironment => ureq::Proxy::try_from_env(),
            Proxy::Url(url) => {
                let wrong = |_| Error::with(Code::InvalidArgument, "the proxy is http://[user:password@]host:port");
                Some(ureq::Proxy::new(url).map_err(wrong)?)
            }
        };
        let is_secure = base.is_secure();
        let target = base.url("/").parse().map_err(|_| Error::new(Code::Internal))?;
        let proxy = proxy.filter(|proxy| !proxy.is_no_proxy(&target));
        if let Some(proxy) = &proxy
            && !server.allows(&proxy.host().to_ascii_lowercase())
        {
            return Err(Error::with(Code::NetworkPolicy, "the proxy is not among the allowed hosts"));
        }
        Ok(Self { ca_file: server.ca_file.clone(), connect_timeout: server.connect_timeout, proxy, is_secure })
    }

    fn tls(&self) -> Result<TlsConfig> {
        let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        if let Some(path) = &self.ca_file {
            let unusable = |what: &'static str| Error::with(Code::NetworkTls, what);
            let pem = std::fs::read(path).map_err(|error| unusable("ca_file can't be read").caused_by(error))?;
            let before = roots.len();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(certificate) = item.map_err(|_| unusable("ca_file is not PEM"))? {
                    roots.push(certificate);
                }
            }
            if roots.len() == before {
                return Err(unusable("ca_file has no certificate"));
            }
        }
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build())
    }
}

/// The parts of a connection, one by one, for whoever looks where it fails.
impl Http {
    /// The proxy, without a name and a password.
    pub(super) fn proxy(&self) -> Option<String> {
        let proxy = self.proxy.as_ref()?;
        let by_whom = if proxy.username().is_some() { " (with a name)" } else { "" };
        Some(format!("{}:{}{by_whom}", proxy.host(), proxy.port()))
    }

    /// The addresses that would be connected to: the proxy's, or else the server's.
    ///
    /// # Errors
    /// `NETWORK_DNS`, `NETWORK_PROXY`, `NETWORK_TIMEOUT`.
    pub(super) fn resolve(&self, base: &Base, deadline: Instant) -> Result<Vec<SocketAddr>> {
        let uri = match &self.proxy {
            Some(proxy) => format!("http://{}:{}/", proxy.host(), proxy.port()),
            None => base.url("/"),
        };
        let uri: Uri = uri.parse().map_err(|_| Error::new(Code::Internal))?;
        let timeout =
            NextTimeout { after: self.at_most(deadline).into(), reason: Timeout::Resolve, ..NextTimeout::default() };
        let found = Names(DefaultResolver::default()).resolve(&uri, &Config::default(), timeout);
        Ok(found.map_err(|failure| self.failure(failure))?.iter().copied().collect())
    }

    /// Connects to the first address that lets it, and leaves at once.
    ///
    /// # Errors
    /// `NETWORK_CONNECT`, `NETWORK_PROXY`, `NETWORK_TIMEOUT`: of the last address.
    pub(super) fn connect(&self, addresses: &[SocketAddr], deadline: Instant) -> Result<SocketAddr> {
        let mut failure = Failure::ConnectionFailed;
        for address in addresses {
            // No time at all is an argument that the system refuses.
            let time = self.at_most(deadline).max(Duration::from_millis(1));
            match TcpStream::connect_timeout(address, time) {
                Ok(_) => return Ok(*address),
                Err(error) => failure = Failure::Io(error),
            }
        }
        Err(self.failure(failure))
    }

    /// How long a connection may take that must be there by then.
    fn at_most(&self, deadline: Instant) -> Duration {
        self.connect_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }
}

/// The system's resolver, whose failures are told apart from those of a connection.
#[derive(Debug)]
struct Names(DefaultResolver);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Failure> {
        self.0.resolve(uri, config, timeout).map_err(|failure| match failure {
            Failure::Io(_) => Failure::HostNotFound,
            other => other,
        })
    }
}

impl Transport for Http {
    fn send(&self, request: &HttpRequest, deadline: Instant, cancel: &Cancel) -> Result<HttpResponse> {
        let agent = self.agent(deadline)?;
        let interrupted = agent.clone();
        cancel.interrupting(move || interrupted.clone().shutdown(), || self.exchange(&agent, request))
    }
}

impl Http {
    /// A client for one call.
    fn agent(&self, deadline: Instant) -> Result<Agent> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(Code::NetworkTimeout));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .max_response_header_size(MAX_HEADER)
            .proxy(self.proxy.clone())
            .timeout_global(Some(left))
            .timeout_connect(Some(self.connect_timeout))
            .timeout_resolve(Some(self.connect_timeout));
        if self.is_secure {
            config = config.https_only(true).tls_config(self.tls()?);
        }
        Ok(Agent::with_parts(config.build(), DefaultConnector::default(), Names(DefaultResolver::default())))
    }

    fn exchange(&self, agent: &Agent, request: &HttpRequest) -> Result<HttpResponse> {
        let mut builder = Request::builder().method(request.method).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let unsendable = |_| Error::with(Code::InvalidArgument, "the license key can't be a header");
        let answer = if request.body.is_empty() && request.method == "DELETE" {
            agent.run(builder.body(()).map_err(unsendable)?)
        } else {
            agent.run(builder.body(&request.body[..]).map_err(unsendable)?)
        };
        let (parts, body) = answer.map_err(|failure| self.failure(failure))?.into_parts();
        let headers = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1);
        body.into_reader().take(limit).read_to_end(&mut bytes).map_err(|error| self.failure(Failure::from(error)))?;
        if bytes.len() > MAX_BODY {
            return Err(Error::with(Code::ServerAnswerMalformed, "the answer is longer than 1 MiB"));
        }
        Ok(HttpResponse { status: parts.status.as_u16(), headers, body: bytes })
    }

    /// What kind of failure it was. Its text has no part of the request.
    fn failure(&self, failure: Failure) -> Error {
        let proxied = self.proxy.is_some();
        let code = match &failure {
            Failure::Timeout(_) => Code::NetworkTimeout,
            Failure::InvalidProxyUrl | Failure::ConnectProxyFailed(_) => Code::NetworkProxy,
            // Through a proxy it is the proxy's name, and the proxy that is connected to.
            Failure::HostNotFound if proxied => Code::NetworkProxy,
            Failure::HostNotFound => Code::NetworkDns,
            Failure::ConnectionFailed if proxied => Code::NetworkProxy,
            Failure::ConnectionFailed => Code::NetworkConnect,
            Failure::Tls(_) | Failure::Pem(_) | Failure::Rustls(_) | Failure::TlsRequired => Code::NetworkTls,
            Failure::Io(error) => of_io(error, proxied),
            Failure::Protocol(_)
            | Failure::Http(_)
            | Failure::LargeResponseHeader(..)
            | Failure::BodyExceedsLimit(_) => Code::ServerAnswerMalformed,
            _ => Code::NetworkConnect,
        };
        Error::new(code).caused_by(failure)
    }
}

fn of_io(error: &io::Error, proxied: bool) -> Code {
    // What rustls says during a handshake comes wrapped.
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return Code::NetworkTls;
    }
    if let Some(Failure::Timeout(_)) = error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()) {
        return Code::NetworkTimeout;
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Code::NetworkTimeout,
        // It was connected, and went away in the middle of its answer.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Code::ServerAnswerMalformed,
        _ if proxied => Code::NetworkProxy,
        _ => Code::NetworkConnect,
    }
}

#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tls_tests;

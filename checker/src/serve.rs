//! Connections: taken, served, and ended in good order.

use std::{convert::Infallible, io, sync::Arc, thread::JoinHandle, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    runtime::Builder,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Options,
    answer::{Answer, answer},
    decide::decide,
    listen::Listening,
};

/// How long requests may take to end when the checker stops: a cold key's hash, and some that wait before it.
const GRACE: Duration = Duration::from_secs(3);
/// For the head of a request, the next one of a connection included: gateways keep connections open.
const HEADER: Duration = Duration::from_secs(120);
/// A checker that is out of file descriptors gets some back soon.
const PAUSE: Duration = Duration::from_millis(50);

/// A checker at work, until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    /// Where it is asked: the port that was free, where none was said.
    at: String,
    metrics: Option<std::net::SocketAddr>,
}

/// Starts a checker on threads of its own.
///
/// # Errors
/// Those of listening, and of starting threads.
pub fn start(options: Options) -> io::Result<Running> {
    let listening = options.listen.open()?;
    let at = match &listening {
        Listening::Unix(_, path) => format!("unix:{}", path.display()),
        Listening::Loopback(listener) => format!("http://{}", listener.local_addr()?),
    };
    let metrics = options.metrics.map(std::net::TcpListener::bind).transpose()?;
    if let Some(listener) = &metrics {
        listener.set_nonblocking(true)?;
    }
    let metrics_at = metrics.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
    let runtime = Builder::new_multi_thread().enable_all().thread_name("inspire-checker").build()?;
    let (stop, stopped) = watch::channel(false);
    let options = Arc::new(options);
    let thread = std::thread::Builder::new().name("inspire-checker".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::join!(questions(listening, Arc::clone(&options), stopped.clone()), async {
                if let Some(listener) = metrics {
                    scrapes(listener, options, stopped).await;
                }
            });
        });
        runtime.shutdown_timeout(GRACE);
    })?;
    Ok(Running { stop, thread: Some(thread), at, metrics: metrics_at })
}

impl Running {
    /// Where it is asked: `unix:/run/inspire-auth/checker.sock` or `http://127.0.0.1:9180`.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Where `/metrics` is served.
    #[must_use]
    pub const fn metrics(&self) -> Option<std::net::SocketAddr> {
        self.metrics
    }

    /// Takes no more questions, answers those that are there, and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Answers gateways until it is stopped.
async fn questions(listening: Listening, options: Arc<Options>, stopped: watch::Receiver<bool>) {
    let ask = move |request: Request<Incoming>| {
        let options = Arc::clone(&options);
        async move {
            let decision = decide(&options, request.into_parts().0).await;
            Ok(answer(&options, decision))
        }
    };
    match &listening {
        Listening::Unix(listener, _) => {
            let Ok(listener) = listener.try_clone().and_then(UnixListener::from_std) else { return };
            let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
            connections(accept, ask, stopped).await;
        }
        Listening::Loopback(listener) => {
            let Ok(listener) = listener.try_clone().and_then(TcpListener::from_std) else { return };
            let accept = || async {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            };
            connections(accept, ask, stopped).await;
        }
    }
}

/// Serves `/metrics`.
async fn scrapes(listener: std::net::TcpListener, options: Arc<Options>, stopped: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
    let tell = move |request: Request<Incoming>| {
        let options = Arc::clone(&options);
        async move { Ok(metrics(&options, &request)) }
    };
    connections(accept, tell, stopped).await;
}

fn metrics(options: &Options, request: &Request<Incoming>) -> Answer {
    let mut answer = Response::new(Full::default());
    if request.uri().path() != "/metrics" || !matches!(*request.method(), Method::GET | Method::HEAD) {
        *answer.status_mut() = StatusCode::NOT_FOUND;
        return answer;
    }
    let content = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content));
    *answer.body_mut() = Full::new(Bytes::from(options.auth.metrics_text()));
    answer
}

/// Takes connections until it is stopped, and then lets those that are there end.
async fn connections<S, A, F>(
    accept: impl Fn() -> A,
    serve: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    mut stopped: watch::Receiver<bool>,
) where
    A: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Answer, Infallible>> + Send + 'static,
{
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            _ = stopped.changed() => break,
        };
        let Ok(stream) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        open.spawn(connection(stream, serve.clone(), stopped.clone()));
        // Those that have ended.
        while open.try_join_next().is_some() {}
    }
    let _ = timeout(GRACE, async { while open.join_next().await.is_some() {} }).await;
}

async fn connection<S, F>(
    stream: S,
    serve: impl Fn(Request<Incoming>) -> F + Send + 'static,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Answer, Infallible>> + Send + 'static,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(stream), service_fn(serve));
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // What a gateway does with its connection is no error of this side.
        _ = served.as_mut() => return,
        _ = stopped.changed() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

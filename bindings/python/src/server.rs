//! The licensing server, and the host's own way to it.

use std::{
    cell::RefCell,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use inspire_auth_core::{
    self as core, Code, Error,
    license::online::{HttpRequest, HttpResponse, MAX_BODY, Proxy, Transport, is_transports},
};
use pyo3::{
    PyTraverseError, PyVisit,
    exceptions::{PyException, PyOSError, PyTimeoutError, PyTypeError},
    prelude::*,
    types::{PyBytes, PyTuple},
};

use crate::{
    arguments::{path, seconds},
    errors::invalid,
    gate, records,
};

/// A `Server`.
#[derive(FromPyObject)]
pub(crate) struct Server<'py> {
    url: String,
    account: Option<String>,
    account_id: Option<String>,
    signing_host: Option<String>,
    allowed_hosts: Option<Vec<String>>,
    proxy: Option<String>,
    ca_file: Option<Bound<'py, PyAny>>,
    connect_timeout: f64,
    timeout: f64,
    lease: Bound<'py, PyAny>,
    auto_refresh: bool,
    transport: Option<Bound<'py, PyAny>>,
}

impl Server<'_> {
    /// The core's server, and the host's own transport to it.
    pub(crate) fn read(self, py: Python<'_>) -> PyResult<(core::license::online::Server, Option<Arc<Carrier>>)> {
        let mut server = core::license::online::Server::at(self.url);
        server.account = self.account;
        server.account_id = self.account_id;
        server.signing_host = self.signing_host;
        server.allowed_hosts = self.allowed_hosts;
        server.proxy = match self.proxy {
            None => Proxy::FromEnvironment,
            Some(none) if none.is_empty() => Proxy::None,
            Some(url) => Proxy::Url(url),
        };
        server.ca_file = self.ca_file.as_ref().map(path).transpose()?;
        let duration = |given: f64, what: &'static str| {
            Duration::try_from_secs_f64(given).map_err(|_| invalid(py, format!("{what} is in seconds, not negative")))
        };
        server.connect_timeout = duration(self.connect_timeout, "connect_timeout")?;
        server.timeout = duration(self.timeout, "timeout")?;
        server.lease = Duration::from_secs(seconds(&self.lease)?);
        server.auto_refresh = self.auto_refresh;
        let carrier = self.transport.map(Carrier::new).transpose()?;
        server.transport = carrier.clone().map(|carrier| carrier as Arc<dyn Transport>);
        Ok((server, carrier))
    }
}

/// The host's transport. The core calls it while it holds no lock and no transaction.
pub(crate) struct Carrier {
    /// `None` once the garbage collector has broken a cycle here.
    callable: ArcSwapOption<Py<PyAny>>,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

/// A `HttpResponse`.
#[derive(FromPyObject)]
struct Answer<'py> {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bound<'py, PyBytes>,
}

impl Transport for Carrier {
    fn send(
        &self,
        request: &HttpRequest,
        deadline: Instant,
        _: &core::license::online::Cancel,
    ) -> core::Result<HttpResponse> {
        let mut answer = Err(Error::new(Code::NetworkConnect));
        gate::enter(|py| answer = self.call(py, request, deadline));
        answer
    }
}

impl Carrier {
    fn new(callable: Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        if !callable.is_callable() {
            return Err(PyTypeError::new_err("transport is a callable or None"));
        }
        Ok(Arc::new(Self { callable: ArcSwapOption::from_pointee(callable.unbind()) }))
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callable.load().as_deref().map_or(Ok(()), |callable| visit.call(callable))
    }

    pub(crate) fn forget(&self) {
        drop(self.callable.swap(None));
    }

    fn call(&self, py: Python<'_>, request: &HttpRequest, deadline: Instant) -> core::Result<HttpResponse> {
        let callable = self.callable.load_full().ok_or(Error::new(Code::NetworkConnect))?;
        let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        let asked = PyTuple::new(py, &request.headers).and_then(|headers| {
            let body = PyBytes::new(py, &request.body);
            records::make(py, "HttpRequest", (request.method, &request.url, headers, body, left))
        });
        let answered = asked.and_then(|asked| callable.bind(py).call1((asked,)));
        match answered.and_then(|answered| answered.extract::<Answer<'_>>()) {
            Ok(answer) if answer.body.as_bytes().len() > MAX_BODY => {
                Err(Error::with(Code::ServerAnswerMalformed, "the answer is longer than 1 MiB"))
            }
            Ok(answer) => {
                let body = answer.body.as_bytes().to_vec();
                Ok(HttpResponse { status: answer.status, headers: answer.headers, body })
            }
            Err(raised) => Err(told(py, raised)),
        }
    }
}

thread_local! {
    /// What a transport was interrupted by on this thread, such as a `KeyboardInterrupt`: for the call that it belongs to.
    static INTERRUPTION: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// What a call raises, instead of its outcome, whose transport was interrupted.
pub(crate) fn interruption() -> Option<PyErr> {
    INTERRUPTION.take()
}

/// What an exception of the host's says: a network error of this package is itself, a timeout is one, and anything else is no
/// connection. What the program got wrong is shown (`sys.unraisablehook`); what is no error ends the call.
fn told(py: Python<'_>, raised: PyErr) -> Error {
    if !raised.is_instance_of::<PyException>(py) {
        INTERRUPTION.set(Some(raised));
        return Error::new(Code::Cancelled);
    }
    let text = |name: &str| raised.value(py).getattr(name).and_then(|text| text.extract::<String>()).ok();
    let known =
        text("code").and_then(|name| core::TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.code));
    match known {
        Some(code) if is_transports(code) => {
            text("detail").map_or(Error::new(code), |detail| Error::with(code, detail))
        }
        _ if raised.is_instance_of::<PyTimeoutError>(py) => Error::new(Code::NetworkTimeout),
        _ if raised.is_instance_of::<PyOSError>(py) => Error::new(Code::NetworkConnect),
        _ => {
            raised.write_unraisable(py, None);
            Error::new(Code::NetworkConnect)
        }
    }
}

/// Ends calls to the licensing server from another thread: what they would have brought back is dropped. The library's
/// own transport is interrupted, but for an attempt to connect, which lasts as long as `connect_timeout`; a host's is
/// waited for.
///
/// Example:
///     >>> cancel = Cancel()
///     >>> threading.Timer(2, cancel.cancel).start()
///     >>> auth.license.revalidate(actor=SYSTEM, cancel=cancel)
#[pyclass(frozen, module = "inspire_auth")]
#[derive(Default)]
pub(crate) struct Cancel {
    pub(crate) core: core::license::online::Cancel,
}

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ends the calls that this was given to, now or before they begin: they raise `OperationCancelledError`.
    ///
    /// Example:
    ///     >>> cancel.cancel()
    fn cancel(&self) {
        self.core.cancel();
    }
}

/// What ends a call that was given one, or never.
pub(crate) fn cancel(given: Option<&Bound<'_, Cancel>>) -> core::license::online::Cancel {
    given.map(|cancel| cancel.get().core.clone()).unwrap_or_default()
}

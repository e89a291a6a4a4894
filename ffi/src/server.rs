//! Where the licensing server is, and how it is reached.

use std::{
    ffi::c_void,
    fmt,
    num::NonZeroU64,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use inspire_auth_core::{
    Code, Error, Result,
    license::online::{Cancel, HttpRequest, HttpResponse, MAX_BODY, Proxy, Server, Transport, is_transports},
};

use crate::{
    boundary::infallible,
    key_spec::yes_or_no,
    options::unknown,
    ptr::{self, Growing},
    result::inspire_result,
    text::{Text, inspire_str},
    ticket::Userdata,
};

/// How the licensing server is reached.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_proxy {
    /// As the environment's `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    INSPIRE_PROXY_FROM_ENVIRONMENT = 0,
    /// Directly.
    INSPIRE_PROXY_NONE = 1,
    /// By `proxy_url`.
    INSPIRE_PROXY_URL = 2,
}

/// A header field of a request or an answer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_http_header {
    /// Its name.
    pub name: inspire_str,
    /// Its value.
    pub value: inspire_str,
}

/// A request to the licensing server. It lives as long as the call of `inspire_transport_fn`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_http_request {
    /// "POST" or "DELETE".
    pub method: inspire_str,
    /// Absolute. To be sent byte for byte: the answer's signature covers path and query.
    pub url: inspire_str,
    /// Header fields; `authorization` has the license key.
    pub headers: *const inspire_http_header,
    /// How many.
    pub header_count: usize,
    /// JSON, or empty.
    pub body: inspire_str,
    /// How long the whole call may take, in milliseconds.
    pub timeout_ms: u64,
}

/// The answer that a transport brings.
pub struct inspire_http_answer {
    core: HttpResponse,
}

/// Sends a request to the licensing server and waits for its whole answer, which it describes by
/// `inspire_http_answer_set_status`, `..._add_header` and `..._add_body`. It follows no redirect, asks for no compression,
/// and must not unwind (throw) or `longjmp` out. Several threads may call it at once.
///
/// It returns `OK` with an answer of any status; else `NETWORK_DNS`, `NETWORK_CONNECT`, `NETWORK_TLS`, `NETWORK_PROXY`,
/// `NETWORK_TIMEOUT`, `NETWORK_POLICY`, `SERVER_ANSWER_MALFORMED` or `CANCELLED`. Anything else counts as `NETWORK_CONNECT`.
pub type inspire_transport_fn = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        request: *const inspire_http_request,
        answer: *mut inspire_http_answer,
    ) -> inspire_result,
>;

/// The licensing server, for `inspire_auth_options.server`. Begin with `INSPIRE_SERVER_INIT`; zero is the default of every
/// field but `url`. Everything is copied.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_server {
    /// `sizeof(inspire_server)`, as `INSPIRE_SERVER_INIT` sets it.
    pub struct_size: usize,
    /// Where its API begins: `https://host[:port][/path]`. `http` is accepted for this machine's own addresses alone.
    pub url: inspire_str,
    /// The account's id or slug, when it belongs into every path. Not given: it does not.
    pub account: inspire_str,
    /// The account's id, when answers must say that they were signed for it. Not given: any that a trusted key signed.
    pub account_id: inspire_str,
    /// The host name that the server signs, where a proxy in front of it shows it another one. Not given: that of `url`.
    pub signing_host: inspire_str,
    /// Hosts that may be connected to: exact names, or "*.domain" for every name below one.
    pub allowed_hosts: *const inspire_str,
    /// How many. 0: wherever `url` and the proxy are.
    pub allowed_host_count: usize,
    /// The proxy, `http://[user:password@]host:port`, with `INSPIRE_PROXY_URL`.
    pub proxy_url: inspire_str,
    /// A file of certificates (PEM) of authorities that are trusted besides the platform's. Not given: those alone.
    pub ca_file: inspire_str,
    /// For a connection to be there, in milliseconds. 0: 5 s.
    pub connect_timeout_ms: u64,
    /// For a call until its answer is whole, retries included, in milliseconds. 0: 10 s.
    pub timeout_ms: u64,
    /// How long a machine file is asked for, in seconds; the server may have its own idea. 0: 14 days.
    pub lease: u64,
    /// Carries requests, when the host brings its own transport; NULL for the library's. See `inspire_transport_fn`.
    pub transport: inspire_transport_fn,
    /// Passed to `transport`; must live as long as the handle.
    pub transport_userdata: *mut c_void,
    /// One of `INSPIRE_PROXY_...`.
    pub proxy: u32,
    /// 1: the library does by itself, on a thread of its own, what `inspire_license_tick` does. 0: nothing connects anywhere
    /// but in a call of the host's.
    pub auto_refresh: u32,
}

// SAFETY: integers and pointers, an optional function pointer among them; `struct_size` first; zero is the default.
unsafe impl Growing for inspire_server {
    const FIRST_SIZE: usize = 168;
}
const _: () = assert!(size_of::<inspire_server>() == 168 || size_of::<usize>() != 8);

/// The core's.
///
/// # Safety
/// `server` is NULL, or as [`ptr::sized`] needs it, and every pointer in it is as the comments of its fields say.
pub(crate) unsafe fn read(server: *const inspire_server) -> Result<Option<Server>> {
    if server.is_null() {
        return Ok(None);
    }
    // SAFETY: the same contract, here and below.
    let given = unsafe { ptr::sized(server)? };
    // SAFETY: the same contract.
    let text = |string, what| unsafe { ptr::optional_text(string, what) };
    let url = text(given.url, "server.url")?;
    let mut read = Server::at(url.ok_or_else(|| Error::with(Code::InvalidArgument, "server.url is not given"))?);
    read.account = text(given.account, "server.account")?.map(str::to_owned);
    read.account_id = text(given.account_id, "server.account_id")?.map(str::to_owned);
    read.signing_host = text(given.signing_host, "server.signing_host")?.map(str::to_owned);
    if given.allowed_host_count > 0 {
        // SAFETY: the same contract.
        let hosts =
            unsafe { ptr::texts(given.allowed_hosts, given.allowed_host_count, "a host of server.allowed_hosts")? };
        read.allowed_hosts = Some(hosts);
    }
    read.proxy = match (given.proxy, text(given.proxy_url, "server.proxy_url")?) {
        (0, None) => Proxy::FromEnvironment,
        (1, None) => Proxy::None,
        (2, Some(url)) => Proxy::Url(url.to_owned()),
        (2, None) => return Err(Error::with(Code::InvalidArgument, "server.proxy_url is not given")),
        (0 | 1, Some(_)) => {
            return Err(Error::with(Code::InvalidArgument, "server.proxy_url without INSPIRE_PROXY_URL"));
        }
        _ => return Err(unknown("server.proxy")),
    };
    if !given.ca_file.data.is_null() || given.ca_file.len > 0 {
        // SAFETY: the same contract.
        read.ca_file = Some(PathBuf::from(unsafe { ptr::path(given.ca_file, "server.ca_file")? }));
    }
    let millis = |value, default| NonZeroU64::new(value).map_or(default, |millis| Duration::from_millis(millis.get()));
    read.connect_timeout = millis(given.connect_timeout_ms, read.connect_timeout);
    read.timeout = millis(given.timeout_ms, read.timeout);
    read.lease = NonZeroU64::new(given.lease).map_or(read.lease, |seconds| Duration::from_secs(seconds.get()));
    read.auto_refresh = yes_or_no(given.auto_refresh, "server.auto_refresh")?;
    if let Some(callback) = given.transport {
        read.transport = Some(Arc::new(Carrier { callback, userdata: Userdata(given.transport_userdata) }));
    }
    Ok(Some(read))
}

/// The host's transport.
struct Carrier {
    callback:
        unsafe extern "C" fn(*mut c_void, *const inspire_http_request, *mut inspire_http_answer) -> inspire_result,
    userdata: Userdata,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

impl Transport for Carrier {
    fn send(&self, request: &HttpRequest, deadline: Instant, _: &Cancel) -> Result<HttpResponse> {
        // Copies with a NUL behind them, as of every string that C gets; wiped, since the license key is among them.
        let (method, url, body) = (Text::new(request.method), Text::new(&request.url), Text::of_bytes(&request.body));
        let fields: Vec<(Text, Text)> =
            request.headers.iter().map(|(name, value)| (Text::new(name), Text::new(value))).collect();
        let header = |(name, value): &(Text, Text)| inspire_http_header { name: name.lend(), value: value.lend() };
        let headers: Vec<inspire_http_header> = fields.iter().map(header).collect();
        let left = deadline.saturating_duration_since(Instant::now());
        let lent = inspire_http_request {
            method: method.lend(),
            url: url.lend(),
            headers: headers.as_ptr(),
            header_count: headers.len(),
            body: body.lend(),
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        };
        let mut answer =
            inspire_http_answer { core: HttpResponse { status: 0, headers: Vec::new(), body: Vec::new() } };
        // SAFETY: the header asks of the callback that it may be called so, from any thread; request and answer outlive it.
        let result = unsafe { (self.callback)(self.userdata.get(), &raw const lent, &raw mut answer) };
        match Code::from_number(result) {
            Some(Code::Ok) if answer.core.body.len() > MAX_BODY => {
                Err(Error::with(Code::ServerAnswerMalformed, "the answer is longer than 1 MiB"))
            }
            Some(Code::Ok) => Ok(answer.core),
            Some(code) if is_transports(code) => Err(Error::new(code)),
            _ => Err(Error::new(Code::NetworkConnect)),
        }
    }
}

/// Sets the status of an answer.
///
/// \param answer the answer that the transport was given
/// \param status such as 200
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_http_answer_set_status(answer: *mut inspire_http_answer, status: u32) {
    // SAFETY: NULL, or the answer that the transport was given.
    unsafe { change(answer, |answer| answer.status = u16::try_from(status).unwrap_or(0)) };
}

/// Adds a header field to an answer, as it arrived; repeated ones as often.
///
/// \param answer the answer that the transport was given
/// \param name its name
/// \param value its value; one that is not UTF-8 is left out
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_http_answer_add_header(
    answer: *mut inspire_http_answer,
    name: inspire_str,
    value: inspire_str,
) {
    // SAFETY: NULL, or the answer that the transport was given; the strings are live.
    unsafe {
        change(answer, |answer| {
            if let (Ok(name), Ok(value)) = (ptr::text(name, "a header's name"), ptr::text(value, "a header")) {
                answer.headers.push((name.to_owned(), value.to_owned()));
            }
        });
    }
}

/// Adds bytes to the body of an answer. What is more than a mebibyte is refused.
///
/// \param answer the answer that the transport was given
/// \param bytes what follows what is there
/// \return 1, or 0 when the answer is too long: there is no use in reading on
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_http_answer_add_body(answer: *mut inspire_http_answer, bytes: inspire_str) -> u32 {
    let mut fits = false;
    // SAFETY: NULL, or the answer that the transport was given; the bytes are live.
    unsafe {
        change(answer, |answer| {
            let Ok(bytes) = ptr::bytes(bytes) else { return };
            // One byte more than may be says that it was too long.
            let room = MAX_BODY.saturating_add(1).saturating_sub(answer.body.len());
            answer.body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            fits = answer.body.len() <= MAX_BODY;
        });
    }
    u32::from(fits)
}

/// # Safety
/// `answer` is NULL, or the answer that the transport was given, which no other thread uses.
unsafe fn change(answer: *mut inspire_http_answer, change: impl FnOnce(&mut HttpResponse)) {
    infallible((), || {
        if !answer.is_null() && answer.is_aligned() {
            // SAFETY: not NULL, aligned, and this call's alone.
            change(unsafe { &mut (*answer).core });
        }
    });
}

/// Ends calls to the licensing server from another thread. For `inspire_caller.cancel`.
pub struct inspire_cancel {
    pub(crate) core: Cancel,
}

/// Makes what can end a call. It may be given to several calls, and ends all of them.
///
/// \return to be freed by `inspire_cancel_free`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_cancel_new() -> *mut inspire_cancel {
    infallible(std::ptr::null_mut(), || Box::into_raw(Box::new(inspire_cancel { core: Cancel::default() })))
}

/// Ends the calls that it was given to, now or before they begin: they answer `CANCELLED`, and what they would have brought
/// back is dropped. From any thread. The library's own transport is interrupted, but for an attempt to connect, which lasts
/// as long as `connect_timeout_ms`; a host's is waited for.
///
/// \param cancel NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_cancel_now(cancel: *const inspire_cancel) {
    infallible((), || {
        // SAFETY: NULL, or live.
        if let Some(cancel) = unsafe { ptr::optional(cancel) } {
            cancel.core.cancel();
        }
    });
}

/// Frees it, when the calls that it was given to have returned.
///
/// \param cancel NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_cancel_free(cancel: *mut inspire_cancel) {
    // SAFETY: NULL, or one that the caller owns and gives up.
    unsafe { ptr::free(cancel) };
}

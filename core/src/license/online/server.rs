//! Where the licensing server is, and what the host allows.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use super::transport::Transport;
use crate::error::{Code, Error, Result};

/// A licensing server, as the host configures it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where its API begins: `https://host[:port][/path]`. `http` is accepted for this machine's own addresses alone: the
    /// license key is sent there. Default `https://licensing.api.optymyse.com/v1`.
    pub url: String,
    /// The account's id or slug, when it belongs into every path (`/v1/accounts/ACCOUNT/...`), as with servers of many
    /// vendors. `None`: it does not.
    pub account: Option<String>,
    /// The account's id, when answers must say that they were signed for it. `None`: any that a trusted key signed.
    pub account_id: Option<String>,
    /// The host name that the server signs, where a proxy in front of it shows it another one. `None`: the one of `url`.
    pub signing_host: Option<String>,
    /// Hosts that may be connected to, for hosts with a policy: exact names, or `*.domain` for every name below one.
    /// `None`: wherever `url` and the proxy are.
    pub allowed_hosts: Option<Vec<String>>,
    /// How the server is reached.
    pub proxy: Proxy,
    /// Certificates (PEM) of authorities that are trusted besides the platform's. `None`: the platform's alone.
    pub ca_file: Option<PathBuf>,
    /// For a connection to be there. Default 5 s.
    pub connect_timeout: Duration,
    /// For a call, retries included, until its answer is whole. Default 10 s.
    pub timeout: Duration,
    /// How long a machine file is asked for. Default 14 days; the server may have its own idea.
    pub lease: Duration,
    /// Whether the library does by itself, on a thread of its own, what [`License::tick`](crate::license::License::tick)
    /// does: refreshes the lease when two thirds of it are over, and releases what is still to be released. Default no:
    /// without it nothing connects anywhere but in a call of the host's.
    pub auto_refresh: bool,
    /// What carries requests, when the host brings its own. `None`: the library's (feature `online`).
    pub transport: Option<Arc<dyn Transport>>,
}

/// How the server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    FromEnvironment,
    /// Directly.
    None,
    /// By this one: `http://[user:password@]host:port`.
    Url(String),
}

impl Server {
    /// The public host of the vendor whose manual this library follows.
    pub const DEFAULT_URL: &str = "https://licensing.api.optymyse.com/v1";

    /// The defaults, at this address.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            account: None,
            account_id: None,
            signing_host: None,
            allowed_hosts: None,
            proxy: Proxy::default(),
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            lease: Duration::from_secs(14 * 24 * 3600),
            auto_refresh: false,
            transport: None,
        }
    }
}

impl Server {
    /// Whether the host's policy allows a connection to this host, in lower case.
    pub(super) fn allows(&self, host: &str) -> bool {
        self.allowed_hosts.as_ref().is_none_or(|allowed| allowed.iter().any(|pattern| allows(pattern, host)))
    }
}

/// A base address, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// `https://host:port`, without a slash at the end.
    origin: String,
    /// Of the requests: without a slash at the end.
    path: String,
    /// Lower case, without a port; as it is resolved.
    pub(super) host: String,
    /// The host that is signed.
    pub(super) signed_host: String,
}

impl Base {
    /// # Errors
    /// `INVALID_ARGUMENT` for what is no such address; `NETWORK_POLICY` for a host that is not allowed.
    pub(super) fn of(server: &Server) -> Result<Self> {
        let wrong = |what: &'static str| Error::with(Code::InvalidArgument, what);
        let (scheme, rest) =
            server.url.split_once("://").ok_or_else(|| wrong("the server's url is https://host/path"))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host = host_of(authority)
            .ok_or_else(|| wrong("the server's url has a host and at most a port before its path"))?;
        match scheme {
            "https" => {}
            "http" if is_this_machine(&host) => {}
            "http" => return Err(wrong("http would show the license key to everybody on the way: use https")),
            _ => return Err(wrong("the server's url begins with https://")),
        }
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
        let path = path.trim_end_matches('/');
        if !path.bytes().all(fine) || path.contains("//") {
            return Err(wrong("the path of the server's url is segments of unreserved characters"));
        }
        if !server.allows(&host) {
            return Err(Error::new(Code::NetworkPolicy));
        }
        let account = match &server.account {
            Some(account) if account.is_empty() => return Err(wrong("the account is empty; leave it out")),
            Some(account) => format!("/accounts/{}", escaped(account)),
            None => String::new(),
        };
        let signed_host = server.signing_host.as_deref().unwrap_or(&host).to_ascii_lowercase();
        Ok(Self { origin: format!("{scheme}://{authority}"), path: format!("{path}{account}"), host, signed_host })
    }

    /// The target of a request: path and query, as it is sent and signed. `rest` begins with a slash.
    pub(super) fn target(&self, rest: &str) -> String {
        format!("{}{rest}", self.path)
    }

    /// Whether it is reached by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The address of a target.
    pub(super) fn url(&self, target: &str) -> String {
        format!("{}{target}", self.origin)
    }
}

/// A text as one segment of a path (RFC 3986, section 3.3): whatever is not unreserved is escaped.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut segment, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
        segment
    })
}

/// The host of `host[:port]`, in lower case; an IPv6 address stands in brackets. `None` for anything else.
fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (format!("[{}]", address.to_ascii_lowercase()), port)
        }
        None => {
            let (name, port) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if name.is_empty() || name.len() > 253 || !name.bytes().all(fine) {
                return None;
            }
            (name.to_ascii_lowercase(), port)
        }
    };
    let port_is_fine = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => port.is_empty(),
    };
    port_is_fine.then_some(host)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a pattern of the policy covers a host: its name, or `*.` and what its name ends in.
fn allows(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|front| front.len() > 1 && front.ends_with('.')),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Result<Base, Code> {
        Base::of(&Server::at(url)).map_err(|error| error.code())
    }

    #[test]
    fn an_address_is_read() {
        for (url, target, whole, host) in [
            ("https://h.example", "/x", "https://h.example/x", "h.example"),
            ("https://H.example/v1", "/v1/x", "https://H.example/v1/x", "h.example"),
            ("https://h:8443/v1/", "/v1/x", "https://h:8443/v1/x", "h"),
            ("http://localhost:80", "/x", "http://localhost:80/x", "localhost"),
            ("http://127.0.0.1:8080/v1", "/v1/x", "http://127.0.0.1:8080/v1/x", "127.0.0.1"),
            ("http://[::1]:8080", "/x", "http://[::1]:8080/x", "[::1]"),
        ] {
            let base = base(url).unwrap();
            assert_eq!((base.target("/x").as_str(), base.url(&base.target("/x")).as_str()), (target, whole), "{url}");
            assert_eq!((base.host.as_str(), base.signed_host.as_str()), (host, host));
        }
        let mut server = Server::at("https://h/v1");
        (server.account, server.signing_host) = (Some("a b/c".to_owned()), Some("Other".to_owned()));
        let base = Base::of(&server).unwrap();
        assert_eq!((base.target("/me").as_str(), base.signed_host.as_str()), ("/v1/accounts/a%20b%2Fc/me", "other"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "h",
            "https:/h",
            "https://",
            "https:///v1",
            "https://user@h",
            "https://user:password@h",
            "https://h:0",
            "https://h:65536",
            "https://h:+1",
            "https://h:",
            "https://h/v1?x",
            "https://h/v1#x",
            "https://h//v1",
            "https://h/v 1",
            "https://h\\x",
            "https://[::1",
            "https://[h]",
            "https://h\n",
            "ftp://h",
            "HTTPS://h",
            "http://h.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://127.0.0.1.example",
        ] {
            assert_eq!(base(url), Err(Code::InvalidArgument), "{url:?}");
        }
    }

    #[test]
    fn a_policy_names_hosts_and_domains() {
        let mut server = Server::at("https://licensing.api.example/v1");
        let mut allowed = |patterns: &[&str]| {
            server.allowed_hosts = Some(patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
            Base::of(&server).map(drop).map_err(|error| error.code())
        };
        for good in ["licensing.api.example", "Licensing.API.example", "*.api.example", "*.example"] {
            assert_eq!(allowed(&["x", good]), Ok(()), "{good}");
        }
        for bad in ["", "*", "example", "api.example", "*.licensing.api.example", "*api.example", "*.", ".example"] {
            assert_eq!(allowed(&[bad]), Err(Code::NetworkPolicy), "{bad}");
        }
        assert_eq!(allowed(&[]), Err(Code::NetworkPolicy));
    }

    #[test]
    fn a_segment_is_escaped_whole() {
        assert_eq!(escaped("key/eyJ.a-b_c~="), "key%2FeyJ.a-b_c~%3D");
        assert_eq!(escaped("\u{e9} %"), "%C3%A9%20%25");
    }
}

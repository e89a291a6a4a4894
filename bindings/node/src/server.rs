//! The licensing server, as a host configures it.

use std::time::Duration;

use inspire_auth_core::{
    Result,
    license::online::{Proxy, Server as Core},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    arguments::{is_given, member, object},
    transport::carrier,
};

/// A licensing server that speaks Keygen's API.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// Where its API begins: `https://host[:port][/path]`; `http` for this machine's own addresses alone, since the license
    /// key is sent there.
    pub url: String,
    /// The account's id or slug, when it belongs into every path, as with servers of many vendors.
    pub account: Option<String>,
    /// The account's id, when answers must say that they were signed for it. Not given: any that a trusted key signed.
    pub account_id: Option<String>,
    /// The host name that the server signs, where a proxy in front of it shows it another one. Not given: that of `url`.
    pub signing_host: Option<String>,
    /// Hosts that may be connected to: exact names, or `*.domain` for every name below one. Not given: wherever `url` and
    /// the proxy are.
    pub allowed_hosts: Option<Vec<String>>,
    /// `http://[user:password@]host:port`, or `''` for none. Not given: as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub proxy: Option<String>,
    /// A file of certificates (PEM) of authorities that are trusted besides the platform's. Node's own list is not used.
    pub ca_file: Option<String>,
    /// For a connection to be there, in milliseconds. Default 5000.
    #[napi(ts_type = "number")]
    pub connect_timeout_ms: Option<u64>,
    /// For a call until its answer is whole, retries included, in milliseconds. Default 10000.
    #[napi(ts_type = "number")]
    pub timeout_ms: Option<u64>,
    /// How long a machine file is asked for, in seconds; the server may have its own idea. Default 1209600 (14 days).
    #[napi(ts_type = "number")]
    pub lease: Option<u64>,
    /// Whether the library does by itself, on a thread of its own, what {@link License.tick} does. Default false: nothing
    /// connects anywhere but in a call of yours. It does not keep the process alive.
    pub auto_refresh: Option<bool>,
    /// Carries requests, when the host brings its own client; not given, the library's.
    #[napi(ts_type = "Transport")]
    #[allow(dead_code)] // read by itself, below
    pub transport: Option<IgnoredAny>,
}

impl Server {
    /// `value` is what it was read from.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub(crate) fn read(self, env: &Env, value: &Unknown<'_>) -> Result<Core> {
        let default = Core::at(self.url);
        let duration = |given: Option<u64>, default| given.map_or(default, Duration::from_millis);
        let function = member(&object(env, value, "options.server")?, "transport")?;
        Ok(Core {
            account: self.account,
            account_id: self.account_id,
            signing_host: self.signing_host,
            allowed_hosts: self.allowed_hosts,
            proxy: match self.proxy {
                None => Proxy::FromEnvironment,
                Some(none) if none.is_empty() => Proxy::None,
                Some(url) => Proxy::Url(url),
            },
            ca_file: self.ca_file.map(Into::into),
            connect_timeout: duration(self.connect_timeout_ms, default.connect_timeout),
            timeout: duration(self.timeout_ms, default.timeout),
            lease: self.lease.map_or(default.lease, Duration::from_secs),
            auto_refresh: self.auto_refresh.unwrap_or(default.auto_refresh),
            transport: if is_given(&function) { Some(carrier(env, &function)?) } else { None },
            url: default.url,
        })
    }
}

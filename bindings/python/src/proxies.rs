//! Which channel a request came through, when a proxy ended TLS before this host.

use inspire_auth_core::keys::TrustedProxies as Core;
use pyo3::prelude::*;

use crate::{
    arguments::{Way, channel_word},
    boundary::kept,
    errors::invalid,
    headers::Lines,
};

/// The addresses of proxies whose `X-Forwarded-Proto` is believed. Anybody can send that header, so it counts only from
/// a peer that the host trusts.
///
/// Args:
///     text: addresses and CIDR blocks, separated by commas: `10.0.0.0/8, ::1`.
///
/// Raises:
///     ArgumentError: it can't be read.
///
/// Example:
///     >>> proxies = TrustedProxies("10.0.0.0/8")
///     >>> proxies.channel("10.1.2.3", "plain", [("X-Forwarded-Proto", "https")])
///     'secure'
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct TrustedProxies {
    core: Core,
    text: String,
}

#[pymethods]
impl TrustedProxies {
    #[new]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        Ok(Self { core: kept(py, || text.parse())?, text: text.to_owned() })
    }

    /// The channel of a request.
    ///
    /// Args:
    ///     peer: the address of the connection itself, such as `10.1.2.3`; None, as of a Unix socket, is not trusted.
    ///     direct: the channel that the host saw: what a peer that is not trusted has.
    ///     headers: as for `InspireAuth.authenticate`, but never one value alone.
    ///
    /// Returns:
    ///     From a trusted peer `"secure"` when there is exactly one `X-Forwarded-Proto` and it is `https`, and
    ///     `"plain"` for anything else; from any other peer `direct`.
    ///
    /// Raises:
    ///     ArgumentError: `peer` is no IP address, or `direct` no channel.
    ///
    /// Example:
    ///     >>> TrustedProxies("10.0.0.0/8").channel("10.1.2.3", "plain", request_headers)
    ///     'secure'
    fn channel(
        &self,
        py: Python<'_>,
        peer: Option<&str>,
        direct: Way,
        headers: &Bound<'_, PyAny>,
    ) -> PyResult<&'static str> {
        let Way(direct) = direct;
        let Some(peer) = peer else { return Ok(channel_word(direct)) };
        let peer = peer.parse().map_err(|_| invalid(py, "peer is no IP address"))?;
        let said = Lines::forwarded(headers)?;
        said.lend(|lines| channel_word(self.core.channel(peer, direct, lines.iter().copied())))
    }

    fn __repr__(&self) -> String {
        format!("TrustedProxies({:?})", self.text)
    }
}

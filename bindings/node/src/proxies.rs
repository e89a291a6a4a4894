//! Which channel a request came through, when a proxy ended TLS before this host.

use std::net::IpAddr;

use inspire_auth_core::keys::{Channel, TrustedProxies as Core};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;

use crate::{
    arguments::{invalid, read, text},
    auth::pairs,
    boundary::run,
    options::channel_name,
};

/// The addresses of proxies whose `X-Forwarded-Proto` is believed. That header is a claim that anybody can send: it is
/// read from these peers only.
///
/// @example
/// const proxies = new TrustedProxies('10.0.0.0/8, ::1');
/// const channel = proxies.channel(req.socket.remoteAddress, 'plain', req.rawHeaders);
#[napi]
pub struct TrustedProxies {
    core: Core,
}

#[napi]
impl TrustedProxies {
    /// Reads addresses and CIDR blocks, separated by commas.
    ///
    /// @throws InspireAuthError `INVALID_ARGUMENT`
    #[napi(constructor, ts_args_type = "networks: string")]
    pub fn new(env: &Env, networks: Unknown<'_>) -> napi::Result<Self> {
        run(env, || Ok(Self { core: text(env, networks, "networks")?.parse()? }))
    }

    /// The channel of a request that `peer` sent. A peer that is not trusted has the channel that the host saw, `direct`.
    /// A trusted one has what it says: `secure` when there is exactly one `X-Forwarded-Proto` and it is `https`, `plain`
    /// for anything else.
    ///
    /// @param peer the address of the connection itself, such as `req.socket.remoteAddress`
    /// @param rawHeaders all lines, flat, such as `req.rawHeaders`
    /// @throws InspireAuthError `INVALID_ARGUMENT`, also for a peer that is no IP address
    /// @example
    /// proxies.channel(req.socket.remoteAddress, 'plain', req.rawHeaders); // 'secure'
    #[napi(ts_args_type = "peer: string, direct: Channel, rawHeaders: readonly string[]", ts_return_type = "Channel")]
    pub fn channel(
        &self,
        env: &Env,
        peer: Unknown<'_>,
        direct: Unknown<'_>,
        raw_headers: Unknown<'_>,
    ) -> napi::Result<&'static str> {
        run(env, || {
            let peer = text(env, peer, "peer")?;
            // A scope (`fe80::1%eth0`) says by which interface, not who.
            let address = peer.split('%').next().unwrap_or_default();
            let address: IpAddr = address.parse().map_err(|_| invalid("peer is no IP address"))?;
            let direct = match read::<String>(env, direct, "direct")?.as_str() {
                "plain" => Channel::Plain,
                "secure" => Channel::Secure,
                "local" => Channel::Local,
                _ => return Err(invalid("direct is none of 'plain', 'secure' and 'local'")),
            };
            let lines = pairs(env, &raw_headers)?;
            let lines = lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            Ok(channel_name(self.core.channel(address, direct, lines)))
        })
    }
}

//! Which channel a request came through, when a proxy ended TLS before this host.
//!
//! `X-Forwarded-Proto` is a claim that anybody can send. It is read here only, only when the host asks, and only from a
//! peer that the host trusts.

use std::{net::IpAddr, str::FromStr};

use super::request::Channel;
use crate::error::{Code, Error, Result};

const HEADER: &[u8] = b"x-forwarded-proto";

/// The addresses of proxies whose `X-Forwarded-Proto` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// The channel of a request that `peer` (the address of the connection itself) sent.
    ///
    /// A peer that is not trusted has the channel that the host saw, `direct`. A trusted one has what it says: `Secure`
    /// when there is exactly one `X-Forwarded-Proto` and it is `https`, `Plain` for anything else (absent, repeated, a
    /// list).
    #[must_use]
    pub fn channel<'a>(
        &self,
        peer: IpAddr,
        direct: Channel,
        headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Channel {
        if !self.contains(peer) {
            return direct;
        }
        let mut said =
            headers.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER)).map(|(_, value)| value);
        match (said.next(), said.next()) {
            (Some(value), None) if value.trim_ascii().eq_ignore_ascii_case(b"https") => Channel::Secure,
            _ => Channel::Plain,
        }
    }

    fn contains(&self, peer: IpAddr) -> bool {
        let (peer, width) = bits(peer.to_canonical());
        self.0.iter().any(|(network, prefix)| {
            let (network, same_width) = bits(*network);
            // A shift by the whole width means that no bit is compared: /0.
            let shift = u32::from(width).saturating_sub(u32::from(*prefix));
            width == same_width && peer.checked_shr(shift).unwrap_or(0) == network.checked_shr(shift).unwrap_or(0)
        })
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

impl FromStr for TrustedProxies {
    type Err = Error;

    /// Reads addresses and CIDR blocks, separated by commas: `10.0.0.0/8, ::1`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    fn from_str(text: &str) -> Result<Self> {
        let invalid =
            || Error::with(Code::InvalidArgument, "trusted proxies are addresses or CIDR blocks, separated by commas");
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (address, prefix) =
                part.split_once('/').map_or((part, None), |(address, prefix)| (address, Some(prefix)));
            let address: IpAddr = address.parse().map_err(|_| invalid())?;
            let (_, width) = bits(address);
            let prefix = match prefix {
                None => width,
                Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= width).ok_or_else(invalid)?,
            };
            networks.push((address, prefix));
        }
        Ok(Self(networks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'a [u8], &'a [u8])];

    const HTTPS: Headers<'_> = &[(b"X-Forwarded-Proto", b"https")];

    fn channel(trusted: &str, peer: &str, headers: Headers<'_>) -> Channel {
        let proxies: TrustedProxies = trusted.parse().unwrap();
        proxies.channel(peer.parse().unwrap(), Channel::Local, headers.iter().copied())
    }

    /// T26: only a trusted peer is believed, and only an unambiguous claim.
    #[test]
    fn a_claim_counts_from_a_trusted_peer_only() {
        for (trusted, peer) in [
            ("10.0.0.0/8", "10.1.2.3"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "::ffff:10.1.2.3"),
            ("fd00::/8, 192.0.2.1", "fd12::1"),
            ("0.0.0.0/0", "203.0.113.9"),
        ] {
            assert_eq!(channel(trusted, peer, HTTPS), Channel::Secure, "{trusted} {peer}");
            assert_eq!(channel(trusted, peer, &[]), Channel::Plain, "{trusted} {peer}");
        }
        for (trusted, peer) in [
            ("", "10.1.2.3"),
            ("10.0.0.0/8", "11.1.2.3"),
            ("10.1.2.3", "10.1.2.4"),
            ("::/0", "10.1.2.3"),
            ("fd00::/8", "fe80::1"),
        ] {
            assert_eq!(channel(trusted, peer, HTTPS), Channel::Local, "{trusted} {peer}");
        }
        let spoofs: [Headers<'_>; 6] = [
            &[(b"X-Forwarded-Proto", b"http")],
            &[(b"X-Forwarded-Proto", b"https, http")],
            &[(b"X-Forwarded-Proto", b"https"), (b"x-forwarded-proto", b"https")],
            &[(b"X_Forwarded_Proto", b"https")],
            &[(b"X-Forwarded-Proto", b"")],
            &[(b"Forwarded", b"proto=https")],
        ];
        for headers in spoofs {
            assert_eq!(channel("10.0.0.0/8", "10.1.2.3", headers), Channel::Plain);
        }
    }

    #[test]
    fn a_list_that_can_not_be_read_is_refused() {
        for bad in ["10.0.0.0/33", "10.0.0", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "host", "10.0.0.0/8/8"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }
}

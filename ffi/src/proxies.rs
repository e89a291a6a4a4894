//! Proxies that end TLS before the host.

use std::net::IpAddr;

use inspire_auth_core::{
    Code, Error,
    keys::{Channel, TrustedProxies},
};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    ptr,
    request::{channel, inspire_header},
    result::inspire_result,
    text::{inspire_str, lend},
};

/// The addresses of proxies whose `X-Forwarded-Proto` is believed, shared by all threads.
pub struct inspire_proxies(TrustedProxies);

/// Reads addresses and CIDR blocks, separated by commas: `10.0.0.0/8, ::1`.
///
/// \param text the list
/// \param proxies set to the proxies, which `inspire_proxies_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_proxies_parse(
    text: inspire_str,
    proxies: *mut *mut inspire_proxies,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(proxies)?;
            out.give(inspire_proxies(ptr::text(text, "the proxies")?.parse()?));
            Ok(())
        })
    }
}

/// The channel of a request, for hosts behind proxies that end TLS.
///
/// A peer that is not trusted has the channel that the host saw, `direct`. A trusted one has what it says: secure when
/// there is exactly one `X-Forwarded-Proto` and it is `https`, plain for anything else.
///
/// \param proxies the trusted ones
/// \param peer the address of the connection itself, as text, without a port
/// \param direct one of `INSPIRE_CHANNEL_...`
/// \param headers the header lines, as received
/// \param header_count how many
/// \param result set on success to one of `INSPIRE_CHANNEL_...`
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_proxies_channel(
    proxies: *const inspire_proxies,
    peer: inspire_str,
    direct: u32,
    headers: *const inspire_header,
    header_count: usize,
    result: *mut u32,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let proxies = ptr::object(proxies)?;
            let out = ptr::value_out(result)?;
            let peer: IpAddr = ptr::text(peer, "the peer")?
                .parse()
                .map_err(|_| Error::with(Code::InvalidArgument, "the peer is an address without a port"))?;
            let mut lines = Vec::new();
            for header in ptr::array(headers, header_count)? {
                lines.push((ptr::bytes(header.name)?, ptr::bytes(header.value)?));
            }
            out.give(match proxies.0.channel(peer, channel(direct)?, lines) {
                Channel::Plain => 0,
                Channel::Secure => 1,
                Channel::Local => 2,
            });
            Ok(())
        })
    }
}

/// Frees the proxies.
///
/// \param proxies NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_proxies_free(proxies: *mut inspire_proxies) {
    // SAFETY: NULL, or a handle that the caller owns and gives up.
    unsafe { ptr::free(proxies) };
}

/// The name of a header that may carry a credential: what a host that forwards requests must strip from every one of
/// them, granted or not.
///
/// \param auth the handle
/// \param index counted from 0
/// \return borrowed from `auth`; `{NULL, 0}` behind the last
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_credential_header(auth: *const inspire_auth, index: usize) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live handle.
        let auth = unsafe { ptr::optional(auth) };
        lend(auth.and_then(|auth| auth.credential_headers.get(index)))
    })
}

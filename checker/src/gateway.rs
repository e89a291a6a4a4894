//! What each gateway says of a request, and which answers it understands.

use std::str::FromStr;

use hyper::{HeaderMap, Method, Uri, header::HeaderName};

/// The kind of gateway that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// nginx's `auth_request`: 2xx is a grant, 401 and 403 are refusals, anything else is its own error 500.
    Nginx,
    /// Envoy's `ext_authz` over HTTP, which sends the client's own method, path and headers.
    Envoy,
    /// Caddy's `forward_auth`.
    Caddy,
    /// Traefik's `ForwardAuth`.
    Traefik,
    /// HAProxy, by a Lua action or a filter that sets `X-Original-Method` and `X-Original-URI`.
    Haproxy,
}

/// What was asked of the gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a [u8],
}

impl Gateway {
    const ALL: [(&'static str, Self); 5] = [
        ("nginx", Self::Nginx),
        ("envoy", Self::Envoy),
        ("caddy", Self::Caddy),
        ("traefik", Self::Traefik),
        ("haproxy", Self::Haproxy),
    ];

    /// `nginx`, `envoy`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, gateway)| *gateway == self).map_or("", |(name, _)| name)
    }

    /// The headers in which it says the method and the path that a client asked for; `None` where the question has them itself.
    #[must_use]
    pub const fn original(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Nginx | Self::Haproxy => Some(["x-original-method", "x-original-uri"]),
            Self::Caddy | Self::Traefik => Some(["x-forwarded-method", "x-forwarded-uri"]),
            Self::Envoy => None,
        }
    }

    /// What the client asked for. `None` when the gateway does not say it, or says it twice.
    pub(crate) fn asked<'a>(self, method: &'a Method, uri: &'a Uri, headers: &'a HeaderMap) -> Option<Asked<'a>> {
        match self.original() {
            None => Some(Asked { method: method.as_str(), path: uri.path_and_query()?.as_str().as_bytes() }),
            Some([method, path]) => {
                let method = std::str::from_utf8(only(headers, method)?).ok()?;
                Some(Asked { method, path: only(headers, path)? })
            }
        }
    }

    /// The status with which it is answered for one of ours.
    pub(crate) const fn status(self, status: u16) -> u16 {
        match (self, status) {
            // What it does not know it takes for an error of the checker. A request that is malformed shows nobody, and a license
            // that does not allow something forbids it; an error of ours stays one.
            (Self::Nginx, 400) => 401,
            (Self::Nginx, 402 | 429) => 403,
            (_, status) => status,
        }
    }
}

impl FromStr for Gateway {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, gateway)| *gateway);
        known.ok_or_else(|| format!("a gateway is one of {}", Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

/// The value of a header that there is exactly once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_client_asked_for_is_where_its_gateway_says_it() {
        let (method, uri) = (Method::GET, Uri::from_static("/check?x=1"));
        let nginx = headers(&[("x-original-method", "PUT"), ("x-original-uri", "/data?y=2")]);
        let caddy = headers(&[("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/data?y=2")]);
        let put = Asked { method: "PUT", path: b"/data?y=2" };
        assert_eq!(Gateway::Nginx.asked(&method, &uri, &nginx).as_ref(), Some(&put));
        assert_eq!(Gateway::Haproxy.asked(&method, &uri, &nginx).as_ref(), Some(&put));
        assert_eq!(Gateway::Caddy.asked(&method, &uri, &caddy).as_ref(), Some(&put));
        assert_eq!(Gateway::Traefik.asked(&method, &uri, &caddy).as_ref(), Some(&put));
        let own = Asked { method: "GET", path: b"/check?x=1" };
        assert_eq!(Gateway::Envoy.asked(&method, &uri, &nginx), Some(own));
        // What is not said, or by another's header, or twice, is not known.
        assert_eq!(Gateway::Nginx.asked(&method, &uri, &caddy), None);
        assert_eq!(Gateway::Caddy.asked(&method, &uri, &nginx), None);
        let mut twice = nginx;
        twice.append("x-original-uri", HeaderValue::from_static("/public"));
        assert_eq!(Gateway::Nginx.asked(&method, &uri, &twice), None);
    }

    #[test]
    fn nginx_is_told_what_it_understands_and_nothing_becomes_a_grant() {
        for status in 100..600 {
            for (_, gateway) in Gateway::ALL {
                let told = gateway.status(status);
                assert_eq!((200..300).contains(&told), (200..300).contains(&status), "{gateway:?} {status}");
                assert!(gateway == Gateway::Nginx || told == status);
            }
        }
        assert_eq!([400, 401, 402, 403, 429, 503].map(|it| Gateway::Nginx.status(it)), [401, 401, 403, 403, 403, 503]);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, gateway) in Gateway::ALL {
            assert_eq!((name.parse(), gateway.name()), (Ok(gateway), name));
        }
        assert!("NGINX".parse::<Gateway>().is_err());
    }
}

//! The dry run: what a request would get, by which rule, and why.

use std::fmt;

use super::{Refusal, Routes};
use crate::{
    auth::InspireAuth,
    clock,
    error::{Code, Result},
    keys::{Bearer, Channel, Principal},
};

/// What a request would get, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The answer: `Code::Ok` when it would be granted.
    pub code: Code,
    /// The rule that decides: its prefix and its methods, as written in the table; `None` when no rule was reached.
    pub rule: Option<(String, Vec<String>)>,
    /// With `INSUFFICIENT_LEVEL` the levels for want of which it is refused, byte-sorted; else empty.
    pub missing: Vec<String>,
    /// A sentence for an administrator; never shown to the caller.
    pub reason: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Explanation {
    fn of_refusal(refusal: Refusal<'_>) -> Self {
        let reason = match refusal {
            Refusal::MethodNotListed(prefix) => format!("the longest prefix, {prefix}, does not list the method"),
            other => other.reason().to_owned(),
        };
        Self { code: refusal.code(), rule: None, missing: Vec::new(), reason }
    }
}

impl InspireAuth {
    /// What a request with this key (by name, with its right secret; `None` is a request without a credential) would get
    /// now: the route, then the key, the channel, its levels and the license, in the order of a real request.
    ///
    /// Notes nothing: no audit event, no last use, no counter. `path` is as in [`Routes::find`]; `now` is in Unix
    /// seconds, `None` or 0 is the system's clock.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such key, whatever the route, or a `STORE_*` code.
    pub fn would_allow(
        &self,
        routes: &Routes,
        key: Option<&str>,
        method: &str,
        path: &[u8],
        channel: Channel,
        now: Option<i64>,
    ) -> Result<Explanation> {
        let now = clock::resolve(now);
        let bearer = key.map_or(Ok(Bearer::Nobody), |name| self.inner.bearer_named(name, now))?;
        Ok(self.explain_with(routes, &bearer, method, path, channel, now))
    }

    /// The same for a principal that is here already: what its next request would get, with the same secret over the
    /// same channel.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn explain_route(
        &self,
        routes: &Routes,
        principal: &Principal,
        method: &str,
        path: &[u8],
        now: Option<i64>,
    ) -> Result<Explanation> {
        let bearer = self.inner.bearer_of(principal)?;
        Ok(self.explain_with(routes, &bearer, method, path, principal.channel(), clock::resolve(now)))
    }

    fn explain_with(
        &self,
        routes: &Routes,
        bearer: &Bearer,
        method: &str,
        path: &[u8],
        channel: Channel,
        now: i64,
    ) -> Explanation {
        let rule = match routes.0.find(method, path) {
            Ok(rule) => rule,
            Err(refusal) => return Explanation::of_refusal(refusal),
        };
        let outlook = self.inner.foresee(bearer, rule.requirement(), rule.entitlement(), channel, now);
        let methods: Vec<String> = rule.methods().map(str::to_owned).collect();
        let reason = format!("{} {}: {}", methods.join(", "), rule.prefix(), outlook.reason);
        Explanation {
            code: outlook.code,
            rule: Some((rule.prefix().to_owned(), methods)),
            missing: outlook.missing,
            reason,
        }
    }
}

//! Route tables: which requirement guards which path and method.

use std::fmt;

use crate::{
    auth::InspireAuth,
    error::{Code, Error, Result},
    keys::{Channel, Principal, Requirement},
};

/// A compiled route table: immutable, cheap to clone, shared by any number of threads.
#[derive(Clone, Debug)]
pub struct Routes {}

/// What guards one prefix for some methods.
#[derive(Debug)]
pub struct Rule {}

impl Rule {
    /// The path prefix, such as `/data/api/v1`: whole segments.
    #[must_use]
    pub fn prefix(&self) -> &str {
        ""
    }

    /// The methods, as written in the table; `*` is every one.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// What a caller must satisfy.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        unreachable!()
    }

    /// An entitlement that the license must hold as well.
    #[must_use]
    pub fn entitlement(&self) -> Option<&str> {
        None
    }
}

/// What a request would get, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The answer: `Code::Ok` when it would be granted.
    pub code: Code,
    /// The rule that decides: its prefix and its methods; `None` when no rule was reached.
    pub rule: Option<(String, Vec<String>)>,
    /// The levels for want of which it is refused, byte-sorted.
    pub missing: Vec<String>,
    /// A sentence for an administrator; never shown to the caller.
    pub reason: String,
}

impl Routes {
    /// Compiles a table from JSON.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with what is wrong and where; `INVALID_LEVEL`.
    pub fn parse(_json: &str) -> Result<Self> {
        Err(Error::new(Code::UnsupportedOption))
    }

    /// All rules, in the order of the table.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        std::iter::empty()
    }

    /// The rule for a method and a path. The path is the request target's, as received: percent-encoded, and cut at the
    /// first `?`.
    ///
    /// # Errors
    /// `PATH_NOT_CANONICAL`, `ROUTE_DENIED`.
    pub fn find(&self, _method: &str, _path: &[u8]) -> Result<&Rule> {
        Err(Error::new(Code::RouteDenied))
    }
}

impl InspireAuth {
    /// As [`Routes::find`], and a denial goes to the audit log and the counters.
    ///
    /// # Errors
    /// `PATH_NOT_CANONICAL`, `ROUTE_DENIED`.
    pub fn route<'r>(&self, routes: &'r Routes, method: &str, path: &[u8]) -> Result<&'r Rule> {
        routes.find(method, path)
    }

    /// What a request with this key (by name, with its right secret; `None` is a request without a credential) would get.
    /// Notes nothing.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is no such key, or a `STORE_*` code.
    pub fn would_allow(
        &self,
        _routes: &Routes,
        _key: Option<&str>,
        _method: &str,
        _path: &[u8],
        _channel: Channel,
        _now: Option<i64>,
    ) -> Result<Explanation> {
        Err(Error::new(Code::UnsupportedOption))
    }

    /// The same for a principal that is here already.
    ///
    /// # Errors
    /// A `STORE_*` code.
    pub fn explain_route(
        &self,
        _routes: &Routes,
        _principal: &Principal,
        _method: &str,
        _path: &[u8],
        _now: Option<i64>,
    ) -> Result<Explanation> {
        Err(Error::new(Code::UnsupportedOption))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

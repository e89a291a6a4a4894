//! Route tables: which requirement guards which path and method.
//!
//! A path is matched as it was received and never rewritten: one that another reader could read in a second way is
//! refused. The longest prefix of whole segments decides, alone; what no rule covers is denied.

mod document;
mod explain;
mod path;
mod suffix;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use explain::Explanation;

use crate::{
    auth::InspireAuth,
    error::{Code, Error, Result},
    keys::Requirement,
};
use table::Table;

/// The longest table, in bytes of JSON.
pub const MAX_TABLE_BYTES: usize = 1 << 20;
/// The most rules in one table.
pub const MAX_RULES: usize = 10_000;
/// The longest path, in bytes, without its query.
pub const MAX_PATH: usize = 8 << 10;

/// How much of a refused request an audit event shows, in bytes.
const MAX_SUBJECT: usize = 200;

/// A compiled route table: immutable, cheap to clone, shared by any number of threads.
#[derive(Clone, Debug)]
pub struct Routes(Arc<Table>);

/// What guards one prefix for some methods.
#[derive(Debug)]
pub struct Rule {
    prefix: Box<str>,
    methods: Box<[Box<str>]>,
    requirement: Requirement,
    entitlement: Option<Box<str>>,
}

impl Rule {
    /// The path prefix as written in the table, such as `/data/api/v1`: whole segments.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The methods, as written in the table; `*` alone is every one that no other rule of this prefix lists.
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(AsRef::as_ref)
    }

    /// What a caller must satisfy.
    #[must_use]
    pub fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// An entitlement that the license must hold as well.
    #[must_use]
    pub fn entitlement(&self) -> Option<&str> {
        self.entitlement.as_deref()
    }
}

/// Why no rule decides. All of it is known when the library is built, so a refusal allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal<'t> {
    /// The path could be read in two ways.
    NotCanonical(&'static str),
    /// The method is not a token (RFC 9110, section 5.6.2).
    NotAMethod,
    /// No prefix of the table is one of the path.
    Uncovered,
    /// Several prefixes cover the path, and none is the closest.
    Ambiguous,
    /// This is the longest prefix, and it does not list the method.
    MethodNotListed(&'t str),
}

impl Refusal<'_> {
    const fn code(self) -> Code {
        match self {
            Self::NotCanonical(_) => Code::PathNotCanonical,
            Self::NotAMethod | Self::Uncovered | Self::Ambiguous | Self::MethodNotListed(_) => Code::RouteDenied,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::NotCanonical(reason) => reason,
            Self::NotAMethod => "the method is not a token",
            Self::Uncovered => "no prefix of the table covers it",
            Self::Ambiguous => "two prefixes of the table cover it, and neither is the closer one",
            Self::MethodNotListed(_) => "the longest prefix does not list the method",
        }
    }
}

impl From<Refusal<'_>> for Error {
    fn from(refusal: Refusal<'_>) -> Self {
        Self::with(refusal.code(), refusal.reason())
    }
}

impl Routes {
    /// Compiles a table from JSON:
    ///
    /// ```json
    /// {"ignore_case": false, "ignore_suffix": false,
    ///  "routes": [{"prefix": "/data/api/v1/resources", "methods": ["GET", "HEAD"],
    ///              "require": {"any": ["Authenticated/Config/Read"]}, "entitlement": "DEVICE_GROUPS"}]}
    /// ```
    ///
    /// * `ignore_case` (default false) compares paths without regard to ASCII case, for hosts whose router does.
    /// * `ignore_suffix` (default false) is for hosts that take `/users.json` to the handler of `/users`: a segment of a
    ///   path fits a segment of a prefix that is all of it, or all before one of its dots. Of the prefixes that cover a
    ///   path the one decides that all others cover as well: `/a.b` before `/a`. Where there is none (`/a.b` and `/a/x`,
    ///   of `/a.b/x`), the request is denied.
    /// * `prefix` is `/`, or segments of `[A-Za-z0-9._~-]`, none of them `.` or `..`, without a slash at the end.
    /// * `methods` are tokens (RFC 9110), compared case-sensitively; `["*"]` is every method that no other rule of the
    ///   same prefix lists. `HEAD` is a method of its own.
    /// * `require` is `{"any": [...]}` or `{"all": [...]}`; an empty list denies everyone.
    /// * `entitlement` (optional) must be held by the license as well.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, with what is wrong and where, for anything else: an unknown or repeated member, a prefix and
    /// method that stand twice, more than [`MAX_TABLE_BYTES`] or [`MAX_RULES`]. `INVALID_LEVEL`.
    pub fn parse(json: &str) -> Result<Self> {
        let document = document::read(json)?;
        Table::compile(document).map(|table| Self(Arc::new(table)))
    }

    /// All rules, in the order of the table.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.0.rules.iter()
    }

    /// Whether paths are compared without regard to ASCII case.
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        self.0.ignore_case
    }

    /// Whether what follows a dot in a segment of a path is left out of account (`ignore_suffix`).
    #[must_use]
    pub fn ignores_suffix(&self) -> bool {
        self.0.ignore_suffix
    }

    /// The rule for a method and a path. The path is the request target's, as received: percent-encoded, and cut at the
    /// first `?`. The method is the one that the host acts on, after any header that overrides it. Allocates nothing; takes
    /// time in proportion to the path.
    ///
    /// # Errors
    /// `PATH_NOT_CANONICAL`, `ROUTE_DENIED`, both with a detail that says why.
    pub fn find(&self, method: &str, path: &[u8]) -> Result<&Rule> {
        self.0.find(method, path).map_err(Error::from)
    }
}

impl InspireAuth {
    /// As [`Routes::find`], and a denial goes to the audit log and the counters.
    ///
    /// This comes before the credential is looked at. With the rule, the host asks
    /// [`authenticate`](InspireAuth::authenticate):
    ///
    /// ```
    /// # use inspire_auth_core::{InspireAuth, Options, StoreLocation, Code, routes::Routes};
    /// # use inspire_auth_core::keys::{Channel, Presented, Request};
    /// # let auth = InspireAuth::open(Options::new(StoreLocation::Memory))?;
    /// let routes = Routes::parse(
    ///     r#"{"routes": [{"prefix": "/data/api/v1", "methods": ["GET"], "require": {"any": ["Authenticated"]}}]}"#,
    /// )?;
    /// let rule = auth.route(&routes, "GET", b"/data/api/v1/resources?page=2")?;
    /// let mut request = Request::new(Presented::Headers(&[]), rule.requirement());
    /// request.channel = Channel::Secure;
    /// request.entitlement = rule.entitlement();
    /// assert_eq!(auth.authenticate(&request).unwrap_err().code(), Code::NoCredential);
    /// assert_eq!(auth.route(&routes, "GET", b"/data//api").unwrap_err().code(), Code::PathNotCanonical);
    /// # Ok::<(), inspire_auth_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `PATH_NOT_CANONICAL`, `ROUTE_DENIED`.
    pub fn route<'r>(&self, routes: &'r Routes, method: &str, path: &[u8]) -> Result<&'r Rule> {
        routes.0.find(method, path).map_err(|refusal| {
            self.note_denied(method, path, refusal);
            Error::from(refusal)
        })
    }

    #[cold]
    fn note_denied(&self, method: &str, path: &[u8], refusal: Refusal<'_>) {
        if self.inner.count_denied(refusal.code()) {
            let subject = subject(method, path);
            self.inner.audit_with("route.denied", "", &subject, refusal.reason(), refusal.code(), None);
        }
    }
}

/// What an audit event says was asked for: the method and the path without its query, which may hold a secret; cut to
/// [`MAX_SUBJECT`] bytes, and without a byte that could end a line or move a cursor.
fn subject(method: &str, path: &[u8]) -> String {
    let path = path::without_query(path);
    let shown = |byte: u8| if matches!(byte, 0x20..=0x7e) { char::from(byte) } else { '?' };
    let bytes = method.bytes().chain([b' ']).chain(path.iter().copied());
    bytes.take(MAX_SUBJECT).map(shown).collect()
}

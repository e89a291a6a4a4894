//! The decision about one request: what it is asked, and who is asked first, memory or the slow way.

use inspire_auth_core::{
    Result,
    keys::{Channel, Presented, Request},
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyString};

use crate::{
    auth::{InspireAuth, closed},
    boundary::{caught, released},
    errors::{invalid, raise},
    headers::{self, Lines, raw},
    requirement::{self, Given},
    routes::Routes,
    warm::Decision,
};

/// What a request is asked, as Python says it.
pub(crate) struct Asked<'a, 'py> {
    pub(crate) channel: Channel,
    pub(crate) require: Option<&'a Bound<'py, PyAny>>,
    pub(crate) entitlement: Option<&'a str>,
    pub(crate) now: Option<i64>,
    pub(crate) routes: Option<&'a Bound<'py, Routes>>,
    pub(crate) method: Option<&'a Bound<'py, PyString>>,
    pub(crate) path: Option<&'a Bound<'py, PyAny>>,
}

/// What a request is asked besides its headers, read.
pub(crate) struct Terms<'a> {
    channel: Channel,
    require: Given<'a>,
    entitlement: Option<&'a str>,
    now: Option<i64>,
}

/// What memory makes of a request.
pub(crate) enum Memory<'py> {
    Decided(Decision<'py>),
    /// Its lines, when the decision takes longer.
    Unknown(Lines<'py>),
}

/// A method. One that is no text in UTF-8 is in no table.
pub(crate) fn method<'a>(given: &'a Bound<'_, PyString>) -> &'a str {
    given.to_str().unwrap_or("\u{fffd}")
}

/// The bytes of a path. A text that has none in UTF-8 is shown to the core as what no path may hold.
pub(crate) fn path<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    raw(given).ok_or_else(|| PyTypeError::new_err("path is str or bytes"))
}

impl InspireAuth {
    /// Reads what is asked. With a table, this is where a path or a method is refused.
    #[inline]
    pub(crate) fn terms<'a>(&self, py: Python<'_>, asked: &Asked<'a, '_>) -> PyResult<Terms<'a>> {
        if asked.routes.is_some() || asked.method.is_some() || asked.path.is_some() {
            return self.routed(py, asked);
        }
        let require = requirement::read(py, asked.require)?;
        Ok(Terms { channel: asked.channel, require, entitlement: asked.entitlement, now: asked.now })
    }

    fn routed<'a>(&self, py: Python<'_>, asked: &Asked<'a, '_>) -> PyResult<Terms<'a>> {
        // One without the others is a mistake that must not become "any key".
        let (Some(routes), Some(method), Some(path)) = (asked.routes, asked.method, asked.path) else {
            return Err(invalid(py, "routes, method and path are given together, or none of them"));
        };
        if asked.require.is_some() || asked.entitlement.is_some() {
            return Err(invalid(py, "what is required is said by routes, or by require and entitlement"));
        }
        let (routes, method, path) = (&routes.get().core, self::method(method), self::path(path)?);
        let rule = {
            let guard = self.open_core(py)?;
            let Some(core) = guard.as_ref() else { return Err(closed(py)) };
            caught(|| core.route(routes, method, path))
        };
        match rule {
            Ok(rule) => {
                let require = Given::Lent(rule.requirement());
                Ok(Terms { channel: asked.channel, require, entitlement: rule.entitlement(), now: asked.now })
            }
            Err(error) => {
                self.audit.tell(py);
                Err(raise(py, &error))
            }
        }
    }

    /// Decides from memory, or gives the lines that are to be decided slowly.
    #[inline]
    pub(crate) fn decide_warm<'py>(
        &self,
        py: Python<'py>,
        headers: &Bound<'py, PyAny>,
        terms: &Terms<'_>,
    ) -> PyResult<Memory<'py>> {
        let decide = |presented: Presented<'_>| self.warm.decide(py, &terms.request(presented));
        // One value is shown as it is; only what has to be kept for later becomes lines.
        let decision = headers::one_value(headers).map(decide);
        if let Some(Some(decision)) = decision {
            return Ok(Memory::Decided(decision));
        }
        let lines = Lines::read(headers, &self.extra)?;
        if decision.is_none()
            && let Some(decision) = lines.present(decide)?
        {
            return Ok(Memory::Decided(decision));
        }
        Ok(Memory::Unknown(lines))
    }
}

impl Terms<'_> {
    #[inline]
    fn request<'b>(&'b self, presented: Presented<'b>) -> Request<'b> {
        Request {
            presented,
            channel: self.channel,
            requirement: &self.require,
            entitlement: self.entitlement,
            now: self.now,
        }
    }
}

/// Decides what memory does not know, without the interpreter's lock and on copies.
#[cold]
pub(crate) fn decide_slowly<T: Send>(
    py: Python<'_>,
    lines: &Lines<'_>,
    terms: &Terms<'_>,
    decide: impl FnOnce(&Request<'_>) -> Result<T> + Send,
) -> PyResult<Result<T>> {
    let lines = lines.copy()?;
    let entitlement = terms.entitlement.map(str::to_owned);
    let (requirement, channel, now) = (terms.require.clone(), terms.channel, terms.now);
    released(py, move || {
        Ok(caught(|| {
            lines.lend(|lines| {
                let presented = Presented::Headers(lines);
                let entitlement = entitlement.as_deref();
                decide(&Request { presented, channel, requirement: &requirement, entitlement, now })
            })
        }))
    })
}

//! A request's headers, in whatever shape a host keeps them.
//!
//! Only the lines that are asked for are kept, those that can carry a credential or the claim of a proxy; the core
//! reads them, and judges repeated ones.

use inspire_auth_core::keys::{LEGACY_HEADER, Presented};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple},
};
use zeroize::Zeroizing;

use crate::gate;

const AUTHORIZATION: &str = "Authorization";
const FORWARDED: &str = "X-Forwarded-Proto";

/// Lines that are kept. A request has at most two kinds, so that among three one is repeated, which refuses it: what
/// else there is changes nothing.
const MOST: usize = 3;

/// The lines that were asked for.
#[derive(Default)]
pub(crate) struct Lines<'py> {
    lines: [Option<(Kind, Bound<'py, PyAny>)>; MOST],
    count: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Authorization,
    Bare,
    Forwarded,
}

impl Kind {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Authorization => AUTHORIZATION.as_bytes(),
            Self::Bare => LEGACY_HEADER.as_bytes(),
            Self::Forwarded => FORWARDED.as_bytes(),
        }
    }
}

/// The names of further headers that carry a credential.
pub(crate) struct Extra(Vec<String>);

impl Extra {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    #[inline]
    fn kind(&self, name: &[u8]) -> Option<Kind> {
        if name.len() == AUTHORIZATION.len() && name.eq_ignore_ascii_case(AUTHORIZATION.as_bytes()) {
            Some(Kind::Authorization)
        } else if (name.len() == LEGACY_HEADER.len() && name.eq_ignore_ascii_case(LEGACY_HEADER.as_bytes()))
            || self.0.iter().any(|extra| name.eq_ignore_ascii_case(extra.as_bytes()))
        {
            Some(Kind::Bare)
        } else {
            None
        }
    }
}

/// The bytes of a `str` or `bytes`. A text that has none in UTF-8 (a lone surrogate stands for a byte that some server
/// could not decode) is in no credential's alphabet and in no path, and is shown to the core as such. `None` for
/// anything else.
#[inline]
pub(crate) fn raw<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    let encoded = |text: &'a Bound<'_, PyString>| text.to_str().map_or(&b"\xff"[..], str::as_bytes);
    // Of exactly these types nearly always: that is one comparison.
    if let Ok(text) = value.cast_exact::<PyString>() {
        Some(encoded(text))
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        Some(bytes.as_bytes())
    } else if let Ok(text) = value.cast::<PyString>() {
        Some(encoded(text))
    } else {
        value.cast::<PyBytes>().ok().map(|bytes| bytes.as_bytes())
    }
}

/// The same of a header's name or value.
#[inline]
fn part<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    raw(value).ok_or_else(|| PyTypeError::new_err("a header's name and value are str or bytes"))
}

/// The `headers` argument as the one value of the one `Authorization` header, when it is that.
#[inline]
pub(crate) fn one_value<'a>(headers: &'a Bound<'_, PyAny>) -> Option<Presented<'a>> {
    raw(headers).map(Presented::Authorization)
}

#[cold]
fn wrong_shape() -> PyErr {
    PyTypeError::new_err("headers are (name, value) pairs, a mapping, or the one value of Authorization")
}

impl<'py> Lines<'py> {
    /// Reads the `headers` argument of a request that is to be decided.
    #[inline]
    pub(crate) fn read(headers: &Bound<'py, PyAny>, extra: &Extra) -> PyResult<Self> {
        if raw(headers).is_some() {
            let mut lines = Self::default();
            lines.keep(Kind::Authorization, headers.clone());
            return Ok(lines);
        }
        Self::of(headers, |name| extra.kind(name))
    }

    /// Reads the claims of proxies.
    pub(crate) fn forwarded(headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::of(headers, |name| name.eq_ignore_ascii_case(FORWARDED.as_bytes()).then_some(Kind::Forwarded))
    }

    #[inline]
    fn of(headers: &Bound<'py, PyAny>, kind: impl Fn(&[u8]) -> Option<Kind>) -> PyResult<Self> {
        let mut lines = Self::default();
        if let Ok(list) = headers.cast::<PyList>() {
            for at in 0..list.len() {
                lines.pair(&list.get_item(at)?, &kind)?;
            }
        } else if let Ok(map) = headers.cast::<PyDict>() {
            for (name, value) in map.iter() {
                lines.line(&name, value, &kind)?;
            }
        } else if let Ok(tuple) = headers.cast::<PyTuple>() {
            for pair in tuple.iter_borrowed() {
                lines.pair(&pair, &kind)?;
            }
        } else {
            // A mapping or an iterable of the host's: perhaps in Python.
            let _passage = gate::run_python(headers.py());
            let is_map = headers.cast::<PyMapping>().is_ok();
            let pairs = if is_map { headers.call_method0("items")? } else { headers.clone() };
            for pair in pairs.try_iter().map_err(|_| wrong_shape())? {
                lines.pair(&pair?, &kind)?;
            }
        }
        Ok(lines)
    }

    #[inline]
    fn pair(&mut self, pair: &Bound<'py, PyAny>, kind: &impl Fn(&[u8]) -> Option<Kind>) -> PyResult<()> {
        // Exactly tuple and bytes come first: that is one comparison, and nearly always so.
        if let Ok(pair) = pair.cast_exact::<PyTuple>() {
            let name = pair.get_borrowed_item(0).map_err(|_| wrong_shape())?;
            if let Some(kind) = kind(part(&name)?) {
                if pair.len() != 2 {
                    return Err(wrong_shape());
                }
                self.keep(kind, pair.get_item(1)?);
            }
            return Ok(());
        }
        let _passage = gate::run_python(pair.py());
        if pair.is_instance_of::<PyString>() || pair.is_instance_of::<PyBytes>() || pair.len().ok() != Some(2) {
            return Err(wrong_shape());
        }
        self.line(&pair.get_item(0)?, pair.get_item(1)?, kind)
    }

    #[inline]
    fn line(
        &mut self,
        name: &Bound<'py, PyAny>,
        value: Bound<'py, PyAny>,
        kind: &impl Fn(&[u8]) -> Option<Kind>,
    ) -> PyResult<()> {
        if let Some(kind) = kind(part(name)?) {
            self.keep(kind, value);
        }
        Ok(())
    }

    #[inline]
    fn keep(&mut self, kind: Kind, value: Bound<'py, PyAny>) {
        if let Some(slot) = self.lines.get_mut(self.count) {
            *slot = Some((kind, value));
            self.count = self.count.saturating_add(1);
        }
    }

    /// Shows the lines to `body` as the core takes them: the one line of nearly every request without its name.
    #[inline]
    pub(crate) fn present<T>(&self, body: impl FnOnce(Presented<'_>) -> T) -> PyResult<T> {
        match (self.count, &self.lines) {
            (1, [Some((Kind::Authorization, value)), ..]) => Ok(body(Presented::Authorization(part(value)?))),
            (1, [Some((Kind::Bare, value)), ..]) => Ok(body(Presented::Legacy(part(value)?))),
            _ => self.lend(|lines| body(Presented::Headers(lines))),
        }
    }

    /// Lends the lines to `body`.
    #[inline]
    pub(crate) fn lend<T>(&self, body: impl FnOnce(&[(&[u8], &[u8])]) -> T) -> PyResult<T> {
        let mut lent: [(&[u8], &[u8]); MOST] = [(&[], &[]); MOST];
        for (to, line) in lent.iter_mut().zip(&self.lines) {
            if let Some((kind, value)) = line {
                *to = (kind.name(), part(value)?);
            }
        }
        Ok(body(lent.get(..self.count).unwrap_or_default()))
    }

    /// Copies the lines, for a decision without the interpreter's lock.
    pub(crate) fn copy(&self) -> PyResult<OwnedLines> {
        let lines = self.lines.iter().flatten();
        lines
            .map(|(kind, value)| Ok((*kind, Zeroizing::new(part(value)?.to_vec()))))
            .collect::<PyResult<_>>()
            .map(OwnedLines)
    }
}

/// The lines of a request, as our own.
pub(crate) struct OwnedLines(Vec<(Kind, Zeroizing<Vec<u8>>)>);

impl OwnedLines {
    pub(crate) fn lend<T>(&self, body: impl FnOnce(&[(&[u8], &[u8])]) -> T) -> T {
        let lines: Vec<(&[u8], &[u8])> = self.0.iter().map(|(kind, value)| (kind.name(), value.as_slice())).collect();
        body(&lines)
    }
}

//! Arguments that Python writes in more than one way.

use std::path::PathBuf;

use inspire_auth_core::keys::{Actor, Caller, Channel};
use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyBytes, PyDelta, PyInt, PyString},
};

use crate::{
    errors::invalid,
    gate,
    principal::{Principal, System},
};

/// Reads one of a few words.
pub(crate) fn word<T: Copy>(py: Python<'_>, name: &str, given: &str, words: &[(&str, T)]) -> PyResult<T> {
    words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        invalid(py, format!("{name} is one of {}", words.join(", ")))
    })
}

/// A channel, as the host says it is.
pub(crate) struct Way(pub(crate) Channel);

impl Way {
    /// What it is when nothing is said.
    pub(crate) const PLAIN: Self = Self(Channel::Plain);
}

impl<'py> FromPyObject<'_, 'py> for Way {
    type Error = PyErr;

    #[inline]
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        // A word that stands in a program is nearly always this very object.
        if given.is(intern!(py, "secure")) {
            return Ok(Self(Channel::Secure));
        }
        match given.cast::<PyString>()?.to_str()? {
            "plain" => Ok(Self(Channel::Plain)),
            "secure" => Ok(Self(Channel::Secure)),
            "local" => Ok(Self(Channel::Local)),
            _ => Err(invalid(py, "channel is \"plain\", \"secure\" or \"local\"")),
        }
    }
}

/// How the channel is written.
pub(crate) const fn channel_word(channel: Channel) -> &'static str {
    match channel {
        Channel::Plain => "plain",
        Channel::Secure => "secure",
        Channel::Local => "local",
    }
}

/// A moment: Unix seconds, or a `datetime` that says its time zone.
pub(crate) struct Moment(pub(crate) i64);

impl<'py> FromPyObject<'_, 'py> for Moment {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if let Ok(number) = given.cast::<PyInt>()
            && !given.is_instance_of::<PyBool>()
        {
            return number.extract().map(Self).map_err(|_| invalid(py, "a time is beyond 64 bits"));
        }
        let _passage = gate::run_python(py);
        static DATETIME: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if !given.is_instance(DATETIME.import(py, "datetime", "datetime")?)? {
            return Err(pyo3::exceptions::PyTypeError::new_err("a time is an int (Unix seconds) or a datetime"));
        }
        if given.call_method0("utcoffset")?.is_none() {
            return Err(invalid(py, "a datetime needs a time zone"));
        }
        let seconds: f64 = given.call_method0("timestamp")?.extract()?;
        // A datetime ends with the year 9999: far inside 64 bits, and whole seconds are exact.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self(seconds.floor() as i64))
    }
}

/// A duration: whole seconds, or a `timedelta`.
pub(crate) fn seconds(given: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = given.py();
    let negative = || invalid(py, "a duration is in seconds, not negative, within 64 bits");
    if let Ok(delta) = given.cast::<PyDelta>() {
        let seconds: f64 = delta.call_method0("total_seconds")?.extract()?;
        if seconds < 0.0 {
            return Err(negative());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return Ok(seconds as u64);
    }
    if given.is_instance_of::<PyBool>() || !given.is_instance_of::<PyInt>() {
        return Err(pyo3::exceptions::PyTypeError::new_err("a duration is an int (seconds) or a timedelta"));
    }
    given.extract().map_err(|_| negative())
}

/// A number that counts something.
pub(crate) fn count(given: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    if given.is_instance_of::<PyBool>() || !given.is_instance_of::<PyInt>() {
        return Err(pyo3::exceptions::PyTypeError::new_err(format!("{name} is an int")));
    }
    given.extract().map_err(|_| invalid(given.py(), format!("{name} is not negative, and within 64 bits")))
}

/// A path: `str`, `bytes` or `os.PathLike`.
pub(crate) fn path(given: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let _passage = gate::run_python(given.py());
    static FSDECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FSDECODE.import(given.py(), "os", "fsdecode")?.call1((given,))?.extract()
}

/// The contents of a file: `str` or `bytes`.
pub(crate) fn contents(given: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        Ok(bytes.as_bytes().to_vec())
    } else if let Ok(text) = given.cast::<PyString>() {
        Ok(text.to_str()?.as_bytes().to_vec())
    } else {
        Err(pyo3::exceptions::PyTypeError::new_err("a file's contents are str or bytes"))
    }
}

/// Who changes something: `SYSTEM` or a principal.
pub(crate) enum By {
    System,
    Principal(inspire_auth_core::keys::Principal),
}

impl<'py> FromPyObject<'_, 'py> for By {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<System>() {
            Ok(Self::System)
        } else if let Ok(principal) = given.cast::<Principal>() {
            Ok(Self::Principal(principal.get().core))
        } else {
            Err(pyo3::exceptions::PyTypeError::new_err("actor is SYSTEM or a Principal"))
        }
    }
}

impl By {
    /// The core's caller.
    pub(crate) fn caller(&self, now: Option<i64>) -> Caller<'_> {
        let actor = match self {
            Self::System => Actor::System,
            Self::Principal(principal) => Actor::Principal(principal),
        };
        Caller { actor, now }
    }
}

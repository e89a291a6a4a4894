//! Requirements, compiled once.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Deref,
    sync::{LazyLock, Mutex},
};

use inspire_auth_core::{
    Result,
    keys::{Requirement as Core, RequirementSpec},
};
use pyo3::{prelude::*, types::PyString};

use crate::{boundary::kept, errors::raise};

/// What a request requires, compiled: for any handle, any thread, any number of requests.
///
/// Args:
///     text: `any(A/B, C)`, `all(A, B)`, or one level, which means any of it. Spaces around a level are trimmed. An
///         empty list is satisfied by nobody. "Any valid key" is `Authenticated`, "everyone" is `Public`.
///
/// Raises:
///     ArgumentError: `INVALID_LEVEL`.
///
/// Example:
///     >>> operators = Requirement("any(Authenticated/Ops/Write)")
///     >>> caller = auth.authenticate(headers, channel="secure", require=operators)
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct Requirement {
    pub(crate) core: Core,
    text: String,
}

impl Requirement {
    fn compile(py: Python<'_>, spec: &RequirementSpec) -> PyResult<Self> {
        Ok(Self::of(&kept(py, || Core::compile(spec))?))
    }

    pub(crate) fn of(core: &Core) -> Self {
        Self { core: core.clone(), text: core.spec().to_string() }
    }
}

#[pymethods]
impl Requirement {
    #[new]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        let spec = kept(py, || text.parse())?;
        Self::compile(py, &spec)
    }

    /// At least one of these levels; none at all is satisfied by nobody.
    ///
    /// Args:
    ///     levels: paths such as `Authenticated/Ops/Write`.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_LEVEL`.
    ///
    /// Example:
    ///     >>> str(Requirement.any_of(["Authenticated/Ops", "Authenticated/Admin"]))
    ///     'any(Authenticated/Ops, Authenticated/Admin)'
    #[staticmethod]
    fn any_of(py: Python<'_>, levels: Vec<String>) -> PyResult<Self> {
        Self::compile(py, &RequirementSpec::Any(levels))
    }

    /// All of these levels; none at all is satisfied by nobody.
    ///
    /// Args:
    ///     levels: paths such as `Authenticated/Ops/Write`.
    ///
    /// Raises:
    ///     ArgumentError: `INVALID_LEVEL`.
    ///
    /// Example:
    ///     >>> str(Requirement.all_of(["Authenticated/Ops", "Authenticated/Admin"]))
    ///     'all(Authenticated/Ops, Authenticated/Admin)'
    #[staticmethod]
    fn all_of(py: Python<'_>, levels: Vec<String>) -> PyResult<Self> {
        Self::compile(py, &RequirementSpec::All(levels))
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("Requirement({:?})", self.text)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().text == self.text)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        hasher.finish()
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.text.clone(),)
    }
}

/// Requirements given as text are kept, so many at most: a program writes few, but might make them up.
const MOST: usize = 1024;

static WRITTEN: LazyLock<Mutex<HashMap<String, Core>>> = LazyLock::new(Mutex::default);

/// "Any valid key".
static AUTHENTICATED: LazyLock<Result<Core>> =
    LazyLock::new(|| Core::compile(&RequirementSpec::Any(vec!["Authenticated".to_owned()])));

/// A requirement as it is given with a request.
pub(crate) enum Given<'a> {
    Lent(&'a Core),
    Found(Core),
}

impl Deref for Given<'_> {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        match self {
            Self::Lent(core) => core,
            Self::Found(core) => core,
        }
    }
}

/// Reads a requirement: compiled, as text, or not at all, which means any valid key.
#[inline]
pub(crate) fn read<'a>(py: Python<'_>, given: Option<&'a Bound<'_, PyAny>>) -> PyResult<Given<'a>> {
    let Some(given) = given else {
        return AUTHENTICATED.as_ref().map(Given::Lent).map_err(|error| raise(py, error));
    };
    if let Ok(requirement) = given.cast_exact::<Requirement>() {
        return Ok(Given::Lent(&requirement.get().core));
    }
    match given.cast::<PyString>() {
        Ok(text) => written(py, text.to_str()?).map(Given::Found),
        Err(_) => Err(pyo3::exceptions::PyTypeError::new_err("a requirement is a Requirement, a str or None")),
    }
}

fn written(py: Python<'_>, text: &str) -> PyResult<Core> {
    // Tried, not waited for: a forked child may have inherited it locked.
    if let Ok(written) = WRITTEN.try_lock()
        && let Some(core) = written.get(text)
    {
        return Ok(core.clone());
    }
    let core = kept(py, || Core::compile(&text.parse()?))?;
    if let Ok(mut written) = WRITTEN.try_lock()
        && written.len() < MOST
    {
        written.insert(text.to_owned(), core.clone());
    }
    Ok(core)
}

/// What an option requires: as [`read`], but `None` is nobody.
pub(crate) fn spec(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<RequirementSpec>> {
    given.map(|given| Ok(read(py, Some(given))?.spec().clone())).transpose()
}

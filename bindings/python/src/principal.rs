//! Who a granted request comes from, and the host itself.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use inspire_auth_core::{
    Id,
    keys::{Channel, Principal as Core},
};
use pyo3::{intern, prelude::*, types::PyString};

/// Who a granted request comes from. Immutable and hashable; the same key granted over the same channel is the same
/// object again until the key changes, so that a warm check makes no new one.
///
/// It says what was true when the request was decided. It is no lasting authority: whatever is done in its name later
/// (see `actor`) is judged again.
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct Principal {
    pub(crate) core: Core,
    name: Option<Py<PyString>>,
}

impl Principal {
    pub(crate) fn new(py: Python<'_>, core: Core) -> Self {
        Self { core, name: core.name().map(|name| PyString::new(py, name).unbind()) }
    }
}

#[pymethods]
impl Principal {
    /// The key's identity, a UUID that a rename keeps; None when anonymous.
    #[getter]
    fn id(&self) -> Option<String> {
        (!self.core.is_anonymous()).then(|| self.core.id().to_string())
    }

    /// The key's name; None when anonymous.
    #[getter]
    fn name(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.name.as_ref().map(|name| name.clone_ref(py))
    }

    /// The key's revision when the request was decided; 0 when anonymous.
    #[getter]
    fn revision(&self) -> u64 {
        self.core.revision()
    }

    /// The channel that the request came through: `plain`, `secure` or `local`.
    #[getter]
    fn channel<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        match self.core.channel() {
            Channel::Plain => intern!(py, "plain"),
            Channel::Secure => intern!(py, "secure"),
            Channel::Local => intern!(py, "local"),
        }
    }

    /// Whether nobody in particular was granted: the requirement was `Public`, and no credential was sent.
    #[getter]
    fn is_anonymous(&self) -> bool {
        self.core.is_anonymous()
    }

    /// The code of the license reason for which a stricter `enforcement` would have refused; None for none.
    #[getter]
    fn warning(&self) -> Option<&'static str> {
        self.core.warning().map(|code| code.name())
    }

    fn __repr__(&self) -> String {
        let channel = crate::arguments::channel_word(self.core.channel());
        match self.core.name() {
            Some(name) => format!("<Principal {name:?}, revision {}, {channel}>", self.core.revision()),
            None => format!("<Principal anonymous, {channel}>"),
        }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().core == self.core)
    }

    fn __hash__(&self) -> u64 {
        Which::of(&self.core).low()
    }
}

/// What makes two principals one object until the key changes.
#[derive(PartialEq, Eq)]
struct Which {
    id: Id,
    /// The channel and the warning.
    terms: u32,
}

impl Which {
    #[inline]
    fn of(core: &Core) -> Self {
        let warning = core.warning().map_or(0, |code| code.number());
        Self { id: core.id(), terms: (warning << 2) | core.channel() as u32 }
    }

    /// Bits that differ: an id is random.
    #[inline]
    fn low(&self) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = self.id.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(self.terms)
    }
}

impl std::hash::Hash for Which {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low());
    }
}

/// A hasher for what is random already: nobody but the library chooses ids.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        // The table takes its upper bits from the top, where a version 4 UUID has fixed ones.
        self.0.rotate_left(7)
    }

    fn write(&mut self, _: &[u8]) {}

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// So many principals are kept, at most; beyond, all are made anew.
const MOST: usize = 65_536;

/// The principals of a handle, each made once.
#[derive(Default)]
pub(crate) struct Principals(HashMap<Which, Py<Principal>, BuildHasherDefault<Plain>>);

impl Principals {
    /// The object that says this, if it was made before.
    #[inline]
    pub(crate) fn find<'py>(&self, py: Python<'py>, core: &Core) -> Option<Bound<'py, Principal>> {
        let object = self.0.get(&Which::of(core))?;
        (object.get().core == *core).then(|| object.bind(py).clone())
    }

    /// Keeps an object. What it replaces is to be dropped where that may run Python code.
    pub(crate) fn keep(&mut self, object: Py<Principal>) -> impl Sized + use<> {
        let all = if self.0.len() >= MOST { std::mem::take(&mut self.0) } else { HashMap::default() };
        let former = self.0.insert(Which::of(&object.get().core), object);
        (all, former)
    }
}

/// The host itself, as an actor: it may do everything. There is one, `SYSTEM`, and it is never implied.
#[pyclass(frozen, module = "inspire_auth")]
pub(crate) struct System;

#[pymethods]
impl System {
    fn __repr__(&self) -> &'static str {
        "SYSTEM"
    }

    fn __reduce__(&self) -> &'static str {
        "SYSTEM"
    }
}

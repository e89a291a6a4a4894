//! A decision that is still being hashed, for asyncio.

use inspire_auth_core::{Code, Error, keys::Ticket as Core};
use pyo3::{intern, prelude::*};

use crate::{auth::InspireAuth, boundary::released, gate, principal::Principal};

/// A decision that is still being hashed; what `authenticate_async` awaits.
#[pyclass(frozen, module = "inspire_auth._inspire_auth")]
pub(crate) struct Ticket {
    core: Core,
    auth: Py<InspireAuth>,
}

impl Ticket {
    pub(crate) fn new(core: Core, auth: Py<InspireAuth>) -> Self {
        Self { core, auth }
    }
}

#[pymethods]
impl Ticket {
    /// Has `callback` called with `argument` by `loop`, once, when `result` will answer. Nothing is called when the
    /// loop is closed by then, or the interpreter is gone.
    fn call_when_ready(
        &self,
        py: Python<'_>,
        r#loop: Py<PyAny>,
        callback: Py<PyAny>,
        argument: Py<PyAny>,
    ) -> PyResult<()> {
        let wake = move || {
            let mut call = Some((r#loop, callback, argument));
            gate::enter(|py| {
                if let Some((event_loop, callback, argument)) = call.take() {
                    // A closed loop raises RuntimeError: nobody waits there any more.
                    let _ = event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (callback, argument));
                }
            });
            // What could not be handed over belongs to an interpreter that is gone.
            std::mem::forget(call);
        };
        let ticket = self.core.clone();
        released(py, move || {
            ticket.on_ready(Box::new(wake));
            Ok(())
        })
    }

    /// Gives up: the answer is `CANCELLED` from now on. A hash that already runs goes on, and keeps its memory until it
    /// ends.
    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        let ticket = self.core.clone();
        released(py, move || {
            ticket.cancel();
            Ok(())
        })
    }

    /// The decision.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Principal>> {
        let ticket = self.core.clone();
        let decision = released(py, move || Ok(ticket.poll()))?;
        self.auth.get().answer(py, decision.unwrap_or_else(|| Err(Error::new(Code::Pending))).into())
    }
}

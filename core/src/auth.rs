//! The handle.

use std::sync::Arc;

use crate::{
    error::Result,
    keys::{Caller, Need},
    store::{AuditEvent, Reader, Store},
};

/// The handle (stub).
#[derive(Clone)]
pub struct InspireAuth {
    #[allow(dead_code)]
    pub(crate) inner: Arc<Inner>,
}

/// What a host answers (stub).
pub struct HttpAnswer;

pub(crate) struct Inner {
    #[allow(dead_code)]
    pub(crate) store: Arc<dyn Store>,
}

#[allow(dead_code, unused_variables, clippy::unused_self)]
impl Inner {
    /// Whether the caller may do what needs `need`, judged on `tx`'s state.
    pub(crate) fn authorize(&self, tx: &dyn Reader, caller: &Caller<'_>, need: Need) -> Result<()> {
        Ok(())
    }

    /// The freshness step: brings what is in memory up to the store's generation.
    pub(crate) fn refresh(&self) -> Result<()> {
        Ok(())
    }

    /// Records an audit event: to the host's sink at once, to the store in the next batch.
    pub(crate) fn audit(&self, event: AuditEvent) {}
}

//! The native half of the Python package `inspire_auth`.
//!
//! ```text
//! arguments -> core's types -> core (the interpreter's lock kept or let go: `boundary`) -> records, or an exception
//! ```
//!
//! No Python code ever runs while the core is at work: what the core has to tell the host meanwhile (audit events,
//! tickets that are ready) is queued, and handed over afterwards. So no lock of the core can wait for the
//! interpreter's. The one exception is a transport of the host's (`server`), which the core asks while it holds none.
#![forbid(unsafe_code)]

mod arguments;
mod audit;
mod audit_file;
mod auth;
mod boundary;
mod decide;
mod errors;
mod gate;
mod headers;
mod inspect;
mod issue;
mod keys;
mod license;
mod machine;
mod options;
mod principal;
mod proxies;
mod records;
mod requirement;
mod routes;
mod server;
mod store;
mod ticket;
mod warm;

use pyo3::prelude::*;

/// The native half of `inspire_auth`: private.
#[pymodule(gil_used = false)]
mod _inspire_auth {
    use super::*;

    #[pymodule_export]
    use super::{
        audit_file::verify_audit,
        auth::InspireAuth,
        errors::error_table,
        gate::close_gate,
        inspect::{inspect, inspect_license_key},
        issue::{SigningKey, sign},
        keys::Keys,
        license::{Entitlements, License, effective_limit},
        machine::{explain_machine, machine_identity},
        principal::{Principal, System},
        proxies::TrustedProxies,
        requirement::Requirement,
        routes::Routes,
        server::Cancel,
        store::{backup_store, restore_store},
        ticket::Ticket,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", inspire_auth_core::VERSION)?;
        module.add("ABI_VERSION", inspire_auth_core::ABI_VERSION)?;
        module.add("CATALOGUE", license::catalogue(module.py())?)?;
        module.add("SYSTEM", System)?;
        gate::install(module)?;
        // Nothing here is for `import *`; the package around it says what it exports.
        module.delattr("__all__")
    }
}

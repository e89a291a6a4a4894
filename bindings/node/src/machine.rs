//! Which machine this is, as license files name it.

use inspire_auth_core::license::machine::{MachineIdentity as Core, Source, explain, fingerprint};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{arguments::read_or_default, boundary::run};

/// This machine, as a machine file names it.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct MachineIdentity {
    /// What a machine file for this machine must hold.
    pub fingerprint: String,
    /// Where it comes from: the `machineId` option, or the operating system's machine id.
    #[napi(ts_type = "'option' | 'system'")]
    pub source: &'static str,
    /// The kind of container that this process seems to run in, or `null`. There, the operating system's machine id may
    /// be gone with the next start: give the fingerprint as an option, from a file in a volume.
    pub container: Option<&'static str>,
}

impl From<Core> for MachineIdentity {
    fn from(identity: Core) -> Self {
        let source = match identity.source {
            Source::Option => "option",
            Source::MachineId => "system",
        };
        Self { fingerprint: identity.fingerprint, source, container: identity.container }
    }
}

/// One thing that goes into a fingerprint, or says something about it.
#[napi(object, object_from_js = false)]
pub struct MachinePart {
    /// What it is.
    pub name: &'static str,
    /// What was found; never the operating system's machine id itself.
    pub found: String,
}

/// What a fingerprint is made of besides the machine.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineOptions {
    /// As {@link OpenOptions.machineId}.
    pub machine_id: Option<String>,
    /// As {@link OpenOptions.product}.
    pub product: Option<String>,
}

/// This machine, as options like these would identify it. Needs no handle.
///
/// @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`, `INVALID_ARGUMENT`
/// @example
/// console.log(machineIdentity({ product: 'gateway' }).fingerprint);
#[napi(ts_args_type = "options?: MachineOptions | null")]
pub fn machine_identity(env: &Env, options: Unknown<'_>) -> napi::Result<MachineIdentity> {
    run(env, || {
        let MachineOptions { machine_id, product } = read_or_default(env, options, "options")?;
        fingerprint(machine_id.as_deref(), product.as_deref()).map(MachineIdentity::from)
    })
}

/// What is looked at for a fingerprint: for people who wonder why it changed, or is not there. Needs no handle.
///
/// @throws InspireAuthError `INVALID_ARGUMENT`
/// @example
/// for (const { name, found } of explainMachine({ product: 'gateway' })) console.log(name, found);
#[napi(ts_args_type = "options?: MachineOptions | null")]
pub fn explain_machine(env: &Env, options: Unknown<'_>) -> napi::Result<Vec<MachinePart>> {
    run(env, || {
        let MachineOptions { machine_id, product } = read_or_default(env, options, "options")?;
        let parts = explain(machine_id.as_deref(), product.as_deref());
        Ok(parts.into_iter().map(|part| MachinePart { name: part.name, found: part.found }).collect())
    })
}

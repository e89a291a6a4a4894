//! Which machine this is, as license files name it.

use inspire_auth_core::license::machine::{MachineIdentity, Part, Source, explain, fingerprint};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// Where a fingerprint comes from.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum inspire_machine_sources {
    /// From the `machine_id` option.
    INSPIRE_MACHINE_FROM_OPTION = 0,
    /// From the operating system's machine id.
    INSPIRE_MACHINE_FROM_SYSTEM = 1,
}

/// One thing that goes into a fingerprint, or says something about it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_machine_part {
    /// What it is.
    pub name: inspire_str,
    /// What was found; never the operating system's machine id itself.
    pub found: inspire_str,
}

/// This machine, as a machine file names it.
pub struct inspire_machine {
    fingerprint: Text,
    container: Option<Text>,
    source: Source,
}

impl inspire_machine {
    fn new(identity: &MachineIdentity) -> Self {
        Self {
            fingerprint: Text::new(&identity.fingerprint),
            container: identity.container.map(Text::new),
            source: identity.source,
        }
    }
}

/// What was looked at for a fingerprint.
pub struct inspire_machine_parts {
    items: Vec<(Text, Text)>,
}

/// This machine, as the handle's options identify it.
///
/// \param auth the handle
/// \param machine set to the machine; `inspire_machine_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `FINGERPRINT_UNAVAILABLE`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_of(
    auth: *const inspire_auth,
    machine: *mut *mut inspire_machine,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(machine)?;
            out.give(inspire_machine::new(&ptr::object(auth)?.core.license().machine()?));
            Ok(())
        })
    }
}

/// This machine, as options like these would identify it. Needs no handle.
///
/// \param machine_id as `inspire_auth_options.machine_id`
/// \param product as `inspire_auth_options.product`
/// \param machine set to the machine; `inspire_machine_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `FINGERPRINT_UNAVAILABLE`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_identify(
    machine_id: inspire_str,
    product: inspire_str,
    machine: *mut *mut inspire_machine,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(machine)?;
            let machine_id = ptr::optional_text(machine_id, "the machine id")?;
            let product = ptr::optional_text(product, "the product")?;
            out.give(inspire_machine::new(&fingerprint(machine_id, product)?));
            Ok(())
        })
    }
}

/// What a machine file for this machine must hold.
///
/// \param machine may be NULL
/// \return borrowed from `machine`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_fingerprint(machine: *const inspire_machine) -> inspire_str {
    // SAFETY: NULL or a live machine.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(machine) }.map(|machine| &machine.fingerprint)))
}

/// The kind of container that this process seems to run in. There, the operating system's machine id may be gone with
/// the next start: give the fingerprint as an option, from a file in a volume.
///
/// \param machine may be NULL
/// \return borrowed from `machine`; `{NULL, 0}` when none was seen
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_container(machine: *const inspire_machine) -> inspire_str {
    infallible(inspire_str::NONE, || {
        // SAFETY: NULL or a live machine.
        lend(unsafe { ptr::optional(machine) }.and_then(|machine| machine.container.as_ref()))
    })
}

/// Where the fingerprint comes from.
///
/// \param machine may be NULL
/// \return one of `INSPIRE_MACHINE_FROM_...`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_source(machine: *const inspire_machine) -> u32 {
    // SAFETY: NULL or a live machine.
    infallible(0, || u32::from(unsafe { ptr::optional(machine) }.is_some_and(|m| m.source == Source::MachineId)))
}

/// Frees a machine.
///
/// \param machine NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_free(machine: *mut inspire_machine) {
    // SAFETY: NULL, or a machine that the caller owns and gives up.
    unsafe { ptr::free(machine) };
}

/// What is looked at for a fingerprint: for people who wonder why it changed, or is not there. Needs no handle.
///
/// \param machine_id as `inspire_auth_options.machine_id`
/// \param product as `inspire_auth_options.product`
/// \param parts set to what was found; `inspire_machine_parts_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_explain(
    machine_id: inspire_str,
    product: inspire_str,
    parts: *mut *mut inspire_machine_parts,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(parts)?;
            let machine_id = ptr::optional_text(machine_id, "the machine id")?;
            let product = ptr::optional_text(product, "the product")?;
            let lines = |part: &Part| (Text::new(part.name), Text::new(&part.found));
            out.give(inspire_machine_parts { items: explain(machine_id, product).iter().map(lines).collect() });
            Ok(())
        })
    }
}

/// How many parts there are.
///
/// \param parts may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_parts_count(parts: *const inspire_machine_parts) -> usize {
    // SAFETY: NULL or live parts.
    infallible(0, || unsafe { ptr::optional(parts) }.map_or(0, |parts| parts.items.len()))
}

/// One part.
///
/// \param parts may be NULL
/// \param index from 0
/// \return its strings are borrowed from `parts`; all zero beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_parts_at(
    parts: *const inspire_machine_parts,
    index: usize,
) -> inspire_machine_part {
    const NOTHING: inspire_machine_part = inspire_machine_part { name: inspire_str::NONE, found: inspire_str::NONE };
    infallible(NOTHING, || {
        // SAFETY: NULL or live parts.
        let found = unsafe { ptr::optional(parts) }.and_then(|parts| parts.items.get(index));
        found.map_or(NOTHING, |(name, found)| inspire_machine_part { name: name.lend(), found: found.lend() })
    })
}

/// Frees parts.
///
/// \param parts NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_machine_parts_free(parts: *mut inspire_machine_parts) {
    // SAFETY: NULL, or parts that the caller owns and gives up.
    unsafe { ptr::free(parts) };
}

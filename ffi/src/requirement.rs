//! Requirements: compiled once, asked for by every request.

use inspire_auth_core::{
    Code, Error,
    keys::{Requirement, RequirementSpec},
};

use crate::{
    auth::inspire_auth,
    boundary::{boundary, infallible},
    error::inspire_error,
    options::inspire_requirement_spec,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// A compiled requirement, shared by all threads.
pub struct inspire_requirement {
    pub(crate) core: Requirement,
    text: Text,
}

impl inspire_requirement {
    fn new(core: Requirement) -> Self {
        let text = Text::new(&core.spec().to_string());
        Self { core, text }
    }
}

/// Compiles a requirement from its text: `any(A/B, C)`, `all(A, B)`, or one level, which is any of it.
///
/// "Any valid key" is `Authenticated`, "everyone, also without a key" is `Public`. An empty list compiles, and is
/// satisfied by nobody.
///
/// \param auth the handle
/// \param text such as "any(Authenticated/Ops/Write)"
/// \param requirement set to the requirement, which `inspire_requirement_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_LEVEL`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_requirement_parse(
    auth: *const inspire_auth,
    text: inspire_str,
    requirement: *mut *mut inspire_requirement,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(requirement)?;
            let auth = ptr::object(auth)?;
            let spec: RequirementSpec = ptr::text(text, "the requirement")?.parse()?;
            out.give(inspire_requirement::new(auth.core.requirement(&spec)?));
            Ok(())
        })
    }
}

/// Compiles a requirement from a list of levels.
///
/// \param auth the handle
/// \param spec the levels, and whether any or all of them are needed
/// \param requirement set to the requirement, which `inspire_requirement_free` frees; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_LEVEL`; `INVALID_ARGUMENT` when `spec->kind` is neither `INSPIRE_REQUIRE_ANY` nor
/// `INSPIRE_REQUIRE_ALL`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_requirement_compile(
    auth: *const inspire_auth,
    spec: *const inspire_requirement_spec,
    requirement: *mut *mut inspire_requirement,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(requirement)?;
            let auth = ptr::object(auth)?;
            let missing = || Error::with(Code::InvalidArgument, "a requirement is any of, or all of, some levels");
            let spec = ptr::object(spec)?.read()?.ok_or_else(missing)?;
            out.give(inspire_requirement::new(auth.core.requirement(&spec)?));
            Ok(())
        })
    }
}

/// A requirement as text: what `inspire_requirement_parse` reads.
///
/// \param requirement may be NULL
/// \return borrowed from `requirement`; `{NULL, 0}` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_requirement_text(requirement: *const inspire_requirement) -> inspire_str {
    // SAFETY: NULL or a live requirement.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(requirement) }.map(|found| &found.text)))
}

/// Frees a requirement.
///
/// \param requirement NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_requirement_free(requirement: *mut inspire_requirement) {
    // SAFETY: NULL, or a requirement that the caller owns and gives up.
    unsafe { ptr::free(requirement) };
}

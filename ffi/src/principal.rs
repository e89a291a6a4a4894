//! Who a granted request comes from.

use std::ffi::c_char;

use inspire_auth_core::{Code, Error, Id, Result, keys::Principal};

use crate::{
    auth::inspire_auth,
    boundary::boundary,
    error::inspire_error,
    ptr::{self, Growing},
    request::channel,
    requirement::inspire_requirement,
    result::inspire_result,
    text::inspire_str_list,
};

/// The longest name of a key, in bytes.
const MAX_NAME: usize = 64;

/// Who a granted request comes from: the caller's own storage, copied freely. Begin with `INSPIRE_PRINCIPAL_INIT`.
///
/// It says what was true when the request was decided. It is no lasting authority: whatever is done in its name later
/// is judged again.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct inspire_principal {
    /// `sizeof(inspire_principal)`, as `INSPIRE_PRINCIPAL_INIT` sets it.
    pub struct_size: usize,
    /// The key's revision when the request was decided.
    pub revision: u64,
    /// The key's identity; all zero when nobody in particular was granted (`Public`, without a key).
    pub id: [u8; 16],
    /// The identity of the credential that was presented.
    pub credential: [u8; 16],
    /// The channel that the request came through.
    pub channel: u32,
    /// The license reason for which a stricter enforcement would have refused; `INSPIRE_RESULT_OK` for none.
    pub warning: inspire_result,
    /// The length of `name`; 0 when nobody in particular was granted.
    pub name_len: u32,
    /// The key's name, ended with NUL.
    pub name: [c_char; 68],
}

// SAFETY: integers; `struct_size` first; zero is nobody in particular.
unsafe impl Growing for inspire_principal {
    const FIRST_SIZE: usize = 128;
}
const _: () = assert!(size_of::<inspire_principal>() == 128 || size_of::<usize>() != 8);

impl inspire_principal {
    pub(crate) fn new(principal: &Principal) -> Self {
        let mut name = [0; 68];
        let (text, length) = principal.padded_name();
        // All of it, whatever its length: that is four moves.
        for (to, from) in name.iter_mut().zip(text) {
            *to = c_char::from_ne_bytes([*from]);
        }
        Self {
            struct_size: size_of::<Self>(),
            revision: principal.revision(),
            id: principal.id().to_bytes(),
            credential: principal.credential().to_bytes(),
            channel: principal.channel() as u32,
            warning: principal.warning().unwrap_or(Code::Ok).number(),
            name_len: u32::from(length),
            name,
        }
    }

    /// Reads what the caller has kept. That gives nothing away: a principal is judged again wherever it acts.
    pub(crate) fn read(&self) -> Result<Principal> {
        let wrong = || Error::with(Code::InvalidArgument, "the principal's name can't be a key's");
        let length = usize::try_from(self.name_len).ok().filter(|length| *length <= MAX_NAME).ok_or_else(wrong)?;
        let mut name = [0_u8; MAX_NAME];
        for (to, from) in name.iter_mut().zip(self.name) {
            let [byte] = from.to_ne_bytes();
            *to = byte;
        }
        let name = name.get(..length).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(wrong)?;
        let (id, credential) = (Id::from_bytes(self.id), Id::from_bytes(self.credential));
        Ok(Principal::from_parts(id, credential, name, self.revision, channel(self.channel)?))
    }
}

/// What a principal's key holds now: "Authenticated" and the grants in force, byte-sorted, without their ancestors.
///
/// \param auth the handle
/// \param principal who
/// \param levels set to the list, empty when nobody in particular was granted; `inspire_str_list_free` frees it; NULL
/// on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_CREDENTIAL` when the key is gone; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_principal_levels(
    auth: *const inspire_auth,
    principal: *const inspire_principal,
    levels: *mut *mut inspire_str_list,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(levels)?;
            let auth = ptr::object(auth)?;
            let principal = ptr::sized(principal)?.read()?;
            out.give(inspire_str_list::new(auth.core.principal_levels(&principal)?));
            Ok(())
        })
    }
}

/// Judges a principal again, as it stands now: for connections that live longer than a request.
///
/// \param auth the handle
/// \param principal who
/// \param requirement what is required
/// \param now Unix seconds; 0 is the system's clock
/// \param err set on failure; may be NULL
/// \return `OK`, or what a new request with the same credential would get
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_principal_recheck(
    auth: *const inspire_auth,
    principal: *const inspire_principal,
    requirement: *const inspire_requirement,
    now: i64,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let auth = ptr::object(auth)?;
            let principal = ptr::sized(principal)?.read()?;
            auth.core.recheck(&principal, &ptr::object(requirement)?.core, Some(now))
        })
    }
}

/// The levels for want of which a principal fails a requirement.
///
/// \param auth the handle
/// \param principal who
/// \param requirement what is required
/// \param missing set to the list, empty when the requirement is satisfied; `inspire_str_list_free` frees it; NULL on
/// failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_CREDENTIAL` when the key is gone; a `STORE_...` code
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_principal_explain(
    auth: *const inspire_auth,
    principal: *const inspire_principal,
    requirement: *const inspire_requirement,
    missing: *mut *mut inspire_str_list,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(missing)?;
            let auth = ptr::object(auth)?;
            let principal = ptr::sized(principal)?.read()?;
            out.give(inspire_str_list::new(auth.core.explain(&principal, &ptr::object(requirement)?.core)?));
            Ok(())
        })
    }
}

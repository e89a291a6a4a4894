//! The table of entitlements.

use inspire_auth_core::license::Entitlement;

use crate::{
    boundary::infallible,
    ptr,
    text::{Text, inspire_str, lend},
};

/// An entitlement, and whether it is granted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_entitlement {
    /// Its code, such as "VIDEO_WALL_SYNC".
    pub code: inspire_str,
    /// What it gives, such as "Video wall configuration"; `{NULL, 0}` for one that is not known by name.
    pub feature: inspire_str,
    /// 1 when the license grants it, and is active; 0 otherwise.
    pub granted: u32,
    /// Zero.
    pub reserved: u32,
}

const NOTHING: inspire_entitlement =
    inspire_entitlement { code: inspire_str::NONE, feature: inspire_str::NONE, granted: 0, reserved: 0 };

struct Row {
    code: Text,
    feature: Option<Text>,
    granted: bool,
}

/// A table of entitlements.
pub struct inspire_entitlements {
    items: Vec<Row>,
}

impl inspire_entitlements {
    pub(crate) fn new(table: Vec<Entitlement>) -> Self {
        let row = |entitlement: Entitlement| Row {
            code: Text::new(&entitlement.code),
            feature: entitlement.feature.map(Text::new),
            granted: entitlement.granted,
        };
        Self { items: table.into_iter().map(row).collect() }
    }
}

/// How many entitlements there are.
///
/// \param entitlements may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_entitlements_count(entitlements: *const inspire_entitlements) -> usize {
    // SAFETY: NULL or a live table.
    infallible(0, || unsafe { ptr::optional(entitlements) }.map_or(0, |table| table.items.len()))
}

/// One entitlement.
///
/// \param entitlements may be NULL
/// \param index from 0
/// \return its strings are borrowed from `entitlements`; all zero beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_entitlements_at(
    entitlements: *const inspire_entitlements,
    index: usize,
) -> inspire_entitlement {
    infallible(NOTHING, || {
        // SAFETY: NULL or a live table.
        let found = unsafe { ptr::optional(entitlements) }.and_then(|table| table.items.get(index));
        found.map_or(NOTHING, |row| inspire_entitlement {
            code: row.code.lend(),
            feature: lend(row.feature.as_ref()),
            granted: u32::from(row.granted),
            reserved: 0,
        })
    })
}

/// Frees a table of entitlements.
///
/// \param entitlements NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_entitlements_free(entitlements: *mut inspire_entitlements) {
    // SAFETY: NULL, or a table that the caller owns and gives up.
    unsafe { ptr::free(entitlements) };
}

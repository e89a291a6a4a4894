//! Limits: numbers by name.

use std::collections::BTreeMap;

use crate::{
    boundary::infallible,
    ptr,
    text::{Text, inspire_str},
};

/// As the value of a limit: there is none.
///
/// cbindgen:ignore
pub const INSPIRE_UNLIMITED: i64 = -1;

/// One limit.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct inspire_limit {
    /// Its name, such as "MAX_DISPLAYS".
    pub name: inspire_str,
    /// How many; `INSPIRE_UNLIMITED`.
    pub value: i64,
}

/// Limits by name, sorted; "MAX_DISPLAYS", "MAX_AGILES" and "AI_CREDITS_MONTHLY" are always among them.
pub struct inspire_limits {
    items: Vec<(Text, i64)>,
}

impl inspire_limits {
    pub(crate) fn new(limits: &BTreeMap<String, i64>) -> Self {
        Self { items: limits.iter().map(|(name, value)| (Text::new(name), *value)).collect() }
    }
}

/// How many limits there are.
///
/// \param limits may be NULL
/// \return 0 for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_limits_count(limits: *const inspire_limits) -> usize {
    // SAFETY: NULL or live limits.
    infallible(0, || unsafe { ptr::optional(limits) }.map_or(0, |limits| limits.items.len()))
}

/// One limit.
///
/// \param limits may be NULL
/// \param index from 0
/// \return its name is borrowed from what `limits` is; `{{NULL, 0}, 0}` beyond the end
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_limits_at(limits: *const inspire_limits, index: usize) -> inspire_limit {
    const NOTHING: inspire_limit = inspire_limit { name: inspire_str::NONE, value: 0 };
    infallible(NOTHING, || {
        // SAFETY: NULL or live limits.
        let found = unsafe { ptr::optional(limits) }.and_then(|limits| limits.items.get(index));
        found.map_or(NOTHING, |(name, value)| inspire_limit { name: name.lend(), value: *value })
    })
}

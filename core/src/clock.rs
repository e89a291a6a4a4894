//! What time it is.

/// The given Unix seconds, or the system's when absent or 0.
pub(crate) fn resolve(now: Option<i64>) -> i64 {
    match now {
        Some(seconds) if seconds != 0 => seconds,
        _ => inspire_auth_platform::clock::unix_seconds(),
    }
}

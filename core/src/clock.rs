//! What time it is.

/// The given Unix seconds, or the system's when absent or 0.
pub(crate) fn resolve(now: Option<i64>) -> i64 {
    given(now).unwrap_or_else(inspire_auth_platform::clock::unix_seconds)
}

/// The time that a host brings itself; `None` when it leaves it to the system's clock.
pub(crate) fn given(now: Option<i64>) -> Option<i64> {
    now.filter(|seconds| *seconds != 0)
}

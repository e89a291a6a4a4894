//! Counters and gauges, as text.

use crate::{
    auth::inspire_auth, boundary::boundary, error::inspire_error, issue::inspire_text, ptr, result::inspire_result,
};

/// Counters and gauges of this process, in the OpenMetrics text format (1.0.0), ending with `# EOF`: for the host to
/// serve, with the content type `application/openmetrics-text; version=1.0.0; charset=utf-8`.
///
/// It holds no name of a key, no secret and no license key. Counters begin at zero in each process, a forked child
/// included. It costs microseconds.
///
/// \param auth the handle
/// \param text set to the text; `inspire_text_str` reads it, `inspire_text_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_auth_metrics_text(
    auth: *const inspire_auth,
    text: *mut *mut inspire_text,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(text)?;
            out.give(inspire_text::new(&ptr::object(auth)?.core.metrics_text()));
            Ok(())
        })
    }
}

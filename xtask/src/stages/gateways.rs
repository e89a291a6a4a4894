//! Real gateways: nginx, Envoy and Caddy, each as its recipe makes it.

use super::{Report, bindings};
use crate::{Outcome, gateways};

pub(super) fn gateways() -> Outcome<Report> {
    let mut report = Report::default();
    let mut pytest = gateways::python("pytest")?;
    pytest.args(["-q", "-rs", "-p", "no:cacheprovider"]);
    bindings::pytest(&mut report, &mut pytest)?;
    Ok(report)
}

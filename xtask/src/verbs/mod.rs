//! The verbs, one a file.

pub(crate) mod bench;
mod capi;
mod demo;
pub(crate) mod driver;
pub(crate) mod errors;
pub(crate) mod header;
pub(crate) mod install;
mod lint;
mod package;
mod screenshots;
pub(crate) mod size;
mod soak;
mod test;
mod tools;
pub(crate) mod vectors;

use crate::Verb;

pub(crate) use capi::install as capi_install;

/// In the order of the list that `cargo xtask` shows.
pub(crate) const ALL: &[Verb] = &[
    demo::VERB,
    test::VERB,
    lint::VERB,
    header::VERB,
    errors::VERB,
    vectors::VERB,
    driver::VERB,
    install::VERB,
    capi::VERB,
    tools::VERB,
    size::VERB,
    bench::VERB,
    soak::VERB,
    package::VERB,
    screenshots::VERB,
];

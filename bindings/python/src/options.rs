//! What `InspireAuth.open` is given, as the core's options.

use std::time::Duration;

use inspire_auth_core::{
    self as core, AuditFailure, Enforcement, LevelMode, Options, StoreLocation, license::keys, store::Scheme,
};
use pyo3::{prelude::*, types::PyBytes};
use zeroize::Zeroizing;

use crate::{
    arguments::{count, path, word},
    boundary::kept,
    errors::invalid,
};

pub(crate) const MODES: &[(&str, LevelMode)] = &[("default", LevelMode::Default), ("ignition", LevelMode::Ignition)];
pub(crate) const SCHEMES: &[(&str, Scheme)] = &[("argon2", Scheme::Argon2), ("hmac-sha256", Scheme::HmacSha256)];
pub(crate) const ENFORCEMENTS: &[(&str, Enforcement)] =
    &[("strict", Enforcement::Strict), ("warn", Enforcement::Warn), ("report-only", Enforcement::ReportOnly)];
const FAILURES: &[(&str, AuditFailure)] =
    &[("warn", AuditFailure::Warn), ("deny_mutations", AuditFailure::DenyMutations)];

/// A `HashParameters`.
#[derive(FromPyObject)]
pub(crate) struct HashParameters {
    memory_kib: i64,
    iterations: i64,
    parallelism: i64,
}

impl HashParameters {
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<core::HashParameters> {
        let number = |value: i64| u32::try_from(value).map_err(|_| invalid(py, "a hash parameter is out of range"));
        Ok(core::HashParameters {
            memory_kib: number(self.memory_kib)?,
            iterations: number(self.iterations)?,
            parallelism: number(self.parallelism)?,
        })
    }
}

/// A `Pepper`.
#[derive(FromPyObject)]
pub(crate) struct Pepper<'py> {
    id: String,
    secret: Bound<'py, PyBytes>,
}

impl Pepper<'_> {
    pub(crate) fn read(&self) -> core::Pepper {
        core::Pepper { id: self.id.clone(), secret: Zeroizing::new(self.secret.as_bytes().to_vec()) }
    }
}

/// A `TrustedKey`.
#[derive(FromPyObject)]
pub(crate) struct TrustedKey {
    id: String,
    public_key: String,
    not_after: Option<i64>,
}

impl TrustedKey {
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<keys::TrustedKey> {
        let key = kept(py, || keys::TrustedKey::parse(&self.id, &self.public_key))?;
        Ok(match self.not_after {
            Some(end) => key.until(end),
            None => key,
        })
    }

    pub(crate) fn read_all(py: Python<'_>, keys: &[Self]) -> PyResult<Vec<keys::TrustedKey>> {
        keys.iter().map(|key| key.read(py)).collect()
    }
}

/// An `AuditFile`.
#[derive(FromPyObject)]
pub(crate) struct AuditFile<'py> {
    path: Bound<'py, PyAny>,
    max_bytes: Bound<'py, PyAny>,
    keep: Bound<'py, PyAny>,
    chain: bool,
    on_failure: String,
}

impl AuditFile<'_> {
    pub(crate) fn read(&self, py: Python<'_>) -> PyResult<core::AuditFile> {
        let keep = count(&self.keep, "keep")?;
        Ok(core::AuditFile {
            path: path(&self.path)?,
            max_bytes: count(&self.max_bytes, "max_bytes")?,
            keep: u32::try_from(keep).map_err(|_| invalid(py, "keep is out of range"))?,
            chain: self.chain,
            on_failure: word(py, "on_failure", &self.on_failure, FAILURES)?,
        })
    }
}

/// The options that say where the store is.
pub(crate) fn store(given: &Bound<'_, PyAny>) -> PyResult<Options> {
    let path = path(given)?;
    // As sqlite3 has it: the word is the store in memory, in whatever type it comes. So is a URL one.
    let location = path.to_str().map(StoreLocation::parse);
    Ok(Options::new(location.unwrap_or(StoreLocation::Path(path))))
}

/// What remains: the words.
pub(crate) fn words(
    py: Python<'_>,
    options: &mut Options,
    (mode, scheme, enforcement): (&str, &str, &str),
) -> PyResult<()> {
    options.mode = word(py, "mode", mode, MODES)?;
    options.scheme = word(py, "scheme", scheme, SCHEMES)?;
    options.enforcement = word(py, "enforcement", enforcement, ENFORCEMENTS)?;
    Ok(())
}

pub(crate) const fn lease(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

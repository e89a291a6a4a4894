//! The core's answers as the records of `_records.py`.

use std::collections::BTreeMap;

use inspire_auth_core::{
    Code, HttpAnswer,
    keys::{Created, KeyRecord},
    license::{
        Balance, Deactivation, Entitlement, Inspection, Kind, LicenseView, MachineIdentity, SignedKey, Status, Warning,
        machine::Part,
    },
    store::{AuditEvent, LicenseRestored, RestoreReport},
};
use pyo3::{
    call::PyCallArgs,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyDict, PyList, PyModule, PyTuple},
};
use serde_json::Value;

use crate::gate;

type Object<'py> = PyResult<Bound<'py, PyAny>>;

pub(crate) fn make<'py>(py: Python<'py>, class: &str, fields: impl PyCallArgs<'py>) -> Object<'py> {
    static RECORDS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let _passage = gate::run_python(py);
    RECORDS
        .get_or_try_init(py, || py.import("inspire_auth._records").map(Bound::unbind))?
        .bind(py)
        .getattr(class)?
        .call1(fields)
}

fn texts<'py>(py: Python<'py>, texts: &[String]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, texts)
}

fn limits<'py>(py: Python<'py>, limits: &BTreeMap<String, i64>) -> Object<'py> {
    let dict = PyDict::new(py);
    for (name, limit) in limits {
        dict.set_item(name, limit)?;
    }
    Ok(dict.into_any())
}

pub(crate) fn key<'py>(py: Python<'py>, record: &KeyRecord) -> Object<'py> {
    let levels = texts(py, &record.levels)?;
    let fields = [
        record.id.to_string().into_pyobject(py)?.into_any(),
        record.kind.as_str().into_pyobject(py)?.into_any(),
        record.name.as_str().into_pyobject(py)?.into_any(),
        record.description.as_str().into_pyobject(py)?.into_any(),
        levels.into_any(),
        record.require_secure.into_pyobject(py)?.to_owned().into_any(),
        record.enabled.into_pyobject(py)?.to_owned().into_any(),
        record.created_at.into_pyobject(py)?.into_any(),
        record.updated_at.into_pyobject(py)?.into_any(),
        record.expires_at.into_pyobject(py)?.into_any(),
        record.last_used_at.into_pyobject(py)?.into_any(),
        record.revision.into_pyobject(py)?.into_any(),
        record.origin.as_str().into_pyobject(py)?.into_any(),
        record.overlap_ends_at.into_pyobject(py)?.into_any(),
    ];
    make(py, "KeyRecord", PyTuple::new(py, fields)?)
}

pub(crate) fn keys<'py>(py: Python<'py>, records: &[KeyRecord]) -> PyResult<Bound<'py, PyList>> {
    list(py, records, key)
}

pub(crate) fn created<'py>(py: Python<'py>, created: &Created) -> Object<'py> {
    let ignored = texts(py, &created.ignored_levels)?;
    make(py, "CreatedKey", (key(py, &created.record)?, created.key.as_str(), ignored))
}

pub(crate) fn event<'py>(py: Python<'py>, event: &AuditEvent) -> Object<'py> {
    make(py, "AuditEvent", (event.at, &event.event, &event.actor, &event.subject, &event.detail, event.code.name()))
}

pub(crate) fn http<'py>(py: Python<'py>, answer: HttpAnswer<'_>) -> Object<'py> {
    make(py, "HttpAnswer", (answer.status, answer.challenge, answer.retry_after))
}

pub(crate) fn entitlement<'py>(py: Python<'py>, entitlement: &Entitlement) -> Object<'py> {
    make(py, "Entitlement", (&entitlement.code, entitlement.feature, entitlement.granted))
}

fn warning<'py>(py: Python<'py>, warning: &Warning) -> Object<'py> {
    let days = match warning {
        Warning::ExpiresSoon { days } => Some(*days),
        _ => None,
    };
    make(py, "LicenseWarning", (warning.as_str(), days))
}

pub(crate) fn status<'py>(py: Python<'py>, status: &Status) -> Object<'py> {
    let warnings: Vec<_> = status.warnings.iter().map(|each| warning(py, each)).collect::<PyResult<_>>()?;
    let attempt = status.last_attempt.map(|attempt| make(py, "LicenseAttempt", (attempt.code.name(), attempt.at)));
    make(
        py,
        "LicenseStatus",
        (
            status.state.as_str(),
            status.reason.map(Code::name),
            &status.name,
            &status.key,
            status.mode.map(|mode| mode.as_str()),
            status.expires_at,
            status.lease_expires_at,
            status.last_validated_at,
            limits(py, &status.limits)?,
            texts(py, &status.entitlements)?,
            PyTuple::new(py, warnings)?,
            attempt.transpose()?,
        ),
    )
}

pub(crate) fn deactivation<'py>(py: Python<'py>, done: &Deactivation) -> Object<'py> {
    let problem = done.problem.as_ref().map(|problem| problem.code().name());
    make(py, "Deactivation", (status(py, &done.status)?, done.release.as_str(), problem, &done.receipt))
}

pub(crate) fn balance<'py>(py: Python<'py>, balance: &Balance) -> Object<'py> {
    make(py, "CreditBalance", (balance.limit, balance.used, balance.left, &balance.period, balance.resets_at))
}

fn view<'py>(py: Python<'py>, view: &LicenseView) -> Object<'py> {
    make(
        py,
        "LicenseView",
        (
            &view.id,
            &view.key,
            &view.name,
            &view.status,
            view.expires_at,
            limits(py, &view.limits)?,
            texts(py, &view.entitlements)?,
            metadata(py, &view.metadata)?,
        ),
    )
}

fn metadata<'py>(py: Python<'py>, metadata: &Value) -> Object<'py> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let _passage = gate::run_python(py);
    LOADS.import(py, "json", "loads")?.call1((metadata.to_string(),))
}

pub(crate) fn inspection<'py>(py: Python<'py>, found: &Inspection) -> Object<'py> {
    let failures: Vec<&str> = found.failures.iter().map(|code| code.name()).collect();
    let kind = found.kind.map(|kind| match kind {
        Kind::License => "license",
        Kind::Machine => "machine",
    });
    let license = found.license.as_ref().map(|license| view(py, license)).transpose()?;
    make(
        py,
        "Inspection",
        (
            PyTuple::new(py, failures)?,
            kind,
            license,
            found.issued_at,
            found.file_expires_at,
            &found.machine_fingerprint,
        ),
    )
}

pub(crate) fn signed_license_key<'py>(py: Python<'py>, signed: &SignedKey) -> Object<'py> {
    let dataset = PyBytes::new(py, &signed.dataset);
    let fields = (&signed.key_id, dataset, &signed.license, &signed.product, signed.created, signed.expires);
    make(py, "SignedLicenseKey", fields)
}

pub(crate) fn machine<'py>(py: Python<'py>, machine: &MachineIdentity) -> Object<'py> {
    make(py, "MachineIdentity", (&machine.fingerprint, machine.source.as_str(), machine.container))
}

pub(crate) fn part<'py>(py: Python<'py>, part: &Part) -> Object<'py> {
    make(py, "MachinePart", (part.name, &part.found))
}

pub(crate) fn restored<'py>(py: Python<'py>, report: &RestoreReport) -> Object<'py> {
    let license = match report.license {
        LicenseRestored::None => "none",
        LicenseRestored::Kept => "kept",
        LicenseRestored::Restored => "restored",
        LicenseRestored::LeftOut => "left_out",
    };
    make(
        py,
        "RestoreReport",
        (
            report.kept,
            report.updated,
            report.revived,
            report.disabled,
            report.stayed_deleted,
            report.name_taken,
            texts(py, &report.deleted)?,
            license,
            report.generation,
        ),
    )
}

/// A list of records.
pub(crate) fn list<'py, T>(
    py: Python<'py>,
    items: &[T],
    record: impl Fn(Python<'py>, &T) -> Object<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let records: Vec<_> = items.iter().map(|item| record(py, item)).collect::<PyResult<_>>()?;
    PyList::new(py, records)
}

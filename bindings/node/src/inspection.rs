//! Reading a license file without installing it.

use std::collections::HashMap;

use inspire_auth_core::{
    Code,
    license::{InspectOptions as CoreOptions, Inspection as Core, LicenseView as CoreView, inspect as core_inspect},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{bytes, read_or_default},
    boundary::run,
    options::{TrustedKey, trusted_keys},
};

/// What a file is inspected against. What is not given is not judged.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectOptions {
    /// Public keys whose signatures are believed. With none, no file verifies.
    pub trusted_keys: Option<Vec<TrustedKey>>,
    /// The license key: decrypts the file, and must be the one in it.
    pub license_key: Option<String>,
    /// A machine's fingerprint: decrypts a machine file, and must be the one in it. Never that of this machine, unless it
    /// is given.
    pub machine_id: Option<String>,
    /// The product id that the license must be for.
    pub product: Option<String>,
    /// Unix seconds; not given, the system's clock.
    pub now: Option<i64>,
    /// Whether the file must be fit for an offline installation. Default false.
    pub offline: Option<bool>,
}

/// What a file says, and what is wrong with it.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Inspection {
    /// Every check that failed, in the order of checking, each once. Empty when the file is good.
    #[napi(ts_type = "InspireAuthErrorCode[]")]
    pub failures: Vec<&'static str>,
    /// What the file was issued for; `null` when header and footer can't be read.
    #[napi(ts_type = "'license' | 'machine' | null")]
    pub kind: Option<&'static str>,
    /// The license in the file; `null` when it was not read.
    pub license: Option<LicenseView>,
    /// Unix seconds; `null` when the payload was not read.
    pub issued_at: Option<i64>,
    /// Unix seconds at which the file ends, as it says itself; `null` is never, or not read.
    pub file_expires_at: Option<i64>,
    /// The fingerprint of the machine that a machine file was made for.
    pub machine_fingerprint: Option<String>,
}

/// The license in a file.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct LicenseView {
    /// The license's id at its issuer.
    pub id: String,
    /// The license key, not masked.
    pub key: Option<String>,
    /// The license's name.
    pub name: Option<String>,
    /// The status that the issuer wrote, such as `ACTIVE`.
    pub status: Option<String>,
    /// Unix seconds at which the license ends; `null` is never.
    pub expires_at: Option<i64>,
    /// Each limit, the three known names always among them; -1 is unlimited.
    #[napi(ts_type = "Record<string, number>")]
    pub limits: HashMap<String, i64>,
    /// Codes in byte order; empty also when they were not included.
    pub entitlements: Vec<String>,
    /// The metadata as it stands in the file.
    #[napi(ts_type = "Record<string, unknown>")]
    pub metadata: serde_json::Value,
}

impl From<CoreView> for LicenseView {
    fn from(license: CoreView) -> Self {
        Self {
            id: license.id,
            key: license.key,
            name: license.name,
            status: license.status,
            expires_at: license.expires_at,
            limits: license.limits.into_iter().collect(),
            entitlements: license.entitlements,
            metadata: license.metadata,
        }
    }
}

impl From<Core> for Inspection {
    fn from(inspection: Core) -> Self {
        Self {
            failures: inspection.failures.into_iter().map(Code::name).collect(),
            kind: inspection.kind.map(|kind| kind.as_str()),
            license: inspection.license.map(LicenseView::from),
            issued_at: inspection.issued_at,
            file_expires_at: inspection.file_expires_at,
            machine_fingerprint: inspection.machine_fingerprint,
        }
    }
}

/// Reads a license file, and reports everything that is wrong with it. Installs nothing, and assumes no machine. A file
/// that is not good is no error: ask {@link Inspection.failures}.
///
/// @param file what the `.lic` file holds, at most 256 KiB
/// @throws InspireAuthError `INVALID_ARGUMENT` or `WEAK_TRUSTED_KEY` for options that can't be used
/// @example
/// const { failures, license } = inspect(await readFile('plant3.lic'), { trustedKeys, licenseKey });
#[napi(ts_args_type = "file: string | Uint8Array, options?: InspectOptions | null")]
pub fn inspect(env: &Env, file: Unknown<'_>, options: Unknown<'_>) -> napi::Result<Inspection> {
    run(env, || {
        let file = bytes(env, file, "file")?;
        let given: InspectOptions = read_or_default(env, options, "options")?;
        let trusted_keys = trusted_keys(given.trusted_keys.unwrap_or_default())?;
        Ok(core_inspect(
            &file,
            &CoreOptions {
                trusted_keys: &trusted_keys,
                license_key: given.license_key.as_deref(),
                machine_id: given.machine_id.as_deref(),
                product: given.product.as_deref(),
                now: given.now,
                offline: given.offline.unwrap_or(false),
            },
        )
        .into())
    })
}

//! Backups of an SQLite store.

use std::path::Path;

use inspire_auth_core::{
    Result,
    store::{LicenseRestored, RestoreOptions as CoreOptions, RestoreReport as Core, SqliteStore},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;

use crate::{
    arguments::{read_or_default, text},
    boundary::{run, start},
    handle::number,
};

/// How a backup is restored.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreOptions {
    /// Let keys that the live store has no history of come back as they were, instead of disabled: for a new machine,
    /// when the operator knows that none of them was revoked since. Default false.
    pub accept_revived: Option<bool>,
}

/// What a restore did, in numbers of keys.
#[napi(object, object_from_js = false)]
pub struct RestoreReport {
    /// In both stores, and the live one at least as new: untouched.
    pub kept: f64,
    /// Older in the live store: taken from the backup.
    pub updated: f64,
    /// Unknown to the live store: inserted as they were.
    pub revived: f64,
    /// Those that the restore disabled, to be enabled by an operator.
    pub disabled: f64,
    /// Deleted in the live store since the backup: stay deleted.
    pub stayed_deleted: f64,
    /// Left out, since another live key has the name.
    pub name_taken: f64,
    /// In the live store only: deleted. By name, in order.
    pub deleted: Vec<String>,
    /// What became of the license: there is `none`; the live store's was `kept`; the backup's was `restored`, or `left_out`
    /// since a license was deactivated here.
    #[napi(ts_type = "'none' | 'kept' | 'restored' | 'left_out'")]
    pub license: &'static str,
}

impl From<Core> for RestoreReport {
    fn from(report: Core) -> Self {
        Self {
            kept: number(report.kept),
            updated: number(report.updated),
            revived: number(report.revived),
            disabled: number(report.disabled),
            stayed_deleted: number(report.stayed_deleted),
            name_taken: number(report.name_taken),
            deleted: report.deleted,
            license: match report.license {
                LicenseRestored::None => "none",
                LicenseRestored::Kept => "kept",
                LicenseRestored::Restored => "restored",
                LicenseRestored::LeftOut => "left_out",
            },
        }
    }
}

fn copying(env: &Env, store: Unknown<'_>, to: Unknown<'_>) -> Result<work!(())> {
    let (store, to) = (text(env, store, "store")?, text(env, to, "to")?);
    Ok(move || SqliteStore::open(store)?.backup(Path::new(&to)))
}

fn restoring(env: &Env, store: Unknown<'_>, from: Unknown<'_>, options: Unknown<'_>) -> Result<work!(RestoreReport)> {
    let (store, from) = (text(env, store, "store")?, text(env, from, "from")?);
    let RestoreOptions { accept_revived } = read_or_default(env, options, "options")?;
    let options = CoreOptions { accept_revived: accept_revived.unwrap_or(false) };
    Ok(move || SqliteStore::open(store)?.restore(Path::new(&from), options).map(RestoreReport::from))
}

/// Copies a store to a new file, while it is in use. The copy holds hashes and the license key: it needs the same care as
/// the store.
///
/// @param store the path of the store
/// @param to the path of the copy, which must not exist
/// @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code
/// @example
/// await backupStore('service.db', `service-${today}.db`);
#[napi(ts_args_type = "store: string, to: string", ts_return_type = "Promise<void>")]
pub fn backup_store<'e>(env: &'e Env, store: Unknown<'e>, to: Unknown<'e>) -> napi::Result<Unknown<'e>> {
    start(env, || copying(env, store, to))
}

/// {@link backupStore}, blocking.
///
/// @throws InspireAuthError as {@link backupStore}
#[napi(ts_args_type = "store: string, to: string")]
pub fn backup_store_sync(env: &Env, store: Unknown<'_>, to: Unknown<'_>) -> napi::Result<()> {
    run(env, || copying(env, store, to)?())
}

/// Brings a backup back into a store: it revives nothing that was revoked since, and what nothing is known of comes back
/// disabled.
///
/// @param store the path of the store
/// @param from the path of the backup
/// @throws InspireAuthError `INVALID_ARGUMENT`, a `STORE_*` code; nothing is changed then
/// @example
/// const { disabled } = await restoreStore('service.db', 'service-backup.db');
#[napi(
    ts_args_type = "store: string, from: string, options?: RestoreOptions | null",
    ts_return_type = "Promise<RestoreReport>"
)]
pub fn restore_store<'e>(
    env: &'e Env,
    store: Unknown<'e>,
    from: Unknown<'e>,
    options: Unknown<'e>,
) -> napi::Result<Unknown<'e>> {
    start(env, || restoring(env, store, from, options))
}

/// {@link restoreStore}, blocking.
///
/// @throws InspireAuthError as {@link restoreStore}
#[napi(ts_args_type = "store: string, from: string, options?: RestoreOptions | null")]
pub fn restore_store_sync(
    env: &Env,
    store: Unknown<'_>,
    from: Unknown<'_>,
    options: Unknown<'_>,
) -> napi::Result<RestoreReport> {
    run(env, || restoring(env, store, from, options)?())
}

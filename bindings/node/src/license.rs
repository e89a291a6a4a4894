//! What this installation is licensed for.

use std::{collections::BTreeMap, rc::Rc};

use inspire_auth_core::{
    Code, Result,
    license::{CATALOGUE, Entitlement as CoreEntitlement, Status, Warning},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;

use crate::{
    arguments::{bytes, member, moment, object, read, text},
    boundary::{run, start},
    by::By,
    handle::Handle,
    machine::MachineIdentity,
    raw::{grants_function, limit_function},
};

/// The license as it is at one moment.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct LicenseStatus {
    /// Whether the license may be used.
    #[napi(ts_type = "'unlicensed' | 'active' | 'expired' | 'suspended' | 'invalid'")]
    pub state: &'static str,
    /// Why not: the first check that fails, or `UNLICENSED`; `null` when the license is active.
    #[napi(ts_type = "InspireAuthErrorCode | null")]
    pub reason: Option<&'static str>,
    /// The license's name.
    pub name: Option<String>,
    /// The license key, masked: `********` and its last 4 characters.
    pub key: Option<String>,
    /// How it was activated.
    #[napi(ts_type = "'online' | 'offline' | null")]
    pub mode: Option<&'static str>,
    /// Unix seconds at which the license ends; `null` is never.
    pub expires_at: Option<i64>,
    /// Unix seconds at which the installed file ends, for whatever reason; `null` is never.
    pub lease_expires_at: Option<i64>,
    /// Unix seconds of the last installation or successful validation.
    pub last_validated_at: Option<i64>,
    /// Limits by name, `MAX_DISPLAYS`, `MAX_AGILES` and `AI_CREDITS_MONTHLY` always among them: all 0 unless the license
    /// is active; -1 is unlimited.
    #[napi(ts_type = "Record<string, number>")]
    pub limits: BTreeMap<String, i64>,
    /// Granted codes in byte order; empty unless the license is active.
    pub entitlements: Vec<String>,
    /// What will need attention.
    #[napi(ts_type = "LicenseWarning[]")]
    pub warnings: Vec<LicenseWarning>,
    /// The last try to reach the licensing server, if it failed; else `null`. It changes nothing else.
    #[napi(ts_type = "LicenseAttempt | null")]
    pub last_attempt: Option<LicenseAttempt>,
}

/// A try to reach the licensing server that failed.
#[napi(object, object_from_js = false)]
pub struct LicenseAttempt {
    /// Why, such as `NETWORK_TIMEOUT`.
    #[napi(ts_type = "InspireAuthErrorCode")]
    pub code: &'static str,
    /// Unix seconds.
    pub at: i64,
}

/// Something that is still good, and will need attention.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct LicenseWarning {
    /// Which.
    #[napi(ts_type = "'EXPIRES_SOON' | 'LEASE_ENDS_SOON' | 'CLOCK_SUSPECT' | 'NOT_MACHINE_BOUND'")]
    pub code: &'static str,
    /// `EXPIRES_SOON`: the license ends within this many days: 30, 14, 7 or 1; else `null`.
    pub days: Option<u8>,
}

impl From<Warning> for LicenseWarning {
    fn from(warning: Warning) -> Self {
        let days = match warning {
            Warning::ExpiresSoon { days } => Some(days),
            _ => None,
        };
        Self { code: warning.as_str(), days }
    }
}

impl From<Status> for LicenseStatus {
    fn from(status: Status) -> Self {
        Self {
            state: status.state.as_str(),
            reason: status.reason.map(Code::name),
            name: status.name,
            key: status.key,
            mode: status.mode.map(|mode| mode.as_str()),
            expires_at: status.expires_at,
            lease_expires_at: status.lease_expires_at,
            last_validated_at: status.last_validated_at,
            limits: status.limits,
            entitlements: status.entitlements,
            warnings: status.warnings.into_iter().map(LicenseWarning::from).collect(),
            last_attempt: status.last_attempt.map(|tried| LicenseAttempt { code: tried.code.name(), at: tried.at }),
        }
    }
}

/// An entitlement, and whether it is granted now.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct Entitlement {
    /// Its code, such as `VIDEO_WALL_SYNC`.
    pub code: String,
    /// What it gives, for those of the catalogue; else `null`.
    pub feature: Option<&'static str>,
    /// Whether the license grants it, and is active.
    pub granted: bool,
}

impl From<CoreEntitlement> for Entitlement {
    fn from(entitlement: CoreEntitlement) -> Self {
        let CoreEntitlement { code, feature, granted } = entitlement;
        Self { code, feature, granted }
    }
}

/// One row of {@link CATALOGUE}: an entitlement that is known by name.
#[napi(object, object_from_js = false)]
pub struct CatalogueEntry {
    /// Its code, such as `VIDEO_WALL_SYNC`.
    pub code: &'static str,
    /// What it gives.
    pub feature: &'static str,
}

/// What {@link CATALOGUE} is made of.
#[napi(skip_typescript)]
pub fn catalogue() -> Vec<CatalogueEntry> {
    CATALOGUE.into_iter().map(|(code, feature)| CatalogueEntry { code, feature }).collect()
}

/// The license of a handle. Questions are answered from memory, and see each change, by any process, that returned
/// before. `now` is in Unix seconds; not given, it is the system's clock.
#[napi]
pub struct License {
    pub(crate) handle: Rc<Handle>,
}

impl License {
    pub(crate) fn new(handle: &Rc<Handle>) -> Self {
        Self { handle: Rc::clone(handle) }
    }

    fn activating(
        &self,
        env: &Env,
        license_key: Unknown<'_>,
        file: Unknown<'_>,
        by: Unknown<'_>,
    ) -> Result<work!(LicenseStatus)> {
        let (core, key) = (self.handle.core()?, zeroize::Zeroizing::new(text(env, license_key, "licenseKey")?));
        let file = bytes(env, file, "file")?;
        let (read_by, members) = (By::read_unrevised(env, &by, &["force"])?, object(env, &by, "by")?);
        let force = read::<Option<bool>>(env, member(&members, "force")?, "by.force")?.unwrap_or(false);
        Ok(move || core.license().activate_offline(&key, &file, force, &read_by.caller()).map(LicenseStatus::from))
    }
}

#[napi]
impl License {
    /// What is installed, and whether it is good.
    ///
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// const { state, reason } = auth.license.status();
    #[napi(ts_args_type = "now?: number")]
    pub fn status(&self, env: &Env, now: Unknown<'_>) -> napi::Result<LicenseStatus> {
        run(env, || self.handle.core()?.license().status(moment(env, now)?).map(LicenseStatus::from))
    }

    /// Whether an entitlement is granted; its code in any case. Without an active license nothing is.
    ///
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// if (auth.license.hasEntitlement('VIDEO_WALL_SYNC')) showWall();
    #[napi(ts_args_type = "code: string, now?: number")]
    pub fn has_entitlement(&self, env: &Env, code: Unknown<'_>, now: Unknown<'_>) -> napi::Result<bool> {
        run(env, || self.handle.core()?.license().has_entitlement(&text(env, code, "code")?, moment(env, now)?))
    }

    /// The number by which those two know a name.
    #[napi(skip_typescript)]
    pub fn name_slot(&self, env: &Env, name: Unknown<'_>) -> napi::Result<Option<u32>> {
        run(env, || Ok(self.handle.name_slot(text(env, name, "name")?)))
    }

    /// The function that asks memory for an entitlement, and the one that asks it for a limit: see `raw/questions.rs`.
    #[napi(skip_typescript)]
    pub fn grants_function<'e>(&self, env: &'e Env) -> napi::Result<Unknown<'e>> {
        grants_function(env, Rc::clone(&self.handle))
    }

    #[napi(skip_typescript)]
    pub fn limit_function<'e>(&self, env: &'e Env) -> napi::Result<Unknown<'e>> {
        limit_function(env, Rc::clone(&self.handle))
    }

    /// As {@link License.hasEntitlement}, for a gate: a refusal is an error that says why.
    ///
    /// @throws InspireAuthError `NOT_ENTITLED` when the license is active without it, `UNLICENSED` when there is none,
    /// else the license's first failure; a `STORE_*` code
    /// @example
    /// auth.license.checkEntitlement('SSO_SAML'); // throws NOT_ENTITLED, UNLICENSED, ...
    #[napi(ts_args_type = "code: string, now?: number")]
    pub fn check_entitlement(&self, env: &Env, code: Unknown<'_>, now: Unknown<'_>) -> napi::Result<()> {
        run(env, || self.handle.core()?.license().check_entitlement(&text(env, code, "code")?, moment(env, now)?))
    }

    /// A limit by name, in any case: -1 is unlimited, and 0 is what a license that is not active, or does not name the
    /// limit, allows.
    ///
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// auth.license.limit('MAX_DISPLAYS'); // 25
    #[napi(ts_args_type = "name: string, now?: number")]
    pub fn limit(&self, env: &Env, name: Unknown<'_>, now: Unknown<'_>) -> napi::Result<i64> {
        run(env, || self.handle.core()?.license().limit(&text(env, name, "name")?, moment(env, now)?))
    }

    /// Whether `inUse` of something, the new one included, is within its limit.
    ///
    /// @throws InspireAuthError `LIMIT_EXCEEDED`; its detail names the reason when the license is not active.
    /// `INVALID_ARGUMENT` for a negative number; a `STORE_*` code
    /// @example
    /// auth.license.checkLimit('MAX_DISPLAYS', displays.length + 1);
    #[napi(ts_args_type = "name: string, inUse: number, now?: number")]
    pub fn check_limit(&self, env: &Env, name: Unknown<'_>, in_use: Unknown<'_>, now: Unknown<'_>) -> napi::Result<()> {
        run(env, || {
            let (name, in_use) = (text(env, name, "name")?, read::<i64>(env, in_use, "inUse")?);
            self.handle.core()?.license().check_limit(&name, in_use, moment(env, now)?)
        })
    }

    /// The catalogue of ten, then what else is granted.
    ///
    /// @throws InspireAuthError a `STORE_*` code
    /// @example
    /// auth.license.entitlements().filter(({ granted }) => granted).map(({ code }) => code);
    #[napi(ts_args_type = "now?: number")]
    pub fn entitlements(&self, env: &Env, now: Unknown<'_>) -> napi::Result<Vec<Entitlement>> {
        run(env, || {
            let all = self.handle.core()?.license().entitlements(moment(env, now)?)?;
            Ok(all.into_iter().map(Entitlement::from).collect())
        })
    }

    /// Installs a file with its license key, for offline use, in the place of what is installed. A failure changes
    /// nothing.
    ///
    /// @param licenseKey the key that belongs to the file
    /// @param file what the `.lic` file holds, at most 256 KiB
    /// @param by who installs it; a principal needs {@link OpenOptions.adminRequirement}. `force` installs a file that is
    /// older than the installed one of the same license; never one that was deactivated
    /// @throws InspireAuthError `PERMISSION_DENIED`; the code of the first check that fails (the detail lists all);
    /// `LICENSE_KEY_REQUIRED` for an empty key; `FINGERPRINT_UNAVAILABLE`; a `STORE_*` code;
    /// `AUDIT_UNAVAILABLE` (only with `deny_mutations`)
    /// @example
    /// await auth.license.activateOffline(key, await readFile('plant3.lic'), { actor: SYSTEM });
    #[napi(
        ts_args_type = "licenseKey: string, file: string | Uint8Array, by: By & { force?: boolean }",
        ts_return_type = "Promise<LicenseStatus>"
    )]
    pub fn activate_offline<'e>(
        &self,
        env: &'e Env,
        license_key: Unknown<'e>,
        file: Unknown<'e>,
        by: Unknown<'e>,
    ) -> napi::Result<Unknown<'e>> {
        start(env, || self.activating(env, license_key, file, by))
    }

    /// {@link License.activateOffline}, blocking.
    ///
    /// @throws InspireAuthError as {@link License.activateOffline}
    #[napi(ts_args_type = "licenseKey: string, file: string | Uint8Array, by: By & { force?: boolean }")]
    pub fn activate_offline_sync(
        &self,
        env: &Env,
        license_key: Unknown<'_>,
        file: Unknown<'_>,
        by: Unknown<'_>,
    ) -> napi::Result<LicenseStatus> {
        run(env, || self.activating(env, license_key, file, by)?())
    }

    /// Which machine this is, as license files name it.
    ///
    /// @throws InspireAuthError `FINGERPRINT_UNAVAILABLE`
    /// @example
    /// auth.license.machine().fingerprint; // what a vendor makes a machine file for
    #[napi]
    pub fn machine(&self, env: &Env) -> napi::Result<MachineIdentity> {
        run(env, || self.handle.core()?.license().machine().map(MachineIdentity::from))
    }
}

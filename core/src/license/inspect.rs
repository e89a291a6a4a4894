//! Reading a file without installing it.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::{
    armour::{Armour, Kind},
    checks::{Checks, Circumstances},
    envelope::Envelope,
    keys::TrustedKey,
    limits,
    open::Secrets,
    payload::{LicenseDocument, Payload},
    secret,
};
use crate::{
    clock,
    error::{Code, Result},
};

/// What a file is inspected against. What is not given is not judged.
#[derive(Clone, Copy, Default)]
pub struct InspectOptions<'a> {
    /// Keys whose signatures are believed. With none, no file verifies.
    pub trusted_keys: &'a [TrustedKey],
    /// The license key: decrypts the file, and must be the one in it.
    pub license_key: Option<&'a str>,
    /// A machine's fingerprint: decrypts a machine file, and must be the one in it. Never that of this machine unless
    /// it is given.
    pub machine_id: Option<&'a str>,
    /// The product id that the license must be for.
    pub product: Option<&'a str>,
    /// Unix seconds; `None` or 0 is the system's clock.
    pub now: Option<i64>,
    /// Whether the file must be fit for an offline installation.
    pub offline: bool,
}

impl fmt::Debug for InspectOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectOptions")
            .field("trusted_keys", &self.trusted_keys)
            .field("product", &self.product)
            .field("now", &self.now)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// What a file says, and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Every check that failed, in the order of checking, each once.
    pub failures: Vec<Code>,
    /// Known once header and footer are read.
    pub kind: Option<Kind>,
    /// Known once the payload is read, if the file includes its license.
    pub license: Option<LicenseView>,
    /// `meta.issued`, Unix seconds.
    pub issued_at: Option<i64>,
    /// `meta.expiry`, Unix seconds.
    pub file_expires_at: Option<i64>,
    /// The fingerprint of the machine that a machine file was made for.
    pub machine_fingerprint: Option<String>,
}

impl Inspection {
    /// The first failure, or `OK`.
    #[must_use]
    pub fn result(&self) -> Code {
        self.failures.first().copied().unwrap_or(Code::Ok)
    }

    /// A file that was stopped at `failure`.
    fn stopped(kind: Option<Kind>, failure: Code) -> Self {
        Self {
            failures: vec![failure],
            kind,
            license: None,
            issued_at: None,
            file_expires_at: None,
            machine_fingerprint: None,
        }
    }
}

/// The license in a file. Its `Debug` shows no key.
#[derive(Clone, PartialEq)]
pub struct LicenseView {
    /// The license's id at its issuer.
    pub id: String,
    /// The license key, not masked.
    pub key: Option<String>,
    /// The license's name.
    pub name: Option<String>,
    /// The status that the issuer wrote, such as `ACTIVE`.
    pub status: Option<String>,
    /// Unix seconds; `None` is never.
    pub expires_at: Option<i64>,
    /// Each limit, the three known names always among them; -1 is unlimited.
    pub limits: BTreeMap<String, i64>,
    /// Codes in byte order; empty also when they were not included.
    pub entitlements: Vec<String>,
    /// The metadata as it stands in the file: an object.
    pub metadata: Value,
}

impl fmt::Debug for LicenseView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseView")
            .field("id", &self.id)
            .field("key", &self.key.as_deref().map(secret::mask))
            .field("name", &self.name)
            .field("status", &self.status)
            .field("expires_at", &self.expires_at)
            .field("limits", &self.limits)
            .field("entitlements", &self.entitlements)
            .finish_non_exhaustive()
    }
}

impl From<LicenseDocument> for LicenseView {
    fn from(license: LicenseDocument) -> Self {
        Self {
            limits: with_known_names(license.limits),
            id: license.id,
            key: license.key.map(|key| key.as_str().to_owned()),
            name: license.name,
            status: license.status,
            expires_at: license.expires_at,
            entitlements: license.entitlements.unwrap_or_default(),
            metadata: license.metadata,
        }
    }
}

/// The known limits that are not named are 0.
pub(super) fn with_known_names(mut limits: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    for name in limits::KNOWN {
        limits.entry(name.to_owned()).or_insert(0);
    }
    limits
}

/// Reads a file and reports everything that is wrong with it. Installs nothing, and assumes no machine.
#[must_use]
pub fn inspect(file: &[u8], options: &InspectOptions<'_>) -> Inspection {
    let now = clock::resolve(options.now);
    let armour = match Armour::read(file) {
        Ok(armour) => armour,
        Err(error) => return Inspection::stopped(None, error.code()),
    };
    match read(&armour, options, now) {
        Ok(payload) => report(payload, options, now),
        Err(error) => Inspection::stopped(Some(armour.kind), error.code()),
    }
}

fn read(armour: &Armour, options: &InspectOptions<'_>, now: i64) -> Result<Payload> {
    let secrets = Secrets { license_key: options.license_key, fingerprint: options.machine_id };
    Envelope::from_armour(armour)?.verify(options.trusted_keys, Some(now))?.open(secrets)?.payload()
}

fn report(payload: Payload, options: &InspectOptions<'_>, now: i64) -> Inspection {
    let circumstances = Circumstances {
        product: options.product,
        license_key: options.license_key,
        fingerprint: options.machine_id,
        offline: options.offline,
        ..Circumstances::default()
    };
    Inspection {
        failures: Checks::of(&payload, circumstances).failures(now).collect(),
        kind: Some(payload.kind),
        license: payload.license.map(LicenseView::from),
        issued_at: Some(payload.issued),
        file_expires_at: payload.file_expires,
        machine_fingerprint: payload.machine.and_then(|machine| machine.fingerprint),
    }
}

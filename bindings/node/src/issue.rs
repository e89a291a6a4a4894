//! Issuing: the vendor's side.

use inspire_auth_core::license::{
    Kind,
    issue::{LicenseDescription as Core, SigningKey as CoreKey, sign as core_sign},
};
use napi::{Env, bindgen_prelude::Unknown};
use napi_derive::napi;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    arguments::{invalid, read_or_default, text},
    boundary::run,
    raw::instance,
};

/// An Ed25519 signing key: the issuer's secret. Wiped when it is garbage; printing it shows nothing.
///
/// @example
/// const key = SigningKey.generate();
/// await writeFile('issuer.pem', key.toPem(), { mode: 0o600 });
#[napi]
pub struct SigningKey {
    core: CoreKey,
}

#[napi]
impl SigningKey {
    /// A new key, from the operating system's randomness.
    ///
    /// @throws InspireAuthError `INTERNAL` when the operating system refuses randomness
    /// @example
    /// await writeFile('vendor.key', SigningKey.generate().toPem(), { mode: 0o600 });
    #[napi(factory)]
    pub fn generate(env: &Env) -> napi::Result<Self> {
        run(env, || Ok(Self { core: CoreKey::generate()? }))
    }

    /// Reads what a key file holds: an unencrypted PKCS#8 PEM of Ed25519, as `toPem` and OpenSSL write it, or the seed as
    /// 64 hexadecimal digits.
    ///
    /// @param text the contents of the file, not its name
    /// @throws InspireAuthError `INVALID_ARGUMENT`
    /// @example
    /// const signer = SigningKey.fromSeedFile(await readFile('vendor.key', 'utf8'));
    #[napi(factory, ts_args_type = "text: string")]
    pub fn from_seed_file(env: &Env, text: Unknown<'_>) -> napi::Result<Self> {
        run(env, || {
            let contents = Zeroizing::new(crate::arguments::text(env, text, "text")?);
            Ok(Self { core: CoreKey::from_seed_file(&contents)? })
        })
    }

    /// The secret as PEM PKCS#8, with a final newline.
    ///
    /// @example
    /// SigningKey.generate().toPem(); // '-----BEGIN PRIVATE KEY-----...'
    #[napi]
    pub fn to_pem(&self) -> String {
        self.core.to_pem().as_str().to_owned()
    }

    /// The public half, which goes into the products: 64 hexadecimal digits.
    #[napi(getter)]
    pub fn public_key(&self) -> String {
        self.core.public().to_hex()
    }
}

/// What a vendor writes down to have a file made. Unknown members are refused.
// Declared for index.d.ts; it comes as JSON (see index.js), which the core reads.
#[napi(object, object_from_js = false, object_to_js = false)]
#[allow(dead_code)]
pub struct LicenseDescription {
    /// The license's id; any text that is not empty.
    pub id: String,
    /// The license key that the customer types.
    pub key: String,
    /// The name that status pages show.
    pub name: Option<String>,
    /// When the license ends (RFC 3339); not given is never.
    pub expiry: Option<String>,
    /// `ACTIVE` unless it says otherwise.
    pub status: Option<String>,
    /// Whether the license is suspended. Default false.
    pub suspended: Option<bool>,
    /// The id of the product that the license is for.
    pub product: Option<String>,
    /// The id of the policy that it was made under.
    pub policy: Option<String>,
    /// Limits by name, such as `MAX_DISPLAYS`; -1 is unlimited.
    #[napi(ts_type = "Record<string, number>")]
    pub limits: Option<()>,
    /// What else the metadata holds.
    #[napi(ts_type = "Record<string, unknown>")]
    pub metadata: Option<()>,
    /// Granted codes. Not given, the file does not include entitlements at all, and can't be activated offline.
    pub entitlements: Option<Vec<String>>,
    /// The fingerprint of the machine that a machine file is for.
    pub fingerprint: Option<String>,
    /// How long the file is good, in seconds from its issue; not given is as long as its license.
    pub ttl: Option<f64>,
    /// When the file was issued (RFC 3339); not given is now.
    pub issued: Option<String>,
}

/// What file is to be made.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignOptions {
    /// `license` (default) names no machine; `machine` needs {@link LicenseDescription.fingerprint}.
    #[napi(ts_type = "'license' | 'machine'")]
    pub kind: Option<String>,
    /// Whether the contents are hidden from whoever does not have the license key (and, for a machine file, the
    /// fingerprint). Default false.
    pub encrypted: Option<bool>,
    /// The time of issue in Unix seconds, unless the description names one; not given, the system's clock.
    pub now: Option<i64>,
}

/// Signs a license or machine file, as Keygen would. Gives the contents of the `.lic` file.
///
/// @throws InspireAuthError `INVALID_ARGUMENT` when the description can't make such a file; `INTERNAL` when the operating
/// system refuses randomness
/// @example
/// const file = sign(key, { id: 'l1', key: 'ABCD', entitlements: ['MFA'] }, { encrypted: true });
#[napi(ts_args_type = "key: SigningKey, license: LicenseDescription, options?: SignOptions | null")]
pub fn sign(env: &Env, key: Unknown<'_>, license: Unknown<'_>, options: Unknown<'_>) -> napi::Result<String> {
    run(env, || {
        let key = instance::<SigningKey>(&key).ok_or_else(|| invalid("key is not a SigningKey"))?;
        let license = Core::parse(text(env, license, "license")?.as_bytes())?;
        let SignOptions { kind, encrypted, now } = read_or_default(env, options, "options")?;
        let kind = match kind.as_deref() {
            None | Some("license") => Kind::License,
            Some("machine") => Kind::Machine,
            Some(_) => return Err(invalid("options.kind is neither license nor machine")),
        };
        core_sign(&key.core, &license, kind, encrypted.unwrap_or(false), now)
    })
}

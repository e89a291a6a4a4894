//! The vendor's side: signing keys, and the files that they sign.

use inspire_auth_core::{
    Result,
    license::{
        Kind,
        issue::{LicenseDescription, SigningKey, sign},
    },
};

use crate::{
    boundary::{boundary, infallible},
    error::inspire_error,
    key_spec::yes_or_no,
    options::unknown,
    ptr,
    result::inspire_result,
    text::{Text, inspire_str, lend},
};

/// An Ed25519 signing key: a vendor's secret. Wiped when freed.
pub struct inspire_signing_key {
    core: SigningKey,
    public: Text,
    pem: Text,
}

impl inspire_signing_key {
    fn new(core: SigningKey) -> Self {
        Self { public: Text::new(&core.public().to_hex()), pem: Text::new(&core.to_pem()), core }
    }
}

/// A text that the library made.
pub struct inspire_text {
    text: Text,
}

impl inspire_text {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: Text::new(text) }
    }
}

/// Makes a signing key from the operating system's randomness.
///
/// \param key set to the key; `inspire_signing_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INTERNAL` when the operating system refuses randomness
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_generate(
    key: *mut *mut inspire_signing_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            out.give(inspire_signing_key::new(SigningKey::generate()?));
            Ok(())
        })
    }
}

/// Reads a signing key: PEM PKCS#8, as `inspire_signing_key_pem` and `openssl genpkey -algorithm ed25519` write it, or
/// the seed as 64 hexadecimal digits.
///
/// \param text what the key file holds
/// \param key set to the key; `inspire_signing_key_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT`
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_read(
    text: inspire_str,
    key: *mut *mut inspire_signing_key,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(key)?;
            out.give(inspire_signing_key::new(SigningKey::from_seed_file(ptr::text(text, "the signing key")?)?));
            Ok(())
        })
    }
}

/// The public half, as 64 hexadecimal digits: what products trust.
///
/// \param key may be NULL
/// \return borrowed from `key`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_public(key: *const inspire_signing_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(key) }.map(|key| &key.public)))
}

/// The secret, as PEM PKCS#8: to be kept in a file that only the issuer can read.
///
/// \param key may be NULL
/// \return borrowed from `key`, and wiped with it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_pem(key: *const inspire_signing_key) -> inspire_str {
    // SAFETY: NULL or a live key.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(key) }.map(|key| &key.pem)))
}

/// Frees a signing key, and wipes it.
///
/// \param key NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_free(key: *mut inspire_signing_key) {
    // SAFETY: NULL, or a key that the caller owns and gives up.
    unsafe { ptr::free(key) };
}

fn kind(value: u32) -> Result<Kind> {
    match value {
        1 => Ok(Kind::License),
        2 => Ok(Kind::Machine),
        _ => Err(unknown("kind")),
    }
}

/// Signs a license or machine file.
///
/// \param key the signing key
/// \param description the license, as a JSON object: `id`, `key`, `name`, `expiry`, `status`, `suspended`, `product`,
/// `policy`, `limits`, `metadata`, `entitlements`, `fingerprint`, `ttl`, `issued`
/// \param kind `INSPIRE_FILE_LICENSE` or `INSPIRE_FILE_MACHINE`
/// \param encrypted 0, or 1 to hide the contents from whoever does not have the license key (and, for a machine file,
/// the fingerprint)
/// \param now Unix seconds; 0 is the system's clock. The time of issue, unless the description names one
/// \param file set to the text of the file; `inspire_text_free` frees it; NULL on failure
/// \param err set on failure; may be NULL
/// \return `OK`; `INVALID_ARGUMENT` when the description can't make such a file
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_signing_key_sign(
    key: *const inspire_signing_key,
    description: inspire_str,
    kind: u32,
    encrypted: u32,
    now: i64,
    file: *mut *mut inspire_text,
    err: *mut *mut inspire_error,
) -> inspire_result {
    // SAFETY: every pointer is what the header asks of it.
    unsafe {
        boundary(err, || {
            let out = ptr::handle_out(file)?;
            let key = ptr::object(key)?;
            let description = LicenseDescription::parse(ptr::bytes(description)?)?;
            let (kind, encrypted) = (self::kind(kind)?, yes_or_no(encrypted, "encrypted")?);
            let text = sign(&key.core, &description, kind, encrypted, Some(now))?;
            out.give(inspire_text::new(&text));
            Ok(())
        })
    }
}

/// A text's characters.
///
/// \param text may be NULL
/// \return borrowed from `text`; `{NULL, 0}` for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_text_str(text: *const inspire_text) -> inspire_str {
    // SAFETY: NULL or a live text.
    infallible(inspire_str::NONE, || lend(unsafe { ptr::optional(text) }.map(|text| &text.text)))
}

/// Frees a text.
///
/// \param text NULL is ignored
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inspire_text_free(text: *mut inspire_text) {
    // SAFETY: NULL, or a text that the caller owns and gives up.
    unsafe { ptr::free(text) };
}

//! Who is calling: whoever has a license's key, and that license alone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Api, Call, Problem};
use crate::store::License;

impl Api {
    /// The license that a request is made with.
    ///
    /// # Errors
    /// 401 without a key that is known; 403 for a license that may not be used.
    pub(super) fn bearer(&self, call: &Call) -> Result<License, Problem> {
        self.bearer_if_any(call)?.ok_or_else(|| {
            Problem::new(401, "TOKEN_MISSING", "You must be authenticated to complete the request")
                .header("Authorization")
        })
    }

    /// As [`Api::bearer`], where a request may also be made without.
    pub(super) fn bearer_if_any(&self, call: &Call) -> Result<Option<License>, Problem> {
        let Some(key) = presented(call)? else { return Ok(None) };
        let license = self.store.license_by_key(&key)?.ok_or_else(|| {
            Problem::new(401, "LICENSE_INVALID", "You must be authenticated to complete the request")
                .header("Authorization")
        })?;
        let refused = |code, detail: &'static str| Err(Problem::new(403, code, detail));
        match license.status(self.now()) {
            "BANNED" => refused("LICENSE_BANNED", "License is banned"),
            "SUSPENDED" => refused("LICENSE_SUSPENDED", "License is suspended"),
            "EXPIRED" => refused("LICENSE_EXPIRED", "License is expired"),
            _ => Ok(Some(license)),
        }
    }

    /// The bearer's license, where the path names it by its id or key.
    ///
    /// # Errors
    /// 404 when the path names another; as [`Api::bearer`].
    pub(super) fn own_license(&self, call: &Call) -> Result<License, Problem> {
        let license = self.bearer(call)?;
        let named = call.param("license").unwrap_or_default();
        if named == license.id || named == license.key { Ok(license) } else { Err(Problem::not_found()) }
    }
}

/// The key that a request presents: `Authorization: License KEY`, `Basic` with the name `license`, or `?auth=`.
fn presented(call: &Call) -> Result<Option<Zeroizing<String>>, Problem> {
    let wrong = |code, detail: &'static str| Err(Problem::new(401, code, detail).header("Authorization"));
    let Some(field) = call.header("authorization") else {
        let pair = call.query("auth").map(|pair| Zeroizing::new(pair.to_owned()));
        return pair.map_or(Ok(None), |pair| license_of(&pair).map(Some));
    };
    let (scheme, rest) = field.split_once(' ').unwrap_or((field, ""));
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "license" if !rest.is_empty() => Ok(Some(Zeroizing::new(rest.to_owned()))),
        "basic" => {
            let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = Zeroizing::new(decoded.unwrap_or_default());
            license_of(&pair).map(Some)
        }
        "bearer" => wrong("TOKEN_INVALID", "this server knows no tokens: authenticate with the license"),
        _ => wrong("TOKEN_FORMAT_INVALID", "the authorization is `License KEY`"),
    }
}

/// The key of `license:KEY`.
fn license_of(pair: &str) -> Result<Zeroizing<String>, Problem> {
    match pair.split_once(':') {
        Some(("license", key)) if !key.is_empty() => Ok(Zeroizing::new(key.to_owned())),
        _ => Err(Problem::new(401, "TOKEN_FORMAT_INVALID", "the credentials are `license:KEY`")),
    }
}

//! What a host says about keys: what a new one is to be, what is to change, which to list.

use super::{credential::is_name, levels::validate_grants};
use crate::{
    error::{Code, Error, Result},
    store::Strength,
};

/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 4096;
/// Most levels a key can be granted.
const MAX_LEVELS: usize = 1024;

/// What a new key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, unique.
    pub name: String,
    /// Free text, at most 4096 bytes, without NUL.
    pub description: String,
    /// Granted security levels, at most 1024.
    pub levels: Vec<String>,
    /// Whether the key may only be used over a secure channel. Default true.
    pub require_secure: bool,
    /// Whether the key may be used at all. Default true.
    pub enabled: bool,
    /// Unix seconds (above 0) from which the key is expired; `None` is never.
    pub expires_at: Option<i64>,
}

impl NewKey {
    /// A key without levels, for secure channels only, that never expires.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            levels: Vec::new(),
            require_secure: true,
            enabled: true,
            expires_at: None,
        }
    }

    /// The same, with every value within its bounds and the levels in order.
    pub(super) fn checked(&self) -> Result<Self> {
        check_name(&self.name)?;
        check_description(&self.description)?;
        check_expiry(self.expires_at)?;
        Ok(NewKey { levels: check_levels(&self.levels)?, ..self.clone() })
    }
}

/// What is to change; `None` keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUpdate {
    /// Free text.
    pub description: Option<String>,
    /// Granted security levels.
    pub levels: Option<Vec<String>>,
    /// Whether the key may only be used over a secure channel.
    pub require_secure: Option<bool>,
    /// Whether the key may be used at all.
    pub enabled: Option<bool>,
    /// Unix seconds from which the key is expired; `Some(None)` clears.
    pub expires_at: Option<Option<i64>>,
}

/// What an imported hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// A PHC string of Argon2id, Argon2i or Argon2d.
    Phc,
    /// The token hash of an Ignition token file.
    Ignition,
}

/// A key whose secret was made elsewhere; only its hash is known.
#[derive(Clone)]
pub struct Import {
    /// What the key is to be.
    pub key: NewKey,
    /// What `hash` is.
    pub format: ImportFormat,
    /// The hash.
    pub hash: String,
    /// How strong the secret is said to be. `Chosen` secrets are not remembered in memory and have a failure budget.
    pub strength: Strength,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("key", &self.key).field("format", &self.format).finish_non_exhaustive()
    }
}

/// Which keys to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only names after this one, in byte order: the last of the page before.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only keys whose grants satisfy this level.
    pub level: Option<String>,
}

pub(super) fn check_name(name: &str) -> Result<()> {
    if is_name(name.as_bytes()) { Ok(()) } else { Err(Error::new(Code::InvalidName)) }
}

pub(super) fn check_levels(levels: &[String]) -> Result<Vec<String>> {
    if levels.len() > MAX_LEVELS {
        return Err(Error::with(Code::InvalidArgument, "a key holds at most 1024 levels"));
    }
    validate_grants(levels)
}

pub(super) fn check_description(description: &str) -> Result<()> {
    if description.len() > MAX_DESCRIPTION || description.contains('\0') {
        return Err(Error::with(Code::InvalidArgument, "a description is at most 4096 bytes, without NUL"));
    }
    Ok(())
}

pub(super) fn check_expiry(expires_at: Option<i64>) -> Result<()> {
    if expires_at.is_some_and(|at| at <= 0) {
        return Err(Error::with(Code::InvalidArgument, "expires_at is in Unix seconds, above 0"));
    }
    Ok(())
}

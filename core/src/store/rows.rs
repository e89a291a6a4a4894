//! The rows that every store keeps, in the same shape.

use zeroize::Zeroizing;

use crate::{error::Code, id::Id};

/// A key's row: everything about it but its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Random identity; a rename keeps it.
    pub id: Id,
    /// The key type: `basic-token`.
    pub kind: String,
    /// Unique name, compared byte for byte.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Granted security levels, byte-sorted, without repeats.
    pub levels: Vec<String>,
    /// Whether the key may only be used over a secure channel.
    pub require_secure: bool,
    /// Whether the key may be used at all.
    pub enabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds of the last authoritative change.
    pub updated_at: i64,
    /// Unix seconds from which the key is expired; `None` is never.
    pub expires_at: Option<i64>,
    /// Begins at 1; each authoritative change adds one.
    pub revision: u64,
    /// MAC over the authority fields of the key and its credentials, when a pepper is configured.
    pub seal: Option<Vec<u8>>,
    /// Which pepper made the seal.
    pub seal_key_id: Option<String>,
}

/// One secret of a key, as it is kept: hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Random identity.
    pub id: Id,
    /// The key it belongs to.
    pub key_id: Id,
    /// How `hash` was made.
    pub scheme: Scheme,
    /// PHC string. Never shown by any listing, export or error.
    pub hash: String,
    /// 32 bits of a keyed MAC of a generated key.
    pub tag: Option<u32>,
    /// Which tag key made the tag; an unknown one means "no tag".
    pub tag_key_id: Option<u32>,
    /// Which pepper went into the hash.
    pub pepper_id: Option<String>,
    /// Whether this library made the secret.
    pub origin: Origin,
    /// Whether the secret is random or was chosen by a person.
    pub strength: Strength,
    /// Unix seconds from which this credential (not its key) is no longer valid; `None` is never.
    pub not_after: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

impl std::fmt::Debug for CredentialRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the hash nor the tag: a guess can be tested against either.
        f.debug_struct("CredentialRow")
            .field("id", &self.id)
            .field("key_id", &self.key_id)
            .field("scheme", &self.scheme)
            .field("origin", &self.origin)
            .field("strength", &self.strength)
            .finish_non_exhaustive()
    }
}

/// A key with its credentials, oldest first: the unit in which changes travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWithCredentials {
    /// The key.
    pub key: KeyRow,
    /// Its credentials, by `created_at`, then id.
    pub credentials: Vec<CredentialRow>,
}

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The stored text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the stored text; `None` for a text this version does not know.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::parse_bytes(text.as_bytes())
            }

            /// As `parse`; what is no text is none of the known ones.
            pub(crate) fn parse_bytes(text: &[u8]) -> Option<Self> {
                [$(Self::$variant,)*].into_iter().find(|known| known.as_str().as_bytes() == text)
            }
        }
    };
}

text_enum! {
    /// How a credential's hash is made.
    Scheme {
        /// Argon2id, Argon2i or Argon2d: the PHC string says which.
        Argon2 = "argon2",
        /// HMAC-SHA-256 under a pepper; for generated keys only.
        HmacSha256 = "hmac-sha256",
        /// SHA-256 over the 32 decoded bytes, as Ignition's token files have it.
        Ignition = "ignition",
        /// A scheme that this version does not know (or a damaged row): such a credential is always refused.
        Unknown = "unknown",
    }
}

text_enum! {
    /// Who made a secret.
    Origin {
        /// This library, from the operating system's randomness.
        Generated = "generated",
        /// Somebody else; only its hash was given.
        Imported = "imported",
    }
}

text_enum! {
    /// How strong an imported secret is said to be.
    Strength {
        /// At least 128 bits from a random source.
        Random = "random",
        /// Chosen by a person, or not known.
        Chosen = "chosen",
    }
}

/// The secret under which a store's tags are made.
#[derive(Clone)]
pub struct TagKey {
    /// Its id, kept with each tag.
    pub id: u32,
    /// 16 random bytes.
    pub secret: Zeroizing<[u8; 16]>,
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TagKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The installed license, as bytes: nothing in this row is believed before the signature in `file` is verified again.
#[derive(Clone, PartialEq, Eq)]
pub struct LicenseRow {
    /// The `.lic` file, byte for byte.
    pub file: Vec<u8>,
    /// The license key, readable: it decrypts the file.
    pub license_key: String,
    /// `offline` or `online`. A column, so never evidence.
    pub mode: String,
    /// Unix seconds of the installation.
    pub installed_at: i64,
    /// Unix seconds of the last validation.
    pub validated_at: i64,
    /// What the licensing server has signed against it, until it signs otherwise.
    pub refusal: Option<LicenseEvent>,
    /// The last try to reach the licensing server, if it failed.
    pub attempt: Option<LicenseEvent>,
}

/// Something that happened to a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LicenseEvent {
    /// What.
    pub code: Code,
    /// Unix seconds.
    pub at: i64,
}

/// A machine that the licensing server has yet to take off its license.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// The machine's id on the server.
    pub machine: String,
    /// The license's id.
    pub license: String,
    /// The license key, readable: the server is asked with it.
    pub license_key: String,
    /// The machine's fingerprint.
    pub fingerprint: String,
    /// Unix seconds of the deactivation.
    pub since: i64,
    /// Unix seconds of the last try, if there was one.
    pub attempted: Option<i64>,
}

impl std::fmt::Debug for ReleaseRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReleaseRow").field("license", &self.license).field("since", &self.since).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LicenseRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LicenseRow")
            .field("mode", &self.mode)
            .field("installed_at", &self.installed_at)
            .finish_non_exhaustive()
    }
}

/// One line of the audit log. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Unix seconds.
    pub at: i64,
    /// What happened, such as `key.created` or `key.refused`.
    pub event: String,
    /// Who did it: `system`, `key:<name>`, or empty where nobody is known.
    pub actor: String,
    /// The name of the key, or the id of the license, that it happened to.
    pub subject: String,
    /// The exact reason or what was changed.
    pub detail: String,
    /// `Code::Ok` for what was done, else the answer with which it was refused.
    pub code: Code,
}

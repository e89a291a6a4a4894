//! Trusted public keys.

/// A public key whose signatures are believed (stub).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// Its name.
    pub id: String,
}

//! What a vendor writes down to have a file made.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{json, secret};
use crate::error::{Code, Error, Result};

/// A license as its vendor describes it, in JSON. Unknown members are refused: a misspelt `expiry` must not become a
/// license without an end.
///
/// ```json
/// {"id": "5f0e...", "key": "ABCD-EFGH", "name": "Plant 3", "expiry": "2027-01-01T00:00:00Z", "product": "gateway",
///  "limits": {"MAX_DISPLAYS": 25, "AI_CREDITS_MONTHLY": -1}, "entitlements": ["MFA", "OFFLINE_LICENSING"],
///  "fingerprint": "9c1f...", "ttl": 31536000}
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenseDescription {
    /// The license's id; any text that is not empty, a UUID where Keygen makes them.
    pub id: String,
    /// The license key that the customer types.
    pub key: String,
    /// The name that status pages show.
    #[serde(default)]
    pub name: Option<String>,
    /// When the license ends (RFC 3339); absent is never.
    #[serde(default)]
    pub expiry: Option<String>,
    /// `ACTIVE` unless it says otherwise.
    #[serde(default)]
    pub status: Option<String>,
    /// Whether the license is suspended.
    #[serde(default)]
    pub suspended: bool,
    /// The id of the product that the license is for.
    #[serde(default)]
    pub product: Option<String>,
    /// The id of the policy that it was made under.
    #[serde(default)]
    pub policy: Option<String>,
    /// Limits by name, such as `MAX_DISPLAYS`; -1 is unlimited.
    #[serde(default)]
    pub limits: BTreeMap<String, i64>,
    /// What else the metadata holds.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Granted codes. Absent, the file does not include entitlements at all, and can't be activated offline.
    #[serde(default)]
    pub entitlements: Option<Vec<String>>,
    /// The fingerprint of the machine that a machine file is for.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// That machine's id, where a licensing server has registered it; absent is one that follows from license and
    /// fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Whether the licensing server takes the machine off its license when it falls silent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_heartbeat: bool,
    /// How long the file is good, in seconds from its issue; absent is as long as its license.
    #[serde(default)]
    pub ttl: Option<u64>,
    /// When the file was issued (RFC 3339); absent is now.
    #[serde(default)]
    pub issued: Option<String>,
}

impl LicenseDescription {
    /// A license that grants nothing (but includes that it does), never ends, and is bound to nothing.
    #[must_use]
    pub fn new(id: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            key: key.into(),
            name: None,
            expiry: None,
            status: None,
            suspended: false,
            product: None,
            policy: None,
            limits: BTreeMap::new(),
            metadata: Map::new(),
            entitlements: Some(Vec::new()),
            fingerprint: None,
            machine: None,
            require_heartbeat: false,
            ttl: None,
            issued: None,
        }
    }

    /// Reads a description from JSON, strictly: no member twice, none that is not known.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; the detail names the member, and never shows a value.
    pub fn parse(text: &[u8]) -> Result<Self> {
        Self::parse_with_key(text, None)
    }

    /// As [`LicenseDescription::parse`], with this license key where the description has none.
    pub(super) fn parse_with_key(text: &[u8], key: Option<&str>) -> Result<Self> {
        let mut value = json::parse(text).ok_or_else(|| {
            Error::with(Code::InvalidArgument, "the description is not JSON, or a member stands twice")
        })?;
        if let (Some(key), Value::Object(members)) = (key, &mut value) {
            members.entry("key").or_insert_with(|| key.into());
        }
        serde_json::from_value(value).map_err(|error| Error::with(Code::InvalidArgument, about(&error)))
    }
}

/// What is wrong, without the value at fault, which may be the license key: of serde's messages only those that name
/// members are passed on.
fn about(error: &serde_json::Error) -> Cow<'static, str> {
    let text = error.to_string();
    if text.starts_with("unknown field") || text.starts_with("missing field") {
        Cow::Owned(format!("the description has an {text}").replace("an missing", "a missing"))
    } else {
        Cow::Borrowed("a member of the description has the wrong type")
    }
}

impl fmt::Debug for LicenseDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LicenseDescription")
            .field("id", &self.id)
            .field("key", &secret::mask(&self.key))
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_misspelt_or_mistyped_is_refused_without_being_shown() {
        let good = r#"{"id":"l","key":"SECRET","limits":{"MAX_DISPLAYS":4},"ttl":60}"#;
        let read = LicenseDescription::parse(good.as_bytes()).unwrap();
        assert_eq!((read.limits["MAX_DISPLAYS"], read.ttl, read.entitlements), (4, Some(60), None));
        for (bad, says) in [
            (good.replace("ttl", "tll"), "tll"),
            (good.replace(r#""id":"l","#, ""), "id"),
            (good.replace("\"SECRET\"", "[\"SECRET\"]"), "type"),
            (good.replace("60", "-60"), "type"),
            (good.replace("60", "\"SECRET\""), "type"),
            (good.replace("\"ttl\"", "\"id\""), "twice"),
            (good.replace("4}", "4,\"MAX_DISPLAYS\":5}"), "twice"),
            ("[]".into(), "type"),
            (String::new(), "JSON"),
        ] {
            let error = LicenseDescription::parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(error.to_string().contains(says) && !error.to_string().contains("SECRET"), "{bad}: {error}");
        }
        assert!(!format!("{:?}", LicenseDescription::new("l", "SECRET-SECRET")).contains("SECRET-S"));
    }

    #[test]
    fn a_description_writes_and_reads_back() {
        let mut license = LicenseDescription::new("l", "K");
        license.limits.insert("SEATS".into(), -1);
        license.metadata.insert("plan".into(), "gold".into());
        let text = serde_json::to_vec(&license).unwrap();
        assert_eq!(LicenseDescription::parse(&text).unwrap(), license);
    }
}

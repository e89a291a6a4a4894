//! What a validation is asked to look at.

use serde_json::{Map, Value};

use super::Problem;

/// What a validation is asked to look at. What a scope can name and this server knows nothing of never matches.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) product: Option<String>,
    pub(super) machine: Option<String>,
    /// Of which one must be registered.
    pub(super) fingerprints: Option<Vec<String>>,
    /// Of which all must be granted.
    pub(super) entitlements: Option<Vec<String>>,
    /// The code of the first that can't match.
    pub(super) unknown: Option<(&'static str, &'static str)>,
}

/// What Keygen knows besides, and its answer when it does not match.
const FOREIGN: [(&str, &str, &str); 6] = [
    ("environment", "ENVIRONMENT_SCOPE_MISMATCH", "environment scope does not match"),
    ("policy", "POLICY_SCOPE_MISMATCH", "policy scope does not match"),
    ("user", "USER_SCOPE_MISMATCH", "user scope does not match"),
    ("components", "COMPONENTS_SCOPE_MISMATCH", "one or more component is not activated"),
    ("checksum", "CHECKSUM_SCOPE_MISMATCH", "checksum scope is not valid"),
    ("version", "VERSION_SCOPE_MISMATCH", "version scope is not valid"),
];

impl Scope {
    /// Reads `meta.scope`. A member that is `null` is not there.
    ///
    /// # Errors
    /// 400 for another shape, and for a member that nobody knows.
    pub(super) fn read(scope: Option<&Value>) -> Result<Self, Problem> {
        let members = match scope {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(wrong("must be an object")),
        };
        let known = ["product", "machine", "fingerprint", "fingerprints", "entitlements"];
        let is_known = |name: &str| known.contains(&name) || FOREIGN.iter().any(|(other, ..)| *other == name);
        if !members.keys().all(|name| is_known(name)) {
            return Err(wrong("has a member that is not known"));
        }
        let mut fingerprints = texts(members, "fingerprints")?;
        if let Some(fingerprint) = text(members, "fingerprint")? {
            // The one must match whatever the others do.
            fingerprints = Some(vec![fingerprint]);
        }
        let foreign = FOREIGN.iter().find(|(name, ..)| members.get(*name).is_some_and(|value| !value.is_null()));
        Ok(Self {
            product: text(members, "product")?,
            machine: text(members, "machine")?,
            fingerprints,
            entitlements: texts(members, "entitlements")?,
            unknown: foreign.map(|(_, code, detail)| (*code, *detail)),
        })
    }
}

fn wrong(detail: &'static str) -> Problem {
    Problem::parameter("/meta/scope", detail)
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong("has a member that is not a string")),
    }
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Problem> {
    let items = match members.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong("has a member that is not a list")),
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    texts.map(Some).ok_or_else(|| wrong("has a list of something else than strings"))
}

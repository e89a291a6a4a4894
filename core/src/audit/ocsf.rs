//! Which class of the Open Cybersecurity Schema Framework (OCSF) an event is.

use crate::error::Code;

/// The version of OCSF whose numbers these are.
pub(super) const VERSION: &str = "1.3.0";
/// `status_id`.
pub(super) const SUCCESS: u32 = 1;
/// `status_id`.
pub(super) const FAILURE: u32 = 2;

/// What is added to the name of a change that could not be made, or was not allowed.
pub(crate) const FAILED: &str = ".failed";

/// Every change that there is an event of, with its activity in class 3004 (Entity Management).
pub(crate) const MUTATIONS: [(&str, u32); 20] = [
    ("key.created", CREATE),
    ("key.imported", CREATE),
    ("keys.imported", CREATE),
    ("key.duplicated", CREATE),
    ("key.updated", UPDATE),
    ("key.renamed", MOVE),
    ("key.enabled", ENABLE),
    ("key.disabled", DISABLE),
    ("key.rotated", UPDATE),
    ("key.deleted", DELETE),
    ("license.activated", ACTIVATE),
    ("license.deactivated", DEACTIVATE),
    ("license.revalidated", UPDATE),
    ("license.refreshed", UPDATE),
    ("license.released", OTHER),
    ("license.requested", OTHER),
    ("license.key_revealed", READ),
    ("store.sealed", UPDATE),
    ("store.adopted", OTHER),
    ("store.restored", OTHER),
];

const CREATE: u32 = 1;
const UPDATE: u32 = 3;
const DELETE: u32 = 4;
const MOVE: u32 = 5;
const ENABLE: u32 = 8;
const DISABLE: u32 = 9;
const ACTIVATE: u32 = 10;
const DEACTIVATE: u32 = 11;
const READ: u32 = 2;
const OTHER: u32 = 99;
/// In class 3002.
const LOGON: u32 = 1;

const AUTHENTICATION: u32 = 3002;
const ENTITY_MANAGEMENT: u32 = 3004;
const API_ACTIVITY: u32 = 6003;

const INFORMATIONAL: u32 = 1;
const LOW: u32 = 2;
const MEDIUM: u32 = 3;
const HIGH: u32 = 4;

/// What an event is to OCSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    /// `class_uid`; 0 is the base event.
    pub(super) class: u32,
    /// `activity_id`.
    pub(super) activity: u32,
    /// `severity_id`.
    pub(super) severity: u32,
}

impl Class {
    /// `category_uid`: 3 is identity and access management, 6 application activity.
    pub(super) const fn category(self) -> u32 {
        self.class / 1000
    }

    /// `type_uid`.
    pub(super) const fn type_uid(self) -> u32 {
        self.class.saturating_mul(100).saturating_add(self.activity)
    }
}

/// The class of an event that ended with `code`: what names a mutation is Entity Management, what fails to show who is
/// calling is Authentication, and what a known caller (or any) may not do is API Activity.
pub(super) fn class_of(event: &str, code: Code) -> Class {
    let name = event.strip_suffix(FAILED).unwrap_or(event);
    if let Some((_, activity)) = MUTATIONS.iter().find(|(mutation, _)| *mutation == name) {
        let by_hand = matches!(name, "store.sealed" | "store.adopted" | "store.restored");
        let severity = if by_hand || code != Code::Ok { MEDIUM } else { INFORMATIONAL };
        return Class { class: ENTITY_MANAGEMENT, activity: *activity, severity };
    }
    match (name, code) {
        ("key.exposed", _) => Class { class: AUTHENTICATION, activity: LOGON, severity: HIGH },
        (
            "key.refused" | "request.refused",
            Code::NoCredential | Code::MalformedCredential | Code::InvalidCredential,
        ) => Class { class: AUTHENTICATION, activity: LOGON, severity: LOW },
        ("key.refused" | "request.refused" | "route.denied" | "license.would_refuse" | "license.refused", _) => {
            Class { class: API_ACTIVITY, activity: OTHER, severity: LOW }
        }
        ("store.copied", _) => Class { class: ENTITY_MANAGEMENT, activity: OTHER, severity: MEDIUM },
        ("store.unheard" | "store.mended", _) => Class { class: 0, activity: OTHER, severity: MEDIUM },
        ("audit.dropped", _) => Class { class: 0, activity: OTHER, severity: MEDIUM },
        _ => Class { class: 0, activity: OTHER, severity: INFORMATIONAL },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_numbers_of_the_schema() {
        for (event, code, class, category, type_uid) in [
            ("key.created", Code::Ok, 3004, 3, 300_401),
            ("keys.imported", Code::Ok, 3004, 3, 300_401),
            ("key.deleted.failed", Code::PermissionDenied, 3004, 3, 300_404),
            ("license.activated", Code::Ok, 3004, 3, 300_410),
            ("key.refused", Code::InvalidCredential, 3002, 3, 300_201),
            ("key.exposed", Code::SecureChannelRequired, 3002, 3, 300_201),
            ("request.refused", Code::NoCredential, 3002, 3, 300_201),
            ("key.refused", Code::InsufficientLevel, 6003, 6, 600_399),
            ("route.denied", Code::RouteDenied, 6003, 6, 600_399),
            ("audit.dropped", Code::Ok, 0, 0, 99),
            ("store.copied", Code::Ok, 3004, 3, 300_499),
            ("store.unheard", Code::StoreStale, 0, 0, 99),
        ] {
            let found = class_of(event, code);
            assert_eq!((found.class, found.category(), found.type_uid()), (class, category, type_uid), "{event}");
        }
    }
}

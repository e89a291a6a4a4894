//! The entitlements that are known by name.

/// Code and feature of each known entitlement, in the order in which people see them. A license may carry others.
pub const CATALOGUE: [(&str, &str); 10] = [
    ("DEVICE_GROUPS", "Device group management"),
    ("VIDEO_WALL_SYNC", "Video wall configuration"),
    ("SCREEN_SHARE_WEBRTC", "WebRTC screen sharing"),
    ("DIRECT_RENDERER", "Renderer scaling"),
    ("ON_PREMISE_DEPLOYMENT", "Network configuration"),
    ("SSO_SAML", "SAML/OIDC single sign-on"),
    ("MFA", "Multi-factor authentication"),
    ("OBSERVABILITY", "OpenTelemetry export"),
    ("MULTI_TENANT", "Multiple tenant support"),
    (OFFLINE_LICENSING, "Offline license activation"),
];

/// What an offline installation needs, and what frees a file from `max_lease`.
pub const OFFLINE_LICENSING: &str = "OFFLINE_LICENSING";

/// An entitlement, and whether it is granted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Its code, such as `VIDEO_WALL_SYNC`.
    pub code: String,
    /// What it gives, for those of the catalogue.
    pub feature: Option<&'static str>,
    /// Whether the license grants it, and is active.
    pub granted: bool,
}

/// The whole catalogue, then what else is granted, given the granted codes in byte order.
pub(super) fn table(granted: &[String]) -> Vec<Entitlement> {
    let known = CATALOGUE.into_iter().map(|(code, feature)| Entitlement {
        code: code.to_owned(),
        feature: Some(feature),
        granted: holds(granted, code),
    });
    let others = granted
        .iter()
        .filter(|code| CATALOGUE.iter().all(|(known, _)| known != code))
        .map(|code| Entitlement { code: code.clone(), feature: None, granted: true });
    known.chain(others).collect()
}

/// Whether the sorted, upper-case `granted` holds `code`, in any case. Allocates nothing.
pub(super) fn holds(granted: &[String], code: &str) -> bool {
    granted.binary_search_by(|probe| probe.bytes().cmp(code.bytes().map(|byte| byte.to_ascii_uppercase()))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_comes_first_and_whole() {
        let granted = ["CUSTOM".to_owned(), "MFA".to_owned()];
        let table = table(&granted);
        assert_eq!(table.len(), 11);
        for (row, (code, feature)) in table.iter().zip(CATALOGUE) {
            assert_eq!((row.code.as_str(), row.feature), (code, Some(feature)));
            assert_eq!(row.granted, code == "MFA");
        }
        assert_eq!(table[10], Entitlement { code: "CUSTOM".into(), feature: None, granted: true });
    }

    #[test]
    fn codes_are_found_in_any_case() {
        let granted = ["A_1", "MFA", "Z"].map(str::to_owned);
        for code in ["MFA", "mfa", "Mfa", "a_1", "z"] {
            assert!(holds(&granted, code), "{code}");
        }
        for code in ["", "MF", "MFAA", "mfa ", "Y"] {
            assert!(!holds(&granted, code), "{code}");
        }
    }
}

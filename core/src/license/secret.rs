//! Comparing secrets, and showing them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Whether two texts are equal, in a time that tells nothing about where they differ: their MACs are compared, by the
/// MAC's own constant-time verification. The MAC key is public; it only has to be the same for both.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let mac = |text: &str| {
        Hmac::<Sha256>::new_from_slice(b"inspire license comparison").ok().map(|mac| mac.chain_update(text))
    };
    match (mac(a), mac(b)) {
        (Some(a), Some(b)) => a.verify(&b.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

/// A license key as it may be shown: `********` and its last 4 characters, and no character of one that has 8 or fewer.
pub(super) fn mask(license_key: &str) -> String {
    const STARS: &str = "********";
    let hidden = license_key.chars().count().saturating_sub(4);
    if hidden <= 4 {
        return STARS.to_owned();
    }
    STARS.chars().chain(license_key.chars().skip(hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_means_equal() {
        assert!(equal("", "") && equal("key", "key"));
        for (a, b) in [("", "\0"), ("key", "keY"), ("key", "key "), ("key", "key\0"), ("a", "")] {
            assert!(!equal(a, b) && !equal(b, a), "{a:?} {b:?}");
        }
    }

    #[test]
    fn short_keys_are_hidden_whole() {
        assert_eq!(mask("ABCD-EFGH-IJKL"), "********IJKL");
        assert_eq!(mask("123456789"), "********6789");
        assert_eq!(mask("12345678"), "********");
        assert_eq!(mask("ééééééééé"), "********éééé");
        assert_eq!(mask(""), "********");
    }
}

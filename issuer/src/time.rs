//! Moments, as the wire has them. All are Unix seconds.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The system's clock.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// As Keygen writes it: `2025-08-27T21:10:47.000Z`.
pub(crate) fn rfc3339(at: i64) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// As headers have it (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(at: i64) -> String {
    timestamp(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The nearest moment that a calendar has.
fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_second(at.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_wire_has_them() {
        assert_eq!(rfc3339(1_675_977_613), "2023-02-09T21:20:13.000Z");
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(1_675_977_613), "Thu, 09 Feb 2023 21:20:13 GMT");
        assert!(!http_date(i64::MAX).is_empty() && !rfc3339(i64::MIN).is_empty());
    }
}

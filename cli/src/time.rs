//! Times, as people write and read them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::failure::{Failure, Result};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// A length of time such as `90d`, `12h`, `30m`, `45s` or `2w`, in seconds.
pub(crate) fn length(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let digits = text.get(..text.len().checked_sub(1)?)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// A moment: RFC 3339, or a length of time from now. Unix seconds.
pub(crate) fn moment(text: &str) -> Result<i64> {
    if let Some(seconds) = length(text) {
        return now().checked_add(seconds).ok_or_else(|| Failure::usage(format!("{text} is too far away")));
    }
    text.parse::<Timestamp>().map(Timestamp::as_second).map_err(|_| {
        Failure::usage(format!(
            "{text:?} is neither a time such as 2030-01-31T12:00:00Z nor a length such as 90d or 12h"
        ))
    })
}

/// `2030-01-31 12:00Z`; what is outside the years of a calendar stays a number.
pub(crate) fn absolute(at: i64) -> String {
    match Timestamp::from_second(at) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => format!("@{at}"),
    }
}

/// `in 42 days`, `3 hours ago`, `now`; to the nearest unit.
pub(crate) fn relative(at: i64, now: i64) -> String {
    let distance = at.saturating_sub(now);
    let seconds = distance.saturating_abs();
    let (length, unit) = match seconds {
        0..MINUTE => return if distance < 0 { "just now" } else { "now" }.to_owned(),
        MINUTE..HOUR => (MINUTE, "minute"),
        HOUR..DAY => (HOUR, "hour"),
        DAY..63_072_000 => (DAY, "day"),
        _ => (31_556_952, "year"),
    };
    let number = seconds.saturating_add(length.wrapping_div(2)).checked_div(length).unwrap_or(0);
    let plural = if number == 1 { "" } else { "s" };
    if distance > 0 { format!("in {number} {unit}{plural}") } else { format!("{number} {unit}{plural} ago") }
}

/// The date and how far it is, for a narrow column: `2030-01-31`, `in 42 days`.
pub(crate) fn brief(at: Option<i64>, none: &str, now: i64) -> Vec<String> {
    let Some(at) = at else { return vec![none.to_owned()] };
    let date = absolute(at).split(' ').next().unwrap_or_default().to_owned();
    vec![date, relative(at, now)]
}

/// Both: `2030-01-31 12:00Z (in 42 days)`.
pub(crate) fn shown(at: i64, now: i64) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

/// [`shown`], or a word for no time at all.
pub(crate) fn shown_or(at: Option<i64>, none: &str, now: i64) -> String {
    at.map_or_else(|| none.to_owned(), |at| shown(at, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_moments_are_read() {
        assert_eq!(length("90d"), Some(90 * DAY));
        assert_eq!(length("12h"), Some(12 * HOUR));
        assert_eq!(length("2w"), Some(14 * DAY));
        for bad in ["", "d", "-1d", "1", "1.5h", "1y", "９d", "99999999999999999999d", "1d1h", "+1d"] {
            assert_eq!(length(bad), None, "{bad}");
        }
        assert_eq!(moment("2030-01-31T12:00:00Z").unwrap(), 1_896_091_200);
        assert_eq!(moment("2030-01-31T13:00:00+01:00").unwrap(), 1_896_091_200);
        for bad in ["2030-01-31", "tomorrow", "2030-13-01T00:00:00Z", "9223372036854775807s"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_shown_both_ways() {
        let at = 1_896_091_200;
        assert_eq!(shown(at, at - 42 * DAY), "2030-01-31 12:00Z (in 42 days)");
        assert_eq!(relative(at, at + 61), "1 minute ago");
        assert_eq!(relative(at, at + 3 * HOUR), "3 hours ago");
        assert_eq!(relative(at, at), "now");
        assert_eq!(relative(at, at - 800 * DAY), "in 2 years");
        assert_eq!(relative(at, at - 90 * DAY + 5), "in 90 days");
        assert_eq!(brief(Some(at), "never", at - DAY), ["2030-01-31", "in 1 day"]);
        assert_eq!(shown_or(None, "never", at), "never");
        assert_eq!(absolute(i64::MAX), format!("@{}", i64::MAX));
    }
}

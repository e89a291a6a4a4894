//! Moments as text: RFC 3339 in, Keygen's spelling of it out.
//!
//! Every comparison in the library is made on whole Unix seconds, so a fraction is dropped here, towards the past: a
//! license that ends at 12:00:00.900 has ended at 12:00:00.

/// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|+hh:mm|-hh:mm)` (RFC 3339, section 5.6, capital letters) as Unix seconds,
/// floored. `None` for any other text, for a day that its month does not have, and for leap seconds, which Unix time
/// can't name.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    literal(&mut rest, b'-')?;
    let month = digits(&mut rest, 2)?;
    literal(&mut rest, b'-')?;
    let day = digits(&mut rest, 2)?;
    literal(&mut rest, b'T')?;
    let (hour, minute) = hour_and_minute(&mut rest)?;
    literal(&mut rest, b':')?;
    let second = digits(&mut rest, 2).filter(|second| *second < 60)?;
    if literal(&mut rest, b'.').is_some() {
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        rest = rest.get(count..)?;
    }
    let offset = match rest.split_first()? {
        (b'Z', after) => {
            rest = after;
            0
        }
        (sign @ (b'+' | b'-'), after) => {
            rest = after;
            let (hours, minutes) = hour_and_minute(&mut rest)?;
            let seconds = seconds_of(hours, minutes, 0);
            if *sign == b'+' { seconds } else { seconds.wrapping_neg() }
        }
        _ => return None,
    };
    if !rest.is_empty() || !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
        return None;
    }
    days_before(year, month, day)
        .checked_mul(86_400)?
        .checked_add(seconds_of(hour, minute, second))?
        .checked_sub(offset)
}

/// `seconds` as Keygen writes it, `2025-08-27T21:10:47.000Z`; `None` outside the years 0000 to 9999.
pub(crate) fn format(seconds: i64) -> Option<String> {
    let (year, month, day) = civil(seconds.div_euclid(86_400))?;
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day.div_euclid(3600), of_day.div_euclid(60).rem_euclid(60), of_day.rem_euclid(60));
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z"))
}

/// The month of Unix seconds, in UTC: 12 times the year, plus 0 for January. Of the nearest year with four digits.
pub(super) fn month_of(seconds: i64) -> i64 {
    let (year, month, _) = civil(seconds.div_euclid(86_400).clamp(FIRST_DAY, LAST_DAY)).unwrap_or((1970, 1, 1));
    year.saturating_mul(12).saturating_add(month).saturating_sub(1)
}

/// Unix seconds of a month's first second.
pub(super) fn month_begins(period: i64) -> i64 {
    let (year, month) = (period.div_euclid(12).clamp(0, 10_000), period.rem_euclid(12).saturating_add(1));
    days_before(year, month, 1).saturating_mul(86_400)
}

/// `2027-01`.
pub(super) fn month_name(period: i64) -> String {
    format!("{:04}-{:02}", period.div_euclid(12), period.rem_euclid(12).saturating_add(1))
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    (*first == byte).then(|| *rest = after)
}

/// Exactly `count` (at most 4) decimal digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(count)?;
    *rest = after;
    number.iter().try_fold(0_i64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

fn hour_and_minute(rest: &mut &[u8]) -> Option<(i64, i64)> {
    let hour = digits(rest, 2).filter(|hour| *hour < 24)?;
    literal(rest, b':')?;
    let minute = digits(rest, 2).filter(|minute| *minute < 60)?;
    Some((hour, minute))
}

#[expect(clippy::arithmetic_side_effects, reason = "hours, minutes and seconds of a day: below 86 400 in all")]
fn seconds_of(hour: i64, minute: i64, second: i64) -> i64 {
    hour * 3600 + minute * 60 + second
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar. Years begin in March here, so that the leap day
/// is the last of its year, and repeat every 400 years of 146 097 days.
#[expect(clippy::arithmetic_side_effects, reason = "the year has four digits, month and day are in range")]
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The days of the years 0000 to 9999.
const FIRST_DAY: i64 = -719_528;
const LAST_DAY: i64 = 2_932_896;

/// The inverse of [`days_before`], inside the years 0000 to 9999.
#[expect(clippy::arithmetic_side_effects, reason = "the days are checked to lie inside four-digit years first")]
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    if !(FIRST_DAY..=LAST_DAY).contains(&days) {
        return None;
    }
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Some((year, month, day))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2025-08-27T21:10:47.535Z", 1_756_329_047),
            ("2025-08-27T23:10:47+02:00", 1_756_329_047),
            ("2025-08-27T15:40:47.1-05:30", 1_756_329_047),
            ("1985-04-12T23:20:50.52Z", 482_196_050),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "2025-08-27",
            "2025-08-27T21:10:47",
            "2025-08-27t21:10:47z",
            "2025-08-27 21:10:47Z",
            "2025-8-27T21:10:47Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-04-31T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:60:00Z",
            "2016-12-31T23:59:60Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00+0200",
            "2025-01-01T00:00:00+24:00",
            "2025-01-01T00:00:00+02:60",
            "2025-01-01T00:00:00Zx",
            "+025-01-01T00:00:00Z",
            " 2025-01-01T00:00:00Z",
            "12025-01-01T00:00:00Z",
            "2025-01-01T00:00:00Z\n",
            "٢٠٢٥-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in -62_167_219_200_i64..=253_402_300_799) {
            prop_assert_eq!(parse(&format(seconds).unwrap()), Some(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC*|[0-9T:.Z+-]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_number_panics(seconds: i64) {
            if let Some(text) = format(seconds) {
                prop_assert_eq!(parse(&text), Some(seconds));
            }
        }
    }
}

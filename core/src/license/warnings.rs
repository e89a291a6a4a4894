//! What is still good, and will need attention.

use super::state::Readable;

const DAY: i64 = 86_400;

/// Days before its end at which a license begins to be mentioned, and is mentioned more urgently.
const NOTICE_DAYS: [u8; 4] = [1, 7, 14, 30];

/// At most how long before its end a file is mentioned, in seconds.
const LEASE_NOTICE: i64 = 7 * DAY;

/// Something that will need attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warning {
    /// The license ends within this many days: 30, 14, 7 or 1.
    ExpiresSoon {
        /// The smallest of the four that is true.
        days: u8,
    },
    /// The installed file is in the last fifth of its life, and ends within 7 days: a new one is needed, or, online, the
    /// licensing server has not been reached for long.
    LeaseEndsSoon,
    /// The clock is behind a signed time, by no more than the 5 minutes that are tolerated; or it is behind what this
    /// installation has seen, or is shown to this process otherwise than to others.
    ClockSuspect,
    /// The license names no machine: a copy of it is as good as it.
    NotMachineBound,
}

impl Warning {
    /// The stable identifier, such as `EXPIRES_SOON`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpiresSoon { .. } => "EXPIRES_SOON",
            Self::LeaseEndsSoon => "LEASE_ENDS_SOON",
            Self::ClockSuspect => "CLOCK_SUSPECT",
            Self::NotMachineBound => "NOT_MACHINE_BOUND",
        }
    }
}

/// The warnings about what is installed; those that look ahead only while it is active.
pub(super) fn of(readable: &Readable, active: bool, now: i64) -> Vec<Warning> {
    let payload = &readable.payload;
    let license_ends = payload.license.as_ref().and_then(|license| license.expires_at);
    let looking_ahead = [
        license_ends.and_then(|end| expires_soon(end, now)),
        readable.ends().filter(|end| lease_ends_soon(payload.issued, *end, now)).map(|_| Warning::LeaseEndsSoon),
        readable.checks.clock_is_suspect(now).then_some(Warning::ClockSuspect),
    ];
    let unbound = payload.machine.is_none().then_some(Warning::NotMachineBound);
    looking_ahead.into_iter().filter(|_| active).chain([unbound]).flatten().collect()
}

fn expires_soon(end: i64, now: i64) -> Option<Warning> {
    let left = end.saturating_sub(now);
    let days = NOTICE_DAYS.into_iter().find(|days| left <= i64::from(*days).saturating_mul(DAY))?;
    Some(Warning::ExpiresSoon { days })
}

fn lease_ends_soon(issued: i64, end: i64, now: i64) -> bool {
    let life = end.saturating_sub(issued).max(0);
    end.saturating_sub(now) <= LEASE_NOTICE.min(life.div_euclid(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licenses_end_is_announced_in_four_steps() {
        let at = |left| expires_soon(1_000_000_000, 1_000_000_000 - left);
        for (left, days) in
            [(1, 1), (DAY, 1), (DAY + 1, 7), (7 * DAY, 7), (7 * DAY + 1, 14), (14 * DAY + 1, 30), (30 * DAY, 30)]
        {
            assert_eq!(at(left), Some(Warning::ExpiresSoon { days }), "{left}");
        }
        assert_eq!(at(30 * DAY + 1), None);
        assert_eq!(expires_soon(i64::MAX, i64::MIN), None);
    }

    #[test]
    fn a_files_end_is_announced_in_the_last_fifth_of_its_life_and_the_last_week() {
        // A month: the last 6 days. An hour: the last 12 minutes. A year: the last 7 days.
        for (life, notice) in [(30 * DAY, 6 * DAY), (3600, 720), (365 * DAY, 7 * DAY)] {
            assert!(!lease_ends_soon(0, life, life - notice - 1));
            assert!(lease_ends_soon(0, life, life - notice));
        }
        assert!(!lease_ends_soon(i64::MIN, i64::MAX, 0));
    }
}

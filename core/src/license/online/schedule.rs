//! When the licensing server is to be asked again.

const MINUTE: i64 = 60;
const SIX_HOURS: i64 = 6 * 3600;

/// When a lease is to be refreshed, Unix seconds: two thirds into it; as long as that fails, at distances that double, from
/// a minute to six hours.
pub(super) fn refresh(validated: i64, ends: i64, failed: Option<i64>) -> i64 {
    let lease = ends.saturating_sub(validated).max(0);
    let first = validated.saturating_add(lease.saturating_sub(lease.div_euclid(3)));
    after(first, failed)
}

/// When a release is to be tried again.
pub(super) fn release(since: i64, failed: Option<i64>) -> i64 {
    after(since, failed)
}

/// `first`, or what follows a failure: as long after it as it came after the first, so that the distance doubles without
/// being counted.
fn after(first: i64, failed: Option<i64>) -> i64 {
    match failed {
        Some(failed) if failed >= first => failed.saturating_add(failed.saturating_sub(first).clamp(MINUTE, SIX_HOURS)),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    #[test]
    fn a_lease_is_refreshed_two_thirds_into_it() {
        let ends = NOW + 9 * DAY;
        assert_eq!(refresh(NOW, ends, None), NOW + 6 * DAY);
        // An attempt of somebody's before it was due says nothing.
        assert_eq!(refresh(NOW, ends, Some(NOW + DAY)), NOW + 6 * DAY);
        assert_eq!(refresh(NOW, NOW - DAY, None), NOW, "a lease that is over: at once");
        for odd in [i64::MIN, i64::MAX] {
            let _ =
                (refresh(odd, odd.wrapping_neg(), Some(odd)), refresh(NOW, odd, Some(odd)), release(odd, Some(odd)));
        }
    }

    #[test]
    fn the_distance_doubles_from_a_minute_to_six_hours() {
        let mut distances = Vec::new();
        let mut at = NOW;
        while distances.last() != Some(&SIX_HOURS) || distances.len() < 12 {
            let next = release(NOW, Some(at));
            distances.push(next - at);
            at = next;
        }
        assert_eq!(distances[..5], [60, 60, 120, 240, 480]);
        assert!(distances.iter().all(|distance| (MINUTE..=SIX_HOURS).contains(distance)));
    }
}

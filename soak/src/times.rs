//! Times, counted: any number of samples in one small table.

/// How often each time was seen, in ns; whatever is longer counts as the longest.
#[derive(Debug)]
pub struct Times {
    counts: Vec<u32>,
    longest: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { counts: vec![0; Self::LONGEST + 1], longest: 0 }
    }
}

impl Times {
    const LONGEST: usize = 100_000;

    /// Notes a time, in ns.
    pub fn add(&mut self, nanos: u64) {
        let at = usize::try_from(nanos).unwrap_or(Self::LONGEST).min(Self::LONGEST);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.longest = self.longest.max(nanos);
    }

    /// How many times were noted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The least time that so many of a thousand do not exceed: 500 is the median.
    #[must_use]
    pub fn permille(&self, share: u64) -> u64 {
        let wanted = self.total() * share / 1000;
        let mut seen = 0;
        for (nanos, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen > wanted || (share == 1000 && seen == wanted) {
                return nanos as u64;
            }
        }
        Self::LONGEST as u64
    }

    /// The longest time.
    #[must_use]
    pub const fn longest(&self) -> u64 {
        self.longest
    }

    /// Takes in what another thread noted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// How likely a time of `self` is the longer one of two, ties counting half: the statistic of Mann and Whitney over
    /// the number of pairs.
    #[must_use]
    pub fn auc(&self, other: &Self) -> f64 {
        let (mut shorter, mut pairs) = (0_u64, 0.0);
        for (mine, theirs) in self.counts.iter().zip(&other.counts) {
            pairs += f64::from(*mine) * (shorter as f64 + f64::from(*theirs) / 2.0);
            shorter += u64::from(*theirs);
        }
        pairs / (self.total() as f64 * shorter as f64)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;
    use fastrand::Rng;

    fn times(nanos: &[u64]) -> Times {
        let mut times = Times::default();
        nanos.iter().for_each(|nanos| times.add(*nanos));
        times
    }

    /// By counting pairs one by one.
    fn auc(one: &[u64], other: &[u64]) -> f64 {
        let wins = |a: &u64| other.iter().map(|b| f64::from(a > b) + f64::from(a == b) / 2.0).sum::<f64>();
        one.iter().map(wins).sum::<f64>() / (one.len() * other.len()) as f64
    }

    #[test]
    fn the_area_is_the_share_of_pairs() {
        let mut random = Rng::with_seed(1);
        for (spread, shift) in [(1, 0), (5, 0), (5, 1), (100, 10), (10, 100), (150_000, 0)] {
            let one: Vec<u64> = (0..200).map(|_| random.u64(..spread)).collect();
            let other: Vec<u64> = (0..150).map(|_| random.u64(..spread) + shift).collect();
            let longest = |list: &[u64]| list.iter().map(|n| (*n).min(100_000)).collect::<Vec<_>>();
            let expected = auc(&longest(&one), &longest(&other));
            assert!((times(&one).auc(&times(&other)) - expected).abs() < 1e-9, "{spread} {shift}");
        }
        assert_eq!(times(&[1, 2, 3]).auc(&times(&[4, 5])), 0.0);
        assert_eq!(times(&[4, 5]).auc(&times(&[1, 2, 3])), 1.0);
        assert_eq!(times(&[7, 7]).auc(&times(&[7])), 0.5);
    }

    #[test]
    fn shares_are_of_all_samples() {
        let hundred = times(&(1..=100).collect::<Vec<_>>());
        assert_eq!((hundred.permille(0), hundred.permille(500), hundred.permille(990)), (1, 51, 100));
        assert_eq!(hundred.permille(1000), 100);
        assert_eq!(times(&[1_000_000]).permille(500), 100_000, "what is longer counts as the longest");
    }

    #[test]
    fn what_two_threads_noted_is_one_table() {
        let mut one = times(&[1, 2, 200_000]);
        one.merge(&times(&[3, 300_000]));
        assert_eq!((one.total(), one.permille(500), one.longest()), (5, 3, 300_000));
    }
}

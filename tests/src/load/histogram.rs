//! Latencies in buckets of at most 1.6 % width: constant memory, however long a run is.

use std::time::Duration;

/// Values below this have a bucket each; above, every power of two has half as many buckets.
const EXACT: u64 = 128;
const EXACT_BITS: u32 = EXACT.ilog2();
/// Buckets between two powers of two.
const STEPS: u64 = EXACT / 2;
/// 2^31 µs are 36 minutes: no request lives so long.
const MAX_BITS: u32 = 31;
#[allow(clippy::cast_possible_truncation, reason = "some 1,700")]
const BUCKETS: usize = (EXACT + (MAX_BITS - EXACT_BITS) as u64 * STEPS) as usize;

/// Counts of latencies in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max_us: 0 }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min((1 << MAX_BITS) - 1);
        self.buckets[bucket(us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The smallest latency that at least `per_mille` of a thousand do not exceed; 0 without any.
    pub(super) fn quantile_us(&self, per_mille: u64) -> u64 {
        let rank = (self.count * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return last_in_bucket(index as u64).min(self.max_us);
            }
        }
        self.max_us
    }

    pub(super) fn max_us(&self) -> u64 {
        self.max_us
    }
}

#[allow(clippy::cast_possible_truncation, reason = "below BUCKETS, as `record` bounds the value")]
fn bucket(us: u64) -> usize {
    if us < EXACT {
        return us as usize;
    }
    // 0 for 128..256, 1 for 256..512: that many bits more than the exact ones.
    let octave = us.ilog2() - EXACT_BITS;
    let step = (us >> (octave + 1)) - STEPS;
    (EXACT + u64::from(octave) * STEPS + step) as usize
}

/// The largest value of a bucket: a quantile never sounds better than it was.
fn last_in_bucket(index: u64) -> u64 {
    if index < EXACT {
        return index;
    }
    let (octave, step) = ((index - EXACT) / STEPS, (index - EXACT) % STEPS);
    ((STEPS + step + 1) << (octave + 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut previous = 0;
        for us in (0..200_000).chain((1 << 30)..(1 << 30) + 1_000).chain([(1 << MAX_BITS) - 1]) {
            let index = bucket(us);
            let last = last_in_bucket(index as u64);
            assert!(index >= previous && index < BUCKETS, "{us}");
            assert!(last >= us && last - us <= us / 64, "{us}: bucket ends at {last}");
            previous = index;
        }
    }

    #[test]
    fn quantiles_of_a_thousand_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(500), 0);
        for us in 1..=1_000 {
            histogram.record(Duration::from_micros(us));
        }
        let close = |value: u64, to: u64| value >= to && value <= to + to / 64;
        assert!(close(histogram.quantile_us(500), 500));
        assert!(close(histogram.quantile_us(990), 990));
        assert_eq!(histogram.quantile_us(1_000), 1_000);
        assert_eq!(histogram.max_us(), 1_000);
    }

    #[test]
    fn merging_adds() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.record(Duration::from_micros(10));
        b.record(Duration::from_micros(30));
        a.merge(&b);
        assert_eq!((a.quantile_us(500), a.quantile_us(1_000), a.max_us()), (10, 30, 30));
    }
}

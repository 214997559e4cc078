//! Drawing candidates at random, each as likely as its weight says: one step of a binary search over the sums of the weights.

use fastrand::Rng;

/// How often a draw is repeated that brought a candidate which is not wanted; then the next in order is taken.
const MAX_DRAWS: u32 = 8;

/// The weights of candidates, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(Box<[u64]>);

impl Sums {
    /// Of these weights, each at least 1.
    pub(super) fn of(weights: impl Iterator<Item = u32>) -> Self {
        let sums = weights.scan(0, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Self(sums.collect())
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.0.last().copied().unwrap_or_default()
    }

    /// Of those before one.
    pub(super) fn before(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(0, |before| self.0[before])
    }

    /// One candidate.
    fn any(&self, random: &mut Rng) -> Option<usize> {
        let total = *self.0.last()?;
        let at = random.u64(0..total);
        Some(self.0.partition_point(|sum| *sum <= at))
    }

    /// One candidate that is wanted; none if nobody is.
    pub(super) fn draw(&self, random: &mut Rng, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let mut last = 0;
        for _ in 0..MAX_DRAWS {
            last = self.any(random)?;
            if wanted(last) {
                return Some(last);
            }
        }
        // Most are not wanted: look for those who are, from a place that was drawn.
        let count = self.0.len();
        (1..=count).map(|step| (last + step) % count).find(|index| wanted(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_its_weight_says() {
        let (sums, mut random) = (Sums::of([1, 2, 7].into_iter()), Rng::with_seed(1));
        let mut counts = [0_i32; 3];
        for _ in 0..100_000 {
            counts[sums.draw(&mut random, |_| true).expect("one")] += 1;
        }
        assert!([10_000, 20_000, 70_000].iter().zip(counts).all(|(want, got)| (want - got).abs() < 600), "{counts:?}");
    }

    #[test]
    fn nobody_is_drawn_who_is_not_wanted() {
        let (sums, mut random) = (Sums::of((0..1000).map(|_| 1)), Rng::with_seed(1));
        for only in [0, 7, 999] {
            assert_eq!(sums.draw(&mut random, |index| index == only), Some(only));
        }
        assert_eq!(sums.draw(&mut random, |_| false), None);
        assert_eq!(Sums::default().draw(&mut random, |_| true), None);
    }
}

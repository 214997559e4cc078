//! Drawing candidates at random, each as likely as its weight says, at the same cost however many there are: Walker's alias
//! method (1977), in Vose's form (1991).

use fastrand::Rng;

/// How often a draw is repeated that brought a candidate which is not wanted.
const MAX_DRAWS: u32 = 8;
/// The whole of a place.
const WHOLE: u64 = 1 << 32;

/// Places of equal size, each shared by at most two candidates.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws(Box<[Place]>);

/// One candidate has this place below the limit, another one above.
#[derive(Clone, Copy, Debug)]
struct Place {
    limit: u32,
    other: u32,
}

impl Draws {
    /// For candidates with these weights, each at least 1.
    pub(super) fn of(weights: impl ExactSizeIterator<Item = u32>) -> Self {
        let weights: Vec<_> = weights.map(u128::from).collect();
        let (count, total) = (weights.len() as u128, weights.iter().sum::<u128>().max(1));
        // In parts of a place.
        let mut rest: Vec<u64> = weights
            .iter()
            .map(|weight| u64::try_from(weight * count * u128::from(WHOLE) / total).unwrap_or(WHOLE))
            .collect();
        let (mut small, mut large): (Vec<_>, Vec<_>) = (0..rest.len()).partition(|index| rest[*index] < WHOLE);
        let own = |index: usize| Place { limit: u32::MAX, other: u32::try_from(index).unwrap_or_default() };
        let mut places: Box<[Place]> = (0..rest.len()).map(own).collect();
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            places[less] = Place { limit: u32::try_from(rest[less]).unwrap_or(u32::MAX), ..own(more) };
            rest[more] -= WHOLE - rest[less];
            if rest[more] < WHOLE {
                small.extend(large.pop());
            }
        }
        Self(places)
    }

    /// One candidate; there is one.
    fn any(&self, random: &mut Rng) -> usize {
        let number = random.u64(..);
        let (high, low) = (number >> 32, number & (WHOLE - 1));
        let index = usize::try_from((high * self.0.len() as u64) >> 32).unwrap_or_default();
        let Place { limit, other } = self.0[index];
        if low < u64::from(limit) { index } else { usize::try_from(other).unwrap_or(index) }
    }

    /// One candidate that is wanted; none if nobody is. `weight` is as it was given.
    pub(super) fn draw(
        &self,
        random: &mut Rng,
        wanted: impl Fn(usize) -> bool,
        weight: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let count = self.0.len();
        for _ in 0..if count == 0 { 0 } else { MAX_DRAWS } {
            let index = self.any(random);
            if wanted(index) {
                return Some(index);
            }
        }
        // Those who are wanted are few, or light: a draw among them alone.
        let all = || (0..count).filter(|index| wanted(*index)).map(|index| (index, u64::from(weight(index))));
        let total: u64 = all().map(|(_, weight)| weight).sum();
        let mut at = random.u64(0..total.max(1));
        for (index, weight) in all() {
            if at < weight {
                return Some(index);
            }
            at -= weight;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_its_weight_says() {
        for weights in [vec![1, 2, 7], vec![1; 10], vec![1_000_000, 1], vec![3], vec![5, 1, 1, 1, 1, 1]] {
            let (draws, mut random) = (Draws::of(weights.iter().copied()), Rng::with_seed(1));
            let mut counts = vec![0_u32; weights.len()];
            for _ in 0..100_000 {
                counts[draws.draw(&mut random, |_| true, |_| 1).expect("one")] += 1;
            }
            let total: u32 = weights.iter().sum();
            for (weight, count) in weights.iter().zip(counts) {
                let expected = u32::try_from(u64::from(*weight) * 100_000 / u64::from(total)).expect("small");
                assert!(count.abs_diff(expected) < 650, "{weight} of {weights:?}: {count}");
            }
        }
    }

    #[test]
    fn nobody_is_drawn_who_is_not_wanted() {
        let (draws, mut random) = (Draws::of([1; 1000].into_iter()), Rng::with_seed(1));
        for only in [0, 7, 999] {
            assert_eq!(draws.draw(&mut random, |index| index == only, |_| 1), Some(only));
        }
        assert_eq!(draws.draw(&mut random, |_| false, |_| 1), None);
        assert_eq!(Draws::of(std::iter::empty()).draw(&mut random, |_| true, |_| 1), None);
    }

    #[test]
    fn beside_a_heavy_one_that_is_not_wanted_all_others_have_their_share() {
        let weights = [1_000_000, 1, 1, 2];
        let (draws, mut random) = (Draws::of(weights.into_iter()), Rng::with_seed(1));
        let mut counts = [0_i32; 4];
        for _ in 0..10_000 {
            counts[draws.draw(&mut random, |index| index != 0, |index| weights[index]).expect("one")] += 1;
        }
        assert!([0, 2_500, 2_500, 5_000].iter().zip(counts).all(|(want, got)| (want - got).abs() < 250), "{counts:?}");
    }
}

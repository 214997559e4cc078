//! The candidate with the least load: of few, by a look at each; of many, of some that are drawn (Mitzenmacher 2001).
//!
//! With two draws of many where some are slow, both are slow too often (apache/brpc#3340); a look at all would send every next
//! request to an empty newcomer, which four distinct draws give at most 4/n.

use super::{
    EndpointState,
    estimate::WHOLE,
    usual::{self, ANSWER, Known, LOG_BITS},
};

/// Up to so many are looked at all.
pub(super) const FEW: usize = 8;
/// Of more, so many that are drawn.
pub(super) const DRAWS: usize = 4;

/// How much more a failing endpoint's load counts, at most: by this and the square of the share of its failures. The square, so
/// that an answer that went wrong now and then changes little.
const FAILURES_WEIGH: u64 = 100;
/// An idle endpoint whose load failures would make less than one and a half times as much is as good as any: nothing else would
/// heal it, as nobody asks whoever is worse than others that are idle. One failure is forgiven so in six seconds.
const FORGIVEN: u64 = 1_500;
/// What is usual of an endpoint is taken together with so many answers that are as those of all: who answered a few times only is
/// neither fast nor slow yet, and who was not asked for long is tried again.
const COMMON: u64 = 8 * ANSWER;
/// Who takes up to 1.22 times as long as the fastest is as fast: log2 of that. Without it idle endpoints would lose against the one
/// with the luckiest answers.
const EQUALLY_FAST: u64 = (29 << LOG_BITS) / 100;

/// A load as a fraction: what is to be compared, over a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) amount: u64,
    /// At least 1.
    pub(super) weight: u64,
}

impl Load {
    pub(super) fn of(amount: u64, weight: u32) -> Self {
        Self { amount, weight: weight.into() }
    }

    /// Compared by cross-multiplication, so that equal ones are equal.
    pub(super) fn is_less(self, other: Self) -> bool {
        if self.weight == other.weight {
            return self.amount < other.amount;
        }
        cross(self.amount, other.weight) < cross(other.amount, self.weight)
    }

    /// Whether it is more than `parts` / `of` of both together.
    pub(super) fn exceeds(self, other: Self, parts: u64, of: u64) -> bool {
        cross(self.amount, other.weight) * u128::from(of - parts) > cross(other.amount, self.weight) * u128::from(parts)
    }

    /// As one number, to be told.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(super) fn value(self) -> f64 {
        self.amount as f64 / self.weight.max(1) as f64
    }
}

fn cross(amount: u64, weight: u64) -> u128 {
    u128::from(amount) * u128::from(weight)
}

/// What `LeastRequest` looks at, of one candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) in_flight: u64,
    /// Parts of a million.
    pub(super) failures: u64,
    pub(super) usual: Known,
    /// At least 1.
    pub(super) weight: u32,
}

impl Look {
    pub(super) fn at(endpoint: &EndpointState, weight: u32, now: u64) -> Self {
        let estimate = &endpoint.estimate;
        let (failures, usual) = (estimate.failures(now), estimate.usual(now));
        Self { in_flight: endpoint.in_flight(), failures, usual, weight }
    }

    /// Requests under way and the one that asks, more of them where requests fail, in 2^-8; times how much slower than the fastest
    /// it is. Whoever has nothing to do, and nothing against it, is as good as any other such (HAProxy's `leastconn`), so that of
    /// idle ones each has its turn, by weight.
    fn load(&self, slower: u64) -> Load {
        let slowness = if slower <= EQUALLY_FAST { 1 << 8 } else { usual::exp2(2 * (slower - EQUALLY_FAST)) };
        let amount = match (self.in_flight, self.failures) {
            (0, failures) if slower <= EQUALLY_FAST && trouble(failures) < FORGIVEN => 0,
            (in_flight, 0) => (in_flight + 1) * slowness,
            (in_flight, failures) => (in_flight + 1) * trouble(failures) * slowness / 1_000, // below 2^57
        };
        Load::of(amount, self.weight)
    }
}

/// What failures make of a load, in thousandths.
fn trouble(failures: u64) -> u64 {
    let share = failures / (WHOLE / 1_000); // per mille, so that the square of all of it is a million
    1_000 + FAILURES_WEIGH * share * share / 1_000
}

/// Turns looks into loads, each against all others.
pub(super) fn compare(looks: &mut [Look], loads: &mut [Load; FEW]) {
    let (mut sum, mut count) = (0, 0); // below 2^25 · 2^12 · 8
    for Look { usual, .. } in &*looks {
        sum += usual.log * usual.count;
        count += usual.count;
    }
    let mut fastest = u64::MAX;
    if let Some(mean) = sum.checked_div(count) {
        // What is likely of a candidate: what is usual of it, as far as anything is known, else of all.
        for Look { usual, .. } in &mut *looks {
            usual.log = (usual.log * usual.count + mean * COMMON) / (usual.count + COMMON);
            fastest = fastest.min(usual.log);
        }
    }
    for (load, look) in loads.iter_mut().zip(looks) {
        *load = look.load(look.usual.log.saturating_sub(fastest));
    }
}

/// Requests under way and the one that asks, in thousandths, more of them where requests fail.
pub(super) fn pressure(endpoint: &EndpointState, now: u64) -> u64 {
    (endpoint.in_flight() + 1) * trouble(endpoint.estimate.failures(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(in_flight: u64, failures: u64, micros: u64, answers: u64) -> Look {
        Look { in_flight, failures, usual: Known { log: usual::log2(micros), count: answers * ANSWER }, weight: 1 }
    }

    /// Loads in 2^-8 of a request.
    fn loads<const N: usize>(looks: [Look; N]) -> [u64; N] {
        let (mut looks, mut loads) = (looks, [Load::default(); FEW]);
        compare(&mut looks, &mut loads);
        std::array::from_fn(|index| loads[index].amount)
    }

    #[test]
    fn where_nothing_speaks_against_anybody_requests_under_way_decide() {
        assert_eq!(loads([look(0, 0, 1, 0), look(1, 0, 1, 0), look(7, 0, 1, 0)]), [0, 512, 2_048]);
        // Up to a fifth slower is as fast, and who is idle goes first.
        assert_eq!(loads([look(0, 0, 12_000, 128), look(0, 0, 10_000, 128), look(1, 0, 11_000, 128)]), [0, 0, 512]);
    }

    #[test]
    fn who_is_slow_pays_for_it_squared_and_a_few_answers_say_little() {
        let [slow, fast] = loads([look(0, 0, 100_000, 128), look(0, 0, 10_000, 128)]);
        assert_eq!(fast, 0);
        // (100/10 · a little less for the common mean / 1.22)².
        assert!((45 << 8..70 << 8).contains(&slow), "{}", slow >> 8);
        assert_eq!(loads([look(0, 0, 15_000, 1), look(0, 0, 10_000, 1)]), [0, 0]);
        let [unknown, ..] = loads([look(0, 0, 1, 0), look(0, 0, 10_000, 128), look(0, 0, 10_000, 128)]);
        assert_eq!(unknown, 0, "nobody knows that it is slow");
    }

    #[test]
    fn who_fails_pays_for_it_squared() {
        let [all, half, tenth] = loads([look(0, 1_000_000, 1, 0), look(0, 500_000, 1, 0), look(0, 100_000, 1, 0)]);
        assert_eq!([all, half, tenth], [101 << 8, 26 << 8, 2 << 8]);
    }

    #[test]
    fn loads_are_compared_weight_for_weight() {
        assert!(Load::of(2, 3).is_less(Load::of(1, 1)) && !Load::of(2, 2).is_less(Load::of(1, 1)));
        assert!(Load::of(5, 1).exceeds(Load::of(1, 1), 80, 100) && !Load::of(4, 1).exceeds(Load::of(1, 1), 80, 100));
    }
}

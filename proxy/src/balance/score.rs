//! A sum of load, latency, errors and distance: the lowest is best. In integers, so that each decision can be told again.
//!
//! Load and latency are parts of the largest among the candidates, not of the distance between largest and smallest, which
//! would make all the difference of 10.0 against 10.1 ms.

use evenkeel_crds::table::ScorePolicy;

use super::{EndpointState, estimate::WHOLE};

/// Who fails at least so often is out, unless all do: in a plain sum an endpoint that fails at once, and so is fast and idle,
/// would beat one that works.
const TOO_OFTEN: u64 = WHOLE / 2;

/// What is looked at, of one candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) in_flight: u64,
    /// At least 1.
    pub(super) weight: u32,
    /// µs.
    pub(super) latency: u64,
    /// Parts of a million.
    pub(super) failures: u64,
    /// Parts of a million.
    pub(super) distance: u32,
}

impl Look {
    /// `latency`: as it is known, or taken for.
    pub(super) fn at(endpoint: &EndpointState, latency: u64, weight: u32, distance: u32, now: u64) -> Self {
        let failures = endpoint.estimate.failures(now);
        Self { in_flight: endpoint.in_flight(), weight, latency, failures, distance }
    }

    /// Whether it fails too often to be compared.
    pub(super) fn fails(&self) -> bool {
        self.failures >= TOO_OFTEN
    }

    /// Requests under way and the one that asks, weight for weight, in parts that keep the difference of large weights.
    fn load(&self) -> u64 {
        (self.in_flight + 1).saturating_mul(1 << 40) / u64::from(self.weight.max(1))
    }
}

/// The four parts of a score, each weighed: parts of a million times a percentage.
pub(super) fn terms(look: &Look, most: &Most, policy: ScorePolicy) -> [u64; 4] {
    let part = |value: u64, most: u64| {
        let part = u128::from(value) * u128::from(WHOLE) / u128::from(most.max(1));
        u64::try_from(part).unwrap_or(WHOLE)
    };
    [
        u64::from(policy.load) * part(look.load(), most.load),
        u64::from(policy.latency) * part(look.latency, most.latency),
        u64::from(policy.errors) * look.failures,
        u64::from(policy.distance) * u64::from(look.distance),
    ]
}

/// The largest load and latency among the candidates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Most {
    load: u64,
    latency: u64,
}

impl Most {
    pub(super) fn of<'a>(looks: impl Iterator<Item = &'a Look>) -> Self {
        looks.fold(Self::default(), |most, look| Self {
            load: most.load.max(look.load()),
            latency: most.latency.max(look.latency),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_of_the_largest_and_weighed() {
        let look =
            |in_flight, weight, latency, failures, distance| Look { in_flight, weight, latency, failures, distance };
        let looks = [look(3, 1, 10_000, 0, 0), look(1, 2, 40_000, 250_000, 1_000_000)];
        let most = Most::of(looks.iter());
        let of = |index: usize| terms(&looks[index], &most, ScorePolicy::default());
        assert_eq!(of(0), [40 * WHOLE, 30 * WHOLE / 4, 0, 0]);
        assert_eq!(of(1), [40 * WHOLE / 4, 30 * WHOLE, 20 * WHOLE / 4, 10 * WHOLE]);
    }
}

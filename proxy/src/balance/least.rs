//! The candidate with the least load: of few, by a look at each; of many, of two that are drawn (Mitzenmacher 2001).
//!
//! With two slow ones among n, two draws are both slow with probability 1 / C(n, 2): few are looked at all (apache/brpc#3340). Among
//! many a look at each would send every next request to an empty newcomer; two draws give it at most 2/n.

use super::EndpointState;

/// Up to so many are looked at all.
pub(super) const FEW: usize = 8;

/// How much more a failing endpoint's load counts, at most: by this and the square of the share of its failures. The square, so
/// that an answer that went wrong now and then changes little.
const FAILURES_WEIGH: u64 = 100;

/// A load as a fraction: what is to be compared, over a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        cross(self.amount, other.weight) < cross(other.amount, self.weight)
    }

    /// As one number, to be told.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    pub(super) fn value(self) -> f64 {
        self.amount as f64 / self.weight as f64
    }

    /// Whether it is more than `parts` / `of` of both together.
    pub(super) fn exceeds(self, other: Self, parts: u64, of: u64) -> bool {
        cross(self.amount, other.weight) * u128::from(of - parts) > cross(other.amount, self.weight) * u128::from(parts)
    }
}

fn cross(amount: u64, weight: u64) -> u128 {
    u128::from(amount) * u128::from(weight)
}

/// What `LeastRequest` compares: requests under way and the one that asks, more of them where requests fail. Whoever has none
/// is as good as any other that has none (HAProxy's `leastconn`), so that of idle ones each has its turn, by weight.
pub(super) fn requests(endpoint: &EndpointState, now: u64) -> u64 {
    match (endpoint.in_flight(), endpoint.estimate.failures(now)) {
        (0, 0) => 0,
        _ => pressure(endpoint, now),
    }
}

/// Requests under way and the one that asks, in thousandths, more of them where requests fail.
pub(super) fn pressure(endpoint: &EndpointState, now: u64) -> u64 {
    let failures = endpoint.estimate.failures(now) / 1_000; // per mille, so that the square of all of it is a million
    (endpoint.in_flight() + 1) * (1_000 + FAILURES_WEIGH * failures * failures / 1_000)
}

/// What `PeakEWMA` compares: the time until an answer, if those under way come first.
pub(super) fn wait(endpoint: &EndpointState, now: u64) -> u64 {
    endpoint.estimate.latency(now) * (endpoint.in_flight() + 1)
}

//! What a pool tries again: how often, after which answers, how soon.

use std::time::Duration;

use evenkeel_crds::table::RetryPolicy;

/// The longest pause (Envoy: ten times the least one, 25 ms).
const MAX_PAUSE: Duration = Duration::from_millis(250);
/// Statuses from here on have a bit of their own.
const FIRST: u16 = 500;
/// 429 has the bit behind those up to 599.
const TOO_MANY_REQUESTS: u16 = 429;
const TOO_MANY_REQUESTS_BIT: u16 = 100;

/// What a pool tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request may be sent again.
    pub attempts: u8,
    /// Answers after which it is.
    pub codes: Codes,
    /// What pauses grow from.
    pub backoff: Duration,
}

/// A set of statuses: 429, and those from 500 to 599.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes(u128);

impl Codes {
    /// Whether a status is among them.
    #[must_use]
    pub fn contains(self, status: u16) -> bool {
        status >= TOO_MANY_REQUESTS && self.0 & Self::bit(status) != 0
    }

    fn bit(status: u16) -> u128 {
        match status {
            TOO_MANY_REQUESTS => 1 << TOO_MANY_REQUESTS_BIT,
            FIRST..600 => 1 << (status - FIRST),
            _ => 0,
        }
    }
}

impl FromIterator<u16> for Codes {
    fn from_iter<T: IntoIterator<Item = u16>>(statuses: T) -> Self {
        Self(statuses.into_iter().fold(0, |set, status| set | Self::bit(status)))
    }
}

impl Retry {
    /// By a table's policy.
    #[must_use]
    pub fn of(policy: &RetryPolicy) -> Self {
        Self { attempts: policy.attempts, codes: policy.codes.iter().copied().collect(), backoff: policy.backoff() }
    }

    /// The pause before a request is sent for the `k`-th time again, `random` being at least 0 and below 1: proxies that saw
    /// the same failure should not come back in one moment.
    #[must_use]
    pub fn pause(&self, k: u8, random: f64) -> Duration {
        let most = self.backoff.saturating_mul((1 << k.min(16)) - 1).min(MAX_PAUSE);
        most.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let codes: Codes = [429, 503, 599].into_iter().collect();
        let found: Vec<_> = (0..1000).filter(|status| codes.contains(*status)).collect();
        assert_eq!(found, [429, 503, 599]);
        assert!((0..1000).all(|status| !Codes::default().contains(status)));
    }

    #[test]
    fn pauses_grow_to_a_quarter_of_a_second() {
        let retry = Retry { attempts: 10, codes: Codes::default(), backoff: Duration::from_millis(25) };
        let longest = [1, 2, 3, 4, 10, 255].map(|k| retry.pause(k, 1.0).as_millis());
        assert_eq!(longest, [25, 75, 175, 250, 250, 250]);
        assert_eq!(retry.pause(3, 0.0), Duration::ZERO);
    }
}

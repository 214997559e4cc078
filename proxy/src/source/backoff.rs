//! How long to wait until the API server is asked again.

use std::time::Duration;

/// A restarting API server is back in seconds.
const FIRST: Duration = Duration::from_millis(500);
/// Changes that were made while it was away should not wait for long; a thousand proxies that ask so often are no load.
const LONGEST: Duration = Duration::from_secs(15);
/// Each wait is up to a fifth shorter or longer: many proxies fail at the same moment.
const JITTER: f64 = 0.2;

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; `random` is between 0 and 1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let doublings = self.failures.min(16); // 2^16 times the first is beyond the longest
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        wait.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))
    }

    /// It answered.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_fifteen_seconds_and_begin_anew_after_an_answer() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(0.5).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
        backoff.reset();
        assert_eq!((backoff.next(0.0).as_millis(), backoff.next(1.0).as_millis()), (400, 1200));
    }
}

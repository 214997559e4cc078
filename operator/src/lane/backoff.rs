//! How long to wait before work that failed is tried again.

use std::time::Duration;

/// Doubles from one second on, each up to a fifth shorter or longer so that many do not come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// The server refused the work: nothing helps until somebody changes something, which is a reason to try again by itself.
    Refused,
    /// The server is away or busy: when it is back, changes that were made before must not wait for minutes.
    Unreachable,
}

/// The first wait: a restarting API server is back in seconds.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait after a refusal: what needs a person is still noticed soon after it was mended.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait for a server that is away.
const LONGEST_UNREACHABLE: Duration = Duration::from_secs(15);
/// How much a wait may differ.
const JITTER: f64 = 0.2;

impl Backoff {
    /// The wait after that many failures in a row; `random` is between 0 and 1.
    #[must_use]
    pub fn wait(self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16); // 2^16 s is beyond the longest
        let longest = if self == Self::Refused { LONGEST } else { LONGEST_UNREACHABLE };
        let wait = FIRST.saturating_mul(1 << doublings).min(longest);
        wait.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<_> = (1..=10).map(|failures| Backoff::Refused.wait(failures, 0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(Backoff::Refused.wait(u32::MAX, 0.5).as_secs(), 300);
    }

    #[test]
    fn a_server_that_is_back_is_not_kept_waiting() {
        let waits: Vec<_> = (1..=6).map(|failures| Backoff::Unreachable.wait(failures, 0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn jitter_is_a_fifth() {
        assert_eq!(Backoff::Refused.wait(1, 0.0), Duration::from_millis(800));
        assert_eq!(Backoff::Refused.wait(1, 1.0), Duration::from_millis(1200));
    }
}

//! How long to wait before work that failed is tried again.

use std::time::Duration;

/// Doubles from one second to five minutes, each up to a fifth shorter or longer so that many do not come at once.
#[derive(Clone, Copy, Debug)]
pub struct Backoff;

/// The first wait: a restarting API server is back in seconds.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait: what needs a person is still noticed soon after it was mended.
const LONGEST: Duration = Duration::from_secs(300);
/// How much a wait may differ.
const JITTER: f64 = 0.2;

impl Backoff {
    /// The wait after that many failures in a row; `random` is between 0 and 1.
    #[must_use]
    pub fn wait(failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16); // 2^16 s is beyond the longest
        let wait = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        wait.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<_> = (1..=10).map(|failures| Backoff::wait(failures, 0.5).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(Backoff::wait(u32::MAX, 0.5).as_secs(), 300);
    }

    #[test]
    fn jitter_is_a_fifth() {
        assert_eq!(Backoff::wait(1, 0.0), Duration::from_millis(800));
        assert_eq!(Backoff::wait(1, 1.0), Duration::from_millis(1200));
    }
}

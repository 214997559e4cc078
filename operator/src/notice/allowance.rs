//! How many Events may be written: a webhook that was away for an hour leaves thousands of pods to tell of.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once.
const BURST: u32 = 20;
/// Then one each time: 20 a minute.
const EACH: Duration = Duration::from_secs(3);

/// What may be written now.
#[derive(Debug)]
pub struct Allowance {
    /// When the burst is full again.
    full: Instant,
}

impl Allowance {
    /// A full burst.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes one, or says how long to wait for it.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full = self.full.max(now) + EACH;
        let wait = full.saturating_duration_since(now + EACH * BURST);
        if wait.is_zero() {
            self.full = full;
            return Ok(());
        }
        Err(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_twenty_a_minute() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let taken = |allowance: &mut Allowance, now| (0..100).filter(|_| allowance.take(now).is_ok()).count();
        assert_eq!(taken(&mut allowance, start), 20);
        assert_eq!(allowance.take(start), Err(EACH));
        assert_eq!(allowance.take(start + EACH), Ok(()));
        let minute = Duration::from_secs(60);
        assert_eq!(taken(&mut allowance, start + EACH + minute), 20);
        assert_eq!(taken(&mut allowance, start + minute * 60), 20, "what was not used is not saved up");
    }
}

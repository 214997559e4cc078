//! How long a watch stays open, and how long one that broke waits before it begins again: little, for what changed meanwhile
//! waits with it.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// How long the server keeps a watch open: so long a connection that died without a word goes unnoticed at most.
pub const WATCH_SECONDS: u32 = 60;
/// A restarting API server is back in seconds; one that answers and refuses is not asked in a loop.
const FIRST: Duration = Duration::from_millis(800);
/// After a long outage no cache is behind for longer than this. The usual half a minute would be the longest part of catching up.
const LONGEST: Duration = Duration::from_secs(5);
/// How much a wait may differ.
const JITTER: f64 = 0.2;

/// The waits: each twice the one before, up to a longest.
#[derive(Clone, Debug)]
pub struct Again {
    next: Duration,
    longest: Duration,
}

impl Default for Again {
    fn default() -> Self {
        Self::within(LONGEST)
    }
}

impl Again {
    /// Waits that are no longer than this.
    #[must_use]
    pub fn within(longest: Duration) -> Self {
        Self { next: FIRST.min(longest), longest }
    }
}

impl Iterator for Again {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        Some(wait.mul_f64(1.0 - JITTER * fastrand::f64()))
    }
}

impl Backoff for Again {
    fn reset(&mut self) {
        *self = Self::within(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut again = Again::default();
        let (first, last) = (again.next().expect("endless"), again.by_ref().take(20).last().expect("endless"));
        assert!(first <= FIRST && first >= FIRST.mul_f64(0.8), "{first:?}");
        assert!(last <= LONGEST && last >= LONGEST.mul_f64(0.8), "{last:?}");
        again.reset();
        assert!(again.next().expect("endless") <= FIRST);
    }
}

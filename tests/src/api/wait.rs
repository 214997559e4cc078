//! Waiting for what an API server shows, and statistics of how long that took.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

/// Longer than anything takes on a busy machine, so that only what never comes fails. Garbage collection is the slowest: it
/// looks for new kinds every 30 s.
const DEADLINE: Duration = Duration::from_secs(100);
/// A pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// So long nothing must change for things to count as settled: longer than the pauses that the operator makes.
const QUIET: Duration = Duration::from_millis(1500);

/// Looks until there is something to see.
///
/// # Panics
/// At the deadline.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Looks until the same is seen for a while, and returns it.
///
/// # Panics
/// At the deadline.
pub async fn settles<T: PartialEq, F: Future<Output = T>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + DEADLINE;
    let (mut seen, mut since) = (look().await, Instant::now());
    while since.elapsed() < QUIET {
        assert!(Instant::now() < deadline, "still changing after {DEADLINE:?}: {what}");
        sleep(LOOK_AGAIN).await;
        let now = look().await;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    seen
}

/// The value that so many percent do not exceed.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

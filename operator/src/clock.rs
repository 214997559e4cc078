//! The clock of the world, for what others than this process compare it with.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix seconds.
#[must_use]
pub fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! What requests leave behind: counters.

mod traffic;

pub(crate) use traffic::{BOUNDS_MS, CLASSES, Ended, Snapshot, Traffic};

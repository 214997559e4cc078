//! Virtual time: nanoseconds since the simulation began.

/// Nanoseconds.
pub(crate) type Nanos = u64;

pub(crate) const MICROSECOND: Nanos = 1_000;
pub(crate) const MILLISECOND: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// As seconds.
pub(crate) fn seconds(time: Nanos) -> f64 {
    time as f64 / SECOND as f64
}

/// As milliseconds.
pub(crate) fn milliseconds(time: Nanos) -> f64 {
    time as f64 / MILLISECOND as f64
}

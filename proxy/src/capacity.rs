//! How many client connections there may be at once: each may need a second descriptor, towards an endpoint, and some are
//! for all else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What Envoy advises for an edge; others want to be told.
const MAX_CONNECTIONS: u64 = 10_000;
/// For listeners, the admin port, tables, the log, and idle connections to endpoints.
const RESERVED: u64 = 512;
/// A process with so few descriptors is of little use; it is not of none.
const LEAST: u64 = 16;

/// What the process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Descriptors, by the system's limit; none: as many as it likes.
    pub(crate) descriptors: Option<u64>,
    /// Client connections.
    pub(crate) connections: usize,
}

impl Capacity {
    /// Asks the system for as many descriptors as it gives without a privilege.
    pub(crate) fn claim() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let raised = setrlimit(Resource::Nofile, wanted).inspect_err(|error| {
            tracing::warn!(%error, "the limit of descriptors cannot be raised");
        });
        Self::of(if raised.is_ok() { limit.maximum } else { limit.current })
    }

    fn of(descriptors: Option<u64>) -> Self {
        let half = descriptors.map_or(MAX_CONNECTIONS, |all| all.saturating_sub(RESERVED) / 2);
        let connections = half.clamp(LEAST, MAX_CONNECTIONS);
        Self { descriptors, connections: usize::try_from(connections).unwrap_or(usize::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_left_is_for_clients() {
        for (descriptors, connections) in [
            (None, 10_000),
            (Some(1 << 20), 10_000),
            (Some(20_512), 10_000),
            (Some(20_510), 9_999),
            (Some(1_024), 256),
            (Some(513), 16),
            (Some(0), 16),
        ] {
            assert_eq!(Capacity::of(descriptors), Capacity { descriptors, connections }, "{descriptors:?}");
        }
    }
}

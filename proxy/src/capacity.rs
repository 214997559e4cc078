//! Where descriptors go: two for each client, its own and its endpoint's; some for all else; what is left for idle connections
//! to endpoints, of which some are always allowed.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What Envoy advises for an edge; who wants another number says so.
const MAX_CONNECTIONS: u64 = 10_000;
/// For listeners, the admin port, tables, the log.
const OWN: u64 = 256;
/// Idle connections to endpoints that clients leave room for: with fewer, nearly every request had to make one.
const LEAST_IDLE: u64 = 256;
/// What is not for clients.
const RESERVED: u64 = OWN + LEAST_IDLE;
/// A process with so few descriptors is of little use; it is not of none.
const LEAST: u64 = 16;

/// What the process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Descriptors, by the system's limit; none: as many as it likes.
    pub(crate) descriptors: Option<u64>,
    /// Client connections.
    pub(crate) connections: usize,
    /// Idle connections to endpoints, over all threads.
    pub(crate) idle: usize,
}

impl Capacity {
    /// Asks the system for as many descriptors as it gives without a privilege, to serve so many clients, if it was said.
    pub(crate) fn claim(wanted: Option<u32>) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let highest = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let raised = setrlimit(Resource::Nofile, highest).inspect_err(|error| {
            tracing::warn!(%error, "the limit of descriptors cannot be raised");
        });
        let capacity = Self::of(if raised.is_ok() { limit.maximum } else { limit.current }, wanted);
        if let Some(wanted) = wanted.filter(|wanted| capacity.connections < *wanted as usize) {
            let needed = u64::from(wanted) * 2 + RESERVED;
            let Self { descriptors, connections, .. } = capacity;
            tracing::warn!(
                wanted,
                connections,
                descriptors,
                "fewer connections than --max-connections says: give the process {needed} descriptors (ulimit -n)"
            );
        }
        capacity
    }

    fn of(descriptors: Option<u64>, wanted: Option<u32>) -> Self {
        let most = wanted.map_or(MAX_CONNECTIONS, u64::from);
        let half = descriptors.map_or(most, |all| (all.saturating_sub(RESERVED) / 2).max(LEAST));
        let connections = half.min(most);
        // The only ones that can be done without, so they are what gives way where there is too little.
        let idle = descriptors.map_or(u64::MAX, |all| all.saturating_sub(connections * 2 + OWN));
        let [connections, idle] = [connections, idle].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Self { descriptors, connections, idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_left_is_for_clients() {
        for (descriptors, connections, idle) in [
            (None, 10_000, usize::MAX),
            (Some(1 << 20), 10_000, (1 << 20) - 20_256),
            (Some(20_512), 10_000, 256),
            (Some(20_510), 9_999, 256),
            (Some(1_024), 256, 256),
            (Some(513), 16, 225),
            (Some(0), 16, 0),
        ] {
            let expected = Capacity { descriptors, connections, idle };
            assert_eq!(Capacity::of(descriptors, None), expected, "{descriptors:?}");
        }
    }

    #[test]
    fn with_all_at_their_limits_nobody_lacks_a_descriptor() {
        for wanted in [None, Some(1), Some(500), Some(100_000)] {
            for descriptors in (300..30_000).step_by(7) {
                let Capacity { connections, idle, .. } = Capacity::of(Some(descriptors), wanted);
                let used = 2 * connections as u64 + idle as u64 + OWN;
                assert!(used <= descriptors, "{used} of {descriptors}, for {wanted:?} clients");
            }
        }
    }

    #[test]
    fn as_many_as_are_wanted_but_not_more_than_descriptors_allow() {
        for (descriptors, wanted, connections) in [
            (None, 100_000, 100_000),
            (Some(1 << 20), 100_000, 100_000),
            (Some(20_512), 100_000, 10_000),
            (Some(20_512), 8_000, 8_000),
            (Some(0), 100, 16),
            (Some(0), 1, 1),
        ] {
            assert_eq!(Capacity::of(descriptors, Some(wanted)).connections, connections, "{descriptors:?}, {wanted}");
        }
    }
}

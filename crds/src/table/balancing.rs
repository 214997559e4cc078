//! The table's settings of how an endpoint is chosen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{Algorithm, HashTable};

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancingPolicy {
    /// The rule.
    pub algorithm: Algorithm,
    /// Set with [`Algorithm::ConsistentHash`], and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent_hash: Option<ConsistentHashPolicy>,
    /// How much each part counts, with [`Algorithm::Score`].
    #[serde(default, skip_serializing_if = "ScorePolicy::is_default")]
    pub score: ScorePolicy,
    /// How newcomers begin.
    #[serde(default, skip_serializing_if = "SlowStartPolicy::is_default")]
    pub slow_start: SlowStartPolicy,
    /// Whether endpoints in the proxy's own zone are preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_aware: Option<ZoneAwarePolicy>,
}

/// How keys find their endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsistentHashPolicy {
    /// What of a request is its key.
    pub key: HashKey,
    /// How keys are spread.
    pub table: HashTable,
    /// How much more than its share an endpoint may hold, in percent of it: 101 to 1000; none: as much as there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_load_percent: Option<u32>,
}

/// What of a request is its key. A request without it is balanced by [`Algorithm::LeastRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HashKey {
    /// The client's address, as its trusted proxies say.
    SourceIp,
    /// The first value of a field of the head; its name in lower case.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The first value of a parameter of the query, as it is written.
    QueryParameter(String),
    /// The path, without the query.
    Path,
    /// The host that is asked for, without the port, in lower case.
    Host,
}

/// How much each part of a score counts, in percent; together 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScorePolicy {
    /// Requests under way.
    pub load: u32,
    /// The time that answers take.
    pub latency: u32,
    /// Failures.
    pub errors: u32,
    /// Zones and regions.
    pub distance: u32,
}

impl Default for ScorePolicy {
    fn default() -> Self {
        Self { load: 40, latency: 30, errors: 20, distance: 10 }
    }
}

impl ScorePolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How newcomers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowStartPolicy {
    /// Over which their share grows; 0: they have all of it at once.
    pub window_ms: u64,
    /// What they begin with, of a hundred.
    pub min_percent: u32,
}

impl Default for SlowStartPolicy {
    fn default() -> Self {
        Self { window_ms: 10_000, min_percent: 10 }
    }
}

impl SlowStartPolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Over which their share grows.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

/// How endpoints in the proxy's own zone are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAwarePolicy {
    /// Of the load of a local and a remote endpoint together, how much the local one may have, in percent: 50 to 100.
    pub spill_over_percent: u32,
}

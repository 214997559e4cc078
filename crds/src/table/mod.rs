//! The routing table: what the operator publishes and a proxy runs on.
//!
//! Three parts, since they change at different rates: the [`Policy`] with the user's spec, the [`Endpoints`] with every
//! pod that comes or goes, the [`Fleet`] with the proxies. A proxy parses only parts whose bytes changed.

mod balancing;
mod check;
mod endpoints;
mod fleet;
mod parts;
mod policy;
mod version;

pub use balancing::{
    ConsistentHashPolicy, HashKey, LoadBalancingPolicy, ScorePolicy, SlowStartPolicy, ZoneAwarePolicy,
};
pub use endpoints::{EndpointRow, EndpointState, Endpoints};
pub use fleet::{Fleet, FleetProxy};
pub use parts::{ENDPOINTS_KEY, FLEET_KEY, MAX_BYTES, MAX_UNPACKED_BYTES, POLICY_KEY, Parts, TableError};
pub use policy::{
    AccessLogPolicy, BackendPolicy, BackendSource, ConnectionPoolPolicy, FieldsPolicy, HeadersPolicy, LimitsPolicy,
    ListenerPolicy, Policy, RetryPolicy, TimeoutsPolicy,
};
pub use version::{KNOWN_REQUIREMENTS, SCHEMA_VERSION, SchemaVersion};

/// Policy, endpoints and fleet of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutingTable {
    /// Settings and backends.
    pub policy: Policy,
    /// Who answers for each backend.
    pub endpoints: Endpoints,
    /// The pool's ready proxies.
    pub fleet: Fleet,
}

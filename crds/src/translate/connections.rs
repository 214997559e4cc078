//! How a pool keeps connections to its endpoints.

use super::spec::{Checker, set_ms};
use crate::{api::BalancerPoolSpec, table::ConnectionPoolPolicy};

/// The most idle connections to an endpoint.
pub const MAX_IDLE_PER_ENDPOINT: u32 = 1000;
/// The most requests on a connection.
pub const MAX_REQUESTS_PER_CONNECTION: u32 = 1_000_000;

/// Writes checked settings to the policy.
pub(super) fn resolve(spec: &BalancerPoolSpec, policy: &mut ConnectionPoolPolicy) {
    let Some(pool) = &spec.connection_pool else { return };
    set(&mut policy.max_idle_per_endpoint, pool.max_idle_per_endpoint);
    set_ms(&mut policy.idle_timeout_ms, pool.idle_timeout.as_ref());
    set(&mut policy.max_requests_per_connection, pool.max_requests_per_connection);
}

fn set(number: &mut u32, given: Option<i32>) {
    if let Some(given) = given.and_then(|given| u32::try_from(given).ok()) {
        *number = given;
    }
}

impl Checker<'_> {
    pub(super) fn connections(&mut self, spec: &BalancerPoolSpec) {
        let Some(pool) = &spec.connection_pool else { return };
        self.require(
            is_within(pool.max_idle_per_endpoint, MAX_IDLE_PER_ENDPOINT),
            "spec.connectionPool.maxIdlePerEndpoint",
            "maxIdlePerEndpoint is 1 to 1000; choose a number between them",
        );
        self.timeout(pool.idle_timeout.as_ref(), "spec.connectionPool.idleTimeout");
        self.require(
            is_within(pool.max_requests_per_connection, MAX_REQUESTS_PER_CONNECTION),
            "spec.connectionPool.maxRequestsPerConnection",
            "maxRequestsPerConnection is 1 to 1000000; choose a number between them",
        );
    }
}

fn is_within(given: Option<i32>, most: u32) -> bool {
    given.is_none_or(|given| u32::try_from(given).is_ok_and(|given| (1..=most).contains(&given)))
}

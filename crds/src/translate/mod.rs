//! `translate`: from what is declared and observed to the table that proxies run on.
//!
//! Pure and total: it cannot fail, it returns what is wrong beside the best table that can be had. The same inputs in
//! another order give the same table.

mod access_log;
mod balancing;
mod connections;
mod endpoints;
mod ports;
mod problem;
mod retry;
mod spec;
mod traffic;

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};

pub use access_log::MAX_SAMPLE_PERCENT;
pub use balancing::{MAX_LOAD_PERCENT, SLOW_START_MS, SLOW_START_PERCENT, SPILL_OVER_PERCENT};
pub use connections::{MAX_IDLE_PER_ENDPOINT, MAX_REQUESTS_PER_CONNECTION};
pub use problem::{Problem, ProblemKind};
pub use retry::{MAX_ATTEMPTS, MAX_BACKOFF_MS, MAX_BUDGET_INTERVAL_MS, MAX_CODES};
pub use spec::{MAX_BACKENDS, MAX_ENDPOINTS, MAX_WEIGHT};

use crate::{
    BalancerPool, RoutingTable,
    address::Scope,
    api::EndpointCounts,
    table::{Endpoints, Fleet, FleetProxy, Policy},
};

/// All that a table depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What the user declared.
    pub pool: &'a BalancerPool,
    /// The Services of the pool's namespace, at least those that it names.
    pub services: &'a [&'a Service],
    /// Their EndpointSlices.
    pub slices: &'a [&'a EndpointSlice],
    /// The pool's ready proxies.
    pub proxies: &'a [FleetProxy],
    /// What is published now, if it passes its check: an invalid spec leaves its policy in force, and endpoints remember
    /// since when they are ready.
    pub published: Option<&'a RoutingTable>,
    /// Unix seconds.
    pub now: i64,
    /// Whose addresses may be endpoints.
    pub scope: Scope,
}

/// What follows from the [`Inputs`].
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    /// None if the spec is invalid and nothing was published before.
    pub table: Option<RoutingTable>,
    /// Endpoints that the table's backends have, ready or not.
    pub endpoints: EndpointCounts,
    /// What is wrong, in the order of the spec.
    pub problems: Vec<Problem>,
}

impl Translation {
    /// Whether the spec is in force.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.problems.iter().all(|problem| problem.kind != ProblemKind::Invalid)
    }
}

/// Translates a pool. See [`Inputs`] and [`Translation`].
#[must_use]
pub fn translate(inputs: &Inputs) -> Translation {
    let (policy, mut problems) = policy_in_force(inputs);
    let Some(policy) = policy else {
        return Translation { table: None, endpoints: EndpointCounts::new(0, 0), problems };
    };
    let origin = if problems.is_empty() { Origin::Spec } else { Origin::Published };
    let resolved = endpoints::resolve(inputs, &policy, origin);
    problems.extend(resolved.problems);
    let mut proxies = inputs.proxies.to_vec();
    proxies.sort();
    proxies.dedup();
    let endpoints = Endpoints { backends: resolved.backends };
    let ready = endpoints.ready();
    Translation {
        table: Some(RoutingTable { policy, endpoints, fleet: Fleet { proxies } }),
        endpoints: EndpointCounts::new(ready, resolved.total),
        problems,
    }
}

/// Whose policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Spec,
    Published,
}

/// The spec's policy if it is valid, else the published one.
fn policy_in_force(inputs: &Inputs) -> (Option<Policy>, Vec<Problem>) {
    match spec::resolve(inputs.pool, inputs.scope) {
        Ok(policy) => (Some(policy), Vec::new()),
        Err(problems) => (inputs.published.map(|table| table.policy.clone().written_anew()), problems),
    }
}

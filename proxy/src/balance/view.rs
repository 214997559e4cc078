//! Who is eligible now: a plan's candidates of the class in force.
//!
//! Classes, over the whole pool: ready; else serving while terminating; else nobody. A backend without a candidate of
//! the class in force is left out, so that its share goes to the others in proportion.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{BackendState, EndpointState, Plan, PlannedBackend, PlannedEndpoint};

/// The candidates of a plan. Immutable; swapped by pointer.
#[derive(Debug)]
pub struct View {
    /// Tells this view from every other: threads prepare their state once for each.
    pub epoch: u64,
    /// What it was made from.
    pub plan: Arc<Plan>,
    /// The backends that get traffic.
    pub backends: Vec<Candidates>,
    /// Where connections may be kept: everything that is ready.
    pub kept: HashSet<SocketAddr>,
}

/// A backend's candidates.
#[derive(Debug)]
pub struct Candidates {
    /// The backend.
    pub state: Arc<BackendState>,
    /// Its share of the pool, at least 1.
    pub weight: u32,
    /// Those with a weight of at least 1, in the plan's order; never empty.
    pub endpoints: Vec<PlannedEndpoint>,
}

static EPOCH: AtomicU64 = AtomicU64::new(1);

impl View {
    /// The candidates of a plan.
    #[must_use]
    pub fn of(plan: Arc<Plan>) -> Self {
        let ready = |endpoint: &PlannedEndpoint| endpoint.ready;
        let mut backends = candidates(&plan, ready);
        if backends.is_empty() {
            backends = candidates(&plan, |_| true);
        }
        let all = plan.backends.iter().flat_map(|backend| &backend.endpoints);
        let kept = all.filter(|endpoint| ready(endpoint)).map(|endpoint| endpoint.state.address).collect();
        Self { epoch: EPOCH.fetch_add(1, Relaxed), backends, kept, plan }
    }

    /// Whether a candidate is left that was not tried.
    #[must_use]
    pub fn has_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        self.backends.iter().any(|backend| backend.has_untried(tried))
    }
}

impl Candidates {
    /// Whether one of them was not tried.
    #[must_use]
    pub fn has_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.is_untried(tried))
    }
}

impl PlannedEndpoint {
    /// Whether it is none of those that were tried.
    #[must_use]
    pub fn is_untried(&self, tried: &[Arc<EndpointState>]) -> bool {
        !tried.iter().any(|tried| Arc::ptr_eq(tried, &self.state))
    }
}

fn candidates(plan: &Plan, eligible: impl Fn(&PlannedEndpoint) -> bool) -> Vec<Candidates> {
    let of = |backend: &PlannedBackend| Candidates {
        state: Arc::clone(&backend.state),
        weight: backend.weight,
        endpoints: backend
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.weight > 0 && eligible(endpoint))
            .cloned()
            .collect(),
    };
    let weighted = plan.backends.iter().filter(|backend| backend.weight > 0);
    weighted.map(of).filter(|candidates| !candidates.endpoints.is_empty()).collect()
}

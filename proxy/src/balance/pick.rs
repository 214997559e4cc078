//! `pick`: from a view to the endpoint of the next attempt.

use std::sync::Arc;

use super::{BackendState, Candidates, EndpointState, PlannedEndpoint, ThreadState, View, smooth};

/// What a pick depends on besides the view.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The endpoints that were tried for this request: they are not tried again.
    pub tried: &'a [Arc<EndpointState>],
}

/// An endpoint for an attempt.
#[derive(Clone, Debug)]
pub struct Picked {
    /// The backend, for metrics.
    pub backend: Arc<BackendState>,
    /// The endpoint.
    pub endpoint: Arc<EndpointState>,
}

/// There is no endpoint that is eligible and was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no endpoint can serve")]
pub struct NoPick;

/// Picks an endpoint: first the backend, exactly by weight, then one of its endpoints. Allocates nothing, reads no clock.
pub fn pick(view: &View, state: &mut ThreadState, context: &Context) -> Result<Picked, NoPick> {
    state.prepare(view);
    let tried = context.tried;
    let eligible = |backend: &Candidates| tried.is_empty() || backend.has_untried(tried);
    let index = smooth::next(&view.backends, &mut state.backends, eligible).ok_or(NoPick)?;
    let backend = &view.backends[index];
    let fresh = |endpoint: &PlannedEndpoint| endpoint.is_untried(tried);
    let endpoint = match &mut state.strides[index] {
        Some(stride) => stride.next(&backend.endpoints, &mut state.endpoints, fresh),
        None => smooth::next(&backend.endpoints, &mut state.endpoints, fresh),
    };
    let endpoint = &backend.endpoints[endpoint.ok_or(NoPick)?];
    Ok(Picked { backend: Arc::clone(&backend.state), endpoint: Arc::clone(&endpoint.state) })
}

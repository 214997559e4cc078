//! One request's account: what it holds, and how it ended. It is told exactly once, whatever ends the request.

use std::{rc::Rc, sync::Arc};

use http::Response;

use super::{Fault, ResponseBody, answer};
use crate::{
    balance::{BackendState, NoPick, Outcome, Permit, Picked, Reason, View},
    guard::Refusal,
    shared::Pool,
    worker::Worker,
};

/// A request under way.
pub(crate) struct Exchange {
    pub(super) worker: Rc<Worker>,
    pub(super) pool: Arc<Pool>,
    backend: Option<Arc<BackendState>>,
    permit: Option<Permit>,
    outcome: Option<Outcome>,
}

/// nginx's number for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Exchange {
    pub(super) fn new(worker: &Rc<Worker>, pool: usize) -> Self {
        let pool = Arc::clone(&worker.shared.pools[pool]);
        Self { worker: Rc::clone(worker), pool, backend: None, permit: None, outcome: None }
    }

    /// Picks an endpoint that was not tried, and takes a place there.
    pub(super) fn pick(&mut self, view: &View, tried: &[Arc<crate::balance::EndpointState>]) -> Result<Picked, NoPick> {
        self.permit = None;
        let picked = self.worker.pick(self.pool.index, view, tried)?;
        self.permit = Some(Permit::take(Arc::clone(&picked.endpoint)));
        self.backend = Some(Arc::clone(&picked.backend));
        Ok(picked)
    }

    /// Counts fields that were dropped for their names.
    pub(super) fn count_dropped_fields(&self, count: usize) {
        for _ in 0..count {
            self.pool.dropped_fields.add(self.worker.index, 0);
        }
    }

    /// Counts the request towards the retry budget.
    pub(super) fn count_request(&self) {
        self.pool.budget.count_request(self.worker.index, self.worker.second());
    }

    /// Asks the budget for a retry after a failure.
    pub(super) fn take_retry(&self, reason: Reason, fleet: u32) -> bool {
        let thread = self.worker.index;
        let allowed = self.pool.budget.take_retry(thread, self.worker.second(), fleet);
        if allowed {
            self.pool.retries.add(thread, reason.index());
        }
        allowed
    }

    /// Ends the exchange.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Ends the exchange of a client that left.
    pub(super) fn leave(self) {
        self.end(Outcome::failed(CLIENT_CLOSED_REQUEST, Reason::ClientLeft));
    }

    /// Ends the exchange with an answer of our own.
    pub(super) fn fail(self, status: u16, reason: Reason, detail: &str) -> Response<ResponseBody> {
        self.end(Outcome::failed(status, reason));
        answer::failed(status, reason, detail)
    }

    /// Ends the exchange with a refusal of what the client sent.
    pub(super) fn refuse(self, refusal: &Refusal) -> Response<ResponseBody> {
        self.fail(refusal.status, refusal.reason, refusal.detail)
    }

    /// Ends the exchange of a client whose body did not come to its end.
    pub(super) fn blame_client(self, fault: Fault) -> Response<ResponseBody> {
        match fault.refusal() {
            refusal if fault == Fault::Left => {
                self.leave();
                answer::failed(refusal.status, refusal.reason, refusal.detail) // for who only closed its sending side
            }
            refusal => self.refuse(&refusal),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(Outcome::failed(CLIENT_CLOSED_REQUEST, Reason::ClientLeft));
        let thread = self.worker.index;
        self.pool.report(thread, outcome);
        if let Some(backend) = &self.backend {
            backend.requests.add(thread, outcome.class());
        }
        if let Some(reason) = outcome.reason {
            let backend = self.backend.as_ref().map(|backend| &*backend.name);
            tracing::debug!(status = outcome.status, %reason, side = outcome.side().name(), backend, "request failed");
        }
    }
}

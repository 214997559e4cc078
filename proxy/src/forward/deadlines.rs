//! Until when a request, and each of its attempts, must have its whole answer: where a pool limits that at all.

use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};

use crate::{
    balance::Plan,
    waits::{Wait, Waits},
};

/// The deadlines of a request. On the heap, since few pools have any.
pub(super) struct Deadlines {
    request: Option<(Instant, Wait)>,
    per_attempt: Option<Duration>,
    attempt: Option<Wait>,
}

/// Whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// That of the attempt: another may follow.
    Attempt,
    /// That of the request.
    Request,
}

impl Deadlines {
    /// Those of a request that begins now.
    pub(super) fn of(plan: &Plan, waits: &Waits) -> Option<Box<Self>> {
        let (request, per_attempt) = (plan.request_timeout, plan.backend_request_timeout);
        if request.is_none() && per_attempt.is_none() {
            return None;
        }
        let request = request.map(|limit| (Instant::now() + limit, waits.begin(limit)));
        Some(Box::new(Self { request, per_attempt, attempt: None }))
    }

    /// Another attempt begins.
    pub(super) fn begin_attempt(&mut self, waits: &Waits) {
        self.attempt = self.per_attempt.map(|limit| waits.begin(limit));
    }

    /// What is left for an answer that was held: none, if that is all there is when time is over.
    pub(super) fn into_rest(mut self: Box<Self>) -> Option<Box<Self>> {
        self.attempt = None;
        self.request.as_ref().is_some_and(|(end, _)| Instant::now() < *end).then_some(self)
    }

    /// Whether an attempt may begin after a pause.
    pub(super) fn allow(&self, pause: Duration) -> bool {
        self.request.as_ref().is_none_or(|(end, _)| Instant::now() + pause < *end)
    }

    /// Ready when one of them is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        if self.request.as_mut().is_some_and(|(_, wait)| wait.poll(cx).is_ready()) {
            return Poll::Ready(Over::Request);
        }
        match &mut self.attempt {
            Some(wait) => wait.poll(cx).map(|()| Over::Attempt),
            None => Poll::Pending,
        }
    }
}
